"""What a GPU computes is held against the runtime that predicts, and kept apart.

Here the processor takes the place of the GPU, under the name by which PyTorch runs networks on it.
"""

from dataclasses import replace

import pytest

from core.domain.configs.choices import Detail, DetailChoice, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Verdict
from core.domain.jobs import JobKind
from core.inference.runtime import TorchRuntime
from core.training.trials import Gain
from core.worker.launcher import lane_lock
from core.worker.training import levels
from core.workflows.data import edits
from core.workflows.training import checkpoints
from core.workflows.training import record as run_record
from tests.conftest import QUICK, copy_of, run_here, trained_here


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr("core.worker.training.data.resolve_device", lambda _: "cpu:0")
    monkeypatch.setattr("core.worker.training.data.device_title", lambda _: "A GPU")


@pytest.mark.parametrize("recipe", [Recipe.QUICK, Recipe.GOOD_ONLY])
def test_a_run_tells_how_far_the_results_of_a_gpu_are_from_those_of_use(
    trained, tmp_path, gpu, recipe
):
    copy = copy_of(trained.workspace, tmp_path / "copy")
    all_good = dict.fromkeys(trained.dataset.class_names, Verdict.OK)
    edits.set_verdicts(copy, trained.dataset.id, all_good)
    config = replace(
        recipe_defaults(recipe, QUICK.network), detail=DetailChoice.WHOLE, epochs=1, refit=False
    )
    view = trained_here(copy, trained, config)
    record = run_record.run_record(copy, view)
    found = record.computed_on["agreement"]
    assert found["images"] == 8
    assert 0 < found["largest_difference"] < 1e-3
    assert found["other_decisions"] == 0
    words = dict(run_record.facts_in_words(view, record))["computed on"]
    assert words.startswith("A GPU; confidences in use differ by at most ")
    assert words.endswith(", with 0 other decisions, on 8 test images")
    assert view.job.warnings == ()
    # Features of a GPU are kept apart: a run on the processor repeats bit by bit.
    kept = {folder.name.endswith("-cpu") for folder in copy.features.iterdir()}
    assert kept == ({False} if recipe is Recipe.GOOD_ONLY else {False, True})


def test_a_level_of_larger_pixels_is_compared_on_those(trained, tmp_path, gpu, monkeypatch):
    monkeypatch.setattr(levels, "worth_more", lambda *_: True)
    monkeypatch.setattr(Gain, "pays", lambda *_, **__: True)  # the last level is chosen: tiles
    copy = copy_of(trained.workspace, tmp_path / "copy")
    view = trained_here(copy, trained, replace(QUICK, detail=DetailChoice.AUTO_TILES))
    record = run_record.run_record(copy, view)
    assert {trial.detail: trial.is_chosen for trial in record.trials}[Detail.TILES]
    assert record.computed_on["agreement"]["largest_difference"] < 1e-3


def test_decisions_that_differ_between_gpu_and_use_are_warned_of(
    trained, tmp_path, gpu, monkeypatch
):
    right = TorchRuntime.features
    monkeypatch.setattr(TorchRuntime, "features", lambda self, pixels: -right(self, pixels))
    view = trained_here(copy_of(trained.workspace, tmp_path / "copy"), trained, QUICK)
    (warning,) = view.job.warnings
    assert "of 8 test images get another class from the processor, which predicts" in warning


def test_a_model_of_a_checkpoint_leaves_what_its_run_says_of_itself(
    trained, tmp_path, gpu, monkeypatch
):
    copy = copy_of(trained.workspace, tmp_path / "copy")
    config = replace(
        recipe_defaults(Recipe.FULL, QUICK.network),
        detail=DetailChoice.WHOLE,
        epochs=1,
        checkpoint_ends=True,
        refit=False,
    )
    view = trained_here(copy, trained, config)
    before = run_record.run_record(copy, view).computed_on["agreement"]
    assert 0 < before["largest_difference"] < 1e-3
    right = TorchRuntime.features
    monkeypatch.setattr(TorchRuntime, "features", lambda self, pixels: -right(self, pixels))
    with lane_lock(copy, JobKind.TRAIN.lane).acquire():
        checkpoints.make_model(copy, view.run.id, "last")
        view = run_here(copy, view)
    assert any("get another class from the processor" in text for text in view.job.warnings)
    assert run_record.run_record(copy, view).computed_on["agreement"] == before


def test_a_run_on_the_processor_has_nothing_to_compare(trained):
    assert run_record.agreement_in_words(trained.workspace, trained.run.run.id) is None
