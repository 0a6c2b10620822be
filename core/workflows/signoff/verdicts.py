"""Keeping what the release criteria said of a test, for whoever asks how far a dataset is."""

from core.domain.ids import utc_now
from core.domain.keeping.people import as_program
from core.domain.signoff import CriterionOutcome
from core.domain.stages.states import MissedCriterion, MissedKind, ReadVerdict
from core.evaluation.release.check import CheckResult, ReleaseVerdict
from core.store.database import connect, transaction
from core.store.stages import verdicts
from core.workflows.signoff.release import GateReport
from core.workflows.signoff.seal_changes import SignOff
from core.workspace import Workspace


def keep_verdict(workspace: Workspace, standing: SignOff, gate: GateReport) -> None:
    """Keep the verdict on the test of a model with what it was read by."""
    verdict = ReadVerdict(
        standing.model.id,
        missed_of(gate.gate),
        standing.criteria or "",
        standing.rule or "",
        utc_now(),
    )
    # Why: it is kept for whoever looks next, and whoever looked first may only read.
    with as_program(), connect(workspace) as db, transaction(db):
        verdicts.save_verdict(db, verdict)


def missed_of(verdict: ReleaseVerdict) -> tuple[MissedCriterion, ...]:
    """The criteria that were not met, as values; empty where the model passes."""
    if verdict.is_empty:
        return (MissedCriterion(MissedKind.NOTHING_CHECKED),)
    missed = [
        MissedCriterion(
            MissedKind(check.criterion.kind.value),
            check.criterion.class_name or "",
            check.result is CheckResult.NOT_PROVEN,
            check.parts_needed,
            check.result is CheckResult.NO_DATA,
        )
        for check in verdict.checks
        if not check.passed
    ]
    if verdict.golden_outcome is CriterionOutcome.NOT_MET:
        missed.append(MissedCriterion(MissedKind.GOLDEN))
    new = verdict.new_escapes
    if new is not None and new.outcome is CriterionOutcome.NOT_MET:
        missed.append(MissedCriterion(MissedKind.NEW_ESCAPES))
    return tuple(missed)
