"""What everybody looks at first: headline numbers with bounds, pies, and all measures."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import has_both
from core.evaluation.measures.classification import EvaluationReport, macro_f1, top_k_rate
from core.evaluation.measures.intervals import Estimate, Interval, Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.measures.views import (
    Headline,
    class_rates,
    headline,
    mean_precision,
    mean_recall,
)
from core.workflows.results.evaluation import Judgement
from core.workspace import Workspace
from pages.ui import components, errors, judged, state, text
from pages.ui.figures import class_charts
from pages.ui.places import Place

ESCAPE_HELP = (
    "Defective parts that were accepted, of all defective parts. The bound is what is proven: with "
    "95% confidence, the true rate is not above it. No escape among few parts proves little."
)
OVERKILL_HELP = (
    "Good parts that were rejected (false rejects), of all good parts: false alarms, scrap, rework."
)
RIGHT_HELP = (
    "Share that is classified right. The bounds are exact (Clopper-Pearson, 95%): more images "
    "bring them closer together. Where groups are known, parts are counted, not images, and a "
    "part is right if all its images are."
)


LARGE = 9_999


def head(workspace: Workspace, found: Judgement) -> Headline:
    """The headline numbers of a judged set."""
    data = found.judged
    point = judged.saved_point(workspace, data.model) if has_both(data.verdicts) else None
    return headline(
        data.probabilities,
        data.targets,
        parts=data.parts,
        verdicts=data.verdicts,
        point=point,
        predicted=found.predicted,
    )


def numbers(workspace: Workspace, found: Judgement, *, named: bool) -> None:
    """The headline as four cards; `named` says whose they are."""
    numbers = head(workspace, found)
    if named:
        st.markdown(f"**{text.plain(found.judged.model.name)}**")
    right, escape, overkill, balance, size = st.columns([4, 4, 4, 3, 3])
    with right:
        _card(
            _right_label(numbers),
            text.percent(numbers.accuracy.value),
            _truth(numbers) + _images_right(found, numbers),
            RIGHT_HELP,
        )
    if numbers.ok_nok is None:
        _class_cards(found, escape, overkill)
    else:
        result, unit = numbers.ok_nok, _unit(numbers.unit)
        with escape:
            _card(
                "Escapes",
                _of(result.escape),
                _at_most(result.escape, f"defective {unit}"),
                ESCAPE_HELP,
            )
        with overkill:
            _card(
                "Overkill",
                _of(result.overkill),
                _between(result.overkill, f"good {unit}"),
                OVERKILL_HELP,
            )
    with balance:
        targets, count = found.judged.targets, len(found.judged.class_names)
        _card(
            "Macro F1",
            f"{macro_f1(found.predicted, targets, count):.3f}",
            "1 is perfect; every class counts the same"
            f"{', images are counted' if numbers.unit is Unit.PARTS else ''}.",
            "Balance of precision and recall, mean over the classes.",
        )
    with size:
        parts = numbers.unit is Unit.PARTS
        words = f"of {numbers.accuracy.n:,} parts" if parts else text.count(count, "class")
        _card("Images", f"{numbers.n:,}", words, "Images of this subset.")
    _explain(workspace, found, numbers)


def _card(label: str, value: str, sentence: str, help_text: str) -> None:
    with st.container(border=True, height="stretch"):
        st.metric(label, value, help=help_text)
        st.caption(sentence)


def _truth(numbers: Headline) -> str:
    interval = numbers.accuracy.interval
    if interval is None:
        return "no data"
    counted = text.count(numbers.accuracy.n, _unit(numbers.unit)[:-1])
    return f"The truth lies between **{_range(interval)}** ({counted}, 95% sure)."


def _right_label(numbers: Headline) -> str:
    return "Parts right" if numbers.unit is Unit.PARTS else "Right"


def _images_right(found: Judgement, numbers: Headline) -> str:
    """Why: the matrix below counts images, and would else seem to contradict the headline."""
    if numbers.unit is not Unit.PARTS:
        return ""
    share = float((found.predicted == found.judged.targets).mean())
    return f" Of single images, {text.percent(share)} are right."


def _class_cards(found: Judgement, first: DeltaGenerator, second: DeltaGenerator) -> None:
    rates = class_rates(
        found.predicted, found.judged.targets, found.judged.class_names, found.judged.parts
    )
    unit = "parts" if found.judged.parts is not None else "images"
    for column, name, mean, sentence in (
        (
            first,
            "Recall",
            mean_recall(rates),
            f"Mean over the classes of the share of {unit} that was found.",
        ),
        (
            second,
            "Precision",
            mean_precision(rates),
            "Mean over the classes of the share of predictions that are right; 0 if none was made.",
        ),
    ):
        with column:
            _card(name, text.percent(mean), sentence, f"{name}, every class counted the same.")


def _of(rate: Rate) -> str:
    if not rate.has_data:
        return "no data"
    return f"{rate.k:,}" if rate.n > LARGE else f"{rate.k:,} of {rate.n:,}"


def _share(rate: Rate, of: str) -> str:
    if rate.n > LARGE:  # the card has no room for both numbers
        return f"of {rate.n:,} {of}, {text.percent(rate.value)}"
    return f"{text.percent(rate.value)} of {of}"


def _at_most(rate: Rate, of: str) -> str:
    bound = rate.upper()
    if bound is None or rate.value is None:
        return f"There are no {of} in this subset."
    return f"{_share(rate, of)}; proven: **at most {text.percent(bound)}**."


def _between(rate: Rate, of: str) -> str:
    if rate.interval is None:
        return f"There are no {of} in this subset."
    return f"{_share(rate, of)}; between **{_range(rate.interval)}**."


def _range(interval: Interval) -> str:
    return f"{text.percent(interval.low)} and {text.percent(interval.high)}"


def _unit(unit: Unit) -> str:
    return "parts" if unit is Unit.PARTS else "images"


def _explain(workspace: Workspace, found: Judgement, numbers: Headline) -> None:
    """What the numbers rest on, and what is missing for more."""
    data = found.judged
    if numbers.ok_nok is None:
        missing = "" if not any(data.verdicts) else " and at least one of each kind"
        with st.container(horizontal=True, vertical_alignment="center", key="no_verdicts"):
            st.caption(
                ":material/info: Escapes and overkill need to know which classes are OK and which "
                f"NOK{missing}: say it on the Datasets page, or with "
                "`touchstone classes DATASET --ok NAME`.",
                width="stretch",
            )
            st.page_link(
                Place.DATASETS,
                label="Datasets",
                icon=":material/photo_library:",
                query_params={"dataset": data.dataset.id},
            )
        return
    point = judged.saved_point(workspace, data.model)
    rule = "the saved operating point" if point else "the verdict of the predicted class"
    says = [f"Escapes and overkill follow {rule}.", *numbers.ok_nok.remarks]
    says += filter(None, [numbers.ok_nok.both_in_words])
    st.caption(" ".join(says))


def pies(found: Judgement) -> None:
    """The manager's image: precision and recall, the weakest classes beside the mean."""
    rates = class_rates(
        found.predicted, found.judged.targets, found.judged.class_names, found.judged.parts
    )
    count = len(rates)
    st.subheader(
        "Precision and recall",
        help="Precision: of all predictions of a class, the share "
        "that is right. Recall: of all images of a class, the share that was "
        "found. A class that was never predicted has no precision; in the mean it "
        "counts as 0.",
    )
    if found.judged.parts is not None:
        st.caption(
            "Parts are counted: a part is right if all its images are, so a class whose every "
            "part has a mistake reads 0%. The matrix below counts images."
        )
    components.chart(
        class_charts.pies(rates, dark=state.is_dark()),
        f"pies_{found.judged.model.id}_{found.judged.subset}",
        description="Pies of precision and recall: the mean of all classes, then the weakest "
        "classes.",
    )
    if count > class_charts.MAX_PIES:
        st.caption(
            f"The {class_charts.MAX_PIES} weakest of {count:,} classes; all of them "
            "are in the tab Classes."
        )


MEASURES = {
    "Accuracy": "Share that is right.",
    "Balanced accuracy": "Mean recall: every class counts the same.",
    "Macro F1": "Balance of precision and recall, every class counted the same.",
    "Weighted F1": "The same, classes counted by their images.",
    "Macro precision": "Mean share of right predictions, every class counted the same.",
    "Weighted precision": "The same, classes counted by their images.",
    "Cohen's kappa": "Agreement beyond chance; it moves with the class mix (below).",
    "Matthews correlation": "From -1 to 1; 0 is guessing. Robust against uneven classes.",
    "Log loss": "Mean of minus the logarithm of the true class' confidence; lower is better.",
    "Brier score": "Squared distance of the confidences from the truth, 0 to 2; lower is better.",
    "Calibration error (ECE)": "Gap of confidence and share right; few images enlarge it.",
    "ROC area, macro": "Chance that an image of a class ranks above one of another.",
    "Average precision, macro": "Area under the precision-recall curve, mean over the classes.",
}
TOP_K = "Share whose true class is not among the K most confident."


@st.fragment
@errors.shown()
def measures(workspace: Workspace, model: Model, subset: Subset) -> None:
    """Every measure with its bounds and what it means."""
    report = judged.report(workspace, model, subset)
    rows = _measure_rows(report)
    count = len(report.class_names)
    if count > 2:
        k = int(
            st.number_input(
                "K of a further top-K error",
                1,
                count,
                min(4, count),
                key="top_k",
                width=220,
                help="An image counts as an error if its true class is not among the K most "
                "confident ones.",
            )
        )
        found = judged.judgement(workspace, model, subset).judged
        if k not in report.summary.top_k_error:
            rate = top_k_rate(found.probabilities, found.targets, k, found.parts)
            rows.insert(len(rows) - 1, _row(f"Top-{k} error", rate))
    st.dataframe(
        {
            "measure": [name for name, *_ in rows],
            "value": [_decimal(value) or "no data" for _, value, _, _ in rows],
            "low": [_decimal(low) for *_, low, _ in rows],
            "high": [_decimal(high) for *_, high in rows],
            "what it says": [MEASURES.get(name, TOP_K) for name, *_ in rows],
        },
        hide_index=True,
        key="measures",
        height="content",
        column_config={
            "measure": st.column_config.TextColumn(width=190),
            **{
                n: st.column_config.TextColumn(width=80, alignment="right")
                for n in ("value", "low", "high")
            },
        },
    )
    counts = f"{report.independent:,} {report.unit.word}"
    of_parts = report.unit is Unit.PARTS
    micro = (
        "Accuracy and top-K errors count parts, a part with one wrong image being wrong; the "
        "other measures count images."
        if of_parts
        else "Micro means of precision, recall and F1 equal the accuracy."
    )
    st.caption(f"Bounds hold with {report.confidence:.0%} confidence and count {counts}. {micro}")
    mix = sorted(zip(report.summary.class_mix, report.class_names, strict=True), reverse=True)
    listed = ", ".join(f"{text.plain(n)} {share:.1%}" for share, n in mix[:12])
    st.caption(f"Class mix: {listed}{' …' if len(mix) > 12 else ''}")


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _measure_rows(
    report: EvaluationReport,
) -> list[tuple[str, float | None, float | None, float | None]]:
    summary = report.summary
    with_bounds: list[tuple[str, Rate | Estimate]] = [
        ("Accuracy", summary.accuracy),
        ("Balanced accuracy", summary.balanced_accuracy),
        ("Macro F1", summary.macro_f1),
        ("Weighted F1", summary.weighted_f1),
        ("Macro precision", summary.macro_precision),
        ("Weighted precision", summary.weighted_precision),
        ("Cohen's kappa", summary.kappa),
        ("Matthews correlation", summary.mcc),
        ("Log loss", summary.log_loss),
        ("Brier score", summary.brier),
        ("ROC area, macro", summary.macro_roc_area),
        ("Average precision, macro", summary.macro_average_precision),
        *((f"Top-{k} error", rate) for k, rate in summary.top_k_error.items()),
    ]
    return [
        *(_row(name, found) for name, found in with_bounds),
        ("Calibration error (ECE)", report.reliability.ece, None, None),
    ]


def _row(name: str, found: Rate | Estimate) -> tuple[str, float | None, float | None, float | None]:
    if found.interval is None:
        return name, found.value, None, None
    return name, found.value, found.interval.low, found.interval.high
