"""Figures of the deciding pages: matrix, trade-off, scores, costs; pure functions.

Thresholds and scores are drawn by their log odds, because probabilities crowd near 0 and 1.
"""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.evaluation.decisions.costs import LeastCost
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, PartScores, TradeOff
from core.evaluation.decisions.rule import as_limit
from core.evaluation.measures.intervals import Rate
from pages.ui.figures.common import _style

GOOD, DEFECT, PERSON, MARK = "#2a9d8f", "#d1495b", "#d9962b", "#e0a93b"
ZONES = ("accept", "to a person", "reject")
_EDGE = 9.21  # log odds of 99.99%
_BINS = 48
_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)


def log_odds(value: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a probability is drawn, from -9.21 (0.01% and below) to 9.21."""
    inside = np.clip(np.asarray(value, float), 1e-4, 1 - 1e-4)
    odds: NDArray[np.float64] = inside / (1 - inside)
    return np.log(odds)


def ok_nok_matrix(
    outcome: Outcome, *, dark: bool, cell: tuple[int, int] | None = None
) -> go.Figure:
    """Rows truly OK and NOK, columns what happens: right teal, wrong red, to a person amber."""
    counts = outcome.matrix
    totals = np.maximum(1, counts.sum(axis=1, keepdims=True))
    shares = counts / totals
    tone = np.array([[1.0, 2.0, -1.0], [-1.0, 2.0, 1.0]])
    z = np.where(
        counts == 0, 0.0, np.where(tone == 2, 2 + 0.3 + 0.7 * shares, tone * (0.3 + 0.7 * shares))
    )
    names = ("OK", "NOK")
    text = [
        [f"<b>{n:,}</b><br>{s:.1%}" if n else "0" for n, s in zip(row, share, strict=True)]
        for row, share in zip(counts.tolist(), shares.tolist(), strict=True)
    ]
    hover = [
        [
            f"truly {names[r]}, {ZONES[c]}: {counts[r, c]:,} of {int(counts[r].sum()):,}"
            for c in range(3)
        ]
        for r in range(2)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=z.tolist(),
            x=[0, 1, 2],
            y=[0, 1],
            zmin=-1,
            zmax=3,
            colorscale=_scale(dark),
            showscale=False,
            xgap=3,
            ygap=3,
            text=text,
            texttemplate="%{text}",
            hovertext=hover,
            hoverinfo="text",
        )
    )
    _style(figure, dark=dark, height=210)
    axis = {"tickmode": "array", "fixedrange": True, "showgrid": False, "zeroline": False}
    figure.update_xaxes(
        **axis, tickvals=[0, 1, 2], ticktext=list(ZONES), range=[-0.5, 2.5], side="top"
    )
    figure.update_yaxes(
        **axis, tickvals=[0, 1], ticktext=["truly OK", "truly NOK"], range=[1.5, -0.5]
    )
    figure.update_layout(dragmode=False, margin={"l": 10, "r": 6, "t": 26, "b": 6})
    if cell:
        row, column = cell
        figure.add_shape(
            type="rect",
            x0=column - 0.5,
            x1=column + 0.5,
            y0=row - 0.5,
            y1=row + 0.5,
            line={"color": MARK, "width": 3},
        )
    return figure


def _scale(dark: bool) -> list[list[object]]:
    """-1 .. 0 wrong, 0 .. 1 right, 2 .. 3 to a person; positions in [0, 1]."""
    empty = "#1a2321" if dark else "#f1f3f1"
    wrong = ("#a63c4d", "#57303a") if dark else ("#c2384d", "#f3c9cf")
    right = ("#1e4a45", "#2a7f74") if dark else ("#cfe6e2", "#4aa79b")
    person = ("#4d3d1f", "#8a6a26") if dark else ("#f6e6c4", "#e3b75c")
    return [
        [0.0, wrong[0]],
        [0.249, wrong[1]],
        [0.25, empty],
        [0.251, right[0]],
        [0.5, right[1]],
        [0.74, person[0]],
        [1.0, person[1]],
    ]


def trade_off(curve: TradeOff, outcome: Outcome, *, dark: bool) -> go.Figure:
    """Escape against overkill over all thresholds, with bounds, and where the rule is."""
    figure = go.Figure()
    escape, overkill = outcome.escape, outcome.overkill
    x, y = curve.overkill * 100, curve.escape * 100
    _band(figure, x, curve.escape_low * 100, curve.escape_high * 100)
    figure.add_scatter(
        x=x.tolist(),
        y=y.tolist(),
        mode="lines",
        name="any threshold",
        line={"color": "#4f6bd8", "width": 2.2, "shape": "hv"},
        customdata=[as_limit(float(t)) for t in curve.thresholds],
        hovertemplate="threshold %{customdata}: overkill %{x:.2f}%, escape %{y:.2f}%"
        "<extra></extra>",
    )
    if escape.value is not None and overkill.value is not None:
        figure.add_scatter(
            x=[100 * overkill.value],
            y=[100 * escape.value],
            mode="markers",
            name="this rule",
            marker={"size": 13, "color": MARK, "line": {"width": 1.5, "color": "#7a5a16"}},
            error_x=_bars(overkill),
            error_y=_bars(escape),
            hovertemplate="this rule: overkill %{x:.2f}%, escape %{y:.2f}%<extra></extra>",
        )
    _style(figure, dark=dark, height=300)
    figure.update_xaxes(title="overkill, % of good", range=[-0.5, _reach(overkill, x)])
    figure.update_yaxes(title="escape, % of defective", range=[-0.5, _reach(escape, y)])
    figure.update_layout(
        margin={"l": 50, "r": 10, "t": 30, "b": 44},
        legend={"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right", "yanchor": "bottom"},
    )
    return figure


def _band(
    figure: go.Figure, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    known = ~np.isnan(high) & ~np.isnan(x)
    xs = np.concatenate([x[known], x[known][::-1]])
    ys = np.concatenate([high[known], low[known][::-1]])
    figure.add_scatter(
        x=xs.tolist(),
        y=ys.tolist(),
        fill="toself",
        mode="lines",
        name="bounds",
        line={"width": 0},
        fillcolor="rgba(79,107,216,0.16)",
        hoverinfo="skip",
    )


def _bars(rate: Rate) -> dict[str, object]:
    if rate.value is None or rate.interval is None:
        return {}
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (rate.interval.high - rate.value)],
        "arrayminus": [100 * (rate.value - rate.interval.low)],
        "color": MARK,
        "thickness": 1.6,
    }


def _reach(rate: Rate, values: NDArray[np.float64]) -> float:
    """How far an axis goes: past the rule's bound, not over the whole square."""
    if rate.interval is None:
        return 102.0
    return float(min(102, max(12, 250 * rate.interval.high)))


def scores(found: PartScores, point: OperatingPoint, *, dark: bool) -> go.Figure:
    """Good parts upwards, defective ones downwards, by their NOK probability; zones behind."""
    edges = np.linspace(-_EDGE, _EDGE, _BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    for values, sign, name, colour in (
        (found.ok, 1, "good", GOOD),
        (found.nok, -1, "defective", DEFECT),
    ):
        counts = np.histogram(log_odds(values), edges)[0]
        figure.add_bar(
            x=middle.tolist(),
            y=(sign * np.log10(1 + counts)).tolist(),
            name=name,
            marker_color=colour,
            customdata=counts.tolist(),
            width=float(edges[1] - edges[0]) * 0.9,
            hovertemplate=f"%{{customdata}} {name}<extra></extra>",
        )
    _style(figure, dark=dark, height=300)
    _zones(figure, point)
    most = max(len(found.ok), len(found.nok), 1)
    powers = [10**k for k in range(math.ceil(math.log10(most + 1)) + 1)]
    steps = [0, *sorted([*powers, *(3 * power for power in powers)])]
    heights = [math.log10(1 + step) for step in steps]
    figure.update_yaxes(
        tickvals=[*(-h for h in heights[:0:-1]), *heights],
        ticktext=[f"{s:,}" for s in [*steps[:0:-1], *steps]],
        title="defective | good parts",
    )
    _probability_axis(figure)
    figure.update_layout(
        barmode="relative",
        bargap=0,
        margin={"l": 50, "r": 10, "t": 30, "b": 44},
        legend={"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right", "yanchor": "bottom"},
    )
    return figure


def _probability_axis(figure: go.Figure) -> None:
    figure.update_xaxes(
        title="NOK probability",
        range=[-_EDGE - 0.2, _EDGE + 0.2],
        tickvals=[float(log_odds(t)) for t in _TICKS],
        ticktext=["≤ 0.01%", "0.1%", "1%", "10%", "50%", "90%", "99%", "99.9%", "≥ 99.99%"],
        tickangle=0,
        tickfont={"size": 11},
    )


def _zones(figure: go.Figure, point: OperatingPoint) -> None:
    if point.accept_below is None or point.reject_from is None:
        return
    low, high = (float(log_odds(v)) for v in (point.accept_below, point.reject_from))
    ends = (-_EDGE - 0.2, low, high, _EDGE + 0.2)
    for colour, start, end in zip((GOOD, PERSON, DEFECT), ends, ends[1:], strict=False):
        if end > start:
            figure.add_vrect(
                x0=start, x1=end, fillcolor=colour, opacity=0.1, line_width=0, layer="below"
            )
    for at in sorted({low, high}):
        figure.add_vline(x=at, line={"color": MARK, "width": 2.5})


def cost_curve(found: LeastCost, point: OperatingPoint, *, dark: bool) -> go.Figure:
    """Cost of every single threshold; the range within 5% of the least is shaded."""
    figure = go.Figure()
    figure.add_scatter(
        x=log_odds(found.thresholds).tolist(),
        y=found.cost_per_1000.tolist(),
        mode="lines",
        line={"color": "#4f6bd8", "width": 2.2},
        name="one threshold",
        customdata=[as_limit(float(t)) for t in found.thresholds],
        hovertemplate="threshold %{customdata}: %{y:,.1f} per 1,000 parts<extra></extra>",
    )
    _style(figure, dark=dark, height=290)
    low, high = (float(log_odds(v)) for v in found.accept_range)
    figure.add_vrect(x0=low, x1=high, fillcolor=GOOD, opacity=0.14, line_width=0, layer="below")
    limits = {v for v in (point.accept_below, point.reject_from) if v is not None}
    for at in limits:
        figure.add_vline(x=float(log_odds(at)), line={"color": MARK, "width": 2.5})
    figure.add_hline(y=found.least_cost_per_1000, line={"color": GOOD, "width": 1.4, "dash": "dot"})
    finite = found.cost_per_1000[np.isfinite(found.cost_per_1000)]
    top = min(float(finite.max()), 8 * max(float(finite.min()), found.least_cost_per_1000, 1e-9))
    figure.update_yaxes(title="cost per 1,000 parts", range=[0, 1.05 * top], tickformat=",.4~g")
    _probability_axis(figure)
    figure.update_layout(showlegend=False, margin={"l": 60, "r": 10, "t": 12, "b": 44})
    return figure


def paired(rows: Sequence[Sequence[int]], *, dark: bool) -> go.Figure:
    """Parts by who is right: [[both, only new], [only present, neither]]."""
    tone = [[0.3, 0.9], [-0.9, -0.3]]
    figure = go.Figure(
        go.Heatmap(
            z=[
                [t if n else 0.0 for t, n in zip(line, row, strict=True)]
                for line, row in zip(tone, rows, strict=True)
            ],
            x=[0, 1],
            y=[0, 1],
            zmin=-1,
            zmax=3,
            colorscale=_scale(dark),
            showscale=False,
            xgap=3,
            ygap=3,
            text=[[f"<b>{n:,}</b>" for n in row] for row in rows],
            texttemplate="%{text}",
            hoverinfo="skip",
        )
    )
    _style(figure, dark=dark, height=190)
    axis = {"tickmode": "array", "fixedrange": True, "showgrid": False, "zeroline": False}
    figure.update_xaxes(
        **axis,
        tickvals=[0, 1],
        ticktext=["present right", "present wrong"],
        side="top",
        range=[-0.5, 1.5],
    )
    figure.update_yaxes(
        **axis, tickvals=[0, 1], ticktext=["new right", "new wrong"], range=[1.5, -0.5]
    )
    figure.update_layout(dragmode=False, margin={"l": 10, "r": 6, "t": 26, "b": 6})
    return figure
