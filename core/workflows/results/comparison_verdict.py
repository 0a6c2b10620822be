"""The verdict on two models: which is better, at what, and where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from core.evaluation.release.comparison import PairedTable
from core.words import joined, points
from core.workflows.results.comparison import Evidence, ModelComparison, judge


class Question(StrEnum):
    """What two models are compared on."""

    CLASS = "class"  # is the predicted class the true one
    ESCAPES = "escapes"  # is a defective part not accepted
    FALSE_REJECTS = "false rejects"  # is a good part not rejected


class PairVerdict(StrEnum):
    """The verdict on two models over all questions that have one."""

    NEW_BETTER = "new better"
    CURRENT_BETTER = "current better"
    MIXED = "mixed"  # each is better at something
    NOT_PROVEN = "not proven"
    SAME = "same"  # right and wrong on exactly the same
    ONLY_RULES = "only rules"  # the same predictions; only the decision rules differ: no verdict


@dataclass(frozen=True)
class Answer:
    """What the shared images say of one question; the table counts right ones."""

    question: Question
    table: PairedTable
    evidence: Evidence


def answers(compared: ModelComparison) -> tuple[Answer, ...]:
    """Every question that can be asked of these models, the class first."""
    tables = [(Question.CLASS, compared.classes.table, True)]
    if compared.decisions is not None:
        same = compared.has_same_rule
        tables += [
            (Question.ESCAPES, compared.decisions.escapes, same),
            (Question.FALSE_REJECTS, compared.decisions.false_rejects, same),
        ]
    return tuple(
        Answer(question, table, judge(table, same_rule=same)) for question, table, same in tables
    )


def pair_verdict(given: Sequence[Answer]) -> PairVerdict:
    """The verdict over all questions; a rule that differs gives none."""
    said = {answer.question: answer.evidence for answer in given}
    kinds = set(said.values())
    if {Evidence.NEW_BETTER, Evidence.CURRENT_BETTER} <= kinds:
        return PairVerdict.MIXED
    if Evidence.NEW_BETTER in kinds:
        return PairVerdict.NEW_BETTER
    if Evidence.CURRENT_BETTER in kinds:
        return PairVerdict.CURRENT_BETTER
    if said[Question.CLASS] is Evidence.SAME and Evidence.OTHER_RULES in kinds:
        return PairVerdict.ONLY_RULES
    return (
        PairVerdict.SAME if kinds <= {Evidence.SAME, Evidence.NO_DATA} else PairVerdict.NOT_PROVEN
    )


def verdict_in_words(given: Sequence[Answer], current: str, new: str) -> str:
    """The verdict in one sentence, with the models' names."""
    better, worse = (
        joined([_deed(answer.question) for answer in given if answer.evidence is evidence])
        if any(answer.evidence is evidence for answer in given)
        else ""
        for evidence in (Evidence.NEW_BETTER, Evidence.CURRENT_BETTER)
    )
    verdict = pair_verdict(given)
    match verdict:
        case PairVerdict.NEW_BETTER:
            return f"{new} is better at {better}."
        case PairVerdict.CURRENT_BETTER:
            return f"{current} is better at {worse}."
        case PairVerdict.MIXED:
            return f"{new} is better at {better}, {current} at {worse}."
        case PairVerdict.NOT_PROVEN:
            return "No proven difference."
        case PairVerdict.SAME:
            return f"No difference seen{_within(given)}."
        case PairVerdict.ONLY_RULES:
            return "No verdict: only the decision rules differ, not the models."
        case _:
            assert_never(verdict)


def _within(given: Sequence[Answer]) -> str:
    """How large a difference in naming the class may still be, such as ` (±6.6 points)`."""
    bounds = next(a.table.difference.interval for a in given if a.question is Question.CLASS)
    if bounds is None:
        return ""
    return f" (±{points(max(abs(bounds.low), abs(bounds.high)), signed=False)} points)"


def _deed(question: Question) -> str:
    match question:
        case Question.CLASS:
            return "naming the class"
        case Question.ESCAPES:
            return "catching defects"
        case Question.FALSE_REJECTS:
            return "passing good parts"
        case _:
            assert_never(question)
