"""The files of a dataset: which changed, went away or moved, and what to do with them."""

import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.domain.datasets import Dataset, Sample
from core.domain.files import ChangedFiles, FileCheck
from core.domain.jobs import Job, JobStatus
from core.errors import TouchstoneError
from core.workflows import files, jobs
from core.workflows.data import datasets
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets

NAMED = 5
DONE_S = 120.0  # for so long a finished job is still news
NO_ROOT = ""


def section(workspace: Workspace, dataset: Dataset) -> None:
    """Everything about the files; open by itself where somebody has to decide."""
    check = files.last_check(workspace, dataset.id)
    job = jobs.latest(workspace, files.job_subject(dataset.id))
    at_work = job is not None and job.status.is_active
    if check is not None and not check.is_clean and not at_work:
        _decide(workspace, dataset, check)
    if job is not None and (at_work or _is_news(job)):
        with st.container(border=True):
            widgets.follow(workspace, job.subject_id, _draw)
    if at_work:
        return
    folder = st.expander(
        "Files", icon=":material/folder_open:", key="dataset_files", on_change="rerun"
    )
    with folder:
        if folder.open:
            _check(workspace, dataset, check)
            _move(workspace, dataset)


def _is_news(job: Job) -> bool:
    return job.finished_at is not None and time.time() - job.finished_at < DONE_S


def _decide(workspace: Workspace, dataset: Dataset, check: FileCheck) -> None:
    lines = [
        f"**{text.count(len(ids), 'file')} {words}**: {_names(workspace, ids)}"
        for words, ids in (
            ("changed since the import", check.changed),
            ("missing", check.missing),
        )
        if ids
    ]
    with st.container(border=True, key="changed_files"):
        st.warning("\n\n".join(lines), icon=":material/sync_problem:")
        with st.container(horizontal=True):
            if check.changed and st.button(
                "Take the new content",
                icon=":material/published_with_changes:",
                type="primary",
                key="files_new_version",
                help="Makes a new version of the dataset with the changed images as they are now; "
                "missing ones are left out. Older models keep their results for the old content.",
            ):
                _start(lambda: _answer(workspace, dataset, ChangedFiles.NEW_VERSION))
            if st.button(
                "Leave these images out",
                icon=":material/hide_image:",
                key="files_leave_out",
                help="Makes a new version of the dataset without these images. You can undo it.",
            ):
                _start(lambda: _answer(workspace, dataset, ChangedFiles.LEAVE_OUT))
        if check.missing:
            st.caption("If the folder was moved or renamed, say where it is now, under Files.")


def _names(workspace: Workspace, ids: tuple[int, ...]) -> str:
    shown: list[Sample] = datasets.find_samples(workspace, ids[:NAMED])
    names = ", ".join(text.plain(sample.name) for sample in shown)
    return names + (f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else "")


def _answer(workspace: Workspace, dataset: Dataset, answer: ChangedFiles) -> Job:
    return files.start_check(workspace, dataset.id, answer)


def _start(start: Callable[[], Job]) -> None:
    try:
        start()
    except TouchstoneError as err:
        errors.show(err)
    else:
        st.rerun()


def _draw(job: Job) -> None:
    widgets.job_progress(job)
    if job.status.is_active:
        if st.button("Stop", icon=":material/stop:", key="stop_files"):
            jobs.stop(state.workspace(), job.id)
    elif job.status is JobStatus.COMPLETED:
        st.success(_done(job), icon=":material/check_circle:")


def _done(job: Job) -> str:
    result = job.result
    if "to" in result:
        return (
            f"{text.count(result['images'], 'image')} are now read from "
            f"{text.plain(result['to'])}. All names and sizes were compared, and the contents of "
            f"{result['contents_compared']:,}."
        )
    if "version" in result:
        return (
            f"Version {result['version']}: new content of "
            f"{text.count(result['replaced'], 'image')}, {result['left_out']:,} left out. Make a "
            "new split to use new content."
        )
    if result["changed"] or result["missing"]:
        return f"Compared {text.count(result['images'], 'file')}."
    return f"All {text.count(result['images'], 'file')} are as they were imported."


def _check(workspace: Workspace, dataset: Dataset, check: FileCheck | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Check the files",
            icon=":material/fact_check:",
            key="check_files",
            help="Compares size and date of every file with the import, and the content where "
            "those differ. The same happens before training, exports and reports.",
        ):
            _start(lambda: files.start_check(workspace, dataset.id))
        st.caption(f"Last checked: {text.when(check.checked_at)}." if check else "Not checked yet.")


def _move(workspace: Workspace, dataset: Dataset) -> None:
    roots = files.source_folders(workspace, dataset.id)
    if not roots:
        st.caption("The images of this dataset are inside the workspace.")
        return
    with st.form("move_dataset", border=False):
        folder = st.text_input(
            "The folder is now here",
            key="moved_to",
            placeholder=roots[0],
            help="Where the images are now, on the server. Names and sizes of all files and the "
            "contents of up to 2,000 are compared first.",
        )
        root = NO_ROOT
        if len(roots) > 1:
            root = st.selectbox(
                "Folder that moved",
                [NO_ROOT, *roots],
                key="moved_from",
                format_func=lambda path: path or "the one that is missing",
                help="The images of this dataset come from several folders.",
            )
        anyway = st.checkbox(
            "Also if some files are missing or changed there",
            key="move_anyway",
            help="You are then asked what to do with these images.",
        )
        if st.form_submit_button("Use this folder", icon=":material/drive_file_move:"):
            if not folder.strip():
                st.warning("Enter the folder.")
                return
            _start(
                lambda: files.start_relocation(
                    workspace,
                    dataset.id,
                    Path(folder.strip()),
                    root=root or None,
                    anyway=anyway,
                )
            )
