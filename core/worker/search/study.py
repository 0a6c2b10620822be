"""An Optuna study made again from the trials of the workspace: nothing else has to be kept."""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from core.domain.search import Range, Trial, TrialState
from core.domain.settings import Value

Distributions = dict[str, BaseDistribution]
_UNPRUNED = 3  # trials that are never pruned, so that there is a median
_WARM_UP_EPOCHS = 1


def distributions(ranges: Sequence[Range]) -> Distributions:
    """Optuna's form of the ranges."""
    return {item.name: _distribution(item) for item in ranges}


def _distribution(item: Range) -> BaseDistribution:
    if item.choices:
        return CategoricalDistribution([_plain(value) for value in item.choices])
    if item.is_whole:
        return IntDistribution(int(item.low), int(item.high))
    return FloatDistribution(item.low, item.high, log=item.is_log)


def _plain(value: Value) -> Value:
    return str(value) if isinstance(value, str) else value  # an enum by its value


def study_of(trials: Sequence[Trial], known: Distributions, *, seed: int) -> optuna.Study:
    """A study that has seen these trials; the next one depends on them and on the seed only."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        # Why the count in the seed: a resumed search must not draw its first values again.
        sampler=optuna.samplers.TPESampler(seed=(seed + 7919 * len(trials)) % 2**31),
        pruner=optuna.pruners.MedianPruner(_UNPRUNED, _WARM_UP_EPOCHS),
    )
    for trial in trials:
        if trial.score is not None and set(trial.values) == set(known):
            study.add_trial(_replayed(trial, known))
    return study


def _replayed(trial: Trial, known: Distributions) -> optuna.trial.FrozenTrial:
    state = OptunaState.COMPLETE if trial.state is TrialState.COMPLETED else OptunaState.PRUNED
    return create_trial(
        state=state,
        value=trial.score,
        params=dict(trial.values),
        distributions=known,
        intermediate_values=dict(enumerate(trial.curve)),
    )


def importance(trials: Sequence[Trial], known: Distributions, *, seed: int) -> Mapping[str, float]:
    """Setting -> share in [0, 1] of the differences in score that it explains.

    Empty with fewer than four completed trials, or where all scores are equal.

    Source: Hutter et al. 2014, "An Efficient Approach for Assessing Hyperparameter Importance"
    (fANOVA), as computed by Optuna.
    """
    done = [t for t in trials if t.state is TrialState.COMPLETED]
    if len(done) < 4 or len(known) < 2 or len({t.score for t in done}) < 2:
        return {}
    study = study_of(done, known, seed=seed)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return {
        str(name): float(share)
        for name, share in optuna.importance.get_param_importances(
            study, evaluator=evaluator
        ).items()
    }
