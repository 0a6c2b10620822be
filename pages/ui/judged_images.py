"""Judged images in pages: loaded once, shown as a gallery."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.datasets import Sample
from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.thresholds import TradeOff, trade_off
from core.workflows.results import evaluation, judging, thresholds
from core.workflows.results.access import is_sealed
from core.workflows.results.judging import JudgedSet
from core.workflows.results.thresholds import Basis
from core.workspace import Workspace
from pages.ui import judged, routes
from pages.ui.components import Tile, gallery
from pages.ui.viewer.viewing import of_samples

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
    # Why: the upper end of an interval of 90% is what a rate is at most with 95% confidence.
    return trade_off(_basis.scores, confidence=2 * confidence - 1)


def curve(workspace: Workspace, basis: Basis, confidence: float) -> TradeOff:
    """Escapes against false rejects on validation; the same for every position of the slider.

    Its upper bounds are those that sentences tell: one-sided, at this confidence.
    """
    model = basis.judged.model
    state = (*thresholds.state_of(workspace, model), basis.judged.counting, basis.combine.text)
    return _curve(str(workspace.root), model.id, state, confidence, basis)


def images(
    workspace: Workspace,
    sample_ids: NDArray[np.int64],
    about: Callable[[int], tuple[str, str]],
    models: Sequence[Model],
    *,
    key: str,
) -> None:
    """A paged gallery of images by position; a click opens the image dialog.

    Args:
        workspace: where the images are known.
        sample_ids: in the order of the gallery.
        about: position in `sample_ids` -> title and detail of the tile.
        models: whose confidences and heatmaps the dialog shows, the first one at once.
        key: of the widgets.
    """
    pages = max(1, -(-len(sample_ids) // PAGE))
    page = min(st.session_state.get(f"{key}_page", 1), pages)
    first = (page - 1) * PAGE
    samples = evaluation.samples_of(workspace, sample_ids[first : first + PAGE])
    tiles = [_tile(s, *about(first + i)) for i, s in enumerate(samples)]
    gallery(tiles, key, side_px=104, viewing=of_samples(sample_ids.tolist(), models, at=first))
    if pages > 1:
        st.pagination(pages, width="stretch", key=f"{key}_page")


def _tile(sample: Sample, title: str, detail: str) -> Tile:
    return Tile(
        key=str(sample.id),
        url=routes.thumbnail_url(sample.id, sample.sha256),
        title=title,
        detail=detail,
        hint=sample.name or sample.path,
    )
