import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from core.evaluation.decisions.costs import (
    Costs,
    Scenario,
    consequences,
    least_cost,
    outgoing_ppm,
    true_reject_share,
    widened,
)
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, PartScores, single_threshold
from core.evaluation.decisions.thresholds import thresholds_between

LINE = Scenario(0.01, 8000, Costs(escape=200, false_reject=4, look=0.5))


@pytest.mark.parametrize(
    ("defect_rate", "ppm", "share"), [(0.01, 213, 0.17), (0.001, 21, 0.019), (0.0001, 2, 0.002)]
)
def test_what_reaches_the_customer_at_2_percent_escape_and_5_percent_overkill(
    defect_rate, ppm, share
):
    assert round(outgoing_ppm(defect_rate, 0.02, 0.05)) == ppm
    assert true_reject_share(defect_rate, 0.02, 0.05) == pytest.approx(share, rel=0.06)


def test_nothing_delivered_or_rejected_has_no_share():
    assert outgoing_ppm(0.1, 0.0, 1.0) is None
    assert true_reject_share(0.0, 0.0, 0.0) is None


def test_a_million_simulated_parts_agree():
    random = np.random.default_rng(0)
    line = Scenario(0.03, 1000, Costs(50, 3, 0.4), person_escape=0.1, person_overkill=0.2)
    ok, nok = (8000, 1500, 500), (300, 1200, 8500)
    found = consequences(OperatingPoint(0.3, 0.6), Outcome(ok, nok), line)
    n = 1_000_000
    is_bad = random.random(n) < line.defect_rate
    zone = np.where(
        is_bad,
        random.choice(3, n, p=np.array(nok) / 1e4),
        random.choice(3, n, p=np.array(ok) / 1e4),
    )
    errs = random.random(n) < np.where(is_bad, line.person_escape, line.person_overkill)
    rejected = (zone == 2) | ((zone == 1) & (is_bad != errs))
    delivered = ~rejected
    looked = zone == 1
    money = 50 * (is_bad & delivered).sum() + 3 * (~is_bad & rejected).sum() + 0.4 * looked.sum()
    assert found.outgoing_ppm.value == pytest.approx(1e6 * is_bad[delivered].mean(), rel=0.05)
    assert found.true_reject_share.value == pytest.approx(is_bad[rejected].mean(), rel=0.02)
    assert found.rejects_per_shift.value == pytest.approx(1000 * rejected.mean(), rel=0.02)
    assert found.looks_per_shift.value == pytest.approx(1000 * looked.mean(), rel=0.02)
    assert found.cost_per_1000.value == pytest.approx(1000 * money / n, rel=0.02)


def test_intervals_hold_the_truth_as_often_as_promised():
    random = np.random.default_rng(1)
    true_ok, true_nok = np.array([0.85, 0.1, 0.05]), np.array([0.04, 0.16, 0.8])
    point = OperatingPoint(0.3, 0.6)
    line = Scenario(0.02, 1000, Costs(100, 5, 1), person_escape=0.05)
    exact = consequences(
        point,
        Outcome(
            tuple((true_ok * 10**9).astype(int).tolist()),
            tuple((true_nok * 10**9).astype(int).tolist()),
        ),
        line,
    )
    names = (
        "outgoing_ppm",
        "true_reject_share",
        "rejects_per_shift",
        "looks_per_shift",
        "cost_per_1000",
    )
    held = dict.fromkeys(names, 0)
    for _ in range(300):
        drawn = Outcome(
            tuple(random.multinomial(400, true_ok).tolist()),
            tuple(random.multinomial(120, true_nok).tolist()),
        )
        found = consequences(point, drawn, line)
        for name in names:
            interval = getattr(found, name).interval
            held[name] += interval.low <= getattr(exact, name).value <= interval.high
    assert min(held.values()) >= 285


def test_the_values_lie_within_their_bounds_and_no_error_leaves_doubt():
    found = consequences(single_threshold(0.5), Outcome((99, 0, 1), (0, 0, 50)), LINE)
    assert found.outgoing_ppm.value == 0
    assert 500 < found.outgoing_ppm.interval.high < 1100
    assert found.looks_per_shift.value == 0
    assert found.looks_per_shift.interval.high == 0  # this rule knows no person
    for name in ("outgoing_ppm", "true_reject_share", "rejects_per_shift", "cost_per_1000"):
        estimate = getattr(found, name)
        assert estimate.interval.low <= estimate.value <= estimate.interval.high


def test_bounds_stay_where_nothing_is_delivered_or_nothing_rejected():
    # The worst case was dropped with the value.
    rejected = consequences(
        single_threshold(0.0), Outcome((0, 0, 10), (0, 0, 10)), LINE
    ).outgoing_ppm
    assert rejected.value is None
    assert (rejected.interval.low, rejected.interval.high) == (0.0, 1e6)
    accepted = consequences(single_threshold(1.01), Outcome((10, 0, 0), (10, 0, 0)), LINE)
    assert accepted.true_reject_share.value is None
    assert (accepted.true_reject_share.interval.low, accepted.true_reject_share.interval.high) == (
        0.0,
        1.0,
    )
    only_bad = Scenario(1.0, 1, Costs(1, 1))
    all_bad = consequences(
        single_threshold(0.0), Outcome((0, 0, 10), (0, 0, 10)), only_bad
    ).outgoing_ppm
    assert all_bad.value is None
    assert (all_bad.interval.low, all_bad.interval.high) == (1e6, 1e6)


def test_without_defective_parts_nothing_is_claimed():
    found = consequences(single_threshold(0.5), Outcome((9, 0, 1), (0, 0, 0)), LINE)
    assert found.outgoing_ppm.value is None
    assert "no defective part" in found.remarks[0]


def _cost(point, scores, line):
    return consequences(point, scores.outcome(point), line).cost_per_1000.value


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.05, 0.5, 5.0]), st.booleans())
@settings(max_examples=25)
def test_no_other_thresholds_are_cheaper(seed, look, with_person):
    random = np.random.default_rng(seed)
    scores = PartScores(np.sort(random.beta(1, 3, 12)), np.sort(random.beta(3, 1, 8)))
    line = Scenario(0.05, 1000, Costs(30, 4, look), person_escape=0.02)
    found = least_cost(scores, line, with_person=with_person)
    cuts = np.concatenate([[0, 1.01], np.concatenate([scores.ok, scores.nok]) + 1e-9])
    pairs = [(a, b) for a in cuts for b in cuts if (a <= b if with_person else a == b)]
    every = [_cost(OperatingPoint(a, b), scores, line) for a, b in pairs]
    assert found.least_cost_per_1000 == pytest.approx(min(every))
    assert _cost(found.point, scores, line) == pytest.approx(found.least_cost_per_1000)


def test_flatness_tells_how_far_the_limit_may_move():
    random = np.random.default_rng(3)
    scores = PartScores(np.sort(random.beta(1, 6, 4000)), np.sort(random.beta(6, 2, 1000)))
    found = least_cost(scores, LINE, with_person=False)
    low, high = found.accept_range
    assert low < found.point.accept_below < high
    assert found.accept_range == found.reject_range
    for threshold in (low, high):
        assert (
            _cost(single_threshold(threshold), scores, LINE) <= 1.0501 * found.least_cost_per_1000
        )
    cuts = thresholds_between(scores)
    for threshold in (cuts[cuts < low].max(), cuts[cuts > high].min()):
        assert _cost(single_threshold(threshold), scores, LINE) > 1.05 * found.least_cost_per_1000
    assert len(found.thresholds) <= 500
    at = len(found.thresholds) // 3
    assert _cost(single_threshold(found.thresholds[at]), scores, LINE) == pytest.approx(
        found.cost_per_1000[at]
    )


def test_limits_that_decide_alike_are_one_range():
    # "52.5% only", though 50% decided the same parts at the same cost.
    scores = PartScores(np.array([0.1, 0.2004]), np.array([0.8, 0.9]))
    found = least_cost(scores, LINE, with_person=False)
    low, high = widened(found.accept_range, scores)
    assert (low, high) == (0.201, 0.799)
    for threshold in (low, high):
        assert _cost(single_threshold(threshold), scores, LINE) == found.least_cost_per_1000 == 0
    assert widened((0.85, 0.85), scores) == (0.801, 0.899)
    assert widened((0.0, 1.0), scores) == (0.0, 1.0)


def test_expensive_looks_abolish_the_persons_zone_and_free_ones_enlarge_it():
    random = np.random.default_rng(4)
    scores = PartScores(np.sort(random.beta(1, 4, 500)), np.sort(random.beta(4, 1, 200)))
    dear = least_cost(scores, Scenario(0.01, 1, Costs(200, 4, 1000)))
    free = least_cost(scores, Scenario(0.01, 1, Costs(200, 4, 0)))
    assert not dear.point.has_person_zone
    assert free.point.has_person_zone
    assert free.least_cost_per_1000 == pytest.approx(0, abs=1e-9)
    low, high = free.accept_range
    assert low <= free.point.accept_below <= high


@pytest.mark.parametrize(
    "action",
    [
        lambda: Costs(-1, 2),
        lambda: Costs(float("nan"), 2),
        lambda: Costs(1, float("inf")),
        lambda: Costs(1, 2, float("nan")),
        lambda: Scenario(float("nan"), 10, Costs(1, 1)),
        lambda: Scenario(0.1, float("inf"), Costs(1, 1)),
        lambda: Scenario(0.1, float("nan"), Costs(1, 1)),
        lambda: Scenario(1.5, 10, Costs(1, 1)),
        lambda: Scenario(0.1, -10, Costs(1, 1)),
        lambda: Scenario(0.1, 10, Costs(1, 1), person_escape=2),
        lambda: least_cost(PartScores(np.array([0.1]), np.empty(0)), LINE),
    ],
)
def test_impossible_lines_are_refused_in_words(action):
    with pytest.raises(ConfigError):
        action()
