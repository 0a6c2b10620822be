"""Which images stand behind a number of the OK / NOK matrix."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.decisions.outcome import NOK, Decision, Decisions
from core.evaluation.measures.parts import Parts, choose, units


def images_in_cell(
    decisions: Decisions,
    truth: NDArray[np.int8],
    parts: Parts | None,
    *,
    true: int,
    decision: Decision,
) -> NDArray[np.int64]:
    """Positions of the images that put their parts into this cell.

    A part counts by its worst image (see `core.evaluation.decisions.outcome`), so its other
    images are not shown: they were decided differently.

    Args:
        decisions: [N], one per image.
        truth: [N], from `core.evaluation.decisions.truths`.
        parts: [N] part numbers; None: every image is its own part.
        true: `OK` or `NOK`, the row.
        decision: the column.
    """
    of_row = np.flatnonzero(truth == true)
    values = decisions[of_row]
    counted = units(len(of_row), choose(parts, of_row))
    worst = counted.lowest(values) if true == NOK else counted.highest(values)
    in_cell = spread(worst == decision, counted.order, counted.starts) & (values == decision)
    positions: NDArray[np.int64] = of_row[in_cell]
    return positions


def spread(
    of_units: NDArray[Any], order: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[Any]:
    """The value of each unit [U] at every one of its images [N]."""
    sizes = np.diff(np.append(starts, len(order)))
    result = np.empty(len(order), of_units.dtype)
    result[order] = np.repeat(of_units, sizes)
    return result
