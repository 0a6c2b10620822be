import json
from dataclasses import replace

import numpy as np
import pytest

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, EditAction, Sample, SampleState, SampleStatus, Verdict
from core.domain.findings import QualityCheck
from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.splits import CountedGroups, LeakCertificate, Split, SplitStrategy, Subset
from core.errors import NotFoundError, SealedError
from core.evaluation.measures.parts import Unit
from core.store import datasets, models, predictions, quality, splits, versions
from core.store.database import connect, transaction
from core.workflows.data import edits
from core.workflows.results import access, evaluation, judging
from tests.made import add_model, make_dataset

NAMES = ("good", "crack")


@pytest.fixture
def judged(workspace):
    """A model with stored probabilities of four test images; nothing was really trained."""
    samples = [
        Sample(0, f"/p/{n}.png", f"sha{n}", n % 2, 8, 8, "L", 9, group="part 1" if n < 2 else None)
        for n in range(4)
    ]
    dataset = Dataset(
        "ds-1", "parts", NAMES, "/p", "d", 4, 1.0, class_verdicts=(Verdict.OK, Verdict.NOK)
    )
    split = Split("split-1", "ds-1", "s", SplitStrategy(), 1, (0.5, 0.25, 0.25), "d", 1.0)
    model = Model(
        "model-1",
        "m",
        None,
        "ds-1",
        "parts",
        "split-1",
        NAMES,
        "n",
        PreprocessConfig(),
        1,
        "sha",
        1.0,
        version=1,
    )
    with connect(workspace) as db, transaction(db):
        datasets.insert_dataset(db, dataset, samples)
        ids = [s.id for s in datasets.samples_of(db, "ds-1")]
        splits.insert_split(db, split, dict.fromkeys(ids, Subset.TEST))
        models.insert_model(db, model, b"x")
        matrix = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], np.float32)
        predictions.insert_predictions(
            db, "model-1", "ds-1", Subset.TEST, np.array(ids, np.int64), matrix
        )
    return workspace


def _edit(workspace, states, **options):
    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, "ds-1")
        versions.apply_edit(db, dataset, EditAction.RELABEL, "edited", states, **options)


def test_a_model_is_judged_by_todays_labels(judged):
    _edit(
        judged,
        {
            4: SampleState(0, None, SampleStatus.USED),
            3: SampleState(0, None, SampleStatus.EXCLUDED),
        },
    )
    found = judging.judged_set(judged, "m", Subset.TEST)
    assert found.targets.tolist() == [0, 1, 0]
    assert found.left_out == 1
    assert found.verdicts == (Verdict.OK, Verdict.NOK)
    assert "1 predicted image" in (found.notice or "")


def test_where_classes_were_merged_the_labels_of_the_training_count(judged):
    states = {i: SampleState(0, None, SampleStatus.USED) for i in (1, 2, 3, 4)}
    _edit(judged, states, class_names=("part",), class_verdicts=(None,))
    found = judging.judged_set(judged, "m", Subset.TEST)
    assert found.targets.tolist() == [0, 1, 0, 1]
    assert found.version == 1
    assert found.verdicts == (Verdict.OK, Verdict.NOK)
    assert "version 1" in (found.notice or "")


def test_groups_make_parts_and_images_without_group_stand_alone(judged):
    parts = judging.judged_set(judged, "m", Subset.TEST).parts
    assert parts is not None
    assert parts[0] == parts[1]
    assert len(set(parts.tolist())) == 3


def test_a_renamed_class_keeps_its_place_and_todays_labels_count(judged):
    # After a rename, corrections changed nothing and verdicts that were given later were not seen.
    edits.rename_class(judged, "ds-1", "crack", "break")
    edits.relabel(judged, "ds-1", {4: 0})
    found = judging.judged_set(judged, "m", Subset.TEST)
    assert found.targets.tolist() == [0, 1, 0, 0]
    assert found.version is None
    assert found.verdicts == (Verdict.OK, Verdict.NOK)
    assert found.notice == "Since the training, class 'crack' is now called 'break'."


def test_a_merge_that_was_taken_back_leaves_nothing(judged):
    edits.add_class(judged, "ds-1", "dent")
    edits.merge_classes(judged, "ds-1", ["good", "crack"], "crack")
    assert judging.judged_set(judged, "m", Subset.TEST).version == 1
    edits.undo(judged, "ds-1")
    edits.rename_class(judged, "ds-1", "crack", "break")
    assert judging.judged_set(judged, "m", Subset.TEST).version is None


def test_numbers_of_a_leaking_split_say_so_by_themselves(judged):
    # The certificate stood on the Split page only, and the flattering figure alone on Evaluate.
    leaking = LeakCertificate(2, 0, 5, 1, "d", counted=CountedGroups.PARTS)
    with connect(judged) as db, transaction(db):
        splits.save_certificate(db, "split-1", leaking)
    notice = judging.judged_set(judged, "m", Subset.TEST).notice
    assert notice is not None
    assert "2 parts and 5 pairs of look-alikes are in more than one subset" in notice
    # "1 group of look-alikes and 1 look-alike pair" were the same images, counted twice.
    alike = replace(leaking, counted=CountedGroups.LOOK_ALIKES)
    assert "leaks: 2 groups of look-alikes are in" in judging.leaks_in_words(alike)
    with connect(judged) as db, transaction(db):
        splits.save_certificate(db, "split-1", replace(leaking, groups_across=0, near_across=0))
    assert judging.judged_set(judged, "m", Subset.TEST).notice is None


def test_one_more_known_group_never_makes_more_parts(judged):
    # One image with a stored group once made everybody forget the look-alikes that were found.
    with connect(judged) as db, transaction(db):
        quality.save_check(db, QualityCheck("ds-1", 2.0, ((2, 3),), 1, 2), [])
    proposed = judging.judged_set(judged, "m", Subset.TEST).counted_by(Counting.PARTS).parts
    assert len(set(proposed.tolist())) == 2  # 1 and 2 by their group, 2 and 3 alike, 4 alone
    edits.set_group(judged, "ds-1", {4: "part 1"})
    proposed = judging.judged_set(judged, "m", Subset.TEST).counted_by(Counting.PARTS).parts
    assert len(set(proposed.tolist())) == 1


def test_the_rule_that_a_split_was_grouped_by_makes_parts(judged):
    with connect(judged) as db, db.conn:
        db.conn.execute("UPDATE samples SET part = NULL, name = 'tile' || (id % 2) || '/' || id")
        strategy = json.dumps({"kind": "regex", "value": "(?P<group>tile.)"})
        db.conn.execute(
            "UPDATE splits SET strategy = json_set(strategy, '$.group_by', json(?))", [strategy]
        )
    parts = judging.judged_set(judged, "m", Subset.TEST).parts
    assert len(set(parts.tolist())) == 2
    with connect(judged) as db, db.conn:
        db.conn.execute("UPDATE samples SET name = 'no group ' || id")
    assert judging.judged_set(judged, "m", Subset.TEST).parts is None


def test_without_groups_the_look_alikes_that_were_found_are_a_proposal(judged):
    states = {i: SampleState((i - 1) % 2, None, SampleStatus.USED) for i in (1, 2)}
    _edit(judged, states)
    assert judging.judged_set(judged, "m", Subset.TEST).parts is None
    with connect(judged) as db, transaction(db):
        quality.save_check(db, QualityCheck("ds-1", 2.0, ((3, 4),), 1, 2), [])
    found = judging.judged_set(judged, "m", Subset.TEST)
    assert (found.parts, found.unit) == (None, Unit.IMAGES)
    parts = found.counted_by(Counting.PARTS).parts
    assert parts[2] == parts[3]
    assert len(set(parts.tolist())) == 3


def test_a_sealed_test_set_stays_closed_for_every_look(judged):
    with connect(judged) as db:
        splits.seal_split(db, "split-1")
        model = models.find_model(db, "m")
    assert access.is_sealed(judged, model)
    with pytest.raises(SealedError, match="sealed"):
        judging.judged_set(judged, "m", Subset.TEST)
    with pytest.raises(SealedError):
        access.record_view(judged, model, "page")


def test_a_subset_without_results_is_named(judged):
    with pytest.raises(NotFoundError, match="no validation results"):
        judging.judged_set(judged, "m", Subset.VALIDATION)


def test_a_model_whose_split_has_no_test_images_says_so(workspace):
    # The empty matrix of such a model could not be reshaped: an unexpected error.
    made = make_dataset(workspace, per_subset=8)
    empty = {Subset.TEST: np.empty((0, 3), np.float32)}
    made.ids[Subset.TEST] = np.empty(0, np.int64)
    model = add_model(made, "folds", given=empty)
    assert evaluation.evaluated_subsets(workspace, model.id) == [Subset.VALIDATION]
    with pytest.raises(NotFoundError, match="test"):
        judging.judged_set(workspace, model.id, Subset.TEST)


def test_a_judged_set_says_what_its_numbers_do_not_show(workspace):
    made = make_dataset(workspace, per_subset=60)
    add_model(made, "guesses", skill=0.0)
    add_model(made, "knows", skill=6.0)
    guesses, knows = (
        evaluation.cautions(workspace, judging.judged_set(workspace, name, Subset.VALIDATION))
        for name in ("guesses", "knows")
    )
    assert guesses[0].startswith("Not proven better than guessing")
    assert (len(guesses), knows) == (1, ())
    # "100%, macro F1 1.000" was all that was said where a class had no image.
    ids, targets = made.ids[Subset.VALIDATION], made.targets[Subset.VALIDATION]
    edits.exclude(workspace, "parts", [int(i) for i, t in zip(ids, targets, strict=True) if t == 2])
    judged = judging.judged_set(workspace, "knows", Subset.VALIDATION)
    name = judged.class_names[2]
    (missing,) = evaluation.cautions(workspace, judged)
    assert missing == f"No validation image of {name}: these results say nothing of it."
