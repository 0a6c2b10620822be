"""What recipes and presets are called, and what each is for."""

from core.domain.configs.choices import Preset, Recipe

RECIPES = {
    Recipe.QUICK: ("Quick", "Trains the last layer: minutes on any CPU."),
    Recipe.STAGED: (
        "Staged",
        "Goes on from the quick model with the upper layers; kept if that pays on validation.",
    ),
    Recipe.FULL: (
        "Full",
        "Goes on with all layers, for images unlike photographs; kept likewise. Slow on a CPU.",
    ),
    Recipe.GOOD_ONLY: (
        "Good only",
        "Learns what good images look like, and finds whatever is unlike them: for lines that have "
        "no defects yet.",
    ),
}
PRESETS = {Preset.FAST: "Fast", Preset.BALANCED: "Balanced", Preset.THOROUGH: "Thorough"}
_SOLVED = {
    Preset.FAST: "The last layer of the network alone.",
    Preset.BALANCED: "Compares it with all stages of the network.",
    Preset.THOROUGH: "Compares tiles as well, for fine defects: about 5 times as long.",
}
_IN_EPOCHS = {
    Preset.FAST: "A third of the epochs.",
    Preset.BALANCED: "What works for most datasets.",
    Preset.THOROUGH: "Four times the epochs, averaged weights, early stopping.",
}


def presets_in_words(recipe: Recipe) -> str:
    """What each preset of a recipe does, as Markdown."""
    words = _SOLVED if recipe is Recipe.QUICK else _IN_EPOCHS
    return " ".join(f"**{PRESETS[which]}**: {words[which]}" for which in Preset)
