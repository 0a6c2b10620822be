"""Predict: a folder on the server as a job, and its results as pictures."""

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import streamlit as st

from core.domain.datasets import Skipped
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.models import Model
from core.errors import NotFoundError, TouchstoneError
from core.evaluation.decisions.rule import rule_from_json
from core.workflows import job_words, jobs
from core.workflows.use import models, parts, prediction
from core.workspace import Workspace
from pages.ui import errors, text, widgets
from pages.ui.folder_picker import folder_field
from pages.ui.people import rights
from pages.ui.viewer import uploads
from pages.use import predict_parts, predict_results, predict_table
from pages.use.predict_feedback import feedback_on
from pages.use.predict_results import Row, Zone

FOLDER = "folder"  # the source of these images on the page
EARLIER = 10
SHOWN = 10_000  # images, so that a session stays small


def whole_folder(workspace: Workspace, model: Model) -> None:
    with st.container(border=True):
        typed = folder_field(
            "Folder on the server",
            "batch_folder",
            right=Right.PREDICT,
            placeholder="/data/incoming",
            help="All images below this folder are classified into one table. You can leave this "
            "page in the meantime.",
            in_link=True,
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            part_by = predict_parts.choose("batch", folders=True)
            delimiter = widgets.csv_delimiter("batch_delimiter")
        if st.button(
            "Classify folder",
            type="primary",
            icon=":material/play_arrow:",
            key="start_batch",
            **rights.only(Right.PREDICT, disabled=not typed),
        ):
            try:
                job = prediction.start_batch(
                    workspace,
                    model,
                    Path(typed),
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
    earlier(workspace, batch)


def earlier(workspace: Workspace, shown: str | None) -> None:
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
                st.button(
                    "Open",
                    key=f"open_{job.subject_id}",
                    icon=":material/open_in_new:",
                    on_click=_open,
                    args=(job.subject_id,),
                )


def _open(batch: str) -> None:
    st.query_params["batch"] = batch
    st.session_state["source"] = FOLDER


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
    """The results as uploads are shown, with the decisions of the time; then the table."""
    if hidden := int(job.result.get("hidden", 0)):
        st.caption(f"{text.count(hidden, 'hidden or system file')} ignored.")
    skipped = [Skipped(path, reason) for path, reason in job.result.get("skipped", ())]
    widgets.skipped_files(skipped, "left out")
    try:
        model = models.find_model(workspace, str(job.payload["model_id"]))
    except NotFoundError:
        st.success(job_words.batch_in_words(job))
        st.caption("The model was deleted: only its table is left.")
        predict_table.show(predict_table.named(prediction.batch_rows(workspace, job, limit=1000)))
        _download(workspace, job)
        return
    st.caption(f"Classified by {text.plain(model.name)}, {text.when(job.created_at)}.")
    rows = _rows(workspace, job, model)
    if len(rows) < int(job.result["n"]):
        st.caption(
            f"The first {len(rows):,} of {text.count(int(job.result['n']), 'image')} are shown and "
            "counted here; the CSV has all."
        )
    _results(workspace, job, model, rows)
    _download(workspace, job)
    readable = [row for row in predict_results.most_urgent_first(rows) if row.item.error is None]
    unsure_first = sorted(readable, key=lambda row: row.zone is not Zone.REVIEW)
    feedback_on(workspace, model, [(row.upload, row.item) for row in unsure_first])


def _results(workspace: Workspace, job: Job, model: Model, rows: list[Row]) -> None:
    if not rows:
        return
    shown = predict_results.filtered(
        rows, is_detector=model.is_detector, can_clear=False, key=f"{job.subject_id}_"
    )
    predict_results.notes(workspace, model, rows)
    items = [row.item for row in rows]
    rule = rule_from_json(job.payload["rule"]) if job.payload.get("rule") else None
    predict_parts.summary(parts.decisions(items, rule))
    predict_results.grid(model, predict_results.most_urgent_first(shown))
    predict_table.images(items)


def _rows(workspace: Workspace, job: Job, model: Model) -> list[Row]:
    """A row per image of the table, each with a way to its file; kept while the session lasts."""
    kept: tuple[str, list[Row]] | None = st.session_state.get("folder_rows")
    if kept is not None and kept[0] == job.id:
        return kept[1]
    rows = []
    for row in islice(prediction.batch_predictions(workspace, job, model), SHOWN):
        item = replace(row, path=prediction.name_in_folder(job, row.path))
        upload = uploads.add(item.path, partial(prediction.folder_image, job, item.path))
        upload.predictions[model.id] = item
        rows.append(Row(upload, item, predict_results.zone_of(item)))
    st.session_state["folder_rows"] = (job.id, rows)
    return rows


def _download(workspace: Workspace, job: Job) -> None:
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
