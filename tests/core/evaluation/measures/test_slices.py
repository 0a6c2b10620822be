import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.evaluation.measures.intervals import rate
from core.evaluation.measures.slices import (
    NO_VALUE,
    fisher_p,
    in_ranges,
    most_frequent,
    slice_rates,
)


def test_a_weak_camera_is_flagged_and_comes_first():
    random = np.random.default_rng(0)
    cameras = random.choice(["left", "right", "top"], 900)
    wrong = random.random(900) < np.where(cameras == "top", 0.3, 0.05)
    found = slice_rates(cameras, wrong)
    assert (found[0].value, found[0].stands_out, found[0].is_worse) == ("top", True, True)
    assert not found[1].is_worse
    top = cameras == "top"
    assert found[0].rate == rate(int(wrong[top].sum()), int(top.sum()))
    assert found[0].rest == rate(int(wrong[~top].sum()), int((~top).sum()))


def test_slices_that_do_not_differ_are_hardly_ever_flagged():
    # 20 slices at 5% each would flag one of them in two of three looks without the correction.
    random = np.random.default_rng(1)
    flagged = 0
    for _ in range(200):
        values, wrong = random.integers(0, 20, 600), random.random(600) < 0.1
        flagged += any(s.stands_out for s in slice_rates(values, wrong))
    assert flagged <= 10


@given(st.integers(0, 20), st.integers(1, 20), st.integers(0, 30), st.integers(1, 30))
def test_the_test_is_fishers(k, n, rest_k, rest_n):
    k, rest_k = min(k, n), min(rest_k, rest_n)
    (found,) = fisher_p(np.array([k]), np.array([n]), k + rest_k, n + rest_n)
    table = [[k, n - k], [rest_k, rest_n - rest_k]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert found == pytest.approx(min(1, 2 * min(tails)))


def test_a_slice_that_is_better_stands_out_but_is_not_worse():
    values = ["old"] * 200 + ["new"] * 200
    wrong = np.arange(400) % 3 == 0
    wrong[200:] = False
    by_value = {s.value: s for s in slice_rates(values, wrong)}
    assert by_value["new"].stands_out
    assert not by_value["new"].is_worse
    assert by_value["old"].is_worse


def test_parts_are_counted_once_in_every_slice():
    values = ["a", "a", "b", "b"]
    found = slice_rates(values, np.array([True, True, False, False]), np.array([0, 0, 0, 1]))
    by_value = {s.value: s.rate for s in found}
    assert (by_value["a"].k, by_value["a"].n) == (1, 1)
    assert (by_value["b"].k, by_value["b"].n) == (0, 2)


def test_missing_values_are_a_slice_of_their_own():
    found = slice_rates([None, float("nan"), "x"], np.array([True, False, False]))
    assert {s.value: s.rate.n for s in found} == {NO_VALUE: 2, "x": 1}


def test_a_single_slice_has_nothing_to_stand_out_from():
    (only,) = slice_rates(["a", "a"], np.array([True, False]))
    assert (only.p_value, only.stands_out, only.rest.value) == (None, False, None)
    assert slice_rates([], np.empty(0, bool)) == ()


def test_numbers_are_cut_into_ranges_of_equal_size():
    names = in_ranges(np.arange(100.0).tolist())
    assert sorted(names.count(name) for name in set(names)) == [25, 25, 25, 25]
    assert names[0] == "1: 0 to 24.75"
    assert names[99] == "4: 74.25 to 99"
    assert in_ranges([1.0, 2.0], lambda v: f"{v:.0f} kB") == ["1: 1 kB to 1 kB", "4: 2 kB to 2 kB"]


def test_odd_columns_of_numbers():
    assert in_ranges([None, np.nan]) == [None] * 2
    assert in_ranges([5.0, 5.0, None]) == ["5", "5", None]
    assert in_ranges([]) == []
    close = in_ranges([1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3], bins=2)
    assert len(set(close)) == 2


def test_of_very_many_values_the_rarest_are_put_together():
    values = ["a"] * 5 + ["b"] * 3 + ["c", "d"]
    assert most_frequent(values, 3) == ["a"] * 5 + ["b"] * 3 + ["all others"] * 2
    assert most_frequent(values, 4) == values


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="lengths differ"):
        slice_rates(["a"], np.array([True, False]))
