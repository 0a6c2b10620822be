"""From images to the pixels of a network: the only place, for training and inference alike."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO, assert_never

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.images import read_image
from core.domain.configs.choices import Channels, Normalization, ResizeMode
from core.domain.configs.preprocess import PreprocessConfig
from core.errors import UnreadableImageError

# Letterbox bars: the middle of the gray range, so that they are near zero after normalization.
_BAR_GRAY = 127
# Larger ones are cut before they are resized: a strip of 8000 x 1 pixels took 1.6 GB.
_LARGEST_RESIZED_PX = 20_000_000


@dataclass(frozen=True)
class Placement:
    """Where the network looks, as fractions of the width and height of the upright image.

    Each is left, top, right, bottom. `square` is what becomes the [S, S] pixels, with the bars of a
    letterbox, so that it may reach beyond the image; `seen` is the part of the image in it.
    """

    square: tuple[float, float, float, float]
    seen: tuple[float, float, float, float]


def load_pixels(
    source: Path | IO[bytes], config: PreprocessConfig, *, name: str = "This file"
) -> NDArray[np.uint8]:
    """An image file as the network sees it: uint8 [S, S, 3], S = `config.image_size_px`.

    `name` is that of an open file, for messages.

    Raises:
        UnreadableImageError: if the file cannot be decoded.
    """
    region = (config.roi_left, config.roi_top, config.roi_right, config.roi_bottom)
    # Why: twice the size keeps the resampling quality; a region needs the full resolution.
    draft_px = 2 * config.image_size_px if region == (0, 0, 1, 1) else None
    image = read_image(source, levels=config.levels, draft_px=draft_px, name=name)
    try:
        return preprocess_image(image, config)
    except (MemoryError, ValueError) as err:  # ValueError: Pillow, of an absurd size
        raise UnreadableImageError(
            f"This image of {image.width:,} x {image.height:,} px needs too much memory.",
            "Reduce it, or divide it into several images.",
        ) from err


def preprocess_image(image: Image.Image, config: PreprocessConfig) -> NDArray[np.uint8]:
    """An upright image (mode L or RGB) as uint8 [S, S, 3]."""
    image = _region(image, config)
    image = image.convert(_mode(config.channels))
    pixels = np.asarray(_resized(image, config), dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    match config.normalization:
        case Normalization.NETWORK | Normalization.NONE:
            return pixels
        case Normalization.ALL_CHANNELS:
            return _contrast_stretched(pixels, pixels.min((0, 1)), pixels.max((0, 1)))
        case Normalization.FIRST_CHANNEL:
            first = pixels[:, :, 0]
            return _contrast_stretched(pixels, first.min(), first.max())
        case _:
            assert_never(config.normalization)


def normalization_constants(
    config: PreprocessConfig, mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation for gray values in [0, 1]: those of the network unless NONE is chosen."""
    match config.normalization:
        case Normalization.NETWORK | Normalization.ALL_CHANNELS | Normalization.FIRST_CHANNEL:
            return mean, std
        case Normalization.NONE:
            return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        case _:
            assert_never(config.normalization)


def _mode(channels: Channels) -> str:
    """Pillow's name of the channels."""
    match channels:
        case Channels.COLOR:
            return "RGB"
        case Channels.GRAY:
            return "L"
        case _:
            assert_never(channels)


def placement(size: tuple[int, int], config: PreprocessConfig) -> Placement:
    """Where the square that the network sees lies on an upright image of width x height pixels."""
    left, top, right, bottom = _box(size, config)
    wide, high = _resized_size((right - left, bottom - top), config)
    side = config.image_size_px
    across, down = (right - left) / wide, (bottom - top) / high  # image pixels per network pixel
    x, y = left - (side - wide) // 2 * across, top - (side - high) // 2 * down
    square = (x, y, x + side * across, y + side * down)
    seen = (max(left, x), max(top, y), min(right, square[2]), min(bottom, square[3]))
    return Placement(_as_fractions(square, size), _as_fractions(seen, size))


def _as_fractions(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    (left, top, right, bottom), (w, h) = box, size
    return left / w, top / h, right / w, bottom / h


def _region(image: Image.Image, config: PreprocessConfig) -> Image.Image:
    box = _box(image.size, config)
    return image if box == (0, 0, *image.size) else image.crop(box)


def _box(size: tuple[int, int], config: PreprocessConfig) -> tuple[int, int, int, int]:
    """The region in pixels: left, top, right, bottom."""
    w, h = size
    left, top = round(config.roi_left * w), round(config.roi_top * h)
    right, bottom = round(config.roi_right * w), round(config.roi_bottom * h)
    left, top = min(left, w - 1), min(top, h - 1)  # at least one pixel, however small the image
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _resized_size(size: tuple[int, int], config: PreprocessConfig) -> tuple[int, int]:
    """Width and height that a region gets, before bars are added or edges cut off."""
    side = config.image_size_px
    w, h = size
    match config.resize_mode:
        case ResizeMode.STRETCH:
            return side, side
        case ResizeMode.LETTERBOX:
            scale = min(side / w, side / h)
        case ResizeMode.CROP:
            scale = max(side / w, side / h)
        case _:
            assert_never(config.resize_mode)
    return max(1, round(w * scale)), max(1, round(h * scale))


def _resized(image: Image.Image, config: PreprocessConfig) -> Image.Image:
    side = config.image_size_px
    size = _resized_size(image.size, config)
    if size == (side, side):
        return image.resize(size, Image.Resampling.BICUBIC)
    if size[0] * size[1] > max(_LARGEST_RESIZED_PX, side * side):
        return _middle(image, size, side)
    resized = image.resize(size, Image.Resampling.BICUBIC)
    bars = _BAR_GRAY if image.mode == "L" else (_BAR_GRAY,) * 3
    canvas = Image.new(image.mode, (side, side), bars)
    canvas.paste(resized, ((side - size[0]) // 2, (side - size[1]) // 2))
    return canvas


def _middle(image: Image.Image, size: tuple[int, int], side: int) -> Image.Image:
    """The middle of an image that would become `size`, without making the rest.

    Why not always: the edges of the cut are rounded, so that some gray values differ from those of
    the whole (by up to 2 of 255, measured); models of earlier versions must see the same pixels.
    """
    ranges, kept = [], []  # of columns and rows: what is resized, and the pixels it depends on
    for length, target in zip(image.size, size, strict=True):
        scale = length / target
        start = -((side - target) // 2) * scale  # as if pasted into the middle of a square
        end = start + side * scale
        margin = math.ceil(2 * max(1.0, scale)) + 1  # bicubic interpolation looks this far
        first, last = max(0, math.floor(start) - margin), min(length, math.ceil(end) + margin)
        kept.append((first, last))
        ranges.append((start - first, end - first))
    (left, right), (top, bottom) = kept
    part = image.crop((left, top, right, bottom))
    (x0, x1), (y0, y1) = ranges
    # Why two steps: Pillow enlarges the whole in this order, and rounds in between.
    columns = part.resize((side, part.height), Image.Resampling.BICUBIC, (x0, 0, x1, part.height))
    return columns.resize((side, side), Image.Resampling.BICUBIC, (0, y0, side, y1))


def _contrast_stretched(
    pixels: NDArray[np.uint8], low: NDArray[np.uint8], high: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    span = np.maximum(high.astype(np.float32) - low, 1.0)
    stretched = (pixels.astype(np.float32) - low) / span * 255.0
    rounded: NDArray[np.uint8] = np.clip(stretched + 0.5, 0, 255).astype(np.uint8)
    return rounded
