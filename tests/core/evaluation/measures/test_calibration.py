import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from core.errors import ConfigError
from core.evaluation.measures.calibration import (
    NoCalibration,
    confidence_histogram,
    fit_calibration,
    no_calibration_in_words,
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


@pytest.mark.parametrize("temperature", [0.3, 0.8, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature):
    probabilities, targets = _drawn(temperature)
    fit = fit_calibration(probabilities, targets)
    found = fit.temperature
    assert found is not None
    assert (fit.reason, no_calibration_in_words(fit)) == (None, "")
    assert found.value == pytest.approx(temperature, rel=0.05)
    assert found.loss_after <= found.loss_before
    fixed = with_temperature(probabilities, found.value)
    assert _log_loss(targets, fixed) == pytest.approx(found.loss_after, abs=1e-4)
    assert reliability(fixed, targets).ece < 0.015
    assert np.array_equal(fixed.argmax(axis=1), probabilities.argmax(axis=1))
    assert fixed.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_losses_are_those_of_scikit_learn():
    probabilities, targets = _drawn(1.7, n=400)
    found = fit_calibration(probabilities, targets).temperature
    assert found is not None
    assert found.loss_before == pytest.approx(_log_loss(targets, probabilities), 1e-4)


def test_a_calibrated_model_needs_no_temperature():
    fits = [fit_calibration(*_drawn(1.0, n=300, seed=seed)) for seed in range(12)]
    refused = [fit for fit in fits if fit.reason is NoCalibration.NO_GAIN]
    assert len(refused) >= 8
    fit = refused[0]
    assert fit.temperature is None
    assert "does not lower the log loss" in no_calibration_in_words(fit)


def test_perfect_validation_images_recommend_no_temperature():
    # The search ran to its bound, 0.050, and the report recommended it: on the test images, of
    # which one is wrong, the log loss would have risen from 0.033 to 0.113.
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.9, 0.99, 100).astype(np.float32)
    validation = np.stack([sure, 1 - sure], axis=1)
    fit = fit_calibration(validation, np.zeros(100, np.int64))
    assert (fit.temperature, fit.reason, fit.errors) == (None, NoCalibration.FEW_ERRORS, 0)
    assert no_calibration_in_words(fit) == (
        "Calibration cannot be fitted: it needs at least 10 wrong validation images, and there are "
        "0."
    )
    test = np.array([0] * 99 + [1])
    assert _log_loss(test, with_temperature(validation, 0.05)) > _log_loss(test, validation)


def test_a_temperature_at_the_bound_is_not_recommended():
    # Half of the images are wrong, and surely so: less and less confidence would be better.
    probabilities = np.tile(np.array([[1.0, 0.0]], np.float32), (40, 1))
    fit = fit_calibration(probabilities, np.arange(40) % 2)
    assert (fit.temperature, fit.reason, fit.errors) == (None, NoCalibration.AT_BOUND, 20)
    assert "outside the range" in no_calibration_in_words(fit)


def test_what_holds_for_one_part_only_is_no_gain():
    # Twenty images of one part are sure and wrong; on any other part the temperature harms.
    rng = np.random.default_rng(1)
    probabilities, targets = _drawn(1.0, n=120, seed=1)
    alike = np.tile(np.array([[0.97, 0.01, 0.01, 0.005, 0.005]], np.float32), (20, 1))
    every = np.concatenate([probabilities, alike])
    truth = np.concatenate([targets, np.ones(20, np.int64)])
    parts = np.concatenate([np.arange(120), np.full(20, 999)])
    assert fit_calibration(every, truth).temperature is not None
    order = rng.permutation(140)
    fit = fit_calibration(every[order], truth[order], parts[order])
    assert (fit.temperature, fit.reason) == (None, NoCalibration.NO_GAIN)


def test_probabilities_of_zero_stay_numbers():
    hard = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    fixed = with_temperature(hard, 7.0)
    assert np.isfinite(fixed).all()
    expected = log_softmax(np.log([1.0, 1e-12]) / 7.0)
    assert np.log(fixed[0]) == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_calibrated_is_said():
    with pytest.raises(ConfigError, match="no image"):
        fit_calibration(np.empty((0, 2), np.float32), np.empty(0, np.int64))
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="is not possible"):
            with_temperature(np.full((1, 2), 0.5, np.float32), value)
