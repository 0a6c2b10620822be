from core.api.thresholds import outcome_as_json
from core.api.values import estimate_as_json, interval_as_json, rate_as_json
from core.evaluation.decisions.outcome import Outcome
from core.evaluation.measures.intervals import NO_DATA, Estimate, Interval, rate


def test_a_rate_of_nothing_is_null_everywhere():
    # It was null in `evaluate`, and an object of nulls in `threshold`.
    assert rate_as_json(NO_DATA) is None
    nothing_good = outcome_as_json(Outcome(ok=(0, 0, 0), nok=(1, 0, 3)), "parts")
    assert nothing_good["overkill"] is None
    assert nothing_good["escape"]["k"] == 1


def test_a_rate_has_its_bounds_and_counts():
    found = rate(1, 4)
    assert rate_as_json(found) == {
        "rate": 0.25,
        "low": found.interval.low,
        "high": found.interval.high,
        "k": 1,
        "n": 4,
    }
    assert rate_as_json(found, "parts") == {**rate_as_json(found), "unit": "parts"}


def test_what_was_not_seen_may_still_be_bounded():
    assert estimate_as_json(Estimate(None)) is None
    assert interval_as_json(None) is None
    bounded = estimate_as_json(Estimate(None, Interval(0.0, 0.5)))
    assert bounded == {"value": None, "low": 0.0, "high": 0.5}
    assert estimate_as_json(Estimate(0.5)) == {"value": 0.5, "low": None, "high": None}
