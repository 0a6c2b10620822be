import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from core.errors import ConfigError
from core.evaluation.measures.calibration import (
    confidence_histogram,
    fit_temperature,
    reliability,
    with_temperature,
)


def _drawn(temperature, n=20_000, classes=5, seed=0):
    """Labels drawn from the true probabilities; the model shows them at another temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, classes))
    true = softmax(logits, axis=1)
    targets = (true.cumsum(axis=1) < random.random((n, 1))).sum(axis=1).clip(0, classes - 1)
    return softmax(logits * temperature, axis=1).astype(np.float32), targets


def _log_loss(targets, probabilities):
    exact = probabilities.astype(float)
    return log_loss(targets, exact / exact.sum(axis=1, keepdims=True))


def test_a_true_model_is_calibrated_and_an_overconfident_one_is_not():
    honest = reliability(*_drawn(1.0))
    bold = reliability(*_drawn(3.0))
    timid = reliability(*_drawn(0.4))
    assert honest.ece < 0.015
    assert bold.ece > 0.1
    assert bold.overconfidence == pytest.approx(bold.ece, abs=0.01)
    assert timid.overconfidence < -0.1
    assert bold.largest_gap >= bold.ece


def test_the_reliability_diagram_equals_scikit_learns():
    probabilities, targets = _drawn(2.0, n=3000)
    found = reliability(probabilities, targets, bins=10)
    right = probabilities.argmax(axis=1) == targets
    accuracy, confidence = calibration_curve(right, probabilities.max(axis=1), n_bins=10)
    filled = [b for b in found.bins if b.n]
    assert [b.accuracy for b in filled] == pytest.approx(accuracy)
    assert [b.confidence for b in filled] == pytest.approx(confidence)
    assert sum(b.n for b in found.bins) == 3000
    by_hand = sum(b.n * abs(b.accuracy - b.confidence) for b in filled) / 3000
    assert found.ece == pytest.approx(by_hand)
    assert [b.rate.n for b in found.bins] == [b.n for b in found.bins]


def test_an_empty_bin_has_no_data_and_full_confidence_belongs_to_the_last():
    found = reliability(np.array([[1.0, 0.0]], np.float32), np.array([0]), bins=4)
    assert [b.n for b in found.bins] == [0, 0, 0, 1]
    empty = found.bins[0]
    assert (empty.confidence, empty.accuracy, empty.rate.value) == (None, None, None)


def test_bins_count_parts():
    probabilities = np.array([[0.9, 0.1]] * 4, np.float32)
    found = reliability(probabilities, np.array([0, 1, 0, 0]), bins=1, parts=np.array([0, 0, 1, 1]))
    assert (found.bins[0].rate.k, found.bins[0].rate.n) == (1, 2)
    assert found.bins[0].accuracy == 0.75


def test_nothing_has_no_reliability():
    with pytest.raises(ValueError, match="no images"):
        reliability(np.empty((0, 2), np.float32), np.empty(0, np.int64))


def test_the_histogram_counts_right_and_wrong():
    probabilities, targets = _drawn(1.0, n=500)
    found = confidence_histogram(probabilities, targets, bins=10)
    right = int((probabilities.argmax(axis=1) == targets).sum())
    assert (found.right.sum(), found.wrong.sum()) == (right, 500 - right)
    assert len(found.edges) == 11


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature):
    probabilities, targets = _drawn(temperature)
    found = fit_temperature(probabilities, targets)
    assert found.value == pytest.approx(temperature, rel=0.05)
    assert found.loss_after <= found.loss_before
    fixed = with_temperature(probabilities, found.value)
    assert _log_loss(targets, fixed) == pytest.approx(found.loss_after, abs=1e-4)
    assert reliability(fixed, targets).ece < 0.015
    assert np.array_equal(fixed.argmax(axis=1), probabilities.argmax(axis=1))
    assert fixed.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_losses_are_those_of_scikit_learn():
    probabilities, targets = _drawn(1.7, n=400)
    found = fit_temperature(probabilities, targets)
    assert found.loss_before == pytest.approx(_log_loss(targets, probabilities), 1e-4)


def test_with_every_image_right_the_temperature_stays_finite():
    found = fit_temperature(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), np.array([0, 1]))
    assert 0.04 < found.value < 1


def test_probabilities_of_zero_stay_numbers():
    hard = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    found = fit_temperature(hard, np.array([0, 1, 1]))
    assert found.value > 5
    fixed = with_temperature(hard, found.value)
    assert np.isfinite(fixed).all()
    expected = log_softmax(np.log([1.0, 1e-12]) / found.value)
    assert np.log(fixed[0]) == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_calibrated_is_said():
    with pytest.raises(ConfigError, match="no image"):
        fit_temperature(np.empty((0, 2), np.float32), np.empty(0, np.int64))
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="is not possible"):
            with_temperature(np.full((1, 2), 0.5, np.float32), value)
