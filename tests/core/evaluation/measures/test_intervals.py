import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import ConfigError
from core.evaluation.measures.intervals import (
    exact_bounds,
    f1_bounds,
    holm,
    lower_bounds,
    mean_bounds,
    mean_estimate,
    paired_difference,
    rate,
    rate_of,
    rates,
    upper_bounds,
    wilson_bounds,
)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(42, 50, 70.9, 92.8), (45, 50, 78.2, 96.7), (40, 50, 66.3, 90.0)]
)
def test_exact_two_sided_intervals_of_the_literature(k, n, low, high):
    found = rate(k, n).interval
    assert (round(100 * found.low, 1), round(100 * found.high, 1)) == (low, high)


@pytest.mark.parametrize(
    ("k", "n", "percent", "digits"),
    [
        (0, 20, 13.9, 1),
        (0, 30, 9.5, 1),
        (0, 50, 5.82, 2),
        (0, 59, 4.95, 2),
        (0, 100, 2.95, 2),
        (0, 150, 1.98, 2),
        (0, 299, 0.997, 3),
        (0, 1000, 0.299, 3),
        (1, 100, 4.66, 2),
        (1, 300, 1.57, 2),
        (1, 1000, 0.473, 3),
    ],
)
def test_exact_one_sided_bounds_of_the_literature(k, n, percent, digits):
    assert round(100 * rate(k, n).upper(), digits) == percent


def test_no_error_leaves_the_closed_formula():
    for n in (1, 7, 59, 1000):
        assert upper_bounds(0, n) == pytest.approx(1 - 0.05 ** (1 / n))


counted = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counted.filter(lambda kn: kn[1] > 0), st.floats(0.5, 0.999))
def test_intervals_equal_scipys(kn, confidence):
    k, n = kn
    test = stats.binomtest(k, n)
    exact, wilson = test.proportion_ci(confidence), test.proportion_ci(confidence, "wilson")
    assert exact_bounds(k, n, confidence) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert wilson_bounds(k, n, confidence) == pytest.approx((wilson.low, wilson.high), abs=1e-9)
    one_sided = stats.binomtest(k, n, alternative="less").proportion_ci(confidence)
    assert upper_bounds(k, n, confidence) == pytest.approx(one_sided.high, abs=1e-9)
    one_sided = stats.binomtest(k, n, alternative="greater").proportion_ci(confidence)
    assert lower_bounds(k, n, confidence) == pytest.approx(one_sided.low, abs=1e-9)


@pytest.mark.parametrize("p", [0.002, 0.02, 0.3, 0.5, 0.97])
@pytest.mark.parametrize("n", [10, 50, 400])
def test_exact_intervals_hold_the_truth_at_least_as_often_as_promised(p, n):
    # No simulation needed: the coverage is a finite sum.
    k = np.arange(n + 1)
    chance = stats.binom.pmf(k, n, p)
    low, high = exact_bounds(k, n)
    assert chance[(low <= p) & (p <= high)].sum() >= 0.95
    assert chance[upper_bounds(k, n) >= p].sum() >= 0.95


def test_a_rate_of_nothing_has_no_value_not_zero():
    nothing = rate(0, 0)
    assert (nothing.value, nothing.interval, nothing.upper(), nothing.lower()) == (None,) * 4
    assert not nothing.has_data
    assert nothing.complement.value is None
    assert rate_of(np.empty(0, bool)).value is None
    assert all(np.isnan(bound) for bound in wilson_bounds(0, 0))


def test_many_rates_are_those_of_one_at_a_time():
    assert rates([3, 0, 0], [9, 4, 0]) == (rate(3, 9), rate(0, 4), rate(0, 0))


def test_the_complement_turns_counts_and_interval_around():
    other = rate(3, 10).complement
    assert (other.k, other.n, other.value) == (7, 10, 0.7)
    assert other.interval.low == pytest.approx(rate(7, 10).interval.low)
    assert other.interval.high == pytest.approx(rate(7, 10).interval.high)


def test_n_counts_parts_and_one_wrong_image_makes_a_part_wrong():
    wrong = np.array([True, False, False, False, False, False])
    assert (rate_of(wrong).k, rate_of(wrong).n) == (1, 6)
    grouped = rate_of(wrong, np.array([0, 0, 0, 1, 1, 2]))
    assert (grouped.k, grouped.n) == (1, 3)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, float("nan")])
def test_a_senseless_confidence_is_refused_in_words(confidence):
    with pytest.raises(ConfigError, match="is not possible"):
        rate(1, 2, confidence)


def test_more_events_than_parts_are_a_programmers_mistake():
    with pytest.raises(ValueError, match="0 <= k <= n"):
        rate(3, 2)


def test_the_paired_difference_of_the_literature():
    # Newcombe 1998, table II; Altman et al. 2000, table 6.2.
    found = paired_difference(36, 12, 2, 0)
    assert found.value == pytest.approx(0.2)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    altman = paired_difference(14, 5, 0, 22).interval
    assert (altman.low, altman.high) == pytest.approx((0.011, 0.226), abs=1e-3)


def test_two_alike_still_leave_doubt_about_their_difference():
    found = paired_difference(50, 0, 0, 0)
    assert found.value == 0
    assert found.interval.low < -0.03
    assert found.interval.high > 0.03
    assert paired_difference(0, 0, 0, 0).value is None


def test_the_paired_difference_holds_the_truth_as_often_as_promised():
    random = np.random.default_rng(0)
    shares = np.array([0.80, 0.12, 0.05, 0.03])
    truth = shares[1] - shares[2]
    held = 0
    for counts in random.multinomial(80, shares, size=1500):
        interval = paired_difference(*counts.tolist()).interval
        held += interval.low <= truth <= interval.high
    assert held / 1500 >= 0.94


def test_f1_bounds_hold_the_truth_as_often_as_promised():
    random = np.random.default_rng(1)
    hit, false, missed = 0.15, 0.02, 0.03
    truth = 2 * hit / (2 * hit + false + missed)
    counts = random.multinomial(300, [hit, false, missed, 1 - hit - false - missed], size=4000)
    low, high = f1_bounds(counts[:, 0], counts[:, :3].sum(axis=1))
    assert ((low <= truth) & (truth <= high)).mean() >= 0.95


def test_a_mean_has_the_t_interval_of_scipy():
    values = np.random.default_rng(2).exponential(1, 40)
    found = mean_estimate(values)
    expected = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert (found.interval.low, found.interval.high) == pytest.approx(expected)


def test_copies_of_a_image_do_not_make_a_mean_surer():
    values = np.random.default_rng(3).normal(0, 1, 30)
    single = mean_estimate(values)
    parts = np.repeat(np.arange(30), 5)
    copied = mean_estimate(np.repeat(values, 5), parts)
    assert copied.value == pytest.approx(single.value)
    assert copied.interval.low == pytest.approx(single.interval.low)
    assert mean_estimate(np.repeat(values, 5)).interval.low > single.interval.low


def test_a_mean_of_one_part_has_no_interval_and_of_none_no_value():
    kept = mean_estimate(np.array([0.0, 1.9]), least=0.0, most=2.0).interval
    assert (kept.low, kept.high) == (0.0, 2.0)
    one = mean_estimate(np.array([0.5]))
    assert (one.value, one.interval) == (0.5, None)
    assert mean_estimate(np.empty(0)).value is None


def test_bounds_of_a_mean_of_rates_do_not_vanish_without_errors():
    low, high = exact_bounds([30, 30], [30, 30])
    down, up = mean_bounds(np.ones(2), low, high, np.array([0.5, 0.5]))
    assert low[0] < down < 1.0
    assert up == 1.0


def test_holms_correction_is_that_of_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
