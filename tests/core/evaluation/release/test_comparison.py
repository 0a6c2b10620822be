import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.evaluation.measures.intervals import paired_difference
from core.evaluation.release.comparison import (
    compare_decisions,
    compare_predictions,
    mcnemar_p,
    paired_table,
)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_p_is_the_exact_binomial_test(one, two):
    expected = stats.binomtest(one, one + two).pvalue if one + two else 1.0
    assert mcnemar_p(one, two) == pytest.approx(expected)


def test_the_table_of_two_models():
    targets = np.array([0, 0, 1, 1, 2, 2])
    first = np.array([0, 1, 1, 0, 2, 0])
    second = np.array([0, 0, 1, 1, 0, 0])
    found = compare_predictions(first, second, targets)
    table = found.table
    assert (
        table.both_right,
        table.only_first_right,
        table.only_second_right,
        table.neither_right,
        table.n,
    ) == (2, 1, 2, 1, 6)
    assert found.new_errors.tolist() == [4]
    assert found.fixed_errors.tolist() == [1, 3]
    assert table.difference == paired_difference(2, 2, 1, 1)
    assert table.difference.value == pytest.approx(1 / 6)
    assert table.p_value == 1.0


def test_a_part_is_right_only_if_all_its_images_are():
    first = np.array([True, False, False, False])
    second = np.array([False, False, False, True])
    found = paired_table(first, second, np.array([0, 0, 0, 1]))
    assert (found.only_first_right, found.only_second_right, found.n) == (1, 1, 2)


def test_new_escapes_and_new_false_rejects_are_told_apart():
    truth = np.array([1, 1, 1, 0, 0, 0, -1], np.int8)
    before = np.array([2, 0, 1, 0, 2, 1, 2], np.int8)
    after = np.array([0, 2, 0, 2, 0, 1, 0], np.int8)
    found = compare_decisions(before, after, truth)
    assert found.new_escapes.tolist() == [0, 2]
    assert found.fixed_escapes.tolist() == [1]
    assert found.new_false_rejects.tolist() == [3]
    assert found.fixed_false_rejects.tolist() == [4]
    assert (found.escapes.n, found.false_rejects.n) == (3, 3)
    assert found.escapes.only_first_right == 2
    assert found.escapes.difference.value == pytest.approx(-1 / 3)


def test_a_part_that_escaped_before_is_no_new_escape():
    # The gate once blocked for an image of a part that the model so far had accepted already.
    truth = np.array([1, 1, 1, 1], np.int8)
    parts = np.array([7, 7, 8, 8])
    before = np.array([0, 2, 2, 2], np.int8)
    after = np.array([2, 0, 0, 0], np.int8)
    found = compare_decisions(before, after, truth, parts)
    assert found.escapes.only_first_right == 1
    assert found.new_escapes.tolist() == [2, 3]
    assert found.fixed_escapes.tolist() == []


def test_comparing_nothing_claims_nothing():
    found = compare_predictions(np.empty(0, int), np.empty(0, int), np.empty(0, int))
    assert (found.table.p_value, found.table.difference.value) == (1.0, None)


def test_other_images_are_a_programmers_mistake():
    with pytest.raises(ValueError, match="lengths differ"):
        paired_table(np.array([True]), np.array([True, False]))
