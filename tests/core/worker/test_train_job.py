"""A quick run from end to end: its path, its refit, and runs that an earlier version began."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.data.pixels.preprocess import load_pixels
from core.domain.configs.acting import acted_on
from core.domain.configs.choices import Detail, DetailChoice, HeadChoice, HeadKind, Recipe
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.datasets import Orientation
from core.domain.jobs import JobKind, JobStatus
from core.domain.models import HeatmapMethod
from core.domain.splits import Subset
from core.domain.training import EpochMetrics, RunState, chosen_penalty
from core.errors import ConfigError
from core.inference import service
from core.inference.heatmaps import Explainer
from core.inference.predictor import Predictor, build_module
from core.inference.runtime import TorchRuntime
from core.models.bundle import read_card
from core.models.catalog import DEFAULT_NETWORK
from core.store import jobs as job_rows
from core.store import predictions as prediction_rows
from core.store import runs as run_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.results import judging
from core.workflows.training import checkpoints, last_layers, runs
from core.workflows.use import models
from tests.conftest import IMAGE_PX, QUICK, copy_of, trained_here


def test_the_penalty_path_of_a_run_is_stored_and_a_point_of_it_chosen(trained):
    path = runs.penalty_path(trained.workspace, trained.run.run.id)
    assert [point.penalty for point in path] == sorted((p.penalty for p in path), reverse=True)
    best = min(path, key=lambda point: point.log_loss)
    enough = [p.penalty for p in path if p.log_loss <= best.log_loss + best.standard_error]
    assert chosen_penalty(trained.run.run.train, path) == max(enough)
    assert runs.curve(trained.workspace, trained.run.run.id) == []
    assert runs.trained_in_epochs(trained.workspace) == frozenset()
    scores = runs.best_scores(trained.workspace)
    assert scores == {trained.run.run.id: trained.model.val_macro_f1}
    # Whole images leave nothing to improve here, so that nothing dearer was tried.
    (trial,) = runs.detail_trials(trained.workspace, trained.run.run.id)
    assert (trial.detail, trial.gain, trial.is_chosen) == (Detail.WHOLE, None, True)
    assert trial.log_loss == next(
        p.log_loss for p in path if p.penalty == chosen_penalty(trained.run.run.train, path)
    )
    assert trial.image_ms > 0


@pytest.fixture
def copy(trained, tmp_path):
    return copy_of(trained.workspace, tmp_path / "copy")


def test_a_model_with_tiles_and_a_hidden_layer_is_used_as_it_was_trained(trained, copy):
    # Wrong labels leave images that no level recognizes, so that the first run tries every level.
    with connect(copy) as db, transaction(db):
        db.conn.execute("UPDATE samples SET label = 1 - label WHERE id % 7 = 0")
    datasets.save_orientation(copy, trained.dataset.id, Orientation(flip_horizontal=True))
    compared = runs.start_training(
        copy,
        trained.dataset.id,
        replace(QUICK, detail=DetailChoice.AUTO_TILES, head=HeadChoice.AUTO),
        preprocess=trained.run.run.preprocess,
        name="compared",
    )
    mirrored, turned, told = (
        runs.start_training(
            copy,
            trained.dataset.id,
            replace(QUICK, detail=detail, head=head),
            preprocess=trained.run.run.preprocess,
            name=detail.value,
        )
        for detail, head in (
            (DetailChoice.MIRRORED, HeadChoice.MEANS),
            (DetailChoice.TURNED, HeadChoice.LINEAR),
            (DetailChoice.TILES, HeadChoice.MLP),
        )
    )
    assert compared.run.train.detail is DetailChoice.AUTO_MIRRORED_TILES
    ends = [
        jobs.wait(copy, view.job.id, on_change=lambda _: None)
        for view in (compared, mirrored, turned, told)
    ]
    trials = runs.detail_trials(copy, compared.run.id)
    assert [trial.detail for trial in trials] == list(DetailChoice.AUTO_MIRRORED_TILES.levels)
    assert sum(trial.is_chosen for trial in trials) == 1
    heads = last_layers.head_trials(copy, compared.run.id)
    # So few images are too few for a hidden layer, unless one is asked for.
    assert [trial.head for trial in heads] == [HeadKind.LINEAR, HeadKind.MEANS]
    assert sum(trial.is_chosen for trial in heads) == 1
    assert (heads[0].gain, heads[1].gain is None) == (None, False)
    assert last_layers.head_trials(copy, told.run.id) == []
    for end in ends[1:3]:
        views = models.find_model(copy, str(end.result["model_id"]))
        _assert_predicts_what_was_stored(copy, views)
    model = models.find_model(copy, str(ends[3].result["model_id"]))
    assert model.preprocess.image_size_px == 2 * IMAGE_PX
    assert told.run.preprocess.image_size_px == IMAGE_PX
    file = models.exported_bundle(copy, model)
    card = read_card(file)
    assert (card.detail, card.hidden_layer) == (Detail.TILES, True)
    predictor, samples = _assert_predicts_what_was_stored(copy, model)
    # Torch loads the same file strictly, and computes the same features.
    pixels = np.stack([load_pixels(copy.resolve(s.path), model.preprocess) for s in samples[:2]])
    slow = TorchRuntime(build_module(predictor.card, predictor.tensors), "cpu").features(pixels)
    assert np.abs(predictor.features(pixels) - slow).max() <= 1e-3 * np.abs(slow).max()
    heat = Explainer(predictor).heatmap(pixels[0], 0, HeatmapMethod.GRAD_CAM)
    assert heat.shape == (2 * IMAGE_PX, 2 * IMAGE_PX)
    service.check_bundle(file, copy.runtimes)


def _assert_predicts_what_was_stored(copy, model):
    predictor = Predictor.open(models.exported_bundle(copy, model), runtimes=copy.runtimes)
    stored = judging.judged_set(copy, model.id, Subset.TEST)
    samples = datasets.find_samples(copy, stored.sample_ids.tolist())
    items = predictor.predict([copy.resolve(sample.path) for sample in samples])
    for row, item in zip(stored.probabilities, items, strict=True):
        expected = dict(zip(model.class_names, row.tolist(), strict=True))
        assert dict(item.confidences) == pytest.approx(expected, abs=1e-5)
    return predictor, samples


def test_a_penalty_of_a_class_acts_in_quick_and_is_told(trained, copy):
    # It was a setting of staged and full alone, whose runs ended with a model that did not know it.
    wanted, _ = trained.dataset.class_names
    config = replace(QUICK, class_penalties=f"{wanted}: 9", penalty=1000.0, refit=False)
    means = []
    for asked in (config, replace(config, class_penalties="")):
        view = trained_here(copy, trained, asked)
        judged = judging.judged_set(copy, view.models[0], Subset.TEST)
        means.append(judged.probabilities[:, 0].mean())
        told = {item.name for item, _ in acted_on(view.run, has_epochs=False)}
        assert ("class_penalties" in told) is bool(asked.class_penalties)
    assert means[0] > 0.8 > 0.6 > means[1]


def test_a_quick_run_of_an_earlier_version_resumes_with_the_exact_solver(trained, copy):
    # It was interrupted in epoch 3 of 100; its settings know no penalty and no class weights.
    run_id = trained.run.run.id
    with connect(copy) as db, transaction(db):
        row = db.conn.execute("SELECT train FROM runs WHERE id = ?", [run_id]).fetchone()
        former = json.loads(row[0])
        for name in ("penalty", "refit", "class_weights"):
            del former[name]
        former["balance_classes"] = False
        db.conn.execute("UPDATE runs SET train = ? WHERE id = ?", [json.dumps(former), run_id])
        db.conn.execute("DELETE FROM penalty_path")
        db.conn.execute("DELETE FROM models")
    with connect(copy) as db:
        job_id = job_rows.enqueue(db, JobKind.TRAIN, run_id, {}, now=1.0)
        job_rows.claim(db, "training", owner="me", now=2.0)
        lines = [EpochMetrics(i, 0.5, 0.5, 0.5, 0.5, 0.1, 1.0, is_best=i == 0) for i in range(3)]
        assert run_rows.save_epochs(db, run_id, lines, job_id=job_id, owner="me")
        job_rows.finish(db, job_id, JobStatus.INTERRUPTED, owner="me", now=3.0)
    assert len(runs.curve(copy, run_id)) == 3
    assert not runs.can_finish(copy, runs.find_run(copy, run_id).run)
    resumed = jobs.wait(copy, runs.resume_training(copy, run_id).id, on_change=lambda _: None)
    assert resumed.status is JobStatus.COMPLETED
    assert runs.curve(copy, run_id) == []
    assert runs.penalty_path(copy, run_id)
    model = models.find_model(copy, str(resumed.result["model_id"]))
    assert model.validation_cross_validated
    with connect(copy) as db:
        matrix = prediction_rows.load_matrix(db, model.id, Subset.VALIDATION)
    assert matrix.probabilities.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)


def test_a_staged_run_starts_at_the_solved_head_and_keeps_what_it_was_made_with(trained, copy):
    config = replace(
        recipe_defaults(Recipe.STAGED, DEFAULT_NETWORK),
        epochs=2,
        batch_size=8,
        stored_versions=2,
        device="cpu",
        class_penalties=f"{trained.dataset.class_names[0]}: 2",
        checkpoint_interval=1,
        checkpoint_limit=1,
    )
    small = replace(trained.run.run.preprocess, image_size_px=64)
    started = runs.start_training(copy, trained.dataset.id, config, preprocess=small)
    job = jobs.wait(copy, started.job.id, on_change=lambda _: None)
    assert job.status is JobStatus.COMPLETED, job.error
    curve = runs.curve(copy, started.run.id)
    assert [line.epoch for line in curve] == [-1, 0, 1]
    best = max(curve, key=lambda line: (line.val_macro_f1, -line.val_loss))
    # The stored model is judged in whole, by the runtime that predicts; the curve in parts.
    model = models.find_model(copy, str(job.result["model_id"]))
    assert model.val_macro_f1 == pytest.approx(best.val_macro_f1)
    with connect(copy) as db:
        record = run_rows.record_of(db, started.run.id)
    judged = judging.judged_set(copy, model.id, Subset.VALIDATION)
    true = judged.probabilities[np.arange(8), judged.targets]
    assert -np.log(true).mean() == pytest.approx(best.val_log_loss, abs=0.02)
    details = runs.epoch_details(copy, started.run.id)
    assert details.best.epoch == best.epoch
    assert sum(map(sum, details.latest.confusion)) == 8
    assert len(record["weights_sha256"]) == 64
    assert record["versions"]["torch"]
    assert record["expected_training_s"] > 0  # said before the first step
    how = {name: record[name] for name in ("precision", "compiled", "processes", "deterministic")}
    assert list(how.values()) == ["float32", False, 1, True]
    _assert_a_kept_epoch_makes_a_model_of_its_own(copy, started.run.id, curve, model)


def _assert_a_kept_epoch_makes_a_model_of_its_own(copy, run_id, curve, final):
    kept = checkpoints.kept_epochs(copy, run_id)
    keys = {item.checkpoint.kind: item.checkpoint.epoch for item in kept}
    assert keys == {"best": max(curve, key=lambda e: e.is_best * (e.epoch + 2)).epoch} | {
        "last": 1,
        "interval": 1,
    }
    job = jobs.wait(copy, checkpoints.make_model(copy, run_id, "last").id, on_change=lambda _: None)
    assert job.status is JobStatus.COMPLETED, job.error
    view = runs.find_run(copy, run_id)
    assert (view.state, view.models) == (RunState.COMPLETED, (final.id, job.result["model_id"]))
    model = models.find_model(copy, view.models[1])
    assert model.name == f"{view.run.name} epoch 2"
    judged = judging.judged_set(copy, model.id, Subset.VALIDATION)
    true = judged.probabilities[np.arange(8), judged.targets]
    assert -np.log(true).mean() == pytest.approx(curve[-1].val_log_loss, abs=0.02)
    assert len(runs.curve(copy, run_id)) == len(curve)


def test_a_run_that_brought_nothing_ends_with_the_quick_model_and_says_so(trained, copy):
    # Staged was worse than quick on test images (.739 against .772) after ten times the time.
    made = {}
    for recipe in (Recipe.QUICK, Recipe.FULL):
        config = replace(
            recipe_defaults(recipe, QUICK.network),
            detail=DetailChoice.STAGES,
            epochs=1,
            learning_rate=1e-7,
            device="cpu",
        )
        view = runs.start_training(
            copy, trained.dataset.id, config, preprocess=trained.run.run.preprocess, name=recipe
        )
        job = jobs.wait(copy, view.job.id, on_change=lambda _: None)
        assert job.status is JobStatus.COMPLETED, job.error
        made[recipe] = models.find_model(copy, str(job.result["model_id"]))
    assert "no gain that the validation images prove" in " ".join(job.warnings)
    with connect(copy) as db:
        quick, full = (run_rows.record_of(db, model.run_id) for model in made.values())
    assert quick["weights_sha256"] == full["weights_sha256"]
    assert full["steps"] > 0
    assert made[Recipe.FULL].validation_cross_validated


def test_a_penalty_of_a_class_that_does_not_exist_is_refused_before_the_start(trained, copy):
    config = TrainConfig(Recipe.QUICK, class_penalties="nobody: 2", device="cpu")
    with pytest.raises(ConfigError, match="'nobody'"):
        runs.start_training(copy, trained.dataset.id, config)
