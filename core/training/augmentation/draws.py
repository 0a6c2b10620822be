"""What is drawn for each image: numbers that depend on seed, epoch and sample alone.

All numbers of an image are drawn at once, at fixed places. Turning one change on therefore neither
reshuffles the others nor depends on them.
"""

import math
from dataclasses import dataclass, fields
from enum import IntEnum, auto
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.augment import AugmentChange, AugmentConfig, AugmentMode

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
CHANGES = tuple(AugmentChange)
_PRIORITIES = 32  # from here on one number per change, which decides where only one is made
_COUNT = 64
_SPOT_WIDTHS = (0.5, 1.0)
_ERASED_RATIOS = (0.5, 2.0)


class _At(IntEnum):
    """Where the number of a change is; the first ten are those of earlier versions."""

    CHANCE = 0
    FLIP_HORIZONTAL = auto()
    FLIP_VERTICAL = auto()
    QUARTER = auto()
    ANGLE = auto()
    BRIGHTNESS = auto()
    CONTRAST = auto()
    CROP = auto()
    CROP_X = auto()
    CROP_Y = auto()
    STEP = auto()
    SCALE = auto()
    SHIFT_X = auto()
    SHIFT_Y = auto()
    SHEAR_X = auto()
    SHEAR_Y = auto()
    PERSPECTIVE_X = auto()
    PERSPECTIVE_Y = auto()
    SPOT = auto()
    SPOT_X = auto()
    SPOT_Y = auto()
    SPOT_WIDTH = auto()
    SATURATION = auto()
    HUE = auto()
    BLUR = auto()
    NOISE = auto()
    NOISE_START = auto()
    ERASE = auto()
    ERASE_RATIO = auto()
    ERASE_X = auto()
    ERASE_Y = auto()


@dataclass(frozen=True)
class Draws:
    """The changes of B images.

    Attributes:
        made: [B, K], whether an image gets each of the `CHANGES`.
        maps: [B, 3, 3], homogeneous map from places in the new image to places in the old one,
            both from -1 to 1.
        gain, offset: [B], contrast around mid-gray, then gray values added.
        spot: [B, 4], gray values in the middle, its place in [0, 1] (x, y), standard deviation as
            a fraction of the width.
        saturation, hue: [B], factor of the color strength, angle in radians.
        blur: [B], standard deviation in pixels; 0: none.
        noise: [B, 2], standard deviation in gray values, start in the noise in [0, 1).
        erased: [B, 4], left, top, width, height as fractions of the size; width 0: none.
    """

    made: Flags
    maps: Floats
    gain: Floats
    offset: Floats
    spot: Floats
    saturation: Floats
    hue: Floats
    blur: Floats
    noise: Floats
    erased: Floats

    def of(self, images: slice) -> "Draws":
        """The changes of some of the images."""
        return Draws(**{field.name: getattr(self, field.name)[images] for field in fields(self)})


@dataclass(frozen=True)
class _Numbers:
    """Numbers in [0, 1) of B images, and what is made of them where a change is made."""

    config: AugmentConfig
    drawn: Floats  # [B, _COUNT]
    made: Flags  # [B, K]

    def at(self, place: _At) -> Floats:
        """[B]: the bare numbers."""
        return self.drawn[:, place]

    def on(self, change: AugmentChange, yes: Floats | float, no: float = 0.0) -> Floats:
        """[B]: one value where the change is made, else the other."""
        return np.where(self.made[:, CHANGES.index(change)], yes, no)

    def up_to(self, change: AugmentChange, place: _At) -> Floats:
        """[B]: uniform in [0, strength]."""
        return self.on(change, getattr(self.config, change) * self.at(place))

    def within(self, change: AugmentChange, place: _At) -> Floats:
        """[B]: uniform in [-strength, strength]."""
        return self.on(change, getattr(self.config, change) * (2 * self.at(place) - 1))


def draw(config: AugmentConfig, *, seed: int, epoch: int, samples: NDArray[np.intp]) -> Draws:
    """The changes of these images.

    Args:
        config: which changes, and how strong they are.
        seed: of the run.
        epoch: of the run.
        samples: [B], a number for each image, the same in every epoch.
    """
    streams = [np.random.default_rng((seed, epoch, int(i))) for i in samples]
    drawn = np.stack([stream.random(_COUNT) for stream in streams])
    numbers = _Numbers(config, drawn, _made(config, drawn))
    spot_width = _between(*_SPOT_WIDTHS, numbers.at(_At.SPOT_WIDTH))
    spot = [
        255 * numbers.within(AugmentChange.LIGHT_SPOT, _At.SPOT),
        numbers.at(_At.SPOT_X),
        numbers.at(_At.SPOT_Y),
        spot_width / math.sqrt(8 * math.log(2)),  # from its width at half of its height
    ]
    noise = [255 * numbers.up_to(AugmentChange.NOISE, _At.NOISE), numbers.at(_At.NOISE_START)]
    return Draws(
        made=numbers.made,
        maps=_first_maps(numbers) @ _further_maps(numbers),
        gain=1 + numbers.within(AugmentChange.CONTRAST, _At.CONTRAST),
        offset=255 * numbers.within(AugmentChange.BRIGHTNESS, _At.BRIGHTNESS),
        spot=np.column_stack(spot),
        saturation=1 + numbers.within(AugmentChange.SATURATION, _At.SATURATION),
        hue=np.radians(numbers.within(AugmentChange.HUE, _At.HUE)),
        blur=numbers.up_to(AugmentChange.BLUR, _At.BLUR),
        noise=np.column_stack(noise),
        erased=_rectangles(numbers),
    )


def _made(config: AugmentConfig, drawn: Floats) -> Flags:
    """[B, K]: which changes are made to which image."""
    enabled: Flags = np.array([config.has(change) for change in CHANGES])
    made: Flags = (drawn[:, _At.CHANCE] < config.probability)[:, None] & enabled
    match config.augment_mode:
        case AugmentMode.SEVERAL:
            # Why these: half of the images are flipped, and a turn may be one by no degrees.
            happens = {
                AugmentChange.FLIP_HORIZONTAL: drawn[:, _At.FLIP_HORIZONTAL] < 0.5,
                AugmentChange.FLIP_VERTICAL: drawn[:, _At.FLIP_VERTICAL] < 0.5,
                AugmentChange.ROTATE_QUARTER: _quarter_degrees(config, drawn) > 0,
                AugmentChange.ROTATE_STEP: _step_degrees(config, drawn) > 0,
            }
            for change, really in happens.items():
                made[:, CHANGES.index(change)] &= really
            return made
        case AugmentMode.ONE:
            # Why the largest and not the n-th: one more change leaves the others as they are,
            # except on the images that it wins.
            ranks = drawn[:, _PRIORITIES : _PRIORITIES + len(CHANGES)]
            first = np.where(enabled, ranks, -1.0).argmax(1)
            made &= np.arange(len(CHANGES)) == first[:, None]
            return made
        case _:
            assert_never(config.augment_mode)


def _first_maps(numbers: _Numbers) -> Floats:
    """[B, 3, 3]: flips, turns and crop, as in earlier versions."""
    degrees = numbers.within(AugmentChange.ROTATE_DEGREES, _At.ANGLE)
    quarters = _quarter_degrees(numbers.config, numbers.drawn)
    degrees += numbers.on(AugmentChange.ROTATE_QUARTER, quarters)
    steps = _step_degrees(numbers.config, numbers.drawn)
    degrees += numbers.on(AugmentChange.ROTATE_STEP, steps)
    size = np.sqrt(1 - numbers.up_to(AugmentChange.CROP, _At.CROP))
    c, s = size * np.cos(np.radians(degrees)), size * np.sin(np.radians(degrees))
    x = numbers.on(AugmentChange.FLIP_HORIZONTAL, -1.0, 1.0)
    y = numbers.on(AugmentChange.FLIP_VERTICAL, -1.0, 1.0)
    left = (1 - size) * (2 * numbers.at(_At.CROP_X) - 1)
    top = (1 - size) * (2 * numbers.at(_At.CROP_Y) - 1)
    zero, one = np.zeros_like(size), np.ones_like(size)
    return _matrices([[c * x, -s * y, left], [s * x, c * y, top], [zero, zero, one]])


def _further_maps(numbers: _Numbers) -> Floats:
    """[B, 3, 3]: scale, shear, shift and perspective."""
    smaller = 1 / (1 + numbers.within(AugmentChange.SCALE, _At.SCALE))
    slant_x = np.tan(np.radians(numbers.within(AugmentChange.SHEAR, _At.SHEAR_X)))
    slant_y = np.tan(np.radians(numbers.within(AugmentChange.SHEAR, _At.SHEAR_Y)))
    right = 2 * numbers.within(AugmentChange.SHIFT, _At.SHIFT_X)
    down = 2 * numbers.within(AugmentChange.SHIFT, _At.SHIFT_Y)
    tilt_x = numbers.within(AugmentChange.PERSPECTIVE, _At.PERSPECTIVE_X)
    tilt_y = numbers.within(AugmentChange.PERSPECTIVE, _At.PERSPECTIVE_Y)
    return _matrices(
        [
            [smaller, smaller * slant_x, -right],
            [smaller * slant_y, smaller, -down],
            [tilt_x, tilt_y, np.ones_like(smaller)],
        ]
    )


def _matrices(rows: list[list[Floats]]) -> Floats:
    """[B, 3, 3] of three rows of three columns [B]."""
    return np.stack([np.stack(row, -1) for row in rows], 1)


def _quarter_degrees(config: AugmentConfig, drawn: Floats) -> Floats:
    """Degrees of quarter turns; not 0 where a turn is the only change."""
    match config.augment_mode:
        case AugmentMode.SEVERAL:
            return 90 * np.floor(4 * drawn[:, _At.QUARTER])
        case AugmentMode.ONE:
            return 90 * (1 + np.floor(3 * drawn[:, _At.QUARTER]))
        case _:
            assert_never(config.augment_mode)


def _step_degrees(config: AugmentConfig, drawn: Floats) -> Floats:
    """Degrees of a turn by a multiple of the step; not 0 where a turn is the only change."""
    step = config.rotate_step
    count = math.ceil(360 / step) if step else 1
    match config.augment_mode:
        case AugmentMode.SEVERAL:
            return step * np.floor(count * drawn[:, _At.STEP])
        case AugmentMode.ONE:
            return step * (1 + np.floor((count - 1) * drawn[:, _At.STEP]))
        case _:
            assert_never(config.augment_mode)


def _rectangles(numbers: _Numbers) -> Floats:
    """[B, 4]: left, top, width, height of rectangles that lie inside of the image."""
    area = numbers.up_to(AugmentChange.ERASE, _At.ERASE)
    low, high = (math.log(ratio) for ratio in _ERASED_RATIOS)
    ratio = np.exp(_between(low, high, numbers.at(_At.ERASE_RATIO)))
    width = np.minimum(np.sqrt(area * ratio), 1.0)
    height = np.minimum(np.sqrt(area / ratio), 1.0)
    left = numbers.at(_At.ERASE_X) * (1 - width)
    top = numbers.at(_At.ERASE_Y) * (1 - height)
    return np.column_stack([left, top, width, height])


def _between(low: float, high: float, number: Floats) -> Floats:
    return low + (high - low) * number
