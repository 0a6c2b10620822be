"""Images with more than 8 bits: their gray values as the file means them, and their 8-bit form.

Pillow reads gray images with 16 or 32 bits as they are, but keeps only the high byte of color with
16 bits, ignores that 0 may mean white, and takes unsigned 32-bit values for signed ones. Here
brightness always grows with the value.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.domain.depth import DeepImage, GrayLevels, SampleKind

Values = NDArray[np.uint16] | NDArray[np.uint32] | NDArray[np.int32] | NDArray[np.float32]
Floats = NDArray[np.float32]

_PHOTOMETRIC, _BITS, _SAMPLE_FORMAT, _MOST_VALUE = 262, 258, 339, 281  # tags of TIFF
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # as Pillow makes gray of color
_BLOCK_VALUES = 4_000_000
_LOOKED_AT = 200_000  # values of an image from which its usual range is taken
_ASIDE = 0.001
_TWO_BYTES = 65535


@dataclass(frozen=True)
class DeepPixels:
    """The gray values of an image with more than 8 bits.

    `values` is [H, W] for gray or [H, W, 3] for color; `alpha` is [H, W] in [0, 1], None if the
    image is opaque; `bits`: see `DeepImage`.
    """

    values: Values
    alpha: Floats | None
    bits: int | None


def is_deep(image: Image.Image) -> bool:
    """Whether the file has more than 8 bits per channel; call it before the pixels are loaded."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return True
    return _wide_coding(image) is not None


def deep_pixels(image: Image.Image, again: Callable[[], Image.Image]) -> DeepPixels:
    """Decode an image for which `is_deep` is true.

    Args:
        image: opened, not loaded.
        again: opens the same file once more; called after `image` was loaded.
    """
    coding = _wide_coding(image)
    tags = getattr(image, "tag_v2", {})
    if coding is None:
        image.load()
        values = _gray_values(image, tags)
        return DeepPixels(values, _keyed_alpha(image, values), _declared_bits(tags))
    channels = _wide_channels(image, coding, again)
    color, alpha = _colour_and_alpha(channels, coding)
    if alpha is None:
        alpha = _keyed_alpha(image, color)
    return DeepPixels(color, alpha, _declared_bits(tags))


def to_8_bits(pixels: DeepPixels, levels: GrayLevels) -> Image.Image:
    """The image on a scale, as mode L or RGB; transparency is composed on white.

    Values that are not numbers become black.
    """
    plain = scaled(pixels.values, levels)
    if pixels.alpha is None:
        return Image.fromarray(plain)
    if plain.ndim == 2:
        plain = np.repeat(plain[:, :, None], 3, axis=2)
    mixed = 255 - (255 - plain.astype(np.float32)) * pixels.alpha[:, :, None]
    return Image.fromarray((mixed + 0.5).astype(np.uint8))


def scaled(values: Values, levels: GrayLevels) -> NDArray[np.uint8]:
    """Gray values on a scale, rounded and cut off at 0 and 255; same shape as `values`."""
    if values.dtype == np.uint16:
        every = _scaled(np.arange(_TWO_BYTES + 1, dtype=np.float64), levels)
        return every[values]
    flat = values.reshape(-1)
    result = np.empty(flat.shape, np.uint8)
    for start in range(0, len(flat), _BLOCK_VALUES):  # memory stays small for large images
        block = slice(start, start + _BLOCK_VALUES)
        result[block] = _scaled(flat[block].astype(np.float64), levels)
    return result.reshape(values.shape)


def describe(
    pixels: DeepPixels, measure: Callable[[Image.Image], tuple[float, float]]
) -> DeepImage:
    """What is known of the gray values of an image.

    Args:
        pixels: of the image.
        measure: gives brightness and sharpness of a gray float image (mode F).
    """
    values = pixels.values
    kind = SampleKind.FLOAT if values.dtype == np.float32 else SampleKind.INTEGER
    finite = values
    if kind is SampleKind.FLOAT:
        is_finite = np.isfinite(values)
        if not is_finite.all():
            finite = values[is_finite]
    if not finite.size:
        return DeepImage(kind, pixels.bits, 0.0, 0.0, 0.0, 0.0, True, 0.0, 0.0)
    flat = finite.reshape(-1)
    low, high = _usual_values(flat[:: 1 + len(flat) // _LOOKED_AT])
    least, most = float(flat.min()), float(flat.max())
    is_whole = kind is SampleKind.INTEGER or bool((flat == np.floor(flat)).all())
    known = DeepImage(kind, pixels.bits, least, most, low, high, is_whole, 0.0, 0.0)
    bounds = (max(least, low - (high - low)), min(most, high + (high - low)))
    gray = _gray(pixels, *bounds)
    if pixels.alpha is not None:
        white = np.float32(known.own_levels.white)
        gray = white - (white - gray) * pixels.alpha
    mean, sharpness = measure(Image.fromarray(gray))
    return replace(known, mean=mean, sharpness=sharpness)


def _scaled(values: NDArray[np.float64], levels: GrayLevels) -> NDArray[np.uint8]:
    values = (values - levels.black) * (255 / levels.span)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    whole: NDArray[np.uint8] = (np.clip(values, 0, 255) + 0.5).astype(np.uint8)
    return whole


def _usual_values(values: Values) -> tuple[float, float]:
    aside = int(_ASIDE * len(values))
    ordered = np.partition(values, (aside, len(values) - 1 - aside))
    return float(ordered[aside]), float(ordered[len(values) - 1 - aside])


def _gray(pixels: DeepPixels, low: float, high: float) -> Floats:
    """Gray values [H, W] within bounds, so that single wild values do not count."""
    values = np.nan_to_num(pixels.values.astype(np.float32), nan=low, posinf=high, neginf=low)
    np.clip(values, low, high, out=values)
    gray: Floats = values @ _LUMA if values.ndim == 3 else values
    return gray


def _gray_values(image: Image.Image, tags: dict[int, object]) -> Values:
    """Gray values [H, W] in which more is brighter."""
    is_inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        return np.uint16(_TWO_BYTES) - values if is_inverted else values
    if image.mode == "F":
        floats = np.asarray(image, np.float32)
        return -floats if is_inverted else floats
    whole = np.asarray(image, np.int32)
    is_unsigned = bool(tags) and _first(tags.get(_SAMPLE_FORMAT), _UNSIGNED) == _UNSIGNED
    return whole.view(np.uint32) if is_unsigned else whole


def _declared_bits(tags: dict[int, object]) -> int | None:
    """Bits in use by the tags of a TIFF, if they say more than the size of its container."""
    stored = _first(tags.get(_BITS), 0)
    if 8 < stored < 16:
        return stored
    most = _first(tags.get(_MOST_VALUE), 0)
    bits = most.bit_length()
    # Why only full ranges: many programs write the brightest value of the image here.
    return bits if 8 < bits <= 16 and most == 2**bits - 1 else None


def _first(value: object, default: int) -> int:
    if isinstance(value, tuple):
        value = value[0] if value else default
    return value if isinstance(value, int) else default


def _keyed_alpha(image: Image.Image, values: Values) -> Floats | None:
    """Transparency by one gray value or color that the file names."""
    key = image.info.get("transparency")
    if values.dtype != np.uint16 or not isinstance(key, int | tuple):
        return None
    is_key = values == np.array(key, np.int64)
    if is_key.ndim == 3:
        is_key = is_key.all(2)
    return np.asarray(~is_key, np.float32)


def _wide_coding(image: Image.Image) -> str | None:
    """The coding of color with 16 bits per channel; None for other images."""
    for tile in getattr(image, "tile", ()):
        args = tile.args
        coding = args if isinstance(args, str) else str(args[0]) if args else ""
        if coding.startswith(("RGB", "LA")) and ";16" in coding:
            return coding
    return None


def _wide_channels(
    image: Image.Image, coding: str, again: Callable[[], Image.Image]
) -> NDArray[np.uint16]:
    """Both bytes of every channel: uint16 [H, W, C]; with premultiplied colors as they are."""
    if coding.startswith("LA"):  # as four channels of 8 bits: gray high, low, alpha high, low
        image._mode = "RGBA"
        _recode(image, "RGBA")
        image.load()
        stored = np.asarray(image).astype(np.uint16)
        return stored[:, :, 0::2] << np.uint16(8) | stored[:, :, 1::2]
    plain, end = coding.replace("RGBa", "RGBA")[:-1], coding[-1]
    if end == "N":
        end = "L" if sys.byteorder == "little" else "B"
    _recode(image, plain + end)
    image.load()
    high = np.asarray(image).astype(np.uint16) << np.uint16(8)
    with again() as other:
        # As if the order of the bytes were the other one: then Pillow keeps the low bytes.
        _recode(other, plain + ("B" if end == "L" else "L"))
        other.load()
        low: NDArray[np.uint8] = np.asarray(other)
    return high | low


def _recode(image: Image.Image, coding: str) -> None:
    image.tile = [  # type: ignore[attr-defined]
        tile._replace(args=coding if isinstance(tile.args, str) else (coding, *tile.args[1:]))
        for tile in image.tile  # type: ignore[attr-defined]
    ]


def _colour_and_alpha(
    channels: NDArray[np.uint16], coding: str
) -> tuple[NDArray[np.uint16], Floats | None]:
    count = channels.shape[2]
    if count == 3:
        return channels, None
    alpha = (channels[:, :, -1] / np.float32(_TWO_BYTES)).astype(np.float32)
    if count == 2:
        return channels[:, :, 0], alpha
    color = channels[:, :, :3]
    if coding.startswith("RGBa"):
        whole = np.maximum(alpha, 1 / _TWO_BYTES)[:, :, None]
        color = np.minimum(color / whole + 0.5, _TWO_BYTES).astype(np.uint16)
    return color, alpha
