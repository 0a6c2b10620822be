"""What one does with runs beside starting them: the order of the queue, more epochs, repeating."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from core.domain.configs.acting import (
    acting_detail,
    acting_settings,
    recipe_is_trained,
    recipe_settings,
)
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.augment_presets import ORIENTATION_SETTINGS
from core.domain.configs.choices import Detail, DetailChoice, Precision
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.jobs import JobKind, JobStatus, QueueMove
from core.domain.settings import Value, settings_of
from core.domain.training import DetailTrial, TrainingRun, chosen_detail
from core.errors import TrainingError
from core.store import datasets, models, splits
from core.store import runs as run_rows
from core.store.database import connect
from core.worker.training.start import is_trained
from core.workflows import jobs
from core.workflows.data.datasets import orientation_of
from core.workflows.training import runs
from core.workflows.training.run_words import state_in_words
from core.workflows.training.runs import RunView
from core.workspace import Workspace

Difference = tuple[str, Value]


def queue(workspace: Workspace) -> list[RunView]:
    """The waiting runs in the order in which they will start."""
    waiting = [
        job.subject_id
        for job in jobs.active(workspace)
        if job.kind is JobKind.TRAIN and job.status is JobStatus.QUEUED
    ]
    return [runs.find_run(workspace, run_id) for run_id in waiting]


def move_run(workspace: Workspace, run_id: str, to: QueueMove) -> RunView:
    """Move a waiting run in the queue of its device.

    Raises:
        NotFoundError: if there is no such run.
        TrainingError: if it does not wait.
    """
    view = runs.find_run(workspace, run_id)
    if view.job is None or not jobs.move(workspace, view.job.id, to):
        raise TrainingError(
            f"The run '{view.run.name}' is {state_in_words(view.state)}.",
            "Only waiting runs have a place in the queue.",
        )
    return runs.find_run(workspace, view.run.id)


def pause_training(workspace: Workspace, run_id: str) -> RunView:
    """Ask a run to pause after its current step, which frees the device.

    It goes on exactly where it was when it is resumed.

    Raises:
        NotFoundError: if there is none.
        TrainingError: if it has ended already.
    """
    return _ended(workspace, run_id, pause=True)


def stop_training(workspace: Workspace, run_id: str) -> RunView:
    """Ask a run to stop after its current step; one that still waits ends at once.

    A run with a completed epoch makes a model of its best one.

    Args:
        workspace: where the run lives.
        run_id: its id or name.

    Raises:
        NotFoundError: if there is none.
        TrainingError: if it has ended already.
    """
    return _ended(workspace, run_id, pause=False)


def _ended(workspace: Workspace, run_id: str, *, pause: bool) -> RunView:
    view = runs.find_run(workspace, run_id)
    if view.job is None or not view.status.is_active:
        raise TrainingError(
            f"The run '{view.run.name}' is {state_in_words(view.state)}.",
            f"Only running and waiting runs can be {'paused' if pause else 'stopped'}.",
        )
    jobs.stop(workspace, view.job.id, pause=pause)
    return runs.find_run(workspace, view.run.id)


def refuse_continuing(view: RunView) -> None:
    """Raise unless more epochs can follow the run.

    Raises:
        TrainingError: if it learned in no epochs, made no model, or can still be resumed.
    """
    if "epochs" not in recipe_settings(view.run.train.recipe):
        raise TrainingError(
            f"The run '{view.run.name}' has no epochs: its last layer is solved exactly.",
            "Clone it with another recipe, or refit it with more images.",
        )
    if view.status.is_active or view.model_id is None:
        raise TrainingError(
            f"The run '{view.run.name}' is {state_in_words(view.state)} and has no model.",
            "Only a run with a model can be continued; others are resumed.",
        )


def begins_anew(workspace: Workspace, view: RunView) -> str:
    """That more epochs would not go on with what a run trained, in words; empty where they do."""
    with connect(workspace) as db:
        if is_trained(db, view.run, models.find_model(db, str(view.model_id))):
            return ""
    return (
        "Quick's model was kept: more epochs begin anew. To go on, make a model of the last epoch "
        "first."
    )


def continue_training(workspace: Workspace, run_id: str, *, epochs: int) -> RunView:
    """More epochs on the network of a run's newest model, as a new run with the same settings.

    The learning rate schedule begins anew, and a solved head is solved anew on the training images
    alone. The first run and its model stay as they are.

    Args:
        workspace: where the run lives.
        run_id: its id or name.
        epochs: how many more, at least 1.

    Raises:
        TrainingError: if no more epochs can follow it.
    """
    view = runs.find_run(workspace, run_id)
    refuse_continuing(view)
    run = view.run
    return runs.start_training(
        workspace,
        run.dataset_id,
        replace(run.train, epochs=epochs, start_model=str(view.model_id)),
        split=run.split_id,
        preprocess=run.preprocess,
        augment=run.augment,
        name=f"{run.given_name or run.name} +{epochs} epochs"[:100],
        fold=run.fold,
    )


def can_compare_tiles(view: RunView, tried: Sequence[DetailTrial]) -> bool:
    """Whether a run compared detail levels, left images wrong, and did not look at tiles."""
    levels = {trial.detail for trial in tried}
    return view.model_id is not None and len(levels) > 1 and Detail.TILES not in levels


def compare_tiles(workspace: Workspace, run_id: str) -> RunView:
    """A new run with the settings of another one that compares tiles as well."""
    run = runs.find_run(workspace, run_id).run
    return runs.start_training(
        workspace,
        run.dataset_id,
        replace(run.train, detail=run.train.detail.with_tiles),
        split=run.split_id,
        preprocess=run.preprocess,
        augment=run.augment,
        name=f"{run.given_name or run.name} with tiles"[:100],
        fold=run.fold,
    )


def changed_settings(train: TrainConfig, augment: AugmentConfig) -> Iterator[Difference]:
    """Name and value of each setting that differs from what the recipe asks by itself.

    Those of orientation are always named: their default is what was answered about the dataset,
    and answers change.
    """
    acting = recipe_settings(train.recipe) - {"recipe", "network"}
    pairs = ((train, recipe_defaults(train.recipe, train.network)), (augment, AugmentConfig()))
    for config, usual in pairs:
        for item in settings_of(config):
            value = getattr(config, item.name)
            is_usual = value == getattr(usual, item.name) and item.name not in ORIENTATION_SETTINGS
            if item.name in acting and not is_usual:
                yield item.name, value


def command_of(workspace: Workspace, run: TrainingRun) -> str:
    """The exact command that repeats a run: dataset, split, and every setting that it needs.

    What no setting can bring back is said by `repeating_notes`.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, run.dataset_id)
        split = splits.split_by_id(db, run.split_id)
        computed_on = run_rows.record_of(db, run.id)
    words = ["touchstone", "train", _named(dataset.name, dataset.id)]
    words += ["--recipe", run.train.recipe.value, "--network", run.train.network]
    words += ["--split", _named(split.name, split.id)]
    if run.fold is not None:
        words += ["--fold", str(run.fold + 1)]
    pixels = [(s.name, getattr(run.preprocess, s.name)) for s in settings_of(run.preprocess)]
    told = dict([*changed_settings(run.train, run.augment), *pixels])
    told |= _measured_precision(run, computed_on) | _chosen_detail(workspace, run)
    for name, value in told.items():
        words += ["--set", f"{name}={_plain(value)}"]
    return shlex.join(words)


def repeating_notes(workspace: Workspace, run: TrainingRun) -> list[str]:
    """What has changed since a run, so that its command alone does not repeat it."""
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, run.dataset_id)
    notes = []
    if dataset.version != run.version:
        named = shlex.quote(_named(dataset.name, dataset.id))
        notes.append(
            f"The run had version {run.version} of the dataset, today's is {dataset.version}. Go "
            f"back first: touchstone versions {named} --go-back {run.version}"
        )
    if recipe_is_trained(run.train.recipe) and (today := _other_detail(workspace, run)):
        notes.append(
            f"The answers about flipped and turned parts have changed: the run compared the detail "
            f"levels of {run.train.detail}, a new one compares those of {today}."
        )
    return notes


def _other_detail(workspace: Workspace, run: TrainingRun) -> DetailChoice | None:
    """What today's answers about the dataset would make of a run's detail; None: the same."""
    if "detail" not in acting_settings(run.train, run.augment):
        return None
    today = acting_detail(run.train, orientation_of(workspace, run.dataset_id))
    return today if today is not run.train.detail else None


def _chosen_detail(workspace: Workspace, run: TrainingRun) -> dict[str, Value]:
    """The level that a run chose, where today's answers would make it choose among others.

    Why not of a trained network: at its end all levels are compared once more.
    """
    if recipe_is_trained(run.train.recipe) or _other_detail(workspace, run) is None:
        return {}
    return {"detail": chosen_detail(run.train, runs.detail_trials(workspace, run.id))}


def _measured_precision(run: TrainingRun, computed_on: Mapping[str, Any]) -> dict[str, Value]:
    """The precision that the run found to be faster: elsewhere another one may be."""
    chosen = computed_on.get("precision", Precision.FLOAT32)
    if run.train.precision is not Precision.AUTO or chosen == Precision.FLOAT32:
        return {}
    return {"precision": str(chosen)}


def _plain(value: Value) -> str:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if isinstance(value, float) else str(value)


def _named(name: str, its_id: str) -> str:
    return its_id if name.startswith("-") else name  # it would read as an option
