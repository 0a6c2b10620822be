"""Release criteria checked against what the test set shows and proves.

Values only; the sentences are made in `core.evaluation.release.words`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from core.domain.signoff import CriterionOutcome, ReleaseOutcome
from core.evaluation.decisions.planner import parts_needed
from core.evaluation.decisions.reviews import ReviewLoad
from core.evaluation.measures.intervals import CONFIDENCE, Estimate, Rate, checked_confidence
from core.evaluation.measures.parts import Unit

Measured = Rate | Estimate | ReviewLoad | float | None


class CriterionKind(StrEnum):
    """What a criterion limits; the values are spelled as in JSON."""

    ESCAPE = "escape"
    FALSE_REJECT = "overkill"
    MACRO_F1 = "macro F1"
    RECALL = "recall"
    AUTOMATIC = "automatic share"
    REVIEWS = "reviews per shift"


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
        parts_per_shift: of a limit on reviews per shift; None for all others.
        defect_rate: of the line behind it, in [0, 1]; None: the mix of the test.
    """

    kind: CriterionKind
    limit: float
    at_most: bool = True
    proven: bool = True
    confidence: float = CONFIDENCE
    class_name: str | None = None
    parts_per_shift: float | None = None
    defect_rate: float | None = None

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
    def outcome(self) -> CriterionOutcome:
        """Met or not; what has no data is not met."""
        return CriterionOutcome.MET if self.passed else CriterionOutcome.NOT_MET

    @property
    def value(self) -> float | None:
        """The measured value; None for no data."""
        return _value(self.measured)


@dataclass(frozen=True)
class NewEscapes:
    """Defective parts that a model accepts and the current model does not.

    Attributes:
        count: of them; None: there is no model to compare with, or nothing is decided.
        unit: what is counted.
        compared: images that both models were tested on; 0: there is no model to compare with.
        not_compared: images that only the new model was tested on.
    """

    count: int | None
    unit: Unit = Unit.PARTS
    compared: int = 0
    not_compared: int = 0

    @property
    def outcome(self) -> CriterionOutcome:
        """Not applicable without a model to compare with; not met where the count is unknown."""
        if self.count is None:
            is_compared = self.compared > 0
            return CriterionOutcome.NOT_MET if is_compared else CriterionOutcome.NOT_APPLICABLE
        return CriterionOutcome.NOT_MET if self.count else CriterionOutcome.MET


@dataclass(frozen=True)
class ReleaseVerdict:
    """Whether a model passes, with everything that was checked.

    Attributes:
        checks: of the limits.
        golden: name of each golden sample -> whether the model judged it right.
        new_escapes: None where the criteria do not ask about them.
        limits_reviews: whether a criterion limits what goes to inspector review, or the rule sends
            nothing there; else a rule that sends every part there passes every limit on escapes
            and false rejects.
    """

    checks: tuple[Check, ...]
    golden: Mapping[str, bool] = field(default_factory=dict)
    new_escapes: NewEscapes | None = None
    limits_reviews: bool = True

    @property
    def is_empty(self) -> bool:
        """Nothing was checked, which proves nothing."""
        new = self.new_escapes
        has_new = new is not None and new.outcome is not CriterionOutcome.NOT_APPLICABLE
        return not self.checks and not self.golden and not has_new

    @property
    def is_without_data(self) -> bool:
        """Nothing that was required was missed; there was nothing to check some of it on."""
        missed = [check.result for check in self.checks if not check.passed]
        has_no_data = bool(missed) and all(result is CheckResult.NO_DATA for result in missed)
        return self.is_empty or (has_no_data and not self.failed_golden)

    @property
    def failed_golden(self) -> tuple[str, ...]:
        """The golden samples that were judged wrong."""
        return tuple(name for name, is_right in self.golden.items() if not is_right)

    @property
    def golden_outcome(self) -> CriterionOutcome:
        """Whether all golden samples are judged right; not applicable where there is none."""
        if not self.golden:
            return CriterionOutcome.NOT_APPLICABLE
        return CriterionOutcome.NOT_MET if self.failed_golden else CriterionOutcome.MET

    @property
    def outcome(self) -> ReleaseOutcome:
        """Pass, if something was checked and nothing that was required is not met."""
        outcomes = [check.outcome for check in self.checks]
        outcomes.append(self.golden_outcome)
        if self.new_escapes is not None:
            outcomes.append(self.new_escapes.outcome)
        is_blocked = self.is_empty or CriterionOutcome.NOT_MET in outcomes
        return ReleaseOutcome.BLOCK if is_blocked else ReleaseOutcome.PASS

    @property
    def passed(self) -> bool:
        """Whether the model may be released."""
        return self.outcome is ReleaseOutcome.PASS


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
    return measured.value if isinstance(measured, Rate | Estimate | ReviewLoad) else measured


def _bound(criterion: Criterion, measured: Measured) -> float | None:
    if isinstance(measured, Rate):
        one_sided = measured.upper if criterion.at_most else measured.lower
        return one_sided(criterion.confidence)
    if isinstance(measured, ReviewLoad):
        return measured.upper(criterion.confidence)
    if isinstance(measured, Estimate) and measured.interval:
        return measured.interval.high if criterion.at_most else measured.interval.low
    return None


def _parts_needed(criterion: Criterion, measured: Measured) -> int | None:
    """How many parts would do where the measured value is good enough and only proof is missing."""
    if isinstance(measured, ReviewLoad):
        return _parts_for_reviews(criterion, measured)
    if not isinstance(measured, Rate):
        return None
    limit = criterion.limit if criterion.at_most else 1 - criterion.limit
    errors = measured.k if criterion.at_most else measured.n - measured.k
    return _needed(limit, errors, measured.n, criterion.confidence)


def _parts_for_reviews(criterion: Criterion, measured: ReviewLoad) -> int | None:
    """The same for reviews; not for a mix of its own, where it takes both kinds of parts."""
    if measured.defect_rate is not None:
        return None
    reviews = measured.outcome.automatic.complement
    limit = criterion.limit / measured.parts_per_shift
    return _needed(limit, reviews.k, reviews.n, criterion.confidence)


def _needed(limit: float, errors: int, n: int, confidence: float) -> int | None:
    if not 0 < limit < 1 or errors >= limit * n:
        return None
    return parts_needed(limit, confidence=confidence, errors=errors)
