"""The confusion matrix and what is counted from it. Its rows are the true classes.

Plain floats without data (no image of the class, nothing predicted as it) follow the field's
convention 0, and `support` tells the reader that there was none. Rates and estimates, the values
with intervals, have no value then: "no data".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.measures.parts import Parts

Probabilities = NDArray[np.float32]
Targets = NDArray[np.int64]
Matrix = NDArray[np.int64]


@dataclass(frozen=True)
class ClassMeasures:
    """Measures of one class, in [0, 1]; support is the number of images of this class."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int

    @property
    def has_data(self) -> bool:
        """Whether the class has images in the subset at all."""
        return self.support > 0


def confusion_matrix(predicted: NDArray[np.intp], targets: Targets, class_count: int) -> Matrix:
    """[C, C] counts, rows true, columns predicted."""
    flat = np.bincount(targets * class_count + predicted, minlength=class_count**2)
    return flat.reshape(class_count, class_count).astype(np.int64)


def class_measures(matrix: Matrix, class_names: Sequence[str]) -> tuple[ClassMeasures, ...]:
    """Precision, recall, F1 and support of every class from a confusion matrix [C, C]."""
    hits, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = _ratio(hits, predicted), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + predicted)
    return tuple(
        ClassMeasures(
            name,
            float(precision[i]),
            float(recall[i]),
            float(f1[i]),
            int(support[i]),
            int(predicted[i]),
        )
        for i, name in enumerate(class_names)
    )


def macro_f1(predicted: NDArray[np.intp], targets: Targets, class_count: int) -> float:
    """Unweighted mean F1 over the classes that have images."""
    matrix = confusion_matrix(predicted, targets, class_count)
    support = matrix.sum(axis=1)
    f1 = _ratio(2 * np.diag(matrix), support + matrix.sum(axis=0))
    return float(f1[support > 0].mean())


@dataclass(frozen=True)
class ConfusedPair:
    """How often a true class (index) is taken for another one; share of the true class."""

    true: int
    predicted: int
    count: int
    share: float


def confused_pairs(matrix: Matrix, *, most: int = 50) -> tuple[ConfusedPair, ...]:
    """The most frequent confusions of a matrix [C, C], at most so many."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    flat, support = wrong.ravel(), matrix.sum(axis=1)
    cells = np.argsort(-flat, kind="stable")[: min(most, int((flat > 0).sum()))]
    rows, columns = np.divmod(cells, len(matrix))
    return tuple(
        ConfusedPair(int(r), int(c), int(matrix[r, c]), float(matrix[r, c] / support[r]))
        for r, c in zip(rows, columns, strict=True)
    )


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(
        numerator,
        denominator,
        out=np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape), np.float64),
        where=denominator != 0,
    )


def check_predictions(
    probabilities: Probabilities,
    targets: Targets,
    class_names: Sequence[str],
    parts: Parts | None = None,
) -> None:
    """Refuse predictions that cannot be measured.

    Raises:
        ConfigError: if there is no image, a probability is not a number or not a share, or an image
            has a class that the model does not know.
        ValueError: if shapes differ.
    """
    if probabilities.shape != (len(targets), len(class_names)):
        raise ValueError(f"shapes differ: {probabilities.shape}, {targets.shape}")
    if parts is not None and len(parts) != len(targets):
        raise ValueError(f"shapes differ: {parts.shape}, {targets.shape}")
    if len(targets) == 0:
        raise ConfigError(
            "This subset has no images.", "Choose another subset, or make another split."
        )
    if not np.isfinite(probabilities).all():
        raise ConfigError(
            "Some stored confidences are not numbers (NaN).",
            "The training diverged: train again with a smaller learning rate.",
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if probabilities.min() < 0 or np.abs(sums - 1).max() > 0.01:
        raise ConfigError(
            "The stored confidences of some images do not add up to 100%.",
            "They were not made by this program: train the model again.",
        )
    if targets.min() < 0 or targets.max() >= len(class_names):
        raise ConfigError(
            "Some images have a class that this model does not know.",
            "The classes of the dataset have changed since the training: train again.",
        )
