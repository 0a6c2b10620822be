"""Occlusion: how far a class falls back behind the others where a region is covered.

What covers a region is seen, too. A gray square on a pill is a contamination to the network: on
the drawn defects of the demo the hottest place was worse than chance. Four things together mend
that. A region is covered by what surrounds it, carried on from its four edges (Coons 1967). What
makes the class more likely when it is covered counts as nothing: it would cancel the falls of
windows that overlap it. Windows have two sizes, since what one of them invents, the other does not.
And they are tried where another map is warm, which spares five sixths of the time as well. Of 65
new pills that are classified rightly the hottest place is on the defect in 64, with one size and
falls against the nearest class alone in 57 (`benchmarks/pointing.py`).

Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks".
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Place = tuple[slice, slice]

SIZES = (5, 7)  # windows side by side; others lie between them, half a window apart
_TRIED = 18  # of the 9 x 9 and 13 x 13 windows, the warmest
_LEAST_WINDOW_PX = 8
_EDGE_PX = 3
_AT_ONCE = 32


def occlusion(
    pixels: Pixels, margins: Callable[[Pixels], Floats], guide: NDArray[np.floating] | None
) -> Floats:
    """How far a class falls on average where windows cover each pixel: [S, S], at least 0.

    Those of each size are in units of their largest fall.

    Args:
        pixels: uint8 [S, S, 3].
        margins: images [B, S, S, 3] to how far the class is ahead of each other one, in logits:
            [B, C - 1].
        guide: [S, S], what speaks for the class by another method: windows are tried where it is
            warmest, and the others count as 0. None: all windows are tried.
    """
    before = float(margins(pixels[None]).mean())
    total = np.zeros(pixels.shape[:2])
    for across in SIZES:
        falls = _falls(pixels, lambda images: before - margins(images).mean(1), guide, across)
        total += falls / max(float(falls.max()), 1e-12)
    return total


def _falls(
    pixels: Pixels,
    fall: Callable[[Pixels], Floats],
    guide: NDArray[np.floating] | None,
    across: int,
) -> Floats:
    """Mean fall over all windows of one size on each pixel: [S, S], at least 0."""
    places = windows(len(pixels), guide, across)
    total, times = np.zeros(pixels.shape[:2]), np.zeros(pixels.shape[:2])
    # Why also those that are not tried: at the rim of the tried region a pixel lies in one of
    # them, and a single fall would count more there than a mean in the middle.
    for place in windows(len(pixels), None, across):
        times[place] += 1
    for start in range(0, len(places), _AT_ONCE):
        part = places[start : start + _AT_ONCE]
        falls = fall(np.stack([covered(pixels, place) for place in part]))
        for value, place in zip(falls, part, strict=True):
            total[place] += max(float(value), 0.0)
    mean: Floats = total / times
    return mean


def windows(side: int, guide: NDArray[np.floating] | None, across: int) -> list[Place]:
    """The windows to cover in an image [S, S]: those where the guide is warmest, or all."""
    window = min(side, max(_LEAST_WINDOW_PX, -(-side // across)))
    count = 2 * -(-side // window) - 1  # every second one from the first covers the whole side
    starts = np.linspace(0, side - window, count).round().astype(int).tolist()
    places = [(slice(y, y + window), slice(x, x + window)) for y in starts for x in starts]
    if guide is None:
        return places
    warmth = np.array([guide[place].mean() for place in places])
    return [places[i] for i in np.argsort(-warmth, kind="stable")[:_TRIED]]


def covered(pixels: Pixels, place: Place) -> Pixels:
    """A copy in which a window is filled from its edges: linear between opposite ones.

    At the border of the image the edge inside stands for the missing one opposite to it.
    """
    (top, bottom), (left, right) = ((part.start, part.stop) for part in place)
    inside = pixels[place].shape[:2]
    above = _mean(pixels[max(0, top - _EDGE_PX) : top, left:right], 0)
    below = _mean(pixels[bottom : bottom + _EDGE_PX, left:right], 0)
    before = _mean(pixels[top:bottom, max(0, left - _EDGE_PX) : left], 1)
    after = _mean(pixels[top:bottom, right : right + _EDGE_PX], 1)
    upper, lower = _both(above, below), _both(below, above)  # [w, 3]
    west, east = _both(before, after), _both(after, before)  # [h, 3]
    result = pixels.copy()
    if upper is None or lower is None or west is None or east is None:
        return result  # a window as large as the image has no surroundings
    down, across = ((np.arange(length) + 0.5) / length for length in inside)
    v, u = down[:, None, None], across[None, :, None]
    edges = (1 - v) * upper + v * lower + (1 - u) * west[:, None] + u * east[:, None]
    corners = (
        (1 - v) * (1 - u) * (upper[0] + west[0])
        + (1 - v) * u * (upper[-1] + east[0])
        + v * (1 - u) * (lower[0] + west[-1])
        + v * u * (lower[-1] + east[-1])
    ) / 2
    result[place] = np.clip(edges - corners + 0.5, 0, 255).astype(np.uint8)
    return result


def _mean(strip: Pixels, axis: int) -> Floats | None:
    """The mean colours along an edge; None beyond the image."""
    return strip.mean(axis, dtype=np.float64) if strip.size else None


def _both(edge: Floats | None, opposite: Floats | None) -> Floats | None:
    return opposite if edge is None else edge
