"""The classes of a dataset: verdicts, rename, merge, add, and the undo of the last change."""

from collections.abc import Callable

import streamlit as st

from core.domain.datasets import Dataset, DatasetVersion
from core.domain.keeping.people import Right
from core.errors import TouchstoneError
from core.workflows.data import edits, versions
from core.workflows.voided import change_in_words, seals_in_words, valid_seals
from core.workspace import Workspace
from pages.data.classes import verdicts
from pages.ui import errors, text
from pages.ui.people import rights


def show(workspace: Workspace, dataset: Dataset) -> None:
    """Everything about the classes."""
    sealed = seals_in_words(valid_seals(workspace, dataset.id))
    if sealed:
        st.warning(
            f"**A change of verdicts or classes voids {text.plain(sealed)}.**",
            icon=":material/lock:",
        )
    verdicts.show(workspace, dataset)
    with st.expander("Rename, merge or add classes", key="class_edits"):
        for column, part in zip(
            st.columns(3), (rename_class, merge_classes, add_class), strict=True
        ):
            with column:
                part(workspace, dataset)
    undo_button(workspace, dataset)


def rename_class(workspace: Workspace, dataset: Dataset) -> None:
    with st.form(f"rename_class_{dataset.id}", clear_on_submit=True):
        st.markdown("**Rename a class**")
        old = st.selectbox("Class", dataset.class_names, key=f"rename_from_{dataset.id}")
        new = st.text_input("New name", key=f"rename_to_{dataset.id}", max_chars=200)
        if st.form_submit_button("Rename", key="do_rename_class", **rights.only(Right.DATA)):
            act(workspace, dataset.id, lambda: edits.rename_class(workspace, dataset.id, old, new))


def merge_classes(workspace: Workspace, dataset: Dataset) -> None:
    with st.form(f"merge_classes_{dataset.id}", clear_on_submit=True):
        st.markdown("**Merge classes**")
        wanted = st.multiselect(
            "Classes",
            dataset.class_names,
            key=f"merge_from_{dataset.id}",
            help="Choose at least two. Their images get the same class.",
        )
        into = st.text_input(
            "Name of the merged class",
            key=f"merge_into_{dataset.id}",
            max_chars=200,
            help="One of these names, or a new one.",
        )
        if st.form_submit_button("Merge", key="do_merge_classes", **rights.only(Right.DATA)):
            act(
                workspace,
                dataset.id,
                lambda: edits.merge_classes(workspace, dataset.id, wanted, into),
            )


def add_class(workspace: Workspace, dataset: Dataset) -> None:
    with st.form(f"add_class_{dataset.id}", clear_on_submit=True):
        st.markdown("**Add a class**")
        name = st.text_input(
            "Name",
            key=f"add_name_{dataset.id}",
            max_chars=200,
            help="The class has no images until you relabel some.",
        )
        if st.form_submit_button("Add", key="do_add_class", **rights.only(Right.DATA)):
            act(workspace, dataset.id, lambda: edits.add_class(workspace, dataset.id, name))


def undo_button(workspace: Workspace, dataset: Dataset) -> None:
    last = versions.next_undo(workspace, dataset.id)
    if last and st.button(
        f"Undo: {text.plain(last.summary)}",
        type="tertiary",
        icon=":material/undo:",
        key="undo",
        **rights.only(Right.DATA),
    ):
        act(workspace, dataset.id, lambda: edits.undo(workspace, dataset.id))


def act(workspace: Workspace, dataset_id: str, edit: Callable[[], DatasetVersion]) -> None:
    """Apply an edit and show its summary, or why it is not possible."""
    sealed = valid_seals(workspace, dataset_id)
    try:
        made = edit()
    except TouchstoneError as err:
        errors.show(err)
    else:
        told = (made.summary, change_in_words(workspace, dataset_id, sealed))
        st.toast(text.plain(". ".join(filter(None, told))), icon=":material/check:")
        st.rerun()
