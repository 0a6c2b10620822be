"""May this model run? Criteria set beforehand, held against what the test set proves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from core.errors import ConfigError
from core.evaluation.decisions.planner import parts_needed
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, Rate, checked_confidence

Measured = Rate | Estimate | float | None


@dataclass(frozen=True)
class Criterion:
    """A limit on a measure, in the measure's own unit.

    Attributes:
        measure: its name in the values that the gate gets.
        limit: that must be kept.
        at_most: the measure must not exceed the limit; else it must reach it.
        proven: the bound must keep the limit, not just the value seen.
        confidence: of a proven limit, one-sided for rates; for other measures the end of the
            interval they come with.
    """

    measure: str
    limit: float
    at_most: bool = True
    proven: bool = True
    confidence: float = CONFIDENCE


def criteria_to_json(criteria: Sequence[Criterion]) -> str:
    """The criteria as JSON, for a row or a seal."""
    return json.dumps([asdict(criterion) for criterion in criteria], sort_keys=True)


def criteria_from_json(text: str) -> tuple[Criterion, ...]:
    """The criteria that `criteria_to_json` wrote.

    Raises:
        ConfigError: if the text is no such list.
    """
    try:
        return tuple(
            Criterion(
                str(item["measure"]),
                float(item["limit"]),
                at_most=bool(item["at_most"]),
                proven=bool(item["proven"]),
                confidence=checked_confidence(float(item["confidence"])),
            )
            for item in json.loads(text)
        )
    except (ValueError, TypeError, KeyError) as err:
        raise ConfigError(
            f"These criteria cannot be read: {err}.",
            "They may come from a newer version of Touchstone; set them anew.",
        ) from err


@dataclass(frozen=True)
class Check:
    """One criterion held against its measure, with the reason in plain words."""

    criterion: Criterion
    passed: bool
    value: float | None
    bound: float | None
    reason: str


@dataclass(frozen=True)
class ReleaseVerdict:
    """Pass or block, and why; `failed_golden` are the golden samples that were judged wrong."""

    passed: bool
    checks: tuple[Check, ...]
    failed_golden: tuple[str, ...]
    reasons: tuple[str, ...]


def release_gate(
    criteria: Sequence[Criterion],
    measures: Mapping[str, Measured],
    golden: Mapping[str, bool] | None = None,
) -> ReleaseVerdict:
    """Hold the criteria against the measures; every golden sample must be judged right.

    Args:
        criteria: set before the test set was opened.
        measures: by name; a measure that is missing or has no data blocks.
        golden: name of each golden sample -> whether the model judged it right.

    Raises:
        ConfigError: if there is neither a criterion nor a golden sample.
    """
    if not criteria and not golden:
        raise ConfigError(
            "There is nothing to hold the model against.", "Set at least one criterion."
        )
    checks = tuple(_check(criterion, measures.get(criterion.measure)) for criterion in criteria)
    failed = tuple(name for name, is_right in (golden or {}).items() if not is_right)
    reasons = [check.reason for check in checks if not check.passed]
    if failed:
        reasons.append(f"{len(failed)} of {len(golden or {})} golden samples are judged wrong.")
    return ReleaseVerdict(not reasons, checks, failed, tuple(reasons))


def _check(criterion: Criterion, measured: Measured) -> Check:
    checked_confidence(criterion.confidence)
    value = measured if measured is None or isinstance(measured, float | int) else measured.value
    limit = f"{'at most' if criterion.at_most else 'at least'} {_plain(criterion.limit, measured)}"
    name = criterion.measure
    if value is None:
        return Check(criterion, False, None, None, f"{name}: no data, but {limit} is asked.")
    bound = _bound(criterion, measured)
    if criterion.proven and bound is None:
        reason = f"{name}: {_plain(value, measured)} has no bound, but {limit} must be proven."
        return Check(criterion, False, value, None, reason)
    counts = bound if criterion.proven and bound is not None else value
    passed = counts <= criterion.limit if criterion.at_most else counts >= criterion.limit
    advice = "" if passed else _advice(criterion, measured)
    return Check(
        criterion,
        passed,
        value,
        bound,
        f"{name}: {_said(criterion, measured, value, bound)}; {limit} is asked.{advice}",
    )


def _bound(criterion: Criterion, measured: Measured) -> float | None:
    if isinstance(measured, Rate):
        one_sided = measured.upper if criterion.at_most else measured.lower
        return one_sided(criterion.confidence)
    if isinstance(measured, Estimate) and measured.interval:
        return measured.interval.high if criterion.at_most else measured.interval.low
    return None


def _said(criterion: Criterion, measured: Measured, value: float, bound: float | None) -> str:
    seen = _plain(value, measured)
    if isinstance(measured, Rate):
        seen += f" ({measured.k:,} of {measured.n:,})"
    if not criterion.proven or bound is None:
        return f"{seen} seen"
    side = "below" if criterion.at_most else "above"
    return f"{seen} seen, proven to be {side} {_plain(bound, measured)}"


def _advice(criterion: Criterion, measured: Measured) -> str:
    """How many parts would do where the value seen is good enough and only proof is missing."""
    if not isinstance(measured, Rate) or not criterion.proven or measured.value is None:
        return ""
    limit = criterion.limit if criterion.at_most else 1 - criterion.limit
    errors = measured.k if criterion.at_most else measured.n - measured.k
    if not 0 < limit < 1 or errors >= limit * measured.n:
        return ""
    needed = parts_needed(limit, confidence=criterion.confidence, errors=errors)
    return f" With no further error, {needed:,} parts would prove it."


def _plain(value: float, measured: Measured) -> str:
    return f"{100 * value:.3g}%" if isinstance(measured, Rate) else f"{value:.4g}"
