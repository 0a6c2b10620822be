"""Does 90% confidence mean 90% right? Reliability, its error, and the fix by a temperature.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.measures.intervals import CONFIDENCE, Rate, rates
from core.evaluation.measures.parts import Parts, units

BINS = 15
# With fewer, a temperature is chance: in simulations with 5 to 8 errors it raised the log loss of
# new images in two of five cases, with 3 or 4 in all; with 12 and more in about one of twenty.
LEAST_ERRORS = 10
FOLDS = 5
_SMALLEST = 1e-12
_COLDEST, _HOTTEST = 0.05, 20.0
_AT_BOUND = 1.01  # so close, as a factor, is at the bound
_BLOCK_VALUES = 2_000_000
Probabilities = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose confidence lies in [low, high): mean confidence against share right.

    `accuracy` is that of the images; `rate` counts parts (wrong if any image of it in this bin
    is wrong). Both means are None for an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None
    rate: Rate


@dataclass(frozen=True)
class Reliability:
    """Bins from 0 to 1, and how far confidence and accuracy are apart.

    `ece` is the mean gap weighted by images, `largest_gap` the worst bin, `overconfidence` the
    mean confidence minus the accuracy: above 0, the model promises too much.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    largest_gap: float
    overconfidence: float


def reliability(
    probabilities: Probabilities,
    targets: NDArray[np.int64],
    *,
    bins: int = BINS,
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> Reliability:
    """Confidence of the predicted class against how often it is right.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        bins: equal-width bins over [0, 1]; a confidence of 1 belongs to the last.
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the intervals.

    Raises:
        ValueError: if N is 0.
    """
    if not len(targets):
        raise ValueError("no images")
    sure = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == targets
    at = np.clip((sure * bins).astype(np.int64), 0, bins - 1)
    n = np.bincount(at, minlength=bins)
    sums = np.bincount(at, weights=sure, minlength=bins)
    hits = np.bincount(at, weights=right, minlength=bins)
    filled = np.maximum(n, 1)
    gaps = np.abs(sums - hits) / filled
    counted = units(len(targets), parts, at)
    unit_bins, unit_right = counted.first(at), counted.lowest(right)
    bounded = rates(
        np.bincount(unit_bins, weights=unit_right, minlength=bins),
        np.bincount(unit_bins, minlength=bins),
        confidence,
    )
    return Reliability(
        tuple(
            ReliabilityBin(
                i / bins,
                (i + 1) / bins,
                int(n[i]),
                float(sums[i] / n[i]) if n[i] else None,
                float(hits[i] / n[i]) if n[i] else None,
                bounded[i],
            )
            for i in range(bins)
        ),
        ece=float((gaps * n).sum() / len(targets)),
        largest_gap=float(gaps.max()),
        overconfidence=float(sure.mean() - right.mean()),
    )


@dataclass(frozen=True)
class ConfidenceHistogram:
    """Images by confidence of the predicted class: `edges` [B + 1], counts [B] each."""

    edges: Floats
    right: NDArray[np.int64]
    wrong: NDArray[np.int64]


def confidence_histogram(
    probabilities: Probabilities, targets: NDArray[np.int64], *, bins: int = 20
) -> ConfidenceHistogram:
    """How confident right and wrong predictions are; arguments as of `reliability`."""
    right = probabilities.argmax(axis=1) == targets
    at = np.clip((probabilities.max(axis=1).astype(float) * bins).astype(np.int64), 0, bins - 1)
    return ConfidenceHistogram(
        np.linspace(0, 1, bins + 1),
        np.bincount(at[right], minlength=bins),
        np.bincount(at[~right], minlength=bins),
    )


class NoCalibration(StrEnum):
    """Why no temperature is recommended."""

    FEW_ERRORS = "few_errors"
    AT_BOUND = "at_bound"
    NO_GAIN = "no_gain"


@dataclass(frozen=True)
class Temperature:
    """What stored probabilities are cooled (below 1) or warmed (above 1) by; 1 changes nothing.

    Losses are the log loss on the images it was fitted on.
    """

    value: float
    loss_before: float
    loss_after: float


@dataclass(frozen=True)
class Calibration:
    """A temperature that is worth applying, or why there is none; one of both is None.

    `errors` counts the wrong images that it was to be fitted on.
    """

    temperature: Temperature | None
    reason: NoCalibration | None
    errors: int


def fit_calibration(
    probabilities: Probabilities, targets: NDArray[np.int64], parts: Parts | None = None
) -> Calibration:
    """The temperature with the least log loss, if there is evidence that it helps.

    None is recommended with fewer than `LEAST_ERRORS` wrong images, where the search runs to its
    bound, and where the log loss does not fall in cross-validation with parts kept together. Fit
    it on validation, apply it elsewhere. It never changes which class is predicted.

    Args:
        probabilities: [N, C] of the validation images, rows sum to 1.
        targets: [N], class indices in [0, C).
        parts: [N] part numbers; None: every image is its own part.

    Raises:
        ConfigError: if there is no image.
    """
    if not len(targets):
        raise ConfigError(
            "There are no images to fit the calibration on.",
            "Use a split with validation images.",
        )
    wrong = probabilities.argmax(axis=1) != targets
    errors = int(wrong.sum())
    if errors < LEAST_ERRORS:
        return Calibration(None, NoCalibration.FEW_ERRORS, errors)
    scores = _relative_scores(probabilities, targets)
    fitted = _best_temperature(scores)
    if not _COLDEST * _AT_BOUND < fitted < _HOTTEST / _AT_BOUND:
        return Calibration(None, NoCalibration.AT_BOUND, errors)
    before = _mean_log_sum_exp(scores, 1.0)
    cross_validated = sum(
        len(held_out) * _mean_log_sum_exp(scores[held_out], 1 / _best_temperature(scores[kept]))
        for kept, held_out in _folds(wrong, parts)
    )
    if cross_validated >= before * len(targets):
        return Calibration(None, NoCalibration.NO_GAIN, errors)
    after = _mean_log_sum_exp(scores, 1 / fitted)
    return Calibration(Temperature(fitted, before, after), None, errors)


def no_calibration_in_words(fit: Calibration) -> str:
    """Why no temperature is recommended; empty where one is."""
    match fit.reason:
        case None:
            return ""
        case NoCalibration.FEW_ERRORS:
            there = f"there {'is' if fit.errors == 1 else 'are'} {fit.errors}"
            why = f"it needs at least {LEAST_ERRORS} wrong validation images, and {there}"
        case NoCalibration.AT_BOUND:
            why = "the best temperature on validation lies outside the range that makes sense"
        case NoCalibration.NO_GAIN:
            why = "it does not lower the log loss in cross-validation on the validation images"
        case _:
            assert_never(fit.reason)
    return f"Calibration cannot be fitted: {why}."


def _folds(
    wrong: NDArray[np.bool_], parts: Parts | None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions to fit on and to judge; parts stay together, errors are spread evenly."""
    numbers = np.arange(len(wrong)) if parts is None else np.unique(parts, return_inverse=True)[1]
    errors = np.bincount(numbers, weights=wrong)
    fold_of_part = np.empty(len(errors), np.intp)
    fold_of_part[np.argsort(-errors, kind="stable")] = np.arange(len(errors)) % FOLDS
    fold = fold_of_part[numbers]
    for number in range(FOLDS):
        kept, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(kept) and len(held_out):
            yield kept, held_out


def _relative_scores(
    probabilities: Probabilities, targets: NDArray[np.int64]
) -> NDArray[np.float32]:
    # Why relative to the true class: then the log loss is one log-sum-exp.
    scores = np.log(np.maximum(probabilities, np.float32(_SMALLEST)))  # [N, C]
    scores -= np.take_along_axis(scores, targets[:, None], axis=1)
    result: NDArray[np.float32] = scores
    return result


def _best_temperature(scores: NDArray[np.float32]) -> float:
    from scipy.optimize import minimize_scalar

    # Why bounded: with every image right, ever colder would be ever better.
    best = minimize_scalar(
        lambda log_temperature: _mean_log_sum_exp(scores, math.exp(-log_temperature)),
        bounds=(math.log(_COLDEST), math.log(_HOTTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return math.exp(float(best.x))


def _mean_log_sum_exp(scores: NDArray[np.float32], scale: float) -> float:
    total = 0.0
    rows = max(1, _BLOCK_VALUES // scores.shape[1])
    for start in range(0, len(scores), rows):
        block = scores[start : start + rows] * np.float32(scale)
        highest = block.max(axis=1, keepdims=True)
        block -= highest
        sums = np.exp(block, out=block).sum(axis=1, dtype=np.float64)
        total += float(np.log(sums).sum() + highest.sum(dtype=np.float64))
    return total / len(scores)


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Calibrated probabilities [N, C], rows sum to 1; the order within a row stays.

    Raises:
        ConfigError: if the temperature is not above 0.
    """
    if not temperature > 0 or not math.isfinite(temperature):
        raise ConfigError(
            f"A temperature of {temperature:g} is not possible.",
            "It must be above 0; 1 changes nothing.",
        )
    scores = np.log(np.maximum(probabilities, np.float32(_SMALLEST))) / np.float32(temperature)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    result: NDArray[Any] = scores
    return result
