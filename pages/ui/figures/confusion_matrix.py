"""The confusion matrix to click, in all its views; bounded in points."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.evaluation.measures.views import MatrixView, Tone
from core.files import Cell
from core.words import percent, percents
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import Colour, frame_cell, names_px, style
from pages.ui.text import html

_MAX_MATRIX_TEXT = 25
_MOST_FLAT = 40  # characters beside each other, were all names as long as the longest
_MOST_SLANTED = 15
_CELL_PX = 20
_SLANTED_PX = 50  # what slanted names take of the height
_TONES = {Tone.RIGHT: 1, Tone.WRONG: -1, Tone.OPEN: 0}


def matrix(view: MatrixView, *, shares: str, cell: tuple[int, int] | None = None) -> go.Figure:
    """A matrix to click: right decisions teal, wrong ones red, the stronger the larger the share.

    Args:
        view: rows, columns and counts.
        shares: what the cells say: "" counts, "true" share of the row, "predicted" of the column.
        cell: the open one.
    """
    rows, columns = [html(n) for n in view.rows], [html(n) for n in view.columns]
    part = view.of_columns if shares == "predicted" else view.of_rows
    tones = np.array([[_TONES[tone] for tone in row] for row in view.tones]).reshape(part.shape)
    # Why the second scale: neither right nor wrong is gray, beyond the two ends of the colours.
    colours = np.where(tones == 0, 2 + part, part * tones)
    # Why lists: reading the cells of arrays one by one takes a quarter of a second for 100 classes.
    text = _texts(view, shares) if len(rows) <= _MAX_MATRIX_TEXT else None
    gap = 0.5 if can_zoom(view) else 2
    heatmap = go.Heatmap(
        z=colours.tolist(),
        x=list(range(len(columns))),
        y=list(range(len(rows))),
        zmin=-1,
        zmax=3,
        colorscale=_matrix_scale(),
        showscale=False,
        xgap=gap,
        ygap=gap,
        text=text,
        texttemplate="%{text}" if text else None,
        textfont={"size": 16 if len(rows) < 8 else 12},
        **(
            _hover_by_numbers(view)
            if can_zoom(view)
            else {"hovertext": _cell_hovers(view, rows, columns), "hoverinfo": "text"}
        ),
    )
    figure = go.Figure(heatmap)
    count = len(rows)
    room = _SLANTED_PX if _angle(_short(columns)) else 0
    height = min(900, max(300, 130 + count * _row_height(count)) + room)
    style(figure, height=height)
    zoomable = can_zoom(view)
    names_size = max(7, min(13, (height - 130) // max(1, count)))
    fixed = {
        "tickmode": "array",
        "fixedrange": not zoomable,
        "showgrid": False,
        "zeroline": False,
        # Why allowed: looking which of a hundred names reach over the edge takes half a second.
        "ticklabeloverflow": "allow",
        "tickfont": {"size": names_size, "color": Colour.TEXT},
    }
    figure.update_xaxes(
        **fixed,
        tickvals=list(range(len(columns))),
        ticktext=_short(columns),
        range=[-0.5, len(columns) - 0.5],
        tickangle=_angle(_short(columns)),
        automargin=True,
        # Why with a distance: without it the title stands where flat names would end.
        title={"text": "predicted" if view.column_classes is not None else None, "standoff": 12},
    )
    figure.update_yaxes(
        **fixed,
        tickvals=list(range(count)),
        ticktext=_short(rows),
        range=[count - 0.5, -0.5],
        automargin=True,
        title={"text": "true" if view.row_classes else None, "standoff": 14},
    )
    figure.update_layout(
        dragmode="pan" if zoomable else False,
        # The titles of the axes are beside the names; slanted names make their own room.
        margin={"l": names_px(_short(rows), names_size) + 34, "r": 10, "t": 28, "b": 50},
    )
    frame_cell(figure, cell)
    save_as(figure, "Confusion matrix", _table(view))
    return figure


def _table(view: MatrixView) -> dict[str, list[Cell]]:
    """Counts, a column of the table for each one of the matrix."""
    said = "decided" if view.column_classes is None else "predicted"
    counts = {
        f"{said}: {name}": column
        for name, column in zip(view.columns, view.counts.T.tolist(), strict=True)
    }
    return {"true class (counts of images or parts)": list(view.rows), **counts}


def _cell_hovers(view: MatrixView, rows: Sequence[str], columns: Sequence[str]) -> list[list[str]]:
    said = "decided" if view.column_classes is None else "predicted"
    true = [
        (f"true <b>{name}</b>, {said} ", f" of the {total:,} in this row<br>")
        for name, total in zip(rows, view.row_totals.tolist(), strict=True)
    ]
    named = [
        (f"<b>{name}</b>: ", f" of the {total:,} in this column")
        for name, total in zip(columns, view.column_totals.tolist(), strict=True)
    ]
    cells = zip(view.counts.tolist(), view.of_rows.tolist(), view.of_columns.tolist(), strict=True)
    return [
        [
            f"{row}{column}{count:,}<br>{percent(by_row)}{of_row}{percent(by_column)}{of_column}"
            for (column, of_column), count, by_row, by_column in zip(named, *values, strict=True)
        ]
        for (row, of_row), values in zip(true, cells, strict=True)
    ]


def _hover_by_numbers(view: MatrixView) -> dict[str, object]:
    """The same words as of `_cell_hovers`, put together by the browser, with the axes' names.

    Why: ten thousand cells in words are two megabytes, and cost half a second.
    """
    said = "decided" if view.column_classes is None else "predicted"
    of_row, of_column = np.broadcast_arrays(view.row_totals[:, None], view.column_totals)
    parts = [view.counts, of_row, view.of_rows, of_column, view.of_columns]
    numbers = np.stack(parts, axis=2, dtype=np.float32, casting="same_kind")
    words = (
        f"true <b>%{{y}}</b>, {said} <b>%{{x}}</b>: %{{customdata[0]:,}}<br>%{{customdata[2]:.1%}} "
        "of the %{customdata[1]:,} in this row<br>%{customdata[4]:.1%} of the "
        "%{customdata[3]:,} in this column<extra></extra>"
    )
    return {"customdata": numbers, "hovertemplate": words}


def _angle(names: Sequence[str]) -> int:
    """Of the names below: flat, slanted, or upright where slanted ones would overlap."""
    longest = max(map(len, names), default=0)
    return 0 if longest * len(names) <= _MOST_FLAT else -40 if len(names) <= _MOST_SLANTED else -90


def can_zoom(view: MatrixView) -> bool:
    """Whether a matrix is so large that one wants to look closer."""
    return max(len(view.rows), len(view.columns)) > _MAX_MATRIX_TEXT


def _row_height(count: int) -> int:
    return 52 if count < 4 else 40 if count < 9 else 26 if count < 16 else _CELL_PX


def _matrix_scale() -> list[list[object]]:
    """Over -1 (wrong) .. 0 (empty) .. 1 (right), then 2 .. 3 (neither)."""
    # Why so steep at zero on the wrong side: a single error among many must be seen.
    stops: list[tuple[float, Colour]] = [
        (-1, Colour.WRONG),
        (-0.3, Colour.WRONG),
        (-0.01, Colour.WRONG_PALE),
        (-1e-4, Colour.WRONG_PALE),
        (0, Colour.EMPTY),
        (1e-4, Colour.RIGHT_PALE),
        (0.5, Colour.RIGHT),
        (1, Colour.RIGHT),
        (1.5, Colour.RIGHT),
        (1.9, Colour.EMPTY),
        (2, Colour.EMPTY),
        (2.001, Colour.OTHER),
        (3, Colour.OTHER),
    ]
    return [[(at + 1) / 4, colour] for at, colour in stops]


def _texts(view: MatrixView, shares: str) -> list[list[str]]:
    """What the cells say; nothing where nothing was counted."""
    match shares:
        case "true":
            said = [percents(row) for row in view.counts.tolist()]
        case "predicted":
            columns = [percents(column) for column in view.counts.T.tolist()]
            said = [list(row) for row in zip(*columns, strict=True)]
        case _:
            said = [[f"{count:,}" for count in row] for row in view.counts.tolist()]
    counted = zip(view.counts.tolist(), said, strict=True)
    return [[w if n else "" for n, w in zip(*row, strict=True)] for row in counted]


def _short(names: Sequence[str], limit: int = 22) -> list[str]:
    return [name if len(name) <= limit else name[: limit - 1] + "…" for name in names]
