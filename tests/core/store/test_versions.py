from dataclasses import replace

import pytest

from core.domain.datasets import (
    Dataset,
    EditAction,
    Sample,
    SampleState,
    SampleStatus,
    Verdict,
    content_digest,
)
from core.domain.findings import Finding, FindingKind, FindingStatus, QualityCheck, Severity
from core.errors import NotFoundError
from core.store import datasets, quality, versions
from core.store.database import connect, transaction

NAMES = ("good", "crack", "dent")


def _sample(number, label):
    return Sample(0, f"/p/{number}.png", f"sha{number}", label, 8, 8, "L", 9, name=f"{number}.png")


@pytest.fixture
def db(workspace):
    samples = [_sample(n, n % 3) for n in range(9)]
    digest = content_digest((s.sha256, NAMES[s.label]) for s in samples)
    dataset = Dataset("ds-1", "parts", NAMES, "/p", digest, 9, 1.0)
    with connect(workspace) as db:
        with transaction(db):
            datasets.insert_dataset(db, dataset, samples)
        yield db


def _edit(db, states, **options):
    dataset = datasets.find_dataset(db, "ds-1")
    with transaction(db):
        return versions.apply_edit(db, dataset, EditAction.RELABEL, "edited", states, **options)


def _labels(db, number=None):
    return {s.id: s.label for s in versions.samples_at(db, "ds-1", number)}


def _used(label, group=None):
    return SampleState(label, group, SampleStatus.USED)


def test_an_edit_makes_a_version_and_the_old_one_can_still_be_read(db):
    before = datasets.find_dataset(db, "ds-1")
    made = _edit(db, {1: _used(1), 2: SampleState(1, None, SampleStatus.EXCLUDED)})
    after = datasets.find_dataset(db, "ds-1")
    assert (after.version, after.sample_count, after.digest) == (2, 8, made.digest)
    assert made.digest != before.digest
    assert _labels(db)[1] == 1
    assert 2 not in _labels(db)
    assert _labels(db, 1) == {n + 1: n % 3 for n in range(9)}


def test_an_undo_gives_the_same_digest_and_is_itself_recorded(db):
    digest = datasets.find_dataset(db, "ds-1").digest
    _edit(db, {1: _used(1)})
    _edit(db, {1: _used(2), 4: _used(2)})
    for expected in (2, 1):
        with transaction(db):
            versions.undo(db, datasets.find_dataset(db, "ds-1"))
        assert _labels(db) == _labels(db, expected)
    assert datasets.find_dataset(db, "ds-1").digest == digest
    assert [v.number for v in versions.list_versions(db, "ds-1")] == [5, 4, 3, 2, 1]
    assert [v.undoes for v in versions.list_versions(db, "ds-1")[:2]] == [2, 3]
    with pytest.raises(NotFoundError, match="no change to undo"):
        versions.undo(db, datasets.find_dataset(db, "ds-1"))


def test_an_edit_after_an_undo_is_what_the_next_undo_takes_back(db):
    _edit(db, {1: _used(1)})
    with transaction(db):
        versions.undo(db, datasets.find_dataset(db, "ds-1"))
    _edit(db, {2: _used(2)})
    found = versions.undoable(versions.list_versions(db, "ds-1"))
    assert found is not None
    assert found.number == 4


def test_classes_and_verdicts_belong_to_their_version(db):
    merged = {s.id: _used(1) for s in versions.samples_at(db, "ds-1") if s.label == 2}
    _edit(db, merged, class_names=("good", "fault"), class_verdicts=(Verdict.OK, Verdict.NOK))
    today = datasets.find_dataset(db, "ds-1")
    assert today.class_names == ("good", "fault")
    assert today.verdicts == (Verdict.OK, Verdict.NOK)
    assert versions.find_version(db, "ds-1", 1).class_names == NAMES
    with transaction(db):
        versions.restore_version(db, today, 1)
    assert datasets.find_dataset(db, "ds-1").class_names == NAMES
    assert _labels(db) == _labels(db, 1)


def test_added_images_are_not_there_before_and_leave_with_an_undo(db):
    dataset = datasets.find_dataset(db, "ds-1")
    with transaction(db):
        versions.add_samples(
            db, dataset, [_sample(20, 3), _sample(21, 0)], "two more", class_names=(*NAMES, "hole")
        )
    assert len(_labels(db)) == 11
    assert len(_labels(db, 1)) == 9
    changed = versions.changes_between(db, "ds-1", 1, 2)
    assert {before.status for before, _ in changed.values()} == {SampleStatus.ABSENT}
    with transaction(db):
        versions.undo(db, datasets.find_dataset(db, "ds-1"))
    assert len(_labels(db)) == 9
    assert datasets.find_dataset(db, "ds-1").digest == dataset.digest


def test_changes_between_versions_leave_out_what_came_back(db):
    _edit(db, {1: _used(1), 2: _used(2, "part 7")})
    _edit(db, {1: _used(0)})
    assert versions.changes_between(db, "ds-1", 1, 3) == {2: (_used(1), _used(2, "part 7"))}


def test_a_fixed_finding_opens_again_with_the_undo(db):
    finding = Finding(FindingKind.EXACT_DUPLICATE, Severity.WARNING, "two alike", (1, 4))
    with transaction(db):
        quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), [finding])
    stored = quality.list_findings(db, "ds-1", kind=FindingKind.EXACT_DUPLICATE)[0]
    assert replace(stored, id=0) == finding
    made = _edit(db, {4: SampleState(0, None, SampleStatus.EXCLUDED)})
    with transaction(db):
        quality.decide_finding(db, "ds-1", stored, FindingStatus.FIXED, version=made.number)
    assert quality.count_findings(db, "ds-1") == {}
    with transaction(db):
        versions.undo(db, datasets.find_dataset(db, "ds-1"))
    assert quality.count_findings(db, "ds-1") == {FindingKind.EXACT_DUPLICATE: 1}
