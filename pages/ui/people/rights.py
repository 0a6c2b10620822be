"""Buttons that a role may not press: disabled, with the reason as their tooltip."""

from typing import TypedDict

import streamlit as st

from core.domain.jobs import Job
from core.domain.keeping.people import Account, Right, right_to_queue
from core.workflows.keeping import people

_ACCOUNT = "account_here"


class Pressable(TypedDict):
    """Arguments of a button."""

    disabled: bool
    help: str | None


def remember(account: Account | None) -> None:
    """Whose page this is; None: everybody may do everything. Once in each run of a page."""
    st.session_state[_ACCOUNT] = account


def only(right: Right, *, help: str | None = None, disabled: bool = False) -> Pressable:
    """What makes a button one for people with a right: `st.button("Undo", **only(Right.DATA))`.

    It only says so before: what counts is asked again at each write.

    Args:
        right: that is needed for what the button does, or for the dialog that it opens.
        help: its tooltip for those who may.
        disabled: whether nobody can press it at the moment.
    """
    reason = people.refusal(st.session_state.get(_ACCOUNT), right)
    return {"disabled": disabled or reason is not None, "help": reason or help}


def reason_against(right: Right) -> str | None:
    """Why whoever looks may not; None: they may. For what is no button."""
    return people.refusal(st.session_state.get(_ACCOUNT), right)


def to_stop(job: Job, *, help: str | None = None, disabled: bool = False) -> Pressable:
    """As `only`, for what stops or moves a job: the right to queue one of its kind."""
    return only(right_to_queue(job.kind), help=help, disabled=disabled)
