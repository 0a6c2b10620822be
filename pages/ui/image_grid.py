"""A gallery in which images are selected, relabelled by keyboard and opened.

Key presses go to the server beside Streamlit (route `/datasets/…/edits`): Streamlit may drop a
rerun for a newer one, and with it what the rerun would have stored.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.domain.datasets import (
    Dataset,
    EditAction,
    Sample,
    SampleFilter,
    SampleOrder,
    SampleStatus,
)
from core.domain.keeping.people import Right
from core.workflows.data import datasets, versions
from core.workspace import Workspace
from pages.ui import components, context, image_words, routes, text
from pages.ui.people import rights
from pages.ui.viewer.viewing import Viewing

PAGE = 60
SIDE_PX = 118
# Edits of single images, after which the page in view stays as it is, with its new labels.
_QUIET = {
    EditAction.RELABEL,
    EditAction.EXCLUDE,
    EditAction.RESTORE,
    EditAction.GROUP,
    EditAction.SEPARATE,
    EditAction.UNDO,
}


@dataclass(frozen=True)
class _GalleryQuery:
    """What a person asked to see."""

    dataset_id: str
    chosen: SampleFilter
    order: SampleOrder
    descending: bool
    page: int


@dataclass(frozen=True)
class _Pin:
    """What is on the screen: kept while images are relabelled, or they would run away."""

    query: _GalleryQuery
    version: int
    class_names: tuple[str, ...]
    ids: tuple[int, ...]
    ahead: tuple[str, ...]
    total: int


def editable_images(
    workspace: Workspace,
    dataset_id: str,
    chosen: SampleFilter,
    *,
    key: str,
    order: SampleOrder = SampleOrder.IMPORT,
    descending: bool = False,
) -> None:
    """Pages of the images that a filter lets through; inside a fragment."""
    dataset = datasets.find_dataset(workspace, dataset_id)
    pin = _pinned(workspace, dataset, chosen, order, descending, key)
    if not pin.ids:
        st.info("No images match.")
        return
    samples = datasets.find_samples(workspace, pin.ids)
    pages = math.ceil(pin.total / PAGE)
    items = [_item(sample, dataset) for sample in samples]
    is_edited = components.editable_gallery(
        items,
        _editing(workspace, items, dataset, pin, pages),
        _viewing(workspace, dataset, pin),
        key,
        side_px=SIDE_PX,
        on_turn=lambda: _turn(key),
    )
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(pages, width="stretch", key=f"{key}_page", bind="query-params")
    _offer_refresh(workspace, pin, key)
    if is_edited:
        st.rerun()


def _turn(key: str) -> None:
    answer: Any = st.session_state[key]
    if answer.turn is not None:
        st.session_state[f"{key}_page"] = int(answer.turn)


def _pinned(
    workspace: Workspace,
    dataset: Dataset,
    chosen: SampleFilter,
    order: SampleOrder,
    descending: bool,
    key: str,
) -> _Pin:
    last: _Pin | None = st.session_state.get(f"{key}_pin")
    query = _GalleryQuery(dataset.id, chosen, order, descending, _page(f"{key}_page"))
    if last and replace(query, page=1) != replace(last.query, page=1) and query.page != 1:
        st.session_state[f"{key}_page"] = 1
        query = replace(query, page=1)
    if last and last.query == query and _still_good(workspace, dataset, last):
        return last
    pin = _load(workspace, dataset, query)
    if not pin.ids and query.page > 1:
        st.session_state[f"{key}_page"] = 1
        pin = _load(workspace, dataset, replace(query, page=1))
    st.session_state[f"{key}_pin"] = pin
    return pin


def _page(key: str) -> int:
    """The page asked for: by the pagination, or in the first run by the link."""
    linked = st.query_params.get(key, "")
    return int(st.session_state.get(key, linked if linked.isdecimal() else 0)) or 1


def _still_good(workspace: Workspace, dataset: Dataset, pin: _Pin) -> bool:
    if pin.version == dataset.version:
        return True
    since = [v for v in versions.list_versions(workspace, dataset.id) if v.number > pin.version]
    return pin.class_names == dataset.class_names and all(v.action in _QUIET for v in since)


def _load(workspace: Workspace, dataset: Dataset, query: _GalleryQuery) -> _Pin:
    samples, total = datasets.find_images(
        workspace,
        dataset.id,
        query.chosen,
        order=query.order,
        descending=query.descending,
        limit=2 * PAGE,
        offset=(query.page - 1) * PAGE,
    )
    ids = tuple(sample.id for sample in samples[:PAGE])
    ahead = tuple(routes.thumbnail_url(s.id, s.sha256) for s in samples[PAGE:])
    return _Pin(query, dataset.version, dataset.class_names, ids, ahead, total)


def _offer_refresh(workspace: Workspace, pin: _Pin, key: str) -> None:
    matching = datasets.count_images(
        workspace, pin.query.dataset_id, replace(pin.query.chosen, ids=pin.ids)
    )
    gone = len(pin.ids) - matching
    if not gone:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        verb = "no longer matches" if gone == 1 else "no longer match"
        st.caption(f"{text.count(gone, 'image')} in view {verb} the filter.")
        st.button(
            "Refresh",
            key=f"{key}_refresh",
            icon=":material/refresh:",
            help="Show what matches now.",
            on_click=st.session_state.pop,
            args=(f"{key}_pin", None),
        )


def _summary(pin: _Pin) -> str:
    first = (pin.query.page - 1) * PAGE + 1
    if pin.total <= len(pin.ids):
        return text.count(pin.total, "image")
    return f"Images {first:,} to {first + len(pin.ids) - 1:,} of {pin.total:,}"


def _editing(
    workspace: Workspace,
    items: Sequence[dict[str, object]],
    dataset: Dataset,
    pin: _Pin,
    pages: int,
) -> dict[str, object]:
    """What the gallery needs to edit; `signature` changes with everything that it shows."""
    shown = repr([(item["key"], item["title"], item["excluded"]) for item in items])
    return {
        "signature": zlib.crc32((shown + repr(dataset.class_names)).encode()),
        "classes": dataset.class_names,
        "dataset": dataset.id,
        "refusal": rights.reason_against(Right.DATA),
        "header": routes.UPLOAD_HEADER,
        "ahead": pin.ahead,
        "page": pin.query.page,
        "pages": pages,
        "first": (pin.query.page - 1) * PAGE + 1,
        "total": pin.total,
        "summary": _summary(pin),
        "undoable": versions.next_undo(workspace, dataset.id) is not None,
    }


def _viewing(workspace: Workspace, dataset: Dataset, pin: _Pin) -> Viewing:
    """The images in view; with what the open model says, if it was trained on this dataset."""
    model = context.model(workspace)
    own = (model,) if model is not None and model.dataset_id == dataset.id else ()
    first = (pin.query.page - 1) * PAGE + 1
    return Viewing(tuple(str(i) for i in pin.ids), own, first=first, total=pin.total)


def _item(sample: Sample, dataset: Dataset) -> dict[str, object]:
    name = sample.name or sample.path
    return {
        "key": str(sample.id),
        "url": routes.thumbnail_url(sample.id, sample.sha256),
        "title": image_words.class_name(sample, dataset.class_names),
        "detail": name.rsplit("/", 1)[-1],
        "hint": f"{name}\n{sample.width} × {sample.height}",
        "excluded": sample.status is SampleStatus.EXCLUDED,
    }
