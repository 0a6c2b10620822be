"""How well scores rank: ROC and precision-recall curves and the areas under them.

Areas come from one sort per class, since a curve per class would take seconds on 100 classes.
A class without positives, or without negatives, has no area.

Source: Fawcett 2006, "An introduction to ROC analysis"; average precision as scikit-learn has it
(no interpolation, which would flatter).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

MAX_POINTS = 500
_BLOCK_CLASSES = 64
Floats = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Curve:
    """Points [P] of a curve with the score from which on a picture counts as positive.

    ROC: x false positive rate, y true positive rate. Precision-recall: x recall, y precision.
    `area` is exact also where points were left out.
    """

    x: Floats
    y: Floats
    thresholds: Floats
    area: float


@dataclass(frozen=True)
class Areas:
    """Areas [C] of each class against the rest; NaN where there is no data."""

    roc: Floats
    precision_recall: Floats


def areas_of_classes(probabilities: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> Areas:
    """Both areas of every class against the rest.

    Args:
        probabilities: [N, C].
        targets: [N], class indices in [0, C).
    """
    class_count = probabilities.shape[1]
    roc, precision_recall = np.full((2, class_count), np.nan)
    by_class = np.argsort(targets, kind="stable")
    ends = np.cumsum(np.bincount(targets, minlength=class_count))
    members = np.split(by_class, ends[:-1])
    for first in range(0, class_count, _BLOCK_CLASSES):
        # Why blocks: columns are slow to read one by one, and a copy of all may not fit.
        columns = np.ascontiguousarray(probabilities[:, first : first + _BLOCK_CLASSES].T)
        for index, scores in enumerate(columns, start=first):
            if 0 < len(members[index]) < len(targets):
                found = _areas(scores, scores[members[index]])
                roc[index], precision_recall[index] = found
    return Areas(roc, precision_recall)


def areas(scores: Scores, positive: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """ROC area and average precision of one question; None without positives or negatives."""
    if not positive.any() or positive.all():
        return None, None
    return _areas(scores, scores[positive])


def _areas(scores: Scores, positives: Scores) -> tuple[float, float]:
    every, found = np.sort(scores), np.sort(positives)
    n, p = len(every), len(found)
    below, up_to = np.searchsorted(every, found, "left"), np.searchsorted(every, found, "right")
    own_below, own_up_to = np.searchsorted(found, found, "left"), np.searchsorted(found, found, "right")  # noqa: E501 # fmt: skip
    # Equal scores count one half: the chance that a positive is above a negative.
    wins = ((below - own_below) + (up_to - own_up_to)).sum() / 2
    precision = (p - own_below) / (n - below)
    return float(wins / (p * (n - p))), float(precision.mean())


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
    area, _ = areas(scores, positive)
    return Curve(x[kept], y[kept], np.append(np.inf, thresholds)[kept], float(area or 0.0))


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
    _, area = areas(scores, positive)
    return Curve(x[kept], y[kept], np.append(np.inf, thresholds)[kept], float(area or 0.0))


def _counts_from_above(
    scores: Scores, positive: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Distinct scores from the highest on; positives and negatives at or above each."""
    if not positive.any() or positive.all():
        kind = "other" if positive.any() else "such"
        raise ConfigError(
            f"There is no curve: this subset has no {kind} picture.",
            "Choose a subset that has pictures on both sides.",
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
