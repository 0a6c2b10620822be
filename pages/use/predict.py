"""Predict: classify new images, uploaded or in a folder on the server."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.api.models import prediction_as_json
from core.data.importing.preview import preview_uploaded
from core.domain.datasets import Skipped
from core.domain.depth import GrayLevels
from core.domain.jobs import Job, JobStatus
from core.domain.models import Model, PartDecision, Prediction
from core.domain.names import distinct_names
from core.errors import TouchstoneError
from core.evaluation.decisions.rule import decision_in_words
from core.workflows import jobs
from core.workflows.use import prediction
from core.workspace import Workspace
from pages.ui import context, errors, inference, state, text, widgets
from pages.ui.components import Tile, gallery
from pages.ui.places import Place

BATCH = 16
SHOWN = 60


def uploaded_images(workspace: Workspace, model: Model) -> None:
    files = st.file_uploader(
        "Images",
        accept_multiple_files=True,
        max_upload_size=200,
        key="pictures",
        help="JPEG, PNG, BMP, TIFF, WebP or GIF. Uploaded images are not stored. For thousands of "
        "images, use a folder on the server.",
    )
    if not files:
        st.caption("Drop one or more images here.")
        return
    results = _predicted(workspace, model, files)
    pairs = list(zip(files, results, strict=True))
    left, right = st.columns([3, 4], gap="large")
    with left:
        _summary(results)
        _tiles(model, pairs)
    with right:
        _detail(workspace, model, pairs)
    _table(model, results)


def _predicted(workspace: Workspace, model: Model, files: list[UploadedFile]) -> list[Prediction]:
    """Predictions of all files; those of this session are not computed again."""
    known: dict[tuple[str, str], Prediction] = st.session_state.setdefault("predictions", {})
    todo = [file for file in files if (model.id, file.file_id) not in known]
    bar = st.progress(0.0, text="Classifying …") if todo else None
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        answers = prediction.predict(
            workspace,
            model,
            [file.getvalue() for file in batch],
            [file.name for file in batch],
            call=inference.call,
        )
        known.update(
            ((model.id, file.file_id), answer) for file, answer in zip(batch, answers, strict=True)
        )
        if bar:
            done = start + len(batch)
            bar.progress(done / len(todo), text=f"Classifying … {done} of {len(todo)}")
    if bar:
        bar.empty()
    # Why again: the thresholds may have changed since.
    results = prediction.decided(workspace, model, [known[model.id, f.file_id] for f in files])
    # Why: a browser gives files of several folders by their base name.
    names = distinct_names([file.name for file in files])
    return [replace(item, path=name) for item, name in zip(results, names, strict=True)]


def _summary(results: list[Prediction]) -> None:
    failed = [item for item in results if item.error]
    if failed:
        st.warning(
            f"{text.count(len(failed), 'file')} could not be read. The others were classified. "
            f"**{text.plain(failed[0].path)}**: {text.plain(failed[0].error or '')}"
        )


def _tiles(model: Model, pairs: list[tuple[UploadedFile, Prediction]]) -> None:
    st.subheader("Results")
    tiles = [
        Tile(
            key=file.file_id,
            url=_data_url(model, file),
            title=item.class_name or "unreadable",
            detail=" · ".join(
                [
                    *([decision_in_words(item.decision)] if item.decision else []),
                    *([f"{item.confidence:.1%}"] if item.confidence else []),
                    item.path,
                ]
            ),
            hint=item.path,
            tone="wrong" if item.error else "",
        )
        for file, item in pairs[:SHOWN]
    ]
    clicked = gallery(tiles, "predicted", side_px=110)
    if clicked:
        st.session_state.opened = clicked
    if len(pairs) > SHOWN:
        st.caption(f"First {SHOWN} of {len(pairs):,} images. The table below has all of them.")


@st.cache_data(max_entries=200, show_spinner=False)
def _small(file_id: str, levels: GrayLevels | None, _content: bytes) -> bytes | None:
    return inference.call(preview_uploaded, _content, levels)


def _data_url(model: Model, file: UploadedFile) -> str:
    small = _small(file.file_id, model.preprocess.levels, file.getvalue())
    return "data:image/png;base64," + base64.b64encode(small).decode() if small else ""


def _detail(
    workspace: Workspace, model: Model, pairs: list[tuple[UploadedFile, Prediction]]
) -> None:
    opened = st.session_state.get("opened")
    readable = [pair for pair in pairs if not pair[1].error] or pairs
    file, item = next((pair for pair in pairs if pair[0].file_id == opened), readable[0])
    if item.error:
        st.subheader(text.plain(item.path))
        st.error(text.plain(item.error), icon=":material/error:")
        return
    st.subheader(f"{text.plain(item.class_name or '')} · {item.confidence or 0:.1%}")
    st.caption(text.plain(item.path))
    _decision(item)
    ranked = list(item.confidences)
    widgets.confidences(ranked, true_class=None, key="predict")
    widgets.heatmaps(
        workspace, model, file.getvalue(), ranked, true_class=None, key=f"predict_{file.file_id}"
    )


DECISION_LOOK: dict[PartDecision, tuple[text.BadgeColour, str]] = {
    PartDecision.ACCEPT: ("green", "check_circle"),
    PartDecision.REVIEW: ("orange", "person_search"),
    PartDecision.REJECT: ("red", "block"),
}


def _decision(item: Prediction) -> None:
    """What the operating point of the model does with this part, if it has one."""
    if item.decision is not None:
        colour, icon = DECISION_LOOK[item.decision]
        st.badge(
            decision_in_words(item.decision),
            color=colour,
            icon=f":material/{icon}:",
            help="By the saved threshold of this model.",
        )


def _table(model: Model, results: list[Prediction]) -> None:
    with st.container(border=True):
        st.markdown("**Table**")
        st.dataframe(
            {
                "image": [item.path for item in results],
                "class": [item.class_name or "–" for item in results],
                "confidence": [item.confidence for item in results],
                **(
                    {
                        "decision": [
                            decision_in_words(item.decision) if item.decision else "–"
                            for item in results
                        ]
                    }
                    if any(item.decision for item in results)
                    else {}
                ),
                "second choice": [_second(item) for item in results],
                "error": [item.error or "" for item in results],
            },
            hide_index=True,
            column_config={"confidence": st.column_config.NumberColumn(format="percent")},
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            delimiter = widgets.csv_delimiter("csv_delimiter")
            st.download_button(
                "CSV",
                prediction.as_csv(results, model.class_names, delimiter=delimiter),
                "predictions.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
                key="csv",
            )
            st.download_button(
                "JSON",
                json.dumps(
                    {"predictions": [prediction_as_json(r) for r in results]},
                    ensure_ascii=False,
                    indent=2,
                ),
                "predictions.json",
                "application/json",
                icon=":material/download:",
                on_click="ignore",
                key="json",
            )


def _second(item: Prediction) -> str:
    if len(item.confidences) < 2:
        return "–"
    name, confidence = item.confidences[1]
    return f"{name} ({confidence:.1%})"


def whole_folder(workspace: Workspace, model: Model) -> None:
    with st.container(border=True):
        typed = st.text_input(
            "Folder on the server",
            key="batch_folder",
            placeholder="/data/incoming",
            help="All images below this folder are classified into one table. You can leave this "
            "page in the meantime.",
        )
        delimiter = widgets.csv_delimiter("batch_delimiter")
        if st.button(
            "Classify folder",
            type="primary",
            icon=":material/play_arrow:",
            key="start_batch",
            disabled=not typed.strip(),
        ):
            try:
                job = prediction.start_batch(
                    workspace, model, Path(typed.strip()), delimiter=delimiter
                )
            except TouchstoneError as err:
                errors.show(err)
                return
            st.query_params["batch"] = job.subject_id
            st.rerun()
    batch = st.query_params.get("batch")
    if batch:
        _batch(workspace, batch)


def _batch(workspace: Workspace, batch: str) -> None:
    def draw(job: Job) -> None:
        st.markdown(f"**{text.plain(str(job.payload['folder']))}**")
        widgets.job_progress(job)
        if job.status.is_active and st.button("Stop", icon=":material/stop:", key="stop"):
            jobs.stop(workspace, job.id)

    with st.container(border=True):
        job = widgets.follow(workspace, batch, draw)
        if job is None:
            st.warning("There is no such batch.")
        elif job.status is JobStatus.COMPLETED:
            _batch_result(workspace, job)


def _batch_result(workspace: Workspace, job: Job) -> None:
    rows = prediction.batch_rows(workspace, job, limit=1000)
    failed = int(job.result["failed"])
    st.success(f"{text.count(int(job.result['n']) - failed, 'image')} classified.")
    if failed:
        st.warning(f"{text.count(failed, 'file')} could not be read. See the column 'error'.")
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
    source = st.segmented_control(
        "Source",
        ["upload", "folder"],
        required=True,
        key="source",
        default="folder" if st.query_params.get("batch") else "upload",
        format_func={"upload": "Upload images", "folder": "Folder on the server"}.__getitem__,
    )
    if source == "upload":
        uploaded_images(workspace, model)
    else:
        whole_folder(workspace, model)


widgets.page_heading(Place.PREDICT, "Classify new images, and see which regions decide.")
page(state.workspace())
