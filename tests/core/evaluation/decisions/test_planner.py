import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from core.errors import ConfigError
from core.evaluation.decisions.planner import (
    chance_to_pass,
    parts_needed,
    plan_automatic,
    plan_test,
    proven_rate,
    zero_error_parts,
)
from core.evaluation.measures.intervals import upper_bounds
from core.evaluation.release.comparison import mcnemar_p


@pytest.mark.parametrize(
    ("rate", "needed"),
    [
        (0.05, (59, 93, 124, 153)),
        (0.02, (149, 236, 313, 386)),
        (0.01, (299, 473, 628, 773)),
        (0.001, (2995, 4742, 6294, 7752)),
    ],
)
def test_the_table_of_sample_sizes(rate, needed):
    assert tuple(parts_needed(rate, errors=k) for k in range(4)) == needed


@pytest.mark.parametrize(
    ("rate", "at_90", "at_99"), [(0.05, 45, 90), (0.01, 230, 459), (0.001, 2302, 4603)]
)
def test_sample_sizes_without_error_at_other_confidences(rate, at_90, at_99):
    assert (parts_needed(rate, confidence=0.90), parts_needed(rate, confidence=0.99)) == (
        at_90,
        at_99,
    )


@given(st.floats(0.0005, 0.5), st.integers(0, 6), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(max_examples=60)
def test_one_part_fewer_would_not_do(rate, errors, confidence):
    n = parts_needed(rate, confidence=confidence, errors=errors)
    assert upper_bounds(errors, n, confidence) <= rate + 1e-9
    assert n == errors + 1 or upper_bounds(errors, n - 1, confidence) > rate - 1e-9
    if not errors:
        assert n == zero_error_parts(rate, confidence)


def test_fifty_defective_parts_cannot_prove_two_percent():
    assert round(100 * proven_rate(0, 50), 1) == 5.8
    assert parts_needed(0.02) > 50
    assert proven_rate(0, 0) is None
    assert proven_rate(3, 3) == 1.0


def test_a_plan_names_both_kinds_of_parts_and_the_chance_to_pass():
    plan = plan_test(0.02, 0.05, expected_escape=0.002)
    assert [(row.errors, row.parts) for row in plan.defective] == [
        (0, 149),
        (1, 236),
        (2, 313),
        (3, 386),
    ]
    assert [row.parts for row in plan.good] == [59, 93, 124, 153]
    assert plan.defective[0].chance_to_pass == pytest.approx(0.998**149)
    assert plan.defective[3].chance_to_pass > plan.defective[0].chance_to_pass
    assert plan.good[0].chance_to_pass is None


def test_the_chance_to_pass_with_errors_for_every_part_is_certain():
    assert chance_to_pass(2, 2, 0.9) == 1.0
    # At the claimed rate itself a test passes in at most 5% of all cases.
    assert chance_to_pass(parts_needed(0.01, errors=2), 2, 0.01) <= 0.05


@pytest.mark.parametrize(
    "wish",
    [
        {"rate": 0.0},
        {"rate": 1.0},
        {"rate": 0.1, "errors": -1},
        {"rate": 1e-12},
        {"rate": 0.1, "confidence": 1.0},
    ],
)
def test_what_cannot_be_planned_is_said(wish):
    with pytest.raises(ConfigError):
        parts_needed(**wish)


def test_an_automatic_share_is_planned_with_reviews_that_a_good_model_has():
    # At 97% automatic, no test without a review passes: the last row is the one to plan for.
    *few, last = plan_automatic(0.9, expected_share=0.97)
    assert [(row.errors, row.parts) for row in few] == [(0, 29), (1, 46), (2, 61), (3, 76)]
    assert all(row.chance_to_pass < 0.9 <= last.chance_to_pass for row in few)
    assert (
        binom.sf(last.errors, last.parts, 0.1) >= 0.95 > binom.sf(last.errors, last.parts - 1, 0.1)
    )
    assert binom.cdf(last.errors, last.parts, 0.03) == pytest.approx(last.chance_to_pass)


@pytest.mark.parametrize("expected", [0.01, 0.02])
def test_a_true_rate_that_is_not_below_the_claim_cannot_be_planned(expected):
    with pytest.raises(ConfigError, match="cannot be proven to be below 1%"):
        plan_test(0.01, 0.05, expected_escape=expected)
    with pytest.raises(ConfigError, match="cannot be proven"):
        plan_automatic(0.99, expected_share=1 - expected)


@pytest.mark.parametrize("expected", [2.0, -0.1, float("nan"), float("inf")])
def test_a_true_rate_that_is_no_share_is_refused(expected):
    # It used to make a chance of NaN.
    with pytest.raises(ConfigError, match="is not possible"):
        plan_test(0.01, 0.01, expected_escape=expected)


def test_five_one_sided_differences_prove_nothing_but_six_do():
    assert mcnemar_p(0, 5) == pytest.approx(0.0625)
    assert mcnemar_p(6, 0) == pytest.approx(0.03125)
