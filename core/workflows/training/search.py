"""Actions on searches: start, follow, stop, resume, and make a run of the best trial."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.ids import new_id, utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.keeping.bin import BinKind, Binned
from core.domain.search import (
    Search,
    Trial,
    best_trial,
    range_of,
    searchable,
    trials_of_ended,
)
from core.domain.settings import with_settings
from core.domain.splits import Subset
from core.errors import ConfigError, TrainingError
from core.store import searches
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data.datasets import checked_name, find_dataset
from core.workflows.data.splits import subset_counts
from core.workflows.keeping import bin as bins
from core.workflows.training import runs
from core.workflows.training.lineage import refuse_learned_before
from core.workflows.training.runs import RunView
from core.workspace import Workspace

FEW_IMAGES = 60  # of validation; with fewer, trials are cross-validated
FOLDS = 3


@dataclass(frozen=True)
class SearchView:
    """A search, the state of its newest attempt, and its trials in their order."""

    search: Search
    job: Job | None
    trials: tuple[Trial, ...]

    @property
    def status(self) -> JobStatus:
        """Of its newest attempt."""
        return self.job.status if self.job else JobStatus.STOPPED

    @property
    def best(self) -> Trial | None:
        """The best completed trial so far."""
        return best_trial(self.trials)

    @property
    def importance(self) -> dict[str, float]:
        """Setting -> share of the differences that it explains; empty while it runs."""
        return dict(self.job.result.get("importance", {})) if self.job else {}

    @property
    def can_resume(self) -> bool:
        """Whether another attempt would add trials."""
        return not self.status.is_active and self.status is not JobStatus.COMPLETED


def start_search(
    workspace: Workspace,
    dataset_id: str,
    train: TrainConfig,
    *,
    over: tuple[str, ...],
    minutes: float,
    trials: int,
    split: str | None = None,
    preprocess: PreprocessConfig | None = None,
    augment: AugmentConfig | None = None,
    name: str | None = None,
) -> SearchView:
    """Store a search and queue it behind the runs of its device.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        train: recipe and settings that are not varied.
        over: names of the settings to vary.
        minutes: of all trials together, above 0; a trial that runs then ends with its best epoch.
        trials: at most, at least 1.
        split: id or name; None: the newest.
        preprocess: as of one training.
        augment: as of one training.
        name: of the search.

    Raises:
        ConfigError: if a setting cannot be varied in the recipe, or the budget is empty.
        SplitError: if the split cannot be trained on.
    """
    _refuse_unknown(train, over)
    if not 0 < minutes <= 100_000 or not 1 <= trials <= 10_000:
        raise ConfigError(
            "A search needs between 1 and 10,000 trials, and more than 0 minutes.",
            "For example 10 trials and 20 minutes.",
        )
    run, chosen = runs.checked_run(workspace, dataset_id, train, split, preprocess, augment, None)
    refuse_learned_before(workspace, run)
    jobs.refuse_full_queue(workspace)
    folds = _folds(workspace, run.dataset_id, chosen.id)
    with connect(workspace) as db, transaction(db):
        count = sum(s.dataset_id == run.dataset_id for s in searches.list_searches(db)) + 1
        search = Search(
            id=new_id("search"),
            name=checked_name(name) if name else f"{run.name} search {count}"[:100],
            dataset_id=run.dataset_id,
            split_id=run.split_id,
            version=run.version,
            preprocess=run.preprocess,
            augment=run.augment,
            train=run.train,
            over=over,
            minutes=minutes,
            trials=trials,
            folds=folds,
            created_at=utc_now(),
        )
        searches.insert_search(db, search)
    return SearchView(search, jobs.submit(workspace, JobKind.SEARCH, search.id, {}), ())


def _refuse_unknown(train: TrainConfig, over: tuple[str, ...]) -> None:
    known = [item.name for item in searchable(train.recipe)]
    wrong = [name for name in over if name not in known]
    if wrong or not over:
        raise ConfigError(
            f"'{wrong[0]}' cannot be varied in the recipe '{train.recipe}'."
            if wrong
            else "No setting was chosen to vary.",
            f"There are: {', '.join(known)}.",
        )


def _folds(workspace: Workspace, dataset_id: str, split_id: str) -> int:
    """0 where the validation images can judge a trial by themselves."""
    counts = subset_counts(workspace, find_dataset(workspace, dataset_id), split_id)
    return FOLDS if sum(counts[Subset.VALIDATION].values()) < FEW_IMAGES else 0


def list_searches(workspace: Workspace, dataset_id: str | None = None) -> list[SearchView]:
    """Searches with their trials, newest first."""
    latest = jobs.latest_of_kind(workspace, JobKind.SEARCH)
    with connect(workspace) as db:
        return [
            _view(s, latest.get(s.id), searches.trials_of(db, s.id))
            for s in searches.list_searches(db, dataset_id)
        ]


def _view(search: Search, job: Job | None, trials: Sequence[Trial]) -> SearchView:
    is_active = job is not None and job.status.is_active
    return SearchView(search, job, tuple(trials) if is_active else trials_of_ended(trials))


def find_search(workspace: Workspace, name_or_id: str) -> SearchView:
    """A search with its true state.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        search = searches.find_search(db, name_or_id)
    job = jobs.latest(workspace, search.id)
    with connect(workspace) as db:
        return _view(search, job, searches.trials_of(db, search.id))


def pause_search(workspace: Workspace, search_id: str) -> SearchView:
    """Ask a search to pause, which frees the device; resumed, it goes on with the same trial.

    Raises:
        NotFoundError: if there is none.
        TrainingError: if it has ended already.
    """
    return _ended(workspace, search_id, pause=True)


def stop_search(workspace: Workspace, search_id: str) -> SearchView:
    """Ask a search to stop; one that still waits ends at once. No trial is lost.

    Raises:
        NotFoundError: if there is none.
        TrainingError: if it has ended already.
    """
    return _ended(workspace, search_id, pause=False)


def _ended(workspace: Workspace, search_id: str, *, pause: bool) -> SearchView:
    view = find_search(workspace, search_id)
    if view.job is None or not view.status.is_active:
        raise TrainingError(
            f"The search '{view.search.name}' is {view.status}.",
            f"Only running and waiting searches can be {'paused' if pause else 'stopped'}.",
        )
    jobs.stop(workspace, view.job.id, pause=pause)
    return find_search(workspace, view.search.id)


def resume_search(workspace: Workspace, search_id: str) -> SearchView:
    """Go on with a search that was paused, stopped, interrupted or failed; no trial is lost.

    Raises:
        TrainingError: if it runs or is completed.
    """
    view = find_search(workspace, search_id)
    if not view.can_resume:
        raise TrainingError(
            f"The search '{view.search.name}' is {view.status}.", "Start another search."
        )
    jobs.submit(workspace, JobKind.SEARCH, view.search.id, {})
    return find_search(workspace, view.search.id)


def chosen_configs(search: Search, trial: Trial) -> tuple[TrainConfig, AugmentConfig]:
    """The settings of a trial, all of them."""
    train = {n: v for n, v in trial.values.items() if hasattr(search.train, n)}
    augment = {n: v for n, v in trial.values.items() if n not in train}
    return with_settings(search.train, train), with_settings(search.augment, augment)


def train_trial(workspace: Workspace, search_id: str, number: int | None = None) -> RunView:
    """Start a run with the settings of a trial.

    Args:
        workspace: where the search lives.
        search_id: its id or name.
        number: of the trial, from 0; None: the best one.

    Raises:
        TrainingError: if there is no such trial.
    """
    view = find_search(workspace, search_id)
    trial = view.best
    if number is not None:
        trial = next((t for t in view.trials if t.number == number), None)
    if trial is None:
        raise TrainingError(
            f"The search '{view.search.name}' has no such trial.", "Wait for its first result."
        )
    search = view.search
    train, augment = chosen_configs(search, trial)
    return runs.start_training(
        workspace,
        search.dataset_id,
        train,
        split=search.split_id,
        preprocess=search.preprocess,
        augment=augment,
        name=f"{search.name} trial {trial.number + 1}"[:100],
    )


def delete_search(workspace: Workspace, search_id: str) -> Binned:
    """Put a search with its trials into the bin; runs that were started from it stay.

    Raises:
        TrainingError: if it is active.
    """
    view = find_search(workspace, search_id)
    if view.status.is_active:
        raise TrainingError(f"The search '{view.search.name}' is active.", "Stop it first.")
    run_ids = [trial.run_id for trial in view.trials]
    return bins.put(
        workspace,
        BinKind.SEARCH,
        view.search.id,
        folders=[workspace.run_folder(run_id) for run_id in run_ids],
        delete=lambda db: searches.delete_search(db, view.search.id, run_ids),
    )


def ranges_in_words(view: SearchView) -> list[tuple[str, str]]:
    """Title and range of each setting that is varied."""
    result = []
    for item in searchable(view.search.train.recipe):
        if item.name not in view.search.over:
            continue
        of = view.search.train if hasattr(view.search.train, item.name) else view.search.augment
        tried = range_of(item, getattr(of, item.name))
        words = (
            ", ".join(str(choice) for choice in tried.choices)
            if tried.choices
            else f"{tried.low:g} to {tried.high:g}{', logarithmic' if tried.is_log else ''}"
        )
        result.append((item.title, words))
    return result
