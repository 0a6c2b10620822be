"""Detail levels that put the features of several views of the same pixels together."""

from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import Detail


class PixelView(StrEnum):
    """How the network looks at the pixels; the value names its features on disk."""

    PLAIN = ""
    MIRRORED = "mirrored"
    TURNED_90 = "turned-90"
    TURNED_180 = "turned-180"
    TURNED_270 = "turned-270"

    def of(self, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels [N, P, P, 3] as they are seen, turned counterclockwise."""
        match self:
            case PixelView.PLAIN:
                return rows
            case PixelView.MIRRORED:
                return rows[:, :, ::-1]
            case PixelView.TURNED_90 | PixelView.TURNED_180 | PixelView.TURNED_270:
                return np.rot90(rows, int(self.removeprefix("turned-")) // 90, (1, 2))
            case _:
                assert_never(self)


def pixel_views(detail: Detail) -> tuple[PixelView, ...]:
    """The views whose stages a level puts together; none where it has a graph of its own."""
    match detail:
        case Detail.MIRRORED:
            return PixelView.PLAIN, PixelView.MIRRORED
        case Detail.TURNED:
            turned = PixelView.TURNED_90, PixelView.TURNED_180, PixelView.TURNED_270
            return PixelView.PLAIN, *turned
        case Detail.WHOLE | Detail.STAGES | Detail.TILES | Detail.PLACES:
            return ()
        case _:
            assert_never(detail)


def put_together(detail: Detail, views: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The features [N, D] of a level from those of its views, as its graph does it."""
    if detail is Detail.MIRRORED:
        mean: NDArray[np.float32] = (views[0] + views[1]) / np.float32(2)
        return mean
    largest: NDArray[np.float32] = np.maximum.reduce(views)
    return largest
