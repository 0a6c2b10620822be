"""The tab of the confidence: is it as high as it should be, and how well does it rank?"""

import numpy as np
import streamlit as st

from core.domain.models import Model
from core.errors import ConfigError
from core.evaluation.decisions.outcome import NOK, OK, has_both, nok_probability, truths
from core.evaluation.measures.auc import areas
from core.evaluation.measures.calibration import confidence_histogram, no_calibration_in_words
from core.evaluation.measures.intervals import Estimate
from core.evaluation.measures.parts import choose
from core.evaluation.measures.ranking import precision_recall_curve, roc_curve
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, errors, judged, state, text
from pages.ui.figures import confidence_charts, ranking_curves
from pages.ui.figures.saving import of_model

OK_NOK_CURVE = "defective against good"


@st.fragment
@errors.shown()
def confidence(workspace: Workspace, model: Model, judgement: JudgedSet) -> None:
    """Whether the confidence is calibrated, and how well it ranks."""
    calibration = judged.calibration(workspace, model, judgement.subset)
    before, after, fit = calibration.before, calibration.after, calibration.fit
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Confidence of correct and wrong predictions")
        counts = confidence_histogram(judgement.probabilities, judgement.targets)
        components.chart(
            of_model(confidence_charts.histogram(counts), judgement.model.name, judgement.subset),
            "histogram",
            description="Number of correct and wrong images by confidence.",
        )
    with right:
        st.subheader(
            "Does the confidence match the accuracy?",
            help="Above the dotted line the model is correct more often than its confidence "
            "says; below the line it is overconfident. Larger dots stand for more images.",
        )
        components.chart(
            of_model(
                confidence_charts.reliability(before, after), judgement.model.name, judgement.subset
            ),
            "reliability",
            description="Share of correct predictions against confidence.",
        )
        sentences = [
            f"Calibration error (ECE): **{text.decimal(before.ece)}**.",
            _overconfidence_words(before.overconfidence),
        ]
        if after is not None and fit is not None and fit.temperature is not None:
            kind = "cross-validated " if model.validation_cross_validated else ""
            sentences.insert(
                1,
                f"After calibration on {kind}validation results (temperature "
                f"{text.decimal(fit.temperature.value, 2)}): **{text.decimal(after.ece)}**.",
            )
        elif fit is not None:
            sentences.append(no_calibration_in_words(fit))
        st.caption(" ".join(sentences))
    _curves(judgement)


def _overconfidence_words(overconfidence: float) -> str:
    """Mean confidence minus accuracy, in words."""
    if abs(overconfidence) < 0.005:
        return "On average, confidence equals accuracy."
    points = f"{text.points(abs(overconfidence), signed=False)} percentage points"
    side = "above" if overconfidence > 0 else "below"
    return f"On average, the confidence is {points} {side} the accuracy."


def _curves(judgement: JudgedSet) -> None:
    options = [OK_NOK_CURVE] if has_both(judgement.verdicts) else []
    offered = [*options, *judgement.class_names]
    st.subheader("Ranking")
    chosen = st.selectbox(
        "Curve of",
        offered,
        key="curve_of",
        on_change=state.follow("curve_of", offered, offered[0]),
        width=320,
        help="One class against all others, or defective against good.",
    )
    if chosen == OK_NOK_CURVE and options:
        truth = truths(judgement.targets, judgement.verdicts)
        known = (truth == OK) | (truth == NOK)
        scores = nok_probability(judgement.probabilities, judgement.verdicts)[known]
        positive = truth[known] == NOK
    else:
        index = judgement.class_names.index(str(chosen))
        scores, positive = judgement.probabilities[:, index], judgement.targets == index
        known = np.ones(len(positive), bool)
    try:
        curves = roc_curve(scores, positive), precision_recall_curve(scores, positive)
    except ConfigError as err:
        st.info(f"No data: {err.message} {err.hint}")
        return
    ranked = areas(scores, positive, choose(judgement.parts, known))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**ROC**: area {_area(ranked.roc)}",
            help="1 is a perfect ranking, 0.5 is guessing. In brackets: the 95% confidence "
            "interval.",
        )
        components.chart(
            of_model(ranking_curves.roc(curves[0]), judgement.model.name, judgement.subset),
            "roc",
            description="ROC curve.",
        )
    with right:
        st.markdown(
            f"**Precision and recall**: average precision {_area(ranked.average_precision)}",
            help="1 is perfect. More informative than ROC if the class is rare.",
        )
        components.chart(
            of_model(
                ranking_curves.precision_recall(curves[1]), judgement.model.name, judgement.subset
            ),
            "pr",
            description="Precision-recall curve.",
        )


def _area(area: Estimate) -> str:
    if area.value is None or area.interval is None:
        return "no data"
    low, high = text.decimal(area.interval.low), text.decimal(area.interval.high)
    return f"{text.decimal(area.value)} :gray[({low} to {high})]"
