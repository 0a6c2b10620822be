"""The measures of a whole subset: each is one row here, and appears wherever measures are shown.

`--json` and the table of `touchstone evaluate`, the Evaluate page and the report loop over what
`measured` gives. To add a measure, add a row to `CATALOG` (and a test that it is right).

Top-K errors have a row per K: see `top_k_error`. Rates are exact and count parts; the other
measures describe images. Intervals of means over classes, kappa and Matthews correlation come
from resampled parts (`bootstrap`), widened where few errors leave the draws without spread
(`means`); those of log loss and Brier score are t intervals between parts, those of areas count
effective parts (`auc`). Macro means weigh classes equally, weighted means by their images.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from core.errors import ConfigError
from core.evaluation.measures import bootstrap
from core.evaluation.measures.bootstrap import MarginsMeasure
from core.evaluation.measures.class_rates import ClassBounds
from core.evaluation.measures.intervals import Estimate, Interval, Rate, mean_estimate, rate_of
from core.evaluation.measures.labeled_predictions import LabeledPredictions
from core.evaluation.measures.losses import brier_scores, log_losses
from core.evaluation.measures.means import (
    estimate,
    mean_of_known,
    spread_of_agreement,
    spread_of_mean,
)
from core.evaluation.measures.parts import Unit

OfClass = Callable[[ClassBounds], Rate | Estimate]


class MeasureKind(StrEnum):
    """How a value is written and read."""

    RATE = "rate"  # in [0, 1], written in percent; higher is better
    NUMBER = "number"  # higher is better
    ERROR = "error"  # a number; lower is better


@dataclass(frozen=True)
class Measure:
    """One measure of a whole subset.

    Attributes:
        key: names it among the values of a report, and in `--json` unless `json_path` is given.
        title: what people call it.
        help: what it says, in one sentence.
        kind: how it is written and read.
        compute: the value with its interval; no value where there is no data for it.
        of_images: the value of images, where `compute` counts parts.
        json_path: where it stands in `--json`; empty for the key alone.
        is_listed: whether people see it; else it is another name of a listed one, for scripts.
    """

    key: str
    title: str
    help: str
    kind: MeasureKind
    compute: Callable[[LabeledPredictions], Rate | Estimate]
    of_images: Callable[[LabeledPredictions], float] | None = None
    json_path: tuple[str, ...] = ()
    is_listed: bool = True

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to it in `--json`."""
        return self.json_path or (self.key,)


@dataclass(frozen=True)
class MeasuredValue:
    """A measure of one subset: what is shown with its interval, and the plain value of images."""

    measure: Measure
    shown: Rate | Estimate
    of_images: float | None

    @property
    def value(self) -> float | None:
        """What is shown; None for no data."""
        return self.shown.value

    @property
    def interval(self) -> Interval | None:
        """Around the value shown; None where there is none."""
        return self.shown.interval


def measured(inputs: LabeledPredictions, catalog: Iterable[Measure]) -> tuple[MeasuredValue, ...]:
    """Every measure of the catalog on one subset, in its order."""
    return tuple(_measured(item, inputs) for item in catalog)


def _measured(item: Measure, inputs: LabeledPredictions) -> MeasuredValue:
    shown = item.compute(inputs)
    return MeasuredValue(item, shown, item.of_images(inputs) if item.of_images else shown.value)


def _macro(
    per_class: MarginsMeasure, of_class: OfClass
) -> Callable[[LabeledPredictions], Estimate]:
    """Mean over the classes with images; `of_class` gives the bounds of one of them."""

    def compute(inputs: LabeledPredictions) -> Estimate:
        spread = spread_of_mean(
            [of_class(bounds) for bounds in inputs.bounds], inputs.equal_weights
        )
        return _drawn(bootstrap.macro(per_class), inputs, spread)

    return compute


def _weighted(
    per_class: MarginsMeasure, of_class: OfClass
) -> Callable[[LabeledPredictions], Estimate]:
    """Mean over the classes, weighted by their images."""

    def compute(inputs: LabeledPredictions) -> Estimate:
        spread = spread_of_mean([of_class(bounds) for bounds in inputs.bounds], inputs.class_mix)
        return _drawn(bootstrap.weighted(per_class), inputs, spread)

    return compute


def _agreement(measure: MarginsMeasure) -> Callable[[LabeledPredictions], Estimate]:
    def compute(inputs: LabeledPredictions) -> Estimate:
        return _drawn(measure, inputs, spread_of_agreement(inputs.margins, inputs.accuracy))

    return compute


def _drawn(
    measure: MarginsMeasure, inputs: LabeledPredictions, spread: tuple[float, float] | None
) -> Estimate:
    return estimate(measure, inputs.margins, inputs.drawn, spread, inputs.confidence)


def _log_loss(inputs: LabeledPredictions) -> Estimate:
    values = log_losses(inputs.probabilities, inputs.targets)
    return mean_estimate(values, inputs.parts, inputs.confidence, least=0.0)


def _brier(inputs: LabeledPredictions) -> Estimate:
    values = brier_scores(inputs.probabilities, inputs.targets)
    return mean_estimate(values, inputs.parts, inputs.confidence, least=0.0, most=2.0)


def _image_accuracy(inputs: LabeledPredictions) -> Estimate:
    """The accuracy of images; its interval is known only where images are what is counted."""
    interval = inputs.accuracy.interval if inputs.unit is Unit.IMAGES else None
    return Estimate(inputs.image_accuracy, interval)


def top_k_error(k: int) -> Measure:
    """How often the true class is not among the K most confident ones.

    Equal confidences rank by class index, as predictions do. With K classes or fewer nothing can
    be missed: the error and its bounds are 0.

    Raises:
        ConfigError: if K is below 1.
    """
    if k < 1:
        raise ConfigError("K of a top-K error must be 1 or more.", "For example --top-k 1,2,3.")

    def compute(inputs: LabeledPredictions) -> Rate:
        rate = rate_of(inputs.true_class_ranks >= k, inputs.parts, inputs.confidence)
        if k < len(inputs.class_names):
            return rate
        return replace(rate, interval=Interval(0.0, 0.0, inputs.confidence))

    return Measure(
        key=f"top{k}_error",
        title=f"Top-{k} error",
        help="Share whose true class is not among the K most confident ones; lower is better.",
        kind=MeasureKind.ERROR,
        compute=compute,
        of_images=lambda inputs: float((inputs.true_class_ranks >= k).mean()),
        json_path=("top_k_error", str(k)),
    )


def usual_ks(class_count: int) -> tuple[int, ...]:
    """Those of 1, 2, 3 and 5 that can miss something."""
    return tuple(k for k in (1, 2, 3, 5) if k <= max(1, class_count - 1))


def catalog_of(class_count: int, ks: Sequence[int] = ()) -> tuple[Measure, ...]:
    """The measures of a model with so many classes.

    Args:
        class_count: C.
        ks: of the top-K errors; empty for the usual ones.

    Raises:
        ConfigError: if a K is below 1.
    """
    wanted = sorted(set(ks)) or usual_ks(class_count)
    return (*CATALOG, *(top_k_error(k) for k in wanted))


CATALOG = (
    Measure(
        "accuracy",
        "Accuracy",
        "Share that is classified correctly.",
        MeasureKind.RATE,
        lambda inputs: inputs.accuracy,
        of_images=lambda inputs: inputs.image_accuracy,
    ),
    Measure(
        "balanced_accuracy",
        "Balanced accuracy",
        "Mean recall of the classes; every class counts the same.",
        MeasureKind.RATE,
        _macro(bootstrap.recalls, lambda bounds: bounds.recall),
    ),
    Measure(
        "macro_f1",
        "Macro F1",
        "Balance of precision and recall; every class counts the same.",
        MeasureKind.NUMBER,
        _macro(bootstrap.f1_scores, lambda bounds: bounds.f1),
    ),
    Measure(
        "weighted_f1",
        "Weighted F1",
        "Balance of precision and recall; classes count by their images.",
        MeasureKind.NUMBER,
        _weighted(bootstrap.f1_scores, lambda bounds: bounds.f1),
    ),
    Measure(
        "macro_precision",
        "Macro precision",
        "Mean share of correct predictions; every class counts the same.",
        MeasureKind.RATE,
        _macro(bootstrap.precisions, lambda bounds: bounds.precision),
    ),
    Measure(
        "weighted_precision",
        "Weighted precision",
        "Mean share of correct predictions; classes count by their images.",
        MeasureKind.RATE,
        _weighted(bootstrap.precisions, lambda bounds: bounds.precision),
    ),
    Measure(
        "kappa",
        "Cohen's kappa",
        "Agreement beyond chance, 1 is perfect; it depends on the class mix.",
        MeasureKind.NUMBER,
        _agreement(bootstrap.kappa),
    ),
    Measure(
        "mcc",
        "Matthews correlation",
        "From -1 to 1, 0 is guessing; robust against uneven classes.",
        MeasureKind.NUMBER,
        _agreement(bootstrap.mcc),
    ),
    Measure(
        "log_loss",
        "Log loss",
        "Mean of minus the logarithm of the confidence in the true class; lower is better.",
        MeasureKind.ERROR,
        _log_loss,
    ),
    Measure(
        "brier",
        "Brier score",
        "Squared distance of the confidences from the truth, from 0 to 2; lower is better.",
        MeasureKind.ERROR,
        _brier,
    ),
    Measure(
        "roc_area",
        "ROC area, macro",
        "Chance that an image of a class ranks above one of another class; mean over the classes.",
        MeasureKind.NUMBER,
        lambda inputs: mean_of_known([c.roc_area for c in inputs.bounds], inputs.confidence),
        json_path=("auc", "macro"),
    ),
    Measure(
        "average_precision",
        "Average precision, macro",
        "Area under the precision-recall curve; mean over the classes.",
        MeasureKind.NUMBER,
        lambda inputs: mean_of_known(
            [c.average_precision for c in inputs.bounds], inputs.confidence
        ),
    ),
    Measure(
        "ece",
        "Calibration error (ECE)",
        "Mean gap between confidence and share correct; lower is better, larger with few images.",
        MeasureKind.ERROR,
        lambda inputs: Estimate(inputs.reliability.ece),
    ),
    Measure(
        "macro_recall",
        "Macro recall",
        "Balanced accuracy under another name.",
        MeasureKind.RATE,
        _macro(bootstrap.recalls, lambda bounds: bounds.recall),
        is_listed=False,
    ),
    Measure(
        "weighted_recall",
        "Weighted recall",
        "The accuracy of images under another name.",
        MeasureKind.RATE,
        _image_accuracy,
        is_listed=False,
    ),
    Measure(
        "micro_f1",
        "Micro F1",
        "The accuracy of images under another name.",
        MeasureKind.RATE,
        _image_accuracy,
        is_listed=False,
    ),
)
