"""Saving a threshold, unless another tab or person has saved another one meanwhile."""

import streamlit as st

from core.domain.keeping.people import Right
from core.errors import OvertakenError, TouchstoneError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule, as_limit, point_in_words
from core.workflows.results import thresholds
from core.workflows.results.thresholds import Basis, ThresholdChoice
from core.workspace import Workspace
from pages.ui import test_access, text, threshold_form
from pages.ui.people import rights


def save(
    workspace: Workspace, basis: Basis, confidence: float, replaced: DecisionRule | None = None
) -> None:
    """Save the thresholds on the screen with the model, unless others were saved meanwhile.

    Called by buttons: the saved rule that a person knows of is what the page showed last.

    Args:
        workspace: of the model.
        basis: on which they were chosen.
        confidence: level of their bounds.
        replaced: the rule that was asked about since.
    """
    model_id = basis.judged.model.id
    now = threshold_form.draft(model_id, None)
    st.session_state.pop(_overtaken(model_id), None)
    try:
        thresholds.save_rule(
            workspace,
            basis,
            now.choice,
            confidence=confidence,
            scenario=now.scenario,
            person=test_access.person(),
            seen=replaced or st.session_state.get(_shown_rule(model_id)),
        )
    except OvertakenError:
        st.session_state[_overtaken(model_id)] = True
    except TouchstoneError as err:
        st.session_state.decide_error = err


def ask_if_overtaken(
    workspace: Workspace, basis: Basis, saved: DecisionRule | None, confidence: float
) -> None:
    """Ask what to do with a rule that was saved elsewhere since the page was drawn."""
    model_id = basis.judged.model.id
    st.session_state[_shown_rule(model_id)] = saved
    if saved is None or not st.session_state.get(_overtaken(model_id)):
        return
    with st.container(key="overtaken"):
        st.warning(
            f"Not saved: another threshold was saved meanwhile ({text.when(saved.saved_at)}), in "
            f"another tab or by somebody else. {text.plain(point_in_words(saved.point))}",
            icon=":material/sync_problem:",
        )
        with st.container(horizontal=True):
            st.button(
                f"Keep {_short(saved.point)}",
                type="primary",
                key="keep_saved",
                on_click=_adopt,
                args=(model_id, saved),
            )
            st.button(
                f"Replace with {_short(threshold_form.draft(model_id, None).point)}",
                key="replace_saved",
                on_click=save,
                args=(workspace, basis, confidence, saved),
                **rights.only(Right.SIGN_OFF),
            )


def _adopt(model_id: str, saved: DecisionRule) -> None:
    st.session_state.pop(_overtaken(model_id), None)
    threshold_form.put(model_id, ThresholdChoice(saved.point, saved.chosen_by))


def _short(point: OperatingPoint) -> str:
    """A threshold on a button: its number where it is one."""
    if point.reject_from is None or point.accept_below is None or point.class_thresholds:
        return "the thresholds per class"
    low, high = as_limit(point.accept_below), as_limit(point.reject_from)
    return high if low == high else f"{low} to {high}"


def _overtaken(model_id: str) -> str:
    return f"overtaken_{model_id}"


def _shown_rule(model_id: str) -> str:
    return f"shown_rule_{model_id}"
