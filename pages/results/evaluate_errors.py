"""The tab of the errors: the images that teach the most."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.signoff import MarkKind
from core.evaluation.measures.views import Order, band_of, confidence_bands
from core.workflows.results import evaluation
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, errors, image_panel, state, text
from pages.ui.figures import confidence_charts
from pages.ui.figures.saving import of_model
from pages.ui.viewer.marks import MARKS

MISTAKES, HARDEST, UNSURE, BANDS, MARKED = (
    "most confident mistakes",
    "hardest images",
    "least confident",
    "by confidence",
    "marked",
)


@st.fragment
@errors.shown()
def mistakes(workspace: Workspace, judgement: JudgedSet) -> None:
    """Images sorted by what can be learned from them."""
    kinds = [MISTAKES, HARDEST, UNSURE, BANDS, MARKED]
    note = state.follow("errors_kind", kinds, MISTAKES)
    kind = st.segmented_control(
        "Which images",
        kinds,
        required=True,
        key="errors_kind",
        on_change=note,
        help="Confident mistakes are often mislabeled images. The hardest images have the lowest "
        "confidence in the true class. Marked images were marked in the image dialog.",
    )
    key = f"errors_{kind}_{judgement.model.id}_{judgement.subset}"
    every = np.arange(len(judgement.predicted))
    if kind == MISTAKES:
        _or_none(workspace, judgement, np.flatnonzero(~judgement.right), key, Order.CONFIDENT)
    elif kind == HARDEST:
        st.caption("All images, lowest confidence in the true class first.")
        image_panel.panel(workspace, judgement, every, key=key, order=Order.LOSS)
    elif kind == UNSURE:
        st.caption(
            "All images, smallest lead over the next class first: candidates for limit samples."
        )
        image_panel.panel(workspace, judgement, every, key=key, order=Order.UNSURE)
    elif kind == BANDS:
        _bands(workspace, judgement, key)
    else:
        _marked(workspace, judgement, key)


def _or_none(
    workspace: Workspace, judgement: JudgedSet, positions: NDArray[np.int64], key: str, order: Order
) -> None:
    if not len(positions):
        st.info("There are no errors in this subset.")
        return
    st.caption(
        f"{text.count(len(positions), 'mistake')}, most confident first: likely mislabeled images."
    )
    image_panel.panel(workspace, judgement, positions, key=key, order=order)


def _bands(workspace: Workspace, judgement: JudgedSet, key: str) -> None:
    bands = confidence_bands(judgement.confidence, judgement.right)[::-1]
    left, right = st.columns([6, 5], gap="large")
    row = components.clicked_row(f"{key}_chart", len(bands))
    with left:
        components.clickable_rows(
            of_model(
                confidence_charts.bands(bands, row=row), judgement.model.name, judgement.subset
            ),
            f"{key}_chart",
            rows=len(bands),
            row=row,
            description="Correct and wrong images by confidence. Click a band to see its images.",
        )
        st.caption("Click a band to see its images.")
    at = next((i for i, band in enumerate(bands) if band.wrong), 0) if row is None else row
    with right:
        st.subheader(confidence_charts.band_name(bands[at]))
        only = st.toggle(
            "Only mistakes",
            value=True,
            key=f"{key}_only",
            help="Hides images that are classified correctly.",
        )
        inside = band_of(judgement.confidence) == len(bands) - 1 - at
        positions = np.flatnonzero(inside & ~judgement.right if only else inside)
        image_panel.panel(workspace, judgement, positions, key=f"{key}_{at}_{only}")


def _marked(workspace: Workspace, judgement: JudgedSet, key: str) -> None:
    marks = evaluation.marks(workspace, judgement.dataset.id)
    ids = judgement.sample_ids.tolist() if marks else []
    marked = {kind: [i for i in ids if kind in marks.get(i, ())] for kind in MarkKind}
    kind = st.pills(
        "Mark",
        list(MarkKind),
        default=MarkKind.WRONG_LABEL,
        required=True,
        key="mark_kind",
        format_func=lambda k: f"{MARKS[k].label} ({len(marked[k])})",
        help="Open an image to mark it.",
    )
    positions = np.flatnonzero(np.isin(judgement.sample_ids, marked[MarkKind(str(kind))]))
    if not len(positions):
        st.info("No image of this subset has this mark. Open an image to mark it.")
        return
    image_panel.panel(workspace, judgement, positions, key=f"{key}_{kind}")
