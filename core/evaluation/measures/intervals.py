"""Rates with what they prove: exact (Clopper-Pearson) intervals and bounds.

A rate of nothing is "no data": its value and interval are None, never 0. n counts independent
decisions; where several images show one part, count with `core.evaluation.parts` first.

Source: Clopper and Pearson 1934; Newcombe 1998 (Statistics in Medicine 17:2635), method 10; Zou and
Donner 2008 (Statistics in Medicine 27:1693).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import ConfigError
from core.evaluation.measures.parts import Parts, units

CONFIDENCE = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Holds the true value with this confidence, in the long run."""

    low: float
    high: float
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class Estimate:
    """A measure and its interval; None where there is no data for it.

    An interval without a value: what could not be seen here is bounded by what was.
    """

    value: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Rate:
    """k of n independent decisions; value and interval are None where n is 0."""

    k: int
    n: int
    value: float | None
    interval: Interval | None

    @property
    def has_data(self) -> bool:
        """Whether anything was counted."""
        return self.n > 0

    @property
    def complement(self) -> "Rate":
        """The rate of the others: n - k of n."""
        if self.value is None:
            return self
        bounds = self.interval
        interval = bounds and Interval(1 - bounds.high, 1 - bounds.low, bounds.confidence)
        return Rate(self.n - self.k, self.n, 1 - self.value, interval)

    def upper(self, confidence: float = CONFIDENCE) -> float | None:
        """One-sided: the rate is below this with this confidence. For claims "at most"."""
        return float(upper_bounds(self.k, self.n, confidence)) if self.n else None

    def lower(self, confidence: float = CONFIDENCE) -> float | None:
        """One-sided: the rate is above this with this confidence. For claims "at least"."""
        return float(lower_bounds(self.k, self.n, confidence)) if self.n else None

    def at(self, confidence: float) -> "Rate":
        """The same counts with an interval of another confidence."""
        return rate(self.k, self.n, confidence)


NO_DATA = Rate(0, 0, None, None)


def rate(k: int, n: int, confidence: float = CONFIDENCE) -> Rate:
    """The share k of n with its exact two-sided interval.

    Raises:
        ValueError: if not 0 <= k <= n.
        ConfigError: if the confidence is not between 0.5 and 1.
    """
    return rates([k], [n], confidence)[0]


def rates(k: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE) -> tuple[Rate, ...]:
    """One rate for every k [M] of n [M]."""
    counts, totals = np.atleast_1d(np.asarray(k, np.int64)), np.atleast_1d(np.asarray(n, np.int64))
    low, high = exact_bounds(counts, totals, confidence)
    return tuple(
        Rate(int(a), int(b), float(a / b), Interval(float(lo), float(hi), confidence))
        if b
        else Rate(0, 0, None, None)
        for a, b, lo, hi in zip(counts, totals, low, high, strict=True)
    )


def rate_of(
    events: NDArray[np.bool_], parts: Parts | None = None, confidence: float = CONFIDENCE
) -> Rate:
    """The share of parts with the event on any of their images; n counts parts.

    Args:
        events: [N], one per image.
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the interval.
    """
    counted = units(len(events), parts).highest(np.asarray(events, bool))
    return rate(int(counted.sum()), len(counted), confidence)


def exact_bounds(
    k: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Two-sided Clopper-Pearson bounds, low and high, of the shape of k; NaN where n is 0.

    Raises:
        ValueError: if not 0 <= k <= n.
        ConfigError: if the confidence is not between 0.5 and 1.
    """
    one_sided = (1 + checked_confidence(confidence)) / 2
    return lower_bounds(k, n, one_sided), upper_bounds(k, n, one_sided)


def upper_bounds(k: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE) -> Floats:
    """One-sided exact upper bounds: 1 where k = n, NaN where n is 0."""
    from scipy.special import betaincinv

    counts, totals = _counts(k, n)
    checked_confidence(confidence)
    inside = counts < totals
    bounds = betaincinv(
        np.where(inside, counts + 1, 1), np.where(inside, totals - counts, 1), confidence
    )
    result: Floats = np.where(totals == 0, np.nan, np.where(inside, bounds, 1.0))
    return result


def lower_bounds(k: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE) -> Floats:
    """One-sided exact lower bounds: 0 where k = 0, NaN where n is 0."""
    counts, totals = _counts(k, n)
    result: Floats = 1 - upper_bounds(totals - counts, totals, confidence)
    return result


def _counts(k: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts, totals = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    if ((counts < 0) | (counts > totals)).any():
        raise ValueError("a rate needs 0 <= k <= n")
    return counts, totals


def checked_confidence(confidence: float) -> float:
    """The confidence itself.

    Raises:
        ConfigError: if it is not between 0.5 and 1.
    """
    if not 0.5 <= confidence < 1:
        raise ConfigError(
            f"A confidence of {confidence:g} is not possible.",
            "Choose a value from 0.5 to below 1, usually 0.95.",
        )
    return confidence


def share_estimate(share: float, decisions: float, confidence: float = CONFIDENCE) -> Estimate:
    """A share that is no count, with the exact interval of a rate of so many decisions.

    Args:
        share: in [0, 1].
        decisions: how many independent ones tell as much; need not be whole.
        confidence: two-sided.

    Source: Korn and Graubard 1998 (Survey Methodology 24:193).
    """
    from scipy.special import betaincinv

    outside = (1 - checked_confidence(confidence)) / 2
    events, others = share * decisions, (1 - share) * decisions
    low = float(betaincinv(events, others + 1, outside)) if events > 0 else 0.0
    high = float(betaincinv(events + 1, others, 1 - outside)) if others > 0 else 1.0
    return Estimate(share, Interval(low, high, confidence))


def f1_bounds(
    hits: ArrayLike, touched: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Exact bounds of F1 scores; NaN where nothing touches the class.

    Of the decisions that touch a class (it is true, or predicted, or both), the share of hits J is
    a proportion like any other, and F1 = 2J / (1 + J) grows with it.

    Args:
        hits: true and predicted.
        touched: true or predicted.
        confidence: two-sided.
    """
    low, high = exact_bounds(hits, touched, confidence)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def wilson_bounds(
    k: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Two-sided score bounds: shorter than exact ones, for description only; NaN where n is 0."""
    from scipy.special import ndtri

    counts, totals = _counts(k, n)
    z = float(ndtri((1 + checked_confidence(confidence)) / 2))
    safe = np.maximum(totals, 1)
    share = counts / safe
    middle = share + z**2 / (2 * safe)
    reach = z * np.sqrt(share * (1 - share) / safe + z**2 / (4 * safe**2))
    scale = 1 + z**2 / safe
    low, high = (middle - reach) / scale, (middle + reach) / scale
    none = np.where(totals == 0, np.nan, 0.0)
    low, high = np.where(counts == 0, 0.0, low), np.where(counts == totals, 1.0, high)
    return low + none, high + none


def paired_difference(
    both: int, only_first: int, only_second: int, neither: int, confidence: float = CONFIDENCE
) -> Estimate:
    """Share of the first minus share of the second, of two yes/no answers on the same parts.

    Args:
        both: parts with the event in both.
        only_first: in the first only.
        only_second: in the second only.
        neither: in none of them.
        confidence: two-sided.

    Source: Newcombe 1998, method 10 (score intervals with the answers' correlation).
    """
    n = both + only_first + only_second + neither
    if n == 0:
        return Estimate(None)
    k = np.array([both + only_first, both + only_second])
    low, high = wilson_bounds(k, np.array([n, n]), confidence)
    share = k / n
    difference = float((only_first - only_second) / n)
    phi = _correlation(both, only_first, only_second, neither)
    down, up = share - low, high - share
    below = _joined(float(down[0]), float(up[1]), phi)
    above = _joined(float(up[0]), float(down[1]), phi)
    return Estimate(
        difference,
        Interval(max(-1.0, difference - below), min(1.0, difference + above), confidence),
    )


def _joined(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    first = (both + only_first) * (only_second + neither)
    second = (both + only_second) * (only_first + neither)
    if not first or not second:
        return 0.0
    n = both + only_first + only_second + neither
    cross = float(both * neither - only_first * only_second)
    # Why: Newcombe's continuity correction of a positive correlation.
    cross = max(cross - n / 2, 0.0) if cross > 0 else cross
    return cross / math.sqrt(first * second)


def mean_bounds(values: Floats, low: Floats, high: Floats, weights: Floats) -> tuple[float, float]:
    """Bounds of a weighted mean of independent measures, from their own bounds.

    Unlike a bootstrap this does not vanish where no error was seen.

    Args:
        values: [M].
        low: [M] their lower bounds.
        high: [M] their upper bounds.
        weights: [M], sum 1.

    Source: Zou and Donner 2008 (MOVER).
    """
    mean = float(weights @ values)
    down = math.sqrt(float((weights**2) @ ((values - low) ** 2)))
    up = math.sqrt(float((weights**2) @ ((high - values) ** 2)))
    return mean - down, mean + up


def mean_estimate(
    values: Floats,
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> Estimate:
    """Mean over images with a t interval whose spread is that between parts.

    Args:
        values: [N], such as the loss of every image.
        parts: [N] part numbers; None: every image is its own part.
        confidence: two-sided.
        least: no value can be below; nor is the interval.
        most: no value can be above; nor is the interval.

    Returns:
        No value for no images; no interval for fewer than two parts.
    """
    from scipy.special import stdtrit

    if not len(values):
        return Estimate(None)
    mean = float(values.mean())
    counted = units(len(values), parts)
    n = len(counted)
    if n < 2:
        return Estimate(mean)
    sums = np.add.reduceat((values - mean)[counted.order], counted.starts)
    error = math.sqrt(n / (n - 1) * float(sums @ sums)) / len(values)
    reach = float(stdtrit(n - 1, (1 + checked_confidence(confidence)) / 2)) * error
    interval = Interval(max(least, mean - reach), min(most, mean + reach), confidence)
    return Estimate(mean, interval)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for the number of tests; in the order given.

    Source: Holm 1979.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]
