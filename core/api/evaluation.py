"""The JSON of an evaluation: every measure of the catalog, every class, the OK / NOK view."""

from collections.abc import Sequence

from core.api.values import JsonObject, JsonValue, interval_as_json, rate_as_json
from core.domain.datasets import Verdict
from core.evaluation.decisions.outcome import OperatingPoint, has_both
from core.evaluation.decisions.rule import point_in_words
from core.evaluation.measures.class_rates import ClassBounds
from core.evaluation.measures.classification import ClassMeasures
from core.evaluation.measures.intervals import Estimate, Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.report import EvaluationReport
from core.workflows.results import evaluation
from core.workflows.results.evaluation import CalibrationComparison
from core.workflows.results.judging import JudgedSet


def evaluation_as_json(
    report: EvaluationReport,
    judged: JudgedSet,
    calibration: CalibrationComparison,
    point: OperatingPoint | None = None,
) -> JsonObject:
    """All numbers of a model on a subset; null where there is no data.

    Plain values describe images, `intervals` count the `unit`: parts where they were declared or
    confirmed, else images. A class without
    images has no precision, recall or F1; one that is there but was never predicted has the
    precision 0 of the field's convention, and no interval of it.

    Args:
        report: the numbers.
        judged: what they were computed from.
        calibration: of the same images.
        point: the decision rule that the report was made with.
    """
    fit, after = calibration.fit, calibration.after
    temperature = fit.temperature if fit else None
    plain, intervals = measures_as_json(report)
    return _merged(
        plain,
        {
            "n": report.n,
            "per_class": {item.name: _class_as_json(item) for item in report.per_class},
            "per_class_unit": Unit.IMAGES.value,
            "class_names": list(report.class_names),
            "confusion_matrix": report.confusion_matrix.tolist(),
            "unit": report.unit.value,
            "counting": judged.counting.value,
            "counted": judged.counted_in_words,
            "both_ways": both_ways_as_json(judged, point),
            "independent": report.independent,
            "confidence": report.confidence,
            "class_mix": dict(zip(report.class_names, report.class_mix, strict=True)),
            "temperature": temperature.value if temperature else None,
            "ece_with_temperature": after.ece if after else None,
            "no_temperature_reason": fit.reason.value if fit and fit.reason else None,
            "validation_cross_validated": judged.model.validation_cross_validated,
            "auc": {
                "per_class": {item.name: item.roc_area.value for item in report.bounds},
                "ok_nok": report.ok_nok.roc_area.value if report.ok_nok else None,
            },
            "intervals": _merged(intervals, _intervals_of_classes(report)),
            "ok_nok": _ok_nok(report, point),
            "ok_nok_missing": None if report.ok_nok else why_no_ok_nok(judged),
            "notice": judged.notice,
        },
    )


def both_ways_as_json(judged: JudgedSet, point: OperatingPoint | None = None) -> JsonValue:
    """The headline without and with unconfirmed look-alikes as parts; null where both agree."""
    return [
        {
            "counting": item.counting.value,
            "unit": item.headline.unit.value,
            "accuracy": rate_as_json(item.headline.accuracy),
            "escape": rate_as_json(item.headline.ok_nok.escape) if item.headline.ok_nok else None,
            "overkill": rate_as_json(item.headline.ok_nok.overkill)
            if item.headline.ok_nok
            else None,
        }
        for item in evaluation.both_ways(judged, point) or ()
    ] or None


def measures_as_json(report: EvaluationReport) -> tuple[JsonObject, JsonObject]:
    """Every measure at its path: the plain values of images, and the intervals."""
    plain: JsonObject = {}
    intervals: JsonObject = {}
    for item in report.measures:
        *folders, key = item.measure.path
        plain = _merged(plain, _nested(folders, key, item.of_images))
        intervals = _merged(
            intervals, _nested(folders, key, _bounds(item.shown, report.unit.value))
        )
    return plain, intervals


def _nested(folders: Sequence[str], key: str, value: JsonValue) -> JsonObject:
    values: JsonObject = {key: value}
    for folder in reversed(folders):
        values = {folder: values}
    return values


def _merged(first: JsonObject, second: JsonObject) -> JsonObject:
    """Both objects in one; objects under the same key are merged too."""
    values = dict(first)
    for key, value in second.items():
        before = values.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            values[key] = _merged(before, value)
        else:
            values[key] = value
    return values


def _class_as_json(item: ClassMeasures) -> JsonObject:
    known = item.has_data
    return {
        "precision": item.precision if known else None,
        "recall": item.recall if known else None,
        "f1": item.f1 if known else None,
        "support": item.support,
    }


def _intervals_of_classes(report: EvaluationReport) -> JsonObject:
    unit = report.unit.value
    return {
        "per_class": {item.name: _bounds_as_json(item, unit) for item in report.bounds},
        "auc": {
            "per_class": {item.name: _bounds(item.roc_area, unit) for item in report.bounds},
            "ok_nok": _bounds(report.ok_nok.roc_area, unit) if report.ok_nok else None,
        },
    }


def _bounds_as_json(item: ClassBounds, unit: str) -> JsonObject:
    return {
        "precision": _bounds(item.precision, unit),
        "recall": _bounds(item.recall, unit),
        "f1": _f1(item.f1, unit),
    }


def _f1(value: Estimate, unit: str) -> JsonObject | None:
    """Like a rate it has a value of its own: the one of `per_class` counts images."""
    bounds = interval_as_json(value.interval)
    return None if bounds is None else {"value": value.value, **bounds, "unit": unit}


def _bounds(value: Rate | Estimate, unit: str) -> JsonObject | None:
    """Bounds beside the plain value: a rate repeats its own, which may count parts."""
    if isinstance(value, Rate):
        return rate_as_json(value, unit)
    return None if value.value is None else interval_as_json(value.interval)


def _ok_nok(report: EvaluationReport, point: OperatingPoint | None) -> JsonObject | None:
    if report.ok_nok is None:
        return None
    outcome = report.ok_nok.outcome
    return {
        "escape": rate_as_json(outcome.escape),
        "overkill": rate_as_json(outcome.overkill),
        "unit": report.unit.value,
        "rule": point_in_words(point or OperatingPoint()),
        "remarks": [*outcome.remarks, *filter(None, [outcome.both_in_words])],
    }


def why_no_ok_nok(judged: JudgedSet) -> str | None:
    """Why there is no OK / NOK view, and what to do; None if there is one."""
    if has_both(judged.verdicts):
        return None
    if not any(judged.verdicts):
        return (
            "No class is marked OK or NOK yet: mark them on the Images page, with "
            "`touchstone classes DATASET --ok NAME`, or for this call with --ok NAME."
        )
    side = "OK" if Verdict.NOK in judged.verdicts else "NOK"
    return f"No class of this model is {side}, so no good part can be told from a defective one."
