"""PPM and money: what a rule does to the real line."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import TouchstoneError
from core.evaluation.decisions.costs import Costs, LeastCost, Scenario, consequences
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import as_limit, point_in_words
from core.evaluation.measures.intervals import Estimate
from core.workflows.results import thresholds
from core.workflows.results.thresholds import Basis, OnTest, ThresholdGoal
from pages.ui import errors, state, text, threshold_form
from pages.ui.components import chart
from pages.ui.figures import threshold_charts


def show(basis: Basis, on_test: OnTest, confidence: float) -> None:
    """Inputs, what they mean for the rule on the screen, and the cheapest rule."""
    model_id = basis.judged.model.id
    draft = threshold_form.draft(model_id, None)
    scenario = _inputs(draft.scenario or threshold_form.DEFAULT_LINE, model_id)
    if scenario != draft.scenario:
        threshold_form.put_scenario(model_id, scenario)
    st.subheader(
        "This rule on the line",
        help="The rates of the validation images at the defect rate of the line.",
    )
    st.caption(
        f"{text.plain(point_in_words(draft.point))} Rates from validation, where rules are "
        f"chosen; each range holds at {confidence:.0%}."
    )
    _consequences(basis, draft.point, scenario, confidence)
    st.markdown("**The verdict on test**")
    if on_test.basis is None:
        st.caption(text.plain(on_test.reason))
    else:
        _consequences(on_test.basis, draft.point, scenario, confidence)
    _best(basis, scenario, confidence)


def _consequences(
    basis: Basis, point: OperatingPoint, scenario: Scenario, confidence: float
) -> None:
    """What the rule does to the line, by the rates of one subset."""
    found = consequences(point, basis.outcome(point, confidence), scenario, confidence)
    cells = st.columns(5)
    for cell, (label, estimate, pattern, help_text) in zip(
        cells,
        (
            (
                "Outgoing PPM",
                found.outgoing_ppm,
                "{:,.0f}",
                "Defective parts in a million delivered ones.",
            ),
            (
                "Rejects per shift",
                found.rejects_per_shift,
                "{:,.1f}",
                "Parts thrown out, by the machine or by a person.",
            ),
            (
                "Truly bad rejects",
                found.true_reject_share,
                "{:.1%}",
                "Of the rejected parts, the share that is really defective. With rare defects most "
                "rejects are good parts, however good the model is.",
            ),
            ("Looks per shift", found.looks_per_shift, "{:,.1f}", "Parts that a person looks at."),
            (
                "Cost per 1,000",
                found.cost_per_1000,
                "{:,.0f}",
                "Of a thousand parts made: escapes, false rejects and looks.",
            ),
        ),
        strict=True,
    ):
        _metric(cell, label, estimate, pattern, help_text)
    for remark in found.remarks:
        st.warning(remark)


def _inputs(given: Scenario, model_id: str) -> Scenario:
    first = st.columns(5)
    rate = _number(
        first[0],
        "Defect rate, %",
        100 * given.defect_rate,
        100.0,
        f"{model_id}_rate",
        "Share of defective parts that reach this inspection, on the real line.",
    )
    volume = _number(
        first[1],
        "Parts per shift",
        given.parts_per_shift,
        1e9,
        f"{model_id}_volume",
        "How many parts are inspected in a shift.",
    )
    escape = _number(
        first[2],
        "Cost of an escape",
        given.costs.escape,
        1e12,
        f"{model_id}_escape",
        "What one defective part costs that reaches the customer: sorting, "
        "replacement, trust. Any currency.",
    )
    reject = _number(
        first[3],
        "Cost of a false reject",
        given.costs.false_reject,
        1e12,
        f"{model_id}_reject",
        "What one good part costs that is thrown away.",
    )
    look = _number(
        first[4],
        "Cost of a look",
        given.costs.look,
        1e12,
        f"{model_id}_look",
        "What it costs that a person looks at one part.",
    )
    with st.expander("How well people decide"):
        second = st.columns(2)
        misses = _number(
            second[0],
            "Defects a person misses, %",
            100 * given.person_escape,
            100.0,
            f"{model_id}_misses",
            "Of the defective parts a person looks at. 10 to 20% is common in visual inspection.",
        )
        alarms = _number(
            second[1],
            "Good parts a person rejects, %",
            100 * given.person_overkill,
            100.0,
            f"{model_id}_alarms",
            "Of the good parts a person looks at.",
        )
    # Why rounded: 7% is 0.07 again, and not another line.
    shares = [round(value / 100, 12) for value in (rate, misses, alarms)]
    return Scenario(shares[0], volume, Costs(escape, reject, look), shares[1], shares[2])


def _number(
    column: DeltaGenerator, label: str, value: float, most: float, key: str, help_text: str
) -> float:
    chosen: float = column.number_input(
        label, 0.0, most, float(value), format="%.6g", key=f"line_{key}", help=help_text
    )
    return chosen


def _metric(
    cell: DeltaGenerator, label: str, found: Estimate, pattern: str, help_text: str
) -> None:
    with cell:
        value = "no data" if found.value is None else pattern.format(found.value)
        st.metric(label, value, border=True, help=help_text)
        if found.interval is not None:
            low, high = pattern.format(found.interval.low), pattern.format(found.interval.high)
            st.caption(f"{low} to {high}")


def _best(basis: Basis, scenario: Scenario, confidence: float) -> None:
    st.subheader("The cheapest rule", help="Over all limits, on the validation images.")
    with_person = st.toggle(
        "With a zone for a person",
        value=True,
        key="with_person",
        help="Off: one threshold, nothing goes to a person.",
    )
    wish = ThresholdGoal(scenario=scenario, with_person=with_person, confidence=confidence)
    try:
        choice = thresholds.choose(basis, wish)
    except TouchstoneError as err:
        errors.show(err)
        return
    assert choice.least is not None
    single = thresholds.choose(basis, ThresholdGoal(scenario=scenario, with_person=False)).least
    assert single is not None
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    with left:
        chart(
            threshold_charts.cost_curve(single, choice.point, dark=state.is_dark()),
            "cost_curve",
            description="Cost per thousand parts of every single threshold.",
        )
        st.caption(
            "One threshold without a person; shaded: at most 5% above its least cost. "
            "Lines: the cheapest rule."
        )
    with right:
        st.markdown(f"**{text.plain(point_in_words(choice.point))}**")
        st.markdown(
            f"Costs **{choice.least.least_cost_per_1000:,.1f}** per 1,000 parts on validation. "
            + _flatness(choice.least)
        )
        st.button(
            "Use this rule",
            icon=":material/check:",
            key="use_cheapest",
            on_click=threshold_form.put,
            args=(basis.judged.model.id, choice),
        )


def _flatness(found: LeastCost) -> str:
    if found.point.has_person_zone:
        rejected = (
            "nothing is rejected"
            if found.reject_range[0] > 1
            else f"parts are rejected from {_range(*found.reject_range)} on"
        )
        words = (
            "It stays within 5% of that while parts are accepted below "
            f"{_range(*found.accept_range)}, or while {rejected}."
        )
    else:
        words = f"It stays within 5% of that for a limit of {_range(*found.accept_range)}."
    return text.plain(words)


def _range(low: float, high: float) -> str:
    first, last = as_limit(low), as_limit(high)
    return f"{first} only" if first == last else f"{first} to {last}"
