"""Classification measures from probabilities. Rows of a confusion matrix are the true classes.

Plain floats without data (no image of the class, nothing predicted as it) follow the field's
convention 0, and `support` tells the reader that there was none. Rates and estimates, the values
with intervals, have no value then: "no data".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigError
from core.evaluation.decisions.outcome import (
    OkNokReport,
    OperatingPoint,
    Verdicts,
    has_both,
    ok_nok_report,
)
from core.evaluation.measures import bootstrap
from core.evaluation.measures.auc import areas_of_classes
from core.evaluation.measures.bootstrap import Margins, Measure, margins_of, resampled_margins
from core.evaluation.measures.calibration import Reliability, reliability
from core.evaluation.measures.intervals import (
    CONFIDENCE,
    Estimate,
    Interval,
    Rate,
    f1_bounds,
    mean_bounds,
    mean_estimate,
    rate_of,
    rates,
)
from core.evaluation.measures.parts import Parts, Unit, units

Probabilities = NDArray[np.float32]
Targets = NDArray[np.int64]
Matrix = NDArray[np.int64]
_SMALLEST = 1e-12


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


@dataclass(frozen=True)
class ClassBounds:
    """What is proven of one class; n counts parts, a part is right if all its images are.

    `recall` is of the parts of this class, `precision` of the parts predicted as it (no data if it
    was never predicted), `f1` that of the parts that touch the class. Areas are against the rest.
    """

    name: str
    recall: Rate
    precision: Rate
    f1: Estimate
    roc_area: Estimate
    average_precision: Estimate


@dataclass(frozen=True)
class Summary:
    """Measures of the whole subset with intervals.

    Accuracy and top-K errors are exact and count parts; the others describe images. Intervals of
    means over classes, kappa and Matthews come from drawing parts anew (see
    `core.evaluation.bootstrap`), widened where few errors leave such draws without spread; those of
    log loss and Brier score are t intervals between parts, those of areas count effective parts
    (see `core.evaluation.areas`). Macro means weigh classes equally, weighted ones by
    their images; micro means equal the accuracy. Balanced accuracy is the macro recall. `kappa`
    moves with the class mix: never show it without `class_mix` [C], the shares of the classes.
    """

    accuracy: Rate
    top_k_error: dict[int, Rate]
    balanced_accuracy: Estimate
    macro_precision: Estimate
    macro_f1: Estimate
    weighted_precision: Estimate
    weighted_f1: Estimate
    kappa: Estimate
    mcc: Estimate
    log_loss: Estimate
    brier: Estimate
    macro_roc_area: Estimate
    macro_average_precision: Estimate
    class_mix: tuple[float, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """Derived numbers of one subset; `confusion_matrix` is [C, C], rows true, columns predicted.

    Macro means are unweighted means over the classes that have images in the subset. `n` counts
    images, `independent` what intervals count: `unit` says whether that are images or parts.
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
    unit: Unit
    independent: int
    confidence: float
    summary: Summary
    bounds: tuple[ClassBounds, ...]
    reliability: Reliability
    ok_nok: OkNokReport | None


def evaluate(
    probabilities: Probabilities,
    targets: Targets,
    class_names: Sequence[str],
    *,
    parts: Parts | None = None,
    verdicts: Verdicts = (),
    point: OperatingPoint | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> EvaluationReport:
    """All measures of one subset.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        class_names: [C].
        parts: [N] part numbers where several images may show one part.
        verdicts: [C], "OK", "NOK" or None; without both kinds there is no OK / NOK view.
        point: the decision rule of that view; None: the verdict of the predicted class decides.
        confidence: of all intervals, two-sided.
        seed: of the draws behind intervals of means.

    Raises:
        ConfigError: if there is no image, a probability is no number or no share, or an image
            has a class that the model does not know.
        ValueError: if shapes differ.
    """
    check_predictions(probabilities, targets, class_names, parts)
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(predicted, targets, len(class_names))
    per_class = class_measures(matrix, class_names)
    present = [item for item in per_class if item.has_data]
    ranks = true_class_ranks(probabilities, targets)
    bounds = _class_bounds(probabilities, predicted, targets, class_names, parts, confidence)
    return EvaluationReport(
        class_names=tuple(class_names),
        confusion_matrix=matrix,
        per_class=per_class,
        n=len(targets),
        accuracy=float(np.trace(matrix) / len(targets)),
        top_k_error={k: float((ranks >= k).mean()) for k in _usual_ks(len(class_names))},
        macro_precision=float(np.mean([item.precision for item in present])),
        macro_recall=float(np.mean([item.recall for item in present])),
        macro_f1=float(np.mean([item.f1 for item in present])),
        unit=Unit.IMAGES if parts is None else Unit.PARTS,
        independent=len(units(len(targets), parts)),
        confidence=confidence,
        summary=_summary(
            probabilities, predicted, targets, matrix, bounds, ranks, parts, confidence, seed
        ),
        bounds=bounds,
        reliability=reliability(probabilities, targets, parts=parts, confidence=confidence),
        ok_nok=ok_nok_report(
            probabilities, targets, verdicts, point=point, parts=parts, confidence=confidence
        )
        if has_both(verdicts)
        else None,
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
class TopKError:
    """How often the true class is not among the K most confident ones.

    `of_images` is the share of images, in [0, 1]; `rate` counts parts. With K classes or fewer
    nothing can be missed: both are 0, and so are the bounds.
    """

    of_images: float
    rate: Rate


def top_k_errors(
    probabilities: Probabilities,
    targets: Targets,
    ks: Sequence[int],
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> dict[int, TopKError]:
    """The error for every K asked for; equal confidences rank by class index, as predictions do.

    Args:
        probabilities: [N, C], rows sum to 1.
        targets: [N], class indices in [0, C).
        ks: numbers of classes, of at least 1.
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the intervals, two-sided.
    """
    ranks, found = true_class_ranks(probabilities, targets), {}
    for k in ks:
        rate = rate_of(ranks >= k, parts, confidence)
        if k >= probabilities.shape[1]:
            rate = replace(rate, interval=Interval(0.0, 0.0, confidence))
        found[k] = TopKError(float((ranks >= k).mean()), rate)
    return found


def top_k_rate(
    probabilities: Probabilities,
    targets: Targets,
    k: int,
    parts: Parts | None = None,
    confidence: float = CONFIDENCE,
) -> Rate:
    """Share of parts with an image whose true class is not among the K most confident ones.

    Args:
        probabilities: [N, C].
        targets: [N] class indices.
        k: at least 1; from the number of classes on the error is 0.
        parts: [N] part numbers; None: every image is its own part.
        confidence: of the interval.
    """
    return rate_of(true_class_ranks(probabilities, targets) >= k, parts, confidence)


def true_class_ranks(probabilities: Probabilities, targets: Targets) -> NDArray[np.int64]:
    """[N]: how many classes come before the true one; 0 where the prediction is right."""
    true = np.take_along_axis(probabilities, targets[:, None], axis=1)
    ranks: NDArray[np.int64] = (probabilities > true).sum(axis=1)
    tied = np.flatnonzero((probabilities == true).sum(axis=1) > 1)
    earlier = np.arange(probabilities.shape[1])[None, :] < targets[tied, None]
    ranks[tied] += ((probabilities[tied] == true[tied]) & earlier).sum(axis=1)
    return ranks


def _usual_ks(class_count: int) -> list[int]:
    """Those that can miss something."""
    return [k for k in (1, 2, 3, 5) if k <= max(1, class_count - 1)]


def log_losses(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    """[N]: minus the logarithm of the true class' probability, at most 27.6 (12 digits)."""
    return -np.log(np.clip(_true_probability(probabilities, targets), _SMALLEST, 1.0))


def _true_probability(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    return np.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0].astype(np.float64)


def brier_scores(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    """[N]: squared distance of the probabilities from the truth, in [0, 2].

    Source: Brier 1950 (the sum over all classes).
    """
    squares = np.einsum("nc,nc->n", probabilities, probabilities, dtype=np.float64)
    distances = squares - 2 * _true_probability(probabilities, targets) + 1
    return np.asarray(np.maximum(distances, 0.0), np.float64)


def margins_to_second(probabilities: Probabilities) -> NDArray[np.float64]:
    """[N]: confidence of the predicted class minus that of the next one; 1 for a single class."""
    if probabilities.shape[1] == 1:
        return np.ones(len(probabilities))
    best = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64)
    return np.abs(best[:, 1] - best[:, 0])


def _class_bounds(
    probabilities: Probabilities,
    predicted: NDArray[np.intp],
    targets: Targets,
    class_names: Sequence[str],
    parts: Parts | None,
    confidence: float,
) -> tuple[ClassBounds, ...]:
    count, right = len(class_names), predicted == targets
    recalls = _rates_by_class(targets, right, count, parts, confidence)
    precisions = _rates_by_class(predicted, right, count, parts, confidence)
    f1 = _f1_estimates(predicted, targets, count, parts, confidence)
    areas = areas_of_classes(probabilities, targets, parts, confidence)
    return tuple(
        ClassBounds(
            name, recalls[i], precisions[i], f1[i], areas[i].roc, areas[i].average_precision
        )
        for i, name in enumerate(class_names)
    )


def _rates_by_class(
    classes: NDArray[np.integer],
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
    predicted: NDArray[np.intp],
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


def _summary(
    probabilities: Probabilities,
    predicted: NDArray[np.intp],
    targets: Targets,
    matrix: Matrix,
    bounds: tuple[ClassBounds, ...],
    ranks: NDArray[np.int64],
    parts: Parts | None,
    confidence: float,
    seed: int,
) -> Summary:
    margins = margins_of(matrix)
    drawn = resampled_margins(predicted, targets, len(matrix), parts, seed=seed)
    present = margins.support > 0
    equal, shares = present / present.sum(), margins.support / margins.support.sum()
    recall = [bound.recall for bound in bounds]
    precision = [bound.precision for bound in bounds]
    f1 = [bound.f1 for bound in bounds]
    accuracy = rate_of(predicted != targets, parts, confidence).complement

    def estimate(measure: Measure, spread: tuple[float, float] | None) -> Estimate:
        return _estimate(measure, margins, drawn, confidence, spread)

    agreement = _spread_of_agreement(margins, accuracy)
    return Summary(
        accuracy=accuracy,
        top_k_error={k: rate_of(ranks >= k, parts, confidence) for k in _usual_ks(len(matrix))},
        balanced_accuracy=estimate(bootstrap.macro(bootstrap.recalls), _spread(recall, equal)),
        macro_precision=estimate(bootstrap.macro(bootstrap.precisions), _spread(precision, equal)),
        macro_f1=estimate(bootstrap.macro(bootstrap.f1_scores), _spread(f1, equal)),
        weighted_precision=estimate(
            bootstrap.weighted(bootstrap.precisions), _spread(precision, shares)
        ),
        weighted_f1=estimate(bootstrap.weighted(bootstrap.f1_scores), _spread(f1, shares)),
        kappa=estimate(bootstrap.kappa, agreement),
        mcc=estimate(bootstrap.mcc, agreement),
        log_loss=mean_estimate(log_losses(probabilities, targets), parts, confidence, least=0.0),
        brier=mean_estimate(
            brier_scores(probabilities, targets), parts, confidence, least=0.0, most=2.0
        ),
        macro_roc_area=_mean_known([bound.roc_area for bound in bounds], confidence),
        macro_average_precision=_mean_known(
            [bound.average_precision for bound in bounds], confidence
        ),
        class_mix=tuple(float(share) for share in shares),
    )


def _estimate(
    measure: Measure,
    margins: Margins,
    drawn: Margins,
    confidence: float,
    spread: tuple[float, float] | None,
) -> Estimate:
    """The measure with the wider of two intervals: drawn anew, and from exact bounds.

    Why both: draws show no spread where there was no error; exact bounds of single classes know
    nothing of the errors that two classes share.
    """
    value = float(measure(margins))
    if not np.isfinite(value):
        return Estimate(None)
    interval = bootstrap.percentile_interval(measure(drawn), confidence)
    if interval is None:
        return Estimate(value)
    below, above = spread or (0.0, 0.0)
    low, high = min(interval.low, value - below), max(interval.high, value + above)
    return Estimate(value, Interval(max(-1.0, low), min(1.0, high), confidence))


def _spread(
    classes: Sequence[Rate | Estimate], weights: NDArray[np.float64]
) -> tuple[float, float] | None:
    """How far the weighted mean of classes may lie below and above, from their own intervals."""
    known = [
        (weight, item.value, item.interval)
        for weight, item in zip(weights, classes, strict=True)
        if weight > 0 and item.value is not None and item.interval is not None
    ]
    if not known:
        return None
    weight, value = np.array([k[0] for k in known]), np.array([k[1] for k in known], float)
    low, high = np.array([k[2].low for k in known]), np.array([k[2].high for k in known])
    mean = float(weight @ value)
    below, above = mean_bounds(value, low, high, weight)
    return mean - below, above - mean


def _spread_of_agreement(margins: Margins, accuracy: Rate) -> tuple[float, float] | None:
    """The accuracy's exact interval, seen as kappa at this class mix."""
    n = margins.support.sum()
    by_chance = float((margins.support * margins.predicted).sum() / n**2)
    if by_chance >= 1 or accuracy.value is None or accuracy.interval is None:
        return None
    below = (accuracy.value - accuracy.interval.low) / (1 - by_chance)
    return below, (accuracy.interval.high - accuracy.value) / (1 - by_chance)


def _mean_known(classes: Sequence[Estimate], confidence: float) -> Estimate:
    """Mean over the classes that have a value, each counted the same."""
    known = [item for item in classes if item.value is not None]
    if not known:
        return Estimate(None)
    value = float(np.mean([item.value for item in known]))
    below, above = _spread(known, np.full(len(known), 1 / len(known))) or (0.0, 0.0)
    return Estimate(value, Interval(max(0.0, value - below), min(1.0, value + above), confidence))


def relative(matrix: Matrix) -> NDArray[np.float64]:
    """[C, C] shares of each true class; rows without images are 0."""
    return _ratio(matrix, matrix.sum(axis=1, keepdims=True))


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
    found = np.argsort(-flat, kind="stable")[: min(most, int((flat > 0).sum()))]
    rows, columns = np.divmod(found, len(matrix))
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
    """Refuse what no measure can be made of, in plain words.

    Raises:
        ConfigError: if there is no image, a probability is no number or no share, or an image
            has a class that the model does not know.
        ValueError: if shapes differ.
    """
    if probabilities.shape != (len(targets), len(class_names)):
        raise ValueError(f"shapes differ: {probabilities.shape}, {targets.shape}")
    if parts is not None and len(parts) != len(targets):
        raise ValueError(f"shapes differ: {parts.shape}, {targets.shape}")
    if len(targets) == 0:
        raise ConfigError(
            "There is no image in this subset.", "Choose another subset or make another split."
        )
    if not np.isfinite(probabilities).all():
        raise ConfigError(
            "Some stored probabilities are no numbers.",
            "The training diverged: train again with a smaller learning rate.",
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if probabilities.min() < 0 or np.abs(sums - 1).max() > 0.01:
        raise ConfigError(
            "Some stored probabilities of an image do not add up to 100%.",
            "They do not come from this program's training: evaluate the model again.",
        )
    if targets.min() < 0 or targets.max() >= len(class_names):
        raise ConfigError(
            "Some images have a class that this model does not know.",
            "The classes of the dataset have changed since the training: train again.",
        )
