"""What happens to good and defective parts, and which of two models is right, as matrices."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.evaluation.decisions.outcome import Outcome
from pages.ui.figures.theme import frame_cell, style

ZONES = ("accept", "inspector review", "reject")
_VERDICTS = ("good (OK)", "defective (NOK)")


def ok_nok_matrix(
    outcome: Outcome, *, dark: bool, cell: tuple[int, int] | None = None
) -> go.Figure:
    """Rows good and defective, columns what happens: right teal, wrong red, review amber."""
    counts = outcome.matrix
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    tone = np.array([[1.0, 2.0, -1.0], [-1.0, 2.0, 1.0]])
    strength = 0.3 + 0.7 * shares
    z = np.where(tone == 2, 2 + strength, tone * strength)
    figure = _small_matrix(
        np.where(counts == 0, 0.0, z).tolist(),
        [
            [f"<b>{n:,}</b><br>{s:.1%}" if n else "0" for n, s in zip(row, share, strict=True)]
            for row, share in zip(counts.tolist(), shares.tolist(), strict=True)
        ],
        rows=_VERDICTS,
        columns=ZONES,
        height=210,
        dark=dark,
    )
    hover = [
        [
            f"{name}, {zone}: {count:,} of {sum(row):,}"
            for zone, count in zip(ZONES, row, strict=True)
        ]
        for name, row in zip(_VERDICTS, counts.tolist(), strict=True)
    ]
    figure.update_traces(hovertext=hover, hoverinfo="text")
    frame_cell(figure, cell)
    return figure


def paired(rows: Sequence[Sequence[int]], *, dark: bool) -> go.Figure:
    """Parts by which model is right: [[both, only new], [only current, neither]]."""
    tone = [[0.3, 0.9], [-0.9, -0.3]]
    return _small_matrix(
        [
            [value if n else 0.0 for value, n in zip(line, row, strict=True)]
            for line, row in zip(tone, rows, strict=True)
        ],
        [[f"<b>{n:,}</b>" for n in row] for row in rows],
        rows=("new right", "new wrong"),
        columns=("current right", "current wrong"),
        height=190,
        dark=dark,
    )


def _small_matrix(
    z: list[list[float]],
    text: list[list[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    height: int,
    dark: bool,
) -> go.Figure:
    """A matrix of a few cells with large numbers; `z` as `_scale` says."""
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=list(range(len(columns))),
            y=list(range(len(rows))),
            zmin=-1,
            zmax=3,
            colorscale=_scale(dark),
            showscale=False,
            xgap=3,
            ygap=3,
            text=text,
            texttemplate="%{text}",
            hoverinfo="skip",
        )
    )
    style(figure, dark=dark, height=height)
    axis = {"tickmode": "array", "fixedrange": True, "showgrid": False, "zeroline": False}
    figure.update_xaxes(
        **axis,
        tickvals=list(range(len(columns))),
        ticktext=list(columns),
        range=[-0.5, len(columns) - 0.5],
        side="top",
    )
    figure.update_yaxes(
        **axis,
        tickvals=list(range(len(rows))),
        ticktext=list(rows),
        range=[len(rows) - 0.5, -0.5],
    )
    figure.update_layout(dragmode=False, margin={"l": 10, "r": 6, "t": 26, "b": 6})
    return figure


def _scale(dark: bool) -> list[list[object]]:
    """-1 .. 0 wrong, 0 .. 1 right, 2 .. 3 inspector review; positions in [0, 1]."""
    empty = "#1a2321" if dark else "#f1f3f1"
    wrong = ("#a63c4d", "#57303a") if dark else ("#c2384d", "#f3c9cf")
    right = ("#1e4a45", "#2a7f74") if dark else ("#cfe6e2", "#4aa79b")
    review = ("#4d3d1f", "#8a6a26") if dark else ("#f6e6c4", "#e3b75c")
    return [
        [0.0, wrong[0]],
        [0.249, wrong[1]],
        [0.25, empty],
        [0.251, right[0]],
        [0.5, right[1]],
        [0.74, review[0]],
        [1.0, review[1]],
    ]
