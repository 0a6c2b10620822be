"""How far a dataset is and what comes next: a pure function of stored facts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from core.domain.jobs import JobStatus
from core.domain.models import ModelStanding
from core.domain.stages.facts import ModelFacts, RunFacts, SplitFacts, StageFacts
from core.domain.stages.states import (
    DatasetStages,
    MissedCriterion,
    MissedKind,
    NextStep,
    Stage,
    StageReason,
    StageState,
    StageStatus,
    StepAction,
)
from core.workflows.signoff.obstacles import action_after


@dataclass(frozen=True)
class _Judged:
    """One stage before it is known which of them comes next.

    `action` is what would bring it on; `is_urgent`: it goes before everything else; `can_wait`:
    later stages may go on without it.
    """

    state: StageState
    action: StepAction | None = None
    is_urgent: bool = False
    can_wait: bool = False


def decide(facts: StageFacts) -> DatasetStages:
    """The stages of a dataset and the one next step."""
    judged = [_imported(facts), _checked(facts), _split(facts), _trained(facts), _signed(facts)]
    chosen = _next(judged)
    states = {item.state.stage: _with_status(item, item is chosen) for item in judged}
    state, action = chosen.state, chosen.action
    assert action is not None
    step = NextStep(
        action, state.stage, facts.dataset_id, state.split_id, state.run_id, state.model_id
    )
    return DatasetStages(facts.dataset_id, states, step)


def _next(judged: Sequence[_Judged]) -> _Judged:
    """What is at work or must not be disturbed; else the first stage that is not done."""
    for item in judged:
        if item.is_urgent:
            return item
    for item in judged:
        if item.action and not item.can_wait and item.state.status is not StageStatus.DONE:
            return item
    return judged[-1]


def _with_status(item: _Judged, is_next: bool) -> StageState:
    status = item.state.status
    if is_next and status not in (StageStatus.DONE, StageStatus.BLOCKED):
        status = StageStatus.CURRENT
    return replace(item.state, status=status)


def _imported(facts: StageFacts) -> _Judged:
    if facts.is_adding:
        state = StageState(Stage.IMPORTED, StageStatus.CURRENT, StageReason.ADDING_IMAGES)
        return _Judged(state, StepAction.WATCH_IMPORT, is_urgent=True)
    return _Judged(StageState(Stage.IMPORTED, StageStatus.DONE, StageReason.IMPORTED))


def _checked(facts: StageFacts) -> _Judged:
    def stage(
        reason: StageReason, count: int = 0, status: StageStatus = StageStatus.OPEN
    ) -> StageState:
        return StageState(Stage.CHECKED, status, reason, count)

    # Why: a check helps most before the split. Who went on without it is not held up.
    moved_on = any(not _fault(split) for split in facts.splits) or bool(facts.models)
    check = facts.check
    if facts.is_checking:
        running = stage(StageReason.CHECK_RUNNING)
        return _Judged(running, StepAction.WATCH_CHECK, is_urgent=True)
    if check is None:
        return _Judged(stage(StageReason.NEVER_CHECKED), StepAction.RUN_CHECK, can_wait=moved_on)
    if check.unseen:
        outdated = stage(StageReason.CHECK_OUTDATED, check.unseen, StageStatus.ATTENTION)
        return _Judged(outdated, StepAction.RUN_CHECK, can_wait=moved_on)
    if check.serious:
        serious = stage(StageReason.SERIOUS_FINDINGS, check.serious, StageStatus.ATTENTION)
        return _Judged(serious, StepAction.REVIEW_FINDINGS, can_wait=moved_on)
    if check.warnings:
        warned = stage(StageReason.OPEN_FINDINGS, check.warnings, StageStatus.ATTENTION)
        return _Judged(warned, StepAction.REVIEW_FINDINGS, can_wait=moved_on)
    return _Judged(stage(StageReason.NO_OPEN_FINDINGS, status=StageStatus.DONE))


def _fault(split: SplitFacts) -> StageReason | None:
    """What keeps a split from being used as it is."""
    if not split.has_validation:
        return StageReason.NO_VALIDATION
    if split.is_leaking:
        return StageReason.SPLIT_LEAKS
    if split.unsplit:
        return StageReason.IMAGES_NOT_SPLIT
    if split.classes_changed:
        return StageReason.CLASSES_CHANGED
    return None


def _split(facts: StageFacts) -> _Judged:
    if not facts.splits:
        none = StageState(Stage.SPLIT, StageStatus.OPEN, StageReason.NO_SPLIT)
        return _Judged(none, StepAction.MAKE_SPLIT)
    split = next((s for s in facts.splits if not _fault(s)), facts.splits[0])
    reason = _fault(split)
    if reason is None:
        ready = StageReason.SPLIT_READY
        return _Judged(StageState(Stage.SPLIT, StageStatus.DONE, ready, split_id=split.id))
    without = reason is StageReason.NO_VALIDATION
    state = StageState(
        Stage.SPLIT,
        StageStatus.OPEN,
        reason,
        count=split.unsplit,
        split_id=split.id,
        leaks=split.leaks,
    )
    return _Judged(state, StepAction.MAKE_VALIDATION if without else StepAction.MAKE_SPLIT)


def _trained(facts: StageFacts) -> _Judged:
    model, run = best_of(facts), _telling_run(facts.runs)
    worn = _is_worn(facts, model) if model else None
    reason = _reason_of(run) if run else None
    about = StageState(
        Stage.TRAINED,
        StageStatus.OPEN,
        StageReason.NEVER_TRAINED,
        split_id=next((s.id for s in facts.splits if not _fault(s)), ""),
        model_id=model.id if model else "",
        model_name=model.name if model else "",
    )
    with_run = replace(about, reason=reason or about.reason, run_id=run.id if run else "")
    if run and reason and run.status.is_active:
        at_work = replace(with_run, status=StageStatus.CURRENT)
        return _Judged(at_work, StepAction.WATCH_RUN, is_urgent=True)
    is_newest = run is not None and (model is None or run.created_at > model.created_at)
    if model and not worn:
        # A newer run that came to nothing is said, and holds nothing up.
        told = with_run if reason and is_newest else replace(about, reason=StageReason.MODEL_READY)
        return _Judged(replace(told, status=StageStatus.DONE))
    if not any(split.has_validation for split in facts.splits):
        needs = replace(about, reason=StageReason.NEEDS_SPLIT, status=StageStatus.BLOCKED)
        return _Judged(needs)
    if reason and is_newest:
        return _Judged(with_run, StepAction.RESUME_RUN)
    return _Judged(replace(about, reason=worn or about.reason), StepAction.TRAIN)


def _telling_run(runs: Sequence[RunFacts]) -> RunFacts | None:
    """The run at work, else one that waits, else the newest."""
    for status in (JobStatus.RUNNING, JobStatus.QUEUED):
        for run in runs:
            if run.status == status:
                return run
    return runs[0] if runs else None


def _reason_of(run: RunFacts) -> StageReason | None:
    match run.status:
        case JobStatus.QUEUED:
            return StageReason.RUN_QUEUED
        case JobStatus.RUNNING:
            return StageReason.RUN_RUNNING
        case JobStatus.STOPPED:
            return StageReason.RUN_STOPPED
        case JobStatus.PAUSED:
            return StageReason.RUN_PAUSED
        case JobStatus.FAILED:
            return StageReason.RUN_FAILED
        case JobStatus.INTERRUPTED:
            return StageReason.RUN_INTERRUPTED
        case JobStatus.COMPLETED:
            return None
        case _:
            assert_never(run.status)


def _is_worn(facts: StageFacts, model: ModelFacts) -> StageReason | None:
    """Why a model is no longer worth judging."""
    if any(split.id == model.split_id and split.is_leaking for split in facts.splits):
        return StageReason.MODEL_LEAKS
    return StageReason.MODEL_OF_OTHER_CLASSES if model.classes_changed else None


def best_of(facts: StageFacts) -> ModelFacts | None:
    """The model that the next steps are about; None if there is none.

    One that is signed off; else one that lost its sign-off by a change, if none came after that;
    else one whose test was sealed or viewed, unless it failed or became invalid and others came
    after that; else the best on validation. Models of leaking splits and
    of other classes come last, and those of single folds before them.
    """
    signed = [m for m in facts.models if _is_signed_off(m)]
    if signed:
        return signed[0]
    failed_at = max((_failed_at(m) for m in facts.models), default=0.0)
    newer = [m for m in facts.models if max(m.created_at, _sealed_at(m)) > failed_at]
    lost = [m for m in facts.models if _lost_sign_off(m)]
    if lost and not newer:
        return max(lost, key=_voided_at)
    return max(newer or facts.models, key=lambda m: _worth(facts, m), default=None)


def _worth(
    facts: StageFacts, model: ModelFacts
) -> tuple[bool, bool, bool, float, float, int, float]:
    tested = model.seal is not None or model.verdict is not None
    score = model.val_macro_f1 if model.val_macro_f1 is not None else -1.0
    moment = _voided_at(model) or _sealed_at(model) or _failed_at(model)
    is_fresh = _is_worn(facts, model) is None
    effort = effort_for(model)
    return is_fresh, not model.is_fold, tested, moment, score, effort, model.created_at


def effort_for(model: ModelFacts) -> int:
    """How far people went with a model: what decides between equally good ones."""
    if model.is_released:
        return 3
    return 2 if model.seal is not None else int(model.has_rule)


def _sealed_at(model: ModelFacts) -> float:
    return model.seal.sealed_at if model.seal else 0.0


def _voided_at(model: ModelFacts) -> float:
    """When the result of a sealed test became invalid; else 0."""
    seal = model.seal
    if seal is None or not seal.is_opened or not seal.changes:
        return 0.0
    return seal.voided_at or seal.sealed_at


def _failed_at(model: ModelFacts) -> float:
    """When a model was seen to fail, or its result became invalid; else 0."""
    if voided_at := _voided_at(model):
        # Why not when it was sealed: models that were there before do not come after that.
        return voided_at
    return model.verdict.read_at if model.verdict and not model.verdict.passed else 0.0


def _lost_sign_off(model: ModelFacts) -> bool:
    """Whether a change made the passed test of a model invalid."""
    return bool(_voided_at(model)) and model.verdict is not None and model.verdict.passed


def _is_signed_off(model: ModelFacts) -> bool:
    return standing_of(model) is ModelStanding.PASSED


def standing_of(model: ModelFacts) -> ModelStanding:
    """How far the sign-off of a model is: what all pages say of it."""
    seal, verdict = model.seal, model.verdict
    if seal is not None and seal.changes:
        return ModelStanding.VOID
    if seal is not None and not seal.is_opened:
        return ModelStanding.SEALED
    if verdict is not None and verdict.missed:
        return ModelStanding.BLOCKED
    if seal is not None:
        return ModelStanding.OPENED if verdict is None else ModelStanding.PASSED
    if verdict is not None or model.is_viewed:
        return ModelStanding.UNSEALED
    return ModelStanding.NOT_SEALED if model.has_rule else ModelStanding.NO_RULE


def _signed(facts: StageFacts) -> _Judged:
    model = best_of(facts)
    worn = _is_worn(facts, model) if model else None
    is_lost = model is not None and _lost_sign_off(model)
    if model is None or (worn and not _is_signed_off(model) and not is_lost):
        reason = StageReason.NEEDS_MODEL
        if worn:
            is_leak = worn is StageReason.MODEL_LEAKS
            reason = StageReason.NEEDS_CLEAN_MODEL if is_leak else StageReason.NEEDS_NEW_MODEL
        return _Judged(StageState(Stage.SIGNED_OFF, StageStatus.BLOCKED, reason))
    reason, action = _release_of(facts, model)
    signed, blocked = reason is StageReason.SIGNED_OFF, reason is StageReason.TEST_BLOCKED
    status = StageStatus.BLOCKED if blocked else StageStatus.OPEN
    missed = model.verdict.missed if model.verdict else ()
    state = StageState(
        Stage.SIGNED_OFF,
        StageStatus.DONE if signed else status,
        reason,
        split_id=model.split_id,
        model_id=model.id,
        model_name=model.name,
        missed=missed if reason is StageReason.CRITERIA_MISSED else (),
        changes=model.seal.changes if model.seal else (),
        count=model.seal.images if model.seal else 0,
        obstacle=facts.obstacle,
    )
    # Why: whoever sealed a test must not be led to something that makes the seal void.
    waits = model.seal is not None and not model.seal.is_opened
    # Why: else Home would fall back to an earlier stage, and nobody would learn why.
    return _Judged(state, action, is_urgent=signed or waits or is_lost)


def _release_of(facts: StageFacts, model: ModelFacts) -> tuple[StageReason, StepAction]:
    """How far the test of a model is, and what brings it on."""
    seal, verdict = model.seal, model.verdict
    if facts.obstacle is not None:
        return StageReason.TEST_BLOCKED, action_after(facts.obstacle)
    if seal and not seal.is_opened:
        if seal.changes:
            return StageReason.SEAL_VOID, StepAction.SEAL_TEST
        return StageReason.SEALED, StepAction.OPEN_TEST
    if seal and seal.changes:
        return StageReason.INVALIDATED, StepAction.SEE_CHANGES
    if seal and verdict is None:
        return StageReason.OPENED, StepAction.READ_VERDICT
    if verdict and verdict.missed:
        return StageReason.CRITERIA_MISSED, _after(verdict.missed)
    if seal:
        return StageReason.SIGNED_OFF, StepAction.USE_MODEL
    if verdict:
        return StageReason.MET_WITHOUT_SEAL, StepAction.USE_MODEL
    return _before_the_test(facts, model)


def _before_the_test(facts: StageFacts, model: ModelFacts) -> tuple[StageReason, StepAction]:
    if facts.decides_ok and not model.has_rule:
        return StageReason.NO_THRESHOLD, StepAction.SET_THRESHOLD
    if not facts.has_criteria:
        return StageReason.NO_CRITERIA, StepAction.SET_CRITERIA
    if model.is_viewed:
        return StageReason.OPENED_WITHOUT_SEAL, StepAction.READ_VERDICT
    if not any(split.id == model.split_id and split.has_test for split in facts.splits):
        return StageReason.NO_TEST_IMAGES, StepAction.MAKE_TEST
    return StageReason.READY_TO_SEAL, StepAction.SEAL_TEST


def _after(missed: Sequence[MissedCriterion]) -> StepAction:
    """What to do about criteria that were not met."""
    if any(item.kind is MissedKind.NOTHING_CHECKED for item in missed):
        return StepAction.SET_CRITERIA
    if any(item.no_data for item in missed):
        return StepAction.READ_VERDICT
    if all(item.only_unproven for item in missed):
        return StepAction.PLAN_TEST
    return StepAction.SEE_MISTAKES
