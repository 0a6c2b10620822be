"""Automatic on as many parts as can be, with a promise that holds with 95% confidence.

Choosing a threshold on validation and then quoting its rate there is too good to be true, because
the choice used the same parts. Here thresholds come from a grid fixed in advance and are
tested one after the other from the safest on, each by an exact binomial test, up to the first that
fails. With the chosen one the true rate is above its limit in at most 5% of all validation sets.
It holds for parts drawn like the validation parts; a changed line voids it.

Source: Bates et al. 2021, "Distribution-Free, Risk-Controlling Prediction Sets"; Angelopoulos et
al. 2021, "Learn then Test" (fixed-sequence testing).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.decisions.limits import rounded
from core.evaluation.decisions.outcome import ABOVE_ALL, OperatingPoint, Outcome, PartScores
from core.evaluation.decisions.planner import parts_needed
from core.evaluation.measures.intervals import CONFIDENCE, Rate, checked_confidence
from core.words import exact_percent

# Fixed in advance, finer towards 0 and 1: log odds from -14 to 14 (about one in a million), and
# rounded, so that a promise is made for the very threshold that is shown.
GRID: NDArray[np.float64] = rounded(1 / (1 + np.exp(-np.linspace(-14, 14, 561))))


@dataclass(frozen=True)
class Guarantee:
    """A rule with a promise: escape (and overkill) stay within their limits.

    `automatic` is the share of parts without inspector review, in the mix of the validation parts.
    `remarks` says in words where nothing can be guaranteed, and how many parts are needed.
    """

    point: OperatingPoint
    max_escape: float
    max_overkill: float | None
    confidence: float
    automatic: Rate
    is_possible: bool
    remarks: tuple[str, ...] = ()


def guarantee(
    scores: PartScores,
    *,
    max_escape: float,
    max_overkill: float | None = None,
    confidence: float = CONFIDENCE,
) -> Guarantee:
    """The largest automatic share that keeps the promise.

    With a limit on escapes alone, parts are accepted or go to inspector review; with one on
    overkill too, the surest defects are rejected, and both promises hold together (each is tested
    at half the doubt).

    Args:
        scores: of validation parts, see `core.evaluation.decisions.part_scores`.
        max_escape: defective parts accepted, of all defective parts, at most.
        max_overkill: good parts rejected, of all good parts, at most; None: nothing is rejected
            without inspector review.
        confidence: of the promise.

    Raises:
        ConfigError: if a limit is not between 0 and 1.
    """
    limits = [max_escape] if max_overkill is None else [max_escape, max_overkill]
    for limit in limits:
        _check_limit(limit)
    doubt = (1 - checked_confidence(confidence)) / len(limits)
    accepted = np.searchsorted(scores.nok, GRID, "left")
    accept_below = _last_safe(GRID, accepted, len(scores.nok), max_escape, doubt, nothing=0.0)
    reject_from = ABOVE_ALL
    if max_overkill is not None:
        rejected = len(scores.ok) - np.searchsorted(scores.ok, GRID, "left")
        reject_from = _last_safe(
            GRID[::-1], rejected[::-1], len(scores.ok), max_overkill, doubt, nothing=ABOVE_ALL
        )
    point = OperatingPoint(accept_below, max(accept_below, reject_from))
    unit = scores.unit.word
    remarks = _missing(len(scores.nok), f"defective {unit}", "an escape", max_escape, doubt)
    if max_overkill is not None:
        good = f"good {unit}"
        remarks += _missing(len(scores.ok), good, "a false reject", max_overkill, doubt)
    result = scores.outcome(point, confidence)
    return Guarantee(
        point,
        max_escape,
        max_overkill,
        confidence,
        result.automatic,
        not remarks,
        remarks + result.remarks,
    )


def _check_limit(limit: float) -> None:
    if not 0 < limit < 1:
        raise ConfigError(
            f"A limit of {exact_percent(limit)} cannot be guaranteed.",
            "Choose a rate above 0 and below 100%.",
        )


def _last_safe(
    grid: NDArray[np.float64],
    errors: NDArray[np.integer[Any]],
    n: int,
    limit: float,
    doubt: float,
    *,
    nothing: float,
) -> float:
    """The last threshold of the sequence before the first one that is not proven."""
    from scipy.special import bdtr

    if not n:
        return nothing
    proven = bdtr(errors.astype(float), n, limit) <= doubt
    safe = int(np.argmin(proven)) if not proven.all() else len(grid)
    return float(grid[safe - 1]) if safe else nothing


def _missing(n: int, kind: str, what: str, limit: float, doubt: float) -> tuple[str, ...]:
    needed = parts_needed(limit, confidence=1 - doubt)
    if n >= needed:
        return ()
    return (
        f"{n:,} {kind} cannot prove {what} rate of at most {exact_percent(limit)}: at least "
        f"{needed:,} are needed.",
    )


class Verification(StrEnum):
    """What an independent test says of a promise."""

    CONFIRMED = "confirmed"
    IN_LINE = "in line"
    CONTRADICTED = "contradicted"
    NO_DATA = "no data"


def verify(promised: Guarantee, on_test: Outcome) -> Verification:
    """Check the promise on test parts that had no part in making it.

    Confirmed: the test alone proves it. Contradicted: the test alone proves the opposite. In line:
    too few parts for either. At the promise's confidence, one-sided.
    """
    pairs = [(on_test.escape, promised.max_escape)]
    if promised.max_overkill is not None:
        pairs.append((on_test.overkill, promised.max_overkill))
    verdicts = {_check_limit_on_test(rate, limit, promised.confidence) for rate, limit in pairs}
    severity = (Verification.CONTRADICTED, Verification.NO_DATA, Verification.IN_LINE)
    return next((v for v in severity if v in verdicts), Verification.CONFIRMED)


def _check_limit_on_test(rate: Rate, limit: float, confidence: float) -> Verification:
    upper, lower = rate.upper(confidence), rate.lower(confidence)
    if upper is None or lower is None:
        return Verification.NO_DATA
    if lower > limit:
        return Verification.CONTRADICTED
    return Verification.CONFIRMED if upper <= limit else Verification.IN_LINE
