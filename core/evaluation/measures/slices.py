"""Does one camera, shift or folder do worse? Rates by any value, with bounds and a fair flag.

Looking at many slices always finds a bad one by chance, so a slice is flagged only if Fisher's
exact test against all other parts still says so after Holm's correction for the number of slices.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures.intervals import CONFIDENCE, Rate, holm, rates
from core.evaluation.measures.parts import Parts, units

NO_VALUE = "no value"
OTHERS = "all others"


@dataclass(frozen=True)
class Slice:
    """The rate of one value; `rest` is that of all other parts.

    `p_value` is corrected for the number of slices; None for a single slice. `stands_out`: it is
    below one minus the confidence.
    """

    value: str
    rate: Rate
    rest: Rate
    p_value: float | None
    stands_out: bool

    @property
    def is_worse(self) -> bool:
        """Whether it stands out with more events than the rest."""
        return self.stands_out and (self.rate.value or 0.0) > (self.rest.value or 0.0)


def slice_rates(
    values: Sequence[Any] | NDArray[Any],
    events: NDArray[np.bool_],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[Slice, ...]:
    """How often an event (an error, an escape) happens for each value.

    Slices that stand out as worse come first, then by rate.

    Args:
        values: [N], any categories; None and NaN become "no value".
        events: [N], one per image.
        parts: [N] part numbers; a part counts once in every slice that it has images in.
        confidence: of the intervals and the flag.

    Raises:
        ValueError: if the lengths differ.
    """
    if len(values) != len(events):
        raise ValueError(f"lengths differ: {len(values)}, {len(events)}")
    names, codes = _codes(values)
    counted = units(len(events), parts, codes)
    of, hit = counted.first(codes), counted.highest(np.asarray(events, bool))
    n = np.bincount(of, minlength=len(names))
    k = np.bincount(of[hit], minlength=len(names))
    own, rest = rates(k, n, confidence), rates(k.sum() - k, n.sum() - n, confidence)
    p_values: list[float | None] = [None] * len(names)
    if len(names) > 1:
        p_values = list(holm(fisher_p(k, n, int(k.sum()), int(n.sum())).tolist()))
    slices = [
        Slice(name, a, b, p, p is not None and p < 1 - confidence)
        for name, a, b, p in zip(names, own, rest, p_values, strict=True)
    ]
    return tuple(
        sorted(slices, key=lambda s: (not s.is_worse, -(s.rate.value or 0.0), -s.rate.n, s.value))
    )


def _codes(values: Sequence[Any] | NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
    names: dict[str, int] = {}
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    codes = [names.setdefault(_name(value), len(names)) for value in listed]
    return list(names), np.array(codes, np.int64)


def _name(value: object) -> str:
    is_missing = value is None or (isinstance(value, float) and value != value)
    return NO_VALUE if is_missing else str(value)


def fisher_p(
    k: NDArray[np.int64], n: NDArray[np.int64], all_k: int, all_n: int
) -> NDArray[np.float64]:
    """Fisher's exact test of each slice (k of n) against the rest of all: twice the smaller tail.

    Args:
        k: [S] events in each slice.
        n: [S] sizes.
        all_k: events in all slices.
        all_n: size of all slices.
    """
    from scipy.stats import hypergeom

    below = hypergeom.cdf(k, all_n, all_k, n)
    above = hypergeom.sf(k - 1, all_n, all_k, n)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)), np.float64)


def in_ranges(
    values: Sequence[float | None], write: Callable[[float], str] | None = None, bins: int = 4
) -> list[str | None]:
    """The range that each number lies in, with about equally many numbers each, for slicing.

    Args:
        values: [N]; None and what is not a number stays None.
        write: how an edge is written; else with as many digits as tell the edges apart.
        bins: at most; fewer where many values are equal.

    Returns:
        [N], such as "1: 12 to 34", numbered from the smallest range on.
    """
    numbers = np.array([np.nan if v is None else v for v in values], float)
    known = np.isfinite(numbers)
    if not known.any():
        return [None] * len(numbers)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, bins + 1)))
    texts = [write(float(e)) for e in edges] if write else _told_apart(edges)
    names = [f"{i}: {low} to {high}" for i, (low, high) in enumerate(pairwise(texts), 1)] or texts
    at = np.clip(np.searchsorted(edges, numbers, "right") - 1, 0, len(names) - 1)
    return [names[i] if is_known else None for i, is_known in zip(at, known, strict=True)]


def _told_apart(edges: NDArray[np.float64]) -> list[str]:
    # Why more digits: large numbers close together must not get the same name.
    written = ([f"{e:.{digits}g}" for e in edges] for digits in (4, 8, 17))
    return next(texts for texts in written if len(set(texts)) == len(edges))


def most_frequent(values: Sequence[str | None], most: int) -> list[str | None]:
    """The values [N], the rarer ones put together where there are more than so many."""
    counts = Counter(values)
    if len(counts) <= most:
        return list(values)
    kept = {value for value, _ in counts.most_common(most - 1)}
    return [value if value in kept else OTHERS for value in values]
