import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from core.evaluation.measures import bootstrap
from core.evaluation.measures.bootstrap import margins_of, percentile_interval, resampled_margins
from core.evaluation.measures.classification import confusion_matrix
from core.evaluation.report import evaluate


def _labels(seed, n=400, classes=4, right=0.8):
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, n)
    return np.where(random.random(n) < right, targets, random.integers(0, classes, n)), targets


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 80))
def test_kappa_and_matthews_equal_scikit_learns(seed, classes, n):
    predicted, targets = _labels(seed, n, classes, right=0.5)
    margins = margins_of(confusion_matrix(predicted, targets, classes))
    kappa, mcc = float(bootstrap.kappa(margins)), float(bootstrap.mcc(margins))
    if len(set(targets)) > 1 and len(set(predicted)) > 1:
        assert kappa == pytest.approx(oracle.cohen_kappa_score(targets, predicted), abs=1e-9)
        assert mcc == pytest.approx(oracle.matthews_corrcoef(targets, predicted), abs=1e-9)
    else:
        assert np.isnan(mcc)


def test_a_draw_has_as_many_parts_as_there_are_and_keeps_their_images_together():
    targets = np.array([0, 0, 0, 1, 1, 1, 1])
    predicted = np.array([0, 0, 1, 1, 1, 0, 1])
    parts = np.array([0, 0, 0, 1, 1, 1, 1])
    drawn = resampled_margins(predicted, targets, 2, parts, replicas=200)
    images = drawn.support.sum(axis=1)
    assert set(images.tolist()) == {6.0, 7.0, 8.0}  # two parts of 3 or 4 images
    assert np.allclose(drawn.support[:, 0] / 3 * 2, drawn.hits[:, 0])
    assert np.allclose(drawn.support.sum(axis=1), drawn.predicted.sum(axis=1))


def test_the_same_seed_draws_the_same():
    predicted, targets = _labels(0)
    one, two = (resampled_margins(predicted, targets, 4, seed=3) for _ in range(2))
    other = resampled_margins(predicted, targets, 4, seed=4)
    assert np.array_equal(one.hits, two.hits)
    assert not np.array_equal(one.hits, other.hits)


@pytest.mark.parametrize("group_size", [1, 4])
def test_draws_of_kinds_spread_as_draws_of_single_images_do(group_size):
    # The slow way, one replica after the other, is the oracle.
    predicted, targets = _labels(1, n=240)
    parts = np.arange(240) // group_size
    measure = bootstrap.macro(bootstrap.f1_scores)
    quick = measure(resampled_margins(predicted, targets, 4, parts))
    random = np.random.default_rng(5)
    slow = []
    for _ in range(600):
        chosen = random.integers(0, parts.max() + 1, parts.max() + 1)
        rows = np.concatenate([np.flatnonzero(parts == part) for part in chosen])
        slow.append(measure(margins_of(confusion_matrix(predicted[rows], targets[rows], 4))))
    assert quick.mean() == pytest.approx(np.mean(slow), abs=0.005)
    assert quick.std() == pytest.approx(np.std(slow), rel=0.12)


def test_both_ways_of_drawing_have_the_same_mean_and_spread():
    random = np.random.default_rng(0)
    kind = np.sort(random.integers(0, 20, 50))
    kind = np.unique(kind, return_inverse=True)[1]
    count = int(kind.max()) + 1
    single = bootstrap._drawn(np.random.default_rng(1), kind, count, 4000)
    many = bootstrap._drawn(np.random.default_rng(1), np.repeat(kind, 40), count, 4000)
    assert (single.sum(axis=1) == 50).all()
    assert (many.sum(axis=1) == 2000).all()
    share = np.bincount(kind) / 50
    assert np.allclose(single.mean(axis=0) / 50, share, atol=0.01)
    assert np.allclose(many.var(axis=0), 2000 * share * (1 - share), rtol=0.15)


def test_values_that_hardly_any_draw_has_give_no_interval():
    assert percentile_interval(np.full(1000, np.nan)) is None
    assert percentile_interval(np.arange(101.0), 0.9).low == pytest.approx(5)


def _covered(groups_of, draws=300):
    """How often the intervals of a report hold the measures of the source it was drawn from."""
    random = np.random.default_rng(11)
    share = np.array([[0.44, 0.02, 0.02], [0.02, 0.26, 0.02], [0.01, 0.03, 0.18]])
    true = margins_of((share * 1e6).round().astype(np.int64))
    truths = {
        "macro_f1": float(bootstrap.macro(bootstrap.f1_scores)(true)),
        "balanced_accuracy": float(bootstrap.macro(bootstrap.recalls)(true)),
        "kappa": float(bootstrap.kappa(true)),
        "mcc": float(bootstrap.mcc(true)),
    }
    held = dict.fromkeys(truths, 0)
    for _ in range(draws):
        cells = np.repeat(random.choice(9, 150, p=share.ravel()), groups_of)
        parts = np.repeat(np.arange(150), groups_of) if groups_of > 1 else None
        one_hot = np.eye(3, dtype=np.float32)[cells % 3]
        measure = evaluate(one_hot, cells // 3, "abc", parts=parts).measure
        for name, truth in truths.items():
            interval = measure(name).interval
            held[name] += interval.low <= truth <= interval.high
    return {name: count / draws for name, count in held.items()}


@pytest.mark.parametrize("groups_of", [1, 3])
def test_intervals_of_means_hold_the_truth_as_often_as_promised(groups_of):
    # With 300 draws a coverage of 95% shows as at least 92% (2.4 standard errors).
    assert min(_covered(groups_of).values()) >= 0.92
