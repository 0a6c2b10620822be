"""The choices among which settings decide."""

from enum import StrEnum
from typing import assert_never

from core.domain.settings import NO, YES

# Of false alarms among familiar images, where a recipe is not told otherwise.
UNFAMILIAR_RATE = 0.01
FEWEST_FAMILIAR = 20  # images, for a model that tells unfamiliar ones


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
    """Which part of the network is trained; good_only: none, good images are remembered."""

    QUICK = "quick"
    STAGED = "staged"
    FULL = "full"
    GOOD_ONLY = "good_only"


class OptimizerName(StrEnum):
    """The rule that turns gradients into steps."""

    ADAMW = "adamw"
    SGD = "sgd"


class ScheduleName(StrEnum):
    """How the learning rate changes over the epochs."""

    COSINE = "cosine"
    STEP = "step"
    CONSTANT = "constant"
    ONE_CYCLE = "one_cycle"


class SelectionMeasure(StrEnum):
    """The validation measure by which the best epoch is chosen, and early stopping decides."""

    MACRO_F1 = "macro_f1"
    ACCURACY = "accuracy"
    MACRO_RECALL = "macro_recall"
    LOG_LOSS = "log_loss"


class KeptEpoch(StrEnum):
    """Which epoch becomes the model."""

    BEST = "best"
    LAST = "last"


class Precision(StrEnum):
    """With how many bits a network is trained; auto: half precision on GPUs, else float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Preset(StrEnum):
    """How much time a run may take for how good a model."""

    FAST = "fast"
    BALANCED = "balanced"
    THOROUGH = "thorough"


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


class Detail(StrEnum):
    """What the features of a model are made from.

    The last layer's means over the whole image; means and maxima of several stages of the network;
    the same, the mean of the image and its mirror image; the same as stages, the largest of the
    image turned by 0, 90, 180 and 270 degrees; the largest of the whole image and of its four
    quarters at twice the resolution; the middle stages place by place, for models that only know
    good images.
    """

    WHOLE = "whole"
    STAGES = "stages"
    MIRRORED = "mirrored"
    TURNED = "turned"
    TILES = "tiles"
    PLACES = "places"

    @property
    def scale(self) -> int:
        """How many times the side that the network sees the pixels have."""
        return 2 if self is Detail.TILES else 1

    @property
    def trains(self) -> bool:
        """Whether a network can be trained on, below such features."""
        return self in (Detail.WHOLE, Detail.STAGES, Detail.MIRRORED)

    @property
    def views(self) -> int:
        """How often the network runs for one image."""
        return {
            Detail.WHOLE: 1,
            Detail.STAGES: 1,
            Detail.MIRRORED: 2,
            Detail.TURNED: 4,
            Detail.TILES: 5,
            Detail.PLACES: 1,
        }[self]


class DetailChoice(StrEnum):
    """How a run gets its detail level: told, or chosen by cross-validation.

    Auto compares what one pass of the network over the whole image gives; auto_tiles compares
    tiles as well, which take five passes over more pixels. Mirror images are compared only where a
    flipped part is the same part, and turned ones, which take their place, where a turned one is.
    """

    AUTO = "auto"
    AUTO_MIRRORED = "auto_mirrored"
    AUTO_TILES = "auto_tiles"
    AUTO_MIRRORED_TILES = "auto_mirrored_tiles"
    AUTO_TURNED = "auto_turned"
    AUTO_TURNED_TILES = "auto_turned_tiles"
    WHOLE = "whole"
    STAGES = "stages"
    MIRRORED = "mirrored"
    TURNED = "turned"
    TILES = "tiles"

    @property
    def levels(self) -> tuple[Detail, ...]:
        """The levels that may become the model's, the cheapest first; one if it was told."""
        match self:
            case DetailChoice.AUTO:
                return Detail.WHOLE, Detail.STAGES
            case DetailChoice.AUTO_MIRRORED:
                return Detail.WHOLE, Detail.STAGES, Detail.MIRRORED
            case DetailChoice.AUTO_TILES:
                return Detail.WHOLE, Detail.STAGES, Detail.TILES
            case DetailChoice.AUTO_MIRRORED_TILES:
                return Detail.WHOLE, Detail.STAGES, Detail.MIRRORED, Detail.TILES
            case DetailChoice.AUTO_TURNED:
                return Detail.WHOLE, Detail.STAGES, Detail.TURNED
            case DetailChoice.AUTO_TURNED_TILES:
                return Detail.WHOLE, Detail.STAGES, Detail.TURNED, Detail.TILES
            case (
                DetailChoice.WHOLE
                | DetailChoice.STAGES
                | DetailChoice.MIRRORED
                | DetailChoice.TURNED
                | DetailChoice.TILES
            ):
                return (Detail(self.value),)
            case _:
                assert_never(self)

    @property
    def with_mirrored(self) -> "DetailChoice":
        """What to compare where a flipped part is the same part."""
        both = {
            DetailChoice.AUTO: DetailChoice.AUTO_MIRRORED,
            DetailChoice.AUTO_TILES: DetailChoice.AUTO_MIRRORED_TILES,
        }
        return both.get(self, self)

    @property
    def with_turned(self) -> "DetailChoice":
        """What to compare where a turned part is the same part."""
        both = {
            DetailChoice.AUTO: DetailChoice.AUTO_TURNED,
            DetailChoice.AUTO_MIRRORED: DetailChoice.AUTO_TURNED,
            DetailChoice.AUTO_TILES: DetailChoice.AUTO_TURNED_TILES,
            DetailChoice.AUTO_MIRRORED_TILES: DetailChoice.AUTO_TURNED_TILES,
        }
        return both.get(self, self)

    @property
    def with_tiles(self) -> "DetailChoice":
        """What to compare where fine defects are looked for."""
        both = {
            DetailChoice.AUTO: DetailChoice.AUTO_TILES,
            DetailChoice.AUTO_MIRRORED: DetailChoice.AUTO_MIRRORED_TILES,
            DetailChoice.AUTO_TURNED: DetailChoice.AUTO_TURNED_TILES,
        }
        return both.get(self, self)

    @property
    def compares(self) -> bool:
        """Whether there is something to choose from."""
        return len(self.levels) > 1


class HeadKind(StrEnum):
    """What turns features into scores of the classes.

    One weight per feature and class; the same with weights that are the class means; a small
    network with one hidden layer.
    """

    LINEAR = "linear"
    MEANS = "means"
    MLP = "mlp"


class HeadChoice(StrEnum):
    """How a quick run gets its last layer: told, or chosen by cross-validation."""

    AUTO = "auto"
    LINEAR = "linear"
    MEANS = "means"
    MLP = "mlp"

    @property
    def kinds(self) -> tuple[HeadKind, ...]:
        """What may become the model's, the simplest first; one if it was told."""
        match self:
            case HeadChoice.AUTO:
                return tuple(HeadKind)
            case HeadChoice.LINEAR | HeadChoice.MEANS | HeadChoice.MLP:
                return (HeadKind(self.value),)
            case _:
                assert_never(self)
