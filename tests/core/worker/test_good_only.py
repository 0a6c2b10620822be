"""From a folder of good images to a detector, and on to the first defects."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from core.api.explanations import heatmap_test_as_json
from core.cli.app import app
from core.domain.configs.choices import Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import UNLIKE_GOOD, LabelSource, Verdict, names_of_detector
from core.domain.jobs import JobStatus
from core.domain.models import HeatmapMethod, ModelFormat
from core.domain.splits import Subset
from core.domain.stages.states import Stage, StageReason
from core.errors import SplitError
from core.inference import service
from core.inference.explaining.grades import Examined, graded
from core.inference.heatmaps import Explainer
from core.inference.predictor import Predictor
from core.models.catalog import DEFAULT_NETWORK
from core.workflows import jobs, stages
from core.workflows.data import datasets, splits
from core.workflows.results import evaluation, heatmap_grades
from core.workflows.results.heatmap_grades import Trust
from core.workflows.training import refit, runs
from core.workflows.use import alike, exporting, models, prediction
from core.workspace import Workspace
from tests.conftest import save_image

GOOD_ONLY = replace(recipe_defaults(Recipe.GOOD_ONLY, DEFAULT_NETWORK), device="cpu")
SIDE = 64


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A line without defects: 50 images of good parts, imported, split, and a detector of them."""
    root = tmp_path_factory.mktemp("line")
    for number in range(50):
        pixels = np.random.default_rng(number).normal(128, 12, (96, 96, 3))
        save_image(root / "parts" / "good" / f"{number:02d}.png", np.clip(pixels, 0, 255))
    workspace = Workspace(root / "workspace").create()
    run = CliRunner().invoke
    place = ["--workspace", str(workspace.root)]
    imported = run(app, ["import", str(root / "parts"), "--name", "Line", *place])
    assert imported.exit_code == 0, imported.output
    dataset = datasets.find_dataset(workspace, "Line")
    splits.create_split(workspace, dataset.id)
    preprocess = runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK, image_size_px=SIDE)
    view = runs.start_training(workspace, dataset.id, GOOD_ONLY, preprocess=preprocess)
    ended = jobs.wait(workspace, view.job.id, on_change=lambda _: None)
    assert ended.status is JobStatus.COMPLETED, ended.error
    return workspace, dataset, models.find_model(workspace, str(ended.result["model_id"])), view


def _defect(path, seed):
    pixels = np.random.default_rng(1000 + seed).normal(128, 12, (96, 96, 3))
    top, left = np.random.default_rng(seed).integers(8, 56, 2)
    pixels[top : top + 32, left : left + 32 : 4] = 230
    return save_image(path, np.clip(pixels, 0, 255))


def test_a_folder_of_one_class_is_imported_as_good_and_other_recipes_lead_to_this_one(line):
    workspace, dataset, *_ = line
    assert dataset.class_names == ("good",)
    assert dataset.verdicts == (Verdict.OK,)
    quick = recipe_defaults(Recipe.QUICK, DEFAULT_NETWORK)
    with pytest.raises(SplitError) as error:
        runs.start_training(workspace, dataset.id, quick)
    assert "good_only" in error.value.hint


def test_a_detector_is_no_model_of_other_classes(line):
    # Home said that classes were added since, though nothing had changed, and to train again.
    workspace, dataset, model, _ = line
    (facts,) = stages.facts_of_all(workspace)
    assert [item.id for item in facts.models] == [model.id]
    assert not facts.models[0].classes_changed
    state = stages.stages_of(workspace, dataset).states[Stage.TRAINED]
    assert state.reason is not StageReason.MODEL_OF_OTHER_CLASSES


def test_a_detector_answers_good_or_unlike_everywhere(line, tmp_path, monkeypatch):
    workspace, _, model, _ = line
    assert model.class_names == ("good", UNLIKE_GOOD)
    assert model.val_macro_f1 is None
    bad = _defect(tmp_path / "bad.png", 3)
    fine = save_image(
        tmp_path / "fine.png",
        np.clip(np.random.default_rng(99).normal(128, 12, (96, 96, 3)), 0, 255),
    )
    one, other = prediction.predict(workspace, model, [bad, fine], ["bad", "fine"])
    assert (one.class_name, other.class_name) == (UNLIKE_GOOD, "good")
    assert one.unfamiliar > 1 > other.unfamiliar
    assert dict(one.confidences)[UNLIKE_GOOD] == pytest.approx(
        one.unfamiliar / (1 + one.unfamiliar), abs=1e-5
    )
    limit = alike.unfamiliar_limit(workspace, model)
    assert (limit.judged, limit.parts) == (40, 40)  # training and validation
    check = exporting.export_model(
        workspace, model, tmp_path / "out", ModelFormat.OPENVINO, [bad, fine]
    )
    assert check.changed == ()
    assert check.largest_difference < 1e-3
    file = models.exported_bundle(workspace, model)
    service.check_bundle(file, workspace.runtimes)
    known = alike.nearest_images(workspace, model, bad)
    assert len(known) == alike.SHOWN  # good images to compare a flagged one with
    assert {item.class_name for item in known} == {"good"}
    explainer = Explainer(Predictor.open(file, runtimes=workspace.runtimes))
    pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    pixels[8:24, 40:56] = (235, 215, 40)
    heat = explainer.heatmap(pixels, 1, HeatmapMethod.GRAD_CAM)
    top, left = np.unravel_index(heat.argmax(), heat.shape)
    assert 4 <= top < 28
    assert 36 <= left < 60

    # Its heatmaps are tested too: by defects planted in its good images.
    examined = Examined(Predictor.open(file, runtimes=workspace.runtimes))
    for number in range(6):
        noise = np.random.default_rng(200 + number).normal(128, 12, (SIDE, SIDE, 3))
        examined.take(np.clip(noise, 0, 255).astype(np.uint8), 0)
    monkeypatch.setattr("core.inference.explaining.grades.MOST_PLANTED", 10)
    methods = heatmap_grades.methods_for(model)
    grades = graded(examined, methods[:1], np.random.default_rng(0), lambda *_: None)
    answer = heatmap_test_as_json(heatmap_grades.read_test(grades, 1.0))
    (method,) = answer["methods"]
    assert method["planted"] >= 8
    assert method["trust"] == Trust.TRUSTED
    assert method["found"] > 4 * method["chance"] * method["planted"]
    assert method["deletion"] is None  # a removed region is itself unlike the good ones


def test_results_say_false_alarms_and_once_there_are_defects_how_well_they_are_told(line, tmp_path):
    workspace, dataset, model, view = line
    before = evaluation.evaluation_report(workspace, model.id, Subset.TEST)
    assert before.ok_nok.outcome.overkill.n == before.n
    assert not before.ok_nok.outcome.escape.has_data
    assert before.ok_nok.roc_area.value is None
    for number in range(12):
        _defect(tmp_path / "crack" / f"c{number:02d}.png", number)
    job = datasets.start_adding(workspace, tmp_path, dataset.id, LabelSource.LAST_FOLDER)
    assert jobs.wait(workspace, job.id, on_change=lambda _: None).status is JobStatus.COMPLETED
    again = refit.refit(workspace, view.run.id)
    ended = jobs.wait(workspace, again.job.id, on_change=lambda _: None)
    assert ended.status is JobStatus.COMPLETED, ended.error
    answer = CliRunner().invoke(
        app,
        ["evaluate", str(ended.result["model_id"]), "--json", "--workspace", str(workspace.root)],
    )
    values = json.loads(answer.stdout)
    assert values["class_names"] == ["good", UNLIKE_GOOD]
    assert values["auc"]["ok_nok"] == 1.0
    assert values["notice"] is None
    assert values["ok_nok"]["escape"]["n"] > 0


def test_several_good_classes_have_one_name_and_its_defects_are_never_named_twice():
    assert names_of_detector(("a", "b", "c"), (0, 2)) == ("good", UNLIKE_GOOD)
    assert names_of_detector((UNLIKE_GOOD, "x"), (0,)) == ("good", UNLIKE_GOOD)
