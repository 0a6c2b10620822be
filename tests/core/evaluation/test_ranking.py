import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.errors import ConfigError
from core.evaluation.ranking import (
    areas,
    areas_of_classes,
    precision_recall_curve,
    roc_curve,
    thinned,
)


@given(st.integers(0, 10_000), st.integers(2, 60), st.booleans())
@settings(deadline=None)
def test_areas_and_curves_equal_scikit_learns(seed, n, is_coarse):
    random = np.random.default_rng(seed)
    scores = random.random(n).round(1 if is_coarse else 8).astype(np.float32)
    positive = random.random(n) < 0.4
    if not positive.any() or positive.all():
        assert areas(scores, positive) == (None, None)
        return
    area, average_precision = areas(scores, positive)
    assert area == pytest.approx(oracle.roc_auc_score(positive, scores))
    assert average_precision == pytest.approx(oracle.average_precision_score(positive, scores))
    roc = roc_curve(scores, positive)
    x, y, _ = oracle.roc_curve(positive, scores, drop_intermediate=False)
    assert roc.x == pytest.approx(x)
    assert roc.y == pytest.approx(y)
    assert roc.area == area
    curve = precision_recall_curve(scores, positive)
    precision, recall, _ = oracle.precision_recall_curve(positive, scores)
    assert curve.x == pytest.approx(recall[::-1])
    assert curve.y == pytest.approx(precision[::-1])
    assert curve.area == average_precision


def test_areas_of_classes_equal_scikit_learns_and_an_absent_class_has_none():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(5), 300).astype(np.float32)
    targets = random.integers(0, 4, 300)
    found = areas_of_classes(probabilities, targets)
    for index in range(4):
        truth, scores = targets == index, probabilities[:, index]
        assert found.roc[index] == pytest.approx(oracle.roc_auc_score(truth, scores))
        assert found.precision_recall[index] == pytest.approx(
            oracle.average_precision_score(truth, scores)
        )
    assert np.isnan(found.roc[4])
    assert np.isnan(found.precision_recall[4])


def test_a_class_without_rest_has_no_area():
    found = areas_of_classes(np.full((3, 2), 0.5, np.float32), np.zeros(3, np.int64))
    assert np.isnan(found.roc).all()


def test_curves_of_many_pictures_stay_small_and_keep_their_shape():
    random = np.random.default_rng(1)
    positive = random.random(50_000) < 0.1
    scores = random.normal(0, 1, 50_000) + positive
    roc = roc_curve(scores, positive)
    assert len(roc.x) <= 500
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(roc.area, abs=1e-4)
    assert len(precision_recall_curve(scores, positive).x) <= 500


def test_no_curve_without_both_sides_is_said_in_words():
    with pytest.raises(ConfigError, match="no such picture"):
        roc_curve(np.array([0.1, 0.9]), np.array([False, False]))
    with pytest.raises(ConfigError, match="no other picture"):
        precision_recall_curve(np.array([0.1, 0.9]), np.array([True, True]))


def test_thinning_keeps_both_ends():
    x = np.arange(1000.0)
    kept = thinned(x, x, 10)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, 10)
