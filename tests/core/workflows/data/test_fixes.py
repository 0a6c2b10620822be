"""Findings are fixed by one edit, closed by it, and open again when it is undone."""

import pytest

from core.domain.datasets import Dataset, Sample, SampleStatus, content_digest
from core.domain.findings import (
    Certainty,
    Finding,
    FindingKind,
    FindingStatus,
    Fix,
    QualityCheck,
    Severity,
)
from core.errors import ConfigError, NotFoundError
from core.store import datasets, quality, versions
from core.store.database import connect, transaction
from core.workflows.data import edits, fixes
from core.workflows.data.quality import finding_counts, findings, proposed_labels

NAMES = ("good", "crack", "dent")
K = FindingKind


def _sample(number, label, **more):
    return Sample(
        0,
        f"/p/{number}.png",
        f"sha{number}",
        label,
        8 + (number == 3),
        8,
        "L",
        9,
        name=f"{number}.png",
        **more,
    )


@pytest.fixture
def parts(workspace):
    """Ids 1 to 9, labels 1 2 0 1 2 0 1 2 0; the third is the largest."""
    samples = [_sample(n, n % 3, sharpness=float(n)) for n in range(1, 10)]
    digest = content_digest((s.sha256, NAMES[s.label]) for s in samples)
    found = [
        Finding(K.LABEL_CONFLICT, Severity.SERIOUS, "conflict", (1, 2)),
        Finding(K.EXACT_DUPLICATE, Severity.WARNING, "equal", (1, 2, 3)),
        Finding(K.EXACT_DUPLICATE, Severity.WARNING, "equal too", (5, 6)),
        Finding(K.NEAR_DUPLICATE, Severity.WARNING, "alike", (3, 4)),
        Finding(K.NEAR_DUPLICATE, Severity.WARNING, "alike too", (7, 8, 9)),
        Finding(
            K.SUSPECT_LABEL, Severity.WARNING, "suspect", (4,), 2, 0.1, certainty=Certainty.SURE
        ),
        Finding(K.SUSPECT_LABEL, Severity.NOTE, "hard", (6,), 1, 0.3, certainty=Certainty.UNSURE),
        Finding(K.OUTLIER, Severity.NOTE, "dark", (2,)),
        Finding(K.CLASS_IMBALANCE, Severity.NOTE, "uneven"),
    ]
    with connect(workspace) as db, transaction(db):
        datasets.insert_dataset(db, Dataset("ds-1", "parts", NAMES, "/p", digest, 9, 1.0), samples)
        quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), found)
    return workspace


def _ids(workspace, kind, status=FindingStatus.OPEN):
    return [f.id for f in findings(workspace, "ds-1", kind, status=status)]


def _used(workspace):
    with connect(workspace) as db:
        return [s.id for s in versions.samples_at(db, "ds-1")]


def _states(workspace):
    with connect(workspace) as db:
        return versions.states_today(db, "ds-1")


def test_keep_one_keeps_the_largest_then_the_sharpest(parts):
    done = fixes.fix_all(parts, "ds-1", K.EXACT_DUPLICATE, Fix.KEEP_ONE)
    assert _used(parts) == [3, 4, 6, 7, 8, 9]
    assert done.words == "Excluded 3 images"
    assert K.EXACT_DUPLICATE not in finding_counts(parts, "ds-1")
    # Their images are gone, so these are settled, too.
    assert K.LABEL_CONFLICT not in finding_counts(parts, "ds-1")
    assert K.OUTLIER not in finding_counts(parts, "ds-1")
    assert finding_counts(parts, "ds-1", FindingStatus.FIXED)[K.EXACT_DUPLICATE] == 2


def test_an_undo_brings_images_and_findings_back(parts):
    before = finding_counts(parts, "ds-1")
    done = fixes.fix(parts, "ds-1", _ids(parts, K.EXACT_DUPLICATE)[:1], Fix.EXCLUDE)
    assert len(_used(parts)) == 6
    fixes.undo(parts, "ds-1", done)
    assert len(_used(parts)) == 9
    assert finding_counts(parts, "ds-1") == before


def test_an_undo_after_another_edit_is_refused(parts):
    done = fixes.fix(parts, "ds-1", _ids(parts, K.OUTLIER), Fix.EXCLUDE)
    edits.relabel(parts, "ds-1", {9: 1})
    with pytest.raises(ConfigError, match="changed since this fix"):
        fixes.undo(parts, "ds-1", done)
    edits.undo(parts, "ds-1")
    fixes.undo(parts, "ds-1", done)
    assert len(_used(parts)) == 9


def test_a_suspect_gets_the_suggested_class_or_a_chosen_one(parts):
    sure, hard = _ids(parts, K.SUSPECT_LABEL)
    assert fixes.fix(parts, "ds-1", [sure], Fix.RELABEL).words.endswith("crack → dent")
    assert _states(parts)[4].label == 2
    fixes.fix(parts, "ds-1", [hard], Fix.RELABEL, label=2)
    assert _states(parts)[6].label == 2
    assert not _ids(parts, K.SUSPECT_LABEL)


def test_ignoring_a_suspect_says_that_its_label_is_kept(parts):
    sure, _hard = _ids(parts, K.SUSPECT_LABEL)
    assert fixes.fix(parts, "ds-1", [sure], Fix.IGNORE).words == "Kept the label of 1 image"
    outlier = _ids(parts, K.OUTLIER)[:1]
    assert fixes.fix(parts, "ds-1", outlier, Fix.IGNORE).words == "Ignored 1 finding"


def test_relabelling_all_takes_the_sure_ones_only(parts):
    fixes.fix_all(parts, "ds-1", K.SUSPECT_LABEL, Fix.RELABEL)
    assert (_states(parts)[4].label, _states(parts)[6].label) == (2, 0)
    assert len(_ids(parts, K.SUSPECT_LABEL)) == 1


def test_a_proposed_label_has_its_name_of_today(parts):
    sure, hard = findings(parts, "ds-1", K.SUSPECT_LABEL)
    assert (sure.certainty, hard.certainty) == (Certainty.SURE, Certainty.UNSURE)
    assert proposed_labels(parts, "ds-1", [sure, hard]) == {sure.id: "dent", hard.id: "crack"}
    edits.merge_classes(parts, "ds-1", ["good", "crack"], "good")
    # What looked like a class that is gone is not proposed.
    assert proposed_labels(parts, "ds-1", [sure, hard]) == {sure.id: "dent"}


def test_a_suggestion_follows_its_class_when_classes_were_merged(parts):
    # 'dent' was class 2 when it was suggested, and is class 1 now.
    edits.merge_classes(parts, "ds-1", ["good", "crack"], "good")
    fixes.fix(parts, "ds-1", _ids(parts, K.SUSPECT_LABEL)[:1], Fix.RELABEL)
    with connect(parts) as db:
        names = datasets.find_dataset(db, "ds-1").class_names
    assert names[_states(parts)[4].label] == "dent"


def test_a_conflict_is_settled_by_one_label_for_all(parts):
    fixes.fix(parts, "ds-1", _ids(parts, K.LABEL_CONFLICT), Fix.RELABEL, label=0)
    assert _states(parts)[1].label == _states(parts)[2].label == 0
    assert not _ids(parts, K.LABEL_CONFLICT)
    assert _ids(parts, K.OUTLIER)  # still dark


def test_a_finding_without_a_suggested_class_needs_one_to_be_named(parts):
    # Its images used to get the first class.
    with pytest.raises(ConfigError, match="no suggested class") as caught:
        fixes.fix(parts, "ds-1", _ids(parts, K.LABEL_CONFLICT), Fix.RELABEL)
    assert "Choose the class" in caught.value.hint
    assert [_states(parts)[i].label for i in (1, 2)] == [1, 2]


def test_look_alikes_become_groups_and_join_those_that_are_there(parts):
    edits.set_group(parts, "ds-1", {7: "lot 1", 8: "lot 2", 5: "lot 2"})
    fixes.fix_all(parts, "ds-1", K.NEAR_DUPLICATE, Fix.GROUP)
    groups = {i: state.group for i, state in _states(parts).items()}
    assert groups[3] == groups[4] == "look-alikes 3"  # named by its first image
    assert {groups[i] for i in (5, 7, 8, 9)} == {"lot 1"}
    assert len(_used(parts)) == 9


def test_single_images_can_be_left_out_and_settle_what_they_leave(parts):
    fixes.exclude_images(parts, "ds-1", [2])
    assert not _ids(parts, K.LABEL_CONFLICT)
    assert not _ids(parts, K.OUTLIER)
    assert len(_ids(parts, K.EXACT_DUPLICATE)) == 2  # 1 and 3 are still the same
    with pytest.raises(NotFoundError):
        fixes.exclude_images(parts, "ds-1", [77])


def test_ignored_findings_are_kept_apart_and_can_be_reopened(parts):
    done = fixes.fix(parts, "ds-1", _ids(parts, K.CLASS_IMBALANCE), Fix.IGNORE)
    assert done.version is None
    assert K.CLASS_IMBALANCE not in finding_counts(parts, "ds-1")
    (ignored,) = _ids(parts, K.CLASS_IMBALANCE, FindingStatus.IGNORED)
    fixes.reopen(parts, "ds-1", [ignored])
    assert _ids(parts, K.CLASS_IMBALANCE) == [ignored]
    done = fixes.fix_all(parts, "ds-1", K.OUTLIER, Fix.IGNORE)
    fixes.undo(parts, "ds-1", done)
    assert _ids(parts, K.OUTLIER)


def test_fixes_that_do_not_fit_are_refused(parts):
    with pytest.raises(ConfigError, match="not available for this finding"):
        fixes.fix(parts, "ds-1", _ids(parts, K.OUTLIER), Fix.GROUP)
    with pytest.raises(ConfigError, match="for all"):
        fixes.fix_all(parts, "ds-1", K.LABEL_CONFLICT, Fix.RELABEL)
    with pytest.raises(ConfigError, match="no open finding"):
        fixes.fix_all(parts, "ds-1", K.UNREADABLE, Fix.EXCLUDE)
    with pytest.raises(NotFoundError):
        fixes.fix(parts, "ds-1", [999], Fix.IGNORE)
    fixed = _ids(parts, K.EXACT_DUPLICATE)[0]
    fixes.fix(parts, "ds-1", [fixed], Fix.KEEP_ONE)
    with pytest.raises(ConfigError, match="already"):
        fixes.fix(parts, "ds-1", [fixed], Fix.KEEP_ONE)
    assert _states(parts)[1].status is SampleStatus.EXCLUDED


def test_look_alikes_cannot_all_be_excluded_in_one_click(parts):
    # One click used to leave out nearly the whole dataset where every part has several images.
    with pytest.raises(ConfigError, match="not available for all findings"):
        fixes.fix_all(parts, "ds-1", K.NEAR_DUPLICATE, Fix.EXCLUDE)
