"""Means over classes, kappa and Matthews correlation, with intervals that few errors keep wide."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures import bootstrap
from core.evaluation.measures.bootstrap import Margins, MarginsMeasure
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, Interval, Rate, mean_bounds


def estimate(
    measure: MarginsMeasure,
    margins: Margins,
    drawn: Margins,
    spread: tuple[float, float] | None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """The measure with the wider of two intervals: drawn anew, and from exact bounds.

    Why both: draws show no spread where there was no error; exact bounds of single classes know
    nothing of the errors that two classes share.

    Args:
        measure: what is computed.
        margins: of the subset, [C].
        drawn: margins of replicas, [R, C].
        spread: how far the value may lie below and above by exact bounds; None: not known.
        confidence: two-sided.

    Returns:
        No value where the measure is not defined.
    """
    value = float(measure(margins))
    if not np.isfinite(value):
        return Estimate(None)
    interval = bootstrap.percentile_interval(measure(drawn), confidence)
    if interval is None:
        return Estimate(value)
    below, above = spread or (0.0, 0.0)
    low, high = min(interval.low, value - below), max(interval.high, value + above)
    return Estimate(value, Interval(max(-1.0, low), min(1.0, high), confidence))


def spread_of_mean(
    classes: Sequence[Rate | Estimate], weights: NDArray[np.float64]
) -> tuple[float, float] | None:
    """How far the weighted mean of classes may lie below and above, from their own intervals."""
    known = [
        (weight, item.value, item.interval)
        for weight, item in zip(weights, classes, strict=True)
        if weight > 0 and item.value is not None and item.interval is not None
    ]
    if not known:
        return None
    weight, value = np.array([k[0] for k in known]), np.array([k[1] for k in known], float)
    low, high = np.array([k[2].low for k in known]), np.array([k[2].high for k in known])
    mean = float(weight @ value)
    below, above = mean_bounds(value, low, high, weight)
    return mean - below, above - mean


def spread_of_agreement(margins: Margins, accuracy: Rate) -> tuple[float, float] | None:
    """The exact interval of the accuracy as an interval of kappa at this class mix."""
    n = margins.support.sum()
    by_chance = float((margins.support * margins.predicted).sum() / n**2)
    if by_chance >= 1 or accuracy.value is None or accuracy.interval is None:
        return None
    below = (accuracy.value - accuracy.interval.low) / (1 - by_chance)
    return below, (accuracy.interval.high - accuracy.value) / (1 - by_chance)


def mean_of_known(classes: Sequence[Estimate], confidence: float = CONFIDENCE) -> Estimate:
    """Mean over the classes that have a value, each counted the same; in [0, 1]."""
    known = [item for item in classes if item.value is not None]
    if not known:
        return Estimate(None)
    value = float(np.mean([item.value for item in known]))
    below, above = spread_of_mean(known, np.full(len(known), 1 / len(known))) or (0.0, 0.0)
    return Estimate(value, Interval(max(0.0, value - below), min(1.0, value + above), confidence))
