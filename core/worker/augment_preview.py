"""Training images as a run will see them, drawn in the helper process by the function of training.

This module is light, because the app imports it to name the functions.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.preprocess import load_pixels
from core.domain.configs.augment import AugmentChange, AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig


@dataclass(frozen=True)
class AugmentedImage:
    """A JPEG for a page, and the changes that were made; none for an image as it is."""

    picture: bytes
    changes: tuple[AugmentChange, ...]


@dataclass(frozen=True)
class PreviewRequest:
    """What a preview shows: images in some epochs of a run with these settings.

    `samples` are the numbers that the images have in training; `size_px` the largest side of the
    pictures.
    """

    sources: tuple[Path, ...]
    samples: tuple[int, ...]
    pixels: PreprocessConfig
    augment: AugmentConfig
    seed: int
    epochs: tuple[int, ...]
    size_px: int


def augmented(request: PreviewRequest) -> list[list[AugmentedImage]]:
    """For each image: as it is, then in each of the epochs.

    Raises:
        UnreadableImageError: if an image cannot be decoded.
    """
    import torch

    from core.training.augment import apply
    from core.training.augmentation.draws import CHANGES, draw

    plain = [_pixels(path, path.stat().st_mtime_ns, request.pixels) for path in request.sources]
    images = torch.from_numpy(np.stack(plain)).permute(0, 3, 1, 2).float()
    rows = [[AugmentedImage(_jpeg(pixels, request.size_px), ())] for pixels in plain]
    samples = np.array(request.samples, np.intp)
    with _one_thread():
        for epoch in request.epochs:
            draws = draw(request.augment, seed=request.seed, epoch=epoch, samples=samples)
            changed = apply(images, request.augment, draws).round().to(torch.uint8)
            for row, pixels, made in zip(rows, changed.movedim(1, 3), draws.made, strict=True):
                names = tuple(c for c, is_made in zip(CHANGES, made, strict=True) if is_made)
                row.append(AugmentedImage(_jpeg(pixels.numpy(), request.size_px), names))
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """Few small images are done ten times sooner by one thread beside a training that uses all."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


# Why kept: a preview is drawn again for each move of a slider.
@lru_cache(maxsize=16)
def _pixels(path: Path, _modified_ns: int, config: PreprocessConfig) -> NDArray[np.uint8]:
    pixels = load_pixels(path, config)
    pixels.flags.writeable = False
    return pixels


def _jpeg(pixels: NDArray[np.uint8], size_px: int) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((size_px, size_px))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
