import pytest

from core.errors import ConfigError
from core.evaluation.measures.intervals import Estimate, Interval, rate
from core.evaluation.release.check import (
    Criterion,
    criteria_from_json,
    criteria_to_json,
    release_gate,
)

ESCAPE = Criterion("escape", 0.02)


def test_a_proven_rate_passes():
    gate = release_gate([ESCAPE], {"escape": rate(0, 149)})
    assert gate.passed
    assert gate.reasons == ()
    assert gate.checks[0].bound == pytest.approx(0.0199, abs=1e-4)


def test_fifty_parts_without_escape_do_not_prove_two_percent_and_the_gate_says_what_would():
    gate = release_gate([ESCAPE], {"escape": rate(0, 50)})
    assert not gate.passed
    assert gate.reasons == (
        "escape: 0% (0 of 50) seen, proven to be below 5.82%; at most 2% is asked. With no "
        "further error, 149 parts would prove it.",
    )


def test_a_rate_that_is_too_high_gets_no_advice_to_collect_more():
    (reason,) = release_gate([ESCAPE], {"escape": rate(5, 50)}).reasons
    assert "would prove" not in reason


def test_what_must_be_reached_is_held_against_the_lower_bound():
    recall = Criterion("recall", 0.9, at_most=False)
    assert release_gate([recall], {"recall": rate(59, 59)}).passed
    blocked = release_gate([recall], {"recall": rate(19, 20)})
    assert not blocked.passed
    assert "proven to be above 78.4%; at least 90% is asked" in blocked.reasons[0]
    assert "46 parts" in blocked.reasons[0]


def test_a_criterion_on_the_value_seen_needs_no_proof():
    seen = Criterion("escape", 0.02, proven=False)
    assert release_gate([seen], {"escape": rate(1, 50)}).passed
    assert not release_gate([seen], {"escape": rate(2, 50)}).passed
    assert release_gate([Criterion("new escapes", 0, proven=False)], {"new escapes": 0}).passed


def test_other_measures_are_held_against_the_end_of_their_interval():
    criterion = Criterion("macro F1", 0.9, at_most=False)
    inside = Estimate(0.95, Interval(0.91, 0.98))
    outside = Estimate(0.95, Interval(0.89, 0.98))
    assert release_gate([criterion], {"macro F1": inside}).passed
    assert not release_gate([criterion], {"macro F1": outside}).passed
    (reason,) = release_gate([criterion], {"macro F1": Estimate(0.95)}).reasons
    assert "has no bound" in reason


@pytest.mark.parametrize("measures", [{}, {"escape": None}, {"escape": rate(0, 0)}])
def test_what_was_not_measured_blocks(measures):
    gate = release_gate([ESCAPE], measures)
    assert not gate.passed
    assert "no data" in gate.reasons[0]


def test_every_golden_sample_must_be_right():
    gate = release_gate([ESCAPE], {"escape": rate(0, 300)}, {"scratch 1": True, "dent 4": False})
    assert not gate.passed
    assert gate.failed_golden == ("dent 4",)
    assert gate.reasons == ("1 of 2 golden samples are judged wrong.",)
    assert release_gate([], {}, {"scratch 1": True}).passed


def test_a_gate_without_criteria_is_no_gate():
    with pytest.raises(ConfigError, match="nothing to hold"):
        release_gate([], {})


def test_criteria_survive_storage():
    criteria = (ESCAPE, Criterion("recall", 0.9, at_most=False, proven=False, confidence=0.99))
    assert criteria_from_json(criteria_to_json(criteria)) == criteria


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"measure": "escape"}]', "null"])
def test_what_are_no_criteria_is_said(text):
    with pytest.raises(ConfigError, match="cannot be read"):
        criteria_from_json(text)
