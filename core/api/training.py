"""The JSON of networks, runs and cross-validations."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from core.api.values import JsonObject
from core.domain.configs.choices import Recipe
from core.domain.jobs import Job
from core.domain.training import (
    DetailTrial,
    HeadTrial,
    PenaltyPoint,
    chosen_detail,
    chosen_head,
    chosen_penalty,
)
from core.evaluation.report import EvaluationReport
from core.models.catalog import Availability, Network, weights_source
from core.models.speed import known_speeds
from core.workflows.training.folds import CrossValidation
from core.workflows.training.record import RunRecord
from core.workflows.training.runs import RunView
from core.workspace import Workspace


def run_as_json(view: RunView) -> JsonObject:
    """A run with its status, its newest model and what went wrong.

    `status` of a run that was stopped stays "stopped", also when its best epoch became a model;
    `state` tells the two apart. `progress` in [0, 1] is null unless the run is active.
    """
    job = view.job
    return {
        "run_id": view.run.id,
        "name": view.run.name,
        "status": view.status.value,
        "state": view.state.value,
        "model_id": view.model_id,
        "error": job.error if job else None,
        "progress": round(job.share, 4) if job and job.status.is_active else None,
        "can_resume": view.can_resume,
    }


def run_record_as_json(view: RunView, record: RunRecord) -> JsonObject:
    """All that is kept of a run; epochs and folds count from 1, what was not measured is null."""
    run, job = view.run, view.job
    return {
        **run_as_json(view),
        "created_at": run.created_at,
        "fold": None if run.fold is None else run.fold + 1,
        "attempt": job.attempt if job else 0,
        "device": job.device if job else None,
        "dataset": {
            "id": run.dataset_id,
            "name": record.dataset_name,
            "version": run.version,
            "sha256": record.dataset_digest,
        },
        "split": {"id": run.split_id, "name": record.split_name, "sha256": record.split_digest},
        "settings": {item.name: value for item, value in record.settings},
        "preprocess_sha256": run.preprocess.digest,
        "curve": [{**_finite(asdict(epoch)), "epoch": epoch.epoch + 1} for epoch in record.curve],
        "penalty_path": [asdict(point) for point in record.path],
        "detail": chosen_detail(run.train, record.trials).value
        if run.train.recipe is Recipe.QUICK
        else None,
        "detail_trials": [trial_as_json(trial) for trial in record.trials],
        "head": chosen_head(run.train, record.heads).value
        if run.train.recipe is Recipe.QUICK
        else None,
        "head_trials": [head_trial_as_json(trial) for trial in record.heads],
        "computed_on": dict(record.computed_on),
        "models": [
            {
                "model_id": kept.model.id,
                "name": kept.model.name,
                "file_sha256": kept.model.sha256,
                "weights_sha256": kept.weights_sha256,
                "val_macro_f1": kept.model.val_macro_f1,
            }
            for kept in record.models
        ],
        "checkpoints": [
            {
                "checkpoint": kept.checkpoint.key,
                "kind": kept.checkpoint.kind.value,
                "epoch": kept.checkpoint.epoch + 1,
                "val_macro_f1": kept.val_macro_f1,
                "size_bytes": kept.checkpoint.size_bytes,
                "saved_at": kept.checkpoint.saved_at,
            }
            for kept in record.checkpoints
        ],
        "command": record.command,
    }


def _finite(values: JsonObject) -> JsonObject:
    """Without NaN and infinity, which are no JSON."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def trained_as_json(
    view: RunView,
    job: Job,
    *,
    epochs: int,
    path: Sequence[PenaltyPoint],
    trials: Sequence[DetailTrial],
    heads: Sequence[HeadTrial],
    validation: EvaluationReport,
) -> JsonObject:
    """A run that just ended with a model; `penalty` is null and `epochs` not 0 in full runs."""
    train, is_solved = view.run.train, view.run.train.recipe is Recipe.QUICK
    return {
        "run_id": view.run.id,
        "model_id": str(job.result["model_id"]),
        "recipe": train.recipe.value,
        "network": train.network,
        "epochs": epochs,
        "penalty": chosen_penalty(train, path) if is_solved else None,
        "penalty_path": [
            {
                "penalty": point.penalty,
                "log_loss": point.log_loss,
                "standard_error": point.standard_error,
            }
            for point in path
        ],
        "detail": chosen_detail(train, trials).value if is_solved or trials else None,
        "detail_trials": [trial_as_json(trial) for trial in trials],
        "head": chosen_head(train, heads).value if is_solved else None,
        "head_trials": [head_trial_as_json(trial) for trial in heads],
        "refit": view.run.refits if is_solved else None,
        "duration_s": max(0.0, round((job.finished_at or 0) - (job.started_at or 0), 2)),
        "validation": {"accuracy": validation.accuracy, "macro_f1": validation.macro_f1},
    }


def trial_as_json(trial: DetailTrial) -> JsonObject:
    """What one detail level brought in cross-validation, and what it costs."""
    return {
        "detail": trial.detail.value,
        "log_loss": trial.log_loss,
        "standard_error": trial.standard_error,
        "macro_recall": trial.macro_recall,
        "gain": trial.gain,
        "gain_error": trial.gain_error,
        "image_ms": round(trial.image_ms, 3),
        "chosen": trial.is_chosen,
    }


def head_trial_as_json(trial: HeadTrial) -> JsonObject:
    """What one kind of last layer brought in cross-validation, and what it costs."""
    return {
        "head": trial.head.value,
        "penalty": trial.penalty,
        "log_loss": trial.log_loss,
        "standard_error": trial.standard_error,
        "macro_recall": trial.macro_recall,
        "gain": trial.gain,
        "gain_error": trial.gain_error,
        "image_ms": round(trial.image_ms, 4),
        "chosen": trial.is_chosen,
    }


def cross_validation_as_json(validation: CrossValidation) -> JsonObject:
    """Mean, deviation and every fold; folds count from 1."""
    return {
        "folds": validation.folds,
        "folds_done": len(validation.scores),
        "accuracy": {"mean": validation.accuracy.mean, "std": validation.accuracy.std},
        "macro_f1": {"mean": validation.macro_f1.mean, "std": validation.macro_f1.std},
        "per_fold": [
            {
                "fold": s.fold + 1,
                "run_id": s.run_id,
                "model_id": s.model_id,
                "n": s.n,
                "accuracy": s.accuracy,
                "macro_f1": s.macro_f1,
            }
            for s in validation.scores
        ],
    }


def network_as_json(workspace: Workspace, network: Network, place: Availability) -> JsonObject:
    """A network of the catalog, and where its weights are."""
    source = weights_source(network, workspace.weights)
    return {
        "name": network.name,
        "title": network.title,
        "when": network.when,
        "parameters_m": network.parameters_m,
        "image_size_px": network.image_size_px,
        "license": network.license,
        "availability": place.value,
        "source": source.value if source else None,
        "hub_id": network.hub_id,
        "fixed_size": network.fixed_size,
        "min_size_px": network.min_size_px,
        "has_stages": network.has_stages,
        "ms_per_image": known_speeds(workspace.weights).get(network.name),
    }
