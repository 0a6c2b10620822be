"""Kept epochs of a run: what there is, what it takes on the disk, and models made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.configs.train import TrainConfig
from core.domain.jobs import Job
from core.domain.training import Checkpoint, CheckpointKind
from core.errors import NotFoundError, TrainingError
from core.models.kept_epochs import kept_checkpoints
from core.workflows.training import runs
from core.workflows.training.run_words import state_in_words
from core.workflows.training.runs import RUN_WAS
from core.workspace import Workspace

_ENDS = 2  # the best and the last epoch


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """A checkpoint and its validation macro F1; None where its epoch is not in the curve."""

    checkpoint: Checkpoint
    val_macro_f1: float | None


def kept_epochs(workspace: Workspace, run_id: str) -> list[MeasuredCheckpoint]:
    """The checkpoints of a run, first epoch first."""
    kept = kept_checkpoints(workspace.kept_epochs(run_id))
    if not kept:
        return []
    measured = {line.epoch: line.val_macro_f1 for line in runs.curve(workspace, run_id)}
    return [MeasuredCheckpoint(checkpoint, measured.get(checkpoint.epoch)) for checkpoint in kept]


def most_files(train: TrainConfig) -> int:
    """How many checkpoints a run keeps at most."""
    of_interval = train.checkpoint_limit if train.checkpoint_interval else 0
    return of_interval + (_ENDS if train.checkpoint_ends else 0)


def most_bytes(train: TrainConfig, kept: Sequence[MeasuredCheckpoint]) -> int:
    """What the checkpoints of a run take on the disk at most; 0 before there is one."""
    largest = max((item.checkpoint.size_bytes for item in kept), default=0)
    return max(most_files(train), len(kept)) * largest


def find_checkpoint(workspace: Workspace, run_id: str, which: str) -> Checkpoint:
    """A checkpoint by its key, as `best` or `last`, or by the number of its epoch, from 1.

    Raises:
        NotFoundError: if the run does not keep it.
    """
    kept = kept_checkpoints(workspace.kept_epochs(run_id))
    for checkpoint in kept:
        is_kind = checkpoint.kind is not CheckpointKind.INTERVAL and checkpoint.kind == which
        if is_kind or which in (checkpoint.key, str(checkpoint.epoch + 1)):
            return checkpoint
    there = ", ".join(dict.fromkeys(_short(checkpoint) for checkpoint in kept))
    raise NotFoundError(
        f"The run keeps no checkpoint '{which}'.",
        f"There are: {there}."
        if there
        else "Set a checkpoint interval, or keep the best and the last epoch.",
    )


def _short(checkpoint: Checkpoint) -> str:
    is_end = checkpoint.kind is not CheckpointKind.INTERVAL
    return checkpoint.kind.value if is_end else str(checkpoint.epoch + 1)


def make_model(workspace: Workspace, run_id: str, which: str) -> Job:
    """Queue a job that makes a model of a checkpoint; the run stays as it is.

    Args:
        workspace: where the run lives.
        run_id: its id or name.
        which: as in `find_checkpoint`.

    Raises:
        NotFoundError: if there is no such run, or it does not keep this checkpoint.
        TrainingError: if the run is waiting or running.
    """
    view = runs.find_run(workspace, run_id)
    if view.status.is_active:
        raise TrainingError(
            f"The run '{view.run.name}' is {state_in_words(view.state)}.",
            "Wait for its end, or pause it first.",
        )
    checkpoint = find_checkpoint(workspace, view.run.id, which)
    payload: dict[str, object] = {"checkpoint": checkpoint.key, RUN_WAS: view.status.value}
    return runs.queue_attempt(workspace, view.run, payload)
