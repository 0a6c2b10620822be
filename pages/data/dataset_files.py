"""Settings of a dataset: its name, its files (changed, missing, moved), and deleting it."""

import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.domain.datasets import Dataset, Sample
from core.domain.files import ChangedFiles, FileCheck
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.errors import TouchstoneError
from core.words import joined
from core.workflows import files, jobs
from core.workflows.data import datasets, image_facts
from core.workflows.data.datasets import DeletedWith
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.folder_picker import folder_field
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell import deleted

NAMED = 5
DONE_S = 120.0  # for so long a finished job is still news
NO_ROOT = ""


def news(workspace: Workspace, dataset: Dataset) -> None:
    """Files about which somebody has to decide, and the job that reads them."""
    check = files.last_check(workspace, dataset.id)
    job = jobs.latest(workspace, files.job_subject(dataset.id))
    at_work = job is not None and job.status.is_active
    if check is not None and not check.is_clean and not at_work:
        _decide(workspace, dataset, check)
    if job is not None and (at_work or _is_news(job)):
        with st.container(border=True):
            widgets.follow(workspace, job.subject_id, _draw)


def settings(workspace: Workspace, dataset: Dataset) -> None:
    """What is rarely done with a dataset as a whole."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.header("Files")
        _check(workspace, dataset, files.last_check(workspace, dataset.id))
        _move(workspace, dataset)
        widgets.skipped_files(dataset.skipped, "skipped during the import")
        _gray_levels(dataset)
    with right:
        st.header("Name")
        _rename(workspace, dataset)
        st.header("Delete")
        st.markdown(_taken_along(datasets.deleted_with(workspace, dataset.id)))
        if st.button(
            "Delete dataset …", icon=":material/delete:", key="delete", **rights.only(Right.DATA)
        ):
            _confirm_delete(workspace, dataset)


def _rename(workspace: Workspace, dataset: Dataset) -> None:
    with st.form(f"rename_{dataset.id}", border=False):
        name = st.text_input(
            "Name",
            value=dataset.name,
            max_chars=100,
            # Why the id: without it the field went on showing the name of another dataset. Why
            # the name: the field shows what it is now, whoever changed it.
            key=f"name_{dataset.id}_{dataset.name}",
            width=360,
        )
        if st.form_submit_button("Rename", icon=":material/edit:", **rights.only(Right.DATA)):
            try:
                datasets.rename_dataset(workspace, dataset.id, name)
            except TouchstoneError as err:
                errors.show(err)
            else:
                st.rerun()


def _gray_levels(dataset: Dataset) -> None:
    scale = image_facts.scale_in_words(dataset)
    if scale is None:
        return
    st.caption(scale)
    st.page_link(
        Place.PREPROCESS,
        label="Change",
        icon=":material/tune:",
        query_params={"dataset": dataset.id},
    )


def _taken_along(gone: DeletedWith) -> str:
    """What goes with the dataset, and what stays."""
    numbers = [
        text.count(number, noun)
        for number, noun in (
            (gone.splits, "split"),
            (gone.runs, "run"),
            (gone.searches, "search"),
            (gone.marked_images, "marked image"),
        )
        if number
    ]
    lines = [f"Also deletes {joined([*numbers, 'the history of this dataset'])}."]
    if gone.models:
        lines.append(
            f"{text.count(gone.models, 'model')} of it can still predict, but no longer be "
            "evaluated or signed off."
        )
    if gone.uploaded:
        lines.append("Its images in the workspace are deleted too.")
    lines.append("Reports and images in their original folder stay.")
    return " ".join(lines)


@st.dialog("Delete dataset")
@errors.shown()
def _confirm_delete(workspace: Workspace, dataset: Dataset) -> None:
    st.markdown(f"Delete **{text.plain(dataset.name)}**? It stays in the bin for 30 days.")
    st.markdown(_taken_along(datasets.deleted_with(workspace, dataset.id)))
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        deleted.leave(datasets.delete_dataset(workspace, dataset.id), Place.HOME)


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
                **rights.only(
                    Right.DATA,
                    help="Makes a new version of the dataset with the changed images as they are "
                    "now; missing ones are left out. Older models keep their results for the old "
                    "content.",
                ),
            ):
                _start(lambda: _answer(workspace, dataset, ChangedFiles.NEW_VERSION))
            if st.button(
                "Leave these images out",
                icon=":material/hide_image:",
                key="files_leave_out",
                **rights.only(
                    Right.DATA,
                    help="Makes a new version of the dataset without these images. You can undo "
                    "it.",
                ),
            ):
                _start(lambda: _answer(workspace, dataset, ChangedFiles.LEAVE_OUT))
        if check.missing:
            st.caption("If the folder was moved or renamed, say where it is now, under Settings.")


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
        if st.button("Stop", icon=":material/stop:", key="stop_files", **rights.to_stop(job)):
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
            **rights.only(
                Right.DATA,
                help="Compares size and date of every file with the import, and the content where "
                "those differ. The same happens before training, exports and reports.",
            ),
        ):
            _start(lambda: files.start_check(workspace, dataset.id))
        st.caption(f"Last checked: {text.when(check.checked_at)}." if check else "Not checked yet.")


def _move(workspace: Workspace, dataset: Dataset) -> None:
    roots = files.source_folders(workspace, dataset.id)
    if not roots:
        st.caption("The images of this dataset are inside the workspace.")
        return
    with st.container(key="move_dataset"):
        folder = folder_field(
            "The folder is now here",
            f"moved_to_{dataset.id}",
            right=Right.DATA,
            placeholder=roots[0],
            help="Where the images are now, on the server. Names and sizes of all files and the "
            "contents of up to 2,000 are compared first.",
        )
        root = NO_ROOT
        if len(roots) > 1:
            root = st.selectbox(
                "Folder that moved",
                [NO_ROOT, *roots],
                key=f"moved_from_{dataset.id}",
                format_func=lambda path: path or "the one that is missing",
                help="The images of this dataset come from several folders.",
            )
        anyway = st.checkbox(
            "Also if some files are missing or changed there",
            key=f"move_anyway_{dataset.id}",
            help="You are then asked what to do with these images.",
        )
        if st.button(
            "Read from there",
            icon=":material/drive_file_move:",
            key="move_there",
            **rights.only(Right.DATA, disabled=not folder),
        ):
            _start(
                lambda: files.start_relocation(
                    workspace,
                    dataset.id,
                    Path(folder),
                    root=root or None,
                    anyway=anyway,
                )
            )
