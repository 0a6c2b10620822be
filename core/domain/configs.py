"""The settings of a run; each knows its own title, help and range."""

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, assert_never

from core.domain.depth import LEVEL_SETTINGS, MOST_LEVEL, GrayLevels
from core.domain.ids import json_digest
from core.domain.settings import NO, YES, check_ranges, setting
from core.errors import ConfigError


class ResizeMode(StrEnum):
    """How an image of any shape becomes the network's square."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    CROP = "crop"


class Channels(StrEnum):
    """Whether the network sees color; gray images always become three equal channels."""

    COLOR = "color"
    GRAY = "gray"


class Normalization(StrEnum):
    """How gray values become the numbers that the network computes with."""

    NETWORK = "network"
    ALL_CHANNELS = "all_channels"
    FIRST_CHANNEL = "first_channel"
    NONE = "none"


class Recipe(StrEnum):
    """Which part of the network is trained."""

    QUICK = "quick"
    FULL = "full"


class OptimizerName(StrEnum):
    """The rule that turns gradients into steps."""

    ADAMW = "adamw"
    SGD = "sgd"


class ScheduleName(StrEnum):
    """How the learning rate changes over the epochs."""

    COSINE = "cosine"
    STEP = "step"


class ClassWeights(StrEnum):
    """How much the images of a class count, by how many it has: the same, n^-1/2, or 1/n."""

    NONE = "none"
    MODERATE = "moderate"
    BALANCED = "balanced"

    @property
    def power(self) -> float:
        """An image of a class with n images weighs n to the minus this."""
        powers = {ClassWeights.NONE: 0.0, ClassWeights.MODERATE: 0.5, ClassWeights.BALANCED: 1.0}
        return powers[self]

    @classmethod
    def _missing_(cls, value: object) -> "ClassWeights | None":
        # Why: until there was a choice, this setting was yes or no.
        text = str(value).lower()
        return cls.BALANCED if text in YES else cls.NONE if text in NO else None


Config = TypeVar("Config", "PreprocessConfig", "AugmentConfig", "TrainConfig")


@dataclass(frozen=True)
class PreprocessConfig:
    """How a file becomes pixels. Travels inside the model; training and inference share it."""

    image_size_px: int = setting(
        224,
        "Image size",
        "Side of the square image that the network sees, in pixels. Larger images show finer "
        "defects and take longer.",
        low=32,
        high=1024,
        step=16,
        option="image-size",
    )
    resize_mode: ResizeMode = setting(
        ResizeMode.STRETCH,
        "Fit into the square",
        "Stretch keeps every pixel but changes the proportions; letterbox keeps the proportions "
        "and adds gray bars; crop keeps them and cuts off the ends of the longer side.",
    )
    channels: Channels = setting(
        Channels.COLOR,
        "Channels",
        "Gray hides color from the network. Use it if color depends only on the lighting.",
    )
    normalization: Normalization = setting(
        Normalization.NETWORK,
        "Normalization",
        "Network: the mean and deviation of pretraining. All channels, first channel: first "
        "stretch the contrast of each image to its darkest and brightest value. None: gray values "
        "divided by 255.",
    )
    roi_left: float = setting(
        0.0, "Region: left", "Left edge of the region of interest.", low=0.0, high=0.95, step=0.01
    )
    roi_top: float = setting(
        0.0, "Region: top", "Top edge of the region of interest.", low=0.0, high=0.95, step=0.01
    )
    roi_right: float = setting(
        1.0, "Region: right", "Right edge of the region of interest.", low=0.05, high=1, step=0.01
    )
    roi_bottom: float = setting(
        1.0, "Region: bottom", "Bottom edge of the region of interest.", low=0.05, high=1, step=0.01
    )
    black_level: float = setting(
        0.0,
        "Black level",
        "Gray value that becomes black, in images with more than 8 bits. One scale for all images "
        "keeps their brightness comparable. If both levels are 0, those of the dataset are used.",
        low=-MOST_LEVEL,
        high=MOST_LEVEL,
    )
    white_level: float = setting(
        0.0,
        "White level",
        "Gray value that becomes white, in images with more than 8 bits, for example 4095 for 12 "
        "bits. Brighter values cannot be told apart.",
        low=-MOST_LEVEL,
        high=MOST_LEVEL,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        _ = self.levels  # refuses a white level that is not above the black one
        if self.roi_right - self.roi_left < 0.02 or self.roi_bottom - self.roi_top < 0.02:
            raise ConfigError(
                "The region of interest is empty.",
                "Its right edge must lie right of its left edge, its bottom below its top.",
            )

    @property
    def levels(self) -> GrayLevels | None:
        """The scale of images with more than 8 bits; None: as before datasets had one."""
        if self.black_level == self.white_level == 0:
            return None
        return GrayLevels(self.black_level, self.white_level)

    @property
    def digest(self) -> str:
        """Names the pixel cache: everything that changes the uint8 pixels, and only that."""
        pixels = asdict(self)
        if self.levels is None:  # then the name is that of before datasets had a scale
            for name in LEVEL_SETTINGS:
                del pixels[name]
        match self.normalization:
            case Normalization.NETWORK | Normalization.NONE:
                # Why: these two differ only in constants applied after the cached pixels.
                pixels["normalization"] = "constant"
            case Normalization.ALL_CHANNELS | Normalization.FIRST_CHANNEL:
                pass
            case _:
                assert_never(self.normalization)
        return json_digest(pixels)[:16]


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training images, so that the network learns what does not matter."""

    probability: float = setting(
        0.5,
        "Probability",
        "How likely a training image is to be changed at random in each epoch.",
        low=0.0,
        high=1.0,
        step=0.05,
        option="augment-probability",
    )
    flip_horizontal: bool = setting(
        True,
        "Flip horizontal",
        "Mirror left to right. Turn off if a mirrored part is another class or a defect.",
    )
    flip_vertical: bool = setting(
        True,
        "Flip vertical",
        "Mirror top to bottom. Turn off if an upside-down part is another class or a defect.",
    )
    rotate_quarter: bool = setting(
        False, "Quarter turns", "Rotate by 90, 180 or 270 degrees, for parts without a fixed top."
    )
    rotate_degrees: float = setting(
        0.0, "Rotation", "Rotate by up to this many degrees.", low=0, high=180, step=1
    )
    brightness: float = setting(
        0.1, "Brightness", "Largest random change of brightness.", low=0.0, high=0.9, step=0.05
    )
    contrast: float = setting(
        0.1, "Contrast", "Largest random change of contrast.", low=0.0, high=0.9, step=0.05
    )
    crop: float = setting(
        0.1,
        "Random crop",
        "Cut off up to this fraction of the image area and enlarge the rest.",
        low=0.0,
        high=0.7,
        step=0.05,
    )

    def __post_init__(self) -> None:
        check_ranges(self)


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
            return TrainConfig(recipe=recipe, network=network, class_weights=ClassWeights.BALANCED)
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


def config_to_json(config: PreprocessConfig | AugmentConfig | TrainConfig) -> str:
    """The whole config as JSON, for a row or a model file."""
    return json.dumps(asdict(config), sort_keys=True)


# Names that settings had in runs and model files of earlier versions.
FORMER_NAMES = {
    "share": "probability",
    "mirror_columns": "flip_horizontal",
    "mirror_rows": "flip_vertical",
    "balance_classes": "class_weights",
}


def config_from_json(kind: type[Config], text: str) -> Config:
    """The config that `config_to_json` wrote.

    Raises:
        ConfigError: if the text is no such config, has unknown settings or values out of range.
    """
    try:
        values = json.loads(text)
        known = {item.name: item for item in fields(kind)}
        values = {FORMER_NAMES.get(name, name): value for name, value in values.items()}
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"unknown settings {', '.join(sorted(unknown))}")
        return kind(**{name: _typed(known[name].default, value) for name, value in values.items()})
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as err:
        raise ConfigError(
            f"These settings cannot be read: {err}.",
            "They may come from a newer version of Touchstone.",
        ) from err


def _typed(default: Any, value: Any) -> Any:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is not yes or no")
        return value
    return type(default)(value)
