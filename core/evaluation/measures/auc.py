"""Areas under ROC and precision-recall curves, with intervals; exact also for equal scores.

They come from one sort per class, since a curve per class would take seconds on 100 classes. A
class without positives, or without negatives, has no area.

Source: Fawcett 2006, "An introduction to ROC analysis"; average precision as scikit-learn has it
(no interpolation, which would flatter). Variance between parts: DeLong et al. 1988 and Obuchowski
1997. Intervals: Korn and Graubard 1998; Boyd et al. 2013 for average precision.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures.intervals import CONFIDENCE, Estimate, share_estimate
from core.evaluation.measures.parts import Parts

_BLOCK_CLASSES = 64
# A variance that few parts gave is hardly known: never count more decisions than this per part.
_MOST_PER_PART = 3
# A variance below is rounding, which makes about 1e-32; one pair among a billion makes 1e-18.
_NO_SPREAD = 1e-24
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Areas:
    """Both areas of one question; no value without positives or without negatives."""

    roc: Estimate
    average_precision: Estimate


NO_AREAS = Areas(Estimate(None), Estimate(None))


def areas(
    scores: Scores,
    positive: NDArray[np.bool_],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> Areas:
    """ROC area and average precision of one question.

    The interval of a ROC area is that of a rate with as many decisions as explain the variance
    between parts; the interval of an average precision counts the positive parts.

    Args:
        scores: [N], higher means positive.
        positive: [N].
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the intervals, two-sided.
    """
    members = np.flatnonzero(positive)
    return _areas(scores, members, _membership(len(scores), parts), confidence)


def areas_of_classes(
    probabilities: NDArray[np.floating[Any]],
    targets: NDArray[np.int64],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[Areas, ...]:
    """Both areas [C] of every class against the rest.

    Args:
        probabilities: [N, C].
        targets: [N], class indices in [0, C).
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the intervals, two-sided.
    """
    class_count = probabilities.shape[1]
    by_class = np.argsort(targets, kind="stable")
    ends = np.cumsum(np.bincount(targets, minlength=class_count))
    members = np.split(by_class, ends[:-1])
    membership = _membership(len(targets), parts)
    every: list[Areas] = []
    for first in range(0, class_count, _BLOCK_CLASSES):
        # Why blocks: columns are slow to read one by one, and a copy of all may not fit.
        columns = np.ascontiguousarray(probabilities[:, first : first + _BLOCK_CLASSES].T)
        every += [
            _areas(scores, members[index], membership, confidence)
            for index, scores in enumerate(columns, start=first)
        ]
    return tuple(every)


@dataclass(frozen=True)
class _Membership:
    """`part` [N] of every image in [0, G); images per part `sizes` [G]."""

    part: Integers
    sizes: Integers


def _membership(n: int, parts: Parts | None) -> _Membership:
    if parts is None:
        return _Membership(np.arange(n), np.ones(n, np.int64))
    _, part, sizes = np.unique(parts, return_inverse=True, return_counts=True)
    return _Membership(part.astype(np.int64), sizes.astype(np.int64))


def _areas(scores: Scores, members: Integers, membership: _Membership, confidence: float) -> Areas:
    n, p = len(scores), len(members)
    if not 0 < p < n:
        return NO_AREAS
    every, ordered = np.sort(scores), np.sort(scores[members])
    # Equal scores count one half: the chance that a positive is above a negative.
    own = scores[members]
    above, own_above = _not_above(every, own), _not_above(ordered, own)
    wins = (above - own_above) / (n - p)  # [P]
    area = float(wins.mean())
    moved = _influence(scores, members, ordered, wins, area)
    sums = np.bincount(membership.part, moved, minlength=len(membership.sizes))
    variance = len(sums) / max(1, len(sums) - 1) * float(sums @ sums)
    positives, negatives = _parts_of_sides(members, membership)
    at_least = n - np.searchsorted(every, ordered, "left")
    precision = float(((p - np.searchsorted(ordered, ordered, "left")) / at_least).mean())
    decisions = _decisions(area, variance, min(positives, negatives), confidence)
    return Areas(
        share_estimate(area, decisions, confidence),
        share_estimate(precision, positives, confidence),
    )


def _not_above(ascending: Scores, values: Scores) -> Floats:
    """How many of the ascending scores are below each value; equal ones count one half."""
    left = np.searchsorted(ascending, values, "left")
    below = left.astype(float)
    # Why: most values are between two scores, and one search is half the time.
    equal = np.flatnonzero(ascending[np.minimum(left, len(ascending) - 1)] == values)
    below[equal] += (np.searchsorted(ascending, values[equal], "right") - left[equal]) / 2
    return below


def _influence(
    scores: Scores, members: Integers, ordered: Scores, wins: Floats, area: float
) -> Floats:
    """[N]: how much each image moves the area; sums of squares are its variance."""
    negatives = len(scores) - len(ordered)
    moved = np.full(len(scores), (1 - area) / negatives)
    # Why only these: whatever is below every positive is beaten by all of them.
    near = np.flatnonzero(scores >= ordered[0])
    moved[near] -= _not_above(ordered, scores[near]) / len(ordered) / negatives
    moved[members] = (wins - area) / len(ordered)
    return moved


def _parts_of_sides(members: Integers, membership: _Membership) -> tuple[int, int]:
    """How many parts have a positive image, and how many a negative one."""
    own = np.bincount(membership.part[members], minlength=len(membership.sizes))
    return int((own > 0).sum()), int((own < membership.sizes).sum())


def _decisions(area: float, variance: float, scarcer: int, confidence: float) -> float:
    """How many independent decisions tell as much as the images did.

    Where nothing varies, the pairs that can be formed without using a part twice are so many
    independent decisions.
    """
    from scipy.special import ndtri, stdtrit

    if variance <= _NO_SPREAD or scarcer < 2:
        return float(scarcer)
    upper = (1 + confidence) / 2
    unsure = float(ndtri(upper) / stdtrit(scarcer - 1, upper)) ** 2
    return min(unsure * area * (1 - area) / variance, float(_MOST_PER_PART * scarcer))
