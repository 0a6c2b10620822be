"""Figures of the Evaluate page; pure functions, no Streamlit. All are bounded in points."""

import textwrap
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from core.evaluation.measures.calibration import ConfidenceHistogram, Reliability
from core.evaluation.measures.intervals import Interval, Rate
from core.evaluation.measures.ranking import Curve
from core.evaluation.measures.slices import Slice
from core.evaluation.measures.views import (
    ClassRates,
    ConfidenceBand,
    MatrixView,
    Tone,
    mean_precision,
    mean_recall,
)
from pages.ui.figures.common import _style as style
from pages.ui.text import html

MAX_PIES = 6
MAX_ROWS = 40
_MAX_MATRIX_TEXT = 25
_MOST_SLANTED = 15
_CELL_PX = 20
_RIGHT, _WRONG, _MARK = "#0f766e", "#c2384d", "#e0a93b"
_TONES = {Tone.RIGHT: 1, Tone.WRONG: -1, Tone.OPEN: 0}


def right_colour(dark: bool) -> str:
    return "#2a9d8f" if dark else _RIGHT


def wrong_colour(dark: bool) -> str:
    return "#d9586b" if dark else _WRONG


def muted_colour(dark: bool) -> str:
    return "#3a4744" if dark else "#dfe4e1"


def matrix(
    view: MatrixView, *, shares: str, dark: bool, cell: tuple[int, int] | None = None
) -> go.Figure:
    """A matrix to click: right decisions teal, wrong ones red, the stronger the larger the share.

    Args:
        view: rows, columns and counts.
        shares: what the cells say: "" counts, "true" share of the row, "predicted" of the column.
        dark: for the dark theme.
        cell: the open one.
    """
    rows, columns = [html(n) for n in view.rows], [html(n) for n in view.columns]
    part = view.of_columns if shares == "predicted" else view.of_rows
    tones = np.array([[_TONES[tone] for tone in row] for row in view.tones]).reshape(part.shape)
    # Why the second scale: neither right nor wrong is gray, beyond the two ends of the colours.
    colours = np.where(tones == 0, 2 + part, part * tones)
    # Why lists: reading the cells of arrays one by one takes a quarter of a second for 100 classes.
    text = (
        [
            [_cell_text(count, share, shares) for count, share in zip(*row, strict=True)]
            for row in zip(view.counts.tolist(), part.tolist(), strict=True)
        ]
        if len(rows) <= _MAX_MATRIX_TEXT
        else None
    )
    gap = 0.5 if can_zoom(view) else 2
    heatmap = go.Heatmap(
        z=colours.tolist(),
        x=list(range(len(columns))),
        y=list(range(len(rows))),
        zmin=-1,
        zmax=3,
        colorscale=_matrix_scale(dark),
        showscale=False,
        xgap=gap,
        ygap=gap,
        text=text,
        texttemplate="%{text}" if text else None,
        **(
            _hover_by_numbers(view)
            if can_zoom(view)
            else {"hovertext": _cell_hovers(view, rows, columns), "hoverinfo": "text"}
        ),
    )
    figure = go.Figure(heatmap)
    count = len(rows)
    height = min(900, max(300, 130 + count * _row_height(count)))
    style(figure, dark=dark, height=height)
    zoomable = can_zoom(view)
    fixed = {
        "tickmode": "array",
        "fixedrange": not zoomable,
        "showgrid": False,
        "zeroline": False,
        # Why allowed: looking which of a hundred names reach over the edge takes half a second.
        "ticklabeloverflow": "allow",
        "tickfont": {"size": max(7, min(13, (height - 130) // max(1, count)))},
    }
    figure.update_xaxes(
        **fixed,
        tickvals=list(range(len(columns))),
        ticktext=_short(columns),
        range=[-0.5, len(columns) - 0.5],
        tickangle=_angle(len(columns)),
        title="predicted" if view.column_classes is not None else None,
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
        dragmode="pan" if zoomable else False, margin={"l": 10, "r": 10, "t": 10, "b": 10}
    )
    if cell:
        row, column = cell
        figure.add_shape(
            type="rect",
            x0=column - 0.5,
            x1=column + 0.5,
            y0=row - 0.5,
            y1=row + 0.5,
            line={"color": _MARK, "width": 3},
        )
    return figure


def _cell_hovers(view: MatrixView, rows: Sequence[str], columns: Sequence[str]) -> list[list[str]]:
    said = "decided" if view.column_classes is None else "predicted"
    true = [
        (f"true <b>{name}</b>, {said} ", f" of {total:,} in this row (")
        for name, total in zip(rows, view.row_totals.tolist(), strict=True)
    ]
    named = [
        (f"<b>{name}</b><br>", f")<br>of {total:,} in this column (")
        for name, total in zip(columns, view.column_totals.tolist(), strict=True)
    ]
    cells = zip(view.counts.tolist(), view.of_rows.tolist(), view.of_columns.tolist(), strict=True)
    return [
        [
            f"{row}{column}{count:,}{of_row}{by_row:.1%}{of_column}{by_column:.1%})"
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
        f"true <b>%{{y}}</b>, {said} <b>%{{x}}</b><br>%{{customdata[0]:,}} of "
        "%{customdata[1]:,} in this row (%{customdata[2]:.1%})<br>of %{customdata[3]:,} in this "
        "column (%{customdata[4]:.1%})<extra></extra>"
    )
    return {"customdata": numbers, "hovertemplate": words}


def _angle(columns: int) -> int:
    """Of the names below: flat, slanted, or upright where slanted ones would overlap."""
    return 0 if columns <= 4 else -40 if columns <= _MOST_SLANTED else -90


def can_zoom(view: MatrixView) -> bool:
    """Whether a matrix is so large that one wants to look closer."""
    return max(len(view.rows), len(view.columns)) > _MAX_MATRIX_TEXT


def pies(classes: Sequence[ClassRates], *, dark: bool) -> go.Figure:
    """Precision (upper row) and recall (lower row): the mean, then the weakest classes."""
    means = [mean_precision(classes), mean_recall(classes)]
    columns: list[tuple[str, list[tuple[float | None, str]]]] = [
        ("mean of all classes", [(mean, _mean_hover(mean)) for mean in means])
    ]
    for item in worst_first(classes)[:MAX_PIES]:
        columns.append(
            (
                item.name,
                [
                    (item.precision.value, _pie_hover(item, "precision")),
                    (item.recall.value, _pie_hover(item, "recall")),
                ],
            )
        )
    traces, notes = [], []
    width = 1 / len(columns)
    for number, (name, values) in enumerate(columns):
        middle = (number + 0.5) * width
        for (value, hover), (low, high) in zip(values, ((0.61, 1.0), (0.17, 0.56)), strict=True):
            domain = {"x": [number * width, (number + 1) * width], "y": [low, high]}
            traces.append(_pie(value, hover, domain, dark=dark))
            notes.append(_note(middle, (low + high) / 2, _pie_text(value), size=13))
        notes.append(_note(middle, 0.13, f"<b>{_two_lines(name)}</b>", size=12, yanchor="top"))
    for y, name in ((0.805, "precision"), (0.365, "recall")):
        notes.append(_note(-0.01, y, name, size=13, xanchor="right"))
    # Why all at once: a figure checks all that it has at every note that is added.
    figure = go.Figure(traces, {"annotations": notes, "showlegend": False})
    style(figure, dark=dark, height=270)
    figure.update_layout(margin={"l": 70, "r": 6, "t": 4, "b": 12})
    return figure


def _note(
    x: float, y: float, text: str, *, size: int, xanchor: str = "center", yanchor: str = "middle"
) -> dict[str, object]:
    return {
        "x": x,
        "y": y,
        "text": text,
        "xanchor": xanchor,
        "yanchor": yanchor,
        "showarrow": False,
        "font": {"size": size},
    }


def _two_lines(name: str, limit: int = 15) -> str:
    """A name for a narrow place: broken at a blank, cut where it is still too long."""
    lines = textwrap.wrap(name, limit, max_lines=2, placeholder=" …", break_long_words=True)
    return "<br>".join(html(line) for line in lines)


def _pie(value: float | None, hover: str, domain: dict[str, list[float]], *, dark: bool) -> go.Pie:
    colours = [right_colour(dark), wrong_colour(dark)]
    values = [1.0, 0.0] if value is None else [value, 1 - value]
    if value is None:
        colours = [muted_colour(dark)] * 2
    return go.Pie(
        values=values,
        domain=domain,
        hole=0.66,
        sort=False,
        direction="clockwise",
        textinfo="none",
        marker={"colors": colours},
        hovertext=[hover, hover],
        hoverinfo="text",
    )


def _pie_text(value: float | None) -> str:
    return "no data" if value is None else f"{value:.0%}" if value in (0, 1) else f"{value:.1%}"


def _pie_hover(item: ClassRates, kind: str) -> str:
    found: Rate = getattr(item, kind)
    of = f"predicted as {html(item.name)}" if kind == "precision" else f"truly {html(item.name)}"
    if not found.has_data:
        return f"none {of}: no data"
    return f"{found.k:,} of {found.n:,} {of} are right<br>{_bounds_text(found.interval)}"


def _mean_hover(mean: float | None) -> str:
    return "no data" if mean is None else f"unweighted mean over the classes: {mean:.1%}"


def worst_first(classes: Sequence[ClassRates]) -> list[ClassRates]:
    """Classes by the smaller of precision and recall; those without images last."""

    def key(item: ClassRates) -> tuple[bool, float, int]:
        known = [r.value for r in (item.precision, item.recall) if r.value is not None]
        return not item.recall.has_data, min(known, default=1.0), -item.recall.n

    return sorted(classes, key=key)


def class_bars(classes: Sequence[ClassRates], *, dark: bool, row: int | None = None) -> go.Figure:
    """Precision and recall of each class with bounds, in the order given; rows can be clicked."""
    figure = go.Figure()
    places = np.arange(len(classes))
    kinds = (("precision", "#4f6bd8", -0.19), ("recall", right_colour(dark), 0.19))
    for kind, colour, shift in kinds:
        found = [getattr(c, kind) for c in classes]
        figure.add_bar(
            y=places + shift,
            x=[r.value or 0 for r in found],
            orientation="h",
            name=kind,
            width=0.34,
            marker_color=colour,
            error_x=_errors(found, dark=dark),
            hovertext=[_pie_hover(c, kind) for c in classes],
            hoverinfo="text",
        )
        for place, rate in zip(places, found, strict=True):
            if not rate.has_data:
                figure.add_annotation(
                    x=0,
                    y=float(place + shift),
                    text="no data",
                    showarrow=False,
                    xanchor="left",
                    font={"size": 11},
                )
    _row_style(figure, [c.name for c in classes], dark=dark, row=row)
    figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
    )
    figure.update_xaxes(range=[0, 1.005], tickformat=".0%")
    return figure


def slice_bars(
    slices: Sequence[Slice], what: str, *, dark: bool, row: int | None = None
) -> go.Figure:
    """Rate of each slice with bounds; those that stand out as worse are red."""
    figure = go.Figure(
        go.Bar(
            y=list(range(len(slices))),
            x=[s.rate.value or 0 for s in slices],
            orientation="h",
            width=0.6,
            error_x=_errors([s.rate for s in slices], dark=dark),
            marker_color=[wrong_colour(dark) if s.is_worse else "#8a9692" for s in slices],
            hovertext=[_slice_hover(s, what) for s in slices],
            hoverinfo="text",
        )
    )
    names = [f"{s.value}  ({s.rate.n:,})" for s in slices]
    _row_style(figure, names, dark=dark, row=row)
    high = max([s.rate.interval.high for s in slices if s.rate.interval] or [0.1])
    figure.update_xaxes(range=[0, min(1.0, high * 1.08)], tickformat=".0%", title=what)
    return figure


def _slice_hover(item: Slice, what: str) -> str:
    if item.rate.value is None:
        return f"{html(item.value)}: no data"
    rest = f"<br>all others: {item.rest.value:.1%}" if item.rest.value is not None else ""
    return (
        f"<b>{html(item.value)}</b>: {item.rate.k:,} of {item.rate.n:,} {what}<br>"
        f"{_bounds_text(item.rate.interval)}{rest}"
    )


def _errors(rates: Sequence[Rate], *, dark: bool) -> dict[str, object]:
    up = [r.interval.high - r.value if r.interval and r.value is not None else 0 for r in rates]
    down = [r.value - r.interval.low if r.interval and r.value is not None else 0 for r in rates]
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "thickness": 1.4,
        "width": 3,
        "color": "#e4eae7" if dark else "#1b2422",
    }


def _row_style(figure: go.Figure, names: Sequence[str], *, dark: bool, row: int | None) -> None:
    count = len(names)
    style(figure, dark=dark, height=90 + 34 * count)
    figure.update_layout(
        margin={"l": 10, "r": 16, "t": 34, "b": 30},
        barmode="overlay",
        dragmode=False,
        hovermode="closest",
    )
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(count)),
        fixedrange=True,
        ticktext=[_two_lines(n, 22) for n in names],
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
            line={"color": _MARK, "width": 2},
        )


def bands(found: Sequence[ConfidenceBand], *, dark: bool, row: int | None = None) -> go.Figure:
    """Right and wrong images per band of confidence, the surest on top; rows can be clicked."""
    figure = go.Figure()
    for name, colour in (("right", right_colour(dark)), ("wrong", wrong_colour(dark))):
        values = [getattr(band, name) for band in found]
        figure.add_bar(
            y=list(range(len(found))),
            x=values,
            orientation="h",
            name=name,
            marker_color=colour,
            text=[f"{v:,}" if v else "" for v in values],
            hovertemplate="%{x:,} " + name + "<extra></extra>",
        )
    _row_style(figure, [band_name(band) for band in found], dark=dark, row=row)
    legend = {"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom", "traceorder": "normal"}
    figure.update_layout(barmode="stack", legend=legend)
    figure.update_xaxes(title="images")
    return figure


def band_name(band: ConfidenceBand) -> str:
    return f"{band.low:.0%} to {band.high:.0%} sure"


def histogram(found: ConfidenceHistogram, *, dark: bool) -> go.Figure:
    """How sure right and wrong predictions are."""
    figure = go.Figure()
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    for name, values, colour in (
        ("right", found.right, right_colour(dark)),
        ("wrong", found.wrong, wrong_colour(dark)),
    ):
        figure.add_bar(
            x=middles,
            y=values,
            name=name,
            marker_color=colour,
            hovertemplate="%{y:,} " + name + ", about %{x:.0%} sure<extra></extra>",
        )
    style(figure, dark=dark, height=320)
    _legend_above(figure, barmode="stack")
    figure.update_xaxes(title="confidence of the predicted class", tickformat=".0%", range=[0, 1])
    # Why logarithmic: a handful of sure mistakes must be seen beside thousands of right images.
    figure.update_yaxes(title="images, logarithmic", type="log", dtick=1, rangemode="tozero")
    return figure


def reliability(before: Reliability, after: Reliability | None, *, dark: bool) -> go.Figure:
    """How often predictions of each confidence are right; on the diagonal, confidence is honest."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="honest",
        hoverinfo="skip",
        line={"dash": "dot", "color": "#8a9692", "width": 1.5},
    )
    for name, found, colour in (("as stored", before, "#4f6bd8"), ("calibrated", after, "#d97706")):
        if found is None:
            continue
        filled = [b for b in found.bins if b.n]
        largest = max(b.n for b in filled)
        figure.add_scatter(
            x=[b.confidence for b in filled],
            y=[b.accuracy for b in filled],
            name=name,
            mode="markers",
            marker={
                "size": [7 + 11 * (b.n / largest) ** 0.5 for b in filled],
                "color": colour,
                "symbol": "circle" if found is before else "circle-open",
                "line": {"width": 2},
            },
            error_y=_errors([b.rate for b in filled], dark=dark) if found is before else None,
            hovertext=[
                f"{b.n:,} images, {b.confidence:.1%} sure on average, {b.accuracy:.1%} "
                f"right<br>{_bounds_text(b.rate.interval)}"
                for b in filled
            ],
            hoverinfo="text",
        )
    style(figure, dark=dark, height=320)
    _legend_above(figure)
    figure.update_xaxes(title="confidence", tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(title="share right", tickformat=".0%", range=[0, 1.05])
    return figure


def roc(curve: Curve, *, dark: bool) -> go.Figure:
    """True against false positives over all thresholds."""
    return _curve(
        curve,
        "false alarms",
        "found",
        "%{y:.1%} found at %{x:.1%} false alarms",
        diagonal=True,
        dark=dark,
    )


def precision_recall(curve: Curve, *, dark: bool) -> go.Figure:
    """Precision against recall over all thresholds."""
    return _curve(
        curve,
        "recall",
        "precision",
        "precision %{y:.1%} at recall %{x:.1%}",
        diagonal=False,
        dark=dark,
    )


def _curve(
    curve: Curve, x_title: str, y_title: str, words: str, *, diagonal: bool, dark: bool
) -> go.Figure:
    figure = go.Figure()
    if diagonal:
        figure.add_scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            line={"dash": "dot", "color": "#8a9692", "width": 1.5},
        )
    figure.add_scatter(
        x=curve.x,
        y=curve.y,
        mode="lines",
        showlegend=False,
        line={"color": right_colour(dark), "width": 2.4},
        customdata=np.minimum(curve.thresholds, 1),
        hovertemplate=words + "<br>from %{customdata:.3f} on<extra></extra>",
    )
    style(figure, dark=dark, height=320)
    figure.update_layout(margin={"l": 56, "r": 12, "t": 12, "b": 44})
    figure.update_xaxes(title=x_title, tickformat=".0%", range=[-0.01, 1.01])
    figure.update_yaxes(title=y_title, tickformat=".0%", range=[0, 1.02])
    return figure


def _legend_above(figure: go.Figure, **layout: object) -> None:
    figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom"},
        margin={"l": 56, "r": 12, "t": 34, "b": 44},
        **layout,
    )


def _bounds_text(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.confidence:.0%} sure: {interval.low:.1%} to {interval.high:.1%}"


def _row_height(count: int) -> int:
    return max(_CELL_PX, 52 if count < 8 else 30)


def _matrix_scale(dark: bool) -> list[list[object]]:
    """Over -1 (wrong) .. 0 (empty) .. 1 (right), then 2 .. 3 (neither)."""
    empty = "#1a2321" if dark else "#f1f3f1"
    wrong, right = wrong_colour(dark), right_colour(dark)
    # Why so steep at zero on the wrong side: a single error among many must be seen.
    faint_wrong = "#57303a" if dark else "#f3c9cf"
    faint_right = "#1e4a45" if dark else "#cfe6e2"
    neither = "#7a8683" if dark else "#a9b4b0"
    stops: list[tuple[float, str]] = [
        (-1, wrong),
        (-0.3, wrong),
        (-0.01, faint_wrong),
        (-1e-4, faint_wrong),
        (0, empty),
        (1e-4, faint_right),
        (0.5, right),
        (1, right),
        (1.5, right),
        (1.9, empty),
        (2, empty),
        (2.001, neither),
        (3, neither),
    ]
    return [[(at + 1) / 4, colour] for at, colour in stops]


def _cell_text(count: int, share: float, shares: str) -> str:
    if count == 0:
        return ""
    return f"{share:.0%}" if shares else f"{count:,}"


def _short(names: Sequence[str], limit: int = 22) -> list[str]:
    return [name if len(name) <= limit else name[: limit - 1] + "…" for name in names]
