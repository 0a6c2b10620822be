"""Images that show the same pixels but for noise, and brighter or darker as a whole.

Why beside `similarity`: what two images share is held against their neighbours there, and where
most images show one part, its images are one another's neighbours. Nothing but another image of
the same part is equal to the noise, whatever the others look like.

Measured: of 1,344 magnetic tiles 12 images do, each pair of one tile; of 1,360 images of steel the
18 with an identical copy; frames of one part with noise of 2 gray values differ by 1.6. Of 400
rendered parts of each of seven designs in four looks, five pairs do, all where there is hardly any
noise: nobody could tell these from one part photographed twice.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]

_CORRELATION = 0.999
_DIFFERENCE = 1.75  # gray values, root mean square, after brightness and contrast are fitted
_STRUCTURE = 8.0  # times the difference, without shading: what is blank is equal to all that is
_BLOCK = 1024
_EACH = 10


def equal_pairs(grays: Gray, cells: Sequence[NDArray[np.int64]]) -> tuple[Pairs, Floats]:
    """Pairs of images that are equal but for noise, brightness and contrast.

    Args:
        grays: [N, 48, 48].
        cells: positions; images are compared within each.

    Returns:
        Positions [M, 2] with first < second, up to ten for each image, and their correlation [M].
    """
    flat = grays.reshape(len(grays), grays.shape[1] * grays.shape[2]).astype(np.float32)
    spread = flat.std(axis=1)
    fine = _structure(grays)
    found: dict[tuple[int, int], float] = {}
    for rows, others, correlation in _most_alike(flat, spread, cells):
        difference = spread[rows, None] * np.sqrt(np.maximum(0, 1 - correlation**2))
        is_equal = (correlation >= _CORRELATION) & (difference <= _DIFFERENCE)
        is_equal &= fine[rows, None] >= _STRUCTURE * difference
        for row, column in zip(*np.nonzero(is_equal), strict=True):
            pair = sorted((int(rows[row]), int(others[row, column])))
            found[pair[0], pair[1]] = float(correlation[row, column])
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    return pairs, np.array([found[first, second] for first, second in pairs], np.float32)


def _most_alike(
    flat: Floats, spread: Floats, cells: Sequence[NDArray[np.int64]]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """For blocks of images: positions [B], those of up to ten others [B, K], correlation [B, K]."""
    even = flat  # in place: of many images, each copy takes a gigabyte
    even -= flat.mean(axis=1, keepdims=True)
    even /= np.maximum(spread, 1e-6)[:, None] * np.sqrt(flat.shape[1], dtype=np.float32)
    for cell in cells:
        k = min(_EACH, len(cell) - 1)
        for start in range(0, len(cell), _BLOCK) if k else ():
            rows = np.arange(start, min(len(cell), start + _BLOCK))
            likeness = even[cell[rows]] @ even[cell].T  # [block, n]
            likeness[np.arange(len(rows)), rows] = -1
            nearest = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
            yield cell[rows], cell[nearest], np.take_along_axis(likeness, nearest, axis=1)


def _structure(grays: Gray) -> Floats:
    """Root mean square [N] of what is finer than shading, in gray values."""
    from scipy import ndimage

    result = np.empty(len(grays), np.float32)
    for start in range(0, len(grays), _BLOCK):
        gray = grays[start : start + _BLOCK].astype(np.float32)
        fine = gray - ndimage.gaussian_filter(gray, (0, 3, 3))
        result[start : start + _BLOCK] = np.sqrt((fine**2).mean(axis=(1, 2)))
    return result
