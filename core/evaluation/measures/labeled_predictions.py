"""Predictions beside the truth, what all measures are computed from; each step is made once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures import bootstrap, losses
from core.evaluation.measures.calibration import Reliability, reliability
from core.evaluation.measures.class_rates import ClassBounds, class_bounds
from core.evaluation.measures.classification import (
    ClassMeasures,
    Matrix,
    Probabilities,
    Targets,
    class_measures,
    confusion_matrix,
)
from core.evaluation.measures.intervals import CONFIDENCE, Rate, rate_of
from core.evaluation.measures.parts import Parts, Unit, unit_of, units


@dataclass(frozen=True)
class LabeledPredictions:
    """The predictions of one subset beside the truth, and what several measures need of them.

    Attributes:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        class_names: [C].
        parts: [N] part numbers; None: every image is its own part.
        confidence: of all intervals, two-sided.
        seed: of the draws behind intervals of means.
        counts: what the part numbers are; images where they only tell copies of one image; None:
            parts where there are any.
    """

    probabilities: Probabilities
    targets: Targets
    class_names: tuple[str, ...]
    parts: Parts | None = None
    confidence: float = CONFIDENCE
    seed: int = 0
    counts: Unit | None = None

    @property
    def unit(self) -> Unit:
        """What the counts of rates are."""
        return unit_of(self.parts, self.counts)

    @cached_property
    def part_count(self) -> int:
        """How many parts there are; images, where no parts are known."""
        return len(units(len(self.targets), self.parts))

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """[N]: the most probable class."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return predicted

    @cached_property
    def matrix(self) -> Matrix:
        """[C, C] images, rows true, columns predicted."""
        return confusion_matrix(self.predicted, self.targets, len(self.class_names))

    @cached_property
    def per_class(self) -> tuple[ClassMeasures, ...]:
        """Precision, recall and F1 of the images of each class."""
        return class_measures(self.matrix, self.class_names)

    @cached_property
    def bounds(self) -> tuple[ClassBounds, ...]:
        """The measures of each class with intervals."""
        return class_bounds(
            self.probabilities,
            self.predicted,
            self.targets,
            self.class_names,
            self.parts,
            self.confidence,
        )

    @cached_property
    def accuracy(self) -> Rate:
        """Parts whose images are all classified correctly."""
        return rate_of(self.predicted != self.targets, self.parts, self.confidence).complement

    @cached_property
    def image_accuracy(self) -> float:
        """Share of images that are classified correctly."""
        return float(np.trace(self.matrix) / len(self.targets))

    @cached_property
    def true_class_ranks(self) -> NDArray[np.int64]:
        """[N]: how many classes come before the true one."""
        return losses.true_class_ranks(self.probabilities, self.targets)

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against the share that is right."""
        return reliability(
            self.probabilities, self.targets, parts=self.parts, confidence=self.confidence
        )

    @cached_property
    def margins(self) -> bootstrap.Margins:
        """[C] sums of the confusion matrix."""
        return bootstrap.margins_of(self.matrix)

    @cached_property
    def drawn(self) -> bootstrap.Margins:
        """[R, C] sums of the matrices of parts drawn anew."""
        return bootstrap.resampled_margins(
            self.predicted, self.targets, len(self.class_names), self.parts, seed=self.seed
        )

    @cached_property
    def equal_weights(self) -> NDArray[np.float64]:
        """[C]: every class with images counts the same; sums to 1."""
        present = self.margins.support > 0
        return np.asarray(present / present.sum(), np.float64)

    @cached_property
    def class_mix(self) -> NDArray[np.float64]:
        """[C]: share of the images of each class; sums to 1."""
        return np.asarray(self.margins.support / self.margins.support.sum(), np.float64)
