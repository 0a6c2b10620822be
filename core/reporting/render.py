"""From the values of a report to its HTML.

Everything a user wrote is escaped by Jinja2; only our own drawings are markup. Each number that
comes from the test images is a `<data>` element with the name of the value, so that anyone can
find it and recompute it from the table of probabilities.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from core.domain.training import PenaltyPoint, chosen_point
from core.reporting.drawing import Axis, Line, ShadedBand, chart, interval_bar
from core.reporting.text import NumberStyle, as_text, beginning, cut
from core.reporting.values import (
    CurvePoint,
    Form,
    ReliabilityPoint,
    ReportValues,
    Series,
    TradeOffSeries,
)


@dataclass(frozen=True)
class Layout:
    """How much of long lists and names a form has room for."""

    reasons: int
    name_length: int
    confusions: int


def layout_of(form: Form) -> Layout:
    """The room that a form has."""
    match form:
        case Form.SHORT:
            return Layout(reasons=3, name_length=20, confusions=1)
        case Form.FULL:
            return Layout(reasons=40, name_length=60, confusions=2)
        case _:
            assert_never(form)


def render(report: ReportValues) -> str:
    """The whole HTML document."""
    environment = Environment(
        loader=PackageLoader("core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = report.values

    def value(name: str, style: NumberStyle = "percent") -> Markup:
        number = values[name]
        exact = "" if number is None else repr(number)
        words = as_text(number, style)
        return Markup('<data data-measure="{}" value="{}">{}</data>').format(name, exact, words)

    def bar(name: str) -> Markup:
        ends = (values[name], values[f"{name}.low"], values[f"{name}.high"])
        return Markup(interval_bar(*ends))

    environment.globals.update(value=value, bar=bar, raw=values.get, shade=shade)
    environment.filters.update(cut=cut, beginning=beginning)
    template = environment.get_template("report.html")
    return template.render(
        report=report, layout=layout_of(report.form), drawings=_drawings(report.series)
    )


def shade(share: float, is_right: bool) -> str:
    """Background of a matrix cell, stronger the larger its share of the true class."""
    if not share:
        return ""
    colour = "15, 118, 110" if is_right else "190, 48, 66"
    return f"background: rgba({colour}, {0.10 + 0.55 * share:.2f})"


def _drawings(series: Series) -> dict[str, Markup]:
    drawings = {}
    if series.curve:
        drawings["curve"] = _curve(series.curve)
    if series.penalties:
        drawings["penalties"] = _penalties(series.penalties)
    if series.reliability:
        drawings["reliability"] = _reliability(series.reliability, series.calibrated)
    if series.trade_off:
        drawings["trade_off"] = _trade_off(series.trade_off)
    return {name: Markup(svg) for name, svg in drawings.items()}


def _curve(points: Sequence[CurvePoint]) -> str:
    first, last = points[0].epoch, points[-1].epoch
    line = Line("", [(p.epoch, p.macro_f1) for p in points], "teal")
    best = [(p.epoch, p.macro_f1) for p in points if p.is_best][-1:]
    low = math.floor(10 * min(p.macro_f1 for p in points)) / 10
    return chart(
        Axis("epoch", first, max(last, first + 1)),
        Axis("macro F1 (validation)", low, 1.0),
        [line],
        marks=best,
        description="Macro F1 on validation by epoch; the dot marks the epoch that was kept",
    )


def _penalties(path: Sequence[PenaltyPoint]) -> str:
    """Log loss over the penalty with one standard error; the chosen one is marked."""
    x = [math.log10(point.penalty) for point in path]
    low = [max(0.0, point.log_loss - point.standard_error) for point in path]
    high = [point.log_loss + point.standard_error for point in path]
    chosen = chosen_point(path)
    return chart(
        Axis("penalty, as a power of 10", min(x), max(x)),
        Axis("log loss (cross-validated)", 0, 1.05 * max(high)),
        [Line("", [(a, point.log_loss) for a, point in zip(x, path, strict=True)], "teal")],
        bands=[ShadedBand(x, low, high)],
        marks=[(math.log10(chosen.penalty), chosen.log_loss)] if chosen else [],
        description="Cross-validated log loss by penalty with its standard error",
    )


def _reliability(before: Sequence[ReliabilityPoint], calibrated: Sequence[ReliabilityPoint]) -> str:
    lines = [Line("ideal", [(0.0, 0.0), (1.0, 1.0)], "gray")]
    for title, points, style in (("as is", before, "teal"), ("calibrated", calibrated, "amber")):
        if points:
            spots = [(p.confidence, p.accuracy) for p in points]
            lines.append(Line(title, spots, style, dots=True))
    axes = Axis("confidence", 0, 1, percent=True), Axis("share right", 0, 1, percent=True)
    return chart(*axes, lines, description="Share of right predictions by confidence")


def _trade_off(curve: TradeOffSeries) -> str:
    """Escape over false rejects with the bounds of the escape, and where the rule stands."""
    x, y = curve.overkill, curve.escape
    across = Axis("false reject rate", 0, max(0.02, min(1.0, 1.05 * max(x))), percent=True)
    up = Axis("escape rate", 0, max(0.02, min(1.0, 1.05 * max(y))), percent=True)
    overkill, escape = curve.here
    marks = [(overkill, escape)] if overkill is not None and escape is not None else []
    return chart(
        across,
        up,
        [Line("", list(zip(x, y, strict=True)), "teal")],
        bands=[ShadedBand(x, curve.escape_low, curve.escape_high)],
        marks=marks,
        description="Escape rate by false reject rate for all thresholds, with 95% bounds",
    )
