"""Precision, recall, F1 and areas of every class, with intervals.

n counts parts where parts are known: a part is right if all its images of the class are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures.auc import areas_of_classes
from core.evaluation.measures.classification import Probabilities, Targets
from core.evaluation.measures.intervals import (
    CONFIDENCE,
    Estimate,
    Interval,
    Rate,
    f1_bounds,
    rates,
)
from core.evaluation.measures.parts import Parts, units

Classes = NDArray[np.int64]


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
    precision = _rates_by_class(predicted, right, len(class_names), parts, confidence)
    recall = _rates_by_class(targets, right, len(class_names), parts, confidence)
    return tuple(map(ClassRates, class_names, precision, recall))


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


@dataclass(frozen=True)
class ClassBounds:
    """Every measure of one class; n counts parts, a part is right if all its images are.

    `recall` is of the parts of this class, `precision` of the parts predicted as it (no data if it
    was never predicted), `f1` that of the parts that touch the class. Areas are against the rest.
    """

    name: str
    recall: Rate
    precision: Rate
    f1: Estimate
    roc_area: Estimate
    average_precision: Estimate


def class_bounds(
    probabilities: Probabilities,
    predicted: Classes,
    targets: Targets,
    class_names: Sequence[str],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[ClassBounds, ...]:
    """Everything with an interval that can be said of each class alone.

    Args:
        probabilities: [N, C], rows sum to 1.
        predicted: [N], the most probable classes.
        targets: [N], class indices in [0, C).
        class_names: [C].
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the intervals, two-sided.
    """
    of_classes = class_rates(predicted, targets, class_names, parts, confidence)
    f1 = _f1_estimates(predicted, targets, len(class_names), parts, confidence)
    areas = areas_of_classes(probabilities, targets, parts, confidence)
    return tuple(
        ClassBounds(c.name, c.recall, c.precision, f1_of, area.roc, area.average_precision)
        for c, f1_of, area in zip(of_classes, f1, areas, strict=True)
    )


def _rates_by_class(
    classes: Classes,
    right: NDArray[np.bool_],
    class_count: int,
    parts: Parts | None,
    confidence: float,
) -> tuple[Rate, ...]:
    counted = units(len(classes), parts, classes)
    of = counted.first(classes)
    hits = np.bincount(of[counted.lowest(right)], minlength=class_count)
    return rates(hits, np.bincount(of, minlength=class_count), confidence)


def _f1_estimates(
    predicted: Classes,
    targets: Targets,
    class_count: int,
    parts: Parts | None,
    confidence: float,
) -> list[Estimate]:
    """F1 over the parts that touch a class: hit only if all such images of the part are."""
    wrong = np.flatnonzero(predicted != targets)
    images = np.concatenate([np.arange(len(targets)), wrong])
    classes = np.concatenate([targets, predicted[wrong]])
    # Why images as parts: a wrong image touches two classes, but each of them only once.
    counted = units(len(images), images if parts is None else parts[images], classes)
    of = counted.first(classes)
    hit = counted.lowest((predicted == targets)[images])
    hits = np.bincount(of[hit], minlength=class_count)
    touched = np.bincount(of, minlength=class_count)
    low, high = f1_bounds(hits, touched, confidence)
    return [
        Estimate(float(2 * h / (h + t)), Interval(float(a), float(b), confidence))
        if t
        else Estimate(None)
        for h, t, a, b in zip(hits, touched, low, high, strict=True)
    ]
