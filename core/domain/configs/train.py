"""What is asked of a training, and what each recipe asks unless told otherwise."""

from dataclasses import dataclass
from typing import assert_never

from core.domain.configs.choices import (
    ClassWeights,
    DetailChoice,
    OptimizerName,
    Recipe,
    ScheduleName,
)
from core.domain.settings import check_ranges, setting


@dataclass(frozen=True)
class TrainConfig:
    """What was asked of a training, except the pixels."""

    recipe: Recipe = setting(
        Recipe.QUICK,
        "Recipe",
        "Quick keeps the pretrained network and trains its last layer: minutes on any CPU. Full "
        "trains all layers: better on unusual images, but slow without a GPU.",
    )
    network: str = setting(
        "tf_efficientnet_lite0",
        "Network",
        "Pretrained network to start from; `touchstone networks` lists them.",
    )
    epochs: int = setting(
        100,
        "Epochs",
        "How often the network sees all training images. The best epoch is kept, so more epochs "
        "only cost time.",
        low=1,
        high=1000,
        step=1,
    )
    batch_size: int = setting(
        32,
        "Batch size",
        "Images per step. Larger batches learn more steadily and need more memory.",
        low=1,
        high=1024,
        step=1,
    )
    learning_rate: float = setting(
        0.01,
        "Learning rate",
        "Size of each step. Too large makes training unstable; too small makes it slow.",
        low=1e-7,
        high=10.0,
    )
    optimizer: OptimizerName = setting(
        OptimizerName.SGD,
        "Optimizer",
        "AdamW works well with most learning rates. SGD with momentum often generalizes better "
        "once tuned.",
    )
    schedule: ScheduleName = setting(
        ScheduleName.COSINE,
        "Learning rate schedule",
        "Cosine lowers the learning rate smoothly to zero; step divides it by ten after one half "
        "and after three quarters of the epochs.",
    )
    momentum: float = setting(
        0.9,
        "Momentum",
        "For SGD only: how much of the previous step carries over.",
        low=0.0,
        high=0.999,
    )
    weight_decay: float = setting(
        0.001,
        "Weight decay",
        "Pulls the weights toward zero, which reduces overfitting.",
        low=0.0,
        high=1.0,
    )
    label_smoothing: float = setting(
        0.0,
        "Label smoothing",
        "Trains toward slightly less than 100% for the true class, which reduces overconfidence.",
        low=0.0,
        high=0.5,
    )
    class_weights: ClassWeights = setting(
        ClassWeights.NONE,
        "Class weights",
        "Balanced gives every class the same weight, however few images it has: more rare classes "
        "found, more false rejects. Moderate goes half way; none counts every image the same.",
    )
    patience: int = setting(
        0,
        "Early stopping",
        "Patience: stop after this many epochs without a better validation macro F1. 0 trains all "
        "epochs.",
        low=0,
        high=1000,
        step=1,
    )
    penalty: float = setting(
        0.0,
        "Penalty",
        "For the quick recipe: how strongly the weights are pulled toward zero. 0 chooses by "
        "cross-validation the strongest within one standard error of the least log loss.",
        low=0.0,
        high=1e6,
    )
    refit: bool = setting(
        True,
        "Refit with validation",
        "For the quick recipe: after the penalty is chosen, fit the model on training and "
        "validation images together. Validation results are then cross-validated.",
    )
    start_model: str = setting(
        "",
        "Start model",
        "Own model whose weights the network starts from, by name or id; empty: the pretrained "
        "network. Classes with equal names keep their weights.",
    )
    detail: DetailChoice = setting(
        DetailChoice.WHOLE,
        "Detail",
        "For the quick recipe. Whole: the image as one. Stages: also textures and small spots. "
        "Tiles: also each quarter at twice the resolution, 5 times as slow. Auto chooses by "
        "cross-validation.",
    )
    seed: int = setting(
        42,
        "Seed",
        "Fixes the random choices. The same run on the same CPU gives the same model; on a GPU, "
        "repeated runs differ slightly.",
        low=0,
        high=2**31 - 1,
        step=1,
    )
    device: str = setting(
        "auto", "Device", "Where to compute: auto (a GPU if there is one), cpu, cuda, cuda:1, mps."
    )

    def __post_init__(self) -> None:
        check_ranges(self)


def recipe_defaults(recipe: Recipe, network: str) -> TrainConfig:
    """Settings of one recipe that work for most datasets."""
    match recipe:
        case Recipe.QUICK:
            # Why balanced: with the penalty chosen by plain log loss it raises accuracy and macro
            # recall at once (benchmarks/quick_recipe.py).
            return TrainConfig(
                recipe=recipe,
                network=network,
                class_weights=ClassWeights.BALANCED,
                detail=DetailChoice.AUTO,
            )
        case Recipe.FULL:
            return TrainConfig(
                recipe=recipe,
                network=network,
                epochs=12,
                learning_rate=0.001,
                optimizer=OptimizerName.ADAMW,
                weight_decay=0.02,
            )
        case _:
            assert_never(recipe)
