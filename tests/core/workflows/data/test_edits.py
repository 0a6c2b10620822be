"""Edits of datasets: what each does, what it refuses, and that nothing is ever lost."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from core.domain.datasets import EditAction, SampleStatus, Verdict
from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.errors import ConfigError, NameTakenError, NotFoundError, TouchstoneError
from core.store import datasets, quality
from core.store import versions as version_rows
from core.store.database import connect, transaction
from core.workflows.data import edits, versions
from core.workspace import Workspace
from tests.conftest import store_rows

LABELS = (0, 0, 0, 1, 1, 1, 2, 2, 2)


@pytest.fixture
def dataset(workspace):
    return store_rows(workspace, LABELS)


def _today(workspace, dataset):
    with connect(workspace) as db:
        return datasets.find_dataset(db, dataset.id)


def _named(workspace, dataset, number=None):
    """Sample id -> class name and group, as a person sees them at a version."""
    with connect(workspace) as db:
        now = datasets.find_dataset(db, dataset.id)
        names = version_rows.find_version(db, dataset.id, number or now.version).class_names
        samples = version_rows.samples_at(db, dataset.id, number)
    return {s.id: (names[s.label], s.group) for s in samples}


def _ids(workspace, dataset):
    return list(_named(workspace, dataset, 1))


def test_relabelling_makes_a_version_that_says_what_was_done(workspace, dataset):
    first, second, *_ = _ids(workspace, dataset)
    version = edits.relabel(workspace, dataset.id, {first: 1, second: 1})
    assert (version.number, version.action) == (2, EditAction.RELABEL)
    assert version.summary == "Relabeled 2 images good → crack"
    assert _named(workspace, dataset)[first] == ("crack", None)
    assert _named(workspace, dataset, 1)[first] == ("good", None)


def test_excluded_images_are_left_out_and_come_back(workspace, dataset):
    ids = _ids(workspace, dataset)
    assert edits.exclude(workspace, dataset.id, ids[:2]).sample_count == 7
    assert ids[0] not in _named(workspace, dataset)
    back = edits.restore(workspace, dataset.id, ids[:1])
    assert (back.sample_count, back.summary) == (8, "Restored 1 image")


def test_groups_are_set_and_taken_away(workspace, dataset):
    ids = _ids(workspace, dataset)
    edits.set_group(workspace, dataset.id, dict.fromkeys(ids[:2], " part 7 "))
    assert _named(workspace, dataset)[ids[0]] == ("good", "part 7")
    gone = edits.set_group(workspace, dataset.id, {ids[0]: None})
    assert _named(workspace, dataset)[ids[0]] == ("good", None)
    assert gone.summary == "Removed 1 image from their parts"


def test_a_merge_moves_every_label_and_those_of_excluded_images(workspace, dataset):
    ids = _ids(workspace, dataset)
    edits.exclude(workspace, dataset.id, [ids[-1]])
    version = edits.merge_classes(workspace, dataset.id, ["good"], "crack")
    assert version.class_names == ("crack", "dent")
    assert {_named(workspace, dataset)[i][0] for i in ids[:6]} == {"crack"}
    edits.restore(workspace, dataset.id, [ids[-1]])
    assert _named(workspace, dataset)[ids[-1]] == ("dent", None)


def test_a_merge_into_a_new_name_keeps_a_verdict_on_which_all_agree(workspace, dataset):
    given = {"good": Verdict.OK, "crack": Verdict.NOK, "dent": Verdict.NOK}
    edits.set_verdicts(workspace, dataset.id, given)
    version = edits.merge_classes(workspace, dataset.id, ["crack", "dent"], "fault")
    assert version.class_names == ("good", "fault")
    assert version.class_verdicts == (Verdict.OK, Verdict.NOK)
    edits.undo(workspace, dataset.id)
    edits.add_class(workspace, dataset.id, "hole")
    mixed = edits.merge_classes(workspace, dataset.id, ["good", "crack"], "any")
    assert mixed.class_names == ("any", "dent", "hole")
    assert mixed.class_verdicts == (None, Verdict.NOK, None)


def test_a_renamed_class_changes_the_content_but_no_label(workspace, dataset):
    version = edits.rename_class(workspace, dataset.id, "dent", "Dent")
    assert version.class_names == ("good", "crack", "Dent")
    assert version.digest != dataset.digest
    found = versions.compare(workspace, dataset.id, 1, 2)
    assert [count for count in found.counts.values() if count] == [3]
    shown = versions.changed_samples(workspace, found, versions.ChangeKind.RELABELLED)
    assert {(c.label_before, c.label_after) for c in shown} == {("dent", "Dent")}
    assert edits.undo(workspace, dataset.id).digest == dataset.digest


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (lambda w, d, i: edits.relabel(w, d, {i[0]: 3}), ConfigError, "no such class"),
        (lambda w, d, i: edits.relabel(w, d, {i[0]: 0}), ConfigError, "already have"),
        (lambda w, d, i: edits.relabel(w, d, {}), ConfigError, "already have"),
        (lambda w, d, i: edits.relabel(w, d, {10**6: 0}), NotFoundError, "1 image"),
        (lambda w, d, i: edits.relabel(w, "ds-none", {1: 0}), NotFoundError, "no dataset"),
        (lambda w, d, i: edits.exclude(w, d, i), ConfigError, "No image would be left"),
        (lambda w, d, i: edits.restore(w, d, i), ConfigError, "already in use"),
        (lambda w, d, i: edits.set_group(w, d, {i[0]: "x" * 201}), ConfigError, "too long"),
        (lambda w, d, i: edits.add_class(w, d, " Crack "), NameTakenError, "already"),
        (lambda w, d, i: edits.add_class(w, d, "\n"), ConfigError, "empty"),
        (lambda w, d, i: edits.rename_class(w, d, "none", "x"), NotFoundError, "no class 'none'"),
        (lambda w, d, i: edits.rename_class(w, d, "dent", "dent"), ConfigError, "named 'dent'"),
        (lambda w, d, i: edits.rename_class(w, d, "dent", "good"), NameTakenError, "merge"),
        (lambda w, d, i: edits.merge_classes(w, d, ["dent"], "x"), ConfigError, "nothing to merge"),
        (lambda w, d, i: edits.merge_classes(w, d, ["dent", "crack"], "good"), ConfigError, "Only"),
        (lambda w, d, i: edits.merge_classes(w, d, ["no"], "good"), NotFoundError, "no class 'no'"),
        (lambda w, d, i: edits.set_verdicts(w, d, {"good": None}), ConfigError, "already have"),
        (lambda w, d, i: edits.undo(w, d), NotFoundError, "no change to undo"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_and_makes_no_version(
    workspace, dataset, edit, error, words
):
    with pytest.raises(error) as caught:
        edit(workspace, dataset.id, _ids(workspace, dataset))
    assert words in str(caught.value)
    assert _today(workspace, dataset) == dataset


def test_images_of_another_dataset_cannot_be_edited(workspace, dataset):
    other = store_rows(workspace, (0, 1), dataset_id="ds-other")
    with pytest.raises(NotFoundError):
        edits.exclude(workspace, dataset.id, _ids(workspace, other)[:1])
    assert _today(workspace, other).version == 1


def _finding(workspace, dataset, ids):
    finding = Finding(FindingKind.EXACT_DUPLICATE, Severity.WARNING, "alike", tuple(ids))
    with connect(workspace) as db, transaction(db):
        quality.save_check(db, QualityCheck(dataset.id, 2.0, (), 0, 0), [finding])
        return quality.list_findings(db, dataset.id, kind=finding.kind)[0]


def _open_findings(workspace, dataset):
    with connect(workspace) as db:
        return sum(quality.count_findings(db, dataset.id).values())


def test_a_fix_is_recorded_with_its_version_and_opens_again(workspace, dataset):
    ids = _ids(workspace, dataset)
    finding = _finding(workspace, dataset, ids[:2])
    edits.exclude(workspace, dataset.id, ids[:1], finding_ids=[finding.id])
    assert _open_findings(workspace, dataset) == 0
    edits.undo(workspace, dataset.id)
    assert _open_findings(workspace, dataset) == 1
    edits.exclude(workspace, dataset.id, ids[1:2], finding_ids=[finding.id])
    versions.go_back(workspace, dataset.id, 1)
    assert _open_findings(workspace, dataset) == 1


def test_a_fix_whose_finding_is_gone_changes_nothing(workspace, dataset):
    ids = _ids(workspace, dataset)
    with pytest.raises(NotFoundError, match="no longer exists"):
        edits.exclude(workspace, dataset.id, ids[:1], finding_ids=[99])
    assert _today(workspace, dataset) == dataset


def test_going_back_is_a_version_of_its_own_and_can_be_undone(workspace, dataset):
    ids = _ids(workspace, dataset)
    edits.relabel(workspace, dataset.id, {ids[0]: 2})
    edits.merge_classes(workspace, dataset.id, ["dent"], "crack")
    merged = _named(workspace, dataset)
    assert versions.go_back(workspace, dataset.id, 1).digest == dataset.digest
    assert _named(workspace, dataset) == _named(workspace, dataset, 1)
    edits.undo(workspace, dataset.id)
    assert _named(workspace, dataset) == merged


def test_a_comparison_counts_what_a_person_would_say(workspace, dataset):
    ids = _ids(workspace, dataset)
    edits.exclude(workspace, dataset.id, ids[:1])
    edits.relabel(workspace, dataset.id, {ids[1]: 1, ids[2]: 1})
    edits.relabel(workspace, dataset.id, {ids[2]: 0})
    edits.set_group(workspace, dataset.id, {ids[3]: "part 1"})
    edits.merge_classes(workspace, dataset.id, ["dent"], "good")
    kinds = versions.ChangeKind
    found = versions.compare(workspace, dataset.id, 6, 1)
    assert found.counts == {
        kinds.ADDED: 0,
        kinds.REMOVED: 1,
        kinds.RELABELLED: 4,
        kinds.REGROUPED: 1,
    }
    assert versions.compare(workspace, dataset.id, 1, 5).counts[kinds.RELABELLED] == 1
    page = versions.changed_samples(workspace, found, kinds.RELABELLED, limit=2)
    assert [(c.sample.id, c.label_before, c.label_after) for c in page] == [
        (ids[1], "good", "crack"),
        (ids[6], "dent", "good"),
    ]
    history = versions.sample_history(workspace, dataset.id, ids[2])
    assert [(v.number, c.label_after) for v, c in history] == [(4, "good"), (3, "crack")]


def test_class_indices_of_an_earlier_version_are_followed_through_edits(workspace, dataset):
    edits.rename_class(workspace, dataset.id, "dent", "Dent")
    edits.merge_classes(workspace, dataset.id, ["good"], "crack")
    edits.add_class(workspace, dataset.id, "good")
    assert versions.class_moves(workspace, dataset.id, 1) == {1: 0, 2: 1}
    for _ in range(3):
        edits.undo(workspace, dataset.id)
    assert versions.class_moves(workspace, dataset.id, 1) == {1: 1, 2: 2}
    assert versions.class_moves(workspace, dataset.id, 7) == {0: 0, 1: 1, 2: 2}


_IMAGES = st.sets(st.integers(0, len(LABELS) - 1), min_size=1, max_size=4)
_NAMES = st.sampled_from(["good", "crack", "dent", "hole", "scratch"])
_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("relabel"), _IMAGES, st.integers(0, 3)),
        st.tuples(st.just("exclude"), _IMAGES),
        st.tuples(st.just("restore"), _IMAGES),
        st.tuples(st.just("group"), _IMAGES, st.sampled_from(["a", "b", None])),
        st.tuples(st.just("add"), _NAMES),
        st.tuples(st.just("rename"), _NAMES, _NAMES),
        st.tuples(st.just("merge"), st.sets(_NAMES, min_size=1, max_size=2), _NAMES),
        st.tuples(st.just("verdict"), _NAMES, st.sampled_from([*Verdict, None])),
        st.tuples(st.just("back"), st.integers(1, 6)),
        st.tuples(st.just("undo")),
    ),
    max_size=8,
)


def _do(workspace, dataset, ids, step):
    kind, *rest = step
    if kind in ("relabel", "exclude", "restore", "group"):
        chosen = [ids[i] for i in rest[0]]
    match kind:
        case "relabel":
            edits.relabel(workspace, dataset.id, dict.fromkeys(chosen, rest[1]))
        case "exclude":
            edits.exclude(workspace, dataset.id, chosen)
        case "restore":
            edits.restore(workspace, dataset.id, chosen)
        case "group":
            edits.set_group(workspace, dataset.id, dict.fromkeys(chosen, rest[1]))
        case "add":
            edits.add_class(workspace, dataset.id, rest[0])
        case "rename":
            edits.rename_class(workspace, dataset.id, *rest)
        case "merge":
            edits.merge_classes(workspace, dataset.id, sorted(rest[0]), rest[1])
        case "verdict":
            edits.set_verdicts(workspace, dataset.id, {rest[0]: rest[1]})
        case "back":
            versions.go_back(workspace, dataset.id, rest[0])
        case "undo":
            edits.undo(workspace, dataset.id)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_EDITS)
def test_any_edits_keep_every_version_and_undo_to_the_first(tmp_path_factory, steps):
    workspace = Workspace(tmp_path_factory.mktemp("edits") / "workspace").create()
    dataset = store_rows(workspace, LABELS)
    ids = _ids(workspace, dataset)
    seen = {1: (_named(workspace, dataset), dataset.class_names, dataset.digest)}
    for step in steps:
        try:
            _do(workspace, dataset, ids, step)
        except TouchstoneError:
            assert _today(workspace, dataset).version == max(seen)
            continue
        today = _today(workspace, dataset)
        assert today.version == max(seen) + 1
        seen[today.version] = (_named(workspace, dataset), today.class_names, today.digest)
    listed = {v.number: v for v in versions.list_versions(workspace, dataset.id)}
    now = seen[max(seen)][0]
    found = versions.compare(workspace, dataset.id, 1, max(seen)) if len(seen) > 1 else None
    if found:
        first = seen[1][0]
        kinds = versions.ChangeKind
        assert set(found.ids[kinds.REMOVED]) == set(first) - set(now)
        assert set(found.ids[kinds.RELABELLED]) == {
            i for i in set(first) & set(now) if first[i][0] != now[i][0]
        }
    for number, (named, names, digest) in seen.items():
        assert _named(workspace, dataset, number) == named
        assert (listed[number].class_names, listed[number].digest) == (names, digest)
        assert listed[number].sample_count == len(named)
    while versions.next_undo(workspace, dataset.id):
        edits.undo(workspace, dataset.id)
    today = _today(workspace, dataset)
    assert (today.digest, today.class_names, today.verdicts) == (
        dataset.digest,
        dataset.class_names,
        dataset.verdicts,
    )
    assert _named(workspace, dataset) == seen[1][0]
    with connect(workspace) as db:
        statuses = {s.status for s in datasets.samples_by_id(db, ids)}
    assert statuses == {SampleStatus.USED}
