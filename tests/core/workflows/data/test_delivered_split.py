"""A split that came with the images, and classes with hardly any images, are trained."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.data.importing.rules import ImportRules
from core.data.split_request import request_of
from core.domain.configs.choices import Recipe
from core.domain.configs.train import TrainConfig
from core.domain.splits import SmallClasses, Subset
from core.errors import SplitError
from core.store import splits as split_rows
from core.store.database import connect
from core.workflows import jobs
from core.workflows.data import certificates, datasets, edits, splits
from core.workflows.data.split_words import strategy_in_words, strategy_text
from core.workflows.training import control, runs
from tests.conftest import save_image, store_rows
from tests.core.workflows.data.test_splits import ids_in_test, members

CONFIG = TrainConfig(recipe=Recipe.QUICK, epochs=1, device="cpu")


@pytest.fixture
def delivered(workspace, tmp_path):
    """Ready folders: 12 + 12 training images, 4 + 4 test images; one test image is in both."""
    root = tmp_path / "casting"
    for number in range(32):
        subset, per_class = ("train", 12) if number < 24 else ("test", 4)
        label = "ok" if number % 24 < per_class else "defect"
        pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3))
        save_image(root / subset / label / f"{number}.png", pixels)
    shutil.copy(root / "test/ok/24.png", root / "train/ok/again.png")
    job = datasets.start_import(workspace, root, "Casting", ImportRules())
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return datasets.find_dataset(workspace, "Casting")


def test_validation_is_made_from_the_training_part_and_the_test_set_kept(workspace, delivered):
    ready = splits.find_split(workspace, delivered.id, "as delivered")
    test = ids_in_test(workspace, ready)
    made = splits.create_split(
        workspace, delivered.id, keep_test="as delivered", fractions=(0.75, 0.25, 0), seal=True
    )
    assert ids_in_test(workspace, made) == test
    assert made.sealed
    subsets = list(members(workspace, made).values())
    # The copy of a test image among the training images is left out.
    assert made.certificate.kept_out == 1
    assert made.certificate.exact_across == 0
    assert [subsets.count(s) for s in Subset] == [18, 6, 8]
    assert made.fractions == pytest.approx((18 / 32, 6 / 32, 8 / 32))
    assert made.name == "as delivered + 25% validation seed 42"
    assert strategy_text(made) == "test set of 'as delivered' kept"
    assert strategy_in_words(made).endswith("with the test set of “as delivered”")
    assert request_of(made).keep_test == "as delivered"
    again = splits.create_split(workspace, delivered.id, keep_test=ready.id, seed=7, folds=3)
    assert ids_in_test(workspace, again) == test
    assert again.folds == 3
    assert request_of(again).folds == 3


def test_without_validation_the_true_cause_is_named_and_the_command_that_helps(
    workspace, delivered
):
    # It said "The validation subset has no readable images", which was not so.
    with pytest.raises(SplitError, match="'as delivered' has no validation images") as caught:
        runs.start_training(workspace, delivered.id, CONFIG)
    assert '--keep-test "as delivered"' in caught.value.hint
    options = ["--workspace", str(workspace.root), "--json"]
    refused = CliRunner().invoke(app, ["train", "Casting", "--split", "as delivered", *options])
    assert refused.exit_code == 1
    assert "no validation images" in json.loads(refused.stdout)["error"]
    made = CliRunner().invoke(app, ["split", "Casting", "--keep-test", "as delivered", *options])
    result = json.loads(made.stdout)
    assert {name: sum(own.values()) for name, own in result["counts"].items()} == {
        "train": 18,
        "validation": 6,
        "test": 8,
    }
    assert result["kept_out"] == 1
    control.stop_training(workspace, runs.start_training(workspace, delivered.id, CONFIG).run.id)


def test_the_named_test_set_must_exist_and_must_not_contradict_a_seal(workspace, delivered):
    own = splits.create_split(workspace, delivered.id, name="own", seal=True)
    with pytest.raises(SplitError, match="'own' is sealed for this version"):
        splits.create_split(workspace, delivered.id, keep_test="as delivered")
    kept = splits.create_split(workspace, delivered.id, keep_test="own", seed=3)
    assert ids_in_test(workspace, kept) == ids_in_test(workspace, own)
    without = splits.create_split(workspace, delivered.id, name="two", fractions=(0.8, 0.2, 0))
    assert ids_in_test(workspace, without) == ids_in_test(workspace, own)


def _kept_by_rows(workspace, labels, test):
    """A dataset whose split has these positions as test images and the others to train."""
    dataset = store_rows(workspace, labels)
    split = splits.create_split(workspace, dataset.id)
    with connect(workspace) as db:
        ids = sorted(split_rows.split_members(db, split.id))
        for position, sample_id in enumerate(ids):
            subset = Subset.TEST if position in test else Subset.TRAIN
            db.execute(
                "UPDATE split_members SET subset = ? WHERE split_id = ? AND sample_id = ?",
                [subset.value, split.id, sample_id],
            )
    return dataset, split


def test_a_class_without_training_images_is_refused_by_its_name(workspace):
    dataset, split = _kept_by_rows(workspace, [0] * 6 + [1] * 6 + [2] * 3, {0, 6, 12, 13, 14})
    made = splits.create_split(workspace, dataset.id, keep_test=split.id, name="made")
    counts = certificates.side_counts(workspace, dataset, made)
    assert [sum(own.values()) for own in counts.values()] == [8, 2, 5]
    with pytest.raises(SplitError, match="Class 'dent' has no training images"):
        runs.start_training(workspace, dataset.id, CONFIG, split=made.id)


def test_a_split_of_one_class_is_refused_by_its_name(workspace):
    dataset = store_rows(workspace, [0] * 9 + [1] * 3)
    split = splits.create_split(workspace, dataset.id)
    with connect(workspace) as db:
        cracks = [i for i in split_rows.split_members(db, split.id)][-3:]
    edits.exclude(workspace, dataset.id, cracks)
    with pytest.raises(SplitError, match="are of the class 'good'"):
        runs.start_training(workspace, dataset.id, CONFIG, split=split.id)


def test_a_tiny_class_trains_and_the_command_line_says_so(workspace):
    dataset = store_rows(workspace, [0] * 9 + [1] * 9 + [2] * 2)
    options = ["--workspace", str(workspace.root), "--json"]
    made = json.loads(CliRunner().invoke(app, ["split", dataset.name, *options]).stdout)
    assert made["class_gaps"] == [{"class": "dent", "images": 2, "missing": ["validation", "test"]}]
    assert made["counts"]["train"]["dent"] == 2
    wanted = ["split", dataset.name, "--small-classes", "leave-out", "--name", "without"]
    left = json.loads(CliRunner().invoke(app, [*wanted, *options]).stdout)
    assert sum(own["dent"] for own in left["counts"].values()) == 0
    split = splits.find_split(workspace, dataset.id, "without")
    assert split.strategy.small_classes is SmallClasses.LEAVE_OUT
    assert left["strategy"] == "classes with too few images left out"
    shown = CliRunner().invoke(app, ["split", dataset.name, "--name", "told", *options[:2]])
    assert "Class 'dent' has 2 images in this split, and none to validate or test it." in (
        shown.output
    )
    folds = splits.create_split(workspace, dataset.id, folds=5, fractions=(0, 0, 0))
    counts = certificates.counts_by_name(certificates.side_counts(workspace, dataset, folds))
    assert counts["train"] == {"good": 0, "crack": 0, "dent": 2}
    for fold in (0, 4):  # the tiny class trains every one of them
        view = runs.start_training(workspace, dataset.id, CONFIG, split=folds.id, fold=fold)
        control.stop_training(workspace, view.run.id)
