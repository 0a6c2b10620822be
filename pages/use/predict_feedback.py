"""Predict: confirm or correct results; the answers become a new version of a dataset."""

import html
from collections.abc import Sequence

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.models import Model, Prediction
from core.workflows.data import datasets
from core.workflows.use import feedback
from core.workspace import Workspace
from pages.ui import text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.viewer.uploads import Upload
from pages.ui.viewer.viewing import ImageKind

PAGE = 12
Judged = tuple[Upload, Prediction]


def feedback_on(workspace: Workspace, model: Model, judged: Sequence[Judged]) -> None:
    """Ask for the class of each image, the most urgent first.

    `judged` are readable images in the order in which they are asked about.
    """
    known = [(upload, item) for upload, item in judged if upload.is_there]
    choices = [
        d
        for d in datasets.list_datasets(workspace)
        if len(d.class_names) > 1 or d.id == model.dataset_id
    ]
    if not known or not choices:
        return
    answered = any(upload.answer is not None for upload, _ in known)
    with st.expander("Confirm or correct", icon=":material/rate_review:", expanded=answered):
        st.caption("In the large view, the keys 1 to 9 do the same and go on to the next image.")
        own = [at for at, dataset in enumerate(choices) if dataset.id == model.dataset_id]
        dataset = st.selectbox(
            "Dataset",
            choices,
            index=own[0] if own else 0,
            key="feedback_dataset",
            format_func=lambda item: text.plain(item.name),
            width=320,
            help="Your answers become its next version. A sealed test set stays as it is.",
        )
        _ask(model, dataset, known)
        _add(workspace, dataset, known)


def _ask(model: Model, dataset: Dataset, known: Sequence[Judged]) -> None:
    pages = -(-len(known) // PAGE)
    page = min(st.session_state.get("feedback_page", 1), pages)
    shown = known[(page - 1) * PAGE : page * PAGE]
    if st.button("Confirm all shown", icon=":material/done_all:", key="confirm_shown"):
        for upload, item in shown:
            if upload.answer is None and item.class_name in dataset.class_names:
                upload.answer = item.class_name
                st.session_state[_key(dataset, upload)] = item.class_name
    for upload, item in shown:
        _ask_one(model, dataset, upload, item)
    if pages > 1:
        st.pagination(pages, key="feedback_page")


def _ask_one(model: Model, dataset: Dataset, upload: Upload, item: Prediction) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        url = html.escape(f"/{ImageKind.UPLOADS}/{upload.token}/thumbnail?model={model.id}")
        st.html(
            f"<img src='{url}' alt='' width='56' style='border-radius:6px;display:block'>",
            width="content",
        )
        confidence = text.confidence(item.confidence)
        st.markdown(
            f"{text.plain(item.path)}  \n{text.plain(item.class_name or '')} {confidence}",
            width="stretch",
        )
        names, key = feedback.offered(dataset), _key(dataset, upload)
        if upload.answered_aside or key not in st.session_state:
            st.session_state[key] = upload.answer if upload.answer in names else None
            upload.answered_aside = False
        chosen = st.selectbox(
            "True class",
            names,
            index=None,
            key=key,
            placeholder="True class",
            label_visibility="collapsed",
            width=220,
            format_func=text.plain,
        )
        upload.answer = chosen


def _key(dataset: Dataset, upload: Upload) -> str:
    return f"true_{dataset.id}_{upload.token}"


def _add(workspace: Workspace, dataset: Dataset, known: Sequence[Judged]) -> None:
    """The one click, and what became of it."""
    answered = [
        (upload, item, upload.answer)
        for upload, item in known
        if upload.answer is not None and upload.answer in feedback.offered(dataset)
    ]
    wrong = sum(
        upload.answer is not None and upload.answer != item.class_name for upload, item in known
    )
    if answered:
        corrected = f", {wrong:,} corrected" if wrong else ""
        st.caption(f"{text.count(len(answered), 'answer')}{corrected}.")
    what = f"{text.count(len(answered), 'image')} " if answered else ""
    if st.button(
        f"Add {what}to {text.plain(dataset.name)}",
        type="primary",
        icon=":material/library_add:",
        key="add_feedback",
        **rights.only(Right.FEEDBACK, disabled=not answered),
    ):
        # Why read only now: those of a folder are files, of which a rerun needs none.
        images = [
            feedback.ConfirmedImage(item.path, upload.load(), answer, item.part)
            for upload, item, answer in answered
        ]
        job = feedback.add_to_dataset(workspace, dataset, images)
        st.session_state.feedback_job = job.subject_id
        st.rerun()
    if subject := st.session_state.get("feedback_job"):
        _followed(workspace, dataset, subject)


def _followed(workspace: Workspace, dataset: Dataset, subject: str) -> None:
    def draw(job: Job) -> None:
        widgets.job_progress(job)

    job = widgets.follow(workspace, subject, draw)
    if job is not None and job.status is JobStatus.COMPLETED:
        added, there = int(job.result["added"]), int(job.result["already_there"])
        name = text.plain(dataset.name)
        if added:
            images = text.count(added, "new image")
            st.success(f"Version {job.result['version']} of {name} has {images}.")
        if there:
            st.info(
                f"{name} has {text.count(there, 'image')} of these already. Correct their classes "
                "on Images."
            )
        st.page_link(
            Place.DATASETS,
            label="Open the dataset",
            icon=Place.DATASETS.icon,
            query_params={"dataset": dataset.id},
        )
