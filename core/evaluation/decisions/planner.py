"""How many test parts prove a claim; exact binomial, one-sided."""

import math
from dataclasses import dataclass

from core.errors import ConfigError
from core.evaluation.measures.intervals import CONFIDENCE, checked_confidence, upper_bounds
from core.words import exact_percent

_MOST = 2**30  # scipy's binomial counts in 32 bits
_MOST_ALLOWED = 100_000
LIKELY = 0.9  # the chance to pass that a planned test should have


def parts_needed(rate: float, *, confidence: float = CONFIDENCE, errors: int = 0) -> int:
    """The least number of parts that prove, with so many errors among them, "below this rate".

    Args:
        rate: claimed limit of the true rate, in (0, 1).
        confidence: of the claim, one-sided.
        errors: that the test may have.

    Raises:
        ConfigError: if rate or confidence is out of range, or errors negative.
    """
    from scipy.special import bdtr

    if not 0 < rate < 1 or errors < 0:
        raise ConfigError(
            f"A rate below {exact_percent(rate)} with {errors} errors cannot be planned.",
            "Choose a rate above 0 and below 100%, and at least 0 errors.",
        )
    doubt = 1 - checked_confidence(confidence)
    low, high = errors, errors + 1
    # Why the tiny slack: 1 - 0.95 is not exactly 0.05.
    while bdtr(errors, high, rate) > doubt * (1 + 1e-9):
        low, high = high, 2 * high
        if high > _MOST:
            raise ConfigError(
                f"A rate below {exact_percent(rate)} needs billions of parts.",
                "Claim a larger rate.",
            )
    while high - low > 1:
        middle = (low + high) // 2
        if bdtr(errors, middle, rate) > doubt * (1 + 1e-9):
            low = middle
        else:
            high = middle
    return high


def proven_rate(errors: int, n: int, *, confidence: float = CONFIDENCE) -> float | None:
    """The lowest rate that n parts with so many errors prove; None for no parts."""
    return float(upper_bounds(errors, n, confidence)) if n else None


def chance_to_pass(n: int, errors: int, true_rate: float) -> float:
    """How likely a test of n parts has at most so many errors, if this is the true rate.

    Raises:
        ConfigError: if the rate is not from 0 to 1.
    """
    from scipy.special import bdtr

    if not 0 <= true_rate <= 1:
        raise ConfigError(
            f"A true rate of {exact_percent(true_rate)} is not possible.",
            "Give the expected rate, from 0 to 1; 0.01 is 1%.",
        )
    return 1.0 if errors >= n else float(bdtr(errors, n, true_rate))


@dataclass(frozen=True)
class PlanRow:
    """One way to prove a claim: so many parts, at most so many errors.

    `chance_to_pass` at the expected true rate; None if no expectation was given.
    """

    errors: int
    parts: int
    chance_to_pass: float | None = None


@dataclass(frozen=True)
class TestPlan:
    """How many defective parts prove the escape claim and how many good ones the overkill claim.

    Each claim holds with this confidence by itself.
    """

    __test__ = False

    confidence: float
    max_escape: float
    max_overkill: float
    defective: tuple[PlanRow, ...]
    good: tuple[PlanRow, ...]


def plan_test(
    max_escape: float,
    max_overkill: float,
    *,
    confidence: float = CONFIDENCE,
    expected_escape: float | None = None,
    expected_overkill: float | None = None,
    most_errors: int = 3,
) -> TestPlan:
    """Parts to collect for both claims, for 0 up to `most_errors` errors.

    Raises:
        ConfigError: if a rate, an expected one too, or the confidence is out of range, or an
            expected rate is not below its claim.
    """
    return TestPlan(
        confidence,
        max_escape,
        max_overkill,
        _rows(max_escape, expected_escape, confidence, most_errors),
        _rows(max_overkill, expected_overkill, confidence, most_errors),
    )


def plan_automatic(
    min_share: float,
    *,
    confidence: float = CONFIDENCE,
    expected_share: float | None = None,
    most_reviews: int = 3,
) -> tuple[PlanRow, ...]:
    """Parts that prove "at least this share is decided without a person".

    An error of such a test is an inspector review, and there are usually many. So the rows for 0
    up to `most_reviews` of them are followed by the smallest test that passes with a chance of
    `LIKELY` or more, where the expected share is given.

    Args:
        min_share: claimed, in (0, 1).
        confidence: of the claim, one-sided.
        expected_share: the true one, above the claim; None: not known.
        most_reviews: in the first rows.

    Raises:
        ConfigError: if a share or the confidence is out of range, or the expected share is not
            above the claim.
    """
    limit = 1 - min_share
    expected = None if expected_share is None else 1 - expected_share
    rows = _rows(limit, expected, confidence, most_reviews)
    if expected is None or any((row.chance_to_pass or 0.0) >= LIKELY for row in rows):
        return rows
    return (*rows, _likely_row(limit, expected, confidence, most_reviews))


def _likely_row(limit: float, expected: float, confidence: float, failing: int) -> PlanRow:
    """The fewest errors allowed with which a test passes with the usual chance."""

    def row(errors: int) -> PlanRow:
        parts = parts_needed(limit, confidence=confidence, errors=errors)
        return PlanRow(errors, parts, chance_to_pass(parts, errors, expected))

    def passes(errors: int) -> bool:
        return (row(errors).chance_to_pass or 0.0) >= LIKELY

    low, high = failing, 2 * failing + 1
    while not passes(high):
        low, high = high, 2 * high
        if high > _MOST_ALLOWED:
            raise ConfigError(
                f"A true rate of {exact_percent(expected)} is too near to the claim of "
                f"{exact_percent(limit)}: proving it takes millions of parts.",
                "Claim less, or expect more.",
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return row(high)


def _rows(
    limit: float, expected: float | None, confidence: float, most_errors: int
) -> tuple[PlanRow, ...]:
    needed = [
        (k, parts_needed(limit, confidence=confidence, errors=k)) for k in range(most_errors + 1)
    ]
    rows = tuple(
        PlanRow(k, n, None if expected is None else chance_to_pass(n, k, expected))
        for k, n in needed
    )
    if expected is not None and expected >= limit:
        raise ConfigError(
            f"A true rate of {exact_percent(expected)} cannot be proven to be below "
            f"{exact_percent(limit)}.",
            "Expect a rate below the claim, or claim a larger one.",
        )
    return rows


def zero_error_parts(rate: float, confidence: float = CONFIDENCE) -> int:
    """The same for no error, by the closed formula ceil(ln a / ln(1 - p)); for explanations."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate) - 1e-9)
