"""What is known of images, quick edits of a gallery, and exports of versions."""

import csv
import io

import pytest

from core.domain.datasets import SampleFilter
from core.domain.findings import FeatureInsight, Finding, FindingKind, QualityCheck, Severity
from core.domain.splits import Split, SplitStrategy, Subset
from core.errors import ConfigError, NotFoundError
from core.store import datasets as rows
from core.store import quality, splits
from core.store.database import connect, transaction
from core.workflows.data import datasets, edits, exports, image_facts, quick_edits, versions
from core.workflows.data.exports import ExportFormat
from core.workflows.data.quick_edits import QuickAction, QuickEdit
from tests.conftest import store_rows


@pytest.fixture
def dataset(workspace):
    return store_rows(workspace, (0, 0, 0, 1, 1, 1, 2, 2, 2))


@pytest.fixture
def ids(workspace, dataset):
    with connect(workspace) as db:
        return rows.sample_ids(db, dataset.id)


def _relabel(sample_id, name):
    return QuickEdit(QuickAction.RELABEL, (sample_id,), name)


def test_quick_presses_are_all_stored_in_their_order(workspace, dataset, ids):
    presses = [
        _relabel(ids[0], "crack"),
        _relabel(ids[1], "crack"),
        _relabel(ids[0], "dent"),
        QuickEdit(QuickAction.EXCLUDE, (ids[3],)),
        QuickEdit(QuickAction.GROUP, (ids[4], ids[5]), group="lot 1"),
    ]
    answer = quick_edits.quick_edits(workspace, dataset.id, presses)
    # The two equal presses in a row are one version.
    assert (answer.version, answer.failed) == (5, False)
    names = dataset.class_names
    found = datasets.find_samples(workspace, ids[:6])
    assert [names[s.label] for s in found[:2]] == ["dent", "crack"]
    assert [s.group for s in found[4:]] == ["lot 1", "lot 1"]
    assert datasets.find_dataset(workspace, dataset.id).sample_count == 8


def test_an_undo_takes_back_the_press_before_it_or_the_newest_version(workspace, dataset, ids):
    undo = QuickEdit(QuickAction.UNDO)
    quick_edits.quick_edits(workspace, dataset.id, [_relabel(ids[0], "crack")])
    answer = quick_edits.quick_edits(workspace, dataset.id, [_relabel(ids[1], "dent"), undo, undo])
    assert answer.messages == ("Undone: Relabeled 1 image good → crack",)
    assert datasets.find_dataset(workspace, dataset.id).digest == dataset.digest


def test_a_press_that_fails_does_not_stop_the_next(workspace, dataset, ids):
    answer = quick_edits.quick_edits(
        workspace, dataset.id, [_relabel(ids[0], "gone"), _relabel(ids[0], "dent")]
    )
    assert answer.failed
    assert "no class 'gone'" in answer.messages[0]
    assert datasets.find_samples(workspace, ids[:1])[0].label == 2


def test_everything_known_of_a_image_is_told(workspace, dataset, ids):
    split = Split("split-1", dataset.id, "mine", SplitStrategy(), 7, (0.6, 0.2, 0.2), "-", 1.0)
    edits.relabel(workspace, dataset.id, {ids[0]: 1})
    finding = Finding(FindingKind.OUTLIER, Severity.NOTE, "very dark", (ids[0],))
    with connect(workspace) as db, transaction(db):
        splits.insert_split(db, split, {ids[0]: Subset.TEST})
        check = QualityCheck(dataset.id, 1.0, (), 0, 0, version=2)
        quality.save_check(db, check, [finding])
        quality.save_insights(db, [FeatureInsight(ids[0], 0.2, 2, 1.0, 2.0)])
    edits.merge_classes(workspace, dataset.id, ["good"], "crack")
    facts = image_facts.facts_of(workspace, ids[0])
    assert (facts.class_name, facts.suggested) == ("crack", "dent")
    assert [(s.name, subset) for s, subset in facts.subsets] == [("mine", Subset.TEST)]
    assert [f.message for f in facts.findings] == ["very dark"]
    assert [(v.number, c.label_before) for v, c in facts.history] == [(2, "good")]
    edits.move_to_class(workspace, dataset.id, ids[:1], "dent")
    # What the check said of the label says nothing of another one.
    assert image_facts.facts_of(workspace, ids[0]).insight is None
    with pytest.raises(NotFoundError):
        image_facts.facts_of(workspace, 10**9)


def test_the_map_is_bounded_and_leaves_excluded_images_out(workspace, dataset, ids):
    assert image_facts.image_map(workspace, dataset.id).points == ()
    with connect(workspace) as db, transaction(db):
        quality.save_insights(db, [FeatureInsight(i, 0.5, 0, float(i), 1.0) for i in ids[:-1]])
        quality.save_insights(db, [FeatureInsight(ids[-1], 0.5)])
    edits.exclude(workspace, dataset.id, ids[:1])
    found = image_facts.image_map(workspace, dataset.id)
    assert [point[0] for point in found.points] == ids[1:-1]
    few = image_facts.image_map(workspace, dataset.id, limit=3)
    assert (len({point[0] for point in few.points}), few.total) == (3, 7)


def test_statistics_count_every_image_once(workspace, dataset, ids):
    with connect(workspace) as db, transaction(db):
        for number, sample_id in enumerate(ids):
            db.conn.execute(
                "UPDATE samples SET brightness = ?, sharpness = ? WHERE id = ?",
                [number / 10, 10.0**number, sample_id],
            )
    found = image_facts.statistics(workspace, dataset)
    assert sum(count for _, _, count in found.sizes) == len(ids)
    assert {name: sum(counts) for name, counts in found.brightness.items()} == {
        "good": 3,
        "crack": 3,
        "dent": 3,
    }
    assert (found.brightness_edges[0], found.brightness_edges[-1]) == (0.0, 1.0)
    assert (found.sharpness_edges[0], found.sharpness_edges[-1]) == (0.0, 8.0)


def test_an_export_is_of_the_version_that_was_asked_for(workspace, dataset, ids):
    edits.relabel(workspace, dataset.id, {ids[0]: 2})
    edits.exclude(workspace, dataset.id, ids[1:2])
    edits.merge_classes(workspace, dataset.id, ["crack"], "dent")

    def table(version):
        plan = exports.plan_export(workspace, dataset.id, version=version)
        content = b"".join(exports.export_blocks(plan, ExportFormat.CSV)).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content)))

    assert [row["label"] for row in table(1)] == ["good"] * 3 + ["crack"] * 3 + ["dent"] * 3
    assert [row["label"] for row in table(None)] == ["dent", "good"] + ["dent"] * 6


def test_an_export_never_overwrites_a_file(workspace, dataset, tmp_path):
    plan = exports.plan_export(workspace, dataset.id)
    exports.write_export(plan, tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="already exists"):
        exports.write_export(plan, tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="cannot be written"):
        exports.write_export(plan, tmp_path / "none" / "a.zip")


def test_names_find_their_images_and_nothing_else(workspace, dataset, ids):
    found = datasets.ids_of_names(workspace, dataset.id, ["good/0.png", "dent/8.png"])
    assert found == {"good/0.png": ids[0], "dent/8.png": ids[8]}
    with pytest.raises(NotFoundError, match="no image with the name 'good/1'"):
        datasets.ids_of_names(workspace, dataset.id, ["good/1"])
    assert datasets.count_images(workspace, dataset.id, SampleFilter(ids=())) == 0
    assert versions.next_undo(workspace, dataset.id) is None


@pytest.mark.parametrize("name", ["parts.jsonl", "parts.TXT"])
def test_an_unknown_ending_is_refused_and_a_folder_may_hold_a_dot(
    workspace, dataset, tmp_path, name
):
    # An unknown ending silently became a folder of that name.
    plan = exports.plan_export(workspace, dataset.id)
    with pytest.raises(ConfigError, match="cannot be exported"):
        exports.write_export(plan, tmp_path / name)
    assert not (tmp_path / name).exists()
    exports.write_export(plan, tmp_path / "parts v1.2")
    assert (tmp_path / "parts v1.2").is_dir()
