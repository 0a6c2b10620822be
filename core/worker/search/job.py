"""The search: ask for values, try them, tell what came of it, until the budget is spent."""

import shutil
import time
from dataclasses import replace

import optuna

from core.domain.ids import new_id, utc_now
from core.domain.jobs import JobStatus, Phase
from core.domain.search import Range, Search, Trial, TrialState, best_trial, range_of, searchable
from core.domain.settings import Value, with_settings
from core.domain.training import EpochMetrics, TrainingRun
from core.errors import FilesChangedError, TouchstoneError, TrainingError
from core.store import runs, searches
from core.store.database import connect, transaction
from core.worker.search.study import Distributions, distributions, importance, study_of
from core.worker.search.trial import TrialSession, score_of
from core.worker.session import JobSession

_PARTS = 1000  # of the bar, within each trial


def run(session: JobSession) -> None:
    """Try settings until the trials or the minutes are used up; a killed search goes on."""
    with connect(session.workspace) as db:
        search = searches.find_search(db, session.job.subject_id)
        known = searches.trials_of(db, search.id)
    space = distributions(ranges_of(search))
    while _goes_on(search, known):
        last = known[-1] if known else None
        if last is not None and last.state is TrialState.RUNNING:
            trial = last
        else:
            trial = _new_trial(session, search, known, space)
            known.append(trial)
        known[-1] = _tried(session, search, trial, known[:-1], space)
    if best_trial(known) is None:
        raise TrainingError(
            "No trial could be completed.",
            next((t.error for t in known if t.error), "Give the search more minutes."),
        )
    shares = importance(known, space, seed=search.train.seed)
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED, result={"importance": dict(shares)})


def ranges_of(search: Search) -> list[Range]:
    """The ranges of the settings that a search varies."""
    configs = (search.train, search.augment)
    return [
        range_of(item, next(getattr(c, item.name) for c in configs if hasattr(c, item.name)))
        for item in searchable(search.train.recipe)
        if item.name in search.over
    ]


def _goes_on(search: Search, trials: list[Trial]) -> bool:
    if trials and trials[-1].state is TrialState.RUNNING:
        return True
    return len(trials) < search.trials and _seconds_left(search, trials) > 0


def _seconds_left(search: Search, trials: list[Trial]) -> float:
    return 60 * search.minutes - sum(t.duration_s for t in trials)


def _new_trial(
    session: JobSession, search: Search, trials: list[Trial], space: Distributions
) -> Trial:
    """The next values, with a run of their own that keeps epochs and checkpoints."""
    study = study_of(trials, space, seed=search.train.seed)
    values: dict[str, Value] = dict(study.ask(space).params)
    train = {n: v for n, v in values.items() if hasattr(search.train, n)}
    augment = {n: v for n, v in values.items() if n not in train}
    number = len(trials)
    trial_run = TrainingRun(
        id=new_id("run"),
        name=f"{search.name} trial {number + 1}",
        dataset_id=search.dataset_id,
        split_id=search.split_id,
        preprocess=search.preprocess,
        augment=with_settings(search.augment, augment),
        # Why without a refit: the validation images judge the trial. No model is made of it.
        train=replace(
            with_settings(search.train, train),
            refit=False,
            checkpoint_ends=False,
            checkpoint_interval=0,
        ),
        created_at=utc_now(),
        version=search.version,
    )
    trial = Trial(number, trial_run.id, TrialState.RUNNING, values, None, (), 0.0)
    with connect(session.workspace) as db, transaction(db):
        runs.insert_run(db, trial_run, is_trial=True)
        searches.save_trial(db, search.id, trial)
    return trial


def _tried(
    session: JobSession,
    search: Search,
    trial: Trial,
    before: list[Trial],
    space: Distributions,
) -> Trial:
    """Train what a trial asks for, and keep what came of it."""
    started, spent = time.time(), trial.duration_s
    study = study_of(before, space, seed=search.train.seed)
    study.enqueue_trial(dict(trial.values))
    asked = study.ask(space)
    best: list[float] = list(trial.curve) if not search.folds else []

    def kept(state: TrialState, score: float | None, error: str = "") -> Trial:
        now = replace(
            trial,
            state=state,
            score=score,
            curve=tuple(best),
            duration_s=spent + time.time() - started,
            error=error,
        )
        with connect(session.workspace) as db:
            searches.save_trial(db, search.id, now)
        return now

    def on_epoch(metrics: EpochMetrics) -> None:
        if metrics.epoch < len(best):
            return  # known before it was interrupted, or the state before the first step
        best.append(max([*best, metrics.val_macro_f1]))
        kept(TrialState.RUNNING, best[-1])
        asked.report(best[-1], len(best) - 1)
        if asked.should_prune():
            raise optuna.TrialPruned

    def on_progress(phase: str, done: int, total: int) -> None:
        within = min(done, total) / total if phase == Phase.TRAINING and total else 0.0
        position = int(_PARTS * (trial.number + within))
        session.report(Phase.TRIALS, position, _PARTS * search.trials)

    inner = TrialSession(
        session.workspace,
        replace(session.job, subject_id=trial.run_id, payload={}),
        session.owner,
        on_epoch=on_epoch,
        on_progress=on_progress,
        deadline=started + _seconds_left(search, [*before, trial]),
    )
    if not search.folds:
        with connect(session.workspace) as db:
            inner.measured += runs.epochs_of(db, trial.run_id)
    try:
        result = kept(TrialState.COMPLETED, score_of(inner, folds=search.folds))
    except optuna.TrialPruned:
        result = kept(TrialState.PRUNED, best[-1])
    except FilesChangedError:
        raise
    except TouchstoneError as err:
        result = kept(TrialState.FAILED, None, err.message)
    shutil.rmtree(session.workspace.run_folder(trial.run_id), ignore_errors=True)
    return result
