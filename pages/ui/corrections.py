"""What this session corrected last, in the image dialog or a gallery, and its undo on the page."""

from collections.abc import Iterable

import streamlit as st

from core.domain.datasets import Dataset, DatasetVersion
from core.domain.keeping.people import Right
from core.workflows.data import datasets, edits, versions
from core.workflows.stages import models_of
from core.workflows.voided import seals_in_words
from core.workspace import Workspace
from pages.ui import text
from pages.ui.people import rights


def remember(dataset_id: str, numbers: Iterable[int]) -> None:
    """Versions of a dataset that this session made by a correction."""
    _own_edits().update((dataset_id, number) for number in numbers)


def recent_edit(workspace: Workspace, dataset_id: str) -> None:
    """What this session corrected last, with a button to undo it."""
    newest = _undoable(workspace, dataset_id)
    if newest is None:
        return
    dataset = datasets.find_dataset(workspace, dataset_id)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="recent_edit"):
        st.markdown(
            f":material/history: **{text.plain(newest.summary)}** (dataset version "
            f"{dataset.version}). The model itself does not change.{_void_now(workspace, dataset)}",
            width="stretch",
        )
        if st.button(
            "Undo",
            icon=":material/undo:",
            key="undo",
            shortcut="U",
            **rights.only(Right.DATA, help=f"Undoes: {text.plain(newest.summary)}"),
        ):
            edits.undo(workspace, dataset_id)
            st.rerun()


def _void_now(workspace: Workspace, dataset: Dataset) -> str:
    """Whose sealed tests are void, in a sentence of a note; empty for none."""
    void = [m for m in models_of(workspace, dataset.id) if m.seal is not None and m.seal.changes]
    return f"  \n**Void now**: {text.plain(seals_in_words(void))}." if void else ""


def _undoable(workspace: Workspace, dataset_id: str) -> DatasetVersion | None:
    newest = versions.next_undo(workspace, dataset_id)
    return newest if newest and (dataset_id, newest.number) in _own_edits() else None


def _own_edits() -> set[tuple[str, int]]:
    """Dataset and version number of every correction of this session."""
    own: set[tuple[str, int]] = st.session_state.setdefault("my_edits", set())
    return own
