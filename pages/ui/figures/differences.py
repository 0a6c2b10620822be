"""How far two models differ: a point with its interval for each question, around zero."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.evaluation.measures.intervals import Estimate
from core.files import Cell
from core.words import points
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import LABEL_PX, Colour, style

_ROW_PX = 48


def differences(rows: Sequence[tuple[str, Estimate, int]], names: tuple[str, str]) -> go.Figure:
    """Differences in percentage points with their intervals; right of zero this one is better.

    Args:
        rows: title, difference as a share, and 1, -1 or 0: this or the other one is proven
            better, or neither. Proven ones also differ in shape.
        names: of the other and this model, for the file that is saved.
    """
    figure = go.Figure()
    for title, estimate, proven in rows:
        if estimate.value is None or estimate.interval is None:
            continue
        value, low, high = (
            100 * v for v in (estimate.value, estimate.interval.low, estimate.interval.high)
        )
        said = points(value / 100)
        around = f"{points(low / 100)} to {points(high / 100)}"
        colour = {1: Colour.RIGHT, -1: Colour.WRONG}.get(proven, Colour.LINE)
        figure.add_scatter(
            x=[value],
            y=[title],
            mode="markers+text",
            text=[f"{said} ({around})"],
            textposition="top center",
            textfont={"size": LABEL_PX},
            cliponaxis=False,
            marker={"size": 12, "color": colour, "symbol": "diamond" if proven else "circle-open"},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value],
                "arrayminus": [value - low],
                "color": colour,
                "thickness": 2.4,
            },
            hovertemplate=f"{title}: {said} points, {around}<extra></extra>",
            showlegend=False,
        )
    style(figure, height=62 + _ROW_PX * len(rows))
    figure.add_vline(x=0, line={"width": 1.4, "dash": "dot", "color": Colour.SECOND})
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True)
    figure.update_xaxes(
        title={
            "text": "← other model better · points · this model better →",
            "font": {"size": LABEL_PX},
        },
        ticksuffix="",
        fixedrange=True,
    )
    figure.update_layout(dragmode=False, margin={"l": 10, "r": 12, "t": 28, "b": 44})
    save_as(figure, f"{names[1]} against {names[0]}", _table([(t, e) for t, e, _ in rows]))
    return figure


def _table(rows: Sequence[tuple[str, Estimate]]) -> dict[str, list[Cell]]:
    def in_points(value: float | None) -> float | None:
        return None if value is None else round(100 * value, 4)

    bounds = [estimate.interval for _, estimate in rows]
    return {
        "difference (positive: this model is better)": [title for title, _ in rows],
        "points": [in_points(estimate.value) for _, estimate in rows],
        "lower bound (points)": [in_points(b.low if b else None) for b in bounds],
        "upper bound (points)": [in_points(b.high if b else None) for b in bounds],
    }
