"""Figures of thresholds: trade-off, scores, costs.

Thresholds and scores are drawn by their log odds, because probabilities crowd near 0 and 1.
"""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.evaluation.decisions.costs import LeastCost
from core.evaluation.decisions.outcome import OperatingPoint, Outcome, PartScores
from core.evaluation.decisions.rule import as_limit
from core.evaluation.decisions.thresholds import TradeOff
from core.evaluation.measures.intervals import Rate
from core.files import Cell
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import (
    NUMBERS_PX,
    TOP_PX,
    Colour,
    filled,
    legend_above,
    style,
    values_title,
)

_EDGE = 9.21  # log odds of 99.99%
_BINS = 48
_MARGIN = {"l": NUMBERS_PX, "r": 10, "t": TOP_PX + 6, "b": 44}
_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)


def log_odds(value: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a probability is drawn, from -9.21 (0.01% and below) to 9.21."""
    inside = np.clip(np.asarray(value, float), 1e-4, 1 - 1e-4)
    odds: NDArray[np.float64] = inside / (1 - inside)
    return np.log(odds)


def trade_off(curve: TradeOff, outcome: Outcome) -> go.Figure:
    """Escapes against false rejects over all thresholds, and the current one.

    Of rates of mistakes only "at most" is claimed, so only that side is drawn: what sentences tell.
    """
    figure = go.Figure()
    escape, overkill = outcome.escape, outcome.overkill
    x, y = curve.overkill * 100, curve.escape * 100
    _band(figure, x, y, curve.escape_high * 100)
    figure.add_scatter(
        x=x.tolist(),
        y=y.tolist(),
        mode="lines",
        name="thresholds",
        line={"color": Colour.LINE, "width": 2.2, "shape": "hv"},
        customdata=[as_limit(float(t)) for t in curve.thresholds],
        hovertemplate="threshold %{customdata}: %{x:.2f}% false rejects, %{y:.2f}% escapes"
        "<extra></extra>",
    )
    if escape.value is not None and overkill.value is not None:
        figure.add_scatter(
            x=[100 * overkill.value],
            y=[100 * escape.value],
            mode="markers",
            name="current",
            marker={
                "size": 13,
                "color": Colour.SELECTED,
                "line": {"width": 2, "color": Colour.BACKGROUND},
            },
            error_x=_at_most(overkill, outcome.confidence),
            error_y=_at_most(escape, outcome.confidence),
            hovertemplate="current threshold: %{x:.2f}% false rejects, %{y:.2f}% escapes"
            "<extra></extra>",
        )
    style(figure, height=300)
    legend_above(figure, "escapes, % of defective")
    figure.update_xaxes(
        title={"text": "false rejects, % of good"},
        range=[-0.5, _reach(overkill, outcome.confidence)],
    )
    figure.update_yaxes(range=[-0.5, _reach(escape, outcome.confidence)])
    figure.update_layout(margin=_MARGIN)
    columns = {
        "threshold (%)": [round(100 * v, 4) for v in curve.thresholds.tolist()],
        "false rejects (% of good)": x.tolist(),
        "escapes (% of defective)": y.tolist(),
        "escapes, at most (%)": (curve.escape_high * 100).tolist(),
    }
    save_as(figure, "Escapes against false rejects", columns)
    return figure


def scores(parts: PartScores, point: OperatingPoint) -> go.Figure:
    """Good parts upwards, defective ones downwards, by their NOK confidence; zones behind."""
    edges = np.linspace(-_EDGE, _EDGE, _BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    columns: dict[str, Sequence[Cell]] = {
        "NOK confidence from (%)": _as_percent(edges[:-1]),
        "NOK confidence to (%)": _as_percent(edges[1:]),
    }
    for values, sign, name, look in (
        (parts.ok, 1, "good", filled(Colour.RIGHT)),
        (parts.nok, -1, "defective", filled(Colour.DEFECTIVE, "/")),
    ):
        counts = np.histogram(log_odds(values), edges)[0]
        columns[f"{name} ({parts.unit.word})"] = counts.tolist()
        figure.add_bar(
            x=middle.tolist(),
            y=(sign * np.log10(1 + counts)).tolist(),
            name=name,
            marker=look,
            customdata=counts.tolist(),
            width=float(edges[1] - edges[0]) * 0.9,
            hovertemplate=f"%{{customdata}} {name}<extra></extra>",
        )
    style(figure, height=300)
    _zones(figure, point)
    most = max(len(parts.ok), len(parts.nok), 1)
    powers = [10**k for k in range(math.ceil(math.log10(most + 1)) + 1)]
    steps = [0, *sorted([*powers, *(3 * power for power in powers)])]
    heights = [math.log10(1 + step) for step in steps]
    figure.update_yaxes(
        tickvals=[*(-h for h in heights[:0:-1]), *heights],
        ticktext=[f"{s:,}" for s in [*steps[:0:-1], *steps]],
    )
    _probability_axis(figure)
    legend_above(figure, f"{parts.unit.word}, good up, defective down")
    figure.update_layout(barmode="relative", bargap=0, margin=_MARGIN)
    save_as(figure, "Good and defective parts by NOK confidence", columns)
    return figure


def _as_percent(odds: NDArray[np.float64]) -> list[float]:
    return [round(100 / (1 + math.exp(-value)), 4) for value in odds.tolist()]


def cost_curve(least: LeastCost, point: OperatingPoint) -> go.Figure:
    """Cost of every single threshold; the range within 5% of the least is shaded."""
    figure = go.Figure()
    figure.add_scatter(
        x=log_odds(least.thresholds).tolist(),
        y=least.cost_per_1000.tolist(),
        mode="lines",
        line={"color": Colour.LINE, "width": 2.2},
        name="one threshold",
        customdata=[as_limit(float(t)) for t in least.thresholds],
        hovertemplate="threshold %{customdata}: %{y:,.1f} per 1,000 parts<extra></extra>",
    )
    style(figure, height=290)
    low, high = (float(log_odds(v)) for v in least.accept_range)
    figure.add_vrect(
        x0=low, x1=high, fillcolor=Colour.RIGHT, opacity=0.14, line_width=0, layer="below"
    )
    limits = {v for v in (point.accept_below, point.reject_from) if v is not None}
    for at in limits:
        figure.add_vline(x=float(log_odds(at)), line={"color": Colour.SELECTED, "width": 2.5})
    figure.add_hline(
        y=least.least_cost_per_1000, line={"color": Colour.RIGHT, "width": 1.4, "dash": "dot"}
    )
    finite = least.cost_per_1000[np.isfinite(least.cost_per_1000)]
    # Why a floor: where a threshold costs nothing, 8 times the least cost would show nothing.
    worst = float(finite.max())
    top = min(worst, 8 * max(float(finite.min()), least.least_cost_per_1000, worst / 40, 1e-9))
    values_title(figure, "cost per 1,000 parts")
    figure.update_yaxes(range=[0, 1.05 * top], tickformat=",.4~g")
    _probability_axis(figure)
    figure.update_layout(showlegend=False, margin=_MARGIN)
    columns = {
        "threshold (%)": [round(100 * v, 4) for v in least.thresholds.tolist()],
        "cost per 1,000 parts": least.cost_per_1000.tolist(),
    }
    save_as(figure, "Cost by threshold", columns)
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
        name="at most",
        line={"width": 0},
        fillcolor=Colour.BAND,
        hoverinfo="skip",
    )


def _at_most(rate: Rate, confidence: float) -> dict[str, object]:
    upper = rate.upper(confidence)
    if rate.value is None or upper is None:
        return {}
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (upper - rate.value)],
        "arrayminus": [0.0],
        "color": Colour.SELECTED,
        "thickness": 1.6,
    }


def _reach(rate: Rate, confidence: float) -> float:
    """How far an axis goes: past the bound of the current threshold, not over the whole square."""
    upper = rate.upper(confidence)
    return 102.0 if upper is None else min(102.0, max(12.0, 250 * upper))


def _probability_axis(figure: go.Figure) -> None:
    figure.update_xaxes(
        title={"text": "NOK confidence"},
        range=[-_EDGE - 0.2, _EDGE + 0.2],
        tickvals=[float(log_odds(t)) for t in _TICKS],
        ticktext=["≤ 0.01%", "0.1%", "1%", "10%", "50%", "90%", "99%", "99.9%", "≥ 99.99%"],
        tickangle=0,
        tickfont={"size": 11, "color": Colour.MUTED},
    )


def _zones(figure: go.Figure, point: OperatingPoint) -> None:
    if point.accept_below is None or point.reject_from is None:
        return
    low, high = (float(log_odds(v)) for v in (point.accept_below, point.reject_from))
    ends = (-_EDGE - 0.2, low, high, _EDGE + 0.2)
    zones = (Colour.RIGHT, Colour.REVIEW, Colour.DEFECTIVE)
    for colour, start, end in zip(zones, ends, ends[1:], strict=False):
        if end > start:
            figure.add_vrect(
                x0=start, x1=end, fillcolor=colour, opacity=0.1, line_width=0, layer="below"
            )
    for at in sorted({low, high}):
        figure.add_vline(x=at, line={"color": Colour.SELECTED, "width": 2.5})
