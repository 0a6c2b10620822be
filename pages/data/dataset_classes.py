"""The classes of a dataset: verdicts, rename, merge, add, and the undo of the last change."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.domain.datasets import Dataset, DatasetVersion, Verdict
from core.domain.keeping.people import Right
from core.errors import TouchstoneError
from core.workflows.data import datasets, edits, versions
from core.workspace import Workspace
from pages.ui import errors, text
from pages.ui.people import rights

UNDECIDED = "–"


def show(workspace: Workspace, dataset: Dataset) -> None:
    """Everything about the classes."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        verdicts(workspace, dataset)
    with right:
        rename_class(workspace, dataset)
        merge_classes(workspace, dataset)
        add_class(workspace, dataset)
        undo_button(workspace, dataset)


def verdicts(workspace: Workspace, dataset: Dataset) -> None:
    st.header("Good or defective")
    st.caption("OK: good part, NOK: defective part. Results then count escapes and false rejects.")
    counts = datasets.class_counts(workspace, dataset)
    rows: dict[str, list[Any]] = {
        "class": list(dataset.class_names),
        "images": [counts[name] for name in dataset.class_names],
        "verdict": [verdict.value if verdict else UNDECIDED for verdict in dataset.verdicts],
    }
    edited = st.data_editor(
        rows,
        hide_index=True,
        disabled=["class", "images"],
        key=f"verdicts_{dataset.version}",
        column_config={
            "verdict": st.column_config.SelectboxColumn(
                "verdict",
                options=[UNDECIDED, *(v.value for v in Verdict)],
                required=True,
                help="OK: good part. NOK: defective part.",
            )
        },
    )
    wanted = {
        name: None if verdict == UNDECIDED else Verdict(verdict)
        for name, verdict in zip(dataset.class_names, edited["verdict"], strict=True)
    }
    changed = tuple(wanted.values()) != dataset.verdicts
    if st.button(
        "Save verdicts",
        type="primary",
        key="save_verdicts",
        **rights.only(Right.DATA, disabled=not changed),
    ):
        act(lambda: edits.set_verdicts(workspace, dataset.id, wanted))


def rename_class(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("rename_class", clear_on_submit=True):
        st.markdown("**Rename a class**")
        old = st.selectbox("Class", dataset.class_names, key="rename_from")
        new = st.text_input("New name", key="rename_to", max_chars=200)
        if st.form_submit_button("Rename", key="do_rename_class", **rights.only(Right.DATA)):
            act(lambda: edits.rename_class(workspace, dataset.id, old, new))


def merge_classes(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("merge_classes", clear_on_submit=True):
        st.markdown("**Merge classes**")
        wanted = st.multiselect(
            "Classes",
            dataset.class_names,
            key="merge_from",
            help="Choose at least two. Their images get the same class.",
        )
        into = st.text_input(
            "Name of the merged class",
            key="merge_into",
            max_chars=200,
            help="One of these names, or a new one.",
        )
        if st.form_submit_button("Merge", key="do_merge_classes", **rights.only(Right.DATA)):
            act(lambda: edits.merge_classes(workspace, dataset.id, wanted, into))


def add_class(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("add_class", clear_on_submit=True):
        st.markdown("**Add a class**")
        name = st.text_input(
            "Name",
            key="add_name",
            max_chars=200,
            help="The class has no images until you relabel some.",
        )
        if st.form_submit_button("Add", key="do_add_class", **rights.only(Right.DATA)):
            act(lambda: edits.add_class(workspace, dataset.id, name))


def undo_button(workspace: Workspace, dataset: Dataset) -> None:
    last = versions.next_undo(workspace, dataset.id)
    if last and st.button(
        "Undo",
        icon=":material/undo:",
        key="undo",
        **rights.only(Right.DATA, help=f"Undoes: {text.plain(last.summary)}"),
    ):
        act(lambda: edits.undo(workspace, dataset.id))


def act(edit: Callable[[], DatasetVersion]) -> None:
    """Apply an edit and show its summary, or why it is not possible."""
    try:
        made = edit()
    except TouchstoneError as err:
        errors.show(err)
    else:
        st.toast(text.plain(made.summary), icon=":material/check:")
        st.rerun()
