"""Release criteria and what became of them in sentences, for page, command line and report."""

from dataclasses import dataclass
from typing import assert_never

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

NO_NEW_ESCAPES = "no new escapes compared with the current model"
GOLDEN_RIGHT = "every golden sample judged correctly"


@dataclass(frozen=True)
class CheckedLine:
    """A line of a verdict: what was required, what came out, and whether it is met.

    `passed` is None where nothing could be checked; `sentence` says both in one.
    """

    required: str
    measured: str
    passed: bool | None
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
        case _:
            assert_never(criterion.kind)


def limit_in_words(criterion: Criterion) -> str:
    """Such as "at most 2%"."""
    side = "at most" if criterion.at_most else "at least"
    return f"{side} {_plain(criterion, criterion.limit)}"


def required_in_words(criterion: Criterion) -> str:
    """Such as "escape rate at most 2%, proven with 95% confidence"."""
    proof = f", {_proof(criterion.confidence)}" if criterion.proven else ""
    return f"{measure_title(criterion)} {limit_in_words(criterion)}{proof}"


def measured_in_words(check: Check) -> str:
    """What was measured, such as "0% (0 of 50), proven to be below 5.82%"."""
    value, criterion = check.value, check.criterion
    if value is None:
        return "no data"
    words = _plain(criterion, value)
    if isinstance(check.measured, Rate):
        words += f" ({check.measured.k:,} of {check.measured.n:,})"
    if check.result is CheckResult.NO_BOUND:
        return f"{words}, without a bound"
    if not criterion.proven or check.bound is None:
        return words
    side = "below" if criterion.at_most else "above"
    return f"{words}, proven to be {side} {_plain(criterion, check.bound)}"


def check_in_words(check: Check) -> str:
    """One criterion with its result as a sentence, and what would prove it where that is known."""
    title = measure_title(check.criterion)
    title = title[:1].upper() + title[1:]
    proof = "proof of " if check.criterion.proven else ""
    required = f"{proof}{limit_in_words(check.criterion)} is required"
    sentence = f"{title}: {measured_in_words(check)}; {required}."
    if check.parts_needed is None:
        return sentence
    return (
        f"{sentence} With no further error, {check.parts_needed:,} parts in total would prove it."
    )


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
            check.passed,
            check_in_words(check),
        )
        for check in verdict.checks
    ]
    if verdict.golden or criteria.golden_must_pass:
        lines.append(_golden_line(verdict))
    if verdict.new_escapes is not None:
        count = verdict.new_escapes.count
        measured = "not known" if count is None else _counted(count, verdict.new_escapes.unit)
        sentence = _new_escapes_sentence(verdict.new_escapes)
        lines.append(CheckedLine(NO_NEW_ESCAPES, measured, count == 0, sentence))
    return sorted(lines, key=lambda line: (line.passed is not False, line.passed is None))


def reasons_in_words(verdict: ReleaseVerdict) -> list[str]:
    """Why a model does not pass, a sentence each; empty where it passes."""
    reasons = [check_in_words(check) for check in verdict.checks if not check.passed]
    if verdict.failed_golden:
        reasons.append(_golden_line(verdict).sentence)
    if verdict.new_escapes is not None and verdict.new_escapes.count != 0:
        reasons.append(_new_escapes_sentence(verdict.new_escapes))
    if verdict.is_empty:
        reasons.append("Nothing was checked: there is no limit and no golden sample.")
    return reasons


def remarks_in_words(verdict: ReleaseVerdict) -> list[str]:
    """What the comparison with the current model leaves open."""
    new = verdict.new_escapes
    if new is None or not new.not_compared:
        return []
    return [
        f"New escapes are known for only {new.compared:,} of "
        f"{new.compared + new.not_compared:,} images: the current model was not tested on the "
        "others. Train both models with the same split to know all."
    ]


def _golden_line(verdict: ReleaseVerdict) -> CheckedLine:
    total, wrong = len(verdict.golden), len(verdict.failed_golden)
    if not total:
        sentence = "Golden samples: none is marked, so none was checked."
        return CheckedLine(GOLDEN_RIGHT, "none is marked: nothing to check", None, sentence)
    is_are = "is" if wrong == 1 else "are"
    sentence = (
        f"{wrong:,} of {total:,} golden samples {is_are} judged wrong."
        if wrong
        else f"Golden samples: all {total:,} judged correctly."
    )
    return CheckedLine(GOLDEN_RIGHT, f"{total - wrong:,} of {total:,}", not wrong, sentence)


def _new_escapes_sentence(new: NewEscapes) -> str:
    if new.count is None:
        return "New escapes are not known: there is no comparison with the current model."
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


def _proof(confidence: float) -> str:
    return f"proven with {100 * confidence:.4g}% confidence"


def _plain(criterion: Criterion, value: float) -> str:
    if criterion.kind is CriterionKind.MACRO_F1:
        return f"{value:.4g}"
    return f"{100 * value:.3g}%"
