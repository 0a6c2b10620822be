import dataclasses
import json
from pathlib import Path

import pytest

from core.domain.datasets import Verdict
from core.domain.findings import QualityCheck
from core.domain.signoff import MarkKind, Obstacle
from core.domain.splits import Split, SplitStrategy, Subset
from core.errors import ConfigError, SealedError, WorkspaceError
from core.evaluation.decisions.outcome import ABOVE_ALL, OperatingPoint, single_threshold
from core.evaluation.decisions.rule import DecisionRule, rule_to_json
from core.evaluation.release.check import CheckResult, CriterionKind
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import datasets, judgement, quality, splits
from core.store.database import connect, transaction
from core.workflows.data import edits
from core.workflows.results import access, evaluation, judging, thresholds
from core.workflows.signoff import release, report, sealing, steps
from core.workflows.signoff.obstacles import obstacle_of
from core.workflows.signoff.steps import Remedy, SignOffStep, StepStatus
from core.workflows.use import models
from tests.made import NAMES, VERDICTS, add_model, make_dataset


@pytest.fixture
def made(workspace, tmp_path):
    """Two models of one split, criteria set, nothing sealed; real image files."""
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "pictures")
    add_model(made, "a")
    add_model(made, "b", seed=1)
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.5))
    return made


def _rule(made, model, threshold):
    basis = thresholds.load_basis(made.workspace, model)
    thresholds.save_rule(
        made.workspace, basis, thresholds.ThresholdChoice(single_threshold(threshold), "a test")
    )


def _sealed(made, model="a"):
    return sealing.seal_test(made.workspace, model)


def _changes(made, model="a", **options):
    return sealing.sign_off(made.workspace, model, **options).changes


def test_sealing_closes_the_test_set_and_opening_opens_it_for_this_model_only(made):
    judging.judged_set(made.workspace, "a", Subset.TEST)
    _sealed(made)
    for model in ("a", "b"):
        with pytest.raises(SealedError):
            judging.judged_set(made.workspace, model, Subset.TEST)
    opened = sealing.open_test(made.workspace, "a", " release\n 1 ")
    assert opened.is_proof
    assert [o.purpose for o in opened.own_openings] == ["release 1"]
    assert len(judging.judged_set(made.workspace, "a", Subset.TEST).targets) == 24
    with pytest.raises(SealedError):
        judging.judged_set(made.workspace, "b", Subset.TEST)


def test_every_look_of_every_model_is_counted(made):
    _sealed(made)
    sealing.open_test(made.workspace, "a", "first")
    access.record_view(made.workspace, models.find_model(made.workspace, "a"), "second")
    _sealed(made, "b")
    found = sealing.open_test(made.workspace, "b", "third")
    assert [(o.model_name, o.purpose) for o in found.accesses] == [
        ("a", "first"),
        ("a", "second"),
        ("b", "third"),
    ]
    assert len(found.own_openings) == 1


def test_the_steps_of_a_sign_off_say_what_is_to_do_now(made):
    def now():
        states = steps.steps_of(sealing.sign_off(made.workspace, "a"))
        (current,) = [s for s, status in states.items() if status is StepStatus.CURRENT]
        return current, states

    assert now()[0] is SignOffStep.SEAL
    # Nothing is kept of a plan: with or without criteria, nobody can say that it was made.
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.5))
    assert now()[1][SignOffStep.PLAN] is StepStatus.OPEN
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.01))
    # A proof below 1% needs 299 defective parts; the test has a few.
    assert now()[1][SignOffStep.PLAN] is StepStatus.SKIPPED
    standing = _sealed(made)
    assert steps.size_of(standing) == steps.ProofSize(299, standing.defective)
    assert 0 < standing.defective < 24
    assert now()[0] is SignOffStep.OPEN
    edits.relabel(made.workspace, "parts", {int(made.ids[Subset.TEST][0]): 1})
    assert now()[0] is SignOffStep.SEAL
    assert steps.remedy_of(sealing.sign_off(made.workspace, "a"), None) is None
    _sealed(made)
    opened = sealing.open_test(made.workspace, "a", "release 1")
    assert now()[0] is SignOffStep.REPORT
    missed = report.gate_of(made.workspace, opened).gate
    assert not missed.passed
    for result, remedy in (
        (CheckResult.NOT_PROVEN, Remedy.MORE_PARTS),
        (CheckResult.MISSED, Remedy.ANOTHER_MODEL),
    ):
        checks = tuple(dataclasses.replace(check, result=result) for check in missed.checks)
        assert steps.remedy_of(opened, dataclasses.replace(missed, checks=checks)) is remedy
    # The other model of the split was viewed before it was sealed.
    unsealed = dataclasses.replace(opened, seal=None)
    passed = tuple(dataclasses.replace(c, result=CheckResult.MET) for c in missed.checks)
    met = dataclasses.replace(missed, checks=passed)
    assert steps.remedy_of(unsealed, met) is Remedy.SEAL_NEXT
    assert steps.remedy_of(opened, met) is None


def test_another_criterion_voids_the_seal_and_the_old_one_heals_it(made):
    _sealed(made)
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.6))
    assert _changes(made) == ("The release criteria were changed.",)
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.5))
    assert _changes(made) == ()


def test_a_limit_on_reviews_is_sealed_with_the_criteria(made):
    asked = ReleaseCriteria(max_overkill=0.5, max_reviews=900, parts_per_shift=1000)
    release.set_criteria(made.workspace, "parts", asked)
    sealing.seal_test(made.workspace, "a")
    changed = dataclasses.replace(asked, parts_per_shift=5000)
    release.set_criteria(made.workspace, "parts", changed)
    assert _changes(made) == ("The release criteria were changed.",)
    release.set_criteria(made.workspace, "parts", asked)
    opened = sealing.open_test(made.workspace, "a", "release")
    gate = report.gate_of(made.workspace, opened)
    kinds = [check.criterion.kind for check in gate.gate.checks]
    assert kinds == [CriterionKind.FALSE_REJECT, CriterionKind.REVIEWS]
    assert gate.gate.limits_reviews


def test_a_seal_and_criteria_of_an_earlier_version_are_judged_as_they_were(made):
    # What they were asked then has none of the newer fields.
    _sealed(made)
    newer = ("min_automatic", "max_reviews", "parts_per_shift", "defect_rate")
    with connect(made.workspace) as db, db.conn:
        for table, column in (("seals", "criteria"), ("criteria", "settings")):
            (text,) = db.conn.execute(f"SELECT {column} FROM {table}").fetchone()
            kept = {k: v for k, v in json.loads(text).items() if k not in newer}
            db.conn.execute(f"UPDATE {table} SET {column} = ?", [json.dumps(kept)])
    opened = sealing.open_test(made.workspace, "a", "release")
    assert opened.is_proof
    gate = report.gate_of(made.workspace, opened)
    assert [check.criterion.kind for check in gate.gate.checks] == [CriterionKind.FALSE_REJECT]


def test_a_saved_rule_that_decides_nothing_is_not_sealed(made):
    # Earlier versions saved "accept below 0%, reject nothing"; sealed, it passed the test.
    judged = judging.judged_set(made.workspace, "a", Subset.VALIDATION)
    nothing = OperatingPoint(0.0, ABOVE_ALL)
    rule = DecisionRule(nothing, judged.class_names, judged.verdicts, "guarantee", 0.95, 1.0)
    with connect(made.workspace) as db, transaction(db):
        judgement.save_operating_point(db, judged.model.id, rule_to_json(rule))
    with pytest.raises(ConfigError, match="decides nothing"):
        _sealed(made)
    _rule(made, "a", 0.4)
    _sealed(made)


def test_another_threshold_voids_the_seal(made):
    _rule(made, "a", 0.4)
    _sealed(made)
    _rule(made, "a", 0.4)
    assert _changes(made) == ()
    _rule(made, "a", 0.5)
    assert _changes(made) == ("The thresholds were changed.",)


def test_a_threshold_that_was_chosen_after_sealing_voids_the_seal(made):
    _sealed(made)
    _rule(made, "a", 0.4)
    assert _changes(made) == ("The thresholds were changed.",)


def test_relabelled_excluded_and_regrouped_test_images_void_the_seal_by_name(made):
    first, second, third = (int(i) for i in made.ids[Subset.TEST][:3])
    _sealed(made)
    edits.relabel(made.workspace, "parts", {first: 1})
    edits.exclude(made.workspace, "parts", [second])
    edits.set_group(made.workspace, "parts", {third: "part x"})
    changes = " ".join(_changes(made))
    assert "1 test image got another class: '00048.png'." in changes
    assert "1 test image left the dataset: '00049.png'." in changes
    assert "1 test image moved to another part: '00050.png'." in changes
    for _ in range(3):
        edits.undo(made.workspace, "parts")
    assert _changes(made) == ()


def test_edits_of_training_images_do_not_void_the_seal(made):
    _sealed(made)
    edits.relabel(made.workspace, "parts", {int(made.ids[Subset.TRAIN][0]): 1})
    assert _changes(made) == ()


def test_parts_that_are_declared_later_void_the_seal_and_look_alikes_do_not(made):
    # n counts parts where they are declared: with others, the same errors prove something else.
    test = [int(i) for i in made.ids[Subset.TEST]]
    train = [int(i) for i in made.ids[Subset.TRAIN]]
    with connect(made.workspace) as db, db.conn:
        db.conn.execute(
            "UPDATE samples SET sha256 = (SELECT sha256 FROM samples WHERE id = ?) WHERE id = ?",
            [test[1], train[0]],
        )
    edits.set_group(made.workspace, "ds-1", {test[0]: "A"})
    _sealed(made)
    with connect(made.workspace) as db, transaction(db):
        quality.save_check(db, QualityCheck("ds-1", 1.0, ((test[2], test[3]),), 1, 2), [])
    assert _changes(made) == ()
    # A copy of a test image, in the training images, joins two test images by its part.
    edits.set_group(made.workspace, "ds-1", {train[0]: "A"})
    (change,) = _changes(made)
    assert change.startswith("The test images are assigned to other parts")
    _sealed(made)
    assert _changes(made) == ()


def test_golden_samples_are_those_of_the_day_of_sealing(made):
    # Taking the mark off a golden sample that failed once turned BLOCK into PASS.
    judged = judging.judged_set(made.workspace, "a", Subset.TEST)
    wrong = judged.probabilities.argmax(axis=1) != judged.targets
    sample_id = int(judged.sample_ids[wrong][0])
    evaluation.mark(made.workspace, [sample_id], MarkKind.GOLDEN, on=True)
    _sealed(made)
    sealing.open_test(made.workspace, "a", "release")
    judged = judging.judged_set(made.workspace, "a", Subset.TEST)
    before = release.golden_results(made.workspace, judged, None)
    evaluation.mark(made.workspace, [sample_id], MarkKind.GOLDEN, on=False)
    evaluation.mark(made.workspace, [sample_id + 1], MarkKind.GOLDEN, on=True)
    assert release.golden_results(made.workspace, judged, None) == before
    assert len(before) == 1


def test_looks_at_the_same_images_count_whatever_the_split_is_called(made):
    # A second split with the same test images once had a clean record.
    access.record_view(made.workspace, models.find_model(made.workspace, "a"), "first")
    members = {int(i): subset for subset, ids in made.ids.items() for i in ids}
    again = Split("split-2", "ds-1", "again", SplitStrategy(), 1, (0.4, 0.3, 0.3), "d", 2.0)
    with connect(made.workspace) as db, transaction(db):
        splits.insert_split(db, again, members)
        db.conn.execute("UPDATE models SET split_id = 'split-2' WHERE id = 'model-b'")
    assert [o.purpose for o in sealing.sign_off(made.workspace, "b").accesses] == ["first"]
    assert not sealing.sign_off(made.workspace, "b").is_opened
    with connect(made.workspace) as db, transaction(db):
        db.conn.execute("UPDATE models SET split_id = NULL WHERE id = 'model-a'")
        splits.delete_split(db, "split-1")
    assert [o.purpose for o in sealing.sign_off(made.workspace, "b").accesses] == ["first"]


def test_other_verdicts_and_renamed_classes_void_the_seal(made):
    _sealed(made)
    edits.set_verdicts(made.workspace, "parts", {"hole": Verdict.OK})
    assert "What counts as OK and NOK was changed." in _changes(made)
    edits.rename_class(made.workspace, "parts", "hole", "pit")
    assert "Classes of the dataset were renamed, merged or added." in _changes(made)


def test_a_file_with_other_content_or_a_missing_one_voids_the_seal(made):
    _sealed(made)
    with connect(made.workspace) as db:
        samples = datasets.samples_by_id(db, [int(i) for i in made.ids[Subset.TEST][:2]])
    Path(samples[0].path).write_bytes(b"other")
    Path(samples[1].path).unlink()
    assert _changes(made) == ()  # only a look at the files can tell
    changes = _changes(made, check_files=True)
    assert "1 test image cannot be read any more: '00049.png'." in changes
    assert "1 test image changed in content: '00048.png'." in changes
    with pytest.raises(SealedError, match="void"):
        sealing.open_test(made.workspace, "a", "release")
    with pytest.raises(SealedError, match="cannot be sealed"):
        _sealed(made)


def test_a_void_seal_does_not_open_but_can_be_made_anew_before_the_first_look(made):
    _sealed(made)
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.1))
    with pytest.raises(SealedError, match="criteria were changed"):
        sealing.open_test(made.workspace, "a", "release")
    assert not sealing.sign_off(made.workspace, "a").is_opened
    _sealed(made)
    assert sealing.open_test(made.workspace, "a", "release").is_proof


def test_after_the_first_look_nothing_can_be_sealed_for_this_model(made):
    model = models.find_model(made.workspace, "a")
    access.record_view(made.workspace, model, "Evaluate page")
    with pytest.raises(SealedError, match="already viewed"):
        _sealed(made)
    assert _sealed(made, "b").is_proof


def test_a_changed_criterion_after_opening_shows_for_good(made):
    _sealed(made)
    sealing.open_test(made.workspace, "a", "release")
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    found = sealing.sign_off(made.workspace, "a")
    assert found.is_void
    assert steps.steps_of(found)[SignOffStep.SEAL] is StepStatus.VOID
    assert found.sealed_criteria == ReleaseCriteria(max_overkill=0.5)
    assert not found.has_other_rule
    with pytest.raises((SealedError, WorkspaceError)):
        _sealed(made)


def test_opening_needs_a_seal_and_a_purpose(made):
    with pytest.raises(SealedError, match="not sealed yet"):
        sealing.open_test(made.workspace, "a", "release")
    _sealed(made)
    with pytest.raises(ConfigError, match="purpose"):
        sealing.open_test(made.workspace, "a", "  ")


def test_what_cannot_be_judged_is_neither_sealed_nor_opened(workspace, tmp_path):
    # A limit on escapes without verdicts was sealed and opened: "Criteria not met … no data".
    made = make_dataset(workspace, per_subset=8, images=tmp_path / "pictures", verdicts=())
    add_model(made, "a")
    with pytest.raises(ConfigError, match="no release criteria"):
        _sealed(made)
    with pytest.raises(ConfigError, match="no golden sample is marked"):
        release.set_criteria(workspace, "parts", ReleaseCriteria())
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_escape=0.5))
    with pytest.raises(ConfigError, match="no verdicts say"):
        _sealed(made)
    assert not sealing.sign_off(workspace, "a").split.sealed
    edits.set_verdicts(workspace, "parts", dict(zip(NAMES, VERDICTS, strict=True)))
    _sealed(made)
    # One that an earlier version has sealed.
    edits.set_verdicts(workspace, "parts", dict.fromkeys(NAMES))
    with connect(workspace) as db, transaction(db):
        db.conn.execute("UPDATE seals SET created_at = created_at + 1000")
    standing = sealing.sign_off(workspace, "a")
    assert standing.is_proof
    assert steps.steps_of(standing)[SignOffStep.OPEN] is StepStatus.BLOCKED
    with pytest.raises(ConfigError, match="no verdicts say"):
        sealing.open_test(workspace, "a", "release")


@pytest.mark.parametrize(
    ("asked", "labels", "obstacle"),
    [
        ({"max_escape": 0.1}, (0, 1, 2), None),
        ({"max_escape": 0.1}, (0, 0), Obstacle.NO_DEFECTIVE),
        ({"max_overkill": 0.1}, (1, 2), Obstacle.NO_GOOD),
        ({"min_recall": 0.1}, (0, 1), Obstacle.EMPTY_CLASS),
        ({"no_new_escapes": True}, (0, 1, 2), Obstacle.NOTHING_REQUIRED),
    ],
)
def test_an_obstacle_is_known_from_classes_and_counts_alone(made, asked, labels, obstacle):
    standing = sealing.sign_off(made.workspace, "a")
    criteria = ReleaseCriteria(**asked)
    given = obstacle_of(criteria, standing.dataset, labels, is_of_classes=True, has_golden=False)
    assert given is obstacle


def test_the_intended_use_is_kept_and_bounded(made):
    sealing.save_intended_use(made.workspace, "a", " for line 3 ")
    assert sealing.intended_use(made.workspace, "model-a") == "for line 3"
    with pytest.raises(ConfigError, match="characters"):
        sealing.save_intended_use(made.workspace, "a", "x" * 5000)
