import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.errors import ConfigError
from core.evaluation.measures.ranking import precision_recall_curve, roc_curve, thinned


@given(st.integers(0, 10_000), st.integers(2, 60), st.booleans())
def test_curves_equal_scikit_learns(seed, n, is_coarse):
    random = np.random.default_rng(seed)
    scores = random.random(n).round(1 if is_coarse else 8).astype(np.float32)
    positive = random.random(n) < 0.4
    if not positive.any() or positive.all():
        return
    roc = roc_curve(scores, positive)
    x, y, _ = oracle.roc_curve(positive, scores, drop_intermediate=False)
    assert roc.x == pytest.approx(x)
    assert roc.y == pytest.approx(y)
    curve = precision_recall_curve(scores, positive)
    precision, recall, _ = oracle.precision_recall_curve(positive, scores)
    assert curve.x == pytest.approx(recall[::-1])
    assert curve.y == pytest.approx(precision[::-1])


def test_curves_of_many_images_stay_small_and_keep_their_shape():
    random = np.random.default_rng(1)
    positive = random.random(50_000) < 0.1
    scores = random.normal(0, 1, 50_000) + positive
    roc = roc_curve(scores, positive)
    assert len(roc.x) <= 500
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(
        oracle.roc_auc_score(positive, scores), abs=1e-4
    )
    assert len(precision_recall_curve(scores, positive).x) <= 500


def test_no_curve_without_both_sides_is_said_in_words():
    with pytest.raises(ConfigError, match="no such image"):
        roc_curve(np.array([0.1, 0.9]), np.array([False, False]))
    with pytest.raises(ConfigError, match="no other image"):
        precision_recall_curve(np.array([0.1, 0.9]), np.array([True, True]))


def test_thinning_keeps_both_ends():
    x = np.arange(1000.0)
    kept = thinned(x, x, 10)
    assert (kept[0], kept[-1], len(kept)) == (0, 999, 10)
