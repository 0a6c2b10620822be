"""All that is kept of a run: curve, settings, versions, hashes, and the command that repeats it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from core.domain.configs.acting import acted_on
from core.domain.models import Model
from core.domain.settings import Setting, Value
from core.domain.training import EpochMetrics, PenaltyPoint, TrainingRun
from core.models.bundle import Tensors, read_tensors
from core.store import datasets, splits, versions
from core.store.database import connect
from core.workflows.training import control, runs
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

    `dataset_digest` is that of the run's version, `split_digest` of the images in each subset.
    """

    dataset_name: str
    dataset_digest: str
    split_name: str
    split_digest: str
    settings: tuple[tuple[Setting, Value], ...]
    curve: tuple[EpochMetrics, ...]
    path: tuple[PenaltyPoint, ...]
    models: tuple[KeptModel, ...]
    command: str


def run_record(workspace: Workspace, view: RunView) -> RunRecord:
    """The record of a run, the hashes of its weights included."""
    run = view.run
    curve = runs.curve(workspace, run.id)
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, run.dataset_id)
        version = versions.find_version(db, dataset.id, run.version)
        split = splits.split_by_id(db, run.split_id)
    return RunRecord(
        dataset.name,
        version.digest,
        split.name,
        split.digest,
        tuple(acted_on(run, has_epochs=bool(curve))),
        tuple(curve),
        tuple(runs.penalty_path(workspace, run.id)),
        tuple(_kept(workspace, model_id) for model_id in view.models),
        control.command_of(workspace, run),
    )


def class_names_of(workspace: Workspace, run: TrainingRun) -> tuple[str, ...]:
    """The classes of the version that a run learns, in their order."""
    with connect(workspace) as db:
        return versions.find_version(db, run.dataset_id, run.version).class_names


def _kept(workspace: Workspace, model_id: str) -> KeptModel:
    model = models.find_model(workspace, model_id)
    return KeptModel(model, weights_digest(read_tensors(models.exported_bundle(workspace, model))))


def weights_digest(tensors: Tensors) -> str:
    """SHA-256 of names, shapes, types and values of all tensors."""
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.shape} {values.dtype}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def facts_in_words(view: RunView, record: RunRecord) -> list[tuple[str, str]]:
    """Names and values, for a table of two columns."""
    run, job = view.run, view.job
    return [
        ("run", f"{run.name} ({run.id})"),
        ("state", state_in_words(view.state)),
        ("dataset", f"{record.dataset_name}, version {run.version}"),
        ("split", record.split_name),
        ("computed on", (job.device if job else None) or "–"),
        ("started", f"{datetime.fromtimestamp(run.created_at, UTC):%Y-%m-%d %H:%M} UTC"),
        *((s.title.lower(), setting_in_words(s, value)) for s, value in record.settings),
        *((f"model {k.model.id}", f"weights {k.weights_sha256[:16]}") for k in record.models),
    ]
