"""A detector of what is unlike good images: judged place by place, by places of others."""

import numpy as np
import pytest

from core.domain.datasets import Verdict
from core.errors import TrainingError
from core.evaluation.decisions.outcome import OperatingPoint, decide, single_threshold
from core.evaluation.measures.intervals import upper_bounds
from core.inference.detector import fit_detector
from core.inference.predictor import probabilities_of_scores

PLACES, CHANNELS = 9, 6


def _images(count, seed, *, defect=0.0):
    """Features [N, P, C]; `defect` moves one place of each image along one feature."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (count, PLACES, CHANNELS)) * [1, 1, 1, 0.01, 0.01, 0.01]
    values[np.arange(count), random.integers(0, PLACES, count), 4] += defect
    return values.astype(np.float32)


def test_one_place_is_enough_and_good_images_are_flagged_within_the_bound():
    detector, scores = fit_detector(_images(200, 0), np.arange(200), 0.05)
    assert (detector.scores(_images(100, 1, defect=0.5)) > 1).all()
    false_alarms = (detector.scores(_images(1000, 2)) > 1).mean()
    assert false_alarms <= upper_bounds(detector.exceeded, detector.judged)
    assert detector.exceeded == (scores > 1).sum() == 9
    assert not np.isclose(scores, 1, atol=1e-6).any()  # none flips with the last digit
    heat = detector.heat(_images(1, 1, defect=0.5)[0])
    assert heat.shape == (3, 3)
    assert (heat > 1).sum() == 1


def test_images_of_one_part_do_not_vouch_for_each_other():
    # Three photographs of each part are nearly equal; judged by these, most new parts were flagged.
    views = np.repeat(_images(40, 0), 3, axis=0)
    views += np.random.default_rng(3).normal(0, 1e-4, views.shape).astype(np.float32)
    numbers = np.repeat(np.arange(40), 3)
    apart, _ = fit_detector(views, numbers, 0.05, parts=numbers)
    together, _ = fit_detector(views, np.arange(120), 0.05)
    new = _images(300, 4)
    assert (apart.scores(new) > 1).mean() < 0.12
    assert (apart.exceeded, apart.judged) == (5, 120)
    assert apart.false_alarms == (2, 40)  # the bound was of 120 images, which show 40 parts
    assert (together.scores(new) > 1).mean() > 0.5


@pytest.mark.parametrize(("count", "parts"), [(19, 19), (40, 1)])
def test_too_few_images_or_parts_are_refused(count, parts):
    with pytest.raises(TrainingError, match="too few"):
        fit_detector(_images(count, 0), np.arange(count) % parts, 0.05)


def test_what_is_predicted_and_what_a_threshold_of_half_decides_are_the_same_at_the_limit():
    # An image at the limit was good by its class, and rejected at a confidence of 50 %.
    scores = np.array([0.0, 1.0, np.nextafter(1.0, 2), np.nextafter(1.0, 0), 3.0])
    confidences = probabilities_of_scores(scores)
    verdicts = (Verdict.OK, Verdict.NOK)
    by_class = decide(OperatingPoint(), confidences, verdicts)
    by_threshold = decide(single_threshold(0.5), confidences, verdicts)
    assert by_class.tolist() == by_threshold.tolist() == [0, 0, 2, 0, 2]


def test_confidences_are_half_at_the_limit_and_the_exported_graph_gives_the_same():
    import torch

    from core.inference.exporting import _distances

    detector, _ = fit_detector(_images(60, 0), np.arange(60), 0.05)
    assert probabilities_of_scores(np.array([0.0, 1.0, 3.0])) == pytest.approx(
        np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    )
    new = np.concatenate([_images(5, 1), _images(5, 2, defect=1.0)])
    ours = probabilities_of_scores(detector.scores(new))
    theirs = _distances(detector)(torch.from_numpy(new)).softmax(1).numpy()
    assert np.abs(ours - theirs).max() < 1e-4
