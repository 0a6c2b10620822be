"""What may become of an image on the line: darker, blurred, noisy, turned, cut off, covered.

The change is made to the upright image before it is preprocessed, as the camera would give it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from core.inference.occlusion import covered

Box = tuple[float, float, float, float]


class ImageChange(StrEnum):
    """A change that is swept; the values stand in JSON."""

    BRIGHTNESS = "brightness"
    BLUR = "blur"
    NOISE = "noise"
    ROTATION = "rotation"
    JPEG = "jpeg"


# Strengths; the unchanged image is classified once for all. Brightness: a factor; blur: a radius in
# percent of the longer side; noise: a deviation in gray values; rotation: degrees; JPEG: quality.
LEVELS: Mapping[ImageChange, tuple[float, ...]] = MappingProxyType(
    {
        ImageChange.BRIGHTNESS: (0.5, 0.7, 0.85, 1.15, 1.3, 1.6),
        ImageChange.BLUR: (0.25, 0.5, 1.0, 2.0),
        ImageChange.NOISE: (4.0, 8.0, 16.0, 32.0),
        ImageChange.ROTATION: (-20.0, -10.0, -5.0, 5.0, 10.0, 20.0),
        ImageChange.JPEG: (75.0, 50.0, 25.0, 10.0),
    }
)


@dataclass(frozen=True)
class WhatIf:
    """Changes of one image, made in this order.

    Attributes:
        cover: a region, as fractions of the image (left, top, right, bottom), filled from its
            surroundings; None: nothing.
        rotation: degrees, counter-clockwise.
        crop: share of each side that is cut off, half of it on either end, in [0, 0.9].
        brightness: factor.
        blur: radius in percent of the longer side.
        noise: standard deviation in gray values.
    """

    cover: Box | None = None
    rotation: float = 0.0
    crop: float = 0.0
    brightness: float = 1.0
    blur: float = 0.0
    noise: float = 0.0


def what_if(image: Image.Image, asked: WhatIf) -> Image.Image:
    """A changed copy of an upright image (mode L or RGB)."""
    if asked.cover is not None:
        image = _covered(image, asked.cover)
    if asked.rotation:
        image = changed(image, ImageChange.ROTATION, asked.rotation)
    if asked.crop:
        image = _cropped(image, asked.crop)
    if asked.brightness != 1:
        image = changed(image, ImageChange.BRIGHTNESS, asked.brightness)
    if asked.blur:
        image = changed(image, ImageChange.BLUR, asked.blur)
    if asked.noise:
        image = changed(image, ImageChange.NOISE, asked.noise)
    return image


def changed(image: Image.Image, change: ImageChange, level: float) -> Image.Image:
    """One change of an upright image (mode L or RGB); the same arguments give the same image."""
    match change:
        case ImageChange.BRIGHTNESS:
            return _from(np.asarray(image, np.float32) * level)
        case ImageChange.BLUR:
            return image.filter(ImageFilter.GaussianBlur(level / 100 * max(image.size)))
        case ImageChange.NOISE:
            noise = np.random.default_rng(0).normal(0, level, np.asarray(image).shape)
            return _from(np.asarray(image, np.float32) + noise)
        case ImageChange.ROTATION:
            rim = tuple(int(value) for value in _rim(image))
            fill = rim if image.mode == "RGB" else rim[0]
            return image.rotate(level, Image.Resampling.BICUBIC, fillcolor=fill)
        case ImageChange.JPEG:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=int(level))
            return Image.open(buffer).convert(image.mode)
        case _:
            assert_never(change)


def _from(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _rim(image: Image.Image) -> NDArray[np.float64]:
    """The median colour of the rim, which stands for what the camera would see beyond it."""
    pixels = np.atleast_3d(np.asarray(image))
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    rim: NDArray[np.float64] = np.median(np.concatenate(edges), axis=0)
    return rim


def _cropped(image: Image.Image, share: float) -> Image.Image:
    wide, high = image.size
    x, y = share / 2 * wide, share / 2 * high
    return image.crop((round(x), round(y), max(round(x) + 1, round(wide - x)), round(high - y)))


def _covered(image: Image.Image, box: Box) -> Image.Image:
    wide, high = image.size
    left, right = sorted(round(np.clip(value, 0, 1) * wide) for value in (box[0], box[2]))
    top, bottom = sorted(round(np.clip(value, 0, 1) * high) for value in (box[1], box[3]))
    if right - left < 1 or bottom - top < 1:
        return image
    pixels = np.asarray(image.convert("RGB"))
    filled = covered(pixels, (slice(top, bottom), slice(left, right)))
    return Image.fromarray(filled).convert(image.mode)
