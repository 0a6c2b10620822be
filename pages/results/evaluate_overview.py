"""What everybody reads first: headline numbers with bounds, pies, and all measures."""

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import has_both
from core.evaluation.decisions.views import Headline
from core.evaluation.measures.catalog import MeasuredValue, top_k_error
from core.evaluation.measures.class_rates import class_rates, mean_precision, mean_recall
from core.evaluation.measures.classification import macro_f1
from core.evaluation.measures.intervals import Interval, Rate
from core.evaluation.measures.parts import Unit
from core.workflows.results import evaluation
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, errors, judged, text
from pages.ui.figures import class_charts
from pages.ui.places import Place

ESCAPE_HELP = (
    "Defective parts that were accepted. With 95% confidence, the true rate does not exceed the "
    "proven bound. No escapes in a small test proves little."
)
FALSE_REJECT_HELP = "Good parts that were rejected, also called overkill: scrap or rework."
ACCURACY_HELP = (
    "Share classified correctly, with exact 95% bounds (Clopper-Pearson): more images narrow them. "
    "Where parts were declared or confirmed, parts are counted: correct if all their images are."
)
LARGE = 9_999


def head(workspace: Workspace, judgement: JudgedSet) -> Headline:
    """The headline numbers of a judged set."""
    point = judged.saved_point(workspace, judgement.model) if has_both(judgement.verdicts) else None
    return evaluation.headline_of(judgement, point)


def numbers(workspace: Workspace, judgement: JudgedSet, *, named: bool) -> None:
    """The headline as four cards; `named` says whose they are."""
    numbers = head(workspace, judgement)
    if named:
        st.markdown(f"**{text.plain(judgement.model.name)}**")
    right, escape, overkill, balance, size = st.columns([4, 4, 4, 3, 3])
    with right:
        _card(
            _accuracy_label(numbers),
            text.percent(numbers.accuracy.value),
            " ".join(_accuracy_sentences(judgement, numbers)),
            ACCURACY_HELP,
        )
    if numbers.ok_nok is None:
        _class_cards(judgement, escape, overkill)
    else:
        result, unit = numbers.ok_nok, text.noun(numbers.unit)
        with escape:
            _card(
                "Escapes",
                _of(result.escape),
                _at_most(result.escape, f"defective {unit}s"),
                ESCAPE_HELP,
            )
        with overkill:
            _card(
                "False rejects",
                _of(result.overkill),
                _between(result.overkill, f"good {unit}s"),
                FALSE_REJECT_HELP,
            )
    with balance:
        targets, count = judgement.targets, len(judgement.class_names)
        _card(
            "Macro F1",
            f"{macro_f1(judgement.predicted, targets, count):.3f}",
            "Per image, all classes weighted equally."
            if numbers.unit is Unit.PARTS
            else "1 is perfect. Every class has equal weight.",
            "Harmonic mean of precision and recall, averaged over the classes.",
        )
    with size:
        is_parts = numbers.unit is Unit.PARTS
        words = (
            f"of {text.count(numbers.accuracy.n, 'part')}"
            if is_parts
            else (f"in {text.count(count, 'class')}")
        )
        _card("Images", f"{numbers.n:,}", words, "Images in this subset.")
    _explain(workspace, judgement, numbers)


def _card(label: str, value: str, sentence: str, help_text: str) -> None:
    with st.container(border=True, height="stretch"):
        st.metric(label, value, help=help_text)
        st.caption(sentence)


def _accuracy_label(numbers: Headline) -> str:
    return "Accuracy (parts)" if numbers.unit is Unit.PARTS else "Accuracy"


def _accuracy_sentences(judgement: JudgedSet, numbers: Headline) -> list[str]:
    interval, total = numbers.accuracy.interval, numbers.accuracy.n
    if interval is None:
        return ["There is no judgement."]
    counted = text.count(total, text.noun(numbers.unit))
    sentences = [f"95% interval: **{_range(interval)}** ({counted})."]
    if numbers.unit is Unit.PARTS:
        # Why: the matrix below counts images, and would otherwise seem to contradict the headline.
        share = float((judgement.predicted == judgement.targets).mean())
        sentences.append(f"By image: {text.percent(share)} correct.")
    return sentences


def _class_cards(judgement: JudgedSet, first: DeltaGenerator, second: DeltaGenerator) -> None:
    rates = class_rates(
        judgement.predicted,
        judgement.targets,
        judgement.class_names,
        judgement.parts,
    )
    unit = judgement.unit.word
    for column, name, mean, sentence in (
        (
            first,
            "Recall",
            mean_recall(rates),
            f"Share of a class's {unit} that were recognized, averaged over the classes.",
        ),
        (
            second,
            "Precision",
            mean_precision(rates),
            "Share of correct predictions, averaged over the classes; 0 if never predicted.",
        ),
    ):
        with column:
            _card(name, text.percent(mean), sentence, f"{name}, every class with equal weight.")


def _of(rate: Rate) -> str:
    if not rate.has_data:
        return "no data"
    return f"{rate.k:,}" if rate.n > LARGE else f"{rate.k:,} of {rate.n:,}"


def _share(rate: Rate, of: str) -> str:
    if rate.n > LARGE:  # the card has no room for both numbers
        return f"{text.percent(rate.value)} of {rate.n:,} {of}"
    return f"{text.percent(rate.value)} of {of}"


def _at_most(rate: Rate, of: str) -> str:
    bound = rate.upper()
    if bound is None or rate.value is None:
        return f"There are no {of} in this subset."
    return f"{_share(rate, of)}. Proven: **at most {text.percent(bound)}**."


def _between(rate: Rate, of: str) -> str:
    if rate.interval is None:
        return f"There are no {of} in this subset."
    return f"{_share(rate, of)}. 95% interval: **{_range(rate.interval)}**."


def _range(interval: Interval) -> str:
    return f"{text.percent(interval.low)} to {text.percent(interval.high)}"


def _explain(workspace: Workspace, judgement: JudgedSet, numbers: Headline) -> None:
    """What the numbers are based on, and what is missing for more."""
    if numbers.ok_nok is None:
        with st.container(horizontal=True, vertical_alignment="center", key="no_verdicts"):
            st.caption(
                ":material/info: Escapes and false rejects need OK and NOK classes. Set them on "
                "the Datasets page or with `touchstone classes DATASET --ok NAME`.",
                width="stretch",
            )
            st.page_link(
                Place.DATASETS,
                label="Datasets",
                icon=":material/photo_library:",
                query_params={"dataset": judgement.dataset.id},
            )
        return
    point = judged.saved_point(workspace, judgement.model)
    basis = (
        "Escapes and false rejects follow the saved reject threshold."
        if point
        else "Escapes and false rejects are counted by predicted class: no threshold is saved."
    )
    counted = "" if judgement.has_proposals else judgement.counted_in_words
    sentences = [basis, *numbers.ok_nok.remarks, numbers.ok_nok.both_in_words or "", counted]
    st.caption(" ".join(filter(None, sentences)))


def pies(judgement: JudgedSet) -> None:
    """Precision and recall at a glance: the mean, then the weakest classes."""
    rates = class_rates(
        judgement.predicted,
        judgement.targets,
        judgement.class_names,
        judgement.parts,
    )
    count = len(rates)
    st.subheader(
        "Precision and recall",
        help="Precision: share of the predictions of a class that are correct. Recall: share of "
        "the images of a class that are recognized. In the mean, the precision of a class that is "
        "never predicted counts as 0.",
    )
    if judgement.unit is Unit.PARTS:
        st.caption(
            "Counted by part: a part is correct only if all its images are. "
            "The matrix below counts images."
        )
    components.chart(
        class_charts.pies(rates),
        f"pies_{judgement.model.id}_{judgement.subset}",
        description="Pies of precision and recall: the mean of all classes, then the weakest "
        "classes.",
    )
    if count > class_charts.MAX_PIES:
        st.caption(
            f"The {class_charts.MAX_PIES} weakest of {count:,} classes. "
            "The Classes tab shows all of them."
        )


@st.fragment
@errors.shown()
def measures(workspace: Workspace, model: Model, subset: Subset) -> None:
    """Every measure with its bounds and what it means."""
    report = judged.report(workspace, model, subset)
    listed = list(report.listed)
    count = len(report.class_names)
    if count > 2:
        k = int(
            st.number_input(
                "K for another top-K error",
                1,
                count,
                min(4, count),
                key="top_k",
                width=220,
                help="An image counts as an error if its true class is not among the K most "
                "confident ones.",
            )
        )
        further = top_k_error(k)
        if further.key not in {item.measure.key for item in listed}:
            data = judged.judgement(workspace, model, subset)
            listed += evaluation.measure(data, [further])
    st.dataframe(
        measure_columns(listed),
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
    mix = sorted(zip(report.class_mix, report.class_names, strict=True), reverse=True)
    shares = ", ".join(f"{text.plain(n)} {share:.1%}" for share, n in mix[:12])
    st.caption(f"Class mix: {shares}{' …' if len(mix) > 12 else ''}")


def measure_columns(listed: Sequence[MeasuredValue]) -> dict[str, list[str]]:
    """The table of measures by column."""
    bounds = [item.interval for item in listed]
    return {
        "measure": [item.measure.title for item in listed],
        "value": [_decimal(item.value) or "no data" for item in listed],
        "low": [_decimal(item.low if item else None) for item in bounds],
        "high": [_decimal(item.high if item else None) for item in bounds],
        "what it says": [item.measure.help for item in listed],
    }


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
