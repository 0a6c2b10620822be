"""Figures of datasets and splits: counts, sizes, spreads, the map of similar images."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from core.domain.splits import Subset
from pages.ui.figures.theme import CLASS_COLOURS, MAX_BARS, class_colour, style
from pages.ui.text import html

SUBSET_COLOURS = {Subset.TRAIN: "#0f766e", Subset.VALIDATION: "#d97706", Subset.TEST: "#4f6bd8"}
_SIDE_COLOURS = {subset.value: colour for subset, colour in SUBSET_COLOURS.items()}
_FOLD_COLOURS = ("#0f766e", "#d97706", "#7c6f9f", "#5b8c3e", "#be4b6a", "#8a6d3b")


def subset_counts(
    counts: Mapping[str, Mapping[str, int]], class_names: Sequence[str], *, dark: bool
) -> go.Figure:
    """Stacked bars: images per class and side (subset or fold); past 40 classes the largest."""
    totals = {name: sum(side[name] for side in counts.values()) for name in class_names}
    shown = list(class_names)
    if len(shown) > MAX_BARS:
        shown = sorted(shown, key=totals.__getitem__, reverse=True)[:MAX_BARS]
    names = [html(name) for name in shown]
    figure = go.Figure()
    for position, (side, own) in enumerate(counts.items()):
        values = [own[name] for name in shown]
        colour = _SIDE_COLOURS.get(side) or _FOLD_COLOURS[position % len(_FOLD_COLOURS)]
        figure.add_bar(
            y=names,
            x=values,
            name=side,
            orientation="h",
            marker_color=colour,
            text=values,
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertemplate="%{y}: %{x} " + side + "<extra></extra>",
        )
    style(figure, dark=dark, height=max(220, 100 + 34 * len(names)))
    legend = {"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom", "traceorder": "normal"}
    figure.update_layout(
        barmode="stack",
        legend=legend,
        uniformtext={"minsize": 9, "mode": "hide"},
        margin={"l": 10, "r": 10, "t": 44, "b": 30},
    )
    # Why a category: class names that are numbers would become places on a scale.
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    figure.update_xaxes(title="images")
    return figure


def class_counts(counts: Mapping[str, int], *, dark: bool, coloured: bool = False) -> go.Figure:
    """Bars: images per class; past 40 classes the largest, the rest as one.

    `coloured` gives few classes the colours that they have in the other charts.
    """
    colours: str | list[str] = "#0f766e"
    if coloured and len(counts) <= len(CLASS_COLOURS):
        colours = [class_colour(number) for number in range(len(counts))]
    if len(counts) > MAX_BARS:
        largest = sorted(counts, key=counts.__getitem__, reverse=True)[:MAX_BARS]
        rest = sum(counts.values()) - sum(counts[name] for name in largest)
        counts = {
            **{name: counts[name] for name in largest},
            f"{len(counts) - MAX_BARS} other classes": rest,
        }
    names = [html(name) for name in counts]
    figure = go.Figure(
        go.Bar(
            y=names,
            x=list(counts.values()),
            orientation="h",
            marker_color=colours,
            text=list(counts.values()),
            hovertemplate="%{y}: %{x} images<extra></extra>",
        )
    )
    style(figure, dark=dark, height=max(160, 60 + 30 * len(names)))
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 30})
    # Why a category: class names that are numbers would become places on a scale.
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    figure.update_xaxes(title="images")
    return figure


def spread(
    counts: Mapping[str, Sequence[int]],
    edges: Sequence[float],
    *,
    dark: bool,
    title: str,
    logarithmic: bool = False,
) -> go.Figure:
    """Stacked bars: how many images of each class lie in each bin of a measure."""
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    shown = [10**value for value in middles] if logarithmic else middles
    figure = go.Figure()
    for number, (name, values) in enumerate(counts.items()):
        hover = [
            f"{html(name)}: {count} images near {value:.3g}"
            for value, count in zip(shown, values, strict=True)
        ]
        figure.add_bar(
            x=middles,
            y=list(values),
            name=html(name),
            hovertext=hover,
            hoverinfo="text",
            marker_color=class_colour(number),
        )
    style(figure, dark=dark, height=250)
    figure.update_layout(
        barmode="stack", bargap=0.04, showlegend=False, margin={"l": 10, "r": 10, "t": 10, "b": 40}
    )
    figure.update_xaxes(title=title)
    figure.update_yaxes(title="images")
    if logarithmic:
        ticks = range(math.floor(edges[0]), math.ceil(edges[-1]) + 1)
        figure.update_xaxes(tickvals=list(ticks), ticktext=[f"{10.0**tick:g}" for tick in ticks])
    return figure


def sizes(size_counts: Sequence[tuple[int, int, int]], *, dark: bool) -> go.Figure:
    """Points: width and height of images, the larger the more images have them."""
    most = max(count for _, _, count in size_counts)
    figure = go.Figure(
        go.Scatter(
            x=[width for width, _, _ in size_counts],
            y=[height for _, height, _ in size_counts],
            mode="markers",
            marker={
                "size": [6 + 22 * math.sqrt(count / most) for _, _, count in size_counts],
                "color": "#0f766e",
                "opacity": 0.65,
                "line": {"width": 0},
            },
            hovertext=[f"{w} × {h}: {count} images" for w, h, count in size_counts],
            hoverinfo="text",
        )
    )
    style(figure, dark=dark, height=250)
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 40}, showlegend=False)
    figure.update_xaxes(title="width in pixels", rangemode="tozero")
    figure.update_yaxes(title="height in pixels", rangemode="tozero")
    return figure


def image_map(
    points: Sequence[tuple[int, int | None, float, float]],
    class_names: Sequence[str],
    *,
    dark: bool,
) -> go.Figure:
    """Points coloured by class in a plane of similarity; each knows its sample id."""
    figure = go.Figure()
    labels = sorted({label for _, label, _, _ in points}, key=lambda label: (label is None, label))
    for label in labels:
        own = [point for point in points if point[1] == label]
        name = html("no label" if label is None else class_names[label])
        figure.add_scattergl(
            x=[round(x, 4) for _, _, x, _ in own],
            y=[round(y, 4) for _, _, _, y in own],
            customdata=[sample_id for sample_id, _, _, _ in own],
            mode="markers",
            name=name,
            marker={
                "size": 6 if len(points) < 3000 else 4,
                "opacity": 0.75,
                "color": class_colour(len(class_names) if label is None else label),
            },
            hovertemplate=f"{name}<extra></extra>",
        )
    style(figure, dark=dark, height=560)
    # Why itemsizing: legend marks as small as the points could not be told apart.
    figure.update_layout(
        dragmode="lasso",
        margin={"l": 6, "r": 6, "t": 36, "b": 6},
        modebar={"bgcolor": "rgba(0,0,0,0)"},
        showlegend=len(labels) <= MAX_BARS,
        legend={"itemsizing": "constant"},
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure
