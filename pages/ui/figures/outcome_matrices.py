"""What happens to good and defective parts, and which of two models is right, as matrices."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import plotly.graph_objects as go

from core.evaluation.decisions.outcome import Outcome
from core.files import Cell
from core.words import percents
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import Colour, frame_cell, names_px, style

ZONES = ("accept", "inspector review", "reject")
_VERDICTS = ("good (OK)", "defective (NOK)")


class _Tone(IntEnum):
    """Where the ramp of a meaning begins on the scale of colours; 0 is for empty cells."""

    RIGHT = 1
    WRONG = 2
    FALSE_REJECT = 3
    REVIEW = 4


RAMPS = {
    _Tone.RIGHT: (Colour.RIGHT_PALE, Colour.RIGHT),
    _Tone.WRONG: (Colour.WRONG_PALE, Colour.WRONG),
    _Tone.FALSE_REJECT: (Colour.FALSE_REJECT_PALE, Colour.FALSE_REJECT),
    _Tone.REVIEW: (Colour.REVIEW_PALE, Colour.REVIEW),
}


def zones_shown(outcome: Outcome, *, has_reviews: bool) -> tuple[int, ...]:
    """The columns of `ok_nok_matrix` as positions in ZONES; reviews only where there may be any."""
    return (0, 1, 2) if has_reviews or outcome.matrix[:, 1].any() else (0, 2)


def described(zones: Sequence[int]) -> str:
    """What a reader who does not see the matrix with these columns needs."""
    columns = ", ".join(ZONES[position] for position in zones)
    return (
        f"rows good and defective; columns {columns}. Click a cell or use the arrow keys to see "
        "its images."
    )


def ok_nok_matrix(
    outcome: Outcome, *, cell: tuple[int, int] | None = None, has_reviews: bool = True
) -> go.Figure:
    """Rows good and defective, columns what happens; `cell` counts the columns that are shown.

    Right teal, escapes red, false rejects orange, review amber; the stronger the more of the row.
    """
    shown = list(zones_shown(outcome, has_reviews=has_reviews))
    zones = [ZONES[position] for position in shown]
    counts = outcome.matrix[:, shown]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    tone = np.array(
        [[_Tone.RIGHT, _Tone.REVIEW, _Tone.FALSE_REJECT], [_Tone.WRONG, _Tone.REVIEW, _Tone.RIGHT]]
    )[:, shown]
    figure = _small_matrix(
        # Why below 1: the whole of a row would be the pale start of the next meaning's ramp.
        np.where(counts == 0, 0.0, tone + 0.3 + 0.69 * shares).tolist(),
        [
            [
                f"<b>{n:,}</b><br>{share}" if n else "0"
                for n, share in zip(row, percents(row), strict=True)
            ]
            for row in counts.tolist()
        ],
        rows=_VERDICTS,
        columns=zones,
        height=212,
    )
    hover = [
        [
            f"{name}, {zone}: {count:,} of {sum(row):,}"
            for zone, count in zip(zones, row, strict=True)
        ]
        for name, row in zip(_VERDICTS, counts.tolist(), strict=True)
    ]
    figure.update_traces(hovertext=hover, hoverinfo="text")
    frame_cell(figure, cell)
    columns: dict[str, Sequence[Cell]] = {"parts or images": list(_VERDICTS)}
    for zone, column in zip(zones, counts.T.tolist(), strict=True):
        columns[zone] = column
    save_as(figure, "Decisions for good and defective parts", columns)
    return figure


def paired(rows: Sequence[Sequence[int]]) -> go.Figure:
    """Parts by which model is right: [[both, only this], [only the other, neither]]."""
    tone = [[_Tone.RIGHT + 0.3, _Tone.RIGHT + 0.9], [_Tone.WRONG + 0.9, _Tone.WRONG + 0.3]]
    names, columns = ("this right", "this wrong"), ("other right", "other wrong")
    figure = _small_matrix(
        [
            [value if n else 0.0 for value, n in zip(line, row, strict=True)]
            for line, row in zip(tone, rows, strict=True)
        ],
        [[f"<b>{n:,}</b>" for n in row] for row in rows],
        rows=names,
        columns=columns,
        height=192,
    )
    table: dict[str, Sequence[Cell]] = {"parts or images": list(names)}
    for name, column in zip(columns, zip(*rows, strict=True), strict=True):
        table[name] = column
    save_as(figure, "Where two models differ", table)
    return figure


def _small_matrix(
    z: list[list[float]],
    text: list[list[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    height: int,
) -> go.Figure:
    """A matrix of a few cells with large numbers; `z` as `_scale` says."""
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=list(range(len(columns))),
            y=list(range(len(rows))),
            zmin=0,
            zmax=len(RAMPS) + 1,
            colorscale=_scale(),
            showscale=False,
            xgap=3,
            ygap=3,
            text=text,
            texttemplate="%{text}",
            textfont={"size": 15},
            hoverinfo="skip",
        )
    )
    style(figure, height=height)
    axis = {
        "tickmode": "array",
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "tickfont": {"size": 13, "color": Colour.TEXT},
    }
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
    figure.update_layout(dragmode=False, margin={"l": names_px(rows, 13), "r": 30, "t": 32, "b": 6})
    return figure


def _scale() -> list[list[object]]:
    """Empty up to 1, then one ramp after the other, each one wide; positions in [0, 1]."""
    end = len(RAMPS) + 1
    stops: list[list[object]] = [[0.0, Colour.EMPTY], [0.999 / end, Colour.EMPTY]]
    for tone, (pale, strong) in RAMPS.items():
        stops += [[tone / end, pale], [(tone + (1 if tone + 1 == end else 0.999)) / end, strong]]
    return stops
