"""The queue, own models to start from, and a command that repeats a run."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.cli.session import Session
from core.cli.training.trained import answer_training
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import DetailChoice, Recipe
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.datasets import Orientation
from core.domain.jobs import JobKind, JobStatus, device_lane
from core.domain.training import CheckpointKind, EpochMetrics, RunState
from core.errors import ConfigError, TrainingError
from core.inference.heads import Head, HiddenLayer
from core.models.bundle import read_card, read_tensors, write_bundle
from core.models.kept_epochs import KeptEpochs
from core.store import jobs, runs
from core.store.database import connect, transaction
from core.worker.launcher import lane_lock
from core.workflows.data import datasets, edits
from core.workflows.training import control
from core.workflows.training import runs as run_actions
from core.workflows.use import models
from tests.conftest import copy_of


@pytest.fixture
def waiting(trained, tmp_path):
    """Three runs that wait; the lane is held, so that none of them starts."""
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    run = trained.run.run
    with connect(workspace) as db, transaction(db):
        for number in range(3):
            name = f"run-{number}"
            runs.insert_run(db, replace(run, id=name, name=f"Waiting {number}"))
            jobs.enqueue(db, JobKind.TRAIN, name, {}, now=float(number))
    with lane_lock(workspace, JobKind.TRAIN.lane).acquire():
        yield workspace


def _touchstone(workspace, *words):
    answer = CliRunner().invoke(app, [*words, "--workspace", str(workspace.root), "--json"])
    return answer.exit_code, json.loads(answer.stdout)


def test_waiting_runs_are_moved_paused_shown_and_deleted_on_the_command_line(waiting, trained):
    def order(run, to):
        code, answer = _touchstone(waiting, "runs", "order", run, to)
        assert code == 0
        return [item["run_id"] for item in answer["queue"]]

    assert order("run-2", "next") == ["run-2", "run-0", "run-1"]
    assert order("run-2", "down") == ["run-0", "run-2", "run-1"]
    assert order("Waiting 1", "up") == ["run-0", "run-1", "run-2"]
    assert order("run-0", "last") == ["run-1", "run-2", "run-0"]
    with connect(waiting) as db:
        claimed = jobs.claim(db, "training", owner="me", now=9.0)
    assert claimed is not None
    assert claimed.subject_id == "run-1"
    assert _touchstone(waiting, "runs", "order", "run-1", "up")[0] == 1  # it runs already

    code, answer = _touchstone(waiting, "runs", "pause", "run-2")
    assert (code, answer["status"], answer["stop_requested"]) == (0, "paused", False)
    listed = {r["run_id"]: r for r in _touchstone(waiting, "runs")[1]["runs"]}
    assert (listed["run-2"]["state"], listed["run-2"]["can_resume"]) == ("paused", True)
    assert listed["run-0"]["queue_position"] == 1
    code, answer = _touchstone(waiting, "runs", "resume", "run-2", "--no-follow")
    assert (code, answer["state"]) == (0, "queued")
    assert [v.run.id for v in control.queue(waiting)] == ["run-0", "run-2"]
    assert _touchstone(waiting, "runs", "pause", "run-2")[0] == 0  # no worker may start it later

    assert _touchstone(waiting, "runs", "delete", "run-0")[0] == 1  # it waits
    code, answer = _touchstone(waiting, "stop", "Waiting 0")  # the former spelling
    assert (code, answer) == (
        0,
        {"run_id": "run-0", "status": "stopped", "stop_requested": False},
    )
    code, answer = _touchstone(waiting, "runs", "stop", "run-0")
    assert (code, answer["error"]) == (1, "The run 'Waiting 0' is stopped.")
    assert _touchstone(waiting, "runs", "delete", "run-0")[1]["models_kept"] == []


def test_a_run_is_shown_with_its_settings_hashes_and_the_command_that_repeats_it(trained):
    code, shown = _touchstone(trained.workspace, "runs", "show", trained.run.run.id)
    assert code == 0
    assert shown["settings"]["class_weights"] == "balanced"
    assert shown["dataset"]["version"] == trained.run.run.version
    (model,) = shown["models"]
    assert model["file_sha256"] == trained.model.sha256
    assert len(model["weights_sha256"]) == 64
    assert shown["penalty_path"]
    assert shown["detail"] == shown["detail_trials"][0]["detail"] == "whole"
    # The versions and the hash were kept by the run itself; the hash is that of the model's file.
    computed = shown["computed_on"]
    assert computed["versions"]["openvino"]
    assert computed["threads"] >= 1
    assert computed["weights_sha256"] == model["weights_sha256"]
    assert shlex.split(shown["command"])[:3] == ["touchstone", "train", trained.dataset.name]


def test_the_command_of_a_run_names_every_setting_that_is_not_usual(trained):
    usual = recipe_defaults(Recipe.FULL, "tf_efficientnet_lite0")
    train = replace(usual, epochs=7, learning_rate=0.003, seed=1)
    augment = replace(AugmentConfig(), flip_vertical=not AugmentConfig().flip_vertical)
    run = replace(trained.run.run, train=train, augment=augment)
    words = shlex.split(control.command_of(trained.workspace, run))
    given = dict(w.split("=", 1) for w in words if "=" in w)
    flip = "yes" if augment.flip_vertical else "no"
    expected = {"epochs": "7", "learning_rate": "0.003", "seed": "1", "flip_vertical": flip}
    assert expected.items() <= given.items()
    assert "momentum" not in given
    assert "penalty" not in given
    assert given["image_size_px"] == str(run.preprocess.image_size_px)
    assert words[words.index("--split") + 1] == trained.split.name
    # Flips that were turned on by hand were left out: the command trained without them.
    flips = {"flip_horizontal": "yes", "rotate_quarter": "no"}
    assert flips.items() <= given.items()
    assert control.repeating_notes(trained.workspace, run) == []


def _repeated(workspace, run_id):
    """Weights of a run and of its repetition by its command; what it says beside the command."""
    code, shown = _touchstone(workspace, "runs", "show", run_id)
    assert code == 0
    code, again = _touchstone(workspace, *shlex.split(shown["command"])[1:])
    assert code == 0, again
    _, repeated = _touchstone(workspace, "runs", "show", again["run_id"])
    return [each["computed_on"]["weights_sha256"] for each in (shown, repeated)]


def test_the_command_of_a_run_with_flips_by_hand_gives_the_same_weights(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    by_hand = ["--flip-horizontal", "--augment-probability", "1", "--learning-rate", "0.01"]
    small = ["--device", "cpu", "--image-size", "32", "--epochs", "1", "--no-start-from-head"]
    recipe = ["--recipe", "full", "--no-training-measure", "--no-checkpoint-ends"]
    code, made = _touchstone(workspace, "train", "Marks", *recipe, *small, *by_hand)
    assert code == 0, made
    first, second = _repeated(workspace, made["run_id"])
    assert first == second


def test_the_command_of_a_quick_run_repeats_it_after_another_answer_about_the_dataset(
    trained, tmp_path
):
    # A run that compared two levels was repeated with three, and could become another model.
    workspace, name = copy_of(trained.workspace, tmp_path / "copy"), trained.dataset.name
    train = replace(trained.run.run.train, detail=DetailChoice.AUTO)
    with connect(workspace) as db, transaction(db):
        run = replace(trained.run.run, train=train)
        runs.insert_run(db, replace(run, id="run-auto", name="auto"))
    assert "detail=" not in control.command_of(workspace, run)
    datasets.save_orientation(workspace, run.dataset_id, Orientation(rotate_quarter=True))
    assert "detail=whole" in control.command_of(workspace, run)
    full = replace(recipe_defaults(Recipe.FULL, train.network), detail=DetailChoice.AUTO)
    (note,) = control.repeating_notes(workspace, replace(run, train=full))
    assert "levels of auto, a new one compares those of auto_turned" in note
    assert control.repeating_notes(workspace, run) == []
    # A run of an earlier version of the dataset was repeated on the images of today.
    (sample,), _ = datasets.samples(workspace, run.dataset_id, limit=1)
    edits.exclude(workspace, run.dataset_id, [sample.id])
    (note,) = control.repeating_notes(workspace, run)
    assert "The run had version 1 of the dataset, today's is 2." in note
    assert f"touchstone versions {name} --go-back 1" in note


def test_the_state_before_the_first_step_is_no_epoch(trained, tmp_path, capsys):
    # `train --json` counted it: 3 epochs of 2.
    workspace, run_id = copy_of(trained.workspace, tmp_path / "copy"), trained.run.run.id
    with connect(workspace) as db:
        job_id = jobs.enqueue(db, JobKind.TRAIN, run_id, {}, now=1.0)
        jobs.claim(db, "training", owner="me", now=2.0)
        line = EpochMetrics(-1, float("nan"), 0.4, 0.8, 0.7, 0.1, 1.0, is_best=True)
        lines = [line, *(replace(line, epoch=i, train_loss=0.5) for i in range(2))]
        assert runs.save_epochs(db, run_id, lines, job_id=job_id, owner="me")
        made = {"model_id": trained.model.id}
        jobs.finish(db, job_id, JobStatus.COMPLETED, owner="me", now=3.0, result=made)
        job = jobs.latest_job(db, run_id)
    answer_training(Session(workspace, as_json=True), run_id, job)
    assert json.loads(capsys.readouterr().out)["epochs"] == 2


def test_a_model_of_a_kept_epoch_is_queued_and_the_run_stays_what_it_was(waiting, trained):
    run_id = trained.run.run.id
    train = replace(trained.run.run.train, checkpoint_ends=True)
    kept = KeptEpochs(waiting.kept_epochs(run_id), train)
    kept.at_the_end(CheckpointKind.LAST, 2, {"weight": np.zeros(3, np.float32)})
    code, shown = _touchstone(waiting, "runs", "show", run_id)
    (listed,) = shown["checkpoints"]
    assert (code, listed["checkpoint"], listed["epoch"]) == (0, "last-000003", 3)
    code, answer = _touchstone(waiting, "runs", "model", run_id, "best", "--no-follow")
    assert (code, answer["hint"]) == (1, "There are: last.")
    for which in ("last", "3"):  # a kind, or the number of an epoch
        code, answer = _touchstone(waiting, "runs", "model", run_id, which, "--no-follow")
        assert (code, answer["state"]) == (0, "queued")
        with connect(waiting) as db, transaction(db):
            job = jobs.latest_job(db, run_id)
            assert job.payload["checkpoint"] == "last-000003"
            db.conn.execute("UPDATE jobs SET status = 'failed' WHERE id = ?", [job.id])
        # It was "failed" then, and could be resumed without the states that are long gone.
        assert run_actions.find_run(waiting, run_id).state is RunState.COMPLETED
    assert run_actions.taken_along(waiting, run_id)[-1] == "its 1 checkpoint"


def test_a_start_model_gives_its_network_and_the_classes_that_both_know(trained, tmp_path):
    import torch

    from core.models.build import build_network, head_of
    from core.worker.session import JobSession
    from core.worker.training.start import load_start_model

    workspace = copy_of(trained.workspace, tmp_path / "copy")
    run = replace(trained.run.run, train=TrainConfig(start_model=trained.model.id))
    assert trained.run.job is not None
    session = JobSession(workspace, trained.run.job, "me")
    names = ["new", *reversed(trained.model.class_names)]
    network = build_network(trained.model.network, len(names))
    head = head_of(network)
    with torch.no_grad():
        head.weight.fill_(7.0)
    load_start_model(session, run, names, network)
    tensors = read_tensors(models.exported_bundle(workspace, trained.model))
    stem = network.state_dict()["conv_stem.weight"].numpy()
    assert np.array_equal(stem, tensors["conv_stem.weight"])
    assert bool((head.weight[0] == 7.0).all())  # a class it does not know keeps what it had
    assert np.array_equal(head.weight[1:].detach().numpy(), tensors["classifier.weight"][::-1])
    models.delete_model(workspace, trained.model.id)
    load_start_model(session, run, names, network)  # the run keeps a copy
    # A head of other features was left out without its bias, which then belonged to nothing.
    kept = workspace.run_folder(run.id) / "start.safetensors"
    card, weights = read_card(kept), read_tensors(kept)
    other = Head(np.ones((2, 5), "f4"), np.ones(2, "f4"))
    kept.write_bytes(write_bundle(card, weights | other.as_tensors(card.head)))
    before = head.bias.detach().clone()
    load_start_model(session, run, names, network)
    assert torch.equal(head.bias, before)
    deep = replace(other, hidden=HiddenLayer(np.ones((5, 1280), "f4"), np.ones(5, "f4")))
    card = replace(card, hidden_layer=True)
    kept.write_bytes(write_bundle(card, weights | deep.as_tensors(card.head)))
    with pytest.raises(TrainingError, match="hidden layer"):
        load_start_model(session, run, names, network)


def test_what_cannot_be_continued_or_started_from_is_refused(trained):
    with pytest.raises(TrainingError, match="no epochs"):
        control.continue_training(trained.workspace, trained.run.run.id, epochs=3)
    other = TrainConfig(network="tf_efficientnet_lite1", start_model=trained.model.name)
    with pytest.raises(ConfigError, match="tf_efficientnet_lite0"):
        run_actions.start_training(trained.workspace, trained.dataset.id, other)
    assert device_lane("cuda:1") != JobKind.TRAIN.lane
    assert JobStatus.PAUSED not in [s for s in JobStatus if s.is_active]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (Orientation(rotate_quarter=True), DetailChoice.AUTO_TURNED),
        (Orientation(flip_horizontal=True, rotate_quarter=True), DetailChoice.AUTO_TURNED),
        (Orientation(flip_horizontal=True), DetailChoice.AUTO_MIRRORED),
        (Orientation(), DetailChoice.AUTO),
    ],
)
def test_a_run_compares_the_views_that_show_the_same_part(waiting, trained, answers, expected):
    # A network is not trained on turned views, but what quick makes of them is compared with it.
    datasets.save_orientation(waiting, trained.dataset.id, answers)
    for recipe in (Recipe.QUICK, Recipe.STAGED):
        train = recipe_defaults(recipe, trained.run.run.train.network)
        train = replace(train, detail=DetailChoice.AUTO, device="cpu")
        view = run_actions.start_training(waiting, trained.dataset.id, train)
        assert view.run.train.detail is expected


def test_turned_views_cannot_be_trained_on(waiting, trained):
    train = replace(
        recipe_defaults(Recipe.FULL, trained.run.run.train.network), detail=DetailChoice.TURNED
    )
    with pytest.raises(ConfigError, match="detail turned is for the recipe quick"):
        run_actions.start_training(waiting, trained.dataset.id, train)
