"""How well scores rank: ROC and precision-recall curves. The areas under them: `areas`.

Source: Fawcett 2006, "An introduction to ROC analysis".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

MAX_POINTS = 500
Floats = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Curve:
    """Points [P] of a curve with the score from which on an image counts as positive.

    ROC: x false positive rate, y true positive rate. Precision-recall: x recall, y precision.
    """

    x: Floats
    y: Floats
    thresholds: Floats


def roc_curve(
    scores: Scores, positive: NDArray[np.bool_], *, max_points: int = MAX_POINTS
) -> Curve:
    """True against false positive rate, from (0, 0) to (1, 1).

    Args:
        scores: [N], higher means positive.
        positive: [N].
        max_points: points further apart are kept, the others left out.

    Raises:
        ConfigError: without positives or without negatives.
    """
    thresholds, hits, alarms = _counts_from_above(scores, positive)
    x = np.append(0.0, alarms / alarms[-1])
    y = np.append(0.0, hits / hits[-1])
    kept = thinned(x, y, max_points)
    return Curve(x[kept], y[kept], np.append(np.inf, thresholds)[kept])


def precision_recall_curve(
    scores: Scores, positive: NDArray[np.bool_], *, max_points: int = MAX_POINTS
) -> Curve:
    """Precision against recall, by growing recall; begins at recall 0 with precision 1.

    Arguments and errors as of `roc_curve`.
    """
    thresholds, hits, alarms = _counts_from_above(scores, positive)
    x = np.append(0.0, hits / hits[-1])
    y = np.append(1.0, hits / (hits + alarms))
    kept = thinned(x, y, max_points)
    return Curve(x[kept], y[kept], np.append(np.inf, thresholds)[kept])


def _counts_from_above(
    scores: Scores, positive: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Distinct scores from the highest on; positives and negatives at or above each."""
    if not positive.any() or positive.all():
        kind = "other" if positive.any() else "such"
        raise ConfigError(
            f"There is no curve: this subset has no {kind} images.",
            "Choose a subset that has images on both sides.",
        )
    order = np.argsort(-scores, kind="stable")
    ordered, truth = scores[order].astype(float), positive[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    hits = np.cumsum(truth)[last].astype(float)
    return ordered[last], hits, last + 1 - hits


def thinned(x: Floats, y: Floats, max_points: int) -> NDArray[np.int64]:
    """Positions of at most `max_points` points, evenly along the line, both ends among them."""
    if len(x) <= max_points:
        return np.arange(len(x))
    way = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    at = np.searchsorted(way, np.linspace(0, way[-1], max_points))
    at[-1] = len(x) - 1
    return np.unique(at)
