"""Which settings act on a run: forms ask for these, reports list these, others are refused."""

from typing import assert_never

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import DetailChoice, OptimizerName, Recipe, ScheduleName
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Orientation
from core.domain.depth import LEVEL_SETTINGS
from core.domain.settings import Setting, Value, settings_of
from core.domain.training import TrainingRun
from core.errors import ConfigError

_ALWAYS = {"recipe", "network", "class_weights", "label_smoothing", "seed", "device", "start_model"}
_SOLVED = {"penalty", "refit", "detail", "head"}
_OF_GOOD_ONLY = {"recipe", "network", "seed", "device", "start_model", "refit", "unfamiliar_rate"}
# Of runs that trained the last layer in steps, before it was solved.
_FORMER_STEPS = {
    "epochs",
    "batch_size",
    "learning_rate",
    "optimizer",
    "schedule",
    "weight_decay",
    "patience",
    "momentum",
}
_OF_QUICK = {"head"}
# What runs of earlier versions did not have: listed where it is on.
_LATER = {"unfamiliar_rate", "head", "class_penalties"}
_OF_STAGED = {"stored_versions"}
_FINE_TUNING = {item.name for item in settings_of(TrainConfig)} - _OF_QUICK - _OF_STAGED
_OF_SGD = {"momentum", "nesterov"}
_OF_STEPS = {"milestones", "step_factor"}
_PIXELS = {item.name for item in settings_of(PreprocessConfig)}
_AUGMENTATION = {item.name for item in settings_of(AugmentConfig)}
_CHANGES = _AUGMENTATION - {"probability"}
# Changes that runs of earlier versions did not have: listed where they are on.
_LATER_CHANGES = _AUGMENTATION - {
    "probability",
    "flip_horizontal",
    "flip_vertical",
    "rotate_quarter",
    "rotate_degrees",
    "brightness",
    "contrast",
    "crop",
}


def recipe_settings(recipe: Recipe, *, has_epochs: bool = False) -> frozenset[str]:
    """The names of all settings, of the three configs together, that can act in a recipe.

    Args:
        recipe: of the run.
        has_epochs: whether the run has stored epochs. A quick run with epochs was made by a
            version that trained the last layer in steps; today it is solved exactly.
    """
    match recipe:
        case Recipe.QUICK if not has_epochs:
            return frozenset(_ALWAYS | _PIXELS | _SOLVED | _LATER)
        case Recipe.QUICK:
            return frozenset(_ALWAYS | _PIXELS | _FORMER_STEPS)
        case Recipe.STAGED:
            return frozenset(_FINE_TUNING | _OF_STAGED | _PIXELS | _AUGMENTATION)
        case Recipe.FULL:
            return frozenset(_FINE_TUNING | _PIXELS | _AUGMENTATION)
        case Recipe.GOOD_ONLY:
            return frozenset(_OF_GOOD_ONLY | _PIXELS)
        case _:
            assert_never(recipe)


def recipe_is_trained(recipe: Recipe) -> bool:
    """Whether a recipe trains in epochs; else its last layer is solved."""
    match recipe:
        case Recipe.QUICK | Recipe.GOOD_ONLY:
            return False
        case Recipe.STAGED | Recipe.FULL:
            return True
        case _:
            assert_never(recipe)


def acting_detail(train: TrainConfig, orientation: Orientation) -> DetailChoice:
    """The detail levels of a run, with the views that show the same part.

    Raises:
        ConfigError: if only a level was told on which a network cannot be trained.
    """
    detail = train.detail
    if recipe_is_trained(train.recipe) and not any(level.trains for level in detail.levels):
        raise ConfigError(
            f"The detail {detail} is for the recipe quick: a network is not trained on it.",
            "Choose the detail auto or stages, or the recipe quick.",
        )
    if orientation.rotate_quarter:
        return detail.with_turned
    return detail.with_mirrored if orientation.flip_horizontal else detail


def acting_settings(
    train: TrainConfig, augment: AugmentConfig, *, has_epochs: bool = False
) -> frozenset[str]:
    """The names of the settings that act beside the values of the others.

    Args:
        train: of the run.
        augment: of the run.
        has_epochs: as of `recipe_settings`.
    """
    names = recipe_settings(train.recipe, has_epochs=has_epochs)
    match train.optimizer:
        case OptimizerName.SGD:
            pass
        case OptimizerName.ADAMW:
            names -= _OF_SGD
        case _:
            assert_never(train.optimizer)
    names -= set() if train.start_model else {"start_model"}
    if train.schedule is not ScheduleName.STEP:
        names -= _OF_STEPS
    names -= set() if train.checkpoint_interval else {"checkpoint_limit"}
    if recipe_is_trained(train.recipe) and not train.start_from_head:
        names -= {"penalty", "detail", "refit"}
    return names if augment.probability > 0 else names - _CHANGES


def acted_on(run: TrainingRun, *, has_epochs: bool) -> list[tuple[Setting, Value]]:
    """The settings that acted on a run with their values: of training, pixels, augmentation.

    What only a staged or full run has is left out where it is off.
    """
    names = acting_settings(run.train, run.augment, has_epochs=has_epochs)
    names -= {"refit"} if run.fold is not None else set()  # a fold must stay unseen
    if run.preprocess.levels is None:
        names -= set(LEVEL_SETTINGS)
    later = (_FINE_TUNING - _ALWAYS - _FORMER_STEPS - _SOLVED) | _LATER_CHANGES | _LATER
    later |= {"detail", "refit"} if recipe_is_trained(run.train.recipe) else set()
    names -= {
        item.name
        for config in (run.train, run.augment)
        for item in settings_of(config)
        if item.name in later and getattr(config, item.name) == item.default
    }
    return [
        (item, getattr(config, item.name))
        for config in (run.train, run.preprocess, run.augment)
        for item in settings_of(config)
        if item.name in names
    ]
