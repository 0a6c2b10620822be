"""Intervals of means over classes (F1, kappa, …) by resampling parts, all replicas at once.

A replica draws as many parts as there are, with replacement; the images of a part always come
together. Parts whose images fall into the same cells of the matrix are interchangeable, so a
replica is one multinomial draw over kinds of parts, not over parts: 100,000 images of 100 classes
cost about as much as there are different cells.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap"; drawing whole groups: Davison
and Hinkley 1997, section 3.8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures.intervals import CONFIDENCE, Interval, checked_confidence
from core.evaluation.measures.parts import Parts, units

REPLICAS = 1000
_BLOCK_VALUES = 4_000_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Margins:
    """What measures are made of, per class in the last axis: [C] or, for replicas, [R, C].

    `hits` true and predicted, `support` true, `predicted` predicted.
    """

    hits: Floats
    support: Floats
    predicted: Floats


MarginsMeasure = Callable[[Margins], Floats]


def margins_of(matrix: NDArray[np.int64]) -> Margins:
    """The margins of a confusion matrix [C, C]."""
    counts = matrix.astype(float)
    return Margins(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))


def resampled_margins(
    predicted: NDArray[np.integer[Any]],
    targets: NDArray[np.int64],
    class_count: int,
    parts: Parts | None = None,
    *,
    replicas: int = REPLICAS,
    seed: int = 0,
) -> Margins:
    """Margins [R, C] of drawn sets of parts.

    Args:
        predicted: [N] class indices.
        targets: [N] class indices.
        class_count: C.
        parts: [N] part numbers; None: every image is its own part.
        replicas: R.
        seed: the same seed draws the same sets.
    """
    random = np.random.default_rng(seed)
    kind_of_part, kinds, cells = _kinds_of_parts(predicted, targets, class_count, parts)
    kind_count = int(kind_of_part.max()) + 1
    true, said = cells // class_count, cells % class_count
    right = true == said
    sums = [
        _per_class(kinds[right], true[right], kind_count, class_count),
        _per_class(kinds, true, kind_count, class_count),
        _per_class(kinds, said, kind_count, class_count),
    ]
    sums_of_draws: list[list[Floats]] = [[], [], []]
    block = max(1, _BLOCK_VALUES // kind_count)
    for start in range(0, replicas, block):
        drawn = _drawn(random, kind_of_part, kind_count, min(block, replicas - start))
        weights = drawn.T.astype(np.float64)  # [kinds, B]
        for values, sum_of in zip(sums_of_draws, sums, strict=True):
            values.append((sum_of @ weights).T)
    return Margins(*(np.concatenate(values) for values in sums_of_draws))


def _drawn(
    random: np.random.Generator, kind_of_part: NDArray[np.int64], kind_count: int, replicas: int
) -> NDArray[np.int64]:
    """[replicas, kinds]: how many parts of each kind a draw of all parts has."""
    n = len(kind_of_part)
    if n > 3 * kind_count:
        counts = np.bincount(kind_of_part, minlength=kind_count)
        return random.multinomial(n, counts / n, size=replicas)
    # Why: where nearly every part is of its own kind, drawing the parts themselves is quicker.
    drawn = np.empty((replicas, kind_count), np.int64)
    for row in drawn:
        row[:] = np.bincount(kind_of_part[random.integers(0, n, n)], minlength=kind_count)
    return drawn


def _kinds_of_parts(
    predicted: NDArray[np.integer[Any]],
    targets: NDArray[np.int64],
    class_count: int,
    parts: Parts | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The kind of each part [G]; then kind and cell of every image of one part of each kind.

    Two parts are of one kind if as many of their images fall into each cell.
    """
    cells = targets * class_count + predicted
    counted = units(len(cells), parts)
    # Why random 64-bit names: their sum over a part (wrapping around) names its set of cells.
    names = np.random.default_rng(1).integers(0, 2**64, class_count**2, np.uint64)
    sums = np.add.reduceat(names[cells][counted.order], counted.starts)
    _, first, kind_of_part = np.unique(sums, return_index=True, return_inverse=True)
    ends = np.append(counted.starts[1:], len(cells))
    sizes = (ends - counted.starts)[first]
    kinds = np.repeat(np.arange(len(first)), sizes)
    offsets = np.arange(len(kinds)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    members = counted.order[np.repeat(counted.starts[first], sizes) + offsets]
    return kind_of_part.astype(np.int64), kinds, cells[members]


def _per_class(
    kinds: NDArray[np.int64], classes: NDArray[np.int64], kind_count: int, class_count: int
) -> Any:
    """Sparse [C, kinds]: images of each class in one part of each kind."""
    from scipy.sparse import coo_matrix

    ones = np.ones(len(kinds))
    return coo_matrix((ones, (classes, kinds)), shape=(class_count, kind_count)).tocsr()


def percentile_interval(values: Floats, confidence: float = CONFIDENCE) -> Interval | None:
    """The middle share of the replicas' values [R]; None if hardly any replica has one."""
    values = values[np.isfinite(values)]
    if len(values) < 20:
        return None
    outside = (1 - checked_confidence(confidence)) / 2
    low, high = np.quantile(values, [outside, 1 - outside])
    return Interval(float(low), float(high), confidence)


def recalls(margins: Margins) -> Floats:
    """Recall of every class; NaN for a class without images."""
    return _ratio(margins.hits, margins.support)


def precisions(margins: Margins) -> Floats:
    """Share right of every class' predictions; 0 if never predicted, NaN without images."""
    values = _ratio(margins.hits, margins.predicted)
    return np.where(margins.support > 0, np.nan_to_num(values), np.nan)


def f1_scores(margins: Margins) -> Floats:
    """F1 of every class; NaN for a class without images."""
    values = _ratio(2 * margins.hits, margins.support + margins.predicted)
    return np.where(margins.support > 0, values, np.nan)


def macro(per_class: MarginsMeasure) -> MarginsMeasure:
    """Mean over the classes that have images, each counted the same."""

    def mean(margins: Margins) -> Floats:
        values = per_class(margins)
        return _ratio(np.nansum(values, axis=-1), np.isfinite(values).sum(axis=-1))

    return mean


def weighted(per_class: MarginsMeasure) -> MarginsMeasure:
    """Mean over the classes, each counted by its images."""

    def mean(margins: Margins) -> Floats:
        values = np.nan_to_num(per_class(margins))
        return _ratio((values * margins.support).sum(axis=-1), margins.support.sum(axis=-1))

    return mean


def kappa(margins: Margins) -> Floats:
    """Cohen's kappa of model and labels; NaN where chance alone would always agree."""
    n = margins.support.sum(axis=-1)
    agreed = _ratio(margins.hits.sum(axis=-1), n)
    by_chance = _ratio((margins.support * margins.predicted).sum(axis=-1), n**2)
    return _ratio(agreed - by_chance, 1 - by_chance)


def mcc(margins: Margins) -> Floats:
    """Matthews correlation (many classes: Gorodkin 2004); NaN if one side has one class only."""
    n = margins.support.sum(axis=-1)
    cross = (margins.support * margins.predicted).sum(axis=-1)
    said = n**2 - (margins.predicted**2).sum(axis=-1)
    true = n**2 - (margins.support**2).sum(axis=-1)
    return _ratio(margins.hits.sum(axis=-1) * n - cross, np.sqrt(said * true))


def _ratio(numerator: Floats, denominator: NDArray[Any]) -> Floats:
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    result = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result
