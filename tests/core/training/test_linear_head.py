import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from core.domain.configs.choices import ClassWeights, HeadKind
from core.domain.configs.train import TrainConfig
from core.domain.training import WITHOUT_CHOICE, chosen_penalty
from core.errors import TrainingError
from core.training import cross_validation
from core.training.cross_validation import (
    FOLDS,
    group_folds,
    judged_at,
    judged_path,
    penalty_path,
)
from core.training.linear_head import HeadTask, Objective, Space, fit_head, image_weights


def _task(n=200, d=12, classes=3, *, seed=0, noise=1.0, counts=None) -> HeadTask:
    """Classes around centers of their own, with features of different scale and offset."""
    rng = np.random.default_rng(seed)
    targets = (
        rng.integers(0, classes, n) if counts is None else np.repeat(np.arange(classes), counts)
    )
    centers = rng.normal(size=(classes, d))
    plain = centers[targets] + noise * rng.normal(size=(len(targets), d))
    features = plain * rng.uniform(0.5, 3, d) + rng.normal(size=d)
    return HeadTask(features.astype(np.float32), targets, np.arange(len(targets)), classes)


@pytest.mark.parametrize("n", [30, 50])
def test_the_points_of_a_space_alone_are_the_same_bits(n):
    features = _task(n, 40).features
    assert np.array_equal(Space.points_of(features), Space.of(features).points)


def _fit(task, penalty):
    return fit_head(task, penalty, on_step=lambda: None)


def _path(task):
    return list(penalty_path(task, on_step=lambda: None))


def _standard(features):
    return (features - features.mean(0)) / features.std(0)


def _standard_weights(head, task):
    weight = head.weight * task.features.std(0)
    return weight, head.weight @ task.features.mean(0) + head.bias


@pytest.mark.parametrize("n", [300, 30])
@pytest.mark.parametrize("weights", list(ClassWeights))
@pytest.mark.parametrize("penalty", [3.0, 0.1])
def test_the_head_equals_logistic_regression_of_scikit_learn(n, weights, penalty):
    # Few images are solved in the space that they span; the solution must be the same.
    task = replace(_task(n, 40, seed=3), class_weights=weights)
    weight, bias = _standard_weights(_fit(task, penalty), task)
    oracle = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
    oracle.fit(
        _standard(task.features.astype(float)), task.targets, sample_weight=image_weights(task)
    )
    assert weight == pytest.approx(oracle.coef_, abs=1e-5)
    assert bias - bias.mean() == pytest.approx(
        oracle.intercept_ - oracle.intercept_.mean(), abs=1e-5
    )


def test_penalties_of_classes_are_the_class_weights_of_scikit_learn():
    task = replace(_task(150, 10, seed=4), factors=(1.0, 4.0, 0.5))
    assert image_weights(task.only(np.arange(50))).sum() == pytest.approx(1)
    weight, _ = _standard_weights(_fit(task, 0.02), task)
    by_class = dict(enumerate(task.factors))
    total = np.array(task.factors)[task.targets].sum()
    oracle = LogisticRegression(
        C=1 / (total * 0.02), class_weight=by_class, tol=1e-10, max_iter=10_000
    )
    oracle.fit(_standard(task.features.astype(float)), task.targets)
    assert weight == pytest.approx(oracle.coef_, abs=1e-5)


def test_equal_weights_are_the_usual_regularization():
    task = _task(150, 10, seed=4)
    weight, _ = _standard_weights(_fit(task, 0.02), task)
    oracle = LogisticRegression(C=1 / (150 * 0.02), tol=1e-10, max_iter=10_000)
    oracle.fit(_standard(task.features.astype(float)), task.targets)
    assert weight == pytest.approx(oracle.coef_, abs=1e-5)


def test_smoothed_targets_are_those_of_images_with_split_labels():
    # A smoothed image equals one image of each class, weighted by the share of its target.
    smoothing, task = 0.3, _task(90, 6, seed=5)
    weight, _ = _standard_weights(_fit(replace(task, label_smoothing=smoothing), 0.05), task)
    copies = np.tile(_standard(task.features.astype(float)), (3, 1))
    labels = np.repeat(np.arange(3), 90)
    shares = smoothing / 3 + (1 - smoothing) * (labels == np.tile(task.targets, 3))
    oracle = LogisticRegression(C=1 / 0.05, tol=1e-10, max_iter=10_000)
    oracle.fit(copies, labels, sample_weight=shares / 90)
    assert weight == pytest.approx(oracle.coef_, abs=1e-5)


def test_smoothing_does_not_distort_balanced_classes():
    # 190 good and 10 defective images: smoothing once weighted by the classes that it spreads
    # over rejected 44 % of the good ones, against 2 % without it.
    rng = np.random.default_rng(1)
    targets = np.repeat([0, 1], [190, 10])
    features = rng.normal(size=(200, 5)).astype(np.float32) + 2.5 * targets[:, None]
    task = HeadTask(features.astype(np.float32), targets, np.arange(200), 2, ClassWeights.BALANCED)

    def false_rejects(smoothing):
        head = _fit(replace(task, label_smoothing=smoothing), 0.01)
        return float((head.probabilities(features).argmax(1)[targets == 0] == 1).mean())

    assert false_rejects(0.1) <= false_rejects(0.0) + 0.03


def test_weights_by_the_size_of_the_class():
    task = _task(counts=[90, 9, 1], d=2)
    shares = {
        weights: np.bincount(task.targets, image_weights(replace(task, class_weights=weights)))
        for weights in ClassWeights
    }
    assert shares[ClassWeights.NONE] == pytest.approx([0.9, 0.09, 0.01])
    assert shares[ClassWeights.BALANCED] == pytest.approx([1 / 3] * 3)
    roots = np.sqrt([90, 9, 1])
    assert shares[ClassWeights.MODERATE] == pytest.approx(roots / roots.sum())


def test_a_class_without_images_is_never_predicted():
    task = replace(_task(60, 5), class_count=5)
    head = _fit(task, 0.1)
    anything = 100 * np.random.default_rng(0).normal(size=(2000, 5)).astype(np.float32)
    probabilities = head.probabilities(anything)
    assert probabilities[:, 3:].max() < 1e-8
    assert set(probabilities.argmax(1).tolist()) <= {0, 1, 2}


def test_one_class_alone_is_always_predicted():
    task = _task(counts=[0, 12, 0], d=4)
    assert _path(task)
    head = _fit(task, 1.0)
    assert (head.probabilities(task.features).argmax(1) == 1).all()


def test_a_feature_that_never_changes_decides_nothing():
    task = _task(60, 6)
    task.features[:, 2] = 7.0
    head = _fit(task, 0.1)
    assert head.weight[:, 2] == pytest.approx([0, 0, 0], abs=1e-6)
    changed = task.features.copy()
    changed[:, 2] = 7.5
    assert head.probabilities(changed) == pytest.approx(head.probabilities(task.features), abs=1e-5)


def test_the_same_task_gives_the_same_bits():
    task = _task(120, 60, seed=7)
    first, second = _fit(task, 0.1), _fit(task, 0.1)
    assert first.weight.tobytes() == second.weight.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()
    assert _path(task) == _path(task)


def test_the_path_runs_from_strong_to_weak_and_ends_when_the_loss_keeps_rising():
    path = _path(_task(120, 30, noise=3.0, seed=2))
    penalties = [point.penalty for point in path]
    assert penalties == [10 ** (1.5 - i / 2) for i in range(len(path))]
    losses = [point.log_loss for point in path]
    best = losses.index(min(losses))
    assert 0 < best == len(losses) - 4
    # The strongest within one standard error of the least loss.
    enough = losses[best] + path[best].standard_error
    expected = next(p for p, loss in zip(penalties, losses, strict=True) if loss <= enough)
    assert chosen_penalty(TrainConfig(), path) == expected >= penalties[best]
    assert all(point.standard_error > 0 for point in path)


def test_the_path_is_extended_upward_where_features_tell_nothing():
    task = _task(60, 200, noise=1.0, seed=1)
    noise = np.random.default_rng(5).normal(size=task.features.shape).astype(np.float32)
    path = _path(replace(task, features=noise))
    assert max(point.penalty for point in path) > 10**1.5
    assert chosen_penalty(TrainConfig(), path) > 10**1.5


def test_the_path_goes_far_down_where_classes_are_easy():
    path = _path(_task(150, 8, noise=0.05))
    assert chosen_penalty(TrainConfig(), path) < 1e-3


def test_the_chosen_penalty_is_the_best_of_scikit_learns_cross_validation():
    task = _task(150, 20, noise=3.0, seed=9)
    z = _standard(task.features.astype(float))
    for point in _path(task)[::3]:
        losses = []
        for held_out in group_folds(task):
            kept = np.setdiff1d(np.arange(150), held_out)
            oracle = LogisticRegression(C=1 / (len(kept) * point.penalty), tol=1e-8, max_iter=9999)
            log = oracle.fit(z[kept], task.targets[kept]).predict_log_proba(z[held_out])
            losses.extend(-log[np.arange(len(held_out)), task.targets[held_out]])
        assert point.log_loss == pytest.approx(np.mean(losses), abs=2e-4)


def test_groups_are_never_divided():
    rng = np.random.default_rng(0)
    task = replace(_task(100, 3), groups=rng.integers(0, 20, 100))
    folds = group_folds(task)
    assert sorted(np.concatenate(folds).tolist()) == list(range(100))
    at = np.empty(100, int)
    for number, rows in enumerate(folds):
        at[rows] = number
    assert all(len(set(at[task.groups == group])) == 1 for group in range(20))


def test_images_of_one_group_do_not_praise_each_other():
    # Every part has a look of its own and a random class: who sees its twin knows the class.
    rng = np.random.default_rng(3)
    parts = np.repeat(np.arange(40), 3)
    looks, classes = rng.normal(size=(40, 30)), rng.integers(0, 2, 40)
    features = (looks[parts] + 0.01 * rng.normal(size=(120, 30))).astype(np.float32)
    task = HeadTask(features, classes[parts], parts, 2)
    rows = np.arange(120)

    def accuracy(task):
        judged = judged_at(task, 0.001, on_step=lambda: None)
        return float((judged.predicted == task.targets).mean())

    assert accuracy(replace(task, groups=rows)) > 0.95
    assert accuracy(task) < 0.75


def test_cross_validated_confidences_are_those_of_a_model_without_the_image():
    task = _task(40, 4, noise=2.0)
    z = _standard(task.features.astype(float))
    judged = judged_at(task, 0.1, on_step=lambda: None)
    for held_out in group_folds(task):
        kept = np.setdiff1d(np.arange(40), held_out)
        oracle = LogisticRegression(C=1 / (len(kept) * 0.1), tol=1e-10, max_iter=9999)
        without = oracle.fit(z[kept], task.targets[kept]).predict_proba(z[held_out])
        assert judged.confidences[held_out] == pytest.approx(without, abs=1e-4)
    assert judged.confidences.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)


@pytest.mark.parametrize("counts", [[1, 1], [1, 0], [2, 1], [3, 1, 1], [2, 2]])
def test_tiny_sets_are_solved_and_their_penalty_is_chosen_if_possible(counts):
    task = _task(counts=counts, classes=len(counts), d=6)
    path = _path(task)
    penalty = chosen_penalty(TrainConfig(), path)
    assert penalty == WITHOUT_CHOICE[HeadKind.LINEAR] if not path else penalty > 0
    assert all(np.isfinite(point.log_loss) for point in path)
    head = _fit(task, penalty)
    assert np.isfinite(head.weight).all()
    judged = judged_at(task, penalty, on_step=lambda: None)
    if judged is not None:
        assert judged.confidences.sum(axis=1) == pytest.approx(np.ones(sum(counts)), abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 30))
def test_any_small_set_gives_finite_weights(seed, n, d):
    task = _task(n, d, seed=seed)
    head = _fit(replace(task, class_weights=ClassWeights.MODERATE), 0.01)
    assert np.isfinite(head.weight).all()
    assert np.isfinite(head.bias).all()


def test_a_stop_ends_the_search_at_once():
    calls = []

    def stop():
        calls.append(None)
        if len(calls) >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(penalty_path(_task(), on_step=stop))
    assert 5 <= len(calls) <= 4 + FOLDS  # the folds that are solved side by side stop, too


def test_features_that_are_no_numbers_are_refused():
    task = _task(20, 3)
    task.features[4, 1] = np.nan
    with pytest.raises(TrainingError, match="not finite"):
        _fit(task, 1.0)


def test_the_solver_needs_no_torch():
    import subprocess

    code = "import sys, core.training.linear_head; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_path_along_the_principal_axes_takes_far_fewer_steps(monkeypatch):
    # As of a network: features that are mixtures of fewer causes of very different strength.
    rng = np.random.default_rng(0)
    plain = _task(400, 120, 4, noise=2.0)
    mixing = rng.normal(size=(120, 200)) * np.geomspace(1, 0.01, 120)[:, None]
    task = replace(plain, features=(plain.features @ mixing).astype(np.float32))
    steps, before = [], []
    scaled = list(judged_path(task, on_step=lambda: steps.append(1)))
    monkeypatch.setattr(Objective, "_scale", lambda self, penalty: np.ones(4 * (200 + 1)))
    monkeypatch.setattr(
        cross_validation, "continued", lambda solved: solved[-1] if solved else None
    )
    plainly = list(judged_path(task, on_step=lambda: before.append(1)))
    assert len(steps) < 0.65 * len(before)
    for one, other in zip(scaled, plainly, strict=False):
        exact = judged_at(task, one.point.penalty, on_step=lambda: None).point
        off, off_before = (abs(p.point.log_loss - exact.log_loss) for p in (one, other))
        assert off < max(0.2 * exact.standard_error, off_before)


def test_a_weak_penalty_is_judged_as_at_the_end_of_the_path():
    # Images that any of many heads tells apart: a search from 0 once ended at one that guesses.
    rng = np.random.default_rng(1)
    targets = np.arange(32) % 2
    features = rng.normal(size=(32, 400))
    features[:, :40] += 10 * targets[:, None]
    task = HeadTask(features.astype(np.float32), targets, np.arange(32), 2)
    path = {point.penalty: point.log_loss for point in _path(task)}
    weakest = min(path)
    assert weakest == pytest.approx(1e-6)
    told = judged_at(task, weakest, on_step=lambda: None)
    assert told is not None
    assert told.point.log_loss == pytest.approx(path[weakest], rel=0.01)
    assert (told.predicted == targets).all()
