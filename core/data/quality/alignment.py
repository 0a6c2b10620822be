"""How two small images lie on each other best: the inner part of one, searched in the other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX = 48
TEMPLATE_PX = 38
# (height, width) of the inner part that is brought to the size of a template.
# Why steps of 5% where both sides change: on fine textures, crops between them were not found.
BOXES = (
    *((height, width) for height in (34, 38, 42) for width in (34, 38, 42)),
    *((side, side) for side in (32, 36, 40, 44)),
)
MIDDLE = (SIDE_PX - TEMPLATE_PX) // 2
_STEPS = 2
_LONGEST_STEP_PX = 1.5
_SHIFTS = SIDE_PX - TEMPLATE_PX + 1

Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]
ProgressCallback = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Alignments:
    """The best positions of pairs.

    `likeness` [M] there, in [-1, 1]; `box` [M] of `BOXES`, cut from the first image; `place`
    [M, 2], top and left of its counterpart in the second.
    """

    likeness: Floats
    box: NDArray[np.int64]
    place: NDArray[np.int64]

    def of(self, kept: NDArray[np.bool_]) -> "Alignments":
        """Those of some pairs."""
        return Alignments(self.likeness[kept], self.box[kept], self.place[kept])


def aligned(flat: Floats, pairs: Pairs, on_progress: ProgressCallback | None = None) -> Alignments:
    """Best normalized correlation over shifts of about 10% and scales of 15%.

    Args:
        flat: [N, 48, 48] without shading.
        pairs: [M, 2] positions; sorted ones take half the time.
        on_progress: called with phase, done, total; may raise to stop.
    """
    # Why here: only the worker needs it.
    from threadpoolctl import threadpool_limits

    @lru_cache(maxsize=256)
    def templates(position: int) -> Floats:
        return _templates(flat[position])

    @lru_cache(maxsize=256)
    def windows(position: int) -> tuple[Floats, Floats]:
        return _windows(flat[position])

    likeness = np.empty(len(pairs), np.float32)
    best = np.empty(len(pairs), np.int64)
    # Why one thread: for products this small, waking threads costs more than it gains, ten times
    # as much on a busy machine.
    with threadpool_limits(1):
        for number, (first, second) in enumerate(pairs.tolist()):
            parts, lengths = windows(second)
            match = templates(first) @ parts.T / lengths  # [13, 121]
            best[number] = match.argmax()
            likeness[number] = match.flat[best[number]]
            if on_progress is not None and (number % 50 == 49 or number + 1 == len(pairs)):
                on_progress("Comparing pixels", number + 1, len(pairs))
    box, window = np.divmod(best, _SHIFTS**2)
    return Alignments(likeness, box, np.stack(np.divmod(window, _SHIFTS), axis=1))


def unit(grays: Floats) -> Floats:
    """[N, D]: mean 0 and length 1, so that a product is a normalized correlation."""
    flat = grays.reshape(len(grays), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    result: Floats = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    return result


def boxes_of(grays: Floats, box: int) -> Floats:
    """The inner part of images [N, 48, 48] with a size of `BOXES`, as templates [N, 38, 38]."""
    height, width = BOXES[box]
    top, left = (SIDE_PX - height) // 2, (SIDE_PX - width) // 2
    cut = grays[:, top : top + height, left : left + width]
    if (height, width) == (TEMPLATE_PX, TEMPLATE_PX):
        return cut
    result: Floats = np.matmul(np.matmul(_resizing(height), cut), _resizing(width).T)
    return result


def windows_of(grays: Floats, top: int, left: int) -> Floats:
    """A part of images [N, 48, 48] with the size of a template, [N, 38, 38]."""
    return grays[:, top : top + TEMPLATE_PX, left : left + TEMPLATE_PX]


def registered(
    grays: Floats, target: Floats, *, middle: tuple[float, float], scale: tuple[float, float]
) -> Floats:
    """Images [K, 48, 48] moved, turned, scaled and sheared until they lie on a target [38, 38].

    Two Gauss-Newton steps: enough for parts that were put down a little differently.

    Args:
        grays: the images.
        target: what they shall resemble.
        middle: where the middle of the target lies in them at first, down and right in px.
        scale: how many of their px a px of the target covers at first.
    """
    from scipy import ndimage

    y, x = (np.mgrid[:TEMPLATE_PX, :TEMPLATE_PX] - (TEMPLATE_PX - 1) / 2).astype(np.float32)
    ones = np.ones_like(y)
    result = np.empty((len(grays), TEMPLATE_PX, TEMPLATE_PX), np.float32)
    for number, gray in enumerate(grays):
        smooth = ndimage.spline_filter(gray, order=3, output=np.float32)
        down, right = np.array([[middle[0], scale[0], 0], [middle[1], 0, scale[1]]])
        for step in range(_STEPS + 1):
            places = [p[0] + p[1] * y + p[2] * x for p in (down, right)]
            seen = ndimage.map_coordinates(smooth, places, order=3, prefilter=False, mode="nearest")
            if step == _STEPS:
                break
            v, h = np.gradient(seen)
            changes = np.stack([v, v * y, v * x, h, h * y, h * x, seen, ones]).reshape(8, -1)
            square = changes @ changes.T
            square[np.diag_indices(8)] *= 1 + 1e-4
            square[np.diag_indices(8)] += 1e-6
            moved = np.linalg.solve(square, changes @ (target - seen).ravel())
            # Why a limit: a step of more than a pixel is a guess.
            moved *= np.minimum(1, _LONGEST_STEP_PX / np.maximum(np.abs(moved), 1e-9))
            down, right = down + moved[:3], right + moved[3:6]
        result[number] = seen
    return result


def resized(plane: Floats, side: int) -> Floats:
    """A plane [H, W] brought to [side, side]."""
    image = Image.fromarray(plane).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32)


def _windows(image: Floats) -> tuple[Floats, Floats]:
    """All parts [121, 38 * 38] of the size of a template, and their lengths [121] about the mean.

    Templates have mean 0, so that a product with them needs the mean of a part in its length only.
    """
    shape = (TEMPLATE_PX, TEMPLATE_PX)
    parts = np.lib.stride_tricks.sliding_window_view(image, shape).reshape(-1, shape[0] ** 2)
    squares = np.einsum("ij,ij->i", parts, parts) - parts.sum(axis=1) ** 2 / parts.shape[1]
    return parts, np.sqrt(np.maximum(squares, 0)) + 1e-6


def _templates(image: Floats) -> Floats:
    """[13, 38 * 38]: the inner part with each of the sizes."""
    return unit(np.concatenate([boxes_of(image[None], box) for box in range(len(BOXES))]))


@lru_cache(maxsize=len(BOXES))
def _resizing(side: int) -> Floats:
    """[38, side]: what resizes columns; resizing is linear, so the unit vectors show it."""
    columns = np.eye(side, dtype=np.float32)
    resize = [
        Image.fromarray(np.ascontiguousarray(columns[:, [k]])).resize(
            (1, TEMPLATE_PX), Image.Resampling.BILINEAR
        )
        for k in range(side)
    ]
    return np.concatenate([np.asarray(column, np.float32) for column in resize], axis=1)
