"""Predict: classify new images, uploaded or in a folder on the server."""

from enum import StrEnum
from pathlib import Path
from typing import assert_never

import streamlit as st

from core.domain.datasets import Skipped
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.models import Model
from core.errors import TouchstoneError
from core.workflows import job_words, jobs, stages
from core.workflows.use import prediction
from core.workspace import Workspace
from pages.ui import context, errors, inference, stage_words, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.viewer import about
from pages.use import predict_history, predict_parts, predict_watched
from pages.use.predict_uploads import uploaded_images

EARLIER = 10


class Source(StrEnum):
    """Where new images come from."""

    UPLOAD = "upload"
    CAMERA = "camera"
    FOLDER = "folder"
    WATCHED = "watched"
    HISTORY = "history"


_SOURCES = {
    Source.UPLOAD: "Upload images",
    Source.CAMERA: "Camera",
    Source.FOLDER: "Folder on the server",
    Source.WATCHED: "Watched folder",
    Source.HISTORY: "History",
}


def whole_folder(workspace: Workspace, model: Model) -> None:
    with st.container(border=True):
        typed = st.text_input(
            "Folder on the server",
            key="batch_folder",
            placeholder="/data/incoming",
            help="All images below this folder are classified into one table. You can leave this "
            "page in the meantime.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            part_by = predict_parts.choose("batch", folders=True)
            delimiter = widgets.csv_delimiter("batch_delimiter")
        if st.button(
            "Classify folder",
            type="primary",
            icon=":material/play_arrow:",
            key="start_batch",
            **rights.only(Right.PREDICT, disabled=not typed.strip()),
        ):
            try:
                job = prediction.start_batch(
                    workspace,
                    model,
                    Path(typed.strip()),
                    delimiter=delimiter,
                    part_by=part_by,
                )
            except TouchstoneError as err:
                errors.show(err)
                return
            st.query_params["batch"] = job.subject_id
            st.rerun()
    batch = st.query_params.get("batch")
    if batch:
        _batch(workspace, batch)
    _earlier(workspace, batch)


def _earlier(workspace: Workspace, shown: str | None) -> None:
    """Folders that were classified or begun before, to open again."""
    others = [job for job in prediction.batches(workspace) if job.subject_id != shown]
    if not others:
        return
    with st.expander(f"Earlier folders ({len(others):,})"):
        for job in others[:EARLIER]:
            with st.container(horizontal=True, vertical_alignment="center"):
                folder = text.plain(str(job.payload["folder"]))
                st.markdown(f"{folder} · {text.when(job.created_at)}", width="stretch")
                widgets.status_badge(job.status)
                if st.button("Open", key=f"open_{job.subject_id}", icon=":material/open_in_new:"):
                    st.query_params["batch"] = job.subject_id
                    st.rerun()


def _batch(workspace: Workspace, batch: str) -> None:
    def draw(job: Job) -> None:
        st.markdown(f"**{text.plain(str(job.payload['folder']))}**")
        widgets.job_progress(job)
        if job.status.is_active and st.button(
            "Stop", icon=":material/stop:", key="stop", **rights.to_stop(job)
        ):
            jobs.stop(workspace, job.id)

    with st.container(border=True):
        job = widgets.follow(workspace, batch, draw)
        if job is None:
            st.warning("There is no such batch.")
        elif job.status is JobStatus.COMPLETED:
            _batch_result(workspace, job)
        elif not job.status.is_active:
            st.caption("What is classified is kept.")
            if st.button(
                "Resume",
                type="primary",
                icon=":material/play_arrow:",
                key="resume",
                **rights.only(Right.PREDICT),
            ):
                prediction.resume_batch(workspace, job)
                st.rerun()


def _batch_result(workspace: Workspace, job: Job) -> None:
    rows = prediction.batch_rows(workspace, job, limit=1000)
    failed = int(job.result["failed"])
    st.success(job_words.batch_in_words(job))
    if failed:
        st.warning(f"{text.count(failed, 'file')} could not be read. See the column 'error'.")
    if unlike := int(job.result.get("unfamiliar", 0)):
        st.warning(
            f"{text.count(unlike, 'image')} unlike the training images. See the column "
            "'unfamiliar_score': above 1, do not rely on the class.",
            icon=about.UNFAMILIAR_ICON,
        )
    if hidden := int(job.result.get("hidden", 0)):
        st.caption(f"{text.count(hidden, 'hidden or system file')} ignored.")
    skipped = [Skipped(path, reason) for path, reason in job.result.get("skipped", ())]
    widgets.skipped_files(skipped, "left out")
    st.dataframe(rows, hide_index=True)
    table = prediction.batch_table(workspace, job)
    st.download_button(
        "CSV of all images",
        table.read_bytes(),
        table.name,
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="batch_csv",
    )


def page(workspace: Workspace) -> None:
    model = context.model(workspace)
    if model is None:
        widgets.empty_state(
            "image_search",
            "No model yet",
            "Train one, or upload a model file.",
            (Place.TRAIN, "Train a model"),
            (Place.MODELS, "Upload a model"),
        )
        return
    inference.warm_up(workspace, model)
    with st.container(horizontal=True, vertical_alignment="center"):
        source = st.segmented_control(
            "Source",
            list(Source),
            required=True,
            key="source",
            default=Source.FOLDER if st.query_params.get("batch") else Source.UPLOAD,
            label_visibility="collapsed",
            format_func=_SOURCES.__getitem__,
        )
        st.space("stretch")
        stage_words.standing_badge(stages.standing(workspace, model))
    match Source(source):
        case Source.UPLOAD:
            uploaded_images(workspace, model)
        case Source.CAMERA:
            uploaded_images(workspace, model, camera=True)
        case Source.FOLDER:
            whole_folder(workspace, model)
        case Source.WATCHED:
            predict_watched.watched_folder(model)
        case Source.HISTORY:
            predict_history.show(workspace)
        case _:
            assert_never(source)


widgets.page_heading(Place.PREDICT, "Classify new images, and see which regions decide.")
page(state.workspace())
