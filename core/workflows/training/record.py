"""All that is kept of a run: curve, settings, versions, hashes, and the command that repeats it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.domain.configs.acting import acted_on
from core.domain.configs.choices import Recipe
from core.domain.models import Model
from core.domain.settings import Setting, Value
from core.domain.training import (
    DetailTrial,
    EpochMetrics,
    HeadTrial,
    PenaltyPoint,
    TrainingRun,
    chosen_detail,
)
from core.models.bundle import read_tensors
from core.models.digest import weights_digest
from core.store import datasets, splits, versions
from core.store import runs as run_rows
from core.store.database import connect
from core.words import CROSS_VALIDATED, EPOCH_CHOSEN, count, decimal, joined, significant, size
from core.worker.training.record import AGREEMENT, REFIT_PENALTY, START_KEPT
from core.worker.training.start import is_trained
from core.workflows.training import checkpoints, control, last_layers, runs
from core.workflows.training.checkpoints import MeasuredCheckpoint
from core.workflows.training.run_words import setting_in_words, state_in_words
from core.workflows.training.runs import RunView
from core.workflows.use import models
from core.workspace import Workspace


@dataclass(frozen=True)
class KeptModel:
    """A model of a run; `weights_sha256` is of its tensors alone, without name and origin."""

    model: Model
    weights_sha256: str


@dataclass(frozen=True)
class RunRecord:
    """What was asked and what came of it.

    `dataset_digest` is that of the run's version, `split_digest` of the images in each subset;
    `computed_on` the versions of packages, threads and hardware, empty for runs of long ago.
    """

    dataset_name: str
    dataset_digest: str
    split_name: str
    split_digest: str
    settings: tuple[tuple[Setting, Value], ...]
    curve: tuple[EpochMetrics, ...]
    path: tuple[PenaltyPoint, ...]
    trials: tuple[DetailTrial, ...]
    heads: tuple[HeadTrial, ...]
    computed_on: Mapping[str, Any]
    models: tuple[KeptModel, ...]
    command: str
    command_notes: tuple[str, ...] = ()
    checkpoints: tuple[MeasuredCheckpoint, ...] = ()


def run_record(workspace: Workspace, view: RunView) -> RunRecord:
    """The record of a run, the hashes of its weights included."""
    run = view.run
    curve = runs.curve(workspace, run.id)
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, run.dataset_id)
        version = versions.find_version(db, dataset.id, run.version)
        split = splits.split_by_id(db, run.split_id)
        computed_on = run_rows.record_of(db, run.id)
    return RunRecord(
        dataset.name,
        version.digest,
        split.name,
        split.digest,
        tuple(acted_on(run, has_epochs=bool(curve))),
        tuple(curve),
        tuple(runs.penalty_path(workspace, run.id)),
        tuple(runs.detail_trials(workspace, run.id)),
        tuple(last_layers.head_trials(workspace, run.id)),
        computed_on,
        tuple(_kept(workspace, model_id) for model_id in view.models),
        control.command_of(workspace, run),
        tuple(control.repeating_notes(workspace, run)),
        tuple(checkpoints.kept_epochs(workspace, run.id)),
    )


def ends_with_quick(workspace: Workspace, run_id: str) -> bool:
    """Whether a staged or full run kept what quick makes, as training brought no proven gain."""
    with connect(workspace) as db:
        return bool(run_rows.record_of(db, run_id).get(START_KEPT))


def ends_refitted(workspace: Workspace, run_id: str) -> bool:
    """Whether the trained network of a run got a last layer solved on validation images, too."""
    with connect(workspace) as db:
        found = run_rows.record_of(db, run_id)
    return REFIT_PENALTY in found and not found.get(START_KEPT)


def chose_its_epoch(workspace: Workspace, model: Model) -> bool:
    """Whether the validation images chose the epoch whose weights a model has."""
    if model.run_id is None:
        return False
    with connect(workspace) as db:
        return is_trained(db, run_rows.find_run(db, model.run_id), model)


def validation_in_words(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """Where results on validation images are not those of a model judged on new images."""
    refitted = (f"Cross-validated: {CROSS_VALIDATED}.",) if model.validation_cross_validated else ()
    return (*refitted, EPOCH_CHOSEN) if chose_its_epoch(workspace, model) else refitted


def class_names_of(workspace: Workspace, run: TrainingRun) -> tuple[str, ...]:
    """The classes of the version that a run learns, in their order."""
    with connect(workspace) as db:
        return versions.find_version(db, run.dataset_id, run.version).class_names


def _kept(workspace: Workspace, model_id: str) -> KeptModel:
    model = models.find_model(workspace, model_id)
    return KeptModel(model, weights_digest(read_tensors(models.exported_bundle(workspace, model))))


def facts_in_words(view: RunView, record: RunRecord) -> list[tuple[str, str]]:
    """Names and values, for a table of two columns."""
    run, job = view.run, view.job
    return [
        ("run", f"{run.name} ({run.id})"),
        ("state", state_in_words(view.state)),
        ("dataset", f"{record.dataset_name}, version {run.version}"),
        ("split", record.split_name),
        ("computed on", device_in_words(job.device if job else None, record.computed_on) or "–"),
        ("started", f"{datetime.fromtimestamp(run.created_at, UTC):%Y-%m-%d %H:%M} UTC"),
        *_versions_in_words(record.computed_on),
        *((s.title.lower(), setting_in_words(s, value)) for s, value in record.settings),
        *_detail_in_words(run, record.trials),
        *_last_layer_in_words(run, record.heads),
        *_kept_in_words(run, record),
        *((f"model {k.model.id}", f"weights {k.weights_sha256[:16]}") for k in record.models),
    ]


def device_in_words(device: str | None, computed_on: Mapping[str, Any]) -> str | None:
    """The device of a run and, of a GPU, how far its results are from those of use.

    Args:
        device: its name; None where it is not known.
        computed_on: the record of the run.
    """
    told = _agreement_in_words(computed_on)
    return device if device is None or told is None else f"{device}; {told}"


def agreement_in_words(workspace: Workspace, run_id: str) -> str | None:
    """How far results of a run that a GPU computed are from those of use; None of other runs."""
    with connect(workspace) as db:
        return _agreement_in_words(run_rows.record_of(db, run_id))


def _agreement_in_words(computed_on: Mapping[str, Any]) -> str | None:
    found = computed_on.get(AGREEMENT)
    if found is None:
        return None
    largest = significant(found["largest_difference"], 1)
    return (
        f"confidences in use differ by at most {largest}, with "
        f"{count(found['other_decisions'], 'other decision')}, on "
        f"{count(found['images'], 'test image')}"
    )


def _versions_in_words(computed_on: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if computed_on:
        versions = {"python": computed_on["python"], **computed_on["versions"]}
        yield "versions", ", ".join(f"{name} {number}" for name, number in versions.items())
        yield "system", f"{computed_on['system']}, {count(computed_on['threads'], 'thread')}"
    if "precision" in computed_on:
        yield "steps", _steps_in_words(computed_on)


def _steps_in_words(computed_on: Mapping[str, Any]) -> str:
    """How steps were computed: what may change the last digits."""
    parts = [str(computed_on["precision"])]
    if images := computed_on["images_at_once"]:
        parts.append(f"{count(images, 'image')} at once")
    if computed_on["compiled"]:
        parts.append("compiled")
    if (processes := computed_on["processes"]) > 1:
        parts.append(f"{processes} processes")
    repeats = "repeats exactly" if computed_on["deterministic"] else "may differ when repeated"
    return ", ".join([*parts, repeats])


def checkpoints_in_words(record: RunRecord) -> list[list[str]]:
    """Name, epoch, macro F1 and size of each checkpoint."""
    return [
        [
            kept.checkpoint.kind.value,
            str(kept.checkpoint.epoch + 1),
            decimal(kept.val_macro_f1),
            size(kept.checkpoint.size_bytes),
        ]
        for kept in record.checkpoints
    ]


def _detail_in_words(run: TrainingRun, trials: Sequence[DetailTrial]) -> Iterator[tuple[str, str]]:
    if run.train.recipe is Recipe.QUICK and len(trials) > 1:
        tried = joined([trial.detail.value for trial in trials])
        yield "detail chosen", f"{chosen_detail(run.train, trials).value} (of {tried})"


def _kept_in_words(run: TrainingRun, record: RunRecord) -> Iterator[tuple[str, str]]:
    """What a run with epochs did at its end, and by how much training was better or worse."""
    computed_on = record.computed_on
    if computed_on.get(START_KEPT):
        detail = chosen_detail(run.train, record.trials).value
        before, after = (decimal(computed_on[f"{n}_log_loss"]) for n in ("start", "trained"))
        yield "kept", f"the model of quick ({detail}): log loss {before}, trained {after}"
    elif penalty := computed_on.get(REFIT_PENALTY):
        told = f"penalty {significant(penalty)}"
        yield "refitted", f"its last layer, on training and validation images, {told}"


def _last_layer_in_words(
    run: TrainingRun, trials: Sequence[HeadTrial]
) -> Iterator[tuple[str, str]]:
    if words := last_layers.last_layer_in_words(run.train, trials):
        yield "last layer chosen", words
