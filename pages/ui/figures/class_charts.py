"""Figures of classes, slices and changed images: pies, bars and lines of rates with bounds."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.evaluation.measures.class_rates import ClassRates, mean_precision, mean_recall
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.slices import Slice
from core.files import Cell
from core.words import percent
from core.workflows.results.robustness import WORDS as CHANGE_WORDS
from core.workflows.results.robustness import Robustness, level_in_words
from pages.ui.figures.bars import bounds_text, rate_columns, row_style, two_lines, whiskers
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import LABEL_PX, TOP_PX, Colour, style
from pages.ui.text import html

MAX_PIES = 6
MAX_ROWS = 40


def pies(classes: Sequence[ClassRates]) -> go.Figure:
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
            traces.append(_pie(value, hover, domain))
            notes.append(_note(middle, (low + high) / 2, _pie_text(value), size=13))
        notes.append(_note(middle, 0.13, f"<b>{two_lines(name)}</b>", size=12, yanchor="top"))
    for y, name in ((0.805, "precision"), (0.365, "recall")):
        notes.append(_note(-0.01, y, name, size=13, xanchor="right"))
    # Why all at once: a figure checks all that it has at every note that is added.
    figure = go.Figure(traces, {"annotations": notes, "showlegend": False})
    style(figure, height=270)
    figure.update_layout(margin={"l": 70, "r": 6, "t": 4, "b": 12})
    save_as(figure, "Precision and recall", _class_table(classes))
    return figure


def _class_table(classes: Sequence[ClassRates]) -> dict[str, Sequence[Cell]]:
    return {
        "class": [item.name for item in classes],
        **rate_columns([item.precision for item in classes], "precision"),
        **rate_columns([item.recall for item in classes], "recall"),
    }


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


def _pie(value: float | None, hover: str, domain: dict[str, list[float]]) -> go.Pie:
    values = [1.0, 0.0] if value is None else [value, 1 - value]
    # Why pale: in gray the part that is wrong must not look like the one that is right.
    colours = [Colour.EMPTY] * 2 if value is None else [Colour.RIGHT, Colour.WRONG_PALE]
    edge = Colour.GRID if value is None else Colour.WRONG
    return go.Pie(
        values=values,
        domain=domain,
        hole=0.66,
        sort=False,
        direction="clockwise",
        textinfo="none",
        marker={"colors": colours, "line": {"color": [colours[0], edge], "width": 1}},
        hovertext=[hover, hover],
        hoverinfo="text",
    )


def _pie_text(value: float | None) -> str:
    return "no data" if value is None else percent(value)


def _pie_hover(item: ClassRates, kind: str) -> str:
    rate: Rate = getattr(item, kind)
    name = html(item.name)
    if not rate.has_data:
        nothing = "is never predicted" if kind == "precision" else "has no images here"
        return f"{name} {nothing}: no data"
    of = f"predictions of {name}" if kind == "precision" else f"with true class {name}"
    return f"{rate.k:,} of {rate.n:,} {of} are correct<br>{bounds_text(rate.interval)}"


def _mean_hover(mean: float | None) -> str:
    return "no data" if mean is None else f"unweighted mean over the classes: {percent(mean)}"


def worst_first(classes: Sequence[ClassRates]) -> list[ClassRates]:
    """Classes by the smaller of precision and recall; those without images last."""

    def key(item: ClassRates) -> tuple[bool, float, int]:
        known = [r.value for r in (item.precision, item.recall) if r.value is not None]
        return not item.recall.has_data, min(known, default=1.0), -item.recall.n

    return sorted(classes, key=key)


def slice_bars(slices: Sequence[Slice], what: str, *, row: int | None = None) -> go.Figure:
    """Rate of each slice with bounds; those that stand out as worse are red and hatched."""
    figure = go.Figure(
        go.Bar(
            y=list(range(len(slices))),
            x=[s.rate.value or 0 for s in slices],
            orientation="h",
            width=0.6,
            error_x=whiskers([s.rate for s in slices]),
            marker={
                "color": [Colour.WRONG if s.is_worse else Colour.OTHER for s in slices],
                "line": {
                    "color": [Colour.WRONG if s.is_worse else Colour.OTHER for s in slices],
                    "width": 1,
                },
                "pattern": {
                    "shape": ["/" if s.is_worse else "" for s in slices],
                    "bgcolor": Colour.WRONG_PALE,
                    "size": 6,
                },
            },
            hovertext=[_slice_hover(s, what) for s in slices],
            hoverinfo="text",
        )
    )
    names = [f"{s.value}  ({s.rate.n:,})" for s in slices]
    row_style(figure, names, row=row)
    high = max([s.rate.interval.high for s in slices if s.rate.interval] or [0.1])
    figure.update_xaxes(range=[0, min(1.0, high * 1.08)], tickformat=".0%", title={"text": what})
    columns = {"slice": [s.value for s in slices], **rate_columns([s.rate for s in slices], what)}
    save_as(figure, f"{what} per slice", columns)
    return figure


def _slice_hover(item: Slice, what: str) -> str:
    if item.rate.value is None:
        return f"{html(item.value)}: no data"
    rest = (
        f"<br>all others: {percent(item.rest.value, of=item.rest.n)}"
        if item.rest.value is not None
        else ""
    )
    return (
        f"<b>{html(item.value)}</b>: {item.rate.k:,} of {item.rate.n:,} {what}<br>"
        f"{bounds_text(item.rate.interval)}{rest}"
    )


def robustness(robust: Robustness) -> go.Figure:
    """Accuracy with its bounds against the strength of each change, one plot beside the other."""
    figure = make_subplots(
        cols=len(robust.curves),
        rows=1,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[CHANGE_WORDS[curve.change] for curve in robust.curves],
    )
    columns: dict[str, list[Cell]] = {"change": [], "strength": []}
    for number, curve in enumerate(robust.curves, start=1):
        rates = [point.accuracy for point in curve.points]
        columns["change"] += [curve.change.value] * len(rates)
        columns["strength"] += [point.level for point in curve.points]
        hover = [
            f"{html(level_in_words(curve.change, point.level))}: {percent(point.accuracy.value)}"
            f"<br>{bounds_text(point.accuracy.interval)}"
            for point in curve.points
        ]
        # Why by position: the strengths are far apart at one end and close at the other.
        figure.add_scatter(
            x=list(range(len(rates))),
            y=[rate.value for rate in rates],
            error_y=whiskers(rates),
            mode="lines+markers",
            showlegend=False,
            line={"color": Colour.LINE, "width": 2},
            marker={
                "size": 9,
                "color": [
                    Colour.WRONG if point.is_worse else Colour.LINE for point in curve.points
                ],
                "symbol": ["x" if point.is_worse else "circle" for point in curve.points],
            },
            hovertext=hover,
            hoverinfo="text",
            row=1,
            col=number,
        )
    style(figure, height=300)
    for number, curve in enumerate(robust.curves, start=1):
        figure.update_xaxes(
            tickvals=list(range(len(curve.points))),
            ticktext=[f"{point.level:g}" for point in curve.points],
            fixedrange=True,
            row=1,
            col=number,
        )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.03], fixedrange=True)
    figure.update_annotations(font={"size": LABEL_PX, "color": Colour.MUTED})
    figure.update_layout(margin={"l": 10, "r": 12, "t": TOP_PX, "b": 30})
    every = [point.accuracy for curve in robust.curves for point in curve.points]
    save_as(figure, "Robustness", {**columns, **rate_columns(every, "accuracy")})
    return figure
