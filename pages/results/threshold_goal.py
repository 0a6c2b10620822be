"""Choose for me: thresholds that reach a goal on the validation images."""

from typing import assert_never

import streamlit as st

from core.workflows.results import thresholds
from core.workflows.results.thresholds import Basis, ThresholdGoal
from pages.ui import threshold_form
from pages.ui.threshold_form import Goal


def choose_for_me(basis: Basis, confidence: float) -> None:
    """A popover with the goals and their limits."""
    goals = list(Goal)
    with st.popover("Choose for me", icon=":material/target:", key="choose_for_me"):
        goal = st.radio(
            "Goal",
            goals,
            key="goal",
            help="What the threshold must achieve on the validation images.",
        )
        request = _request(goal, basis, confidence)
        st.button(
            "Choose",
            type="primary",
            key="choose",
            icon=":material/check:",
            on_click=threshold_form.run_or_show_error,
            args=(lambda: _put_choice(basis, request),),
        )


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
        help="On: the exact upper bound of the rate must stay below the limit, not only the "
        "observed rate. Stricter, but the only real proof.",
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
        help="On the validation images.",
    )
    return round(value / 100, 12)


def _put_choice(basis: Basis, request: ThresholdGoal) -> None:
    threshold_form.put(basis.judged.model.id, thresholds.choose(basis, request))
