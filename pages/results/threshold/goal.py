"""Thresholds for a goal: chosen by limits or costs, or for as many parts as a guarantee allows."""

from typing import assert_never

import streamlit as st

from core.evaluation.decisions.guarantee import Guarantee, Verification, verify
from core.evaluation.decisions.outcome import Outcome
from core.evaluation.decisions.rule import point_in_words
from core.words import exact, exact_percent, percent_at_most
from core.workflows.results import thresholds
from core.workflows.results.safer_threshold import safer
from core.workflows.results.thresholds import Basis, OnTest, ThresholdChoice, ThresholdGoal
from pages.ui import errors, text, threshold_form
from pages.ui.places import Place
from pages.ui.threshold_form import Goal

USE_FIRST = "Use and save this threshold to check the guarantee on the test images."
LIMITS = (0.005, 0.01, 0.02, 0.05, 0.1)
ON_TEST = {
    Verification.CONFIRMED: (st.success, "The test images alone also prove the guarantee."),
    Verification.IN_LINE: (
        st.info,
        "The test images are consistent with the guarantee, but too few to prove it alone.",
    ),
    Verification.CONTRADICTED: (
        st.error,
        "The test images contradict the guarantee: they differ from the validation images. Do not "
        "rely on it.",
    ),
    Verification.NO_DATA: (
        st.warning,
        "The test set contains no images to check the guarantee with.",
    ),
}


def show(basis: Basis, on_test: OnTest, confidence: float) -> None:
    """What is guaranteed, on how many parts, and what the test images say about it."""
    st.caption("The machine decides only where the guarantee holds; the rest is reviewed.")
    left, right = st.columns(2)
    escape = left.number_input(
        "Guaranteed escape rate, %",
        0.01,
        99.0,
        1.0,
        0.1,
        format="%.12g",
        key="promise_escape",
        bind="query-params",
        help="At most this share of all defective parts is accepted by the machine.",
    )
    with right:
        rejects = st.toggle(
            "Reject automatically too",
            key="promise_rejects",
            bind="query-params",
            help="Off: the machine only accepts. All other parts go to inspector review.",
        )
        overkill = (
            st.number_input(
                "Guaranteed false reject rate, %",
                0.01,
                99.0,
                2.0,
                0.1,
                format="%.12g",
                key="promise_overkill",
                bind="query-params",
                help="At most this share of all good parts is rejected.",
            )
            if rejects
            else None
        )
    goal = ThresholdGoal(
        round(escape / 100, 12),
        round(overkill / 100, 12) if overkill else None,
        guarantee=True,
        confidence=confidence,
    )
    choice = thresholds.choose(basis, goal)
    assert choice.promise is not None
    _said(basis, choice, choice.promise, on_test)
    _others(basis, goal)


def _said(basis: Basis, choice: ThresholdChoice, promise: Guarantee, on_test: OnTest) -> None:
    if not promise.is_possible:
        st.warning(" ".join(text.plain(remark) for remark in promise.remarks))
        st.page_link(
            Place.TEST_PLANNER,
            label="Plan how many parts you need",
            icon=":material/checklist:",
            query_params={"plan_escape": exact(round(100 * promise.max_escape, 10))},
        )
        return
    share = promise.automatic
    assert share.value is not None
    assert share.interval is not None
    limits = f"escapes ≤ {exact_percent(promise.max_escape)}"
    if promise.max_overkill is not None:
        limits += f", false rejects ≤ {exact_percent(promise.max_overkill)}"
    st.markdown(f"### Automatic for {text.rate(share)} of the {basis.unit.word}")
    st.markdown(
        f"Guaranteed at {exact_percent(promise.confidence)} confidence: **{text.plain(limits)}**. "
        f":gray[Automatic on validation: {text.counts(share)} "
        f"({text.interval(share)} for parts of this mix).]"
    )
    st.caption(text.plain(point_in_words(promise.point)))
    is_current = threshold_form.draft(basis.judged.model.id, None).point == promise.point
    if on_test.basis is None or not is_current:
        st.info(text.plain(on_test.reason if is_current else USE_FIRST))
    else:
        outcome = on_test.basis.outcome(promise.point, promise.confidence)
        verification = verify(promise, outcome)
        shown, words = ON_TEST[verification]
        upper = outcome.escape.upper(promise.confidence)
        proof = ""
        if upper is not None:
            proof = (
                f"{outcome.escape.k:,} of {outcome.escape.n:,} defective "
                f"{on_test.basis.unit.word} escape; proven: at most "
                f"{percent_at_most(upper)}."
            )
        shown(f"**Test: {verification.value}.** {words} {text.plain(proof)}")
    st.button(
        "Use this threshold",
        icon=":material/check:",
        key="use_promise",
        on_click=threshold_form.put,
        args=(basis.judged.model.id, choice),
    )


def _others(basis: Basis, goal: ThresholdGoal) -> None:
    """How many parts other guarantees would leave to the machine."""
    rows = []
    for limit in LIMITS:
        choice = thresholds.choose(
            basis,
            ThresholdGoal(limit, goal.max_overkill, guarantee=True, confidence=goal.confidence),
        )
        assert choice.promise is not None
        promise = choice.promise
        rows.append(
            (
                limit,
                promise.automatic.value if promise.is_possible else None,
                next(iter(promise.remarks), ""),
            )
        )
    st.markdown("**Other guarantees**")
    st.dataframe(
        {
            "escapes at most": [row[0] for row in rows],
            "automatic": [row[1] for row in rows],
            "remark": [row[2] for row in rows],
        },
        hide_index=True,
        column_config={
            "escapes at most": st.column_config.NumberColumn(format="percent", width=110),
            "automatic": st.column_config.ProgressColumn(
                min_value=0,
                max_value=1,
                format="percent",
                width=140,
                help="Share decided on validation without inspector review.",
            ),
            "remark": st.column_config.TextColumn(width=560),
        },
    )


@st.dialog("Choose a threshold")
@errors.shown()
def choose_for_me(basis: Basis, confidence: float) -> None:
    """The goals and their limits; closes once one is reached, and the page says why."""
    goals = list(Goal)
    goal = st.radio(
        "Goal",
        goals,
        key="goal",
        persist_state="session",
        help="What the threshold must achieve on the validation images.",
    )
    request = _request(goal, basis, confidence)
    if st.button(
        "Choose",
        type="primary",
        key="choose",
        icon=":material/check:",
        on_click=threshold_form.run_or_show_error,
        args=(lambda: _choose(basis, goal, request),),
    ):
        st.rerun()  # closes the dialog; what went wrong is said on the page


def _choose(basis: Basis, goal: Goal, request: ThresholdGoal) -> None:
    model_id = basis.judged.model.id
    present = threshold_form.draft(model_id, None).point
    choice = safer(basis, request, thresholds.choose(basis, request), present)
    threshold_form.put(model_id, choice)
    words = _why(goal, choice, basis.outcome(choice.point))
    st.session_state[f"chosen_{model_id}"] = (choice.point, words)


def reason(model_id: str) -> None:
    """Why the threshold on the screen was chosen, as long as nobody has moved it."""
    point, words = st.session_state.get(f"chosen_{model_id}", (None, ""))
    if point == threshold_form.draft(model_id, None).point:
        st.caption(text.plain(words))


def _why(goal: Goal, choice: ThresholdChoice, outcome: Outcome) -> str:
    """One line: what decided between the thresholds that reach a goal."""
    limit, escape, overkill = choice.chosen_by, outcome.escape, outcome.overkill
    match goal:
        case Goal.ESCAPE if choice.is_kept:
            return f"Kept: no higher threshold with {limit} counts better, and lower is safer."
        case Goal.ESCAPE:
            seen = text.counts(escape)
            return f"Fewest false rejects on validation with {limit} ({seen}).{_midway(choice)}"
        case Goal.OVERKILL if choice.is_kept:
            return f"Kept: no lower threshold with {limit} counts better, and higher rejects less."
        case Goal.OVERKILL:
            seen = text.counts(overkill)
            return f"Fewest escapes on validation with {limit} ({seen}).{_midway(choice)}"
        case Goal.BOTH:
            return f"Smallest review zone on validation with {limit}."
        case Goal.COST:
            return "Lowest cost on validation, by the line on PPM and money."
        case Goal.CLASS_ERROR:
            return f"Lowest confidences on validation with {limit}."
        case _:
            assert_never(goal)


def _midway(choice: ThresholdChoice) -> str:
    """Which of the thresholds that count the same it is."""
    threshold = choice.point.accept_below
    is_between = threshold is not None and 0 < threshold < 1
    return " It lies midway between the two nearest images." if is_between else ""


def _request(goal: Goal, basis: Basis, confidence: float) -> ThresholdGoal:
    """The inputs of a goal, and what they ask for."""
    match goal:
        case Goal.ESCAPE:
            escape = _escape_limit()
            return ThresholdGoal(escape, proven=_proven(), confidence=confidence)
        case Goal.OVERKILL:
            overkill = _overkill_limit()
            return ThresholdGoal(None, overkill, proven=_proven(), confidence=confidence)
        case Goal.BOTH:
            escape, overkill = _escape_limit(), _overkill_limit()
            return ThresholdGoal(escape, overkill, proven=_proven(), confidence=confidence)
        case Goal.COST:
            draft = threshold_form.draft(basis.judged.model.id, None)
            scenario = draft.scenario or threshold_form.DEFAULT_LINE
            st.caption("Uses the defect rate and costs from the PPM and money tab.")
            return ThresholdGoal(scenario=scenario, confidence=confidence)
        case Goal.CLASS_ERROR:
            error = _limit("Largest error rate per predicted class, %", 1.0, "class_error")
            return ThresholdGoal(class_error=error, confidence=confidence)
        case _:
            assert_never(goal)


def _escape_limit() -> float:
    return _limit("Largest escape rate, %", 1.0, "max_escape")


def _overkill_limit() -> float:
    return _limit("Largest false reject rate, %", 2.0, "max_overkill")


def _proven() -> bool:
    return st.toggle(
        "Require statistical proof (upper bound)",
        key="proven",
        persist_state="session",
        help="On: the exact upper bound of the rate must stay below the limit, not only the "
        "observed rate. Stricter, but still no proof: only a sealed test is.",
    )


def _limit(label: str, usual: float, key: str) -> float:
    value: float = st.number_input(
        label,
        0.0,
        100.0,
        usual,
        0.1,
        format="%.12g",
        key=key,
        persist_state="session",
        bind="query-params",
        help="On the validation images.",
    )
    return round(value / 100, 12)
