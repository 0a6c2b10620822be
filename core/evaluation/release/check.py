"""Release criteria checked against what the test set shows and proves.

Values only; the sentences are made in `core.evaluation.release.words`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from core.evaluation.decisions.planner import parts_needed
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, Rate, checked_confidence
from core.evaluation.measures.parts import Unit

Measured = Rate | Estimate | float | None


class CriterionKind(StrEnum):
    """What a criterion limits; the values are spelled as in JSON."""

    ESCAPE = "escape"
    FALSE_REJECT = "overkill"
    MACRO_F1 = "macro F1"
    RECALL = "recall"


# A kind, and the class it is about; None for all classes together.
MeasureKey = tuple[CriterionKind, str | None]


@dataclass(frozen=True)
class Criterion:
    """A limit on a measure, in the measure's own unit.

    Attributes:
        kind: what is limited.
        limit: that must be kept.
        at_most: the measure must not exceed the limit; else it must reach it.
        proven: the bound must keep the limit, not only the measured value.
        confidence: of a proven limit, one-sided for rates; for other measures the end of the
            interval they come with.
        class_name: of a recall; None: of every class.
    """

    kind: CriterionKind
    limit: float
    at_most: bool = True
    proven: bool = True
    confidence: float = CONFIDENCE
    class_name: str | None = None

    @property
    def key(self) -> MeasureKey:
        """Under which its measure is found."""
        return self.kind, self.class_name


class CheckResult(StrEnum):
    """How a criterion came out, and why."""

    MET = "met"
    MISSED = "missed"
    NOT_PROVEN = "not proven"  # the measured value keeps the limit, its bound does not
    NO_BOUND = "no bound"  # a proof is required, and the measure comes without a bound
    NO_DATA = "no data"


@dataclass(frozen=True)
class Check:
    """One criterion with what was measured.

    Attributes:
        criterion: what was required.
        result: how it came out.
        measured: the measure; None where there is no data.
        bound: of the measure on the side of the limit, where it has one.
        parts_needed: parts that would prove the limit if no further error came, where only the
            proof is missing.
    """

    criterion: Criterion
    result: CheckResult
    measured: Measured
    bound: float | None = None
    parts_needed: int | None = None

    @property
    def passed(self) -> bool:
        """Whether the criterion is met."""
        return self.result is CheckResult.MET

    @property
    def value(self) -> float | None:
        """The measured value; None for no data."""
        return _value(self.measured)


@dataclass(frozen=True)
class NewEscapes:
    """Defective parts that a model accepts and the current model does not.

    Attributes:
        count: of them; None: there is no comparison with the current model.
        unit: what is counted.
        compared: images that both models were tested on.
        not_compared: images that only the new model was tested on.
    """

    count: int | None
    unit: Unit = Unit.PARTS
    compared: int = 0
    not_compared: int = 0


@dataclass(frozen=True)
class ReleaseVerdict:
    """Whether a model passes, with everything that was checked.

    Attributes:
        checks: of the limits.
        golden: name of each golden sample -> whether the model judged it right.
        new_escapes: None where the criteria do not ask about them.
    """

    checks: tuple[Check, ...]
    golden: Mapping[str, bool] = field(default_factory=dict)
    new_escapes: NewEscapes | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing was checked, which proves nothing."""
        return not self.checks and not self.golden and self.new_escapes is None

    @property
    def failed_golden(self) -> tuple[str, ...]:
        """The golden samples that were judged wrong."""
        return tuple(name for name, is_right in self.golden.items() if not is_right)

    @property
    def passed(self) -> bool:
        """Whether everything that was required is met."""
        return (
            not self.is_empty
            and all(check.passed for check in self.checks)
            and not self.failed_golden
            and (self.new_escapes is None or self.new_escapes.count == 0)
        )


def check_criteria(
    criteria: Sequence[Criterion], measures: Mapping[MeasureKey, Measured]
) -> tuple[Check, ...]:
    """Every criterion with its measure; one that is missing or has no data is not met."""
    return tuple(_check(criterion, measures.get(criterion.key)) for criterion in criteria)


def _check(criterion: Criterion, measured: Measured) -> Check:
    checked_confidence(criterion.confidence)
    value, bound = _value(measured), _bound(criterion, measured)
    if value is None:
        return Check(criterion, CheckResult.NO_DATA, None)
    if not criterion.proven:
        result = CheckResult.MET if _keeps(criterion, value) else CheckResult.MISSED
        return Check(criterion, result, measured, bound)
    if bound is None:
        return Check(criterion, CheckResult.NO_BOUND, measured)
    if _keeps(criterion, bound):
        return Check(criterion, CheckResult.MET, measured, bound)
    result = CheckResult.NOT_PROVEN if _keeps(criterion, value) else CheckResult.MISSED
    return Check(criterion, result, measured, bound, _parts_needed(criterion, measured))


def _keeps(criterion: Criterion, value: float) -> bool:
    return value <= criterion.limit if criterion.at_most else value >= criterion.limit


def _value(measured: Measured) -> float | None:
    return measured.value if isinstance(measured, Rate | Estimate) else measured


def _bound(criterion: Criterion, measured: Measured) -> float | None:
    if isinstance(measured, Rate):
        one_sided = measured.upper if criterion.at_most else measured.lower
        return one_sided(criterion.confidence)
    if isinstance(measured, Estimate) and measured.interval:
        return measured.interval.high if criterion.at_most else measured.interval.low
    return None


def _parts_needed(criterion: Criterion, measured: Measured) -> int | None:
    """How many parts would do where the measured value is good enough and only proof is missing."""
    if not isinstance(measured, Rate):
        return None
    limit = criterion.limit if criterion.at_most else 1 - criterion.limit
    errors = measured.k if criterion.at_most else measured.n - measured.k
    if not 0 < limit < 1 or errors >= limit * measured.n:
        return None
    return parts_needed(limit, confidence=criterion.confidence, errors=errors)
