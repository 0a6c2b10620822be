"""Classification measures from probabilities. Rows of a confusion matrix are the true classes.

A measure without data (no picture of the class, nothing predicted as it) follows the field's
convention 0, and `support` tells the reader that there was none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError

Probabilities = NDArray[np.float32]
Targets = NDArray[np.int64]
Matrix = NDArray[np.int64]


@dataclass(frozen=True)
class ClassMeasures:
    """Measures of one class, in [0, 1]; support is the number of pictures of this class."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int

    @property
    def has_data(self) -> bool:
        """Whether the class has pictures in the subset at all."""
        return self.support > 0


@dataclass(frozen=True)
class EvaluationReport:
    """Derived numbers of one subset; `confusion_matrix` is [C, C], rows true, columns predicted.

    Macro means are unweighted means over the classes that have pictures in the subset.
    """

    class_names: tuple[str, ...]
    confusion_matrix: Matrix
    per_class: tuple[ClassMeasures, ...]
    n: int
    accuracy: float
    top_k_error: dict[int, float]
    macro_precision: float
    macro_recall: float
    macro_f1: float


def evaluate(
    probabilities: Probabilities, targets: Targets, class_names: Sequence[str]
) -> EvaluationReport:
    """All measures of one subset.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        class_names: [C].

    Raises:
        ConfigError: if there is no picture, or a probability is no number.
    """
    _check(probabilities, targets, class_names)
    matrix = confusion_matrix(probabilities.argmax(axis=1), targets, len(class_names))
    per_class = class_measures(matrix, class_names)
    present = [item for item in per_class if item.has_data]
    return EvaluationReport(
        class_names=tuple(class_names),
        confusion_matrix=matrix,
        per_class=per_class,
        n=len(targets),
        accuracy=float(np.trace(matrix) / len(targets)),
        top_k_error=top_k_errors(probabilities, targets),
        macro_precision=float(np.mean([item.precision for item in present])),
        macro_recall=float(np.mean([item.recall for item in present])),
        macro_f1=float(np.mean([item.f1 for item in present])),
    )


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
        ClassMeasures(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]),
                      int(predicted[i]))
        for i, name in enumerate(class_names)
    )  # fmt: skip


def macro_f1(predicted: NDArray[np.intp], targets: Targets, class_count: int) -> float:
    """Unweighted mean F1 over the classes that have pictures."""
    matrix = confusion_matrix(predicted, targets, class_count)
    support = matrix.sum(axis=1)
    f1 = _ratio(2 * np.diag(matrix), support + matrix.sum(axis=0))
    return float(f1[support > 0].mean())


def top_k_errors(
    probabilities: Probabilities, targets: Targets, ks: Sequence[int] = (1, 2, 3, 5)
) -> dict[int, float]:
    """K -> share of pictures whose true class is not among the K most confident ones.

    K counts up to one less than the number of classes (from there the error is always 0). Equal
    confidences are ranked by class index, as the prediction itself is.
    """
    true = np.take_along_axis(probabilities, targets[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1])[None, :] < targets[:, None]
    ahead = (probabilities > true) | ((probabilities == true) & earlier)
    rank = ahead.sum(axis=1)
    limit = max(1, probabilities.shape[1] - 1)
    return {k: float((rank >= k).mean()) for k in ks if k <= limit}


def relative(matrix: Matrix) -> NDArray[np.float64]:
    """[C, C] shares of each true class; rows without pictures are 0."""
    return _ratio(matrix, matrix.sum(axis=1, keepdims=True))


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(np.broadcast_shapes(
        numerator.shape, denominator.shape), np.float64), where=denominator != 0)  # fmt: skip


def _check(probabilities: Probabilities, targets: Targets, class_names: Sequence[str]) -> None:
    if probabilities.shape != (len(targets), len(class_names)):
        raise ValueError(f"shapes differ: {probabilities.shape}, {targets.shape}")
    if len(targets) == 0:
        raise ConfigError(
            "There is no picture in this subset.", "Choose another subset or make another split."
        )
    if not np.isfinite(probabilities).all():
        raise ConfigError(
            "Some stored probabilities are no numbers.",
            "The training diverged: train again with a smaller learning rate.",
        )
