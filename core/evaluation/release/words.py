"""Release criteria and what became of them in sentences, for page, command line and report."""

from dataclasses import dataclass
from typing import assert_never

from core.domain.signoff import CriterionOutcome
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.release.check import (
    Check,
    CheckResult,
    Criterion,
    CriterionKind,
    NewEscapes,
    ReleaseVerdict,
)
from core.evaluation.release.criteria import ReleaseCriteria
from core.words import exact, exact_percent, shortened, shortened_percent

NO_NEW_ESCAPES = "no new escapes compared with the current model"
GOLDEN_RIGHT = "every golden sample judged correctly"
REVIEWS_NOT_LIMITED = (
    "No criterion limits the automatic share: a rule that sends every part to inspector review "
    "passes every limit on escapes."
)


@dataclass(frozen=True)
class CheckedLine:
    """A line of a verdict: what was required and what came out; `sentence` says both in one."""

    required: str
    measured: str
    outcome: CriterionOutcome
    sentence: str


def measure_key(criterion: Criterion) -> str:
    """The name of a measure in JSON, such as "escape" or "recall of good"."""
    if criterion.class_name is None:
        return criterion.kind.value
    return f"{criterion.kind.value} of {criterion.class_name}"


def measure_title(criterion: Criterion) -> str:
    """The name of a measure for people."""
    match criterion.kind:
        case CriterionKind.ESCAPE:
            return "escape rate"
        case CriterionKind.FALSE_REJECT:
            return "false reject rate"
        case CriterionKind.MACRO_F1:
            return "macro F1"
        case CriterionKind.RECALL:
            return f"recall of {criterion.class_name or 'every class'}"
        case CriterionKind.AUTOMATIC:
            return "automatic share"
        case CriterionKind.REVIEWS:
            return "inspector reviews per shift"
        case _:
            assert_never(criterion.kind)


def limit_in_words(criterion: Criterion) -> str:
    """Such as "at most 2%", with every digit of the limit."""
    side = "at most" if criterion.at_most else "at least"
    if not _is_percent(criterion.kind):
        return f"{side} {exact(criterion.limit)}{_of_shift(criterion)}"
    return f"{side} {exact_percent(criterion.limit)}"


def _of_shift(criterion: Criterion) -> str:
    """Such as " of 1,000 parts at a defect rate of 1%"; empty for other criteria."""
    if criterion.parts_per_shift is None:
        return ""
    mix = (
        "in the mix of the test"
        if criterion.defect_rate is None
        else f"at a defect rate of {exact_percent(criterion.defect_rate)}"
    )
    return f" of {criterion.parts_per_shift:,.12g} parts {mix}"


def required_in_words(criterion: Criterion) -> str:
    """Such as "escape rate at most 2%, proven with 95% confidence"."""
    proof = f", {_proof(criterion.confidence)}" if criterion.proven else ""
    return f"{measure_title(criterion)} {limit_in_words(criterion)}{proof}"


def measured_in_words(check: Check) -> str:
    """What was measured, such as "0% (0 of 50), proven to be below 5.82%"."""
    value, criterion = check.value, check.criterion
    if value is None:
        return "no data"
    words = _written(criterion, value)
    if isinstance(check.measured, Rate):
        words += f" ({check.measured.k:,} of {check.measured.n:,})"
    if check.result is CheckResult.NO_BOUND:
        return f"{words}, without a bound"
    if not criterion.proven or check.bound is None:
        return words
    side = "below" if criterion.at_most else "above"
    bound = _written(criterion, check.bound, is_bound=True)
    return f"{words}, proven to be {side} {bound}"


def check_in_words(check: Check) -> str:
    """One criterion with its result as a sentence, and what would prove it where that is known."""
    title = measure_title(check.criterion)
    title = title[:1].upper() + title[1:]
    proof = "proof of " if check.criterion.proven else ""
    required = f"{proof}{limit_in_words(check.criterion)} is required"
    sentence = f"{title}: {measured_in_words(check)}; {required}."
    if check.parts_needed is None:
        return sentence
    return f"{sentence} With no further error, {check.parts_needed:,} in total would prove it."


def criteria_in_words(criteria: ReleaseCriteria) -> list[str]:
    """Each criterion of a dataset as a line, without a full stop."""
    lines = [required_in_words(criterion) for criterion in criteria.limits([None])]
    lines += [NO_NEW_ESCAPES] if criteria.no_new_escapes else []
    return lines + ([GOLDEN_RIGHT] if criteria.golden_must_pass else [])


def verdict_lines(verdict: ReleaseVerdict, criteria: ReleaseCriteria) -> list[CheckedLine]:
    """Everything that was required, with its result; what is not met comes first."""
    lines = [
        CheckedLine(
            required_in_words(check.criterion),
            measured_in_words(check),
            check.outcome,
            check_in_words(check),
        )
        for check in verdict.checks
    ]
    if verdict.golden or criteria.golden_must_pass:
        lines.append(_golden_line(verdict))
    if verdict.new_escapes is not None:
        new = verdict.new_escapes
        sentence = _new_escapes_sentence(new)
        lines.append(CheckedLine(NO_NEW_ESCAPES, _new_escapes_count(new), new.outcome, sentence))
    return sorted(lines, key=lambda line: _ORDER.index(line.outcome))


def reasons_in_words(verdict: ReleaseVerdict) -> list[str]:
    """Why a model does not pass, a sentence each; empty where it passes."""
    reasons = [check_in_words(check) for check in verdict.checks if not check.passed]
    if verdict.failed_golden:
        reasons.append(_golden_line(verdict).sentence)
    new = verdict.new_escapes
    if new is not None and new.outcome is CriterionOutcome.NOT_MET:
        reasons.append(_new_escapes_sentence(new))
    if verdict.is_empty:
        reasons.append("Nothing was checked: there is no limit and no golden sample.")
    return reasons


def remarks_in_words(verdict: ReleaseVerdict) -> list[str]:
    """What the verdict leaves open: partial comparisons, reviews without a limit."""
    new = verdict.new_escapes
    remarks = []
    if new is not None and new.not_compared:
        remarks.append(
            f"New escapes are known for only {new.compared:,} of "
            f"{new.compared + new.not_compared:,} images: the current model was not tested on the "
            "others. Train both models with the same split to know all."
        )
    return remarks if verdict.limits_reviews else [*remarks, REVIEWS_NOT_LIMITED]


def not_applicable_in_words(verdict: ReleaseVerdict) -> list[str]:
    """What was required and has nothing to be checked on, a sentence each."""
    new = verdict.new_escapes
    if new is None or new.outcome is not CriterionOutcome.NOT_APPLICABLE:
        return []
    return [_new_escapes_sentence(new)]


def _golden_line(verdict: ReleaseVerdict) -> CheckedLine:
    total, wrong = len(verdict.golden), len(verdict.failed_golden)
    if not total:
        sentence = "Golden samples: none is marked, so none was checked."
        nothing = "none is marked: nothing to check"
        return CheckedLine(GOLDEN_RIGHT, nothing, verdict.golden_outcome, sentence)
    is_are = "is" if wrong == 1 else "are"
    sentence = (
        f"{wrong:,} of {total:,} golden samples {is_are} judged wrong."
        if wrong
        else f"Golden samples: all {total:,} judged correctly."
    )
    right = f"{total - wrong:,} of {total:,}"
    return CheckedLine(GOLDEN_RIGHT, right, verdict.golden_outcome, sentence)


def _new_escapes_count(new: NewEscapes) -> str:
    if new.count is not None:
        return _counted(new.count, new.unit)
    is_open = new.outcome is CriterionOutcome.NOT_APPLICABLE
    return "not applicable: no model to compare with" if is_open else "not known"


def _new_escapes_sentence(new: NewEscapes) -> str:
    if new.outcome is CriterionOutcome.NOT_APPLICABLE:
        return "New escapes: not applicable, since there is no model to compare with."
    if new.count is None:
        return "New escapes are not known: classes without verdicts decide nothing."
    if not new.count:
        return "No new escapes compared with the current model."
    is_are = "is" if new.count == 1 else "are"
    return (
        f"New escapes: {_counted(new.count, new.unit)} {is_are} accepted that the current model "
        "does not accept."
    )


def _counted(count: int, unit: Unit) -> str:
    if not count:
        return "none"
    return f"1 defective {unit.word[:-1]}" if count == 1 else f"{count:,} defective {unit.word}"


_ORDER = (CriterionOutcome.NOT_MET, CriterionOutcome.MET, CriterionOutcome.NOT_APPLICABLE)


def _proof(confidence: float) -> str:
    return f"proven with {exact_percent(confidence)} confidence"


def _is_percent(kind: CriterionKind) -> bool:
    match kind:
        case (
            CriterionKind.ESCAPE
            | CriterionKind.FALSE_REJECT
            | CriterionKind.RECALL
            | CriterionKind.AUTOMATIC
        ):
            return True
        case CriterionKind.MACRO_F1 | CriterionKind.REVIEWS:
            return False
        case _:
            assert_never(kind)


def _written(criterion: Criterion, value: float, *, is_bound: bool = False) -> str:
    """A measured value on the side of the limit where it is; a bound rounded to where it holds."""
    up, down = is_bound and criterion.at_most, is_bound and not criterion.at_most
    beside = (criterion.limit,)
    if _is_percent(criterion.kind):
        return shortened_percent(value, beside=beside, at_most=up, at_least=down)
    digits = 4 if criterion.kind is CriterionKind.MACRO_F1 else 3
    return shortened(value, beside=beside, at_most=up, at_least=down, digits=digits)
