"""What recipes and presets are called, and what each is for."""

from core.domain.configs.choices import Preset, Recipe

RECIPES = {
    Recipe.QUICK: ("Quick", "Trains the last layer: minutes on any CPU."),
    Recipe.STAGED: (
        "Staged",
        "Trains the upper layers, too: slower than quick, and not always better.",
    ),
    Recipe.FULL: ("Full", "Trains all layers: for images unlike photographs, slow without a GPU."),
}
PRESETS = {
    Preset.FAST: ("Fast", "A third of the epochs."),
    Preset.BALANCED: ("Balanced", "What works for most datasets."),
    Preset.THOROUGH: ("Thorough", "Four times the epochs, averaged weights, early stopping."),
}
