"""PPM and money: what a threshold means on the real production line."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import TouchstoneError
from core.evaluation.decisions.costs import Costs, LeastCost, Scenario, consequences, widened
from core.evaluation.decisions.outcome import OperatingPoint, PartScores
from core.evaluation.decisions.rule import as_limit, point_in_words
from core.evaluation.measures.intervals import Estimate
from core.workflows.results import thresholds
from core.workflows.results.thresholds import Basis, OnTest, ThresholdGoal
from pages.ui import errors, text, threshold_form
from pages.ui.components import chart
from pages.ui.figures import threshold_charts
from pages.ui.figures.saving import of_model


def show(basis: Basis, on_test: OnTest, confidence: float) -> None:
    """Inputs, what they mean for the threshold on the screen, and the cheapest threshold."""
    model_id = basis.judged.model.id
    draft = threshold_form.draft(model_id, None)
    before = draft.scenario or threshold_form.DEFAULT_LINE
    scenario = _inputs(before, model_id)
    if scenario != before:  # a saved threshold stays saved while one only looks
        threshold_form.put_scenario(model_id, scenario)
    st.subheader(
        "This threshold on your line",
        help="Applies the rates measured on the validation images to the defect rate of your line.",
    )
    _consequences(basis, draft.point, scenario, confidence)
    st.caption(
        f"Below each number: its {text.exact_percent(confidence)} confidence interval. More "
        "validation images make it narrower."
    )
    if on_test.basis is not None:
        st.markdown("**By the rates of the test images**")
        _consequences(on_test.basis, draft.point, scenario, confidence)
    _best(basis, scenario, confidence)


def _consequences(
    basis: Basis, point: OperatingPoint, scenario: Scenario, confidence: float
) -> None:
    """What the threshold means on the line, by the rates of one subset."""
    effect = consequences(point, basis.outcome(point, confidence), scenario, confidence)
    cells = st.columns(5)
    for cell, (label, estimate, written, help_text) in zip(
        cells,
        (
            (
                "Outgoing PPM",
                effect.outgoing_ppm,
                text.number,
                "Defective parts per million delivered parts.",
            ),
            (
                "Rejects per shift",
                effect.rejects_per_shift,
                _tenths,
                "Parts rejected by the machine or by an inspector.",
            ),
            (
                "Correct rejects",
                effect.true_reject_share,
                _share,
                "Share of the rejected parts that are defective. If defects are rare, most rejects "
                "are good parts, even with a good model.",
            ),
            (
                "Reviews per shift",
                effect.looks_per_shift,
                _tenths,
                "Parts that go to inspector review.",
            ),
            (
                "Cost per 1,000",
                effect.cost_per_1000,
                text.number,
                "Escapes, false rejects and reviews of 1,000 parts made.",
            ),
        ),
        strict=True,
    ):
        _metric(cell, label, estimate, written, help_text)
    for remark in effect.remarks:
        st.warning(remark)


def _inputs(given: Scenario, model_id: str) -> Scenario:
    first = st.columns(5)
    rate = _number(
        first[0],
        "Defect rate, %",
        round(100 * given.defect_rate, 10),
        100.0,
        f"{model_id}_rate",
        "Share of the parts reaching this inspection that are defective, on the real line.",
    )
    volume = _number(
        first[1],
        "Parts per shift",
        given.parts_per_shift,
        1e9,
        f"{model_id}_volume",
        "Number of parts inspected in one shift.",
    )
    escape = _number(
        first[2],
        "Cost of an escape",
        given.costs.escape,
        1e12,
        f"{model_id}_escape",
        "Cost of one defective part that reaches the customer: sorting, replacement, lost trust. "
        "In any currency.",
    )
    reject = _number(
        first[3],
        "Cost of a false reject",
        given.costs.false_reject,
        1e12,
        f"{model_id}_reject",
        "Cost of one good part that is rejected.",
    )
    look = _number(
        first[4],
        "Cost of a review",
        given.costs.look,
        1e12,
        f"{model_id}_look",
        "Cost of one inspector review.",
    )
    with st.expander("How well inspectors decide"):
        second = st.columns(2)
        misses = _number(
            second[0],
            "Defects an inspector misses, %",
            round(100 * given.person_escape, 10),
            100.0,
            f"{model_id}_misses",
            "Of the defective parts reviewed. 10 to 20% is common in visual inspection.",
        )
        alarms = _number(
            second[1],
            "Good parts an inspector rejects, %",
            round(100 * given.person_overkill, 10),
            100.0,
            f"{model_id}_alarms",
            "Of the good parts reviewed.",
        )
    # Why rounded: 7% is 0.07 again, and not another line.
    shares = [round(value / 100, 12) for value in (rate, misses, alarms)]
    return Scenario(shares[0], volume, Costs(escape, reject, look), shares[1], shares[2])


def _number(
    column: DeltaGenerator, label: str, value: float, most: float, key: str, help_text: str
) -> float:
    chosen: float = column.number_input(
        label, 0.0, most, float(value), format="%.12g", key=f"line_{key}", help=help_text
    )
    return chosen


def _share(value: float) -> str:
    return text.percent(value)


def _tenths(value: float) -> str:
    """Of parts or of money: `1,234.5`."""
    return f"{value:,.1f}"


def _metric(
    cell: DeltaGenerator,
    label: str,
    estimate: Estimate,
    written: Callable[[float], str],
    help_text: str,
) -> None:
    with cell:
        value = "no data" if estimate.value is None else written(estimate.value)
        st.metric(label, value, border=True, help=help_text)
        if estimate.interval is not None:
            low, high = (
                written(estimate.interval.low),
                written(estimate.interval.high),
            )
            st.caption(f"{low} to {high}")


def _best(basis: Basis, scenario: Scenario, confidence: float) -> None:
    st.subheader(
        "Cheapest threshold", help="The lowest cost of all thresholds, on the validation images."
    )
    with_person = st.toggle(
        "With a review zone",
        value=True,
        key="with_person",
        help="Off: one threshold, no inspector review.",
    )
    goal = ThresholdGoal(scenario=scenario, with_person=with_person, confidence=confidence)
    try:
        choice = thresholds.choose(basis, goal)
    except TouchstoneError as err:
        errors.show(err)
        return
    assert choice.least is not None
    single = thresholds.choose(basis, ThresholdGoal(scenario=scenario, with_person=False)).least
    assert single is not None
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    with left:
        chart(
            of_model(
                threshold_charts.cost_curve(single, choice.point),
                basis.judged.model.name,
                basis.judged.subset,
            ),
            "cost_curve",
            description="Cost per 1,000 parts of every single threshold.",
        )
        st.caption("Shaded: within 5% of the lowest cost of a single threshold.")
    with right:
        st.markdown(f"**{text.plain(point_in_words(choice.point))}**")
        st.markdown(
            f"Cost: **{_tenths(choice.least.least_cost_per_1000)}** per 1,000 parts on validation. "
            + _flatness(choice.least, basis.scores)
        )
        st.button(
            "Use this threshold",
            icon=":material/check:",
            key="use_cheapest",
            on_click=threshold_form.put,
            args=(basis.judged.model.id, choice),
        )


def _flatness(least: LeastCost, scores: PartScores) -> str:
    """How far the threshold may move before the cost rises by 5%."""
    accept = _range(*widened(least.accept_range, scores))
    if not least.point.has_person_zone:
        return text.plain(f"The cost stays within 5% for a threshold of {accept}.")
    reject = (
        "no automatic rejection"
        if least.reject_range[0] > 1
        else f"a reject threshold of {_range(*widened(least.reject_range, scores))}"
    )
    return text.plain(
        f"The cost stays within 5% for an accept threshold of {accept} or for {reject}."
    )


def _range(low: float, high: float) -> str:
    first, last = as_limit(low), as_limit(high)
    return f"{first} only" if first == last else f"{first} to {last}"
