"""The results of a report: decision rule, classes, figures, comparison with another model."""

import shlex

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Verdict
from core.domain.training import PenaltyPoint
from core.evaluation.decisions.combining import combined_scores
from core.evaluation.decisions.outcome import nok_probability, part_scores, truths
from core.evaluation.decisions.rule import DecisionRule, point_in_words
from core.evaluation.decisions.thresholds import trade_off
from core.evaluation.measures.calibration import Reliability, no_calibration_in_words
from core.evaluation.measures.catalog import MeasureKind
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.release.report_numbers import scenarios
from core.reporting.text import NumberStyle, when
from core.reporting.values import (
    ClassRow,
    ComparedModel,
    CurvePoint,
    LineRow,
    MeasureRow,
    NamedClass,
    PairedTitle,
    ReliabilityPoint,
    RuleSection,
    Series,
    StatedRule,
    TradeOffSeries,
)
from core.store import runs
from core.store.database import connect
from core.words import exact_percent
from core.workflows.results.comparison import evidence
from core.workflows.signoff.report_material import ReportMaterial, training_run
from core.workspace import Workspace

_CURVE_POINTS = 400
_BAND_POINTS = 200


def no_decisions(material: ReportMaterial) -> str:
    """Why there are no escapes and false rejects where no class has a verdict."""
    name = material.judged.dataset.name
    return (
        f"Escapes and false rejects cannot be given: in dataset “{name}” the classes are not "
        "marked OK and NOK. Mark good and defective classes on the Images page (or: "
        f"touchstone classes {shlex.quote(name)} --ok NAME)."
    )


def rule_section(material: ReportMaterial) -> RuleSection:
    """The decision rule in force, and why it is this one."""
    rule, point = material.rule, material.point
    given = rule.scenario if rule else None
    why = (
        f"Chosen on validation ({rule.chosen_by}{_counted(rule)}), {when(rule.saved_at)}."
        if rule
        else "No threshold was chosen."
    )
    stated = StatedRule(
        accept_below=point.accept_below,
        reject_from=point.reject_from,
        class_thresholds=point.class_thresholds,
        defect_rates=tuple(line.defect_rate for line in scenarios(given)),
        person_escape=given.person_escape if given else 0.0,
        person_overkill=given.person_overkill if given else 0.0,
    )
    on_curve = point.accept_below is not None and not point.has_person_zone
    return RuleSection(point_in_words(point), why, on_curve, stated)


def _counted(rule: DecisionRule) -> str:
    return f"; counted by {rule.unit.word}" if rule.unit else ""


def measure_rows(material: ReportMaterial) -> tuple[MeasureRow, ...]:
    """The measures of the catalog that people see; beside parts each says what it counts."""
    report = material.results.report
    rows = []
    for item in report.listed:
        measure, is_rate = item.measure, isinstance(item.shown, Rate)
        title = measure.title
        if is_rate or report.unit is Unit.PARTS:
            title += f" ({(report.unit if is_rate else Unit.IMAGES).word})"
        style: NumberStyle = "percent" if measure.kind is MeasureKind.RATE else "number"
        rows.append(MeasureRow(measure.key, title, style, measure.help))
    return tuple(rows)


def line_rows(material: ReportMaterial) -> tuple[LineRow, ...]:
    """The defect rates whose PPM are shown."""
    given = material.rule.scenario if material.rule else None
    own = " (entered for this line)" if given else ""
    return tuple(
        LineRow(f"{line.defect_rate:g}", f"{exact_percent(line.defect_rate)} of the parts{own}")
        for line in scenarios(given)
    )


def inspectors(material: ReportMaterial) -> str:
    """How inspectors are taken to decide."""
    given = material.rule.scenario if material.rule else None
    if given is None or not (given.person_escape or given.person_overkill):
        return "Inspectors are assumed to decide correctly."
    return (
        f"Inspectors are assumed to accept {exact_percent(given.person_escape)} of the defective "
        f"parts and to reject {exact_percent(given.person_overkill)} of the good parts that they "
        "review."
    )


def no_calibration(material: ReportMaterial) -> str:
    """Why no temperature is recommended; empty where one is, or there is no validation image."""
    fit = material.results.calibration
    return no_calibration_in_words(fit) if fit else ""


def class_rows(material: ReportMaterial) -> tuple[ClassRow, ...]:
    """Classes with images, the lowest recall first; then those without."""
    judged, report = material.judged, material.results.report

    def rank(index: int) -> tuple[bool, float, int]:
        recall = report.bounds[index].recall
        return recall.value is None, recall.value or 0.0, -recall.n

    return tuple(
        ClassRow(
            i,
            judged.class_names[i],
            verdict_word(judged.verdicts[i]),
            tuple(
                NamedClass(j, judged.class_names[j])
                for j in _largest_errors(report.confusion_matrix, i)
            ),
        )
        for i in sorted(range(len(judged.class_names)), key=rank)
    )


def _largest_errors(matrix: NDArray[np.int64], row: int, most: int = 2) -> list[int]:
    counts = matrix[row].copy()
    counts[row] = 0
    order = np.argsort(-counts, kind="stable")[:most]
    return [int(j) for j in order if counts[j]]


def verdict_word(verdict: Verdict | None) -> str | None:
    """OK, NOK, or None."""
    return verdict.value if verdict else None


def series(workspace: Workspace, material: ReportMaterial) -> Series:
    """What the figures are drawn from."""
    after = material.results.calibrated
    return Series(
        curve=_curve(workspace, material),
        penalties=_penalties(workspace, material),
        reliability=_bins(material.results.report.reliability),
        calibrated=_bins(after) if after else (),
        trade_off=_trade_off(material),
    )


def _curve(workspace: Workspace, material: ReportMaterial) -> tuple[CurvePoint, ...]:
    run = training_run(workspace, material)
    if run is None:
        return ()
    with connect(workspace) as db:
        epochs = runs.epochs_of(db, run.id)
    step = 1 + len(epochs) // _CURVE_POINTS
    curve = tuple(
        CurvePoint(e.epoch + 1, e.val_macro_f1, e.is_best)
        for i, e in enumerate(epochs)
        if i % step == 0 or e.is_best
    )
    return curve if len(curve) > 1 else ()


def _penalties(workspace: Workspace, material: ReportMaterial) -> tuple[PenaltyPoint, ...]:
    run = training_run(workspace, material)
    if run is None:
        return ()
    with connect(workspace) as db:
        path = runs.penalty_path_of(db, run.id)
    return tuple(path) if len(path) > 1 else ()


def _bins(reliability: Reliability) -> tuple[ReliabilityPoint, ...]:
    return tuple(
        ReliabilityPoint(b.confidence, b.accuracy)
        for b in reliability.bins
        if b.confidence is not None and b.accuracy is not None
    )


def _trade_off(material: ReportMaterial) -> TradeOffSeries | None:
    outcome = material.results.outcome
    if outcome is None or not sum(outcome.ok) or not sum(outcome.nok):
        return None
    judged = material.judged
    nok = nok_probability(judged.probabilities, judged.verdicts)
    nok = combined_scores(nok, judged.parts, material.point.parts)
    scores = part_scores(nok, truths(judged.targets, judged.verdicts), judged.parts)
    curve = trade_off(scores, max_points=_BAND_POINTS)
    return TradeOffSeries(
        escape=tuple(curve.escape.tolist()),
        escape_low=tuple(curve.escape_low.tolist()),
        escape_high=tuple(curve.escape_high.tolist()),
        overkill=tuple(curve.overkill.tolist()),
        here=(outcome.overkill.value, outcome.escape.value),
    )


def compared_model(material: ReportMaterial) -> ComparedModel | None:
    """The comparison with another model, if one was asked for."""
    other = material.other
    if other is None:
        return None
    tables = [PairedTitle("compare.classes", "class")]
    if other.decisions is not None:
        tables.append(PairedTitle("compare.escapes", f"defective {other.unit.word} not accepted"))
        tables.append(PairedTitle("compare.false_rejects", f"good {other.unit.word} not rejected"))
    return ComparedModel(
        other.first.model.name, evidence(other.classes.table, other.unit), tuple(tables)
    )
