"""Predict: results as pictures, of uploads and folders: what they are, filters, and the grid."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import streamlit as st

from core.domain.configs.choices import FEWEST_FAMILIAR
from core.domain.models import Model, PartDecision, Prediction
from core.evaluation.decisions.rule import decision_in_words
from core.workflows.use import alike
from core.workspace import Workspace
from pages.ui import text
from pages.ui.components import Tile, gallery
from pages.ui.viewer import about
from pages.ui.viewer.uploads import Upload
from pages.ui.viewer.viewing import ImageKind, Viewing, around

PAGE = 60
LISTED = 5


class Zone(StrEnum):
    """Where a result belongs; in the order in which a person looks at them."""

    REJECT = "reject"
    REVIEW = "review"
    UNREADABLE = "unreadable"
    ACCEPT = "accept"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Row:
    """An upload with its result; the name tells it apart from all others."""

    upload: Upload
    item: Prediction
    zone: Zone


def most_urgent_first(rows: Sequence[Row]) -> list[Row]:
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


def zone_of(item: Prediction) -> Zone:
    """Where a result belongs."""
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


def notes(workspace: Workspace, model: Model, rows: Sequence[Row]) -> None:
    """What could not be read, and what the classes of unfamiliar images are worth."""
    _unreadable([row.item for row in rows if row.zone is Zone.UNREADABLE])
    _unfamiliar(workspace, model, [row.item for row in rows if row.item.error is None])


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


def filtered(
    rows: Sequence[Row], *, is_detector: bool, can_clear: bool = True, key: str = ""
) -> list[Row]:
    """The summary with the numbers, whose parts filter; gives what is left.

    Args:
        rows: all results.
        is_detector: whether the model tells only what is unlike good images.
        can_clear: whether there is a button that forgets them.
        key: before the keys of the filters, where other results have the usual ones.
    """
    zones = Counter(row.zone for row in rows)
    classes = Counter(row.item.class_name for row in rows if row.item.class_name)
    with st.container(horizontal=True, vertical_alignment="center", key="predict_summary"):
        st.subheader(_headline(zones, len(rows)), anchor=False, width="stretch")
        if can_clear and st.button(
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
            key=f"{key}zone",
            format_func=lambda item: _zone_label(item, zones[item]),
            help="Decisions by the saved threshold of this model.",
        )
        name = st.pills(
            "Class",
            [name for name, _ in classes.most_common()],
            key=f"{key}class",
            format_func=lambda item: f"{text.plain(item)} {classes[item]:,}",
        )
        unlike = 0 if is_detector else sum(row.item.is_unfamiliar for row in rows)
        only_unlike = unlike and st.pills(
            "Unfamiliar",
            [True],
            key=f"{key}unfamiliar",
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


def grid(model: Model, rows: Sequence[Row]) -> None:
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


def _tile(model: Model, row: Row) -> Tile:
    item, is_there = row.item, row.upload.is_there
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
