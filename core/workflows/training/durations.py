"""How long a run will take, from what earlier runs of this workspace took; else nothing is said."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.jobs import Job, JobKind, JobStatus, Phase
from core.domain.training import TrainingRun
from core.store import jobs, runs
from core.store.database import connect
from core.worker.progress import Work, plan_of, training_work
from core.workspace import Workspace

# How the time of a phase grows: with nothing, with the images, or with what was counted in it.
_FIXED = (
    Phase.STARTING,
    Phase.LOADING_NETWORK,
    Phase.PREPARING_NETWORK,
    Phase.PREPARING_MODEL,
    Phase.SAVING,
)
_CACHED = (Phase.PREPARING, Phase.FEATURES)  # done once for all runs with the same pixels
_BY_IMAGES = (  # whatever they count themselves
    Phase.PENALTY,
    Phase.COMPARING,
    Phase.COMPARING_QUICK,
    Phase.FITTING,
    Phase.CROSS_VALIDATING,
    Phase.EVALUATING_START,
)


@dataclass(frozen=True)
class _Measured:
    """A completed run, and phase -> units and seconds."""

    run: TrainingRun
    images: int
    times: Mapping[str, Sequence[float]]


def expected_seconds(
    workspace: Workspace,
    dataset_id: str,
    train: TrainConfig,
    preprocess: PreprocessConfig,
    *,
    images: int,
    training_images: int,
) -> float | None:
    """About how long a run will take, by runs with the same recipe, network and device.

    Args:
        workspace: where it will run.
        dataset_id: of the run.
        train: its settings.
        preprocess: its pixels.
        images: in all subsets together.
        training_images: those that are trained on, for recipes with epochs.

    Returns:
        Seconds, at most this many with early stopping; None where a phase was not measured yet.
    """
    similar = [m for m in _measured(workspace) if _compares(m.run.train, train)]
    if not similar:
        return None
    warm = any(
        m.run.dataset_id == dataset_id and m.run.preprocess.digest == preprocess.digest
        for m in similar
    )
    total = 0.0
    for phase in plan_of(JobKind.TRAIN, Work(recipe=train.recipe, more_views=1)):
        if warm and phase in _CACHED:
            continue
        units = float(images)
        if phase is Phase.TRAINING:
            units = training_images * train.epochs / _step_images(train)
        if phase is Phase.ACTIVATIONS:
            units = float(training_images * train.stored_versions)
        seconds = _seconds(phase, similar, units, train, preprocess)
        if phase is Phase.TRAINING and train.minutes > 0:
            seconds = min(seconds or math.inf, train.minutes * 60)
        if seconds is None:
            return None
        total += seconds
    return total


def rough_seconds(
    workspace: Workspace, train: TrainConfig, preprocess: PreprocessConfig, *, images: int
) -> float | None:
    """Roughly how long a run will take, by how fast its network saw images in any run here.

    For recipes that were not run yet: the phases of a run weigh about the same on all machines.

    Args:
        workspace: where it will run.
        train: its settings.
        preprocess: its pixels.
        images: in all subsets together.

    Returns:
        Seconds, within a factor of about two; None where the network was not measured.
    """
    plan = plan_of(JobKind.TRAIN, training_work(images, train))
    for m in _measured(workspace):
        counted, seconds = m.times.get(Phase.FEATURES, (0, 0.0))
        own = m.run.train
        if counted and (own.network, own.device) == (train.network, train.device):
            declared = plan_of(JobKind.TRAIN, training_work(int(counted), own))[Phase.FEATURES]
            pixels = (preprocess.image_size_px / m.run.preprocess.image_size_px) ** 2
            slower = seconds / declared
            left = {phase: weight * slower * pixels for phase, weight in plan.items()}
            if train.minutes > 0:
                left[Phase.TRAINING] = min(left[Phase.TRAINING], 60 * train.minutes)
            return sum(left.values())
    return None


def _measured(workspace: Workspace) -> list[_Measured]:
    """Completed runs with their times, newest first."""
    with connect(workspace) as db:
        latest = jobs.latest_jobs(db, JobKind.TRAIN)
        known = runs.list_runs(db)
    return [
        _Measured(run, int(job.result["images"]), job.result["times"])
        for run in known
        if (job := latest.get(run.id)) and _has_times(job)
    ]


def _has_times(job: Job) -> bool:
    return job.status is JobStatus.COMPLETED and job.result.get("images", 0) > 0


def _compares(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether two runs do the same work on the same machine; only its amount may differ."""
    same = one.recipe is other.recipe and one.network == other.network
    if one.recipe is Recipe.QUICK:
        same = same and one.refit == other.refit and (one.penalty > 0) == (other.penalty > 0)
    same = same and one.detail is other.detail
    return same and one.device == other.device


def _step_images(train: TrainConfig) -> int:
    return train.batch_size * train.accumulation


def _seconds(
    phase: Phase,
    similar: Sequence[_Measured],
    units: float,
    train: TrainConfig,
    preprocess: PreprocessConfig,
) -> float | None:
    """The time of a phase; None if no run measured it. 0 if no run had it."""
    if not any(phase in m.times for m in similar):
        return 0.0
    for m in (m for m in similar if phase in m.times):
        counted, seconds = m.times[phase]
        if phase in _FIXED:
            return seconds
        if phase is Phase.TRAINING and counted:
            pixels = (preprocess.image_size_px / m.run.preprocess.image_size_px) ** 2
            batch = _step_images(train) / _step_images(m.run.train)
            return units * seconds / counted * pixels * batch
        if phase in _BY_IMAGES:
            return seconds * units / m.images
        if counted:
            return units * seconds / counted
    return None if phase in (Phase.TRAINING, *_CACHED) else 0.0
