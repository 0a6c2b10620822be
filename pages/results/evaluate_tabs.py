"""The other tabs of the Evaluate page: classes, errors, confidence, slices."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.domain.models import Model
from core.domain.signoff import MarkKind
from core.errors import ConfigError
from core.evaluation.decisions.outcome import (
    NOK,
    OK,
    Decision,
    OperatingPoint,
    decide,
    has_both,
    nok_probability,
    truths,
)
from core.evaluation.measures.auc import areas
from core.evaluation.measures.calibration import confidence_histogram
from core.evaluation.measures.intervals import Estimate
from core.evaluation.measures.parts import choose
from core.evaluation.measures.ranking import precision_recall_curve, roc_curve
from core.evaluation.measures.slices import NO_VALUE, Slice, slice_rates
from core.evaluation.measures.views import ClassRates, Order, band_of, class_rates, confidence_bands
from core.workflows.results import evaluation
from core.workflows.results.evaluation import Judgement
from core.workspace import Workspace
from pages.ui import components, errors, image_panel, judged, state, text
from pages.ui.figures import class_charts, confidence_charts, ranking_curves

MISTAKES, HARDEST, UNSURE, BANDS, MARKED = (
    "most confident mistakes",
    "hardest images",
    "least sure",
    "by confidence",
    "marked",
)
OK_NOK_CURVE = "NOK against OK"


def _clicked_row(key: str, count: int) -> int | None:
    """The row of a chart that was clicked last."""
    clicked = components.clicked_cell(key)
    return clicked[0] if clicked and clicked[0] < count else None


@st.fragment
@errors.shown()
def classes(workspace: Workspace, found: Judgement) -> None:
    """Bars of every class, worst first; a click shows what it is confused with."""
    data = found.judged
    every = class_rates(found.predicted, data.targets, data.class_names, data.parts)
    ordered = class_charts.worst_first(every)
    if len(ordered) > class_charts.MAX_ROWS // 2:
        search = st.text_input(
            "Find a class",
            key="bars_search",
            placeholder="part of its name",
            width=260,
            help="Shows the classes of this name.",
        )
        ordered = [c for c in ordered if search.casefold().strip() in c.name.casefold()]
    shown = ordered[: class_charts.MAX_ROWS]
    if not shown:
        st.info("No class has this name.")
        return
    st.subheader(
        "Classes, worst first",
        help="Bars: the share. Whiskers: between these bounds the truth lies, with 95% confidence.",
    )
    left, right = st.columns([6, 5], gap="large")
    key = f"class_bars_{data.model.id}_{data.subset}"
    row = _clicked_row(key, len(shown))
    with left:
        components.clickable_rows(
            class_charts.class_bars(shown, dark=state.is_dark(), row=row),
            key,
            rows=len(shown),
            row=row,
            description="Precision and recall of every class, worst first. Click a class, or use "
            "the arrow keys, to see what it is confused with.",
        )
        if len(ordered) > len(shown):
            st.caption(f"The {len(shown)} worst of {len(ordered):,}; search finds the others.")
    with right:
        _confusions(workspace, found, shown[row or 0])


def _confusions(workspace: Workspace, found: Judgement, item: ClassRates) -> None:
    """What a class is taken for, and what is taken for it."""
    data = found.judged
    index = data.class_names.index(item.name)
    st.subheader(text.plain(item.name))
    taken, given = found.matrix[index].copy(), found.matrix[:, index].copy()
    taken[index] = given[index] = 0
    options: dict[str, tuple[int, int]] = {}
    for other in np.argsort(-taken, kind="stable")[:8]:
        if taken[other]:
            options[f"taken for {data.class_names[other]} ({taken[other]:,})"] = (index, int(other))
    for other in np.argsort(-given, kind="stable")[:8]:
        if given[other]:
            options[f"{data.class_names[other]} taken for it ({given[other]:,})"] = (
                int(other),
                index,
            )
    if not options:
        st.info(
            "This class has no images here."
            if not item.recall.has_data
            else "It is confused with nothing on these images."
        )
        return
    chosen = st.pills(
        "Confused with",
        list(options),
        default=next(iter(options)),
        required=True,
        key=f"confused_{data.model.id}_{data.subset}_{index}",
        format_func=text.plain,
        help="Most frequent first; shows the images.",
    )
    true, predicted = options.get(str(chosen), next(iter(options.values())))
    positions = np.flatnonzero((data.targets == true) & (found.predicted == predicted))
    image_panel.panel(workspace, found, positions, key=f"class_{true}_{predicted}_{data.subset}")


@st.fragment
@errors.shown()
def mistakes(workspace: Workspace, found: Judgement) -> None:
    """Images by what they teach."""
    data = found.judged
    kind = st.segmented_control(
        "Which images",
        [MISTAKES, HARDEST, UNSURE, BANDS, MARKED],
        default=MISTAKES,
        required=True,
        key="errors_kind",
        help="Confident mistakes are often wrong labels. Hard images are believed least. Marked "
        "are those that a person marked.",
    )
    key = f"errors_{kind}_{data.model.id}_{data.subset}"
    every = np.arange(len(found.predicted))
    if kind == MISTAKES:
        _or_none(workspace, found, np.flatnonzero(~found.right), key, Order.CONFIDENT)
    elif kind == HARDEST:
        st.caption("All images, the true class believed least first.")
        image_panel.panel(workspace, found, every, key=key, order=Order.LOSS)
    elif kind == UNSURE:
        st.caption("All images, two classes nearly equal first: candidates for limit samples.")
        image_panel.panel(workspace, found, every, key=key, order=Order.UNSURE)
    elif kind == BANDS:
        _bands(workspace, found, key)
    else:
        _marked(workspace, found, key)


def _or_none(
    workspace: Workspace, found: Judgement, positions: np.ndarray, key: str, order: Order
) -> None:
    if not len(positions):
        st.info("No error on these images.")
        return
    st.caption(
        f"{text.count(len(positions), 'mistake')}, the surest first: look here for wrong labels."
    )
    image_panel.panel(workspace, found, positions, key=key, order=order)


def _bands(workspace: Workspace, found: Judgement, key: str) -> None:
    bands = confidence_bands(found.confidence, found.right)[::-1]
    left, right = st.columns([6, 5], gap="large")
    row = _clicked_row(f"{key}_chart", len(bands))
    with left:
        components.clickable_rows(
            confidence_charts.bands(bands, dark=state.is_dark(), row=row),
            f"{key}_chart",
            rows=len(bands),
            row=row,
            description="Right and wrong images by confidence. Click a band to see them.",
        )
        st.caption("Click a band to see its images.")
    at = next((i for i, band in enumerate(bands) if band.wrong), 0) if row is None else row
    with right:
        st.subheader(confidence_charts.band_name(bands[at]))
        only = st.toggle(
            "Only mistakes",
            value=True,
            key=f"{key}_only",
            help="Leave images out that are classified right.",
        )
        inside = band_of(found.confidence) == len(bands) - 1 - at
        positions = np.flatnonzero(inside & ~found.right if only else inside)
        image_panel.panel(workspace, found, positions, key=f"{key}_{at}_{only}")


def _marked(workspace: Workspace, found: Judgement, key: str) -> None:
    marks = evaluation.marks(workspace, found.judged.dataset.id)
    counts = (
        {
            kind: [int(i) for i in found.judged.sample_ids if kind in marks.get(int(i), ())]
            for kind in MarkKind
        }
        if marks
        else {kind: [] for kind in MarkKind}
    )
    kind = st.pills(
        "Mark",
        list(MarkKind),
        default=MarkKind.WRONG_LABEL,
        required=True,
        key="mark_kind",
        format_func=lambda k: f"{image_panel.MARKS[k][0]} ({len(counts[k])})",
        help="Marks are given in the drawer of an image.",
    )
    positions = np.flatnonzero(np.isin(found.judged.sample_ids, counts[MarkKind(str(kind))]))
    if not len(positions):
        st.info("No image of this subset has this mark. Open an image to give it one.")
        return
    image_panel.panel(workspace, found, positions, key=f"{key}_{kind}")


@st.fragment
@errors.shown()
def confidence(workspace: Workspace, model: Model, found: Judgement) -> None:
    """Is the model as sure as it should be, and how well does it rank?"""
    data, dark = found.judged, state.is_dark()
    calibration = judged.calibration(workspace, model, data.subset)
    before, after, temperature = calibration.before, calibration.after, calibration.temperature
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("How sure, right and wrong")
        components.chart(
            confidence_charts.histogram(
                confidence_histogram(data.probabilities, data.targets), dark=dark
            ),
            "histogram",
            description="Number of right and wrong images by confidence.",
        )
    with right:
        st.subheader(
            "Is the confidence honest?",
            help="Above the dotted line the model is more "
            "often right than it says, below it promises too much. Larger dots hold more "
            "images.",
        )
        components.chart(
            confidence_charts.reliability(before, after, dark=dark),
            "reliability",
            description="Share of right predictions against confidence.",
        )
        words = f"Calibration error (ECE): **{before.ece:.3f}**"
        if after is not None and temperature is not None:
            words += (
                f", and **{after.ece:.3f}** with the temperature {temperature.value:.2f} fitted "
                "on the validation images"
            )
        st.caption(f"{words}. On average the model is {_sureness(before.overconfidence)}.")
    _curves(found)


def _sureness(overconfidence: float) -> str:
    if abs(overconfidence) < 0.005:
        return "as sure as it should be"
    return (
        f"{abs(100 * overconfidence):.1f} points too {'sure' if overconfidence > 0 else 'unsure'}"
    )


def _curves(found: Judgement) -> None:
    data, dark = found.judged, state.is_dark()
    options = [OK_NOK_CURVE] if has_both(data.verdicts) else []
    st.subheader("How well it ranks")
    chosen = st.selectbox(
        "Which question",
        [*options, *data.class_names],
        key="curve_of",
        width=320,
        help="One class against all others, or defective against good.",
    )
    if chosen == OK_NOK_CURVE and options:
        truth = truths(data.targets, data.verdicts)
        known = (truth == OK) | (truth == NOK)
        scores = nok_probability(data.probabilities, data.verdicts)[known]
        positive = truth[known] == NOK
    else:
        index = data.class_names.index(str(chosen))
        scores, positive = data.probabilities[:, index], data.targets == index
        known = np.ones(len(positive), bool)
    try:
        curves = roc_curve(scores, positive), precision_recall_curve(scores, positive)
    except ConfigError as err:
        st.info(f"No data: {err.message} {err.hint}")
        return
    found_areas = areas(scores, positive, choose(data.parts, known))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**ROC**: area {_area(found_areas.roc)}",
            help="1 ranks perfectly, 0.5 guesses. In brackets: between these bounds the "
            "truth lies, with 95% confidence.",
        )
        components.chart(ranking_curves.roc(curves[0], dark=dark), "roc", description="ROC curve.")
    with right:
        st.markdown(
            f"**Precision and recall**: average precision {_area(found_areas.average_precision)}",
            help="1 is perfect; tells more than ROC where the class is rare.",
        )
        components.chart(
            ranking_curves.precision_recall(curves[1], dark=dark),
            "pr",
            description="Precision-recall curve.",
        )


def _area(found: Estimate) -> str:
    if found.value is None or found.interval is None:
        return "no data"
    return f"{found.value:.4f} :gray[({found.interval.low:.4f} to {found.interval.high:.4f})]"


ERRORS, ESCAPES, OVERKILL = "mistakes", "escapes", "false rejects"


@st.fragment
@errors.shown()
def slices(workspace: Workspace, model: Model, found: Judgement) -> None:
    """Does one camera, folder, lot or kind of image do worse?"""
    data = found.judged
    columns = judged.columns(workspace, model, data.subset)
    if not columns:
        st.info(
            "These images have nothing to slice by: all have the same format, size and folder, "
            "and no table with further columns was imported with them."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Slice by",
            list(columns),
            key="slice_by",
            width=260,
            help="File properties, folders, groups, and columns of the imported "
            "table. Measurements come in ranges; what has another value for nearly "
            "every image, as a serial number, is not offered.",
        )
        kinds = [ERRORS, ESCAPES, OVERKILL] if has_both(data.verdicts) else [ERRORS]
        what = st.segmented_control(
            "Count",
            kinds,
            default=ERRORS,
            required=True,
            key="slice_what",
            help="Escapes: defective images that are accepted, of the defective ones. False "
            "rejects: good ones that are rejected, of the good ones.",
        )
    inside, event = _event(workspace, found, str(what))
    if not inside.any():
        st.info("No data: this subset has no such images.")
        return
    values = columns[str(name)]
    kept = [values[i] for i in np.flatnonzero(inside)]
    parts = None if data.parts is None else data.parts[inside]
    rates = slice_rates(kept, event[inside], parts)[: class_charts.MAX_ROWS]
    left, right = st.columns([6, 5], gap="large")
    key = f"slices_{data.model.id}_{data.subset}_{name}_{what}"
    row = _clicked_row(key, len(rates))
    with left:
        components.clickable_rows(
            class_charts.slice_bars(rates, str(what), dark=state.is_dark(), row=row),
            key,
            rows=len(rates),
            row=row,
            description="Rate of each slice with bounds. Click one to see its images.",
        )
        counted = "images" if parts is None else "parts, each in every slice it has images in"
        st.caption(f"In brackets: how many {counted}.")
        _weak_slices(rates)
    chosen = rates[row or 0]
    with right:
        st.subheader(f"{text.plain(chosen.value)}: {what}")
        same = np.array([(v if v is not None else NO_VALUE) == chosen.value for v in values])
        image_panel.panel(
            workspace, found, np.flatnonzero(same & inside & event), key=f"{key}_{row or 0}"
        )


def _weak_slices(rates: Sequence[Slice]) -> None:
    weak = [item for item in rates if item.is_worse]
    if weak:
        names = ", ".join(text.plain(item.value) for item in weak[:5])
        st.warning(f"Worse than the rest, and hardly by chance: {names}.", icon=":material/flag:")
    else:
        st.caption(
            "No slice stands out beyond chance (Fisher's exact test, corrected for the "
            "number of slices)."
        )


def _event(workspace: Workspace, found: Judgement, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Which images count [N], and for which of them it happened [N]."""
    data = found.judged
    if what == ERRORS:
        return np.ones(len(found.predicted), bool), ~found.right
    truth = truths(data.targets, data.verdicts)
    point = judged.saved_point(workspace, data.model) or OperatingPoint()
    decisions = decide(point, data.probabilities, data.verdicts)
    if what == ESCAPES:
        return truth == NOK, decisions == Decision.ACCEPT
    return truth == OK, decisions == Decision.REJECT
