"""Presets: how much time a run may take for how good a model."""

from dataclasses import replace
from typing import assert_never

from core.domain.configs.choices import DetailChoice, HeadChoice, Preset, Recipe
from core.domain.configs.train import TrainConfig, recipe_defaults

_DETAIL = {
    Preset.FAST: DetailChoice.WHOLE,
    Preset.BALANCED: DetailChoice.AUTO,
    Preset.THOROUGH: DetailChoice.AUTO_TILES,
}
# Why thorough alone: on two hard sets no other head was proven better, and comparing takes a third
# of the time of a run (benchmarks/quick_recipe.py).
_HEAD = {
    Preset.FAST: HeadChoice.LINEAR,
    Preset.BALANCED: HeadChoice.LINEAR,
    Preset.THOROUGH: HeadChoice.AUTO,
}


def preset(which: Preset, recipe: Recipe, network: str) -> TrainConfig:
    """The settings of a preset; balanced are the recipe's defaults.

    Fast and thorough differ from it in the number of epochs and in what makes them pay; in the
    quick recipe, which has none, in the detail levels and last layers that are compared.
    """
    usual = recipe_defaults(recipe, network)
    match recipe:
        case Recipe.QUICK:
            return replace(usual, detail=_DETAIL[which], head=_HEAD[which])
        case Recipe.GOOD_ONLY:
            return usual
        case Recipe.STAGED | Recipe.FULL:
            pass
        case _:
            assert_never(recipe)
    match which:
        case Preset.FAST:
            return replace(
                usual, epochs=max(1, usual.epochs // 3), stored_versions=3, training_measure=False
            )
        case Preset.BALANCED:
            return usual
        case Preset.THOROUGH:
            return replace(
                usual,
                epochs=usual.epochs * 4,
                patience=usual.epochs,
                stored_versions=12,
                label_smoothing=0.1,
                ema_decay=0.99,
            )
        case _:
            assert_never(which)
