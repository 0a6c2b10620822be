"""Random changes of training images: one affine map and one gray-value map per image.

What happens to an image depends only on (seed, epoch, sample), never on the batch it is in.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.domain.configs.augment import AugmentConfig


def augment(
    images: Tensor, config: AugmentConfig, *, seed: int, epoch: int, samples: NDArray[np.intp]
) -> Tensor:
    """Augmented images; each one changes with the probability `config.probability`.

    Args:
        images: float [B, 3, S, S], gray values 0 to 255.
        config: which changes, and how strong they are.
        seed: of the run.
        epoch: of the run.
        samples: [B], a number for each image, the same in every epoch.

    Returns:
        Float [B, 3, S, S], gray values 0 to 255.
    """
    drawn = [_draw(config, np.random.default_rng((seed, epoch, int(i)))) for i in samples]
    maps = torch.tensor(np.stack([d[0] for d in drawn]), dtype=images.dtype, device=images.device)
    gains = torch.tensor([[d[1]] for d in drawn], dtype=images.dtype, device=images.device)
    offsets = torch.tensor([[d[2]] for d in drawn], dtype=images.dtype, device=images.device)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    changed = (moved - 127.5) * gains[:, :, None, None] + 127.5 + offsets[:, :, None, None]
    return changed.clamp(0, 255)


def _draw(
    config: AugmentConfig, random: np.random.Generator
) -> tuple[NDArray[np.float64], float, float]:
    """Affine map [2, 3] in output-to-input form, contrast gain, brightness offset."""
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    # Why all numbers are drawn first: turning one change on does not reshuffle the others.
    chance, columns, rows, quarter, angle, bright, contrast, zoom, dx, dy = random.random(10)
    if chance >= config.probability:
        return identity, 1.0, 0.0
    degrees = config.rotate_degrees * (2 * angle - 1)
    degrees += 90 * math.floor(4 * quarter) if config.rotate_quarter else 0
    scale = math.sqrt(1 - config.crop * zoom)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    flip = np.diag(
        [
            -1.0 if config.flip_horizontal and columns < 0.5 else 1.0,
            -1.0 if config.flip_vertical and rows < 0.5 else 1.0,
        ]
    )
    linear = scale * np.array([[c, -s], [s, c]]) @ flip
    shift = (1 - scale) * np.array([2 * dx - 1, 2 * dy - 1])
    gain = 1 + config.contrast * (2 * contrast - 1)
    return np.column_stack([linear, shift]), gain, 255 * config.brightness * (2 * bright - 1)
