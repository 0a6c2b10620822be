"""The settings of a run; each knows its own title, help and range."""

import json
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from core.domain.ids import json_digest
from core.errors import ConfigError


class ResizeMode(StrEnum):
    """How an image of any shape becomes the network's square."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    CROP = "crop"


class Channels(StrEnum):
    """What the network sees of colour; gray images always become three equal channels."""

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
    """Solvers."""

    ADAMW = "adamw"
    SGD = "sgd"


class ScheduleName(StrEnum):
    """How the learning rate changes over the epochs."""

    COSINE = "cosine"
    STEP = "step"


def setting(
    default: Any,
    title: str,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
) -> Any:
    """A dataclass field that knows its own title, help and range; forms and options read them."""
    return field(
        default=default,
        metadata={"title": title, "help": help, "low": low, "high": high, "step": step},
    )


def _check_ranges(config: Any) -> None:
    for item in fields(config):
        low, high = item.metadata.get("low"), item.metadata.get("high")
        value = getattr(config, item.name)
        if low is None or value is None:
            continue
        if not low <= value <= high:
            raise ConfigError(
                f"{item.metadata['title']} is {value}, but must be between {low:g} and {high:g}.",
                item.metadata["help"],
            )


Config = TypeVar("Config", "PreprocessConfig", "AugmentConfig", "TrainConfig")


@dataclass(frozen=True)
class PreprocessConfig:
    """How a file becomes pixels. Travels inside the model; training and inference share it."""

    image_size_px: int = setting(
        224,
        "Image size",
        "Side of the square image the network sees. Larger shows finer defects and takes longer.",
        low=32,
        high=1024,
        step=16,
    )
    resize_mode: ResizeMode = setting(
        ResizeMode.STRETCH,
        "Fit into the square",
        "Stretch uses every pixel but changes proportions; letterbox keeps them and adds gray "
        "bars; crop keeps them and cuts off the longer sides.",
    )
    channels: Channels = setting(
        Channels.COLOR,
        "Channels",
        "Gray makes the network blind to colour: right when colour only reflects the lighting.",
    )
    normalization: Normalization = setting(
        Normalization.NETWORK,
        "Normalization",
        "Network: the mean and deviation the network was pretrained with. All channels / first "
        "channel: stretch the contrast of every image to its own darkest and brightest value "
        "first. None: gray values divided by 255, nothing else.",
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

    def __post_init__(self) -> None:
        _check_ranges(self)
        if self.roi_right - self.roi_left < 0.02 or self.roi_bottom - self.roi_top < 0.02:
            raise ConfigError(
                "The region of interest is empty.",
                "Its right edge must lie right of its left edge, its bottom below its top.",
            )

    @property
    def digest(self) -> str:
        """Names the pixel cache: everything that changes the uint8 pixels, and only that."""
        pixels = asdict(self)
        # Why: these two differ only in constants applied after the cached pixels.
        if self.normalization in (Normalization.NETWORK, Normalization.NONE):
            pixels["normalization"] = "constant"
        return json_digest(pixels)[:16]


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training images, so that the network learns what does not matter."""

    probability: float = setting(
        0.5,
        "Probability",
        "How likely each training image is to be changed at random in an epoch.",
        low=0.0,
        high=1.0,
        step=0.05,
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
        False, "Quarter turns", "Rotate by 90, 180 or 270 degrees: for parts without an up."
    )
    rotate_degrees: float = setting(
        0.0, "Rotation", "Random angle up to this many degrees.", low=0, high=180, step=1
    )
    brightness: float = setting(
        0.1, "Brightness", "Random change of brightness.", low=0.0, high=0.9, step=0.05
    )
    contrast: float = setting(
        0.1, "Contrast", "Random change of contrast.", low=0.0, high=0.9, step=0.05
    )
    crop: float = setting(
        0.1, "Random crop", "Cut off up to this share and zoom back.", low=0.0, high=0.7, step=0.05
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


@dataclass(frozen=True)
class TrainConfig:
    """What was asked of a training, except the pixels."""

    recipe: Recipe = setting(
        Recipe.QUICK,
        "Recipe",
        "Quick keeps the pretrained network and fits its last layer: minutes on any CPU. Full "
        "trains all layers: better on unusual images, and much faster with a GPU.",
    )
    network: str = setting(
        "tf_efficientnet_lite0", "Network", "The pretrained network that training starts from."
    )
    epochs: int = setting(
        100,
        "Epochs",
        "How often all training images are shown. The best epoch is kept, so more costs only time.",
        low=1,
        high=1000,
        step=1,
    )
    batch_size: int = setting(
        32,
        "Batch size",
        "Images per step. Larger is smoother and needs more memory.",
        low=1,
        high=1024,
        step=1,
    )
    learning_rate: float = setting(
        0.01,
        "Learning rate",
        "Size of one step. Too large jumps around, too small never arrives.",
        low=1e-7,
        high=10.0,
    )
    optimizer: OptimizerName = setting(
        OptimizerName.SGD, "Solver", "AdamW is forgiving; SGD with momentum is the classic."
    )
    schedule: ScheduleName = setting(
        ScheduleName.COSINE,
        "Schedule",
        "Cosine lowers the learning rate smoothly to zero; step divides it by ten at one half and "
        "three quarters of the epochs.",
    )
    momentum: float = setting(
        0.9, "Momentum", "Only for SGD: how much of the last step is kept.", low=0, high=0.999
    )
    weight_decay: float = setting(
        0.001, "Weight decay", "Pulls weights to zero against overfitting.", low=0.0, high=1.0
    )
    label_smoothing: float = setting(
        0.0, "Label smoothing", "Softens the labels against overconfidence.", low=0.0, high=0.5
    )
    balance_classes: bool = setting(
        False,
        "Balance classes",
        "Count every class the same, however few images it has: finds more of rare classes at "
        "the price of more false alarms.",
    )
    patience: int = setting(
        0,
        "Early stopping",
        "Stop after this many epochs without a better validation macro F1; 0 never stops early.",
        low=0,
        high=1000,
        step=1,
    )
    seed: int = setting(
        42, "Seed", "The same seed gives the same model.", low=0, high=2**31 - 1, step=1
    )
    device: str = setting(
        "auto", "Device", "Where to compute: auto takes a GPU where there is one."
    )

    def __post_init__(self) -> None:
        _check_ranges(self)


def recipe_defaults(recipe: Recipe, network: str) -> TrainConfig:
    """Settings that work for most image sets, for one recipe."""
    if recipe is Recipe.QUICK:
        # Why SGD: a linear head on many features generalizes better from it than from AdamW (on
        # magnetic tiles 93 against 92% accuracy over three splits).
        return TrainConfig(recipe=recipe, network=network)
    return TrainConfig(
        recipe=recipe,
        network=network,
        epochs=12,
        learning_rate=0.001,
        optimizer=OptimizerName.ADAMW,
        weight_decay=0.02,
    )


def config_to_json(config: PreprocessConfig | AugmentConfig | TrainConfig) -> str:
    """The whole config as JSON, for a row or a model file."""
    return json.dumps(asdict(config), sort_keys=True)


# Names that settings had in runs and model files of earlier versions.
_FORMER_NAMES = {
    "share": "probability",
    "mirror_columns": "flip_horizontal",
    "mirror_rows": "flip_vertical",
}


def config_from_json(kind: type[Config], text: str) -> Config:
    """The config that `config_to_json` wrote.

    Raises:
        ConfigError: if the text is no such config, has unknown settings or values out of range.
    """
    try:
        values = json.loads(text)
        known = {item.name: item for item in fields(kind)}
        values = {_FORMER_NAMES.get(name, name): value for name, value in values.items()}
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
