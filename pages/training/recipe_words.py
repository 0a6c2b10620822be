"""What the recipes are called, and what each is for."""

from core.domain.configs.choices import Recipe

RECIPES = {
    Recipe.QUICK: ("Quick", "Trains the last layer: minutes on any CPU."),
    Recipe.STAGED: ("Staged", "Trains the upper layers: several times faster than full."),
    Recipe.FULL: ("Full", "Trains all layers: often better on unusual images, slow without a GPU."),
}
