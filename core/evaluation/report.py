"""All numbers of a model on one subset: its measures, its classes, and the OK / NOK view."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.evaluation.decisions.outcome import (
    OkNokReport,
    OperatingPoint,
    Verdicts,
    has_both,
    ok_nok_report,
)
from core.evaluation.measures.calibration import Reliability
from core.evaluation.measures.catalog import Measure, MeasuredValue, catalog_of, measured
from core.evaluation.measures.class_rates import ClassBounds
from core.evaluation.measures.classification import (
    ClassMeasures,
    Matrix,
    Probabilities,
    Targets,
    check_predictions,
)
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.measures.labeled_predictions import LabeledPredictions
from core.evaluation.measures.parts import Parts, Unit


@dataclass(frozen=True)
class EvaluationReport:
    """The numbers of one subset; `confusion_matrix` is [C, C], rows true, columns predicted.

    `measures` are those of the catalog. `n` counts images, `independent` what intervals count:
    `unit` says whether that is images or parts. `class_mix` [C] are the shares of the classes:
    never show kappa without it. `ok_nok` is None where no class is OK, or none NOK.
    """

    class_names: tuple[str, ...]
    confusion_matrix: Matrix
    per_class: tuple[ClassMeasures, ...]
    bounds: tuple[ClassBounds, ...]
    measures: tuple[MeasuredValue, ...]
    class_mix: tuple[float, ...]
    n: int
    unit: Unit
    independent: int
    confidence: float
    reliability: Reliability
    ok_nok: OkNokReport | None

    def measure(self, key: str) -> MeasuredValue:
        """A measure by its key in the catalog.

        Raises:
            KeyError: if the report has no such measure.
        """
        for item in self.measures:
            if item.measure.key == key:
                return item
        raise KeyError(key)

    @property
    def listed(self) -> tuple[MeasuredValue, ...]:
        """The measures that people see."""
        return tuple(item for item in self.measures if item.measure.is_listed)

    @property
    def accuracy(self) -> float:
        """Share of images that are classified correctly."""
        return _known(self.measure("accuracy").of_images)

    @property
    def macro_f1(self) -> float:
        """Unweighted mean F1 over the classes that have images."""
        return _known(self.measure("macro_f1").value)


def _known(value: float | None) -> float:
    assert value is not None, "every subset with images has an accuracy and a macro F1"
    return value


def evaluate(
    probabilities: Probabilities,
    targets: Targets,
    class_names: Sequence[str],
    *,
    parts: Parts | None = None,
    verdicts: Verdicts = (),
    point: OperatingPoint | None = None,
    catalog: Sequence[Measure] | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    counts: Unit | None = None,
) -> EvaluationReport:
    """All numbers of one subset.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        class_names: [C].
        parts: [N] part numbers where several images may show one part.
        verdicts: [C], "OK", "NOK" or None; without both kinds there is no OK / NOK view.
        point: the decision rule of that view; None: the verdict of the predicted class decides.
        catalog: what is measured, accuracy and macro F1 among it; None: everything, with the
            usual top-K errors.
        confidence: of all intervals, two-sided.
        seed: of the draws behind intervals of means.
        counts: what the part numbers are; None: parts.

    Raises:
        ConfigError: if there is no image, a probability is not a number or not a share, or an
            image has a class that the model does not know.
        ValueError: if shapes differ.
    """
    check_predictions(probabilities, targets, class_names, parts)
    names = tuple(class_names)
    inputs = LabeledPredictions(
        probabilities, targets, names, parts, confidence, seed, counts=counts
    )
    return EvaluationReport(
        class_names=inputs.class_names,
        confusion_matrix=inputs.matrix,
        per_class=inputs.per_class,
        bounds=inputs.bounds,
        measures=measured(inputs, catalog_of(len(class_names)) if catalog is None else catalog),
        class_mix=tuple(inputs.class_mix.tolist()),
        n=len(targets),
        unit=inputs.unit,
        independent=inputs.part_count,
        confidence=confidence,
        reliability=inputs.reliability,
        ok_nok=ok_nok_report(
            probabilities, targets, verdicts, point=point, parts=parts, confidence=confidence
        )
        if has_both(verdicts)
        else None,
    )
