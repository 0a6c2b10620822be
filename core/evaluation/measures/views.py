"""What the screen shows of a judged set: headline, rates of classes, and matrices one can click.

A matrix here counts images; headline and rates count parts where parts are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.decisions.outcome import (
    NOK,
    OK,
    OperatingPoint,
    Outcome,
    Verdicts,
    decide,
    has_both,
    outcome,
    truths,
)
from core.evaluation.measures.classification import Matrix, Probabilities, Targets, confused_pairs
from core.evaluation.measures.intervals import CONFIDENCE, Rate, rate_of, rates
from core.evaluation.measures.parts import Parts, Unit, units

Classes = NDArray[np.int64]
DECISIONS = ("accepted", "to a person", "rejected")


@dataclass(frozen=True)
class Headline:
    """The numbers that everybody asks for first.

    `ok_nok` is None where no class is OK, or none NOK; `n` counts images, `accuracy` the `unit`.
    """

    n: int
    unit: Unit
    accuracy: Rate
    ok_nok: Outcome | None


def headline(
    probabilities: Probabilities,
    targets: Targets,
    *,
    parts: Parts | None = None,
    verdicts: Verdicts = (),
    point: OperatingPoint | None = None,
    predicted: Classes | None = None,
    confidence: float = CONFIDENCE,
) -> Headline:
    """Accuracy, escapes and overkill with bounds.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        parts: [N] part numbers; None: every image is its own part.
        verdicts: [C], "OK", "NOK" or None.
        point: the decision rule; None: the verdict of the predicted class.
        predicted: [N], the most probable classes, where they are known already.
        confidence: of the intervals.
    """
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    wrong = predicted != targets
    judged = None
    if has_both(verdicts):
        decisions = decide(point or OperatingPoint(), probabilities, verdicts, predicted)
        judged = outcome(decisions, truths(targets, verdicts), parts, confidence)
    return Headline(
        n=len(targets),
        unit=Unit.IMAGES if parts is None else Unit.PARTS,
        accuracy=rate_of(wrong, parts, confidence).complement,
        ok_nok=judged,
    )


@dataclass(frozen=True)
class ClassRates:
    """Precision and recall of one class with bounds; no data where it is absent or unpredicted."""

    name: str
    precision: Rate
    recall: Rate


def class_rates(
    predicted: Classes,
    targets: Targets,
    class_names: Sequence[str],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[ClassRates, ...]:
    """Both rates of every class; a part is right if all its images of the class are."""
    right = predicted == targets
    precision = _rates_by(predicted, right, len(class_names), parts, confidence)
    recall = _rates_by(targets, right, len(class_names), parts, confidence)
    return tuple(map(ClassRates, class_names, precision, recall))


def _rates_by(
    classes: Classes, right: NDArray[np.bool_], count: int, parts: Parts | None, confidence: float
) -> tuple[Rate, ...]:
    counted = units(len(classes), parts, classes)
    of = counted.first(classes)
    hits = np.bincount(of[counted.lowest(right)], minlength=count)
    return rates(hits, np.bincount(of, minlength=count), confidence)


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
    return _view(names, names, tones, place[targets], place[predicted], classes, classes)


def ok_nok_matrix(predicted: Classes, targets: Targets, verdicts: Verdicts) -> MatrixView:
    """Verdict of the true class against verdict of the predicted one.

    [2, 2], or [2, 3] where classes without verdict were predicted. Images whose true class has no
    verdict are outside.
    """
    codes = truths(np.arange(len(verdicts)), verdicts).astype(np.int64)
    said = np.where(codes < 0, 2, codes)[predicted]
    columns = ("called OK", "called NOK", "no verdict")[: 3 if (said == 2).any() else 2]
    tones = (
        (Tone.RIGHT, Tone.WRONG, Tone.OPEN)[: len(columns)],
        (Tone.WRONG, Tone.RIGHT, Tone.OPEN)[: len(columns)],
    )
    return _view(("truly OK", "truly NOK"), columns, tones, codes[targets], said)


def decision_matrix(
    decisions: NDArray[np.int8],
    targets: Targets,
    verdicts: Verdicts,
    class_names: Sequence[str],
    shown: Sequence[int] | None = None,
) -> MatrixView:
    """True class against what happens to the image: accepted, to a person, rejected.

    Args:
        decisions: [N], from `core.evaluation.decisions.decide`.
        targets: [N] class indices.
        verdicts: [C].
        class_names: [C].
        shown: class indices in view; None for all.
    """
    classes = tuple(range(len(class_names)) if shown is None else shown)
    place = np.full(len(class_names), -1, np.int64)
    place[list(classes)] = np.arange(len(classes))
    codes = truths(np.arange(len(class_names)), verdicts)
    meanings = {
        OK: (Tone.RIGHT, Tone.OPEN, Tone.WRONG),
        NOK: (Tone.WRONG, Tone.OPEN, Tone.RIGHT),
    }
    tones = tuple(meanings.get(int(codes[i]), (Tone.OPEN,) * 3) for i in classes)
    names = tuple(
        f"{verdicts[i]} · {class_names[i]}" if verdicts[i] else class_names[i] for i in classes
    )
    return _view(names, DECISIONS, tones, place[targets], decisions.astype(np.int64), classes)


def _view(
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    tones: tuple[tuple[Tone, ...], ...],
    row_of: Classes,
    column_of: Classes,
    row_classes: tuple[int, ...] | None = None,
    column_classes: tuple[int, ...] | None = None,
) -> MatrixView:
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


def _found_classes(class_names: Sequence[str], search: str) -> list[int]:
    """Classes whose names contain what is searched; the very name, or the shortest ones, first."""
    wanted = search.casefold().strip()
    if not wanted:
        return []
    found = [i for i, name in enumerate(class_names) if wanted in name.casefold()]
    return sorted(found, key=lambda i: (len(class_names[i]), i))


def mean_precision(classes: Sequence[ClassRates]) -> float | None:
    """Mean over the classes with images; one that is never predicted counts as 0.

    Why 0: a model that never names a class must not look better by that.
    """
    of_classes = [c.precision.value or 0.0 for c in classes if c.recall.has_data]
    return sum(of_classes) / len(of_classes) if of_classes else None


def mean_recall(classes: Sequence[ClassRates]) -> float | None:
    """Mean over the classes with images."""
    of_classes = [c.recall.value for c in classes if c.recall.value is not None]
    return sum(of_classes) / len(of_classes) if of_classes else None


def classes_to_show(
    matrix: Matrix, class_names: Sequence[str], *, search: str = "", most: int = 25
) -> tuple[int, ...]:
    """Class indices worth a place in a matrix of limited size, in class order.

    With a search, the classes whose names contain it (the very name first) and those they are most
    confused with; none where no class has such a name. Else those of the most frequent confusions,
    then the largest.
    """
    found = _found_classes(class_names, search)
    if search.strip() and not found:
        return ()
    if len(matrix) <= most and not found:
        return tuple(range(len(matrix)))
    # Why half: the other half is for what they are confused with.
    chosen = dict.fromkeys(found[: max(1, most // 2)])
    part = matrix
    if found:
        part = np.zeros_like(matrix)
        part[found], part[:, found] = matrix[found], matrix[:, found]
    for pair in confused_pairs(part, most=most * most):
        new = {pair.true, pair.predicted} - set(chosen)
        if len(chosen) + len(new) <= most:
            chosen.update(dict.fromkeys(sorted(new)))
    if found:
        further = [i for i in found if i not in chosen]
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


def sorted_images(
    positions: NDArray[np.int64],
    order: Order,
    *,
    confidence: NDArray[np.floating[Any]],
    margin: NDArray[np.floating[Any]],
    loss: NDArray[np.floating[Any]],
    focus: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.int64]:
    """The positions [n], sorted; equal ones stay in their order.

    Args:
        positions: of images, in [0, N).
        order: by what.
        confidence: [N] of the predicted class.
        margin: [N] between the predicted class and the next one.
        loss: [N] minus the logarithm of the true class' probability.
        focus: [N] of the heatmap; NaN (not known) comes last. Needed for its order only.
    """
    keys = {Order.CONFIDENT: -confidence, Order.UNSURE: margin, Order.LOSS: -loss}
    if focus is not None:
        keys[Order.FOCUS] = focus
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
