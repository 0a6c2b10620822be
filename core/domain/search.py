"""Searches: which settings are tried in which ranges, and what each trial reached."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from core.domain.configs.acting import recipe_settings
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.settings import Setting, SettingGroup, Value, settings_of

_POWERS_OF_TWO = (4, 8, 16, 32, 64, 128)
_FIXED_GROUPS = (
    SettingGroup.LENGTH,
    SettingGroup.EVALUATION,
    SettingGroup.CHECKPOINTS,
    SettingGroup.MACHINE,
)
# What a search cannot vary: it has its own budget, compares equal work, and is reproducible.
_FIXED = frozenset(
    {"recipe", "network", "device", "seed", "epochs", "minutes", "start_model", "refit", "patience"}
)


@dataclass(frozen=True)
class Range:
    """The values of one setting that a search may try: `choices`, else from `low` to `high`."""

    name: str
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    is_whole: bool = False
    choices: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Search:
    """One immutable request: these settings are varied, everything else is as in the configs.

    `minutes` and `trials` bound it; `folds` is 0 where the validation images of the split judge
    each trial, else in how many folds training and validation images are divided instead.
    """

    id: str
    name: str
    dataset_id: str
    split_id: str
    version: int
    preprocess: PreprocessConfig
    augment: AugmentConfig
    train: TrainConfig
    over: tuple[str, ...]
    minutes: float
    trials: int
    folds: int
    created_at: float


class TrialState(StrEnum):
    """What became of a trial; stopped is one whose search ended meanwhile, and is not stored."""

    RUNNING = "running"
    STOPPED = "stopped"
    COMPLETED = "completed"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class Trial:
    """One try: the values of the varied settings, and the best validation macro F1 so far.

    `curve` holds the best value up to each epoch, of the first fold; empty without epochs.
    `run_id` names its checkpoints and epochs.
    """

    number: int
    run_id: str
    state: TrialState
    values: dict[str, Value]
    score: float | None
    curve: tuple[float, ...]
    duration_s: float
    error: str = ""


def searchable(recipe: Recipe) -> list[Setting]:
    """The settings that a search can vary in a recipe, in the order of their declaration."""
    acting = recipe_settings(recipe) - _FIXED
    return [
        item
        for kind in (TrainConfig, AugmentConfig)
        for item in settings_of(kind)
        if item.name in acting and item.kind is not str and item.group not in _FIXED_GROUPS
    ]


def usual_choice(recipe: Recipe) -> tuple[str, ...]:
    """What a search varies unless told otherwise."""
    names = {item.name for item in searchable(recipe)}
    wanted = ("learning_rate", "weight_decay", "class_weights", "label_smoothing")
    return tuple(name for name in wanted if name in names)[: 3 if "learning_rate" in names else 2]


def range_of(item: Setting, usual: Value) -> Range:
    """The values worth trying: around the usual one, within the declared limits."""
    if issubclass(item.kind, StrEnum):
        return Range(item.name, choices=tuple(item.kind))
    if item.kind is bool:
        return Range(item.name, choices=(False, True))
    low, high, value = float(item.low or 0), float(item.high or 0), float(usual)
    if item.name == "batch_size":
        near = [n for n in _POWERS_OF_TWO if value / 4 <= n <= value * 4]
        return Range(item.name, choices=tuple(near))
    if item.kind is int:
        top = min(high, max(4 * value, low + 4))
        return Range(item.name, low, top, is_whole=True)
    if item.step:
        return Range(item.name, low, high)
    if value > 0 and high / max(low, 1e-12) > 1000:
        return Range(item.name, max(low, value / 10), min(high, value * 10), is_log=True)
    if value == 0 and high > 100:  # such as a penalty that is chosen otherwise
        return Range(item.name, 1e-4, 100.0, is_log=True)
    return Range(item.name, low, min(high, 1.0))


def trials_of_ended(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials of a search that does not run: one that was not completed is stopped.

    The search goes on with it when it is resumed, so that it stays stored as running.
    """
    return tuple(
        replace(t, state=TrialState.STOPPED) if t.state is TrialState.RUNNING else t for t in trials
    )


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The completed trial with the highest score; where equal, that of the best epoch decides."""
    done = [t for t in trials if t.state is TrialState.COMPLETED and _is_number(t.score)]
    # Why the curve: runs that start from a solved head may share the score of their start.
    return max(
        done, key=lambda t: (t.score or 0.0, max(t.curve, default=0), -t.number), default=None
    )


def _is_number(score: float | None) -> bool:
    return score is not None and math.isfinite(score)
