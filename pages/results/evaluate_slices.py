"""The tab of the slices: does one camera, folder, lot or kind of image do worse?"""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.models import Model
from core.evaluation.decisions.outcome import (
    NOK,
    OK,
    Decision,
    OperatingPoint,
    decide,
    has_both,
    truths,
)
from core.evaluation.measures.parts import Unit
from core.evaluation.measures.slices import NO_VALUE, Slice, slice_rates
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, errors, image_panel, judged, state, text
from pages.ui.figures import class_charts
from pages.ui.figures.saving import of_model

ERRORS, ESCAPES, FALSE_REJECTS = "mistakes", "escapes", "false rejects"


@st.fragment
@errors.shown()
def slices(workspace: Workspace, model: Model, judgement: JudgedSet) -> None:
    """Bars of each slice, worst first, beside the images of the one that was clicked."""
    columns = judged.columns(workspace, model, judgement.subset)
    if not columns:
        st.info(
            "There is nothing to slice by: all images have the same format, size and folder, and "
            "no table with further columns was imported with them."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(columns)
        name = st.selectbox(
            "Slice by",
            names,
            key="slice_by",
            on_change=state.follow("slice_by", names, names[0]),
            width=260,
            help="File properties, folders, parts and columns of the imported table. "
            "Measurements are grouped into ranges. Columns that differ for nearly every image, "
            "such as serial numbers, are not offered.",
        )
        kinds = [ERRORS, ESCAPES, FALSE_REJECTS] if has_both(judgement.verdicts) else [ERRORS]
        what = st.segmented_control(
            "Count",
            kinds,
            required=True,
            key="slice_what",
            on_change=state.follow("slice_what", kinds, ERRORS),
            help="Escapes: accepted, of all defective. False rejects: rejected, of all good.",
        )
    inside, event = _event(workspace, judgement, str(what))
    if not inside.any():
        st.info("There are no such images in this subset.")
        return
    values = columns[str(name)]
    kept = [values[i] for i in np.flatnonzero(inside)]
    parts = None if judgement.parts is None else judgement.parts[inside]
    rates = slice_rates(kept, event[inside], parts)[: class_charts.MAX_ROWS]
    left, right = st.columns([6, 5], gap="large")
    key = f"slices_{judgement.model.id}_{judgement.subset}_{name}_{what}"
    row = components.clicked_row(key, len(rates))
    with left:
        components.clickable_rows(
            of_model(
                class_charts.slice_bars(rates, str(what), row=row),
                judgement.model.name,
                judgement.subset,
            ),
            key,
            rows=len(rates),
            row=row,
            description="Rate of each slice with its bounds. Click a slice to see its images.",
        )
        st.caption(
            "In brackets: number of images."
            if judgement.unit is Unit.IMAGES
            else "In brackets: number of parts; a part counts in every slice that has images of it."
        )
        _weak_slices(rates)
    chosen = rates[row or 0]
    with right:
        st.subheader(f"{str(what).capitalize()} in {text.plain(chosen.value)}")
        same = np.array([(v if v is not None else NO_VALUE) == chosen.value for v in values])
        image_panel.panel(
            workspace, judgement, np.flatnonzero(same & inside & event), key=f"{key}_{row or 0}"
        )


def _weak_slices(rates: Sequence[Slice]) -> None:
    weak = [item for item in rates if item.is_worse]
    if weak:
        names = ", ".join(text.plain(item.value) for item in weak[:5])
        st.warning(f"Significantly worse than the rest: {names}.", icon=":material/flag:")
    else:
        st.caption(
            "No slice is significantly worse (Fisher's exact test, corrected for the number of "
            "slices)."
        )


def _event(
    workspace: Workspace, judgement: JudgedSet, what: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which images count [N], and which of them are cases [N]."""
    if what == ERRORS:
        return np.ones(len(judgement.predicted), bool), ~judgement.right
    truth = truths(judgement.targets, judgement.verdicts)
    point = judged.saved_point(workspace, judgement.model) or OperatingPoint()
    decisions = decide(point, judgement.probabilities, judgement.verdicts, parts=judgement.parts)
    if what == ESCAPES:
        return truth == NOK, decisions == Decision.ACCEPT
    return truth == OK, decisions == Decision.REJECT
