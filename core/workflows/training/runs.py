"""Actions on runs: start, follow, stop, resume."""

from dataclasses import dataclass, replace

from core.domain.configs.acting import acting_detail, recipe_is_trained
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.configs.written import class_factors
from core.domain.ids import new_id, utc_now
from core.domain.jobs import Job, JobKind, JobStatus, device_lane
from core.domain.keeping.bin import BinKind, Binned
from core.domain.keeping.people import as_program
from core.domain.splits import Split
from core.domain.training import (
    DetailTrial,
    EpochMetrics,
    PenaltyPoint,
    RunDetails,
    RunState,
    TrainingRun,
)
from core.errors import (
    ConfigError,
    NetworkUnavailableError,
    SplitError,
    TrainingError,
    WorkspaceError,
)
from core.models.brought import check_size, known_network, known_networks
from core.models.catalog import Availability, Network, availability
from core.models.devices import find_devices
from core.models.kept_epochs import kept_checkpoints
from core.store import jobs, properties, runs
from core.store.database import connect, transaction
from core.words import count
from core.worker.depth import measured_dataset, with_levels
from core.workflows import jobs as job_actions
from core.workflows.data.datasets import checked_name, orientation_of
from core.workflows.data.splits import find_split
from core.workflows.keeping import bin as bins
from core.workflows.training.augmentation import default_augment
from core.workflows.training.lineage import find_start_model, refuse_learned_before
from core.workflows.training.refusals import refuse_undivided, refuse_untrainable
from core.workflows.training.run_words import default_name, state_in_words
from core.workspace import Workspace

RUN_WAS = "run_was"  # the state of a run, in jobs that leave it as it is


@dataclass(frozen=True)
class RunView:
    """A run and the state of its newest attempt.

    `models` are the ids of the models that it made and that still exist, oldest first.
    """

    run: TrainingRun
    job: Job | None
    models: tuple[str, ...] = ()

    @property
    def status(self) -> JobStatus:
        """The state of its newest attempt; stopped, too, where that only made a model."""
        if self.job is None or self._made_of_stopped:
            return JobStatus.STOPPED
        failed = not self.job.status.is_active and self.job.status is not JobStatus.COMPLETED
        if failed and RUN_WAS in self.job.payload:  # no model came of a checkpoint
            return JobStatus(self.job.payload[RUN_WAS])
        return self.job.status

    @property
    def state(self) -> RunState:
        """What became of the run, its model included."""
        if self.status is JobStatus.STOPPED and self.models:
            return RunState.STOPPED_WITH_MODEL
        return RunState(self.status.value)

    @property
    def model_id(self) -> str | None:
        """The newest model that it made."""
        return self.models[-1] if self.models else None

    @property
    def can_resume(self) -> bool:
        """Whether another attempt makes sense."""
        return self.state.can_resume

    @property
    def _made_of_stopped(self) -> bool:
        job = self.job
        return job is not None and job.status is JobStatus.COMPLETED and "stopped_at" in job.result


def networks(workspace: Workspace) -> list[tuple[Network, Availability]]:
    """The catalog and further networks on this machine, and whether their weights can be used."""
    known = known_networks(workspace.weights)
    return [(network, availability(network, workspace.weights)) for network in known]


def default_preprocess(
    workspace: Workspace, dataset_id: str, network: str, *, image_size_px: int | None = None
) -> PreprocessConfig:
    """The preprocessing saved for the dataset, else that of the network's image size.

    Gray levels that were not saved are those of the dataset.
    """
    with as_program(), connect(workspace) as db:  # an older dataset is measured first
        saved = properties.saved_preprocess(db, dataset_id)
        dataset = measured_dataset(workspace, db, dataset_id)
    config = saved or PreprocessConfig(
        image_size_px=known_network(network, workspace.weights).image_size_px
    )
    config = with_levels(config, dataset)
    return replace(config, image_size_px=image_size_px) if image_size_px else config


def start_training(
    workspace: Workspace,
    dataset_id: str,
    train: TrainConfig,
    *,
    split: str | None = None,
    preprocess: PreprocessConfig | None = None,
    augment: AugmentConfig | None = None,
    name: str | None = None,
    fold: int | None = None,
) -> RunView:
    """Store a run and queue it.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        train: recipe and settings.
        split: id or name; None: the newest.
        preprocess: None: as saved for the dataset, else the network's own.
        augment: None: the standard preset of the dataset.
        name: of the run and its model.
        fold: in [0, k), the fold that validates, for a split with folds; None: the first.

    Raises:
        SplitError: if there is no split, or it has no such fold.
        NetworkUnavailableError: if the weights of the network are not available.
        ConfigError: if the network cannot take the images or the recipe, or a penalty names no
            class.
        TrainingError: if the start model has learned from images that would judge the run.
    """
    run, chosen = checked_run(workspace, dataset_id, train, split, preprocess, augment, name, fold)
    if chosen.folds:
        run = _of_fold(run, chosen, fold or 0)
    refuse_learned_before(workspace, run)
    return _queued(workspace, run)


def start_cross_validation(
    workspace: Workspace,
    dataset_id: str,
    train: TrainConfig,
    *,
    split: str | None = None,
    preprocess: PreprocessConfig | None = None,
    augment: AugmentConfig | None = None,
    name: str | None = None,
) -> list[RunView]:
    """Store and queue one run for each fold of a split; the arguments are as for one training.

    Raises:
        SplitError: if there is no split, or it has no folds.
        NetworkUnavailableError: if the weights of the network are not available.
        ConfigError: if the network cannot take the images or the recipe, or a penalty names no
            class.
    """
    run, chosen = checked_run(workspace, dataset_id, train, split, preprocess, augment, name)
    if not chosen.folds:
        raise SplitError(
            f"The split '{chosen.name}' has no folds.", "Make a split with folds first."
        )
    together = replace(run, cross_validation_id=new_id("cv"))
    every = [_of_fold(together, chosen, fold) for fold in range(chosen.folds)]
    for item in every:
        refuse_learned_before(workspace, item)
    return [_queued(workspace, item) for item in every]


def checked_run(
    workspace: Workspace,
    dataset_id: str,
    train: TrainConfig,
    split: str | None,
    preprocess: PreprocessConfig | None,
    augment: AugmentConfig | None,
    name: str | None,
    fold: int | None = None,
) -> tuple[TrainingRun, Split]:
    """A checked request that is not stored yet, with its split."""
    if train.start_model:
        train = replace(train, start_model=find_start_model(workspace, train).id)
    network = known_network(train.network, workspace.weights)
    if availability(network, workspace.weights) is Availability.MISSING:
        raise NetworkUnavailableError(
            f"The pretrained weights of {network.title} are not on this machine and cannot be "
            "downloaded.",
            "Choose a built-in network (EfficientNet-Lite), or put "
            f"{network.name}.safetensors into {workspace.weights}.",
        )
    train = replace(train, detail=acting_detail(train, orientation_of(workspace, dataset_id)))
    config = preprocess or default_preprocess(workspace, dataset_id, train.network)
    check_size(network, config.image_size_px)
    refuse_undivided(network, train)
    if train.recipe is Recipe.QUICK:
        config.at_detail(train.detail.levels[0])  # refuses more pixels than are allowed
    with connect(workspace) as db:
        dataset = measured_dataset(workspace, db, dataset_id)
    class_factors(train.class_penalties, dataset.class_names)  # refuses a class that is not there
    chosen = find_split(workspace, dataset.id, split)
    if fold is not None:
        _check_fold(chosen, fold)
    refuse_untrainable(workspace, dataset, chosen, fold, recipe=train.recipe)
    if train.recipe is Recipe.GOOD_ONLY and train.unfamiliar_rate == 0:
        raise ConfigError(
            "A detector needs the share of good images that it may call unlike the others.",
            "Give one above 0, such as 0.01 (--unfamiliar-rate).",
        )
    run = TrainingRun(
        id=new_id("run"),
        name=checked_name(name) if name else default_name(workspace, dataset, train),
        dataset_id=dataset.id,
        split_id=chosen.id,
        preprocess=with_levels(config, dataset),
        augment=augment or default_augment(workspace, dataset.id),
        train=train,
        created_at=utc_now(),
        version=dataset.version,
    )
    return run, chosen


def _check_fold(split: Split, fold: int) -> None:
    if not split.folds:
        raise SplitError(
            f"The split '{split.name}' has no folds.", "Choose a split with folds, or no fold."
        )
    if not 0 <= fold < split.folds:
        raise SplitError(
            f"The split '{split.name}' has no fold {fold + 1}.", f"It has folds 1 to {split.folds}."
        )


def _of_fold(run: TrainingRun, split: Split, fold: int) -> TrainingRun:
    return replace(
        run,
        id=new_id("run"),
        name=f"{run.name} fold {fold + 1} of {split.folds}",
        fold=fold,
        folds=split.folds,
        given_name=run.name,
        # Why: the fold is there to validate a model that has not seen it.
        train=replace(run.train, refit=False),
    )


def _queued(workspace: Workspace, run: TrainingRun) -> RunView:
    job_actions.refuse_full_queue(workspace)
    with connect(workspace) as db, transaction(db):
        runs.insert_run(db, run)
    return RunView(run, queue_attempt(workspace, run, {}))


def list_runs(workspace: Workspace, dataset_id: str | None = None) -> list[RunView]:
    """Runs with their state, newest first."""
    latest = job_actions.latest_of_kind(workspace, JobKind.TRAIN)
    with connect(workspace) as db:
        made = runs.models_of_runs(db)
        return [
            RunView(run, latest.get(run.id), made.get(run.id, ()))
            for run in runs.list_runs(db, dataset_id)
        ]


def find_run(workspace: Workspace, name_or_id: str) -> RunView:
    """A run with its true state.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        run = runs.find_run(db, name_or_id)
    job = job_actions.latest(workspace, run.id)
    with connect(workspace) as db:  # after the job, which may have made one meanwhile
        return RunView(run, job, runs.models_of_runs(db).get(run.id, ()))


def curve(workspace: Workspace, run_id: str) -> list[EpochMetrics]:
    """The learning curve so far; empty for a run whose last layer is solved."""
    with connect(workspace) as db:
        return runs.epochs_of(db, run_id)


def epoch_details(workspace: Workspace, run_id: str) -> RunDetails:
    """Confusion matrix and hardest validation images of the newest and of the best epoch.

    Both are None for a run whose last layer is solved, and for runs of earlier versions.
    """
    with connect(workspace) as db:
        return runs.details_of(db, run_id)


def trained_in_epochs(workspace: Workspace) -> frozenset[str]:
    """The ids of the runs that have stored epochs."""
    with connect(workspace) as db:
        return runs.with_epochs(db)


def penalty_path(workspace: Workspace, run_id: str) -> list[PenaltyPoint]:
    """The penalties tried so far, strongest first; empty unless the run chooses its penalty."""
    with connect(workspace) as db:
        return runs.penalty_path_of(db, run_id)


def detail_trials(workspace: Workspace, run_id: str) -> list[DetailTrial]:
    """The detail levels that a run compared, in that order; empty unless it chose by itself."""
    with connect(workspace) as db:
        return runs.detail_trials_of(db, run_id)


def best_scores(workspace: Workspace) -> dict[str, float]:
    """Run id -> validation macro F1 of its model, else of its best epoch so far."""
    with connect(workspace) as db:
        return runs.best_scores(db)


def resume_training(workspace: Workspace, run_id: str, *, finish: bool = False) -> Job:
    """A new attempt of a run, from its last checkpoint.

    A stopped run that made a model of its best epoch can go on, too. It then makes a second model;
    the first one stays as it is.

    Args:
        workspace: where the run lives.
        run_id: the run.
        finish: stop training; make a model of the best epoch so far.

    Raises:
        TrainingError: if the run is active or completed.
    """
    view = find_run(workspace, run_id)
    if not view.can_resume:
        raise TrainingError(
            f"The run '{view.run.name}' is {state_in_words(view.state)}.",
            "Only paused, stopped, failed and interrupted runs can be resumed.",
        )
    return queue_attempt(workspace, view.run, {"finish": finish})


def queue_attempt(workspace: Workspace, run: TrainingRun, payload: dict[str, object]) -> Job:
    """Queue an attempt behind the others of its device; those of two devices do not wait."""
    best, asked = find_devices()[0].name, run.train.device
    asked = "cuda:0" if asked == "cuda" else asked
    lane = None if asked in ("auto", best) else device_lane(asked)
    return job_actions.submit(workspace, JobKind.TRAIN, run.id, payload, lane=lane)


def delete_run(workspace: Workspace, run_id: str) -> Binned:
    """Put a run with its curve and its checkpoints into the bin; its model stays.

    Raises:
        WorkspaceError: if it is running.
    """
    with connect(workspace) as db:
        job = jobs.latest_job(db, run_id)
        if job and job.status.is_active:
            raise WorkspaceError("This run is still active.", "Stop it first.")
    return bins.put(
        workspace,
        BinKind.RUN,
        run_id,
        folders=[workspace.run_folder(run_id)],
        delete=lambda db: runs.delete_run(db, run_id),
    )


def taken_along(workspace: Workspace, run_id: str) -> list[str]:
    """What is deleted with a run, in words."""
    takes = ["its curve and settings"]
    if has_checkpoint(workspace, run_id):
        takes.append("its saved state, so that it cannot be resumed")
    if kept := kept_checkpoints(workspace.kept_epochs(run_id)):
        takes.append(f"its {count(len(kept), 'checkpoint')}")
    return takes


def can_finish(workspace: Workspace, run: TrainingRun) -> bool:
    """Whether a model can be made of the best epoch so far; a solved head has none."""
    if not recipe_is_trained(run.train.recipe) or not has_checkpoint(workspace, run.id):
        return False
    return bool(curve(workspace, run.id))  # with no epoch completed, there is no best one


def has_checkpoint(workspace: Workspace, run_id: str) -> bool:
    """Whether a run has a checkpoint to continue from."""
    return any(workspace.checkpoints(run_id).glob("*.ckpt"))
