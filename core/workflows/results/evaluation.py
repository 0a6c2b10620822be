"""Reading results: reports, and the images behind every number."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Dataset, Sample, Verdict
from core.domain.models import Model
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.errors import ConfigError, NotFoundError
from core.evaluation.decisions.outcome import OperatingPoint, has_both
from core.evaluation.decisions.rule import point_in_words
from core.evaluation.measures.calibration import (
    Reliability,
    Temperature,
    fit_temperature,
    reliability,
    with_temperature,
)
from core.evaluation.measures.classification import (
    ClassMeasures,
    EvaluationReport,
    TopKError,
    check_predictions,
    confusion_matrix,
    evaluate,
    log_losses,
    top_k_errors,
)
from core.evaluation.measures.intervals import Estimate, Interval, Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.measures.slices import in_ranges, most_frequent
from core.store import datasets, judgement, predictions
from core.store.database import connect, transaction
from core.store.properties import load_properties
from core.workflows.results.judging import JudgedSet, is_closed, judged_set
from core.workflows.results.memory import Memory
from core.workspace import Workspace

MOST_SLICES = 200
# A table column with more different numbers than this is a measurement, and comes in ranges.
_MOST_CODES = 12
_WRITTEN = {
    "brightness": lambda v: f"{100 * v:.0f}%",
    "sharpness": lambda v: f"{v:.3g}",
    "file size": lambda v: f"{v / 1000:,.0f} kB",
}


@dataclass(frozen=True)
class JudgedSample:
    """An image with what the model says of it; probabilities by class index."""

    sample: Sample
    target: int
    predicted: int
    probabilities: tuple[float, ...]
    loss: float = 0.0
    margin: float = 0.0

    @property
    def confidence(self) -> float:
        """Of the predicted class, in [0, 1]."""
        return self.probabilities[self.predicted]


@dataclass(frozen=True)
class Judgement:
    """A judged set with what every view starts from; arrays [N] are read-only.

    `confidence` is of the predicted class, `margin` to the next one, `loss` minus the logarithm of
    the true class' probability; `matrix` [C, C] has the true classes as rows.
    """

    judged: JudgedSet
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float64]
    loss: NDArray[np.float64]
    matrix: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """[N]: whether the prediction is the true class."""
        found: NDArray[np.bool_] = self.predicted == self.judged.targets
        return found


@dataclass(frozen=True)
class CalibrationComparison:
    """How honest the confidences of a judged set are, as they are and with a temperature.

    `temperature` is fitted on validation; it and `after` are None where there is none.
    """

    before: Reliability
    temperature: Temperature | None
    after: Reliability | None


def evaluated_subsets(workspace: Workspace, model_id: str) -> list[Subset]:
    """Subsets this model has stored probabilities for, sealed ones too."""
    with connect(workspace) as db:
        return predictions.predicted_subsets(db, model_id)


def open_subsets(workspace: Workspace, model: Model) -> list[Subset]:
    """Subsets that may be looked at: a closed sealed test set is not among them."""
    stored = evaluated_subsets(workspace, model.id)
    closed = Subset.TEST in stored and is_closed(workspace, model)
    return [subset for subset in stored if not (closed and subset is Subset.TEST)]


def evaluation_report(
    workspace: Workspace, model_id: str, subset: Subset, *, ok_names: Sequence[str] = ()
) -> EvaluationReport:
    """All numbers of a model on a subset, from stored probabilities.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which images.
        ok_names: classes to take as OK, all others as NOK; without any, the dataset's verdicts.

    Raises:
        NotFoundError: if there is no such model or class, or nothing stored.
        SealedError: if the test set is sealed and was not opened for this model.
    """
    return report_of(with_verdicts(judged_set(workspace, model_id, subset), ok_names))


def report_of(judged: JudgedSet, point: OperatingPoint | None = None) -> EvaluationReport:
    """All numbers of a judged set, under a decision rule where there is one."""
    return evaluate(
        judged.probabilities,
        judged.targets,
        judged.class_names,
        parts=judged.parts,
        verdicts=judged.verdicts,
        point=point,
    )


def with_verdicts(judged: JudgedSet, ok_names: Sequence[str]) -> JudgedSet:
    """The same set with these classes OK and all others NOK; unchanged without names.

    Raises:
        NotFoundError: if the model has no such class.
    """
    unknown = [name for name in ok_names if name not in judged.class_names]
    if unknown:
        raise NotFoundError(
            f"The model has no class '{unknown[0]}'.", f"It has: {', '.join(judged.class_names)}."
        )
    if not ok_names:
        return judged
    verdicts = (Verdict.OK if name in ok_names else Verdict.NOK for name in judged.class_names)
    return replace(judged, verdicts=tuple(verdicts))


def judge(
    workspace: Workspace, model_id: str, subset: Subset, memory: Memory | None = None
) -> Judgement:
    """What every view of a model on a subset starts from.

    Args:
        workspace: where the model lives.
        model_id: its id or name.
        subset: which images.
        memory: of this workspace, where one judges again and again.

    Raises:
        ConfigError: if a stored probability is no number.
        NotFoundError: if there is no such model, or nothing stored.
        SealedError: if the test set is sealed and was not opened for this model.
    """
    memory = memory or Memory()
    judged = judged_set(workspace, model_id, subset, memory)
    check_predictions(judged.probabilities, judged.targets, judged.class_names, judged.parts)
    with connect(workspace) as db:
        answers = memory.answers(db, judged.model.id, subset)
    if answers is None:
        raise NotFoundError(f"The results of model '{judged.model.name}' were just deleted.")
    there = np.isin(answers.matrix.sample_ids, judged.sample_ids)
    predicted = answers.predicted[there]
    found = Judgement(
        judged=judged,
        predicted=predicted,
        confidence=answers.confidence[there],
        margin=answers.margin[there],
        loss=log_losses(judged.probabilities, judged.targets),
        matrix=confusion_matrix(predicted, judged.targets, len(judged.class_names)),
    )
    shared = (
        judged.sample_ids,
        judged.targets,
        judged.probabilities,
        judged.parts,
        found.predicted,
        found.confidence,
        found.margin,
        found.loss,
        found.matrix,
    )
    for array in shared:
        if array is not None:
            array.flags.writeable = False
    return found


def temperature_of(
    workspace: Workspace, model_id: str, memory: Memory | None = None
) -> Temperature | None:
    """The calibration of a model, fitted on its validation images; None if it has none."""
    try:
        found = judged_set(workspace, model_id, Subset.VALIDATION, memory)
    except NotFoundError:
        return None
    return fit_temperature(found.probabilities, found.targets)


def compare_calibration(
    workspace: Workspace, judged: JudgedSet, memory: Memory | None = None
) -> CalibrationComparison:
    """The reliability of a judged set before and after calibration."""
    before = reliability(judged.probabilities, judged.targets, parts=judged.parts)
    temperature = temperature_of(workspace, judged.model.id, memory)
    if temperature is None:
        return CalibrationComparison(before, None, None)
    calibrated = with_temperature(judged.probabilities, temperature.value)
    after = reliability(calibrated, judged.targets, parts=judged.parts)
    return CalibrationComparison(before, temperature, after)


def judged_images(
    workspace: Workspace, found: Judgement, positions: Iterable[int]
) -> list[JudgedSample]:
    """The images at these positions, in this order."""
    judged, wanted = found.judged, [int(i) for i in positions]
    with connect(workspace) as db:
        loaded = datasets.samples_by_id(db, [int(judged.sample_ids[i]) for i in wanted])
    samples = {sample.id: sample for sample in loaded}
    return [
        JudgedSample(
            samples[int(judged.sample_ids[i])],
            int(judged.targets[i]),
            int(found.predicted[i]),
            tuple(float(p) for p in judged.probabilities[i]),
            float(found.loss[i]),
            float(found.margin[i]),
        )
        for i in wanted
        if int(judged.sample_ids[i]) in samples
    ]


def marks(workspace: Workspace, dataset_id: str) -> dict[int, set[MarkKind]]:
    """Sample id -> what people said of the image, for the marked ones of a dataset."""
    with connect(workspace) as db:
        return judgement.marks_of(db, dataset_id)


def mark(workspace: Workspace, sample_ids: Iterable[int], kind: MarkKind, *, on: bool) -> None:
    """Mark images, or take the mark away."""
    with connect(workspace) as db, transaction(db):
        judgement.set_mark(db, sample_ids, kind, on=on)


def slice_columns(
    workspace: Workspace, dataset: Dataset, judged: JudgedSet
) -> dict[str, list[str | None]]:
    """What images can be sliced by: name of a property -> value of every image [N].

    Numbers come in ranges with about equally many images; of more than 200 values the rarest are
    put together. Properties that tell nothing are left out: those with a single value, with another
    value for nearly every image, or that are the class itself (its folder).
    """
    with connect(workspace) as db:
        columns = load_properties(db, dataset.id, judged.sample_ids)
    found = {name: _as_slices(name, values) for name, values in columns.items()}
    return {
        name: most_frequent(values, MOST_SLICES)
        for name, values in found.items()
        if 1 < len(set(values)) <= max(MOST_SLICES, len(values) // 2)
        and not _is_the_class(values, judged.targets)
    }


def _as_slices(name: str, values: list[Any]) -> list[str | None]:
    """The values in words; numbers as ranges."""
    if name in _WRITTEN:
        return in_ranges(values, _WRITTEN[name])
    different = {value for value in values if value is not None}
    if len(different) > _MOST_CODES:
        try:
            numbers = {value: float(value) for value in different}
        except ValueError:
            return values
        return in_ranges([None if value is None else numbers[value] for value in values])
    return values


def _is_the_class(values: Sequence[str | None], targets: NDArray[np.int64]) -> bool:
    """Whether each value stands for one class and each class for one value."""
    pairs = set(zip(values, targets.tolist(), strict=True))
    return len(pairs) == len(set(values)) == len(np.unique(targets))


def report_as_dict(
    report: EvaluationReport,
    *,
    judged: JudgedSet | None = None,
    temperature: Temperature | None = None,
    top_k: Sequence[int] = (),
    point: OperatingPoint | None = None,
) -> dict[str, object]:
    """The report as plain values, for JSON; None where there is no data.

    Plain values describe images, `intervals` count parts where they are known. A class without
    images has no precision, recall or F1; one that is there but was never predicted has the
    precision 0 of the field's convention, and no interval of it.

    Args:
        report: the numbers.
        judged: what they were computed from: adds the notice, chosen K, calibrated ECE.
        temperature: fitted on validation.
        top_k: other K than the usual ones; needs `judged`.
        point: the decision rule that the report was made with.

    Raises:
        ConfigError: if a K is below 1.
    """
    summary = report.summary
    missed = _top_k_errors(report, judged, top_k)
    return {
        "n": report.n,
        "accuracy": report.accuracy,
        "top_k_error": {str(k): error.of_images for k, error in missed.items()},
        **_means(report),
        "per_class": {item.name: _class_as_dict(item) for item in report.per_class},
        "class_names": list(report.class_names),
        "confusion_matrix": report.confusion_matrix.tolist(),
        "unit": report.unit.value,
        "independent": report.independent,
        "confidence": report.confidence,
        "balanced_accuracy": summary.balanced_accuracy.value,
        "kappa": summary.kappa.value,
        "class_mix": dict(zip(report.class_names, summary.class_mix, strict=True)),
        "mcc": summary.mcc.value,
        "log_loss": summary.log_loss.value,
        "brier": summary.brier.value,
        "ece": report.reliability.ece,
        "temperature": temperature.value if temperature else None,
        "ece_with_temperature": _calibrated_ece(judged, temperature),
        "average_precision": summary.macro_average_precision.value,
        "auc": {
            "macro": summary.macro_roc_area.value,
            "per_class": {item.name: item.roc_area.value for item in report.bounds},
            "ok_nok": report.ok_nok.roc_area.value if report.ok_nok else None,
        },
        "intervals": _intervals(report, missed),
        "ok_nok": _ok_nok(report, point),
        "ok_nok_missing": None if report.ok_nok else _why_no_ok_nok(judged),
        "notice": judged.notice if judged else None,
    }


def _top_k_errors(
    report: EvaluationReport, judged: JudgedSet | None, ks: Sequence[int]
) -> dict[int, TopKError]:
    if judged is not None and ks:
        return top_k_errors(
            judged.probabilities, judged.targets, _checked_ks(ks), judged.parts, report.confidence
        )
    rates = report.summary.top_k_error
    return {k: TopKError(error, rates[k]) for k, error in report.top_k_error.items()}


def _means(report: EvaluationReport) -> dict[str, float | None]:
    """Means over classes and images; weighted recall and micro F1 are the images' accuracy."""
    return {
        "macro_precision": report.macro_precision,
        "macro_recall": report.macro_recall,
        "macro_f1": report.macro_f1,
        "weighted_precision": report.summary.weighted_precision.value,
        "weighted_recall": report.accuracy,
        "weighted_f1": report.summary.weighted_f1.value,
        "micro_f1": report.accuracy,
    }


def _class_as_dict(item: ClassMeasures) -> dict[str, object]:
    known = item.has_data
    return {
        "precision": item.precision if known else None,
        "recall": item.recall if known else None,
        "f1": item.f1 if known else None,
        "support": item.support,
    }


def _intervals(report: EvaluationReport, missed: Mapping[int, TopKError]) -> dict[str, object]:
    summary, unit = report.summary, report.unit.value
    # Why not with parts: the accuracy of parts is another number than that of their images.
    of_images = _bounds(summary.accuracy.interval) if report.unit is Unit.IMAGES else None
    return {
        "accuracy": _rate(summary.accuracy, unit),
        "top_k_error": {str(k): _rate(error.rate, unit) for k, error in missed.items()},
        "per_class": {
            item.name: {
                "precision": _rate(item.precision, unit),
                "recall": _rate(item.recall, unit),
                "f1": _estimate(item.f1),
            }
            for item in report.bounds
        },
        "balanced_accuracy": _estimate(summary.balanced_accuracy),
        "macro_precision": _estimate(summary.macro_precision),
        "macro_recall": _estimate(summary.balanced_accuracy),
        "macro_f1": _estimate(summary.macro_f1),
        "weighted_precision": _estimate(summary.weighted_precision),
        "weighted_recall": of_images,
        "weighted_f1": _estimate(summary.weighted_f1),
        "micro_f1": of_images,
        "kappa": _estimate(summary.kappa),
        "mcc": _estimate(summary.mcc),
        "log_loss": _estimate(summary.log_loss),
        "brier": _estimate(summary.brier),
        "auc": {
            "macro": _estimate(summary.macro_roc_area),
            "per_class": {item.name: _estimate(item.roc_area) for item in report.bounds},
            "ok_nok": _estimate(report.ok_nok.roc_area) if report.ok_nok else None,
        },
        "average_precision": _estimate(summary.macro_average_precision),
    }


def _ok_nok(report: EvaluationReport, point: OperatingPoint | None) -> dict[str, object] | None:
    if report.ok_nok is None:
        return None
    result = report.ok_nok.outcome
    return {
        "escape": _rate(result.escape),
        "overkill": _rate(result.overkill),
        "unit": report.unit.value,
        "rule": point_in_words(point or OperatingPoint()),
        "remarks": [*result.remarks, *filter(None, [result.both_in_words])],
    }


def _why_no_ok_nok(judged: JudgedSet | None) -> str | None:
    if judged is None or has_both(judged.verdicts):
        return None
    if not any(judged.verdicts):
        return (
            "Nobody has said yet which classes are OK and which NOK: say it on the Datasets page, "
            "with `touchstone classes DATASET --ok NAME`, or here once with --ok NAME."
        )
    side = "OK" if Verdict.NOK in judged.verdicts else "NOK"
    return f"No class of this model is {side}, so there is nothing to decide between."


def _calibrated_ece(judged: JudgedSet | None, temperature: Temperature | None) -> float | None:
    if judged is None or temperature is None:
        return None
    calibrated = with_temperature(judged.probabilities, temperature.value)
    return reliability(calibrated, judged.targets).ece


def _checked_ks(ks: Sequence[int]) -> Sequence[int]:
    if any(k < 1 for k in ks):
        raise ConfigError("Top-K needs K of at least 1.", "For example --top-k 1,2,3.")
    return sorted(set(ks))


def _rate(rate: Rate, unit: str | None = None) -> dict[str, object] | None:
    """Value, bounds and counts; None for no data."""
    if rate.value is None or rate.interval is None:
        return None
    values: dict[str, object] = {
        "rate": rate.value,
        "low": rate.interval.low,
        "high": rate.interval.high,
        "k": rate.k,
        "n": rate.n,
    }
    return {**values, "unit": unit} if unit else values


def _estimate(estimate: Estimate) -> dict[str, float] | None:
    return None if estimate.value is None else _bounds(estimate.interval)


def _bounds(interval: Interval | None) -> dict[str, float] | None:
    return {"low": interval.low, "high": interval.high} if interval else None
