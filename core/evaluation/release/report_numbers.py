"""Every number of a report under a name, so that it can be found and recomputed one by one.

Names are words joined by dots: `accuracy.low`, `class.3.recall.n`, `matrix.1.2`. A rate has, below
its own name, `.k`, `.n`, `.low` and `.high` (two-sided), and as a claim `.upper` or `.lower`
(one-sided). None means "no data". Classes are named by their index in the model.
"""

from dataclasses import dataclass, replace

from core.evaluation.decisions.costs import Costs, Scenario, consequences
from core.evaluation.decisions.outcome import (
    UNKNOWN,
    Decisions,
    OperatingPoint,
    Outcome,
    decide,
    has_both,
    outcome,
    truths,
)
from core.evaluation.decisions.planner import proven_rate
from core.evaluation.measures.calibration import (
    Calibration,
    Reliability,
    fit_calibration,
    reliability,
    with_temperature,
)
from core.evaluation.measures.catalog import MeasuredValue
from core.evaluation.measures.classification import ConfusedPair, confused_pairs
from core.evaluation.measures.intervals import Estimate, Rate
from core.evaluation.measures.labeled_predictions import LabeledPredictions
from core.evaluation.release.comparison import Comparison, DecisionComparison, PairedTable
from core.evaluation.report import EvaluationReport, evaluate

Value = float | int | None
Values = dict[str, Value]
Verdicts = tuple[str | None, ...]

# Where nobody has entered the defect rate of the line: three that span most lines.
DEFECT_RATES = (0.01, 0.001, 0.0001)
MOST_CONFUSED = 25


@dataclass(frozen=True)
class ReportNumbers:
    """All numbers of a report, and what its figures and lists are drawn from.

    `decisions` [N] and `outcome` are None without verdicts. `confused` pairs of classes come
    the most frequent first. `calibration` is fitted on validation, None where there
    is no validation image; `calibrated` is the reliability with its temperature, if there is one.
    """

    values: Values
    report: EvaluationReport
    decisions: Decisions | None
    outcome: Outcome | None
    confused: tuple[ConfusedPair, ...]
    calibration: Calibration | None
    calibrated: Reliability | None


def results(
    test: LabeledPredictions,
    verdicts: Verdicts,
    point: OperatingPoint,
    validation: LabeledPredictions | None = None,
    scenario: Scenario | None = None,
) -> ReportNumbers:
    """The numbers of a model on its test images.

    Args:
        test: the images.
        verdicts: [C], "OK", "NOK" or None.
        point: the decision rule.
        validation: what the calibration is fitted on.
        scenario: of the line, for PPM; None: three usual defect rates.

    Raises:
        ConfigError: if there is no image, or a probability is not a number.
    """
    report = evaluate(
        test.probabilities,
        test.targets,
        test.class_names,
        parts=test.parts,
        verdicts=verdicts,
        counts=test.unit,
    )
    values = summary_values(report)
    values.update(_class_values(report))
    decided, result = None, None
    if has_both(verdicts):
        decided = decide(point, test.probabilities, verdicts, parts=test.parts)
        truth = truths(test.targets, verdicts)
        result = outcome(decided, truth, test.parts)
        values.update(_decision_values(result, report, point, scenario))
        values["ok_nok.left_out"] = int((truth == UNKNOWN).sum())
    calibration, calibrated = _calibration(test, validation)
    values.update(_calibration_values(report.reliability, calibration, calibrated))
    confused = confused_pairs(report.confusion_matrix, most=MOST_CONFUSED)
    return ReportNumbers(values, report, decided, result, confused, calibration, calibrated)


def comparison_values(classes: Comparison, decisions: DecisionComparison | None) -> Values:
    """Two models on the same parts; the first is the one so far, the second the one judged."""
    values = _paired("compare.classes", classes.table)
    values["compare.new_errors"] = len(classes.new_errors)
    values["compare.fixed_errors"] = len(classes.fixed_errors)
    if decisions is not None:
        values.update(_paired("compare.escapes", decisions.escapes))
        values.update(_paired("compare.false_rejects", decisions.false_rejects))
        values["compare.new_escapes"] = len(decisions.new_escapes)
        values["compare.new_false_rejects"] = len(decisions.new_false_rejects)
    return values


def summary_values(report: EvaluationReport) -> Values:
    """How many images and parts there are, and every listed measure by its key."""
    values: Values = {"pictures": report.n, "parts": report.independent}
    for item in report.listed:
        values.update(_measure(item))
    return values


def _class_values(report: EvaluationReport) -> Values:
    values: Values = {}
    matrix = report.confusion_matrix
    for index, (plain, bounds) in enumerate(zip(report.per_class, report.bounds, strict=True)):
        name = f"class.{index}"
        values[f"{name}.pictures"], values[f"{name}.predicted"] = plain.support, plain.predicted
        values.update(_rate(f"{name}.recall", bounds.recall))
        values.update(_rate(f"{name}.precision", bounds.precision))
        values.update(_estimate(f"{name}.f1", bounds.f1))
        values.update(_estimate(f"{name}.roc_area", bounds.roc_area))
        values.update({f"matrix.{index}.{c}": int(n) for c, n in enumerate(matrix[index]) if n})
    return values


def _decision_values(
    result: Outcome, report: EvaluationReport, point: OperatingPoint, scenario: Scenario | None
) -> Values:
    values: Values = {}
    for kind, counts in (("ok", result.ok), ("nok", result.nok)):
        for zone, count in zip(("accepted", "person", "rejected"), counts, strict=True):
            values[f"zone.{kind}.{zone}"] = count
    for name in ("escape", "overkill", "automatic", "nok_to_person", "ok_to_person"):
        values.update(_rate(name, getattr(result, name)))
    values["escape.upper"], values["overkill.upper"] = (
        result.escape.upper(),
        result.overkill.upper(),
    )
    values["automatic.lower"] = result.automatic.lower()
    values["escape.best"] = proven_rate(0, result.escape.n)
    values["overkill.best"] = proven_rate(0, result.overkill.n)
    if report.ok_nok:
        values.update(_estimate("ok_nok.roc_area", report.ok_nok.roc_area))
    for line in scenarios(scenario):
        seen = consequences(point, result, line)
        name = f"line.{line.defect_rate:g}"
        values.update(_estimate(f"{name}.ppm", seen.outgoing_ppm))
        values.update(_estimate(f"{name}.true_rejects", seen.true_reject_share))
    return values


def scenarios(scenario: Scenario | None) -> tuple[Scenario, ...]:
    """The lines whose PPM a report shows."""
    if scenario is not None:
        return (scenario,)
    nothing = Scenario(0.0, 0.0, Costs(0.0, 0.0))
    return tuple(replace(nothing, defect_rate=rate) for rate in DEFECT_RATES)


def _calibration(
    test: LabeledPredictions, validation: LabeledPredictions | None
) -> tuple[Calibration | None, Reliability | None]:
    if validation is None or not len(validation.targets):
        return None, None
    fit = fit_calibration(validation.probabilities, validation.targets, validation.parts)
    if fit.temperature is None:
        return fit, None
    cooled = with_temperature(test.probabilities, fit.temperature.value)
    return fit, reliability(cooled, test.targets, parts=test.parts)


def _calibration_values(
    before: Reliability, fit: Calibration | None, after: Reliability | None
) -> Values:
    return {
        "calibration.ece": before.ece,
        "calibration.overconfidence": before.overconfidence,
        "calibration.temperature": fit.temperature.value if fit and fit.temperature else None,
        "calibration.ece_after": after.ece if after else None,
    }


def _measure(item: MeasuredValue) -> Values:
    if isinstance(item.shown, Rate):
        return _rate(item.measure.key, item.shown)
    return _estimate(item.measure.key, item.shown)


def _rate(name: str, rate: Rate) -> Values:
    bounds = rate.interval
    return {
        name: rate.value,
        f"{name}.k": rate.k,
        f"{name}.n": rate.n,
        f"{name}.low": bounds.low if bounds else None,
        f"{name}.high": bounds.high if bounds else None,
    }


def _estimate(name: str, estimate: Estimate) -> Values:
    bounds = estimate.interval
    return {
        name: estimate.value,
        f"{name}.low": bounds.low if bounds else None,
        f"{name}.high": bounds.high if bounds else None,
    }


def _paired(name: str, table: PairedTable) -> Values:
    return {
        f"{name}.n": table.n,
        f"{name}.both": table.both_right,
        f"{name}.only_first": table.only_first_right,
        f"{name}.only_second": table.only_second_right,
        f"{name}.neither": table.neither_right,
        f"{name}.p": table.p_value,
        **_estimate(f"{name}.difference", table.difference),
    }
