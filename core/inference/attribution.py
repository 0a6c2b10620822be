"""Where the score of a class comes from, for features that are means and maxima of maps.

The score is linear in the features, so it divides exactly: a mean among all places, each by its
value, and a maximum to its mean over all places and, for what it rises above that, to the place
where it lies. Of several views, a feature belongs to the view that gave it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]
_MIRRORED, _TURNED = 2, 4  # views


def evidence(
    stages: Sequence[Maps], weight: NDArray[np.float32], *, finer: int = 1
) -> NDArray[np.float32]:
    """Evidence for a class [h, w]; the sum is its score without the bias, and may be negative.

    Args:
        stages: maps [V, D_k, h_k, w_k] of each stage: of the image; of it and its mirror image,
            whose features are averaged; of it turned by 0, 90, 180 and 270 degrees; or of it and
            its quarters, row by row. Of turned images and quarters the largest features count.
        weight: of the class, [2 * sum of D_k]: of each stage the means, then the maxima.
        finer: cells in each direction for one of the last stage, and of its quarters where there
            are some; lower stages say where in it their part lies.
    """
    views, _, high, wide = stages[0].shape
    if views == _MIRRORED:
        own, other = (
            evidence([maps[i : i + 1] for maps in stages], weight, finer=finer)
            for i in range(views)
        )
        mean: NDArray[np.float32] = np.mean([own, other[:, ::-1]], axis=0, dtype=np.float32)
        return mean
    fine = finer if views in (1, _TURNED) else 2 * finer
    total = np.zeros((fine * high, fine * wide))
    start = 0
    for maps in stages:
        width = maps.shape[1]
        of_means, of_maxima = weight[start : start + width], weight[start + width :][:width]
        parts = _divided(maps, of_means, of_maxima)  # [V, h, w]
        total += _spread(parts[0], total.shape)
        if views == _TURNED:
            for turns in range(1, views):
                total += _spread(np.rot90(parts[turns], -turns), total.shape)
        elif views > 1:
            total += _spread(np.block([[parts[1], parts[2]], [parts[3], parts[4]]]), total.shape)
        start += 2 * width
    return total.astype(np.float32)


def smoothed(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """[h, w]: of each cell the mean with its neighbours.

    Why: a maximum lies in one cell of a quarter, and its cause, which is larger, around it. On the
    drawn cracks of the demo the hottest pixel then hits 40 of 40 instead of 27
    (`benchmarks/pointing.py`).
    """
    high, wide = parts.shape
    padded = np.pad(parts, 1, mode="edge")
    shifts = [padded[y : y + high, x : x + wide] for y in range(3) for x in range(3)]
    mean: NDArray[np.float32] = np.mean(shifts, axis=0)
    return mean


def _divided(
    maps: Maps, of_means: NDArray[np.float32], of_maxima: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The part of the score that each place of one stage gives: [V, h, w]."""
    views, width, high, wide = maps.shape
    flat = maps.reshape(views, width, high * wide).astype(np.float64)
    means = flat.mean(2)  # [V, D]
    every = np.arange(width)
    view, peak_view = means.argmax(0), flat.max(2).argmax(0)
    place = flat[peak_view, every].argmax(1)
    result = np.zeros((views, high * wide))
    for index in range(views):
        own = view == index
        result[index] += of_means[own] @ flat[index, own] / flat.shape[2]
        result[index] += float(of_maxima @ (means[index] * (peak_view == index))) / flat.shape[2]
    above = flat[peak_view, every, place] - means[peak_view, every]
    np.add.at(result, (peak_view, place), of_maxima * above)
    return result.reshape(views, high, wide)


def _spread(part: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A map on another grid over the same area; its sum stays."""
    rows, columns = (_shares(old, new) for old, new in zip(part.shape, shape, strict=True))
    spread: NDArray[np.float64] = rows @ part @ columns.T
    return spread


def _shares(old: int, new: int) -> NDArray[np.float64]:
    """[new, old]: the share of each of `old` equal intervals that lies in each of `new` ones."""
    edges, borders = np.arange(new + 1) / new, np.arange(old + 1) / old
    low = np.maximum(edges[:-1, None], borders[None, :-1])
    high = np.minimum(edges[1:, None], borders[None, 1:])
    shares: NDArray[np.float64] = np.maximum(0.0, high - low) * old
    return shares
