"""Results at a terminal: an evaluation with every measure, and the verdict on a release."""

from collections.abc import Sequence

from core.api.evaluation import why_no_ok_nok
from core.cli.output import note, say, table
from core.domain.parts import Counting
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import point_in_words
from core.evaluation.decisions.views import Headline
from core.evaluation.measures.calibration import no_calibration_in_words
from core.evaluation.measures.intervals import NO_DATA, Estimate, Rate
from core.evaluation.measures.parts import Unit
from core.evaluation.release.check import ReleaseVerdict
from core.evaluation.release.words import (
    not_applicable_in_words,
    reasons_in_words,
    remarks_in_words,
)
from core.evaluation.report import EvaluationReport
from core.words import (
    count,
    decimal,
    number,
    percent,
    percent_with_range,
    shortened_percent,
)
from core.workflows.results import evaluation
from core.workflows.results.evaluation import CalibrationComparison
from core.workflows.results.judging import JudgedSet

_MOST_CLASSES = 20  # a matrix of more is too wide for a terminal


def show_evaluation(
    report: EvaluationReport,
    judged: JudgedSet,
    point: OperatingPoint | None,
    cautions: Sequence[str],
) -> None:
    """Print it; every rate with its bounds, and what they do not show."""
    accuracy = report.measure("accuracy").shown
    # Why not always: without parts or identical files, both say the same.
    is_less = report.independent != report.n
    noun = "different images" if is_less and report.unit is Unit.IMAGES else report.unit.word
    counted = f"{number(report.independent)} {noun}, {_percent(accuracy)} correct"
    if is_less:
        share = percent(report.accuracy, of=report.n)
        counted = f"{count(report.n, 'image')}, {share} correct · {counted}"
    say(f"{counted} · macro F1 {decimal(report.macro_f1)}")
    _show_ok_nok(report, judged, point)
    show_counting(judged, point)
    table(["measure", "value", "low", "high"], measure_rows(report))
    unit = report.unit.word
    table([f"class (by {unit})", "precision", "recall", "F1", unit], _class_rows(report))
    if len(report.class_names) <= _MOST_CLASSES:
        matrix = zip(report.class_names, report.confusion_matrix.tolist(), strict=True)
        table(
            ["true \\ predicted", *report.class_names], [[name, *counts] for name, counts in matrix]
        )
    if judged.notice:
        note(judged.notice)
    for caution in cautions:
        note(caution)


def show_counting(judged: JudgedSet, point: OperatingPoint | None = None) -> None:
    """What n counts; with both figures where unconfirmed look-alikes would change it."""
    say(judged.counted_in_words)
    both = evaluation.both_ways(judged, point)
    if both is None:
        return
    rows = [
        [
            "look-alikes as parts" if item.counting is Counting.PARTS else item.headline.unit.word,
            number(item.headline.accuracy.n),
            _percent(item.headline.accuracy),
            *(_at_most(rate) for rate in _errors(item.headline)),
        ]
        for item in both
    ]
    table(["counted", "n", "correct", "escapes", "false rejects"], rows)
    say("Answer whether look-alikes show one part: `touchstone parts DATASET`.")


def _errors(numbers: Headline) -> tuple[Rate, Rate]:
    outcome = numbers.ok_nok
    return (outcome.escape, outcome.overkill) if outcome else (NO_DATA, NO_DATA)


def _at_most(rate: Rate) -> str:
    bound = rate.upper()
    if bound is None:
        return "no data"
    most = shortened_percent(bound, at_most=True)
    return f"{number(rate.k)} of {number(rate.n)}, at most {most}"


def show_verdict(verdict: ReleaseVerdict) -> None:
    """Print it, a sentence a line."""
    say(verdict.outcome.value)
    for sentence in (
        *reasons_in_words(verdict),
        *not_applicable_in_words(verdict),
        *remarks_in_words(verdict),
    ):
        say(f"  {sentence}")


def show_calibration(
    found: CalibrationComparison, judged: JudgedSet, about_validation: Sequence[str]
) -> None:
    """Print the temperature that validation recommends, or why there is none.

    `about_validation`: sentences on what results on validation images rest on.
    """
    fit = found.fit
    if fit is not None and fit.temperature is not None and found.after is not None:
        say(
            f"Calibration on validation: temperature {decimal(fit.temperature.value, 2)}, "
            f"calibration error {decimal(found.before.ece)}, with it {decimal(found.after.ece)}"
        )
    elif fit is not None:
        say(no_calibration_in_words(fit))
    if judged.subset is Subset.VALIDATION:
        for sentence in about_validation:
            note(sentence)


def measure_rows(report: EvaluationReport) -> list[list[str]]:
    """Title, value and bounds of every listed measure; beside parts each says what it counts."""
    rows = []
    for item in report.listed:
        title = item.measure.title
        if report.unit is Unit.PARTS:
            unit = report.unit if isinstance(item.shown, Rate) else Unit.IMAGES
            title = f"{title} ({unit.word})"
        rows.append([title, _decimal(item.value), *_ends(item.shown)])
    return rows


def _class_rows(report: EvaluationReport) -> list[list[object]]:
    """Every column counts the unit of the report."""
    return [
        [
            bounds.name,
            _percent(bounds.precision),
            _percent(bounds.recall),
            _decimal(bounds.f1.value),
            bounds.recall.n,
        ]
        for bounds in report.bounds
    ]


def _show_ok_nok(report: EvaluationReport, judged: JudgedSet, point: OperatingPoint | None) -> None:
    if report.ok_nok is None:
        say(why_no_ok_nok(judged) or "")
        return
    outcome, unit = report.ok_nok.outcome, report.unit.word
    for name, rate, kind in (
        ("escape", outcome.escape, "defective"),
        ("overkill", outcome.overkill, "good"),
    ):
        counted = f"{number(rate.k)} of {number(rate.n)} {kind} {unit}: {_percent(rate)}"
        say(f"{name}: {counted if rate.has_data else 'no data'}")
    say(f"Rule: {point_in_words(point or OperatingPoint())}")
    if judged.model.is_detector:
        say(f"good against unlike (AUROC): {_area(report.ok_nok.roc_area)}")


def _area(found: Estimate) -> str:
    bounds = found.interval
    if found.value is None or bounds is None:
        return "no data: it needs images of defects"
    return f"{decimal(found.value)} ({decimal(bounds.low)} to {decimal(bounds.high)})"


def _percent(found: Rate | Estimate) -> str:
    if found.value is None or found.interval is None:
        return "no data"
    return percent_with_range(found.value, found.interval.low, found.interval.high)


def _decimal(value: float | None) -> str:
    return "no data" if value is None else decimal(value)


def _ends(found: Rate | Estimate) -> list[str]:
    bounds = found.interval
    return [decimal(bounds.low), decimal(bounds.high)] if bounds else ["", ""]
