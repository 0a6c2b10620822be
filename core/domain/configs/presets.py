"""Presets: how much time a run may take for how good a model."""

from dataclasses import replace
from typing import assert_never

from core.domain.configs.choices import DetailChoice, Preset, Recipe
from core.domain.configs.train import TrainConfig, recipe_defaults

_DETAIL = {
    Preset.FAST: DetailChoice.WHOLE,
    Preset.BALANCED: DetailChoice.AUTO,
    Preset.THOROUGH: DetailChoice.AUTO_TILES,
}


def preset(which: Preset, recipe: Recipe, network: str) -> TrainConfig:
    """The settings of a preset; balanced are the recipe's defaults.

    Fast and thorough differ from it in the number of epochs and in what makes them pay; in the
    quick recipe, which has none, in the detail levels that are compared.
    """
    usual = recipe_defaults(recipe, network)
    match recipe:
        case Recipe.QUICK:
            return replace(usual, detail=_DETAIL[which])
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
