"""Look-alikes are a proposal: what people answer, and what every later number makes of it.

The example is a set of different parts of one design (solar cells), of which the check proposes
long chains as one part each.
"""

from itertools import pairwise

import numpy as np
import pytest

from core.domain.findings import FindingKind, FindingStatus, Fix, QualityCheck, look_alike_finding
from core.domain.parts import Counting, PartAnswer, groups_of_pairs
from core.domain.signoff import Seal
from core.domain.splits import Grouping, GroupKind, Subset
from core.errors import ConfigError
from core.evaluation.measures.parts import Unit
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import judgement
from core.store import quality as check_rows
from core.store.database import connect, transaction
from core.workflows.data import certificates, edits, fixes, quality, splits, versions
from core.workflows.results import evaluation, judging
from core.workflows.results.comparison import compare, counted_by
from core.workflows.signoff import release, sealing
from tests.made import add_model, make_dataset

K = FindingKind


def save_check(made, pairs, created_at=2.0):
    """Store a check that found these pairs, as the worker does."""
    found = [look_alike_finding(group) for group in groups_of_pairs(pairs)]
    images = sum(len(f.sample_ids) for f in found)
    check = QualityCheck("ds-1", created_at, tuple(pairs), len(found), images)
    with connect(made.workspace) as db, transaction(db):
        check_rows.save_check(db, check, found)


@pytest.fixture
def cells(workspace):
    """60 test images; two chains of 12 among them, and one that reaches into training."""
    made = make_dataset(workspace, per_subset=60)
    add_model(made, "m", skill=1.0)
    add_model(made, "n", seed=3, skill=1.2)
    test = made.ids[Subset.TEST].tolist()
    train = made.ids[Subset.TRAIN].tolist()
    chains = [test[:12], test[20:32], [train[0], test[40]]]
    save_check(made, [pair for c in chains for pair in pairwise(c)])
    return made


def _judged(made, counting=Counting.AUTO):
    return judging.judged_set(made.workspace, "m", Subset.TEST).counted_by(counting)


def _n(made, counting=Counting.AUTO):
    return evaluation.headline_of(_judged(made, counting)).accuracy.n


def _open(made):
    return quality.findings(made.workspace, "ds-1", K.NEAR_DUPLICATE)


def _sizes(made):
    return [len(f.sample_ids) for f in _open(made)]


def test_different_parts_of_one_design_count_as_images_until_somebody_confirms(cells):
    # 2,624 solar cells counted as 372 parts: 72.6% correct where 78.1% of the images were.
    judged = _judged(cells)
    report = evaluation.report_of(judged)
    assert (report.n, report.independent, report.unit) == (60, 60, Unit.IMAGES)
    right = (judged.predicted == judged.targets).mean()
    assert report.measure("accuracy").value == pytest.approx(right)
    assert "Images are counted: look-alikes are not confirmed" in judged.counted_in_words

    plain, proposed = evaluation.both_ways(judged)
    assert (plain.headline.unit, plain.headline.accuracy.n) == (Unit.IMAGES, 60)
    assert (proposed.headline.unit, proposed.headline.accuracy.n) == (Unit.PARTS, 60 - 11 - 11)
    assert proposed.headline.accuracy.value != plain.headline.accuracy.value

    compared = compare(cells.workspace, "m", "n")
    assert (compared.unit, compared.part_count, compared.has_proposals) == (Unit.IMAGES, 60, True)
    assert counted_by(compared, Counting.PARTS).part_count == 38
    assert sealing.sign_off(cells.workspace, "m").unit is Unit.IMAGES


def test_the_same_part_counts_once_from_then_on_and_an_undo_takes_it_back(cells):
    chain = _open(cells)[1]
    done = fixes.fix(cells.workspace, "ds-1", [chain.id], Fix.GROUP)
    judged = _judged(cells)
    assert (judged.unit, _n(cells)) == (Unit.PARTS, 49)
    assert "as declared or confirmed" in judged.counted_in_words
    assert "Look-alikes that nobody has confirmed count separately" in judged.counted_in_words
    assert _n(cells, Counting.PARTS) == 38
    assert _n(cells, Counting.IMAGES) == 60
    fixes.undo(cells.workspace, "ds-1", done)
    assert (_judged(cells).unit, _n(cells)) == (Unit.IMAGES, 60)


def test_different_parts_are_taken_out_of_every_number_and_come_back_with_an_undo(cells):
    place = cells.workspace
    before = splits.create_split(place, "ds-1", group_by="auto", name="before")
    assert before.certificate.is_clean
    plain = splits.create_split(place, "ds-1", name="plain", seed=3)
    assert plain.certificate.groups_across > 1
    counts = (_sizes(cells), quality.last_check(place, "ds-1").groups)
    assert counts == ([2, 12, 12], 3)

    done = fixes.fix_all(place, "ds-1", K.NEAR_DUPLICATE, Fix.DIFFERENT)
    assert done.words == "Different parts: 26 images that look alike"
    check = quality.last_check(place, "ds-1")
    assert (check.near_pairs, check.groups, check.grouped_samples) == ((), 0, 0)
    assert _sizes(cells) == []
    assert splits.flattery_warning(check) is None
    assert not _judged(cells).has_proposals
    assert _n(cells, Counting.PARTS) == 60
    certificate = certificates.certified(place, plain).certificate
    assert (certificate.groups_across, certificate.near_across) == (0, 0)
    grouped = splits.plan_split(
        place, "ds-1", splits.SplitRequest(group_by=Grouping(GroupKind.LOOK_ALIKES), seed=3)
    )
    assert (
        grouped.division.subsets
        == splits.plan_split(place, "ds-1", splits.SplitRequest(seed=3)).division.subsets
    )
    assert versions.list_versions(place, "ds-1")[0].summary == done.words
    assert quality.finding_counts(place, "ds-1", FindingStatus.FIXED)[K.NEAR_DUPLICATE] == 3

    fixes.undo(place, "ds-1", done)
    assert (_sizes(cells), quality.last_check(place, "ds-1").groups) == counts
    assert _n(cells, Counting.PARTS) == 38
    stored = splits.find_split(place, "ds-1", "plain")
    assert certificates.certified(place, stored).certificate == plain.certificate


def test_one_pair_parts_a_chain_and_the_rest_stays_a_question(cells):
    chain = _open(cells)[1].sample_ids
    done = fixes.answer(cells.workspace, "ds-1", chain[4:6], PartAnswer.DIFFERENT)
    assert sorted(_sizes(cells)) == [2, 5, 7, 12]
    assert _n(cells, Counting.PARTS) == 39
    fixes.undo(cells.workspace, "ds-1", done)
    assert sorted(_sizes(cells)) == [2, 12, 12]


def test_one_image_is_another_part_than_the_others(cells):
    chain = _open(cells)[1].sample_ids
    fixes.answer_one_against_others(cells.workspace, "ds-1", chain[0], chain)
    assert sorted(_sizes(cells)) == [2, 11, 12]
    with pytest.raises(ConfigError, match="at least two"):
        fixes.answer(cells.workspace, "ds-1", chain[:1], PartAnswer.SAME)


def test_answers_outlast_a_new_check_and_follow_the_history(cells):
    place = cells.workspace
    chain = _open(cells)[1].sample_ids
    fixes.answer(place, "ds-1", chain, PartAnswer.DIFFERENT)
    # A new check finds the same again, and one more image that is like them.
    more = int(cells.ids[Subset.TEST][50])
    pairs = [*pairwise(chain), (chain[3], more)]
    save_check(cells, pairs, created_at=9.0)
    assert [set(f.sample_ids) for f in _open(cells)] == [{chain[3], more}]
    assert quality.last_check(place, "ds-1").near_pairs == ((chain[3], more),)
    edits.relabel(place, "ds-1", {chain[0]: 2})
    versions.go_back(place, "ds-1", 1)
    assert _sizes(cells) == [13]
    edits.undo(place, "ds-1")
    assert _sizes(cells) == [2]
    assert len(quality.part_answers(place, "ds-1")) == 1


def test_a_later_answer_of_the_other_kind_wins(cells):
    place = cells.workspace
    chain = _open(cells)[1].sample_ids
    fixes.answer(place, "ds-1", chain, PartAnswer.DIFFERENT)
    fixes.answer(place, "ds-1", chain[:3], PartAnswer.SAME)
    assert (_judged(cells).unit, _n(cells)) == (Unit.PARTS, 58)
    # Against a part that somebody confirmed, an answer must not win in silence.
    with pytest.raises(ConfigError, match="belong to the same part"):
        fixes.answer(place, "ds-1", chain[:2], PartAnswer.DIFFERENT)


def test_ignored_look_alikes_belong_together_no_longer(cells):
    # Ignoring all of them changed nothing: split, certificate and results still called them parts.
    place = cells.workspace
    done = fixes.fix_all(place, "ds-1", K.NEAR_DUPLICATE, Fix.IGNORE)
    assert quality.last_check(place, "ds-1").near_pairs == ()
    assert _n(cells, Counting.PARTS) == 60
    assert quality.ignored_look_alikes(place, "ds-1") == 3
    assert len(versions.list_versions(place, "ds-1")) == 1  # ignoring is no version
    save_check(cells, [(1, 2)], created_at=9.0)  # what comes new is a new question
    assert _sizes(cells) == [2]
    fixes.fix_all(place, "ds-1", K.NEAR_DUPLICATE, Fix.IGNORE)
    ignored = quality.findings(place, "ds-1", K.NEAR_DUPLICATE, status=FindingStatus.IGNORED)
    fixes.reopen(place, "ds-1", [f.id for f in ignored])
    assert quality.last_check(place, "ds-1").near_pairs == ((1, 2),)
    assert done.version is None


def test_leaks_and_label_conflicts_of_look_alikes_close_with_the_answer(cells):
    place = cells.workspace
    (a, b) = _open(cells)[0].sample_ids
    found = [
        look_alike_finding((a, b)),
        *(
            check_rows.Finding(kind, check_rows.Severity.WARNING, "-", (a, b))
            for kind in (K.LABEL_CONFLICT, K.SUBSET_LEAK)
        ),
    ]
    check = QualityCheck("ds-1", 3.0, ((a, b),), 1, 2)
    with connect(place) as db, transaction(db):
        check_rows.save_check(db, check, found)
    assert set(quality.finding_counts(place, "ds-1")) == {
        K.LABEL_CONFLICT,
        K.NEAR_DUPLICATE,
        K.SUBSET_LEAK,
    }
    done = fixes.fix(place, "ds-1", [_open(cells)[0].id], Fix.DIFFERENT)
    assert quality.finding_counts(place, "ds-1") == {}
    fixes.undo(place, "ds-1", done)
    assert len(quality.finding_counts(place, "ds-1")) == 3


def test_equal_files_count_once_and_are_said_to(cells):
    test = cells.ids[Subset.TEST].tolist()
    with connect(cells.workspace) as db, db.conn:
        db.conn.execute(
            "UPDATE samples SET sha256 = (SELECT sha256 FROM samples WHERE id = ?) WHERE id = ?",
            [test[0], test[59]],
        )
    judged = _judged(cells)
    assert (judged.unit, _n(cells), len(judged.targets)) == (Unit.IMAGES, 59, 60)
    assert "1 image is a copy of another file and not counted again" in judged.counted_in_words
    assert evaluation.report_of(judged).unit is Unit.IMAGES


def test_a_seal_records_what_was_counted(cells):
    place = cells.workspace
    release.set_criteria(place, "parts", ReleaseCriteria(max_escape=0.9))
    sealed = _sealed_unchecked(cells)
    assert sealed.seal.unit == Unit.IMAGES.value
    # Look-alikes of a later check count nowhere, so they void nothing.
    save_check(cells, [tuple(cells.ids[Subset.TEST][:2].tolist())], created_at=9.0)
    assert sealing.sign_off(place, "m").changes == ()
    fixes.fix_all(place, "ds-1", K.NEAR_DUPLICATE, Fix.GROUP)
    assert sealing.sign_off(place, "m").is_void


def _sealed_unchecked(made):
    """Seal without reading the image files: these were only made up."""
    standing = sealing.sign_off(made.workspace, "m")
    with connect(made.workspace) as db, transaction(db):
        judgement.insert_seal(
            db,
            Seal(
                "model-m",
                "split-1",
                np.floor(1e10),
                standing.criteria,
                "",
                standing.digest,
                parts_digest=standing.parts_digest,
                unit=standing.unit.value,
            ),
        )
    return sealing.sign_off(made.workspace, "m")
