"""Whether a heatmap tells what the model uses: deletion, insertion, and a model without sense.

Sources: Petsiuk et al. 2018, "RISE" (deletion and insertion); Adebayo et al. 2018, "Sanity Checks
for Saliency Maps" (randomised weights).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.inference.occlusion import Pixels

_CELLS = 14
_STEPS = 10
_COARSE = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Mean confidence in [0, 1] over all steps, while regions go or come in a certain order.

    Of a heatmap that tells what counts, `deletion` is low and `insertion` is high.
    """

    deletion: float
    insertion: float


def curves(
    pixels: Pixels, order: NDArray[np.int64], confidence: Callable[[Pixels], Floats]
) -> Curves:
    """Both curves of an image [S, S, 3].

    Args:
        pixels: uint8 [S, S, 3].
        order: cells in the order in which they go or come, the most important ones first.
        confidence: images [B, S, S, 3] to the confidence in the class [B].
    """
    side, blurred = len(pixels), blurred_image(pixels)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    of_cell = np.arange(side) * _CELLS // side
    ranks = rank.reshape(_CELLS, _CELLS)[np.ix_(of_cell, of_cell)][:, :, None]  # [S, S, 1]
    shares = np.linspace(0, 1, _STEPS + 1) * len(order)
    gone = np.stack([np.where(ranks < share, blurred, pixels) for share in shares])
    come = np.stack([np.where(ranks < share, pixels, blurred) for share in shares])
    return Curves(_area(confidence(gone)), _area(confidence(come)))


def blurred_image(pixels: Pixels) -> Pixels:
    """The image [S, S, 3] without anything that can be made out."""
    side = len(pixels)
    coarse = Image.fromarray(pixels).resize((_COARSE, _COARSE), Image.Resampling.BOX)
    return np.asarray(coarse.resize((side, side), Image.Resampling.BILINEAR), np.uint8)


def hottest_first(heat: NDArray[np.float32]) -> NDArray[np.int64]:
    """The cells of a heatmap [S, S], the hottest first."""
    return np.argsort(-cells(heat).ravel(), kind="stable")


def random_order(generator: np.random.Generator) -> NDArray[np.int64]:
    """All cells in an order that means nothing."""
    return generator.permutation(_CELLS * _CELLS)


def cells(heat: NDArray[np.floating], count: int = _CELLS) -> Floats:
    """The mean of a heatmap [S, S] in each of count x count cells."""
    side = len(heat)
    of_cell = np.arange(side) * count // side
    starts = np.flatnonzero(np.diff(of_cell, prepend=-1))
    sums = np.add.reduceat(np.add.reduceat(heat.astype(np.float64), starts, 0), starts, 1)
    sizes = np.diff(starts, append=side)
    means: Floats = sums / np.outer(sizes, sizes)
    return means


def similarity(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Rank correlation (Spearman) of two heatmaps [S, S] in [-1, 1]; 0 where one is even."""
    a, b = _ranks(cells(one).ravel()), _ranks(cells(other).ravel())
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else 0.0


def _ranks(values: Floats) -> Floats:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts + 1) / 2)[place]
    return ranks


def _area(confidences: Floats) -> float:
    """Under the curve, by trapezoids."""
    return float((confidences[:-1] + confidences[1:]).mean() / 2)
