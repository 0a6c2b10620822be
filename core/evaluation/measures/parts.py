"""Several images of one part are one decision: n counts parts, where they are known.

The rule is the same everywhere: **a part counts as wrong if any of its images is wrong.** So the
decisions that are counted are independent, and exact intervals hold. (A bootstrap of the pictures'
own rate would show no spread where no error was seen, which is just when the bound matters.)

Where a part shows several classes (one image of it with a scratch, one without), it is counted
once for each of them. Part numbers
are any integers, equal for images of one part; without them every image is a part of its own.
Equal files are one image: where nothing else is known, the numbers tell these alone, and n counts
images.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

Parts = NDArray[np.int64]


class Unit(StrEnum):
    """What n counts."""

    IMAGES = "pictures"  # as `--json` has always printed it
    PARTS = "parts"

    @property
    def word(self) -> str:
        """What people read: `images` or `parts`."""
        match self:
            case Unit.IMAGES:
                return "images"
            case Unit.PARTS:
                return "parts"
            case _:
                assert_never(self)


@dataclass(frozen=True)
class Units:
    """Which images count together: `order` [N] sorts them, `starts` [U] begins each unit."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        """How many decisions there are to count."""
        return len(self.starts)

    def first(self, values: NDArray[Any]) -> NDArray[Any]:
        """[U]: the value of each unit's first image, for values that are the same in a unit."""
        return values[self.order[self.starts]]

    def lowest(self, values: NDArray[Any]) -> NDArray[Any]:
        """[U]: the smallest value among each unit's images."""
        return self._reduced(np.minimum, values)

    def highest(self, values: NDArray[Any]) -> NDArray[Any]:
        """[U]: the largest value among each unit's images; for booleans: whether any is true."""
        return self._reduced(np.maximum, values)

    def _reduced(self, function: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        if not len(self.starts):
            return values[:0]
        reduced: NDArray[Any] = function.reduceat(values[self.order], self.starts)
        return reduced


def units(
    n: int, parts: Parts | None = None, kinds: NDArray[np.integer[Any]] | None = None
) -> Units:
    """What is counted: each part, or each pair of part and kind (such as its true class).

    Args:
        n: number of images.
        parts: [N] part numbers; None: every image is its own part.
        kinds: [N] what else separates images of one part; None: nothing.

    Raises:
        ValueError: if the lengths differ.
    """
    every = np.arange(n, dtype=np.int64)
    if parts is None:
        return Units(every, every)
    kinds = np.zeros(n, np.int64) if kinds is None else kinds
    if len(parts) != n or len(kinds) != n:
        raise ValueError(f"lengths differ: {n}, {len(parts)}, {len(kinds)}")
    order = np.lexsort((kinds, parts))
    new = np.ones(n, bool)
    new[1:] = (np.diff(parts[order]) != 0) | (np.diff(kinds[order]) != 0)
    return Units(order.astype(np.int64), np.flatnonzero(new).astype(np.int64))


def unit_of(parts: Parts | None, counts: Unit | None = None) -> Unit:
    """What n counts: as it is said, else parts where there are part numbers."""
    if counts is not None:
        return counts
    return Unit.IMAGES if parts is None else Unit.PARTS


def choose(parts: Parts | None, chosen: NDArray[Any]) -> Parts | None:
    """The part numbers of some images only."""
    return None if parts is None else parts[chosen]
