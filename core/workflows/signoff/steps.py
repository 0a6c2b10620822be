"""The steps of a sign-off and how far each is; and what to do where a test did not pass."""

from dataclasses import dataclass
from enum import StrEnum

from core.domain.signoff import AccessKind
from core.evaluation.decisions.planner import parts_needed
from core.evaluation.release.check import ReleaseVerdict
from core.evaluation.release.criteria import criteria_from_json
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.signoff.verdicts import missed_of


class SignOffStep(StrEnum):
    """What is done one after the other."""

    PLAN = "plan"
    CRITERIA = "criteria"
    SEAL = "seal"
    OPEN = "open"
    REPORT = "report"


class StepStatus(StrEnum):
    """How far a step is."""

    DONE = "done"
    CURRENT = "current"  # the one to do now
    OPEN = "open"  # possible at any time
    BLOCKED = "blocked"  # it would be the one to do now, but the criteria cannot be judged
    WAITING = "waiting"  # an earlier one comes first
    SKIPPED = "skipped"  # it was passed over
    VOID = "void"  # it was done, and something changed since


class Remedy(StrEnum):
    """What to do about a test that is no proof."""

    MORE_PARTS = "more parts"  # the rates keep their limits, only the proof is missing
    ANOTHER_MODEL = "another model"  # a limit was missed
    SEAL_NEXT = "seal next"  # met, but viewed before it was sealed


@dataclass(frozen=True)
class ProofSize:
    """Whether the test has enough parts for what the criteria want proven.

    `needed` and `available` count defective parts; None where no escape rate is to be proven.
    """

    needed: int | None
    available: int | None

    @property
    def is_enough(self) -> bool:
        """Whether the proof is possible, without a single escape."""
        return self.needed is None or self.available is None or self.available >= self.needed


def size_of(standing: SignOff) -> ProofSize:
    """How many defective parts the criteria need, beside how many the test has."""
    if standing.criteria is None:
        return ProofSize(None, standing.defective)
    criteria = criteria_from_json(standing.criteria).criteria
    if criteria.max_escape is None:
        return ProofSize(None, standing.defective)
    needed = parts_needed(criteria.max_escape, confidence=criteria.confidence)
    return ProofSize(needed, standing.defective)


def steps_of(standing: SignOff) -> dict[SignOffStep, StepStatus]:
    """Every step in its order; at most one of them is the one to do now."""
    has_criteria, is_opened = standing.criteria is not None, standing.is_opened
    is_sealed = standing.seal is not None and not standing.is_void
    reported = any(view.kind is AccessKind.REPORT for view in standing.own_openings)
    done = {
        SignOffStep.PLAN: False,  # nothing is kept of it, so nobody knows
        SignOffStep.CRITERIA: has_criteria,
        SignOffStep.SEAL: is_sealed,
        SignOffStep.OPEN: is_opened,
        SignOffStep.REPORT: reported,
    }
    passed_over = {
        SignOffStep.PLAN: not size_of(standing).is_enough if has_criteria else is_opened,
        SignOffStep.CRITERIA: False,
        SignOffStep.SEAL: is_opened,
        SignOffStep.OPEN: False,
        SignOffStep.REPORT: False,
    }
    states: dict[SignOffStep, StepStatus] = {}
    for step in SignOffStep:
        if done[step]:
            states[step] = StepStatus.DONE
        elif step is SignOffStep.SEAL and standing.is_void and is_opened:
            states[step] = StepStatus.VOID
        elif passed_over[step]:
            states[step] = StepStatus.SKIPPED
        elif step is SignOffStep.PLAN:
            states[step] = StepStatus.OPEN
        elif {StepStatus.CURRENT, StepStatus.BLOCKED} & set(states.values()):
            states[step] = StepStatus.WAITING
        elif step in (SignOffStep.SEAL, SignOffStep.OPEN) and standing.obstacle is not None:
            states[step] = StepStatus.BLOCKED
        else:
            states[step] = StepStatus.CURRENT
    return states


def remedy_of(standing: SignOff, verdict: ReleaseVerdict | None) -> Remedy | None:
    """What to do about a test that is no proof; None where it is one, or is not opened.

    None for a void seal too: there the changes are to be undone.
    """
    if standing.is_void or verdict is None or not standing.is_opened:
        return None
    if verdict.passed:
        return None if standing.is_proof else Remedy.SEAL_NEXT
    is_size = all(item.only_unproven for item in missed_of(verdict))
    return Remedy.MORE_PARTS if is_size else Remedy.ANOTHER_MODEL
