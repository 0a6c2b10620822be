"""The bin on the Health page: what was deleted, and one click to have it back."""

import streamlit as st

from core.domain.ids import utc_now
from core.domain.keeping.bin import KEPT_DAYS, Binned
from core.workflows.keeping import bin as bins
from core.workspace import Workspace
from pages.ui import text
from pages.ui.people import rights

_SHOWN = 20


def show(workspace: Workspace) -> None:
    """What lies in the bin, the newest first; nothing where nothing does."""
    items = bins.content(workspace)
    if not items:
        return
    st.subheader("Bin", anchor=False, help=f"Deleted for good after {KEPT_DAYS} days.")
    with st.container(key="bin", gap="small"):
        for item in items[:_SHOWN]:
            _line(workspace, item)
    if len(items) > _SHOWN:
        st.caption(f"{len(items) - _SHOWN:,} older: `touchstone bin list`.")


def _line(workspace: Workspace, item: Binned) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        takes = bins.takes_in_words(item)
        by = f" · deleted by {text.plain(item.person)}" if item.person else ""
        st.markdown(
            f"{item.kind.value.capitalize()} **{text.plain(item.name)}**"
            + (f" with {takes}" if takes else "")
            + f"  \n:small[{text.count(bins.days_left(item, now=utc_now()), 'day')} left{by}]",
            width="stretch",
        )
        if st.button(
            "Restore",
            icon=":material/restore_from_trash:",
            key=f"restore_{item.id}",
            **rights.only(bins.right_for(item.kind)),
        ):
            name = bins.restore(workspace, item.id)
            st.toast(f"{text.plain(name)} is back.", icon=":material/restore_from_trash:")
            st.rerun()
