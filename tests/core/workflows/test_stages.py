"""Stages: the decision as a table, and the same read from real rows."""

from dataclasses import replace

import pytest

from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.domain.jobs import JobKind, JobStatus
from core.domain.models import ModelStanding
from core.domain.signoff import Obstacle
from core.domain.stages.facts import (
    CheckFacts,
    ModelFacts,
    RunFacts,
    SealFacts,
    SplitFacts,
    StageFacts,
)
from core.domain.stages.states import (
    MissedCriterion,
    MissedKind,
    ReadVerdict,
    SealChange,
    Stage,
    StageReason,
    StepAction,
)
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import datasets as dataset_rows
from core.store import jobs, judgement, quality, versions
from core.store.database import connect, transaction
from core.workflows import board, stages
from core.workflows.data import datasets, edits
from core.workflows.signoff import release, report, sealing
from core.workflows.stage_rules import best_of, decide, standing_of
from pages.ui import stage_words
from tests.core.workflows.signoff.test_sealing import _rule
from tests.made import add_model, make_dataset

CLEAN, SPLIT = CheckFacts(), SplitFacts("split", 1.0)
NEW = StageFacts("ds")
CHECKED = replace(NEW, check=CLEAN)
SPLITTED = replace(CHECKED, splits=(SPLIT,), decides_ok=True)
MODEL = ModelFacts("m", "first", 10.0, "split", val_macro_f1=0.9)
TRAINED = replace(SPLITTED, models=(MODEL,))
READY = replace(MODEL, has_rule=True)
SEALED = replace(READY, seal=SealFacts(20.0))
OPENED = replace(READY, is_viewed=True, seal=SealFacts(20.0, is_opened=True))
VOID = replace(
    OPENED, seal=SealFacts(20.0, True, (SealChange.TEST_IMAGES,), voided_at=50.0, images=1)
)
PASSED = ReadVerdict("m", (), "", "", 30.0)
ESCAPES = MissedCriterion(MissedKind.ESCAPE)
UNPROVEN = MissedCriterion(MissedKind.ESCAPE, only_unproven=True, parts_needed=300)
FAILED = replace(PASSED, missed=(ESCAPES, UNPROVEN))


def _run(status, at=5.0, name="run"):
    return RunFacts(name, at, status)


def _with(model, **changes):
    return replace(TRAINED, models=(model,), has_criteria=True, **changes)


# Statuses of the five stages: done, attention, current, blocked, open.
TABLE = {
    "just imported": (NEW, "dcobb", StageReason.NEVER_CHECKED, StepAction.RUN_CHECK),
    "images come": (
        replace(TRAINED, is_adding=True),
        "cdddo",
        StageReason.ADDING_IMAGES,
        StepAction.WATCH_IMPORT,
    ),
    "check at work": (
        replace(NEW, is_checking=True),
        "dcobb",
        StageReason.CHECK_RUNNING,
        StepAction.WATCH_CHECK,
    ),
    "serious findings": (
        replace(NEW, check=CheckFacts(serious=2, warnings=1)),
        "dcobb",
        StageReason.SERIOUS_FINDINGS,
        StepAction.REVIEW_FINDINGS,
    ),
    "warnings": (
        replace(NEW, check=CheckFacts(warnings=3)),
        "dcobb",
        StageReason.OPEN_FINDINGS,
        StepAction.REVIEW_FINDINGS,
    ),
    "images since check and split": (
        replace(
            SPLITTED, check=CheckFacts(unseen=4), splits=(replace(SPLIT, unsplit=4),), models=()
        ),
        "dcoob",
        StageReason.CHECK_OUTDATED,
        StepAction.RUN_CHECK,
    ),
    "split without a check": (
        replace(SPLITTED, check=None),
        "dodcb",
        StageReason.NEVER_TRAINED,
        StepAction.TRAIN,
    ),
    # A check that ran showed as one that never did, where the next step was another.
    "split over open findings": (
        replace(SPLITTED, check=CheckFacts(warnings=3)),
        "dadcb",
        StageReason.NEVER_TRAINED,
        StepAction.TRAIN,
    ),
    "no split": (CHECKED, "ddcbb", StageReason.NO_SPLIT, StepAction.MAKE_SPLIT),
    "no validation": (
        replace(CHECKED, splits=(replace(SPLIT, has_validation=False, is_leaking=True),)),
        "ddcbb",
        StageReason.NO_VALIDATION,
        StepAction.MAKE_VALIDATION,
    ),
    "leaking split": (
        replace(CHECKED, splits=(replace(SPLIT, is_leaking=True),)),
        "ddcob",
        StageReason.SPLIT_LEAKS,
        StepAction.MAKE_SPLIT,
    ),
    "classes changed after the split": (
        replace(CHECKED, splits=(replace(SPLIT, classes_changed=True),)),
        "ddcob",
        StageReason.CLASSES_CHANGED,
        StepAction.MAKE_SPLIT,
    ),
    "an older split is good": (
        replace(CHECKED, splits=(replace(SPLIT, id="new", is_leaking=True), SPLIT)),
        "dddcb",
        StageReason.NEVER_TRAINED,
        StepAction.TRAIN,
    ),
    "run waits": (
        replace(SPLITTED, runs=(_run(JobStatus.QUEUED),)),
        "dddcb",
        StageReason.RUN_QUEUED,
        StepAction.WATCH_RUN,
    ),
    "run at work beside a model": (
        replace(TRAINED, runs=(_run(JobStatus.QUEUED, 12.0, "next"), _run(JobStatus.RUNNING))),
        "dddco",
        StageReason.RUN_RUNNING,
        StepAction.WATCH_RUN,
    ),
    **{
        f"run {status}": (
            replace(SPLITTED, runs=(_run(status),)),
            "dddcb",
            reason,
            StepAction.RESUME_RUN,
        )
        for status, reason in (
            (JobStatus.STOPPED, StageReason.RUN_STOPPED),
            (JobStatus.PAUSED, StageReason.RUN_PAUSED),
            (JobStatus.FAILED, StageReason.RUN_FAILED),
            (JobStatus.INTERRUPTED, StageReason.RUN_INTERRUPTED),
        )
    },
    "model deleted": (
        replace(SPLITTED, runs=(_run(JobStatus.COMPLETED),)),
        "dddcb",
        StageReason.NEVER_TRAINED,
        StepAction.TRAIN,
    ),
    "model of a leaking split, another split is good": (
        replace(
            TRAINED,
            splits=(replace(SPLIT, id="good"), replace(SPLIT, is_leaking=True)),
            runs=(_run(JobStatus.COMPLETED),),
        ),
        "dddcb",
        StageReason.MODEL_LEAKS,
        StepAction.TRAIN,
    ),
    "model of other classes": (
        replace(TRAINED, models=(replace(MODEL, classes_changed=True),)),
        "dddcb",
        StageReason.MODEL_OF_OTHER_CLASSES,
        StepAction.TRAIN,
    ),
    "no threshold": (TRAINED, "ddddc", StageReason.NO_THRESHOLD, StepAction.SET_THRESHOLD),
    "no verdicts of classes": (
        replace(TRAINED, decides_ok=False),
        "ddddc",
        StageReason.NO_CRITERIA,
        StepAction.SET_CRITERIA,
    ),
    "no criteria": (
        replace(TRAINED, models=(READY,)),
        "ddddc",
        StageReason.NO_CRITERIA,
        StepAction.SET_CRITERIA,
    ),
    "no test images": (
        _with(READY, splits=(replace(SPLIT, has_test=False),)),
        "ddddc",
        StageReason.NO_TEST_IMAGES,
        StepAction.MAKE_TEST,
    ),
    "ready": (_with(READY), "ddddc", StageReason.READY_TO_SEAL, StepAction.SEAL_TEST),
    "blocked by its criteria": (
        _with(READY, obstacle=Obstacle.NOTHING_REQUIRED),
        "ddddb",
        StageReason.TEST_BLOCKED,
        StepAction.SET_CRITERIA,
    ),
    "blocked by missing verdicts": (
        _with(READY, decides_ok=False, obstacle=Obstacle.NO_VERDICTS),
        "ddddb",
        StageReason.TEST_BLOCKED,
        StepAction.SET_VERDICTS,
    ),
    # Whoever sets a threshold first would have to set it again for the next model.
    "blocked by its test images, without a threshold": (
        _with(MODEL, obstacle=Obstacle.NO_DEFECTIVE),
        "ddddb",
        StageReason.TEST_BLOCKED,
        StepAction.MAKE_TEST,
    ),
    "sealed by an earlier version, and blocked": (
        _with(SEALED, obstacle=Obstacle.NO_VERDICTS),
        "ddddb",
        StageReason.TEST_BLOCKED,
        StepAction.SET_VERDICTS,
    ),
    "sealed, and nothing distracts": (
        _with(SEALED, check=None, splits=(replace(SPLIT, unsplit=3),)),
        "doodc",
        StageReason.SEALED,
        StepAction.OPEN_TEST,
    ),
    "seal void": (
        _with(replace(READY, seal=SealFacts(20.0, changes=(SealChange.CRITERIA,)))),
        "ddddc",
        StageReason.SEAL_VOID,
        StepAction.SEAL_TEST,
    ),
    "viewed without a seal": (
        _with(replace(READY, is_viewed=True)),
        "ddddc",
        StageReason.OPENED_WITHOUT_SEAL,
        StepAction.READ_VERDICT,
    ),
    "criteria met without a seal": (
        _with(replace(READY, is_viewed=True, verdict=PASSED)),
        "ddddc",
        StageReason.MET_WITHOUT_SEAL,
        StepAction.USE_MODEL,
    ),
    "opened, verdict unread": (
        _with(OPENED),
        "ddddc",
        StageReason.OPENED,
        StepAction.READ_VERDICT,
    ),
    "signed off": (
        _with(replace(OPENED, verdict=PASSED)),
        "ddddd",
        StageReason.SIGNED_OFF,
        StepAction.USE_MODEL,
    ),
    "signed off, and a better model was trained since": (
        replace(
            TRAINED,
            models=(
                replace(MODEL, id="better", created_at=40.0, val_macro_f1=1.0),
                replace(OPENED, verdict=PASSED),
            ),
        ),
        "ddddd",
        StageReason.SIGNED_OFF,
        StepAction.USE_MODEL,
    ),
    "invalid since": (
        _with(
            replace(
                OPENED,
                verdict=PASSED,
                seal=SealFacts(20.0, is_opened=True, changes=(SealChange.TEST_IMAGES,)),
            )
        ),
        "ddddc",
        StageReason.INVALIDATED,
        StepAction.SEE_CHANGES,
    ),
    # Home dropped to the stage of a model that had been there all along, and did not say why.
    "invalid since, with another model that was there before": (
        replace(
            TRAINED, has_criteria=True, models=(replace(READY, id="next", created_at=40.0), VOID)
        ),
        "ddddc",
        StageReason.INVALIDATED,
        StepAction.SEE_CHANGES,
    ),
    # It said that the images must be split, though they had been when the model was signed off.
    "invalid since, of a split that leaks": (
        _with(replace(VOID, verdict=PASSED), splits=(replace(SPLIT, is_leaking=True),), check=None),
        "doooc",
        StageReason.INVALIDATED,
        StepAction.SEE_CHANGES,
    ),
    "invalid since, and another model was trained after that": (
        replace(
            TRAINED, has_criteria=True, models=(replace(READY, id="next", created_at=60.0), VOID)
        ),
        "ddddc",
        StageReason.READY_TO_SEAL,
        StepAction.SEAL_TEST,
    ),
    "failed": (
        _with(replace(OPENED, verdict=FAILED)),
        "ddddc",
        StageReason.CRITERIA_MISSED,
        StepAction.SEE_MISTAKES,
    ),
    "failed for want of parts": (
        _with(replace(OPENED, verdict=replace(FAILED, missed=(UNPROVEN,)))),
        "ddddc",
        StageReason.CRITERIA_MISSED,
        StepAction.PLAN_TEST,
    ),
    "failed, and another model was trained since": (
        replace(
            TRAINED,
            has_criteria=True,
            models=(
                replace(READY, id="next", created_at=40.0, val_macro_f1=0.5),
                replace(OPENED, verdict=FAILED),
            ),
        ),
        "ddddc",
        StageReason.READY_TO_SEAL,
        StepAction.SEAL_TEST,
    ),
}


# What Models and Predict say of the model where Home gives this reason.
STANDINGS = {
    StageReason.SEALED: ModelStanding.SEALED,
    StageReason.SEAL_VOID: ModelStanding.VOID,
    StageReason.INVALIDATED: ModelStanding.VOID,
    StageReason.OPENED: ModelStanding.OPENED,
    StageReason.OPENED_WITHOUT_SEAL: ModelStanding.UNSEALED,
    StageReason.MET_WITHOUT_SEAL: ModelStanding.UNSEALED,
    StageReason.CRITERIA_MISSED: ModelStanding.BLOCKED,
    StageReason.SIGNED_OFF: ModelStanding.PASSED,
}


@pytest.mark.parametrize("case", TABLE)
def test_stages_and_the_next_step_follow_from_the_facts(case):
    facts, statuses, reason, action = TABLE[case]
    given = decide(facts)
    assert "".join(state.status.value[0] for state in given.states.values()) == statuses
    told = given.states[given.next_step.stage]
    assert (told.reason, given.next_step.action) == (reason, action)
    assert given.next_step.stage is told.stage
    for state in given.states.values():
        assert stage_words.reason_in_words(state).endswith(".")
    assert stage_words.link_of(given.next_step).query
    best, signing = best_of(facts), given.states[Stage.SIGNED_OFF].reason
    # Sign-off said "Needs a trained model" beside a model of a split that leaks.
    assert (signing is StageReason.NEEDS_MODEL) is (best is None)
    if best is not None and (standing := STANDINGS.get(signing)):
        assert standing_of(best) is standing


def test_the_table_has_every_reason():
    given = [decide(facts) for facts, *_ in TABLE.values()]
    assert {s.reason for item in given for s in item.states.values()} == set(StageReason)


@pytest.fixture
def made(workspace, tmp_path):
    return make_dataset(workspace, per_subset=24, images=tmp_path / "pictures")


def _of(made):
    given = stages.stages_of(made.workspace, datasets.find_dataset(made.workspace, "ds-1"))
    assert stages.stages_of_all(made.workspace)["ds-1"] == given
    return given


def _reason(made, stage):
    return _of(made).states[stage].reason


def test_checks_and_splits_are_read_with_the_images_that_came_after_them(made):
    workspace = made.workspace
    assert _reason(made, Stage.CHECKED) is StageReason.NEVER_CHECKED
    assert _of(made).next_step.action is StepAction.TRAIN
    finding = Finding(FindingKind.LABEL_CONFLICT, Severity.SERIOUS, "two labels", (1, 2))
    note = replace(finding, kind=FindingKind.OUTLIER, severity=Severity.NOTE)
    with connect(workspace) as db, transaction(db):
        quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), [finding, note])
    state = _of(made).states[Stage.CHECKED]
    assert (state.reason, state.count) == (StageReason.SERIOUS_FINDINGS, 1)
    edits.exclude(workspace, "ds-1", [1])
    assert _reason(made, Stage.SPLIT) is StageReason.SPLIT_READY
    with connect(workspace) as db, transaction(db):
        dataset = dataset_rows.find_dataset(db, "ds-1")
        (old,) = dataset_rows.samples_by_id(db, [2])
        versions.add_samples(db, dataset, [replace(old, id=0, sha256="new")], "Added 1 image")
    given = _of(made)
    assert [given.states[s].reason for s in (Stage.CHECKED, Stage.SPLIT)] == [
        StageReason.CHECK_OUTDATED,
        StageReason.IMAGES_NOT_SPLIT,
    ]
    assert given.states[Stage.SPLIT].count == 1
    assert given.next_step.action is StepAction.RUN_CHECK
    # The split was made before this check, so its stored certificate knows nothing of it.
    pair = (int(made.ids["train"][5]), int(made.ids["test"][5]))
    with connect(workspace) as db, transaction(db):
        check = QualityCheck("ds-1", 3.0, (pair,), 1, 2)
        quality.save_check(db, check, [])
    assert _reason(made, Stage.SPLIT) is StageReason.SPLIT_LEAKS


def test_a_sealed_test_is_followed_to_its_verdict_and_beyond(made):
    workspace = made.workspace
    add_model(made, "a")
    assert _reason(made, Stage.SIGNED_OFF) is StageReason.NO_THRESHOLD
    _rule(made, "a", 0.5)
    assert _reason(made, Stage.SIGNED_OFF) is StageReason.NO_CRITERIA
    impossible = ReleaseCriteria(max_escape=0.001, max_overkill=0.5)
    release.set_criteria(workspace, "parts", impossible)
    assert _reason(made, Stage.SIGNED_OFF) is StageReason.READY_TO_SEAL
    sealing.seal_test(workspace, "a")
    assert _of(made).next_step.action is StepAction.OPEN_TEST
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.5))
    state = _of(made).states[Stage.SIGNED_OFF]
    assert (state.reason, state.changes) == (StageReason.SEAL_VOID, (SealChange.CRITERIA,))
    release.set_criteria(workspace, "parts", impossible)
    opened = sealing.open_test(workspace, "a", "release")
    assert _reason(made, Stage.SIGNED_OFF) is StageReason.OPENED
    report.gate_of(workspace, opened)
    state = _of(made).states[Stage.SIGNED_OFF]
    assert state.reason is StageReason.CRITERIA_MISSED
    assert [item.kind for item in state.missed] == [MissedKind.ESCAPE]
    edits.exclude(workspace, "ds-1", [int(made.ids["test"][0])])
    state = _of(made).states[Stage.SIGNED_OFF]
    assert (state.reason, state.changes) == (StageReason.INVALIDATED, (SealChange.TEST_IMAGES,))


def test_a_verdict_read_with_other_criteria_is_no_verdict(made):
    workspace = made.workspace
    add_model(made, "a")
    _rule(made, "a", 0.5)
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    with connect(workspace) as db, transaction(db):
        access = judgement.TestSetAccess("split-1", "model-a", "a", "a look", 2.0)
        judgement.record_access(db, access)
    report.gate_of(workspace, sealing.sign_off(workspace, "a"))
    assert _reason(made, Stage.SIGNED_OFF) is StageReason.MET_WITHOUT_SEAL
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.8))
    assert _reason(made, Stage.SIGNED_OFF) is StageReason.OPENED_WITHOUT_SEAL


def test_imports_that_are_no_dataset_yet_are_told_until_a_later_one_takes_their_name(workspace):
    def ended(subject, name, status, at):
        with connect(workspace) as db:
            payload = {"name": name, "source": "/none", "consume": False}
            jobs.enqueue(db, JobKind.IMPORT, subject, payload, now=at)
            if status is not JobStatus.QUEUED:
                job = jobs.claim(db, JobKind.IMPORT.lane, owner="me", now=at)
                jobs.finish(db, job.id, status, owner="me", now=at, error="no images")

    now = stages.utc_now()
    ended("ds-1", "bolts", JobStatus.FAILED, now - 50)
    ended("ds-2", "nuts", JobStatus.FAILED, now - 40)
    ended("ds-3", "old", JobStatus.FAILED, now - 10**6)
    ended("ds-4", "stopped", JobStatus.STOPPED, now - 30)
    ended("ds-5", "nuts", JobStatus.QUEUED, now)
    pending = [(p.name, p.job.status) for p in stages.pending_imports(workspace)]
    assert pending == [("nuts", JobStatus.QUEUED), ("bolts", JobStatus.FAILED)]


def test_the_model_that_passed_its_test_is_shown_before_better_ones_on_validation():
    # Home named another model as the best beside "passed its sealed test. Use the model."
    passed = replace(OPENED, id="passed", val_macro_f1=0.8, verdict=PASSED)
    failed = replace(OPENED, id="failed", val_macro_f1=0.99, verdict=FAILED)
    facts = replace(TRAINED, models=(failed, MODEL, passed), has_criteria=True)
    assert [model.id for model in board._worth_showing(facts)] == ["passed", "m", "failed"]


def test_between_equally_good_models_the_one_that_people_chose_is_shown():
    # The trophy went to the newest of several with the same macro F1.
    newest = replace(MODEL, id="newest", created_at=40.0)
    ruled, released = replace(READY, id="ruled"), replace(MODEL, id="used", is_released=True)
    sealed = replace(SEALED, id="sealed")
    facts = replace(TRAINED, models=(newest, ruled, sealed, released), has_criteria=True)
    shown = [model.id for model in board._worth_showing(facts)]
    assert shown == ["used", "sealed", "ruled", "newest"]
    assert best_of(replace(facts, models=(newest, ruled))).id == "ruled"


def test_what_a_model_misses_on_validation_is_a_sentence():
    # It read "full epoch 0 · on validation: escapes".
    assert stage_words.misses_in_words((ESCAPES,)) == "misses the limit for escapes"
    recall = replace(ESCAPES, kind=MissedKind.RECALL, class_name="crack")
    assert stage_words.misses_in_words((ESCAPES, recall, UNPROVEN)) == (
        "misses the limits for escapes and recall of crack, "
        "has escapes not proven (300 parts needed)"
    )
