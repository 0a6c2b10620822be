"""Figures of datasets and splits: counts, sizes, spreads, the map of similar images."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from core.domain.splits import Subset
from core.files import Cell
from core.words import significant
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import (
    MAX_BARS,
    MAX_CLASS_COLOURS,
    NUMBERS_PX,
    PATTERNS,
    TOP_PX,
    Colour,
    class_colour,
    class_marker,
    class_pattern,
    filled,
    legend_above,
    names_px,
    style,
    values_title,
)
from pages.ui.text import html

_SUBSETS = {
    Subset.TRAIN: filled(Colour.TRAIN),
    Subset.VALIDATION: filled(Colour.VALIDATION),
    Subset.TEST: {"color": Colour.TEST, "line": {"color": Colour.VALIDATION, "width": 1}},
}
_SIDES = {subset.value: look for subset, look in _SUBSETS.items()}


def subset_counts(counts: Mapping[str, Mapping[str, int]], class_names: Sequence[str]) -> go.Figure:
    """Stacked bars: images per class and side (subset or fold); past 40 classes the largest."""
    totals = {name: sum(side[name] for side in counts.values()) for name in class_names}
    shown = list(class_names)
    if len(shown) > MAX_BARS:
        shown = sorted(shown, key=totals.__getitem__, reverse=True)[:MAX_BARS]
    names = [html(name) for name in shown]
    figure = go.Figure()
    for position, (side, own) in enumerate(counts.items()):
        values = [own[name] for name in shown]
        look = _SIDES.get(side) or _fold_look(position)
        figure.add_bar(
            y=names,
            x=values,
            name=side,
            orientation="h",
            marker=look,
            text=values,
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertemplate="%{y}: %{x} " + side + "<extra></extra>",
        )
    style(figure, height=max(220, 100 + 34 * len(names)))
    legend_above(figure, "images")
    figure.update_layout(
        barmode="stack",
        uniformtext={"minsize": 9, "mode": "hide"},
        margin={"l": names_px(shown, 13), "r": 10, "t": 44, "b": 30},
    )
    _class_axis(figure)
    columns: dict[str, Sequence[Cell]] = {"class": list(class_names)}
    for side, own in counts.items():
        columns[f"{side} (images)"] = [own[name] for name in class_names]
    save_as(figure, "Images per class and side of the split", columns)
    return figure


def _fold_look(position: int) -> dict[str, object]:
    """One of the folds of a split: three grays, then the same ones with a pattern."""
    colour = (Colour.LINE, Colour.OTHER, Colour.SECOND)[position % 3]
    return filled(colour, PATTERNS[position // 3 % len(PATTERNS)])


def _class_axis(figure: go.Figure) -> None:
    # Why a category: class names that are numbers would become places on a scale.
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        type="category",
        tickfont={"size": 13, "color": Colour.TEXT},
    )


def class_counts(counts: Mapping[str, int], *, coloured: bool = False) -> go.Figure:
    """Bars: images per class; past 40 classes the largest, the rest as one.

    `coloured` gives few classes the colours that they have in the other charts.
    """
    columns: dict[str, Sequence[Cell]] = {"class": list(counts), "images": list(counts.values())}
    colours: Colour | list[Colour] = Colour.LINE
    if coloured and len(counts) <= MAX_CLASS_COLOURS:
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
    style(figure, height=max(160, 60 + 30 * len(names)))
    figure.update_layout(margin={"l": names_px(counts, 13), "r": 10, "t": 10, "b": 30})
    _class_axis(figure)
    figure.update_xaxes(title={"text": "images"})
    save_as(figure, "Images per class", columns)
    return figure


def spread(
    counts: Mapping[str, Sequence[int]],
    edges: Sequence[float],
    *,
    title: str,
    logarithmic: bool = False,
) -> go.Figure:
    """Stacked bars: how many images of each class lie in each bin of a measure."""
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    shown = [10**value for value in middles] if logarithmic else middles
    figure = go.Figure()
    for number, (name, values) in enumerate(counts.items()):
        hover = [
            f"{html(name)}: {count} images near {significant(value)}"
            for value, count in zip(shown, values, strict=True)
        ]
        figure.add_bar(
            x=middles,
            y=list(values),
            name=html(name),
            hovertext=hover,
            hoverinfo="text",
            marker=filled(class_colour(number), class_pattern(number)),
        )
    style(figure, height=250)
    values_title(figure, "images")
    figure.update_layout(
        barmode="stack",
        bargap=0.04,
        showlegend=False,
        margin={"l": NUMBERS_PX, "r": 10, "t": TOP_PX, "b": 40},
    )
    figure.update_xaxes(title={"text": title})
    if logarithmic:
        ticks = range(math.floor(edges[0]), math.ceil(edges[-1]) + 1)
        figure.update_xaxes(tickvals=list(ticks), ticktext=[f"{10.0**tick:g}" for tick in ticks])
    ends = [10**edge if logarithmic else edge for edge in edges]
    columns: dict[str, Sequence[Cell]] = {
        f"{title}, from": ends[:-1],
        f"{title}, to": ends[1:],
        **{f"{name} (images)": list(values) for name, values in counts.items()},
    }
    save_as(figure, f"Images by {title}", columns)
    return figure


def sizes(size_counts: Sequence[tuple[int, int, int]]) -> go.Figure:
    """Points: width and height of images, the larger the more images have them."""
    most = max(count for _, _, count in size_counts)
    figure = go.Figure(
        go.Scatter(
            x=[width for width, _, _ in size_counts],
            y=[height for _, height, _ in size_counts],
            mode="markers",
            marker={
                "size": [6 + 22 * math.sqrt(count / most) for _, _, count in size_counts],
                "color": Colour.LINE,
                "opacity": 0.6,
                "line": {"width": 0},
            },
            hovertext=[f"{w} × {h}: {count} images" for w, h, count in size_counts],
            hoverinfo="text",
        )
    )
    style(figure, height=250)
    values_title(figure, "height in pixels")
    figure.update_layout(margin={"l": NUMBERS_PX, "r": 10, "t": TOP_PX, "b": 40}, showlegend=False)
    figure.update_xaxes(title={"text": "width in pixels"}, rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    widths, heights, images = zip(*size_counts, strict=True)
    save_as(figure, "Image sizes", {"width (px)": widths, "height (px)": heights, "images": images})
    return figure


def image_map(
    points: Sequence[tuple[int, int | None, float, float]],
    class_names: Sequence[str],
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
                "size": 7 if len(points) < 3000 else 5,
                "opacity": 0.8,
                **_map_look(label),
            },
            hovertemplate=f"{name}<extra></extra>",
        )
    style(figure, height=560)
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
    columns: dict[str, Sequence[Cell]] = {
        "image": [sample_id for sample_id, _, _, _ in points],
        "class": [None if label is None else class_names[label] for _, label, _, _ in points],
        "x": [round(x, 4) for _, _, x, _ in points],
        "y": [round(y, 4) for _, _, _, y in points],
    }
    save_as(figure, "Map of similar images", columns)
    return figure


def _map_look(label: int | None) -> dict[str, object]:
    if label is None:
        return {"color": Colour.OTHER, "symbol": "circle-open"}
    return {"color": class_colour(label), "symbol": class_marker(label)}
