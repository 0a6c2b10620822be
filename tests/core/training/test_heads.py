"""Last layers beside the linear one: class means, and a hidden layer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.neighbors import NearestCentroid

from core.domain.configs.choices import ClassWeights, HeadKind
from core.domain.training import WITHOUT_CHOICE, chosen_point
from core.training import heads
from core.training.cross_validation import group_folds
from core.training.heads import fit_kind, judged_kind, kind_path
from core.training.linear_head import HeadTask, image_weights
from core.training.trials import is_better_head
from tests.core.training.test_linear_head import _task

OTHERS = [HeadKind.MEANS, HeadKind.MLP]


def _fit(kind, task, penalty):
    return fit_kind(kind, task, penalty, on_step=lambda: None)


def _judged(kind, task):
    path = [item.point for item in kind_path(kind, task, on_step=lambda: None)]
    return judged_kind(kind, task, chosen_point(path).penalty, on_step=lambda: None)


def _checkerboard(n=160, *, seed=0) -> HeadTask:
    """Two classes that no line divides: the sign of the product of two of six features."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(-1, 1, (n, 6)).astype(np.float32)
    targets = (features[:, 0] * features[:, 1] > 0).astype(np.int64)
    return HeadTask(features, targets, np.arange(n), 2)


def test_class_means_choose_the_nearest_one_as_scikit_learn_does():
    task = _task(counts=[60, 20, 8], noise=2.0)
    standard = (task.features - task.features.mean(0)) / task.features.std(0)
    nearest = NearestCentroid().fit(standard, task.targets).predict(standard)
    sharp, flat = (_fit(HeadKind.MEANS, task, p).logits(task.features) for p in (1.0, 10.0))
    assert (sharp.argmax(1) == nearest).all()
    # The penalty changes nothing but how sure the head is.
    centered = sharp - sharp.mean(1, keepdims=True)
    assert centered == pytest.approx(10 * (flat - flat.mean(1, keepdims=True)), abs=1e-3)


def test_a_penalty_of_a_class_counts_as_if_it_came_so_many_times_as_often():
    task = _task(counts=[30, 30, 30], noise=2.0)
    factors = (1.0, 4.0, 0.5)
    plain, shifted = (
        _fit(HeadKind.MEANS, t, 1.0).logits(task.features)
        for t in (task, replace(task, factors=factors))
    )
    shift = shifted - plain
    assert shift - shift.mean(1, keepdims=True) == pytest.approx(
        np.tile(np.log(factors) - np.log(factors).mean(), (90, 1)), abs=1e-4
    )


def test_the_slope_of_the_hidden_layer_is_that_of_its_objective():
    task = replace(_task(30, 5), class_weights=ClassWeights.BALANCED, label_smoothing=0.1)
    points = heads._space(HeadKind.MLP, task.features).points
    objective = heads._MlpObjective(points, task, 0.3, lambda: None)
    start = objective.start(np.random.default_rng(0))
    value, slope = objective.value_and_slope(start)
    inner, inner_bias, outer, bias = objective.parts(start)
    scores = np.maximum(points @ inner.T + inner_bias, 0) @ outer.T + bias
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    smooth = np.full((30, 3), 0.1 / 3) + 0.9 * np.eye(3)[task.targets]
    loss = -(image_weights(task)[:, None] * smooth * np.log(shares)).sum()
    assert value == pytest.approx(loss + 0.15 * ((inner**2).sum() + (outer**2).sum()), rel=1e-5)
    gap = check_grad(
        lambda x: objective.value_and_slope(x)[0],
        lambda x: objective.value_and_slope(x)[1],
        start,
        epsilon=1e-2,
    )
    assert gap < 0.02 * np.linalg.norm(slope)


def test_a_hidden_layer_is_taken_where_no_line_divides_the_classes_and_only_there():
    bent, straight = _checkerboard(), _task(120, 6, 2, noise=2.0)
    for task, wanted in ((bent, True), (straight, False)):
        best, other = (_judged(kind, task) for kind in (HeadKind.LINEAR, HeadKind.MLP))
        _, is_better = is_better_head(other, best, task)
        assert is_better is wanted
    accuracy = (other.predicted == straight.targets).mean()
    assert accuracy > 0.7  # not chosen, but no failure
    head = _fit(HeadKind.MLP, bent, 0.003)
    new = _checkerboard(seed=1)
    assert (head.logits(new.features).argmax(1) == new.targets).mean() > 0.8
    again = _fit(HeadKind.MLP, bent, 0.003)
    assert np.array_equal(again.hidden.weight, head.hidden.weight)


def test_a_head_that_is_only_less_sure_of_everything_is_not_taken():
    # With balanced classes, one that told fewer images right had the lower weighted loss.
    task = replace(
        _task(counts=[180, 10], classes=2, noise=3.0), class_weights=ClassWeights.BALANCED
    )
    sure = judged_kind(HeadKind.LINEAR, task, 0.01, on_step=lambda: None)
    losses = np.where(task.targets == 0, sure.losses + 0.1, 0.1 * sure.losses)
    gain, is_better = is_better_head(replace(sure, losses=losses), sure, task)
    assert gain.is_proven
    assert not is_better


@pytest.mark.parametrize("kind", OTHERS)
def test_more_features_than_images_and_more_images_than_features_are_taken(kind):
    # Components are those of the images; a new image is judged by plain features.
    for n, d in ((40, 300), (330, 290)):
        task = _task(n, d, seed=2)
        fitted = _fit(kind, task, 0.03 if kind is HeadKind.MLP else 100.0)
        assert fitted.width == d
        assert (fitted.logits(task.features).argmax(1) == task.targets).mean() > 0.95


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("counts", [[1, 1], [1, 0], [2, 1], [3, 0, 1], [4, 4]])
def test_tiny_sets_have_every_head_and_no_confidence_in_unseen_classes(kind, counts):
    task = _task(counts=counts, classes=len(counts), d=6)
    head = _fit(kind, task, WITHOUT_CHOICE[kind])
    logits = head.logits(task.features)
    assert np.isfinite(logits).all()
    absent = [label for label, count in enumerate(counts) if not count]
    assert (np.exp(logits[:, absent]) < 1e-8 * np.exp(logits).sum(1, keepdims=True)).all()
    judged = judged_kind(kind, task, WITHOUT_CHOICE[kind], on_step=lambda: None)
    assert (judged is None) == (not group_folds(task))
    if judged is not None:
        assert judged.confidences.sum(axis=1) == pytest.approx(np.ones(sum(counts)), abs=1e-5)


def test_a_stop_ends_every_search():
    def stop():
        raise InterruptedError

    for kind in HeadKind:
        with pytest.raises(InterruptedError):
            list(kind_path(kind, _task(60), on_step=stop))
