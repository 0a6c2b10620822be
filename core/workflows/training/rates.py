"""The learning rate finder: start it, and read what it found."""

from dataclasses import dataclass

from core.domain.configs.acting import recipe_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.jobs import Job, JobKind
from core.errors import ConfigError
from core.store import runs as run_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.training import runs
from core.workspace import Workspace


@dataclass(frozen=True)
class FoundRates:
    """The ramp: learning rates, smoothed losses, and the rate that is suggested."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggested: float


def start_finder(
    workspace: Workspace,
    dataset_id: str,
    train: TrainConfig,
    *,
    split: str | None = None,
    preprocess: PreprocessConfig | None = None,
    augment: AugmentConfig | None = None,
) -> Job:
    """Queue a short ramp of the learning rate, with everything else as in a training.

    Raises:
        ConfigError: if the recipe has no learning rate.
        SplitError: if the split cannot be trained on.
    """
    if "learning_rate" not in recipe_settings(train.recipe):
        raise ConfigError(
            f"The recipe '{train.recipe}' has no learning rate.", "Choose a recipe with epochs."
        )
    run, _ = runs.checked_run(workspace, dataset_id, train, split, preprocess, augment, None)
    with connect(workspace) as db, transaction(db):
        run_rows.insert_run(db, run, is_trial=True)
    return jobs.submit(workspace, JobKind.RATE, run.id, {"dataset_id": run.dataset_id})


def found_rates(job: Job | None) -> FoundRates | None:
    """What a finder that has ended found; None before."""
    if job is None or "suggested" not in job.result:
        return None
    return FoundRates(
        tuple(job.result["rates"]), tuple(job.result["losses"]), float(job.result["suggested"])
    )
