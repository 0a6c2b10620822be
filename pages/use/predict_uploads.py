"""Predict: uploaded images, their summary, the grid, and what is kept of them in the session."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

import streamlit as st

from core.domain.configs.choices import FEWEST_FAMILIAR
from core.domain.models import Model, PartDecision, Prediction
from core.domain.names import distinct_names
from core.errors import TouchstoneError
from core.evaluation.decisions.rule import decision_in_words
from core.workflows.data.uploads import refuse_many_files
from core.workflows.results import thresholds
from core.workflows.use import alike, history, parts, prediction
from core.workspace import Workspace
from pages.ui import errors, inference, text
from pages.ui.components import Tile, gallery
from pages.ui.places import Place
from pages.ui.viewer import about, uploads
from pages.ui.viewer.uploads import Upload
from pages.ui.viewer.viewing import ImageKind, Viewing, around
from pages.use import predict_parts, predict_table
from pages.use.predict_feedback import feedback_on

BATCH = 16
PAGE = 60
LISTED = 5
FORMATS = "JPEG, PNG, BMP, TIFF, WebP or GIF. Images are not stored, results are (History)."


class Zone(StrEnum):
    """Where a result belongs; in the order in which a person looks at them."""

    REJECT = "reject"
    REVIEW = "review"
    UNREADABLE = "unreadable"
    ACCEPT = "accept"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class _Row:
    """An upload with its result; the name tells it apart from all others."""

    upload: Upload
    item: Prediction
    zone: Zone


def uploaded_images(workspace: Workspace, model: Model, *, camera: bool = False) -> None:
    """Drop images or take them, and see what the model says; kept while the session lasts."""
    kept = _kept()
    if camera:
        _take(kept)
    else:
        _drop(workspace, kept)
    _say_gone(kept)
    if not kept:
        st.caption("Take an image." if camera else f"Drop one or more images here. {FORMATS}")
        return
    _classify(workspace, model, kept)
    _say_no_threshold(workspace, model)
    option = predict_parts.choose("upload", folders=False)
    rows = _rows(workspace, model, kept, option)
    _results(workspace, model, rows)
    readable = [row for row in _most_urgent_first(rows) if row.zone is not Zone.UNREADABLE]
    unsure_first = sorted(readable, key=lambda row: row.zone is not Zone.REVIEW)
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
    """Predict what this model has not seen yet."""
    todo = [u for u in kept if model.id not in u.predictions and u.content is not None]
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


def _rows(
    workspace: Workspace, model: Model, kept: Sequence[Upload], parts_by: str | None
) -> list[_Row]:
    """In the order in which they were dropped; `parts_by` tells the part of an image."""
    known = [upload for upload in kept if model.id in upload.predictions]
    # Why decided now: the thresholds may have changed since.
    items = prediction.decided(workspace, model, [u.predictions[model.id] for u in known])
    # Why: a browser gives files of several folders by their base name.
    names = distinct_names([upload.name for upload in known])
    items = [replace(item, path=name) for item, name in zip(items, names, strict=True)]
    items = predict_parts.told(items, parts_by)
    return [_Row(upload, item, _zone(item)) for upload, item in zip(known, items, strict=True)]


def _most_urgent_first(rows: Sequence[_Row]) -> list[_Row]:
    """Rejects, then what a person must see; unfamiliar, then unsure ones first in each zone."""
    order = {zone: place for place, zone in enumerate(Zone)}
    return sorted(
        rows,
        key=lambda row: (
            order[row.zone],
            -(row.item.unfamiliar or 0) if row.item.is_unfamiliar else 0,
            row.item.confidence or 0,
        ),
    )


def _zone(item: Prediction) -> Zone:
    if item.error is not None:
        return Zone.UNREADABLE
    match item.decision:
        case PartDecision.REJECT:
            return Zone.REJECT
        case PartDecision.REVIEW:
            return Zone.REVIEW
        case PartDecision.ACCEPT:
            return Zone.ACCEPT
        case None:
            return Zone.UNDECIDED
        case _:
            assert_never(item.decision)


def _zone_label(zone: Zone, count: int) -> str:
    """The chip of a zone: icon, word and number."""
    match zone:
        case Zone.REJECT:
            return f":material/block: Reject {count:,}"
        case Zone.REVIEW:
            return f":material/person_search: Review {count:,}"
        case Zone.UNREADABLE:
            return f":material/broken_image: Unreadable {count:,}"
        case Zone.ACCEPT:
            return f":material/check_circle: Accept {count:,}"
        case Zone.UNDECIDED:
            return f":material/label: Classified {count:,}"
        case _:
            assert_never(zone)


def _results(workspace: Workspace, model: Model, rows: Sequence[_Row]) -> None:
    """The summary, whose parts filter the grid below it; then the table to take along."""
    if not rows:
        return
    shown = _filtered(rows, is_detector=model.is_detector)
    _unreadable([row.item for row in rows if row.zone is Zone.UNREADABLE])
    _unfamiliar(workspace, model, [row.item for row in rows if row.item.error is None])
    rule = thresholds.saved_rule(workspace, model.id)
    predict_parts.summary(parts.decisions([row.item for row in rows], rule))
    _grid(model, _most_urgent_first(shown))
    predict_table.table(model, [row.item for row in rows], rule)


def _unreadable(failed: Sequence[Prediction]) -> None:
    """Every file that could not be read, with the reason."""
    if not failed:
        return
    lines = [
        f"**{text.plain(item.path)}**: {text.plain(item.error or '')}" for item in failed[:LISTED]
    ]
    if len(failed) > LISTED:
        lines.append(f"The table lists {len(failed) - LISTED:,} more.")
    words = f"{text.count(len(failed), 'file')} could not be read. The others were classified."
    st.warning(
        (" " if len(failed) == 1 else "\n\n").join([words, *lines]),
        icon=":material/broken_image:",
    )


def _unfamiliar(workspace: Workspace, model: Model, judged: Sequence[Prediction]) -> None:
    """What the classes of unfamiliar images are worth, or that the model cannot tell them."""
    unlike = sum(item.is_unfamiliar for item in judged)
    if unlike and not model.is_detector:
        verb = "is" if unlike == 1 else "are"
        st.warning(
            f"{text.count(unlike, 'image')} {verb} unlike the training images: do not rely on the "
            "class, however high the confidence.",
            icon=about.UNFAMILIAR_ICON,
        )
    if judged and (unlike or model.is_detector):
        limit = alike.unfamiliar_limit(workspace, model)
        if limit is not None:
            st.caption(alike.limit_in_words(limit, is_detector=model.is_detector))
    elif judged and judged[0].unfamiliar is None:
        st.caption(
            "This model does not tell unfamiliar images. Train again, on "
            f"{FEWEST_FAMILIAR} images or more, for one that does."
        )


def _headline(zones: Counter[Zone], n: int) -> str:
    """What happens to the images, in a line."""
    words = {
        Zone.REJECT: "rejected",
        Zone.REVIEW: "for inspector review",
        Zone.ACCEPT: "accepted",
        Zone.UNDECIDED: "classified",
        Zone.UNREADABLE: "unreadable",
    }
    parts = [f"{zones[zone]:,} {word}" for zone, word in words.items() if zones[zone]]
    return f"{text.count(n, 'image')}: {', '.join(parts)}"


def _filtered(rows: Sequence[_Row], *, is_detector: bool) -> list[_Row]:
    zones = Counter(row.zone for row in rows)
    classes = Counter(row.item.class_name for row in rows if row.item.class_name)
    with st.container(horizontal=True, vertical_alignment="center", key="predict_summary"):
        st.subheader(_headline(zones, len(rows)), anchor=False, width="stretch")
        if st.button(
            "Clear",
            icon=":material/close:",
            key="clear",
            help="Forgets these images and results. A reload does, too: save the table before.",
        ):
            st.session_state.uploads = []
            st.rerun()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        zone = st.pills(
            "Show",
            [zone for zone in Zone if zones[zone]],
            key="zone",
            format_func=lambda item: _zone_label(item, zones[item]),
            help="Decisions by the saved threshold of this model.",
        )
        name = st.pills(
            "Class",
            [name for name, _ in classes.most_common()],
            key="class",
            format_func=lambda item: f"{text.plain(item)} {classes[item]:,}",
        )
        unlike = 0 if is_detector else sum(row.item.is_unfamiliar for row in rows)
        only_unlike = unlike and st.pills(
            "Unfamiliar",
            [True],
            key="unfamiliar",
            format_func=lambda _: f"{about.UNFAMILIAR_ICON} {about.UNFAMILIAR} {unlike:,}",
            help="Further from all training images than familiar images are (out-of-distribution): "
            "the model never learned what to say of them.",
        )
    return [
        row
        for row in rows
        if (zone is None or row.zone is zone)
        and (name is None or row.item.class_name == name)
        and (not only_unlike or row.item.is_unfamiliar)
    ]


def _grid(model: Model, rows: Sequence[_Row]) -> None:
    """A page of tiles; a click opens the image dialog over all of them."""
    if not rows:
        st.info("No images match.")
        return
    pages = -(-len(rows) // PAGE)
    page = min(st.session_state.get("predict_page", 1), pages)
    first = (page - 1) * PAGE
    keys, number = around([row.upload.token for row in rows], first)
    viewing = Viewing(keys, (model,), ImageKind.UPLOADS, first=number, total=len(rows))
    tiles = [_tile(model, row) for row in rows[first : first + PAGE]]
    gallery(tiles, "predicted", side_px=128, viewing=viewing)
    if pages > 1:
        st.pagination(pages, width="stretch", key="predict_page")


def _tile(model: Model, row: _Row) -> Tile:
    item, is_there = row.item, row.upload.content is not None
    url = f"/{ImageKind.UPLOADS}/{row.upload.token}/thumbnail?model={model.id}"
    if item.error is not None:
        return Tile(row.upload.token, "", "Unreadable", item.path, item.error, tone="wrong")
    tone, icon = about.decision_look(item.decision)
    words = decision_in_words(item.decision) if item.decision else ""
    title = f"{item.class_name} {text.confidence(item.confidence)}"
    if model.is_detector:
        said = "Unlike" if item.is_unfamiliar else item.class_name
        title = f"{said} · {text.decimal(item.unfamiliar, 2)}"
    elif item.is_unfamiliar:  # without the confidence, which is worth nothing then
        title = f"Unfamiliar · {item.class_name}"
    if item.is_unfamiliar and not item.decision:
        tone, icon = "review", about.UNFAMILIAR_SHAPE
    return Tile(
        key=row.upload.token,
        url=url if is_there else "",
        title=title,
        detail=" · ".join(part for part in (words, item.path) if part),
        hint=f"{item.path}\n{about.unfamiliar_note(item, is_detector=model.is_detector)}".strip(),
        tone=tone,
        icon=icon if item.decision or item.is_unfamiliar else "",
    )
