"""Which settings act on a run: forms ask for these, reports list these, others are refused."""

from typing import assert_never

from core.domain.configs import (
    AugmentConfig,
    OptimizerName,
    PreprocessConfig,
    Recipe,
    TrainConfig,
)
from core.domain.settings import Setting, Value, settings_of
from core.domain.training import TrainingRun

_ALWAYS = {"recipe", "network", "class_weights", "label_smoothing", "seed", "device"}
_SOLVED = {"penalty", "refit"}
_IN_EPOCHS = {
    "epochs",
    "batch_size",
    "learning_rate",
    "optimizer",
    "schedule",
    "weight_decay",
    "patience",
}
_OF_SGD = {"momentum"}
_PIXELS = {item.name for item in settings_of(PreprocessConfig)}
_AUGMENTATION = {item.name for item in settings_of(AugmentConfig)}


def acting_settings(
    train: TrainConfig, augment: AugmentConfig, *, has_epochs: bool = False
) -> frozenset[str]:
    """The names of all settings that act, of the three configs together.

    Args:
        train: of the run.
        augment: of the run.
        has_epochs: whether the run has stored epochs. A quick run with epochs was made by a
            version that trained the last layer in steps; today it is solved exactly.
    """
    names = _ALWAYS | _PIXELS
    match train.recipe:
        case Recipe.QUICK if not has_epochs:
            return frozenset(names | _SOLVED)
        case Recipe.QUICK:
            return frozenset(names | _steps(train))
        case Recipe.FULL:
            return frozenset(names | _steps(train) | _changes(augment))
        case _:
            assert_never(train.recipe)


def acted_on(run: TrainingRun, *, has_epochs: bool) -> list[tuple[Setting, Value]]:
    """The settings that acted on a run with their values: of training, pixels, augmentation."""
    names = acting_settings(run.train, run.augment, has_epochs=has_epochs)
    return [
        (item, getattr(config, item.name))
        for config in (run.train, run.preprocess, run.augment)
        for item in settings_of(config)
        if item.name in names
    ]


def _steps(train: TrainConfig) -> set[str]:
    match train.optimizer:
        case OptimizerName.SGD:
            return _IN_EPOCHS | _OF_SGD
        case OptimizerName.ADAMW:
            return _IN_EPOCHS
        case _:
            assert_never(train.optimizer)


def _changes(augment: AugmentConfig) -> set[str]:
    return _AUGMENTATION if augment.probability > 0 else {"probability"}
