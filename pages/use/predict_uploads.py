"""Predict: uploaded images, their results, and what is kept of them in the session."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from core.domain.models import Model
from core.domain.names import distinct_names
from core.errors import TouchstoneError
from core.workflows.data.uploads import refuse_many_files
from core.workflows.results import thresholds
from core.workflows.use import history, parts, prediction
from core.workspace import Workspace
from pages.ui import errors, inference, text
from pages.ui.places import Place
from pages.ui.viewer import uploads
from pages.ui.viewer.uploads import Upload
from pages.use import predict_parts, predict_results, predict_table
from pages.use.predict_feedback import feedback_on
from pages.use.predict_results import Row

BATCH = 16
FORMATS = "JPEG, PNG, BMP, TIFF, WebP or GIF. Images are not stored, results are (History)."


def uploaded_images(workspace: Workspace, model: Model, *, camera: bool = False) -> None:
    """Drop images or take them, and see what the model says; kept while the session lasts."""
    kept = _kept()
    # Why folded: with results, the first of them stood below the screen.
    is_folded = bool(kept) and not camera
    more = st.expander("Add images, set the part", key="more") if is_folded else st.container()
    if camera:
        _take(kept)
    else:
        with more:
            _drop(workspace, kept)
    _say_gone(kept)
    if not kept:
        st.caption("Take an image." if camera else f"Drop one or more images here. {FORMATS}")
        return
    _classify(workspace, model, kept)
    _say_no_threshold(workspace, model)
    with more:
        option = predict_parts.choose("upload", folders=False)
    rows = _rows(workspace, model, kept, option)
    _results(workspace, model, rows)
    readable = [
        row
        for row in predict_results.most_urgent_first(rows)
        if row.zone is not predict_results.Zone.UNREADABLE
    ]
    unsure_first = sorted(readable, key=lambda row: row.zone is not predict_results.Zone.REVIEW)
    feedback_on(workspace, model, [(row.upload, row.item) for row in unsure_first])


def _take(kept: list[Upload]) -> None:
    """The camera of the browser; each image it takes is added."""
    number = st.session_state.setdefault("shots", 0)
    taken = st.camera_input(
        "Camera",
        key=f"camera_{number}",
        label_visibility="collapsed",
        width=640,
        help="Browsers offer a camera only at localhost and over HTTPS.",
    )
    if taken is None:
        return
    # Why a new one: the same image is not taken twice, and the camera is ready at once.
    st.session_state.shots = number + 1
    kept.append(uploads.add(f"camera {number + 1}.jpg", taken.getvalue()))
    uploads.forget_oldest(kept)
    st.rerun()


def _drop(workspace: Workspace, kept: list[Upload]) -> None:
    number = st.session_state.setdefault("drops", 0)
    dropped = st.file_uploader(
        "Images",
        accept_multiple_files=True,
        max_upload_size=200,
        key=f"pictures_{number}",
        label_visibility="collapsed",
        help=f"{FORMATS} For thousands of images, use a folder on the server.",
    )
    if dropped:
        try:
            refuse_many_files(workspace, len(dropped))
        except TouchstoneError as err:
            errors.show(err)
            return
        # Why a new place to drop: it is calmer than a list of files above their results, and no
        # rerun can take the same files twice.
        st.session_state.drops = number + 1
        kept.extend(uploads.add(file.name, file.getvalue()) for file in dropped)
        uploads.forget_oldest(kept)
        st.rerun()


def _kept() -> list[Upload]:
    kept: list[Upload] = st.session_state.setdefault("uploads", [])
    return kept


def _say_gone(kept: Sequence[Upload]) -> None:
    """A link to an image of a session that is over; images whose place was needed."""
    wanted = st.query_params.get("image")
    if wanted and not kept:
        st.info(
            "The uploaded images of this link are gone: they are kept only until the page is "
            "reloaded or closed. Drop them again.",
            icon=":material/hourglass_disabled:",
        )
    gone = sum(upload.content is None for upload in kept)
    if gone:
        st.caption(
            f"{text.count(gone, 'image')} can no longer be opened: newer ones needed the memory. "
            "Results are kept."
        )


def _say_no_threshold(workspace: Workspace, model: Model) -> None:
    """Without a rule nothing is accepted or rejected; says so, and where one is set."""
    if thresholds.saved_rule(workspace, model.id) is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("No threshold is saved: images are classified, not accepted or rejected.")
        st.page_link(
            Place.OPERATING_POINT,
            label="Set the threshold",
            icon=Place.OPERATING_POINT.icon,
            query_params={"model": model.id},
        )


def _classify(workspace: Workspace, model: Model, kept: Sequence[Upload]) -> None:
    """Predict what no model has seen yet; what another one has, only where somebody asks for it."""
    todo = [u for u in kept if model.id not in u.predictions and u.content is not None]
    of_others = [upload for upload in todo if upload.predictions]
    if of_others and not _asked_again(model, len(of_others)):
        todo = [upload for upload in todo if not upload.predictions]
    if not todo:
        return
    bar = st.progress(0.0, text="Classifying …")
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        contents = [upload.content or b"" for upload in batch]
        names = [upload.name for upload in batch]
        answers = prediction.predict(workspace, model, contents, names, call=inference.call)
        history.remember(workspace, model, answers)
        for upload, answer in zip(batch, answers, strict=True):
            upload.predictions[model.id] = answer
        done = start + len(batch)
        bar.progress(done / len(todo), text=f"Classifying … {done} of {len(todo)}")
    bar.empty()


def _asked_again(model: Model, images: int) -> bool:
    """Whether images that another model has classified shall be classified by this one, too."""
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center", key="other_model"):
        st.caption(
            f"{text.count(images, 'image')} here, classified by another model.", width="content"
        )
        asked = st.button(
            "Classify with this model",
            icon=":material/play_arrow:",
            key="classify_again",
            help=f"{model.name}. The results are added to History.",
        )
    if asked:
        place.empty()
    return asked


def _rows(
    workspace: Workspace, model: Model, kept: Sequence[Upload], parts_by: str | None
) -> list[Row]:
    """In the order in which they were dropped; `parts_by` tells the part of an image."""
    known = [upload for upload in kept if model.id in upload.predictions]
    # Why decided now: the thresholds may have changed since.
    items = prediction.decided(workspace, model, [u.predictions[model.id] for u in known])
    # Why: a browser gives files of several folders by their base name.
    names = distinct_names([upload.name for upload in known])
    items = [replace(item, path=name) for item, name in zip(items, names, strict=True)]
    items = predict_parts.told(items, parts_by)
    return [
        Row(upload, item, predict_results.zone_of(item))
        for upload, item in zip(known, items, strict=True)
    ]


def _results(workspace: Workspace, model: Model, rows: Sequence[Row]) -> None:
    """The summary, whose parts filter the grid below it; then the table to take along."""
    if not rows:
        return
    shown = predict_results.filtered(rows, is_detector=model.is_detector)
    rule = thresholds.saved_rule(workspace, model.id)
    predict_results.notes(workspace, model, rows)
    predict_parts.summary(parts.decisions([row.item for row in rows], rule))
    predict_results.grid(model, predict_results.most_urgent_first(shown))
    predict_table.table(model, [row.item for row in rows], rule)
