"""Whether a class is decided by something at the border of the images, and not by the part.

A tag, a clamp or a shadow that comes with one class is learned instead of the defect. Where the
heatmaps of a class are hot at the border on average, it is tried out: the region is put into images
of other classes. A decision that follows it was made by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.inference.explaining.faithful import cells
from core.inference.explaining.planting import mixed_image
from core.inference.occlusion import Pixels, Place, covered

_REGIONS = 4  # in a side of the image; those at the border are tried
_TRIED = 12
_FEWEST = 6
_HOT = 3 / _REGIONS**2  # three times its share of the area
_WARM = 1.5 / _REGIONS**2  # below it, heat lies elsewhere, and what follows may be the part's rim
_COUNTS = 0.05  # rise of the confidence
MEAN_CELLS = 28

Probabilities = Callable[[Pixels], NDArray[np.float32]]


@dataclass(frozen=True)
class BorderTest:
    """What a region at the border does to the decisions for a class.

    The box is left, top, right, bottom in fractions of what the network sees. `won` of `planted`
    images of other classes become the class when they get the region from one of its images, which
    raises its confidence by `gain` on average; `lost` of `covered` images of the class are no
    longer of it without the region.
    """

    box: tuple[float, float, float, float]
    heat: float  # share of the heat of the class in it
    won: int
    planted: int
    gain: float
    lost: int
    covered: int

    @property
    def decides(self) -> bool:
        """Whether half of the images follow a warm region, or most heat lies there and it counts.

        Why not also the lost ones: what covers the rim of a part may look like a defect itself.
        Why warm: defects reach the rim of parts, which make other images their class, too; of three
        sets without a mark one was flagged for it (`benchmarks/shortcut.py`).
        """
        if self.planted < _FEWEST or self.covered < _FEWEST:
            return False  # a few images may have their evidence at one place by chance
        follows = 2 * self.won >= self.planted and self.heat >= _WARM
        return follows or (self.heat >= _HOT and self.gain >= _COUNTS)


def mean_heat(heats: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The mean of heatmaps [S, S], each with the same sum: [28, 28], 1 at the hottest place."""
    total = np.zeros((MEAN_CELLS, MEAN_CELLS))
    for heat in heats:
        own = cells(heat, MEAN_CELLS)
        total += own / max(float(own.sum()), 1e-12)
    mean: NDArray[np.float64] = total / max(float(total.max()), 1e-12)
    return mean


def border_test(
    mean: NDArray[np.float64],
    own: Sequence[Pixels],
    others: Sequence[Pixels],
    target: int,
    probabilities: Probabilities,
) -> BorderTest:
    """Try out the region at the border that is hottest on average.

    Args:
        mean: [28, 28], mean heat of the class.
        own: images of the class, classified rightly.
        others: images of other classes, classified rightly.
        target: the class.
        probabilities: images [B, S, S, 3] to the confidences [B, C].
    """
    row, column, heat = _hottest_at_border(mean)
    shown, lost, effect = own[:_TRIED], 0, (0, 0, 0.0)
    if shown:
        place = _place(len(shown[0]), row, column)
        without = np.stack([covered(image, place) for image in shown])
        lost = int((probabilities(without).argmax(1) != target).sum())
        effect = _effect(shown, others, place, target, probabilities)
    step = 1 / _REGIONS
    box = (column * step, row * step, (column + 1) * step, (row + 1) * step)
    return BorderTest(box, heat, *effect, lost, len(shown))


def _effect(
    own: Sequence[Pixels],
    others: Sequence[Pixels],
    place: Place,
    target: int,
    probabilities: Probabilities,
) -> tuple[int, int, float]:
    """How many other images become the class with its region, of how many, and the mean rise."""
    pairs = list(zip(own, others, strict=False))
    if not pairs:
        return 0, 0, 0.0
    bare = np.stack([covered(image, place) for _, image in pairs])
    mixed = [mixed_image(b, given, place) for b, (given, _) in zip(bare, pairs, strict=True)]
    before, after = probabilities(bare), probabilities(np.stack(mixed))
    is_own_doing = before.argmax(1) != target  # what covers is no evidence
    if not is_own_doing.any():
        return 0, 0, 0.0
    rise = (after - before)[is_own_doing, target]
    won = (after.argmax(1) == target) & is_own_doing
    return int(won.sum()), int(is_own_doing.sum()), round(float(rise.mean()), 4)


def _hottest_at_border(mean: NDArray[np.float64]) -> tuple[int, int, float]:
    """Row, column and share of the heat of the hottest region at the border."""
    regions = cells(mean, _REGIONS)
    share = regions / max(float(regions.sum()), 1e-12)
    inner = np.s_[1:-1, 1:-1]
    outer = share.copy()
    outer[inner] = -1
    row, column = np.unravel_index(int(outer.argmax()), outer.shape)
    return int(row), int(column), float(share[row, column])


def _place(side: int, row: int, column: int) -> Place:
    edges = np.linspace(0, side, _REGIONS + 1).round().astype(int).tolist()
    return slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])
