"""What bars of rates share: rows that can be clicked, whiskers, words of bounds."""

import textwrap
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.evaluation.measures.intervals import Interval, Rate
from core.files import Cell
from core.words import exact_percent, percent_range
from pages.ui.figures.theme import LABEL_PX, TOP_PX, Colour, style
from pages.ui.text import html


def row_style(figure: go.Figure, names: Sequence[str], *, row: int | None) -> None:
    """One row of 34 pixels per name, from the top; a frame around the open row."""
    count = len(names)
    style(figure, height=90 + 34 * count)
    figure.update_layout(
        margin={"l": 10, "r": 16, "t": TOP_PX, "b": 30},
        barmode="overlay",
        dragmode=False,
        hovermode="closest",
    )
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(count)),
        fixedrange=True,
        ticktext=[two_lines(n, 22) for n in names],
        tickfont={"size": LABEL_PX, "color": Colour.TEXT},
        showgrid=False,
        range=[count - 0.5, -0.5],
    )
    figure.update_xaxes(fixedrange=True)
    if row is not None:
        figure.add_shape(
            type="rect",
            xref="paper",
            x0=0,
            x1=1,
            y0=row - 0.48,
            y1=row + 0.48,
            line={"color": Colour.SELECTED, "width": 2},
        )


def whiskers(rates: Sequence[Rate]) -> dict[str, object]:
    """Error bars from the lower to the upper bound of each rate."""
    up = [r.interval.high - r.value if r.interval and r.value is not None else 0 for r in rates]
    down = [r.value - r.interval.low if r.interval and r.value is not None else 0 for r in rates]
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "thickness": 1.4,
        "width": 3,
        "color": Colour.TEXT,
    }


def rate_columns(rates: Sequence[Rate], name: str) -> Mapping[str, Sequence[Cell]]:
    """Columns of a table: the counts, the rate and its bounds, in percent."""
    bounds = [rate.interval for rate in rates]
    return {
        f"{name}: counted": [rate.k for rate in rates],
        f"{name}: of": [rate.n for rate in rates],
        f"{name} (%)": [_percent(rate.value) for rate in rates],
        f"{name}, lower bound (%)": [_percent(b.low if b else None) for b in bounds],
        f"{name}, upper bound (%)": [_percent(b.high if b else None) for b in bounds],
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 6)


def bounds_text(interval: Interval | None) -> str:
    """For tooltips; empty where there is none."""
    if interval is None:
        return ""
    name = f"{exact_percent(interval.confidence)} confidence interval"
    return f"{name}: {percent_range(interval.low, interval.high)}"


def two_lines(name: str, limit: int = 15) -> str:
    """A name for a narrow place: broken at a blank, cut where it is still too long."""
    lines = textwrap.wrap(name, limit, max_lines=2, placeholder=" …", break_long_words=True)
    return "<br>".join(html(line) for line in lines)
