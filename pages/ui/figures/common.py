"""Domain values to Plotly figures; pure functions, no Streamlit."""

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from core.domain.splits import Subset
from core.domain.training import EpochMetrics
from pages.ui.text import html

FAMILY = "Source Sans, Segoe UI, Helvetica, sans-serif"
SUBSET_COLOURS = {Subset.TRAIN: "#0f766e", Subset.VALIDATION: "#d97706", Subset.TEST: "#4f6bd8"}
_SIDE_COLOURS = {subset.value: colour for subset, colour in SUBSET_COLOURS.items()}
_FOLD_COLOURS = ("#0f766e", "#d97706", "#7c6f9f", "#5b8c3e", "#be4b6a", "#8a6d3b")
_MAX_BARS = 40
_CLASS_COLOURS = (
    "#0f9488",
    "#d97706",
    "#4f6bd8",
    "#be4b6a",
    "#7c8a2e",
    "#0891b2",
    "#8b5cf6",
    "#8a817c",
)


def subset_counts(
    counts: Mapping[str, Mapping[str, int]], class_names: Sequence[str], *, dark: bool
) -> go.Figure:
    """Stacked bars: images per class and side (subset or fold); past 40 classes the largest."""
    totals = {name: sum(side[name] for side in counts.values()) for name in class_names}
    shown = list(class_names)
    if len(shown) > _MAX_BARS:
        shown = sorted(shown, key=totals.__getitem__, reverse=True)[:_MAX_BARS]
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
    _style(figure, dark=dark, height=max(220, 100 + 34 * len(names)))
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


def fold_scores(scores: Mapping[int, tuple[float, float]], *, dark: bool) -> go.Figure:
    """Accuracy and macro F1 of every fold, with the mean as a line and one deviation as a band.

    `scores` maps the number of a fold, from 1, to both; at least two folds.
    """
    figure = go.Figure()
    folds = list(scores)
    for values, name, colour in zip(
        zip(*scores.values(), strict=True),
        ("accuracy", "macro F1"),
        ("#4f6bd8", "#be4b6a"),
        strict=True,
    ):
        mean, spread = statistics.fmean(values), statistics.stdev(values)
        figure.add_hrect(
            y0=mean - spread, y1=mean + spread, fillcolor=colour, opacity=0.12, line_width=0
        )
        figure.add_hline(y=mean, line={"color": colour, "width": 1.5, "dash": "dot"})
        figure.add_scatter(
            x=folds,
            y=values,
            name=name,
            mode="markers",
            marker={"size": 12, "color": colour},
            hovertemplate=f"fold %{{x}}: {name} %{{y:.3f}}<extra></extra>",
        )
    _style(figure, dark=dark, height=300)
    figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom"},
        margin={"l": 48, "r": 12, "t": 40, "b": 40},
    )
    figure.update_xaxes(title="fold", dtick=1, range=[0.5, max(folds) + 0.5], showgrid=False)
    return figure


def class_counts(counts: Mapping[str, int], *, dark: bool, coloured: bool = False) -> go.Figure:
    """Bars: images per class; past 40 classes the largest, the rest as one.

    `coloured` gives few classes the colours that they have in the other charts.
    """
    colours: str | list[str] = "#0f766e"
    if coloured and len(counts) <= len(_CLASS_COLOURS):
        colours = [class_colour(number) for number in range(len(counts))]
    if len(counts) > _MAX_BARS:
        largest = sorted(counts, key=counts.__getitem__, reverse=True)[:_MAX_BARS]
        rest = sum(counts.values()) - sum(counts[name] for name in largest)
        counts = {
            **{name: counts[name] for name in largest},
            f"{len(counts) - _MAX_BARS} other classes": rest,
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
    _style(figure, dark=dark, height=max(160, 60 + 30 * len(names)))
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
    _style(figure, dark=dark, height=250)
    figure.update_layout(
        barmode="stack", bargap=0.04, showlegend=False, margin={"l": 10, "r": 10, "t": 10, "b": 40}
    )
    figure.update_xaxes(title=title)
    figure.update_yaxes(title="images")
    if logarithmic:
        ticks = range(math.floor(edges[0]), math.ceil(edges[-1]) + 1)
        figure.update_xaxes(tickvals=list(ticks), ticktext=[f"{10.0**tick:g}" for tick in ticks])
    return figure


def sizes(found: Sequence[tuple[int, int, int]], *, dark: bool) -> go.Figure:
    """Points: width and height of images, the larger the more images have them."""
    most = max(count for _, _, count in found)
    figure = go.Figure(
        go.Scatter(
            x=[width for width, _, _ in found],
            y=[height for _, height, _ in found],
            mode="markers",
            marker={
                "size": [6 + 22 * math.sqrt(count / most) for _, _, count in found],
                "color": "#0f766e",
                "opacity": 0.65,
                "line": {"width": 0},
            },
            hovertext=[f"{w} × {h}: {count} images" for w, h, count in found],
            hoverinfo="text",
        )
    )
    _style(figure, dark=dark, height=250)
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
    _style(figure, dark=dark, height=560)
    # Why itemsizing: legend marks as small as the points could not be told apart.
    figure.update_layout(
        dragmode="lasso",
        margin={"l": 6, "r": 6, "t": 36, "b": 6},
        modebar={"bgcolor": "rgba(0,0,0,0)"},
        showlegend=len(labels) <= _MAX_BARS,
        legend={"itemsizing": "constant"},
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def class_colour(number: int) -> str:
    """A colour for a class: eight that differ well, then the same ones lighter and darker."""
    base = _CLASS_COLOURS[number % len(_CLASS_COLOURS)]
    if number < len(_CLASS_COLOURS):
        return base
    factor = 0.65 if number // len(_CLASS_COLOURS) % 2 else 1.35
    parts = (min(255, round(int(base[i : i + 2], 16) * factor)) for i in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)


def loss_curve(epochs: Sequence[EpochMetrics], *, dark: bool) -> go.Figure:
    """Training and validation loss over the epochs, logarithmic."""
    figure = go.Figure()
    _line(figure, epochs, "train_loss", "training", "#0f766e")
    _line(figure, epochs, "val_loss", "validation", "#d97706")
    _curve_style(figure, epochs, dark=dark, title="Loss, logarithmic (lower is better)")
    values = [v for e in epochs for v in (e.train_loss, e.val_loss) if v > 0 and math.isfinite(v)]
    ticks = _log_ticks(min(values), max(values)) if values else []
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{value:g}" for value in ticks])
    return figure


def score_curve(epochs: Sequence[EpochMetrics], *, dark: bool) -> go.Figure:
    """Validation accuracy and macro F1; the best epoch is marked."""
    figure = go.Figure()
    _line(figure, epochs, "val_accuracy", "accuracy", "#4f6bd8")
    _line(figure, epochs, "val_macro_f1", "macro F1", "#be4b6a")
    best = [item for item in epochs if item.is_best]
    if best:
        figure.add_scatter(
            x=[best[-1].epoch + 1],
            y=[best[-1].val_macro_f1],
            mode="markers",
            name="best",
            marker={"symbol": "star", "size": 13, "color": "#e0a93b"},
            hovertemplate="best: epoch %{x}, %{y:.3f}<extra></extra>",
        )
    _curve_style(figure, epochs, dark=dark, title="Validation score (higher is better)")
    return figure


def rate_curve(epochs: Sequence[EpochMetrics], *, dark: bool) -> go.Figure:
    """The learning rate after each epoch."""
    figure = go.Figure()
    _line(figure, epochs, "learning_rate", "learning rate", "#78716c")
    _curve_style(figure, epochs, dark=dark, title="Learning rate")
    return figure


def confidences(
    ranked: Sequence[tuple[str, float]], *, dark: bool, true_class: str | None = None
) -> go.Figure:
    """Horizontal bars of class confidences, the most confident on top."""
    shown = list(ranked[:10])
    colours = [
        "#78716c" if true_class is None and i else _confidence_colour(name, true_class, i)
        for i, (name, _) in enumerate(shown)
    ]
    figure = go.Figure(
        go.Bar(
            y=[html(name) for name, _ in shown],
            x=[value for _, value in shown],
            orientation="h",
            marker_color=colours,
            text=[f"{value:.1%}" for _, value in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )
    _style(figure, dark=dark, height=50 + 34 * len(shown))
    figure.update_layout(margin={"l": 10, "r": 10, "t": 6, "b": 24})
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    figure.update_xaxes(range=[0, 1.16], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    return figure


def _confidence_colour(name: str, true_class: str | None, position: int) -> str:
    if true_class is not None and name == true_class:
        return "#0f766e"
    if position == 0:
        return "#c2384d" if true_class is not None else "#0f766e"
    return "#78716c"


def _line(
    figure: go.Figure, epochs: Sequence[EpochMetrics], field: str, name: str, colour: str
) -> None:
    figure.add_scatter(
        x=[item.epoch + 1 for item in epochs],
        y=[getattr(item, field) for item in epochs],
        name=name,
        mode="lines+markers" if len(epochs) < 3 else "lines",
        line={"color": colour, "width": 2.2},
        hovertemplate=f"epoch %{{x}}: {name} %{{y:.4g}}<extra></extra>",
    )


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten around a range; only the powers where that is many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(exponents) <= 3 else (1,)
    return [step * 10.0**exponent for exponent in exponents for step in steps]


def _curve_style(
    figure: go.Figure, epochs: Sequence[EpochMetrics], *, dark: bool, title: str
) -> None:
    _style(figure, dark=dark, height=300)
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0, "xref": "paper", "y": 0.97},
        legend={"orientation": "h", "y": 1.0, "x": 1, "xanchor": "right", "yanchor": "bottom"},
        margin={"l": 48, "r": 12, "t": 56, "b": 40},
    )
    figure.update_xaxes(
        title="epoch",
        rangemode="tozero" if len(epochs) > 1 else "normal",
        dtick=1 if len(epochs) <= 10 else None,
    )


def _style(figure: go.Figure, *, dark: bool, height: int) -> None:
    ink, grid = ("#e4eae7", "#2f3b38") if dark else ("#1b2422", "#e3e7e4")
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "size": 13, "family": FAMILY},
        hoverlabel={"font": {"size": 13, "family": FAMILY}},
    )
    figure.update_xaxes(gridcolor=grid, linecolor=grid, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=grid, linecolor=grid, zeroline=False, automargin=True)
