"""Names at the ends of lines, instead of a legend that eyes have to travel to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go

from pages.ui.figures.theme import LABEL_PX, Colour

_APART_PX = 16  # of the middles of two labels


@dataclass(frozen=True)
class LineEnd:
    """The last point of a line, in units of the axes, and what the line is called."""

    name: str
    x: float
    y: float


def label_ends(figure: go.Figure, ends: Sequence[LineEnd], *, plot_px: int, margin: int) -> None:
    """Write each line's name right of its last point; labels that would touch are moved apart.

    Args:
        figure: with its lines; the right margin is set to `margin` pixels.
        ends: at most five; more are a legend.
        plot_px: height of the plot without its margins.
        margin: room for the longest name.
    """
    is_log = figure.layout.yaxis.type == "log"
    ends = [end for end in ends if end.y > 0 or not is_log]
    low, high = _values_range(figure, is_log=is_log)
    places = [_place(end.y, low, high, is_log=is_log) * plot_px for end in ends]
    for end, shift in zip(ends, _moved_apart(places), strict=True):
        figure.add_annotation(
            text=end.name,
            x=place_on(figure.layout.xaxis, end.x),
            y=place_on(figure.layout.yaxis, end.y),
            xshift=8,
            yshift=shift,
            xanchor="left",
            yanchor="middle",
            showarrow=False,
            font={"size": LABEL_PX, "color": Colour.TEXT},
        )
    figure.update_layout(showlegend=False, margin={"r": margin})


def place_on(axis: go.layout.XAxis | go.layout.YAxis, value: float) -> float:
    """Where annotations say that a value is; on logarithmic axes they count in powers of ten."""
    return math.log10(value) if axis.type == "log" else value


def _values_range(figure: go.Figure, *, is_log: bool) -> tuple[float, float]:
    """Of all lines, in the units in which the axis is even."""
    values = [
        math.log10(y) if is_log else float(y)
        for trace in figure.data
        for y in trace.y
        if y is not None and math.isfinite(y) and (y > 0 or not is_log)
    ]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _place(y: float, low: float, high: float, *, is_log: bool) -> float:
    """Share of the height, from below."""
    value = math.log10(y) if is_log else y
    return (value - low) / (high - low) if high > low else 0.5


def _moved_apart(places: Sequence[float]) -> list[float]:
    """By how many pixels each label is moved up so that none touches its neighbour."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for lower, upper in pairwise(order):
        gap = moved[upper] - moved[lower]
        if gap < _APART_PX:
            moved[upper] = moved[lower] + _APART_PX
    # Why half of it: the pair stays around the place where the lines end.
    excess = max((m - p for m, p in zip(moved, places, strict=True)), default=0.0) / 2
    return [m - p - (excess if excess else 0.0) for m, p in zip(moved, places, strict=True)]
