"""What the screen shows of predictions: matrices to click, sorted images, bands of confidence.

All of it counts images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures.classification import Matrix, Targets, confused_pairs

Classes = NDArray[np.int64]


class Tone(StrEnum):
    """What a cell of a matrix means."""

    RIGHT = "right"
    WRONG = "wrong"
    OPEN = "open"


@dataclass(frozen=True)
class MatrixView:
    """A matrix [R, K] of images: names, counts, meaning, and the cell of every image.

    `row_of` and `column_of` [N] are -1 for images outside of this view. `row_classes` and
    `column_classes` hold the class index behind each row or column, None where they are no
    classes. `row_totals` [R] and `column_totals` [K] also count images outside of this view.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Matrix
    tones: tuple[tuple[Tone, ...], ...]
    row_of: Classes
    column_of: Classes
    row_totals: Classes
    column_totals: Classes
    row_classes: tuple[int, ...] | None = None
    column_classes: tuple[int, ...] | None = None

    @property
    def of_rows(self) -> NDArray[np.float64]:
        """[R, K] shares of each whole row, also where the view cuts it; 0 for empty rows."""
        return self.counts / np.maximum(self.row_totals, 1)[:, None]

    @property
    def of_columns(self) -> NDArray[np.float64]:
        """[R, K] shares of each whole column; 0 for empty columns."""
        return self.counts / np.maximum(self.column_totals, 1)[None, :]

    @property
    def outside(self) -> int:
        """Images that are not in view."""
        return len(self.row_of) - int(self.counts.sum())

    def images(self, row: int, column: int) -> NDArray[np.int64]:
        """Positions [n] of the images behind a cell."""
        return np.flatnonzero((self.row_of == row) & (self.column_of == column))


def class_matrix(
    predicted: Classes,
    targets: Targets,
    class_names: Sequence[str],
    shown: Sequence[int] | None = None,
) -> MatrixView:
    """True against predicted class.

    Args:
        predicted: [N] class indices.
        targets: [N] class indices.
        class_names: [C].
        shown: class indices in view, in this order; None for all.
    """
    classes = tuple(range(len(class_names)) if shown is None else shown)
    place = np.full(len(class_names), -1, np.int64)
    place[list(classes)] = np.arange(len(classes))
    names = tuple(class_names[i] for i in classes)
    tones = tuple(
        tuple(Tone.RIGHT if r == c else Tone.WRONG for c in range(len(classes)))
        for r in range(len(classes))
    )
    return matrix_view(names, names, tones, place[targets], place[predicted], classes, classes)


def matrix_view(
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    tones: tuple[tuple[Tone, ...], ...],
    row_of: Classes,
    column_of: Classes,
    row_classes: tuple[int, ...] | None = None,
    column_classes: tuple[int, ...] | None = None,
) -> MatrixView:
    """A matrix from the row and column of every image.

    Args:
        rows: names [R].
        columns: names [K].
        tones: [R][K], what each cell means.
        row_of: [N], -1 for images outside of this view.
        column_of: [N], the same.
        row_classes: [R] class indices; None where rows are no classes.
        column_classes: [K] class indices; None where columns are no classes.
    """
    inside = (row_of >= 0) & (column_of >= 0)
    flat = np.bincount(
        row_of[inside] * len(columns) + column_of[inside], minlength=len(rows) * len(columns)
    )
    counts = flat.reshape(len(rows), len(columns)).astype(np.int64)
    return MatrixView(
        rows,
        columns,
        counts,
        tones,
        np.where(inside, row_of, -1),
        np.where(inside, column_of, -1),
        np.bincount(row_of[row_of >= 0], minlength=len(rows)),
        np.bincount(column_of[column_of >= 0], minlength=len(columns)),
        row_classes,
        column_classes,
    )


def _matching_classes(class_names: Sequence[str], search: str) -> list[int]:
    """Classes whose names contain what is searched; the very name, or the shortest ones, first."""
    wanted = search.casefold().strip()
    if not wanted:
        return []
    matches = [i for i, name in enumerate(class_names) if wanted in name.casefold()]
    return sorted(matches, key=lambda i: (len(class_names[i]), i))


def classes_to_show(
    matrix: Matrix, class_names: Sequence[str], *, search: str = "", most: int = 25
) -> tuple[int, ...]:
    """Class indices worth a place in a matrix of limited size, in class order.

    With a search, the classes whose names contain it (the very name first) and those they are most
    confused with; none where no class has such a name. Else those of the most frequent confusions,
    then the largest.
    """
    matches = _matching_classes(class_names, search)
    if search.strip() and not matches:
        return ()
    if len(matrix) <= most and not matches:
        return tuple(range(len(matrix)))
    # Why half: the other half is for what they are confused with.
    chosen = dict.fromkeys(matches[: max(1, most // 2)])
    part = matrix
    if matches:
        part = np.zeros_like(matrix)
        part[matches], part[:, matches] = matrix[matches], matrix[:, matches]
    for pair in confused_pairs(part, most=most * most):
        new = {pair.true, pair.predicted} - set(chosen)
        if len(chosen) + len(new) <= most:
            chosen.update(dict.fromkeys(sorted(new)))
    if matches:
        further = [i for i in matches if i not in chosen]
        chosen.update(dict.fromkeys(further[: most - len(chosen)]))
    elif len(chosen) < 2:
        by_size = np.argsort(-matrix.sum(axis=1), kind="stable")
        chosen.update(dict.fromkeys(int(i) for i in by_size[: most - len(chosen)]))
    return tuple(sorted(int(i) for i in chosen))


class Order(StrEnum):
    """How images are sorted."""

    CONFIDENT = "most confident"
    UNSURE = "smallest margin"
    LOSS = "highest loss"
    FOCUS = "least focused heatmap"
    REGION = "most heat in a region"


def sorted_images(
    positions: NDArray[np.int64],
    order: Order,
    *,
    confidence: NDArray[np.floating[Any]],
    margin: NDArray[np.floating[Any]],
    loss: NDArray[np.floating[Any]],
    focus: NDArray[np.floating[Any]] | None = None,
    region: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.int64]:
    """The positions [n], sorted; equal ones stay in their order.

    Args:
        positions: of images, in [0, N).
        order: by what.
        confidence: [N] of the predicted class.
        margin: [N] between the predicted class and the next one.
        loss: [N] minus the logarithm of the true class' probability.
        focus: [N] of the heatmap; NaN (not known) comes last. Needed for its order only.
        region: [N] share of the heat in a region; the same.
    """
    keys = {Order.CONFIDENT: -confidence, Order.UNSURE: margin, Order.LOSS: -loss}
    if focus is not None:
        keys[Order.FOCUS] = focus
    if region is not None:
        keys[Order.REGION] = -region
    return positions[np.argsort(keys[order][positions], kind="stable")]


@dataclass(frozen=True)
class ConfidenceBand:
    """Images whose confidence lies in [low, high)."""

    low: float
    high: float
    right: int
    wrong: int


EDGES = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)


def confidence_bands(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_]
) -> tuple[ConfidenceBand, ...]:
    """How many images are how sure, and how many of them right; the last band includes 1."""
    at = band_of(confidence)
    count = len(EDGES) - 1
    good = np.bincount(at[right], minlength=count)
    bad = np.bincount(at[~right], minlength=count)
    return tuple(
        ConfidenceBand(EDGES[i], EDGES[i + 1], int(good[i]), int(bad[i])) for i in range(count)
    )


def band_of(confidence: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """[N]: the number of the band of each image."""
    inner = np.array(EDGES[1:-1], confidence.dtype)
    return np.searchsorted(inner, confidence, "right").astype(np.int64)
