"""The first line of the threshold page: what the threshold on the screen does, and what holds."""

import streamlit as st

from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.outcome_words import bounds_in_words, outcome_in_words
from core.evaluation.decisions.rule import DecisionRule
from core.words import NO_PROOF, exact_percent
from core.workflows.results.thresholds import Basis, OnTest
from pages.ui import text, threshold_form


def show(basis: Basis, on_test: OnTest, saved: DecisionRule | None, confidence: float) -> None:
    """What the threshold does: on the test images where they may be shown, else on validation.

    One that is not saved is named, with what holds until somebody saves it: Evaluate says that.
    """
    point = threshold_form.draft(basis.judged.model.id, None).point
    shown = on_test.basis or basis
    outcome = shown.outcome(point, confidence)
    words = outcome_in_words(outcome, shown.unit)
    is_saved = saved is not None and saved.point == point
    if not is_saved:
        words = f"{_name(point)} (not saved): {words[:1].lower()}{words[1:]}"
    st.subheader(text.plain(words), anchor=False)
    if is_saved:  # Why said: the page below keeps its place when somebody saves.
        st.markdown("This threshold is saved and decides today.")
    else:
        today = shown.outcome(saved.point if saved else OperatingPoint(), confidence)
        counted = outcome_in_words(today, shown.unit).removesuffix(".")
        by = "by the saved threshold" if saved else "by the predicted class"
        st.markdown(text.plain(f"Today: {counted[:1].lower()}{counted[1:]}, {by}."))
    whose = "Test, proven" if on_test.basis else "Validation, a forecast"
    bounds = text.plain(bounds_in_words(outcome))
    st.markdown(
        f"{whose} with {exact_percent(confidence)} confidence: {bounds}",
        help=None if on_test.basis else NO_PROOF,
    )


def _name(point: OperatingPoint) -> str:
    """A threshold as it begins a sentence: `At 50%`, `With review from 40% to 60%`."""
    low, high = point.accept_below, point.reject_from
    if point.class_thresholds or low is None or high is None:
        return "With a minimum per class"
    if low == high:
        return f"At {exact_percent(low)}"
    return f"With review from {exact_percent(low)} to {exact_percent(high)}"
