"""The JSON of searches."""

from core.api.values import JsonObject
from core.domain.search import Trial
from core.workflows.training.search import SearchView


def search_as_json(view: SearchView) -> JsonObject:
    """A search with its trials; trials count from 1, what was not measured is null."""
    search, best = view.search, view.best
    return {
        "search_id": search.id,
        "name": search.name,
        "status": view.status.value,
        "recipe": search.train.recipe.value,
        "network": search.train.network,
        "over": list(search.over),
        "minutes": search.minutes,
        "folds": search.folds,
        "best": None if best is None else _trial(best),
        "importance": view.importance,
        "trials": [_trial(trial) for trial in view.trials],
        "can_resume": view.can_resume,
    }


def _trial(trial: Trial) -> JsonObject:
    return {
        "trial": trial.number + 1,
        "state": trial.state.value,
        "settings": dict(trial.values),
        "macro_f1": trial.score,
        "curve": list(trial.curve),
        "duration_s": round(trial.duration_s, 2),
        "error": trial.error or None,
    }
