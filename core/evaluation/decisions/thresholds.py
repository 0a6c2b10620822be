"""Thresholds of the NOK probability and per class: all that matter, and those that keep a limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.decisions.limits import between
from core.evaluation.decisions.outcome import (
    ABOVE_ALL,
    OperatingPoint,
    PartScores,
    below_class_threshold,
    single_threshold,
)
from core.evaluation.decisions.planner import parts_needed
from core.evaluation.measures.classification import Probabilities
from core.evaluation.measures.intervals import CONFIDENCE, Rate, exact_bounds, rate, upper_bounds
from core.evaluation.measures.parts import Parts, units
from core.evaluation.measures.ranking import MAX_POINTS, thinned
from core.words import exact_percent

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TradeOff:
    """Escape against overkill over the threshold, all [P], with two-sided exact bounds.

    `thresholds` ascend: escape grows with them, overkill falls. Values and bounds are NaN where
    there is no such part.
    """

    thresholds: Floats
    escape: Floats
    escape_low: Floats
    escape_high: Floats
    overkill: Floats
    overkill_low: Floats
    overkill_high: Floats


def trade_off(
    scores: PartScores, *, confidence: float = CONFIDENCE, max_points: int = MAX_POINTS
) -> TradeOff:
    """Both rates at every threshold that matters, at most `max_points` of them."""
    cuts = thresholds_between(scores)
    escapes = np.searchsorted(scores.nok, cuts, "left")
    alarms = len(scores.ok) - np.searchsorted(scores.ok, cuts, "left")
    kept = thinned(escapes / max(1, len(scores.nok)), alarms / max(1, len(scores.ok)), max_points)
    cuts, escapes, alarms = cuts[kept], escapes[kept], alarms[kept]
    defective, good = np.float64(len(scores.nok)), np.float64(len(scores.ok))
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN, as promised
        escape, overkill = escapes / defective, alarms / good
    return TradeOff(
        cuts,
        escape,
        *exact_bounds(escapes, defective, confidence),
        overkill,
        *exact_bounds(alarms, good, confidence),
    )


def thresholds_between(scores: PartScores) -> Floats:
    """Every threshold that makes a difference: between neighbouring scores, and the two ends.

    Why between: a score exactly on its threshold would flip with the last digit of the runtime.
    """
    distinct = np.unique(np.concatenate([scores.ok, scores.nok]))
    return np.concatenate([[0.0], between(distinct[:-1], distinct[1:]), [ABOVE_ALL]])


def threshold_for_escape(
    scores: PartScores, max_escape: float, *, confidence: float | None = None
) -> float:
    """The highest threshold, so the least overkill, whose escape is at most this.

    Args:
        scores: of validation parts.
        max_escape: limit, in [0, 1].
        confidence: None: the observed rate keeps the limit; else its one-sided exact upper bound
            does. (For a promise that also holds for the choice itself see
            `core.evaluation.guarantee`.)

    Returns:
        0 (accept nothing) where only that keeps the limit.

    Raises:
        ConfigError: if there is no defective part, or too few to prove the limit.
    """
    if not len(scores.nok):
        raise ConfigError(
            "A limit on escapes needs defective parts; there are none.",
            "Choose a subset with images of NOK classes.",
        )
    allowed = _allowed(len(scores.nok), max_escape, confidence)
    if allowed < 0:
        kind = f"defective {scores.unit.word}"
        raise _unprovable(len(scores.nok), kind, "an escape", max_escape, confidence)
    if allowed == len(scores.nok):
        return ABOVE_ALL
    return _just_below(scores, float(scores.nok[allowed]))


def threshold_for_overkill(
    scores: PartScores, max_overkill: float, *, confidence: float | None = None
) -> float:
    """The lowest threshold, so the least escape, whose overkill is at most this.

    Returns:
        `ABOVE_ALL` (reject nothing) where only that keeps the limit.

    Raises:
        ConfigError: if there is no good part, or too few to prove the limit.
    """
    if not len(scores.ok):
        raise ConfigError(
            "A limit on false rejects needs good parts; there are none.",
            "Choose a subset with images of OK classes.",
        )
    allowed = _allowed(len(scores.ok), max_overkill, confidence)
    if allowed < 0:
        kind = f"good {scores.unit.word}"
        raise _unprovable(len(scores.ok), kind, "a false reject", max_overkill, confidence)
    if allowed == len(scores.ok):
        return 0.0
    return _just_above(scores, float(scores.ok[::-1][allowed]))


def choose_point(
    scores: PartScores,
    *,
    max_escape: float | None = None,
    max_overkill: float | None = None,
    confidence: float | None = None,
) -> OperatingPoint:
    """The rule that keeps the limits on these parts; with both, a review zone is left in between.

    Where one threshold can keep both limits, there is no review zone, and overkill is the least
    that the limit on escapes allows.

    Raises:
        ConfigError: if no limit is given, or there are no parts to check it on.
    """
    if max_escape is None and max_overkill is None:
        raise ConfigError(
            "No limit was given.", "Set the largest escape rate, false reject rate, or both."
        )
    if max_overkill is None:
        limit = 0.0 if max_escape is None else max_escape
        return single_threshold(threshold_for_escape(scores, limit, confidence=confidence))
    reject_from = threshold_for_overkill(scores, max_overkill, confidence=confidence)
    if max_escape is None:
        return single_threshold(reject_from)
    accept_below = threshold_for_escape(scores, max_escape, confidence=confidence)
    return OperatingPoint(accept_below, max(accept_below, reject_from))


def _allowed(n: int, limit: float, confidence: float | None) -> int:
    """How many errors of n keep the limit; -1 if not even none does."""
    if not 0 <= limit <= 1:
        raise ConfigError(
            f"A limit of {exact_percent(limit)} is not possible.", "Choose a rate from 0 to 100%."
        )
    k = np.arange(n + 1)
    reached = k / n if confidence is None else upper_bounds(k, np.full(n + 1, n), confidence)
    return int(np.searchsorted(reached, limit + 1e-12, "right")) - 1


def _unprovable(
    n: int, kind: str, what: str, limit: float, confidence: float | None
) -> ConfigError:
    """Says that not even a test without an error would prove the limit."""
    has_limit = limit > 0 and confidence is not None
    needed = parts_needed(limit, confidence=confidence or CONFIDENCE) if has_limit else None
    more = f": at least {needed:,} are needed" if needed else ""
    return ConfigError(
        f"{n:,} {kind} cannot prove {what} rate of at most {exact_percent(limit)}{more}.",
        "Choose a larger limit or a lower confidence, or collect more images: Plan says how many.",
    )


def _just_below(scores: PartScores, score: float) -> float:
    """A threshold that leaves `score` rejected and accepts everything below it."""
    lower = [
        s[i - 1] for s in (scores.ok, scores.nok) if (i := int(np.searchsorted(s, score, "left")))
    ]
    return float(between(max(lower), score)) if lower else 0.0


def _just_above(scores: PartScores, score: float) -> float:
    """A threshold that leaves `score` accepted and rejects everything above it."""
    higher = [
        s[i]
        for s in (scores.ok, scores.nok)
        if (i := int(np.searchsorted(s, score, "right"))) < len(s)
    ]
    return float(between(score, min(higher))) if higher else ABOVE_ALL


def class_thresholds_for_error(
    probabilities: Probabilities, targets: NDArray[np.int64], max_error: float
) -> tuple[float, ...]:
    """For every class the lowest threshold above which at most this share of its predictions errs.

    Args:
        probabilities: [N, C] of validation images, rows sum to 1.
        targets: [N], class indices in [0, C).
        max_error: share, in [0, 1], counted in images.

    Returns:
        [C]; `ABOVE_ALL` (always inspector review) where no threshold keeps the limit or the
        class is never predicted.
    """
    if not 0 <= max_error <= 1:
        raise ConfigError(f"A limit of {max_error:g} is not possible.", "Choose 0 to 100%.")
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1).astype(float)
    return tuple(
        _lowest_threshold(sure[predicted == c], targets[predicted == c] != c, max_error)
        for c in range(probabilities.shape[1])
    )


def _lowest_threshold(sure: Floats, wrong: NDArray[np.bool_], max_error: float) -> float:
    order = np.argsort(-sure, kind="stable")
    ordered = sure[order]
    errors = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    # Why only there: images of equal confidence go together.
    last = np.append(np.diff(ordered) != 0, True)[: len(ordered)]
    kept = np.flatnonzero((errors <= max_error) & last)
    if not len(kept):
        return ABOVE_ALL
    at = int(kept[-1])
    return float(between(ordered[at + 1], ordered[at])) if at + 1 < len(ordered) else 0.0


def automatic_errors(
    probabilities: Probabilities,
    targets: NDArray[np.int64],
    class_thresholds: Sequence[float],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> Rate:
    """Of the parts that thresholds per class leave automatic, those predicted as a wrong class.

    A part goes to inspector review if any of its images does.
    """
    held, predicted = (
        below_class_threshold(probabilities, class_thresholds),
        probabilities.argmax(axis=1),
    )
    counted = units(len(targets), parts)
    automatic = ~counted.highest(held)
    wrong = counted.highest(predicted != targets) & automatic
    return rate(int(wrong.sum()), int(automatic.sum()), confidence)
