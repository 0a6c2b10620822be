"""From the plain values of a report to its HTML.

Everything a user wrote is escaped by Jinja2; only our own drawings are markup. Each number that
comes from the test images is a `<data>` element with the name of the value, so that anybody can
find it and compute it again from the table of probabilities.
"""

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from core.reporting.drawing import Axis, Line, ShadedBand, chart, interval_bar

NO_DATA = "no data"


def render(report: Mapping[str, Any]) -> str:
    """The whole HTML document.

    Args:
        report: what `core.workflows.report` gathered; JSON values only.
    """
    environment = Environment(
        loader=PackageLoader("core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = report["values"]

    def value(name: str, style: str = "percent") -> Markup:
        found = values[name]
        exact = "" if found is None else repr(found)
        words = as_text(found, style)
        return Markup('<data data-measure="{}" value="{}">{}</data>').format(name, exact, words)

    def bar(name: str) -> Markup:
        ends = (values[name], values[f"{name}.low"], values[f"{name}.high"])
        return Markup(interval_bar(*ends))

    environment.globals.update(value=value, bar=bar, raw=values.get, shade=shade)
    environment.filters.update(cut=cut, beginning=beginning)
    template = environment.get_template("report.html")
    return template.render(**report, drawings=_drawings(report["series"]))


def as_text(value: float | int | None, style: str) -> str:
    """A number as people read it; styles: percent, points, count, number, ppm, p."""
    if value is None:
        return NO_DATA
    if style == "percent":
        return percent(value)
    if style == "points":
        return f"{100 * value:+.1f} points"
    if style == "count":
        return f"{value:,}"
    if style == "ppm":
        return f"{value:,.0f} PPM" if value >= 10 else f"{value:.2g} PPM"
    if style == "p":
        return f"{value:.3f}" if value >= 0.001 else "below 0.001"
    return f"{value:.3f}"


def count(number: int, noun: str) -> str:
    """`1 image`, `1,300 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def setting_in_words(value: object) -> str:
    """A setting as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    """With as many digits as tell it from 0 and 100%."""
    if share in (0, 1):
        return f"{100 * share:.0f}%"
    near_end = min(share, 1 - share)
    digits = 1
    if near_end < 0.01:
        digits = min(6, 1 - math.floor(math.log10(100 * max(near_end, 1e-9))))
    return f"{100 * share:.{digits}f}%"


def webp_uri(content: bytes) -> str:
    """A WebP image inside the page itself."""
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def shade(share: float, is_right: bool) -> str:
    """Background of a matrix cell, stronger the larger its share of the true class."""
    if not share:
        return ""
    colour = "15, 118, 110" if is_right else "190, 48, 66"
    return f"background: rgba({colour}, {0.10 + 0.55 * share:.2f})"


def cut(text: str, length: int) -> str:
    """The beginning of a text where it is too long for its place."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def beginning(text: str, length: int, lines: int) -> str:
    """The first lines of a text, and no more than `length` characters of them."""
    kept = [line for line in text.splitlines() if line.strip()]
    more = "…" if len(kept) > lines else ""
    return cut("\n".join(kept[:lines]) + more, length)


def _drawings(series: Mapping[str, Any]) -> dict[str, Markup]:
    makers: dict[str, Callable[[Any], str]] = {
        "curve": _curve,
        "reliability": _reliability,
        "trade_off": _trade_off,
    }
    return {name: Markup(maker(series[name])) for name, maker in makers.items() if series.get(name)}


def _curve(points: list[list[float]]) -> str:
    """Rows: epoch, macro F1 on validation, best so far or not."""
    last = points[-1][0]
    line = Line("", [(p[0], p[1]) for p in points], "teal")
    best = [(p[0], p[1]) for p in points if p[2]][-1:]
    low = math.floor(10 * min(p[1] for p in points)) / 10
    return chart(
        Axis("epoch", points[0][0], max(last, points[0][0] + 1)),
        Axis("macro F1 (validation)", low, 1.0),
        [line],
        marks=best,
        description="Macro F1 on validation over the epochs; the dot is the epoch that was kept",
    )


def _reliability(rows: dict[str, list[list[float]]]) -> str:
    """Rows of bins with images: mean confidence, share right; before and after calibration."""
    lines = [Line("ideal", [(0.0, 0.0), (1.0, 1.0)], "gray")]
    lines.append(Line("as is", [(a, b) for a, b in rows["before"]], "teal", dots=True))
    if rows["after"]:
        lines.append(Line("calibrated", [(a, b) for a, b in rows["after"]], "amber", dots=True))
    axes = Axis("confidence", 0, 1, percent=True), Axis("share right", 0, 1, percent=True)
    return chart(*axes, lines, description="How often predictions are right, by their confidence")


def _trade_off(rows: dict[str, list[float]]) -> str:
    """Escape over overkill with the band of escape's bounds, and where the rule stands."""
    x, y = rows["overkill"], rows["escape"]
    reach = Axis("overkill", 0, max(0.02, min(1.0, 1.05 * max(x))), percent=True)
    up = Axis("escape", 0, max(0.02, min(1.0, 1.05 * max(y))), percent=True)
    marks = [(rows["here"][0], rows["here"][1])] if rows.get("here") else []
    return chart(
        reach,
        up,
        [Line("", list(zip(x, y, strict=True)), "teal")],
        bands=[ShadedBand(x, rows["escape_low"], rows["escape_high"])],
        marks=marks,
        description="Escape against overkill over all thresholds, with 95% bounds of the escape",
    )
