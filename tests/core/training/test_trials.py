"""When a dearer way is worth it."""

import numpy as np
import pytest

from core.domain.training import PenaltyPoint
from core.training import trials
from core.training.cross_validation import JudgedPoint
from core.training.trials import macro_recall, worth_more


def gain_of(before, after, groups, weights=None):
    weights = np.ones(len(groups)) if weights is None else weights
    return trials.gain_of(np.array(before), np.array(after), groups, weights)


def _judged(predicted):
    confidences = np.eye(3, dtype=np.float32)[np.array(predicted, np.int64)]
    return JudgedPoint(PenaltyPoint(1.0, 0.0, 0.0), confidences, np.zeros(len(predicted)))


def test_a_small_gain_on_every_image_is_real_though_the_losses_vary_more():
    losses = np.random.default_rng(0).exponential(1, 200)  # standard error 0.07
    better = losses - 0.02 - np.random.default_rng(1).normal(0, 0.02, 200)
    gain = gain_of(losses, better, np.arange(200))
    assert gain.mean == pytest.approx(0.02, abs=0.005)
    assert gain.mean > 5 * gain.standard_error
    assert gain.is_proven
    assert not gain_of(losses[:3], better[:3] + np.array([0.1, 0.0, -0.1]), np.arange(3)).is_proven
    assert gain.pays(slower=True)
    assert not gain_of(losses, losses, np.arange(200)).pays(slower=True)
    assert not gain_of(better, losses, np.arange(200)).pays(slower=False)


def test_nothing_slower_is_chosen_for_less_than_a_hundredth_of_the_loss():
    # With nine images, tiles were chosen for a loss of 0.6926 instead of 0.6931.
    losses = np.full(20, np.log(2))
    tiny = gain_of(losses, losses - 0.0005, np.arange(20))
    assert (tiny.pays(slower=True), tiny.pays(slower=False)) == (False, True)
    assert gain_of(losses, losses - 0.02, np.arange(20)).pays(slower=True)


def test_images_of_one_part_count_as_one():
    # Without groups, ten copies of two images would look like proof.
    before = np.repeat([1.0, 1.0], 10)
    after = np.repeat([0.5, 1.3], 10)
    alone = gain_of(before, after, np.arange(20))
    together = gain_of(before, after, np.repeat([0, 1], 10))
    assert alone.mean == together.mean == pytest.approx(0.1)
    assert alone.pays(slower=True)
    assert together.pays(slower=False)
    assert not together.pays(slower=True)
    # Two groups of equal size: the error is that of a mean of two values.
    assert together.standard_error == pytest.approx(np.std([0.5, -0.3], ddof=1) / 2**0.5)


def test_images_of_a_class_that_was_never_seen_do_not_count():
    gain = gain_of([1.0, np.nan, 1.0], [0.5, 9.0, 0.5], np.arange(3))
    assert gain.mean == pytest.approx(0.5)
    # A rare class counts as much as the others where it does so in training.
    weights = np.array([3.0, 1.0, 1.0])
    gain = gain_of([1.0, 1, 1], [0.8, 1.1, 1.1], np.arange(3), weights)
    assert gain.mean == pytest.approx((3 * 0.2 - 0.1 - 0.1) / 5)
    assert gain_of([np.nan], [np.nan], np.arange(1)).mean == 0


def test_nothing_dearer_is_tried_once_hardly_an_image_is_wrong():
    targets = np.repeat([0, 1], [900, 100])
    predicted = targets.copy()
    predicted[:5] = 1
    assert not worth_more(_judged(predicted), targets)
    predicted[-1] = 0
    assert worth_more(_judged(predicted), targets)
    assert macro_recall(predicted, targets) == pytest.approx((895 / 900 + 99 / 100) / 2)
