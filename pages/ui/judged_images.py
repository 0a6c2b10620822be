"""Judged images in pages: loaded once, shown as a gallery with a drawer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.datasets import Sample
from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.thresholds import TradeOff, trade_off
from core.workflows import files
from core.workflows.results import judging, thresholds
from core.workflows.results.access import is_sealed
from core.workflows.results.judging import JudgedSet
from core.workflows.results.thresholds import Basis
from core.workspace import Workspace
from pages.ui import errors, judged, routes, text, widgets
from pages.ui.components import Tile, gallery

PAGE = 24


@st.cache_resource(max_entries=8, show_spinner=False)
def _basis(_judged: JudgedSet, model_id: str, subset: Subset, state: tuple[object, ...]) -> Basis:
    return thresholds.basis_of(_judged)


def judged_set(workspace: Workspace, model: Model, subset: Subset) -> JudgedSet:
    """The judged set of a model; read once per version of its dataset."""
    if subset is Subset.TEST and is_sealed(workspace, model):
        return judging.judged_set(workspace, model.id, subset)  # raises
    return judged.judgement(workspace, model, subset)


def basis(workspace: Workspace, model: Model, subset: Subset) -> Basis:
    """What thresholds are tried on; read once per version of the dataset."""
    images = judged_set(workspace, model, subset)
    state = (*thresholds.state_of(workspace, model), images.counting)
    return _basis(images, model.id, subset, state)


@st.cache_resource(max_entries=8, show_spinner=False)
def _curve(
    root: str, model_id: str, state: tuple[object, ...], confidence: float, _basis: Basis
) -> TradeOff:
    return trade_off(_basis.scores, confidence=confidence)


def curve(workspace: Workspace, basis: Basis, confidence: float) -> TradeOff:
    """Escapes against false rejects on validation; the same for every position of the slider."""
    model = basis.judged.model
    state = (*thresholds.state_of(workspace, model), basis.judged.counting)
    return _curve(str(workspace.root), model.id, state, confidence, basis)


@dataclass(frozen=True)
class ShownImage:
    """An image of the gallery with everything its drawer needs."""

    model: Model
    probabilities: NDArray[np.float32]
    target: int
    class_names: tuple[str, ...]


def images(
    workspace: Workspace,
    sample_ids: NDArray[np.int64],
    about: Callable[[int], tuple[str, str]],
    shown: Callable[[int], ShownImage],
    *,
    key: str,
) -> None:
    """A paged gallery of images by position; a click opens confidences and heatmaps.

    Args:
        workspace: where the images are known.
        sample_ids: in the order of the gallery.
        about: position in `sample_ids` -> title and detail of the tile.
        shown: position -> what the drawer shows.
        key: of the widgets.
    """
    pages = max(1, -(-len(sample_ids) // PAGE))
    page = min(st.session_state.get(f"{key}_page", 1), pages)
    first = (page - 1) * PAGE
    samples = thresholds.samples_of(workspace, sample_ids[first : first + PAGE])
    tiles = [_tile(s, *about(first + i)) for i, s in enumerate(samples)]
    clicked = gallery(tiles, key, side_px=104)
    if pages > 1:
        st.pagination(pages, width="stretch", key=f"{key}_page")
    for i, sample in enumerate(samples):
        if str(sample.id) == clicked:
            _drawer(workspace, sample, shown(first + i))


def _tile(sample: Sample, title: str, detail: str) -> Tile:
    return Tile(
        key=str(sample.id),
        url=routes.thumbnail_url(sample.id, sample.sha256),
        title=title,
        detail=detail,
        hint=sample.name or sample.path,
    )


@st.dialog("Why this decision?", width="large", position="right")
@errors.shown()
def _drawer(workspace: Workspace, sample: Sample, shown: ShownImage) -> None:
    ranked = ranking(shown.model.class_names, shown.probabilities)
    true_class = shown.class_names[shown.target]
    path, reason = files.path_or_reason(workspace, sample)
    left, right = st.columns([4, 5], gap="medium")
    with left:
        if path:
            widgets.whole_image(sample, model=shown.model)
        else:
            st.warning(f"{text.plain(reason)} Only its stored confidences are shown.")
        st.caption(text.plain(sample.name or sample.path))
    with right:
        st.markdown(
            f"True class **{text.plain(true_class)}**, predicted **{text.plain(ranked[0][0])}** "
            f"by {text.plain(shown.model.name)}."
        )
        key = f"drawer_{sample.id}_{shown.model.id}"
        widgets.confidences(ranked, true_class=true_class, key=f"drawer_{shown.model.id}")
        if path:
            widgets.heatmaps(workspace, shown.model, path, ranked, true_class=true_class, key=key)


def ranking(names: Sequence[str], row: NDArray[Any]) -> list[tuple[str, float]]:
    """Class names with their confidences, the most confident first."""
    order = np.argsort(-row, kind="stable")
    return [(names[i], float(row[i])) for i in order]
