"""Images with more than 8 bits: what is known of their gray values, and how these become 8 bits.

A dataset has one scale. Scaling each image to its own range would lose the brightness, which is
often the very thing that is inspected.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from core.errors import ConfigError

MOST_LEVEL = 1e12
LEVEL_SETTINGS = ("black_level", "white_level")  # they act on such images alone
_DEPTHS = (8, 10, 12, 14, 16)  # bits of usual cameras and converters
_LEAST_OF_UNIT_RANGE = 0.25  # floats within [0, 1] with a larger one have this range
_SPREAD = 0.01  # fraction of the images whose extremes may be outliers
_NAMED = 5  # examples of floats that are kept
_BEYOND = 0.5  # of the usual range: extremes that lie further outside are outliers


@dataclass(frozen=True)
class GrayLevels:
    """Which gray values of a file become black (0) and white (255); between them it is linear.

    Raises:
        ConfigError: if they are not finite, or white is not above black.
    """

    black: float
    white: float

    def __post_init__(self) -> None:
        if not (-MOST_LEVEL <= self.black < self.white <= MOST_LEVEL):
            raise ConfigError(
                f"Black level {self.black:g} and white level {self.white:g} leave no gray values.",
                "The white level must be above the black level.",
            )

    @property
    def span(self) -> float:
        """How many gray values lie between black and white; above 0."""
        return self.white - self.black

    @property
    def key(self) -> str:
        """Names these levels in addresses and file names; see `levels_from_key`."""
        return f"{self.black:.17g}_{self.white:.17g}"

    def brightness(self, mean: float) -> float:
        """A mean gray value of a file on this scale, in [0, 1]."""
        return min(1.0, max(0.0, (mean - self.black) / self.span))


def levels_from_key(key: str) -> GrayLevels:
    """The levels that gave this key.

    Raises:
        ConfigError: if it is no such key.
    """
    black, _, white = key.partition("_")
    try:
        return GrayLevels(float(black), float(white))
    except ValueError as err:
        raise ConfigError(f"'{key}' names no gray levels.") from err


class SampleKind(StrEnum):
    """What the gray values of a file are stored as."""

    INTEGER = "integer"
    FLOAT = "float"


@dataclass(frozen=True)
class DeepImage:
    """The gray values of an image with more than 8 bits, in the units of its file.

    `bits` are those that its file declares in use, None if it only names its container;
    `least`, `most` are the extremes of the finite values; `low`, `high` leave 0.1% of them out at
    either end; `is_whole`: there are no fractions. `mean` is the brightness, `sharpness` the
    variance of the Laplacian, both of the reduced gray image.
    """

    kind: SampleKind
    bits: int | None
    least: float
    most: float
    low: float
    high: float
    is_whole: bool
    mean: float
    sharpness: float

    @property
    def own_levels(self) -> GrayLevels:
        """The scale of a dataset of this image alone."""
        levels = depth_of_images([self]).levels
        assert levels is not None
        return levels

    def measures(self, levels: GrayLevels | None = None) -> tuple[float, float]:
        """Brightness in [0, 1] and sharpness as of an 8-bit image on this scale; None: its own."""
        levels = levels or self.own_levels
        return levels.brightness(self.mean), self.sharpness * (255 / levels.span) ** 2


@dataclass(frozen=True)
class DatasetDepth:
    """The gray values of all images of a dataset that have more than 8 bits.

    `images` counts them, `floats` those among them with floating-point values; the other fields
    are as in `DeepImage`, over all of them, without outliers in `low` and `high`. `float_names`
    are the paths of some of the floats below the source, if they were known.
    """

    images: int = 0
    floats: int = 0
    bits: int | None = None
    least: float = 0.0
    most: float = 0.0
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = True
    float_names: tuple[str, ...] = ()

    @property
    def scale_bits(self) -> int | None:
        """The bit depth that gives the scale; None if it is measured, or there is none.

        Whole numbers from 0 on: the smallest usual depth that covers all of them, but no less than
        the files declare. The significant bits that a PNG names (sBIT) do not count: its values
        fill the whole container all the same.
        """
        if not self.images or not self.is_whole or self.least < 0:
            return None
        covering = next((bits for bits in _DEPTHS if self.most < 2**bits), None)
        return None if covering is None else max(covering, self.bits or 0)

    @property
    def levels(self) -> GrayLevels | None:
        """Black and white for this dataset; None if no image has more than 8 bits.

        By the bit depth where that is known; 0 to 1 for floats that fill this range; else by the
        usual range of the values, with extremes that are no outliers.
        """
        if not self.images:
            return None
        if self.scale_bits is not None:
            return GrayLevels(0.0, float(2**self.scale_bits - 1))
        if self.least >= 0 and _LEAST_OF_UNIT_RANGE < self.most <= 1:
            return GrayLevels(0.0, 1.0)
        return _usual_range(self)

    @property
    def is_mixed(self) -> bool:
        """Whether some values are integers and others fractions, which no scale can suit."""
        return 0 < self.floats < self.images and not self.is_whole


def depth_of_images(images: Sequence[DeepImage], names: Sequence[str] = ()) -> DatasetDepth:
    """What a set of images with more than 8 bits has in common; of none: no such images.

    Args:
        images: as they are.
        names: their paths below the source; none: unknown.
    """
    if not images:
        return DatasetDepth()
    aside = int(_SPREAD * len(images))  # at either end
    return DatasetDepth(
        images=len(images),
        floats=sum(image.kind is SampleKind.FLOAT for image in images),
        bits=max((image.bits for image in images if image.bits), default=None),
        least=min(image.least for image in images),
        most=max(image.most for image in images),
        low=sorted(image.low for image in images)[aside],
        high=sorted(image.high for image in images)[-1 - aside],
        is_whole=all(image.is_whole for image in images),
        float_names=tuple(
            name
            for image, name in zip(images, names, strict=bool(names))
            if image.kind is SampleKind.FLOAT
        )[:_NAMED],
    )


def joined_depth(first: DatasetDepth, second: DatasetDepth) -> DatasetDepth:
    """The depth of two sets of images together."""
    if not first.images or not second.images:
        return first if first.images else second
    return DatasetDepth(
        images=first.images + second.images,
        floats=first.floats + second.floats,
        bits=max((d.bits for d in (first, second) if d.bits), default=None),
        least=min(first.least, second.least),
        most=max(first.most, second.most),
        low=min(first.low, second.low),
        high=max(first.high, second.high),
        is_whole=first.is_whole and second.is_whole,
        float_names=(*first.float_names, *second.float_names)[:_NAMED],
    )


def depth_to_json(depth: DatasetDepth) -> str:
    """As it is stored."""
    return json.dumps(asdict(depth), sort_keys=True)


def depth_from_json(text: str) -> DatasetDepth:
    """The depth that `depth_to_json` wrote."""
    values = json.loads(text)
    return DatasetDepth(**values | {"float_names": tuple(values.get("float_names", ()))})


def _usual_range(depth: DatasetDepth) -> GrayLevels:
    beyond = _BEYOND * (depth.high - depth.low)
    black = _within(max(depth.least, depth.low - beyond))
    white = _within(min(depth.most, depth.high + beyond))
    if white <= black:  # all values are equal
        return GrayLevels(black, black + max(1.0, abs(black)))
    step = 10.0 ** (math.floor(math.log10(white - black)) - 3)
    rounded = (math.floor(black / step) * step, math.ceil(white / step) * step)
    digits = max(0, -round(math.log10(step)))
    return GrayLevels(*(round(value, digits) for value in rounded))


def _within(value: float) -> float:
    return min(MOST_LEVEL / 4, max(-MOST_LEVEL / 4, value))
