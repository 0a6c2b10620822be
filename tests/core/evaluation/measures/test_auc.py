import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as oracle

from core.evaluation.measures.auc import NO_AREAS, areas, areas_of_classes
from core.evaluation.measures.intervals import exact_bounds, share_estimate


@given(st.integers(0, 10_000), st.integers(2, 60), st.booleans())
def test_areas_equal_scikit_learns(seed, n, is_coarse):
    random = np.random.default_rng(seed)
    scores = random.random(n).round(1 if is_coarse else 8).astype(np.float32)
    positive = random.random(n) < 0.4
    if not positive.any() or positive.all():
        assert areas(scores, positive) == NO_AREAS
        return
    found = areas(scores, positive)
    assert found.roc.value == pytest.approx(oracle.roc_auc_score(positive, scores))
    assert found.average_precision.value == pytest.approx(
        oracle.average_precision_score(positive, scores)
    )
    for item in (found.roc, found.average_precision):
        assert 0 <= item.interval.low <= item.value + 1e-12
        assert item.value - 1e-12 <= item.interval.high <= 1


def test_areas_of_classes_equal_scikit_learns_and_an_absent_class_has_none():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(5), 300).astype(np.float32)
    targets = random.integers(0, 4, 300)
    found = areas_of_classes(probabilities, targets)
    for index in range(4):
        truth, scores = targets == index, probabilities[:, index]
        assert found[index] == areas(scores, truth)
        assert found[index].roc.value == pytest.approx(oracle.roc_auc_score(truth, scores))
    assert found[4] == NO_AREAS


def test_a_class_without_rest_has_no_area():
    found = areas_of_classes(np.full((3, 2), 0.5, np.float32), np.zeros(3, np.int64))
    assert found == (NO_AREAS, NO_AREAS)


def test_a_share_of_whole_decisions_has_the_exact_interval_of_a_rate():
    for k, n in ((0, 10), (3, 10), (10, 10)):
        low, high = exact_bounds(k, n)
        interval = share_estimate(k / n, n).interval
        assert (interval.low, interval.high) == pytest.approx((float(low), float(high)))


def test_a_variance_of_rounding_alone_is_none():
    # It tripled the decisions behind the bound, so that the bound was too narrow.
    scores = np.tile([0.0, 0.1, 0.2, 0.0], 4).astype(np.float32)
    positive = np.tile([True, False, False, False], 4)
    found = areas(scores, positive, np.repeat(np.arange(4), 4)).roc
    assert found == share_estimate(found.value, 4)


def test_a_perfect_ranking_still_has_a_bound_that_the_scarcer_side_sets():
    # Twenty positives, each paired with a negative of its own, are twenty independent decisions.
    found = areas(np.array([0.9] * 20 + [0.1] * 80), np.arange(100) < 20)
    assert found.roc.value == 1
    assert found.roc.interval.low == pytest.approx(0.025 ** (1 / 20))


def test_images_of_one_part_are_no_more_proof_than_the_part():
    random = np.random.default_rng(3)
    positive = np.arange(60) < 20
    scores = random.normal(0, 1, 60) + 1.5 * positive
    once = areas(scores, positive)
    parts = np.tile(np.arange(60), 4)
    four_times = areas(np.tile(scores, 4), np.tile(positive, 4), parts)
    assert four_times.roc.value == pytest.approx(once.roc.value)
    assert four_times.roc.interval.low == pytest.approx(once.roc.interval.low)
    assert four_times.roc.interval.high == pytest.approx(once.roc.interval.high)
    as_images = areas(np.tile(scores, 4), np.tile(positive, 4))
    assert as_images.roc.interval.low > four_times.roc.interval.low


@pytest.mark.parametrize(
    ("positives", "negatives", "distance", "images"),
    [(10, 40, 2.5, 1), (8, 300, 2.0, 1), (50, 200, 1.5, 1), (30, 90, 1.5, 3), (20, 20, 3.0, 1)],
)
def test_the_interval_of_a_roc_area_holds_as_often_as_it_says(
    positives, negatives, distance, images
):
    true = stats.norm.cdf(distance / np.sqrt(2))
    random = np.random.default_rng(positives)
    n = positives + negatives
    positive = np.arange(n) < positives
    parts = np.where(positive, 0, 1000) + np.arange(n) // images
    _, part = np.unique(parts, return_inverse=True)
    shared = 0.6 if images > 1 else 0.0
    held, rounds = 0, 300
    for _ in range(rounds):
        of_part = random.normal(0, np.sqrt(shared), part.max() + 1)[part]
        scores = of_part + random.normal(0, np.sqrt(1 - shared), n) + distance * positive
        interval = areas(scores, positive, parts).roc.interval
        held += interval.low <= true <= interval.high
    assert held / rounds >= 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / rounds)
