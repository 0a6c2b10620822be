"""What was just deleted: said on the page that follows, with one click to have it back."""

import streamlit as st

from core.domain.ids import utc_now
from core.domain.keeping.bin import KEPT_DAYS, BinKind, Binned
from core.errors import NotFoundError
from core.workflows.keeping import bin as bins
from core.workspace import Workspace
from pages.ui import context, text
from pages.ui.people import rights
from pages.ui.places import Place

_JUST = "just_deleted"


def leave(item: Binned, place: Place) -> None:
    """Go to a page where nothing of it is open any more; it says what was deleted.

    Args:
        item: what was put into the bin.
        place: that page.
    """
    st.session_state[_JUST] = (item, place)
    if item.kind is BinKind.DATASET:
        # Why: its models stay, without a dataset; one of them would be open beside another dataset.
        context.forget()
    st.switch_page(place, query_params={})


def show(workspace: Workspace, place: Place) -> None:
    """The sentence, as long as one stays on that page."""
    item, shown_at = st.session_state.get(_JUST, (None, None))
    if item is None:
        return
    if shown_at is not place:
        del st.session_state[_JUST]
        return
    with st.container(horizontal=True, vertical_alignment="center", key="just_deleted"):
        st.info(
            f"**{text.plain(item.name)}** was deleted. It stays in the bin for {KEPT_DAYS} days.",
            icon=":material/delete:",
            width="stretch",
        )
        _restore(workspace, item, "Undo", "undo")


def in_bin(workspace: Workspace, kind: str, subject_id: str) -> Binned | None:
    """What a link asks for, where it lies in the bin."""
    content = bins.content(workspace)
    return next((i for i in content if i.kind == kind and i.subject_id == subject_id), None)


def offer(workspace: Workspace, item: Binned) -> None:
    """That what a link asks for lies in the bin, for how long, and one click to have it back."""
    left = text.count(bins.days_left(item, now=utc_now()), "day")
    st.warning(
        f"The {item.kind} **{text.plain(item.name)}** of this link was deleted. It stays in the "
        f"bin for another {left}.",
        icon=":material/delete:",
        width="stretch",
    )
    _restore(workspace, item, "Restore", "restore_from_trash")


def _restore(workspace: Workspace, item: Binned, label: str, icon: str) -> None:
    if not st.button(
        label,
        icon=f":material/{icon}:",
        key=f"restore_{item.id}",
        **rights.only(bins.right_for(item.kind)),
    ):
        return
    st.session_state.pop(_JUST, None)
    try:
        name = bins.restore(workspace, item.id)
    except NotFoundError as err:  # restored elsewhere, or emptied from the bin
        st.toast(text.plain(f"{err.message} {err.hint}"), icon=":material/error:")
    else:
        st.toast(f"{text.plain(name)} is back.", icon=":material/restore_from_trash:")
    if item.kind is BinKind.DATASET:
        st.query_params["dataset"] = item.subject_id
    st.rerun()
