"""Finer maps of a coarse network: an image looked at whole, and once more in enlarged parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.inference.occlusion import Pixels

_ACROSS = 2  # quarters

Floats = NDArray[np.floating]


def enlarged_parts(pixels: Pixels) -> list[Pixels]:
    """The overlapping parts of an image [S, S, 3], each enlarged to [S, S, 3]; read-only."""
    side = len(pixels)
    result = []
    for top, left in _corners(side):
        part = Image.fromarray(pixels[top : top + side // 2, left : left + side // 2])
        enlarged = np.asarray(part.resize((side, side), Image.Resampling.BILINEAR), np.uint8)
        enlarged.flags.writeable = False
        result.append(enlarged)
    return result


def fused(coarse: Sequence[Floats], side: int) -> NDArray[np.float32]:
    """The maps [h, w] of the parts, each in its place: [S, S], their mean where they overlap."""
    total, weight = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    half = side // 2
    for part, (top, left) in zip(coarse, _corners(side), strict=True):
        total[top : top + half, left : left + half] += interpolated(part, half)
        weight[top : top + half, left : left + half] += 1
    mean: NDArray[np.float32] = (total / np.maximum(weight, 1)).astype(np.float32)
    return mean


def interpolated(coarse: Floats, side: int) -> NDArray[np.float32]:
    """A map [h, w] as [side, side], bilinear between the centres of its cells."""
    rows, columns = (_weights(length, side) for length in coarse.shape)
    return (rows @ coarse.astype(np.float32) @ columns.T).astype(np.float32)


def softened(values: Floats, sigma_px: float) -> NDArray[np.float32]:
    """A map [S, S] after a Gaussian filter that stops at the borders.

    Why: what causes a score is larger than a peak of it, and lies around it.
    """
    at = np.arange(len(values))
    kernel = np.exp(-(((at[:, None] - at) / sigma_px) ** 2) / 2)
    kernel /= kernel.sum(1, keepdims=True)
    soft: NDArray[np.float32] = (kernel @ values @ kernel.T).astype(np.float32)
    return soft


def _weights(length: int, side: int) -> NDArray[np.float32]:
    """[side, length]: how much each cell counts at each of `side` places; rows sum to 1."""
    position = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
    weights: NDArray[np.float64] = 1 - np.abs(position[:, None] - np.arange(length))
    return np.maximum(0, weights).astype(np.float32)


def _corners(side: int) -> list[tuple[int, int]]:
    half = side // 2
    starts = np.linspace(0, side - half, _ACROSS).round().astype(int).tolist()
    return [(y, x) for y in starts for x in starts]
