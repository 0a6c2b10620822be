"""Splits as people make, seal, compare and delete them, on datasets made by rows."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from core.api.splits import certificate_text
from core.data.split_request import SplitRequest, request_of
from core.domain.datasets import Dataset, EditAction, Sample, SampleState, SampleStatus
from core.domain.findings import QualityCheck
from core.domain.ids import utc_now
from core.domain.splits import (
    Grouping,
    GroupKind,
    OrderBy,
    Split,
    SplitMethod,
    SplitSide,
    SplitStrategy,
    Subset,
)
from core.errors import SplitError
from core.store import datasets as dataset_rows
from core.store import quality as quality_rows
from core.store import splits as split_rows
from core.store import versions
from core.store.database import connect, transaction
from core.workflows.data import certificates, datasets, split_plans, splits
from core.workflows.data import edits as dataset_edits
from core.workflows.data.split_words import strategy_in_words, strategy_text

CLASSES = ("good", "bad")
SHOTS = 3
DAY_S = 86_400.0


def make_parts(workspace, name="Parts", parts=20, **more):
    """Two classes of parts, each photographed three times; the last file of each class is twice."""
    samples = []
    for label, class_name in enumerate(CLASSES):
        for part in range(parts):
            for shot in range(SHOTS):
                path = f"{class_name}/part{part}/shot {shot}.png"
                samples.append(
                    Sample(
                        0,
                        f"/d/{path}",
                        path,
                        label,
                        8,
                        8,
                        "L",
                        9,
                        group=f"{class_name} {part}",
                        name=path,
                        modified_at=DAY_S * part,
                        attributes={"lot": f"lot {part % 5}"},
                    )
                )
        samples.append(replace(samples[-1], path=f"/d/{class_name}/again.png"))
    samples = [replace(s, **more) for s in samples]
    dataset = Dataset(f"ds-{name}", name, CLASSES, "/d", "digest", len(samples), utc_now())
    with connect(workspace) as db, transaction(db):
        dataset_rows.insert_dataset(db, dataset, samples)
    return dataset


def look(workspace, dataset):
    """A quality check that found that the shots of a part look alike."""
    with connect(workspace) as db, transaction(db):
        found = dataset_rows.samples_of(db, dataset.id)
        near = []
        for first, second in pairwise(found):
            if first.group == second.group and first.sha256 != second.sha256:
                near.append((first.id, second.id))
        version = dataset_rows.find_dataset(db, dataset.id).version
        check = QualityCheck(dataset.id, utc_now(), tuple(near), 40, len(found), 0.95, 0.7, version)
        quality_rows.save_check(db, check, [])
    return check


def edit(workspace, dataset, changed):
    """Relabel (an index), exclude (None) or add images."""
    with connect(workspace) as db, transaction(db):
        now = dataset_rows.find_dataset(db, dataset.id)
        found = {s.id: s for s in dataset_rows.samples_of(db, dataset.id)}
        states = {
            i: SampleState(
                found[i].label if label is None else label,
                found[i].group,
                SampleStatus.EXCLUDED if label is None else SampleStatus.USED,
            )
            for i, label in changed.items()
        }
        versions.apply_edit(db, now, EditAction.RELABEL, "by test", states)


def add(workspace, dataset, count):
    with connect(workspace) as db, transaction(db):
        now = dataset_rows.find_dataset(db, dataset.id)
        more = [
            Sample(0, f"/d/new {i}.png", f"new {i}", 0, 8, 8, "L", 9, name=f"new {i}.png")
            for i in range(count)
        ]
        versions.add_samples(db, now, more, "added")


def members(workspace, split):
    with connect(workspace) as db:
        return split_rows.split_members(db, split.id)


def ids_in_test(workspace, split):
    return {i for i, subset in members(workspace, split).items() if subset is Subset.TEST}


@pytest.fixture
def parts(workspace):
    return make_parts(workspace)


@pytest.mark.parametrize(
    "group_by", ["folder", "column", "attribute:lot", r"regex:(?P<group>\w+/part\d+)/", "auto"]
)
@pytest.mark.parametrize(
    "wish", [{}, {"folds": 3}, {"order_by": OrderBy.NAME}, {"counts": (60, 24, 24)}]
)
def test_every_grouping_goes_with_every_strategy(workspace, parts, group_by, wish):
    look(workspace, parts)
    split = splits.create_split(workspace, parts.id, group_by=group_by, **wish)
    assert split.certificate.groups_across == 0
    assert split.certificate.exact_across == 0
    assert split.certificate.is_clean
    assert splits.find_split(workspace, parts.id, split.id) == split


def test_the_plan_that_was_shown_is_what_is_stored(workspace, parts):
    request = SplitRequest((0, 0, 0.25), group_by=Grouping(GroupKind.COLUMN), folds=4)
    plan = split_plans.plan_split(workspace, parts.id, request)
    assert splits.list_splits(workspace, parts.id) == []
    assert [side.name for side in plan.counts] == ["fold 1", "fold 2", "fold 3", "fold 4", "test"]
    split = splits.store_split(workspace, plan)
    assert (split.folds, split.name) == (4, "4 folds + 25% test seed 42 by stored group")
    assert certificates.side_counts(workspace, parts, split) == plan.counts
    assert sum(sum(c.values()) for c in plan.counts.values()) == parts.sample_count
    with connect(workspace) as db:
        for fold in range(4):
            found = split_rows.split_members(db, split.id, fold=fold)
            validating = sum(s is Subset.VALIDATION for s in found.values())
            assert validating == sum(plan.counts[_fold(fold)].values())
    add(workspace, parts, 1)
    with pytest.raises(SplitError, match="changed while"):
        splits.store_split(workspace, plan)


def _fold(number):
    return SplitSide(Subset.TRAIN if number else Subset.VALIDATION, number)


def test_a_group_that_people_gave_is_counted_even_in_a_random_split(workspace, parts):
    split = splits.create_split(workspace, parts.id)
    assert split.certificate.groups_across > 0
    assert split.certificate.near_across is None  # nobody has looked
    assert not split.certificate.is_clean


def test_a_sealed_test_set_is_kept_by_all_later_splits_of_this_version(workspace, parts):
    look(workspace, parts)
    first = splits.create_split(workspace, parts.id, group_by="auto")
    sealed = splits.seal_test(workspace, first.id)
    assert sealed.sealed
    assert splits.seal_test(workspace, first.id) == sealed  # asking twice has one effect
    test = ids_in_test(workspace, first)
    for wish in (
        {"seed": 7},
        {"folds": 3},
        {"counts": (30, 10, 10)},
        {"group_by": "folder"},
        {"order_by": OrderBy.DATE, "group_by": "auto"},
    ):
        later = splits.create_split(workspace, parts.id, **{"group_by": "auto", **wish})
        assert ids_in_test(workspace, later) == test
        assert later.sealed
        assert later.certificate.is_clean
        assert later.certificate.kept_out == 0  # whole groups were sealed
    assert splits.sealed_split(workspace, parts) == sealed


def test_siblings_of_a_randomly_sealed_test_set_are_kept_out_and_counted(workspace, parts):
    look(workspace, parts)
    counts = (60, 10, 6)
    first = splits.create_split(workspace, parts.id, counts=counts, seal=True)
    later = splits.create_split(workspace, parts.id, group_by="auto")
    test = ids_in_test(workspace, first)
    assert ids_in_test(workspace, later) == test
    assert later.certificate.is_clean
    assert later.certificate.kept_out > 0
    assert later.certificate.kept_out == parts.sample_count - len(members(workspace, later))


def test_another_version_is_free_again_and_an_old_split_cannot_be_sealed(workspace, parts):
    first = splits.create_split(workspace, parts.id, group_by="column", seal=True)
    add(workspace, parts, 3)
    assert splits.sealed_split(workspace, datasets.find_dataset(workspace, parts.id)) is None
    free = splits.create_split(workspace, parts.id, group_by="column", seed=5)
    assert ids_in_test(workspace, free) != ids_in_test(workspace, first)
    assert not free.sealed
    with pytest.raises(SplitError, match="version 1"):
        splits.seal_test(workspace, first.id)


def test_two_different_test_sets_cannot_both_be_sealed(workspace, parts):
    first = splits.create_split(workspace, parts.id, seed=1)
    second = splits.create_split(workspace, parts.id, seed=2)
    splits.seal_test(workspace, first.id)
    with pytest.raises(SplitError, match="sealed for this version already"):
        splits.seal_test(workspace, second.id)
    without = splits.create_split(
        workspace, make_parts(workspace, "Other").id, fractions=(0.8, 0.2, 0.0)
    )
    with pytest.raises(SplitError, match="no test images"):
        splits.seal_test(workspace, without.id)


def test_where_the_seal_leaves_too_little_the_reason_is_said(workspace, parts):
    look(workspace, parts)
    splits.create_split(workspace, parts.id, seal=True)  # random: almost every part is touched
    with pytest.raises(SplitError, match="Besides the test set that is kept") as caught:
        splits.create_split(workspace, parts.id, group_by="auto", folds=15)
    assert "another version" in caught.value.hint


def test_a_certificate_is_counted_again_when_somebody_looked(workspace, parts):
    early = splits.create_split(workspace, parts.id, group_by="folder")
    assert certificates.certified(workspace, early) == early
    look(workspace, parts)
    again = certificates.certified(workspace, early)
    assert again.certificate.is_clean
    assert splits.find_split(workspace, parts.id, early.id) == again
    with connect(workspace) as db, transaction(db):
        delivered = Split(
            "split-d",
            parts.id,
            "As delivered",
            SplitStrategy(SplitMethod.PROVIDED),
            0,
            (0.5, 0.25, 0.25),
            "digest",
            utc_now(),
        )
        ids = [s.id for s in dataset_rows.samples_of(db, parts.id)]
        split_rows.insert_split(db, delivered, {i: list(Subset)[i % 3] for i in ids})
    counted = certificates.certified(workspace, delivered).certificate
    assert counted.groups_across > 0
    assert counted.near_across > 0


def test_auto_needs_a_check_that_saw_all_images(workspace, parts):
    look(workspace, parts)
    assert not splits.needs_check(workspace, parts.id)
    add(workspace, parts, 2)
    assert splits.needs_check(workspace, parts.id)
    with pytest.raises(SplitError, match="2 images came after"):
        splits.create_split(workspace, parts.id, group_by="auto")
    by_column = splits.create_split(workspace, parts.id, group_by="column")
    assert by_column.certificate.near_across is None
    assert not by_column.certificate.is_clean


def test_edits_since_a_split_are_named(workspace, parts):
    split = splits.create_split(workspace, parts.id)
    dataset = datasets.find_dataset(workspace, parts.id)
    assert certificates.drift(workspace, dataset, split).is_empty
    ids = sorted(members(workspace, split))
    edit(workspace, parts, {ids[0]: None, ids[1]: 1})
    add(workspace, parts, 2)
    dataset = datasets.find_dataset(workspace, parts.id)
    drift = certificates.drift(workspace, dataset, split)
    assert (drift.left, drift.relabelled) == ((ids[0],), (ids[1],))
    assert len(drift.added) == 2
    assert not set(drift.added) & set(ids)


def test_the_certificate_can_be_copied_as_json(workspace, parts):
    look(workspace, parts)
    split = splits.create_split(workspace, parts.id, group_by="auto", seal=True)
    edit(workspace, parts, dict.fromkeys(sorted(members(workspace, split))[:9]))
    text = json.loads(certificate_text(workspace, split))
    assert text["clean"] is True
    assert (text["dataset_version"], text["dataset_digest"]) == (1, "digest")
    assert text["test_sealed"] is True
    # The counts are those of the day, whatever was edited since.
    assert sum(sum(c.values()) for c in text["counts"].values()) == parts.sample_count
    assert (text["groups_across"], text["exact_across"], text["near_across"]) == (0, 0, 0)


def test_what_images_can_be_grouped_by_is_known(workspace):
    full = make_parts(workspace, "Full")
    plain = make_parts(workspace, "Plain", group=None, attributes={})
    assert _options(workspace, full) == ["auto", "folder", "column", "attribute:lot"]
    assert _options(workspace, plain) == ["auto", "folder"]


def _options(workspace, dataset):
    return [grouping.option for grouping in splits.groupings(workspace, dataset.id)]


@pytest.mark.parametrize("name", ["type: A; deep", "a, grouped by auto", "x | y, 50%", '"lot"'])
def test_names_with_punctuation_go_through_splits_and_their_texts(workspace, name):
    # A strategy was kept as a sentence and read back by its commas and colons.
    dataset = make_parts(workspace, attributes={name: "1"})
    dataset_edits.rename_class(workspace, dataset.id, "good", name)
    split = splits.create_split(workspace, dataset.id, name=name, group_by="column")
    by_column = splits.create_split(
        workspace, dataset.id, group_by=f"regex:(?P<group>part\\d+)|{re.escape(name)}"
    )
    assert splits.find_split(workspace, dataset.id, name) == split
    again = splits.find_split(workspace, dataset.id, by_column.id)
    assert request_of(again) == request_of(by_column)
    found = json.loads(certificate_text(workspace, split))
    assert found["counts"]["test"][name] > 0
    assert found["strategy"] == "grouped by column"


def test_how_a_split_was_made_is_said_as_before_and_in_words(workspace):
    dataset = make_parts(workspace)
    look(workspace, dataset)
    plain = splits.create_split(workspace, dataset.id)
    counted = splits.create_split(workspace, dataset.id, counts=(10, 5, 5), per_class=True)
    folded = splits.create_split(
        workspace,
        dataset.id,
        folds=3,
        fractions=(0, 0, 0.2),
        order_by=OrderBy.NAME,
        group_by="auto",
    )
    assert [strategy_text(s) for s in (plain, counted, folded)] == [
        "stratified",
        "counts 10/5/5 per class",
        "3 folds, ordered by name, grouped by auto",
    ]
    assert [strategy_in_words(s) for s in (plain, counted, folded)] == [
        "stratified by class",
        "10/5/5 per class images",
        "3 folds, ordered by name, look-alikes kept together",
    ]
