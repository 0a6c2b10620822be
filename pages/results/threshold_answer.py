"""What the threshold on the screen does, in a line: escapes and false rejects with their proof."""

import streamlit as st

from core.evaluation.decisions.outcome import Outcome
from core.evaluation.decisions.rule import DecisionRule, point_in_words
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.words import exact_percent, joined, shortened_percent
from core.workflows.results.thresholds import Basis, OnTest
from pages.ui import text, threshold_form


def show(basis: Basis, on_test: OnTest, confidence: float) -> None:
    """The answer on the test images where they may be shown, else on validation; then the other."""
    point = threshold_form.draft(basis.judged.model.id, None).point
    here = basis.outcome(point, confidence)
    there = on_test.basis.outcome(point, confidence) if on_test.basis else None
    main, unit = (there, on_test.basis) if there and on_test.basis else (here, basis)
    st.subheader(_headline(main, unit.unit), anchor=False)
    whose = "Test" if there else "Validation"
    st.markdown(f"{whose}, proven with {exact_percent(confidence)} confidence: {_proven(main)}")
    if there is not None:
        st.caption(f"Validation: {_headline(here, basis.unit)} Proven: {_proven(here)}")


def _headline(outcome: Outcome, unit: Unit) -> str:
    """`7 of 40 defective parts escape, 1 of 20 good parts is rejected.`"""
    escapes = _counted(outcome.escape, f"defective {unit.word}", "escapes", "escape")
    rejected = _counted(outcome.overkill, f"good {unit.word}", "is rejected", "are rejected")
    parts = [escapes, rejected]
    reviewed = outcome.n - outcome.automatic.k
    if reviewed:
        parts.append(f"{reviewed:,} of {outcome.n:,} to inspector review")
    return text.plain(", ".join(parts)) + "."


def _counted(rate: Rate, what: str, one: str, many: str) -> str:
    if not rate.n:
        return f"no {what}"
    return f"{rate.k:,} of {rate.n:,} {what} {one if rate.k == 1 else many}"


def _proven(outcome: Outcome) -> str:
    """`at most **31.3%** escape and **21.6%** of the good are rejected.`"""
    said = [
        f"**{shortened_percent(upper, at_most=True)}** {words}"
        for rate, words in (
            (outcome.escape, "of defects escape"),
            (outcome.overkill, "of good are rejected"),
        )
        if (upper := rate.upper(outcome.confidence)) is not None
    ]
    return f"at most {joined(said)}." if said else "nothing."


def saved_line(saved: DecisionRule | None) -> str:
    """What is saved, in a line."""
    if saved is None:
        return "None saved: the predicted class decides."
    return f"Saved {text.when(saved.saved_at)}: {text.plain(point_in_words(saved.point))}"
