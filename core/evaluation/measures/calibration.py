"""Does 90% confidence mean 90% right? Reliability, its error, and the fix by a temperature.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.measures.intervals import CONFIDENCE, Rate, rates
from core.evaluation.measures.parts import Parts, units

BINS = 15
_SMALLEST = 1e-12
_COLDEST, _HOTTEST = 0.05, 20.0
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


@dataclass(frozen=True)
class Temperature:
    """What stored probabilities are cooled (below 1) or warmed (above 1) by; 1 changes nothing.

    Losses are the log loss on the images it was fitted on.
    """

    value: float
    loss_before: float
    loss_after: float


def fit_temperature(probabilities: Probabilities, targets: NDArray[np.int64]) -> Temperature:
    """The temperature with the least log loss; fit it on validation, apply it elsewhere.

    It never changes which class is predicted.

    Args:
        probabilities: [N, C] of the validation images, rows sum to 1.
        targets: [N], class indices in [0, C).

    Raises:
        ConfigError: if there is no image.
    """
    from scipy.optimize import minimize_scalar

    if not len(targets):
        raise ConfigError(
            "There are no images to fit the calibration on.",
            "Use a split with validation images.",
        )
    # Why relative to the true class: then the log loss is one log-sum-exp.
    scores = np.log(np.maximum(probabilities, np.float32(_SMALLEST)))  # [N, C]
    scores -= np.take_along_axis(scores, targets[:, None], axis=1)

    def loss(log_temperature: float) -> float:
        return _mean_log_sum_exp(scores, math.exp(-log_temperature))

    # Why bounded: with every image right, ever colder would be ever better.
    best = minimize_scalar(
        loss,
        bounds=(math.log(_COLDEST), math.log(_HOTTEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    before, after = loss(0.0), float(best.fun)
    if after >= before:
        return Temperature(1.0, before, before)
    return Temperature(math.exp(float(best.x)), before, after)


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
