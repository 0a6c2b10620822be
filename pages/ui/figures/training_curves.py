"""Figures of runs: curves over the epochs, losses over the penalty, scores over the folds."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from core.domain.training import EpochMetrics, PenaltyPoint, chosen_point
from core.files import Cell
from core.words import exact
from pages.ui.figures.line_labels import LineEnd, label_ends, place_on
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import NUMBERS_PX, TITLE_PX, Colour, legend_above, style

_HEIGHT, _TOP, _BOTTOM = 300, 44, 40
_MANY_POWERS = 7
_STAR = {"symbol": "star", "size": 15, "color": Colour.SELECTED}


def loss_curve(epochs: Sequence[EpochMetrics]) -> go.Figure:
    """Training and validation loss over the epochs, logarithmic."""
    figure = go.Figure()
    lines = [
        _line(figure, epochs, "train_loss", "training", Colour.TRAIN),
        _line(figure, epochs, "val_loss", "validation", Colour.VALIDATION, dash="dash"),
    ]
    _curve_style(figure, epochs, title="Loss, logarithmic (lower is better)")
    values = [v for e in epochs for v in (e.train_loss, e.val_loss) if v > 0 and math.isfinite(v)]
    ticks = _log_ticks(min(values), max(values)) if values else []
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{value:g}" for value in ticks])
    _label(figure, lines)
    save_as(
        figure,
        "Loss per epoch",
        _columns(epochs, {"train_loss": "training loss", "val_loss": "validation loss"}),
    )
    return figure


def score_curve(epochs: Sequence[EpochMetrics]) -> go.Figure:
    """Validation accuracy and macro F1, training accuracy if measured; the best is marked."""
    figure = go.Figure()
    lines = [
        _line(figure, epochs, "val_accuracy", "accuracy", Colour.LINE),
        _line(figure, epochs, "val_macro_f1", "macro F1", Colour.SECOND, dash="dash"),
    ]
    columns = {"val_accuracy": "accuracy", "val_macro_f1": "macro F1"}
    if any(item.train_accuracy is not None for item in epochs):
        lines.append(_line(figure, epochs, "train_accuracy", "training", Colour.TRAIN, dash="dot"))
        columns["train_accuracy"] = "training accuracy"
    best = [item for item in epochs if item.is_best]
    if best:
        figure.add_scatter(
            x=[best[-1].epoch + 1],
            y=[best[-1].val_macro_f1],
            mode="markers",
            name="best",
            marker=_STAR,
            hovertemplate="best: epoch %{x}, %{y:.3f}<extra></extra>",
        )
    _curve_style(figure, epochs, title="Validation score (higher is better)")
    _label(figure, lines)
    save_as(
        figure,
        "Validation score per epoch",
        _columns(epochs, columns),
    )
    return figure


def rate_curve(epochs: Sequence[EpochMetrics]) -> go.Figure:
    """The learning rate after each epoch."""
    figure = go.Figure()
    _line(figure, epochs, "learning_rate", "learning rate", Colour.LINE)
    _curve_style(figure, epochs, title="Learning rate")
    figure.update_layout(showlegend=False)
    save_as(figure, "Learning rate per epoch", _columns(epochs, {"learning_rate": "learning rate"}))
    return figure


def penalty_path(path: Sequence[PenaltyPoint]) -> go.Figure:
    """Log loss over the penalty, with standard errors; the chosen one is marked.

    The penalty is logarithmic, the loss where it spans more than one power of ten.
    """
    chosen = chosen_point(path)
    figure = go.Figure()
    figure.add_scatter(
        x=[point.penalty for point in path],
        y=[point.log_loss for point in path],
        error_y={
            "array": [point.standard_error for point in path],
            # Why bounded: a logarithmic axis has no place for what lies below zero.
            "arrayminus": [min(p.standard_error, 0.9 * p.log_loss) for p in path],
            "symmetric": False,
            "thickness": 1.2,
            "color": Colour.VALIDATION,
            "width": 3,
        },
        mode="lines+markers",
        line={"color": Colour.VALIDATION, "width": 2.2},
        marker={"size": 7},
        showlegend=False,
        hovertemplate="penalty %{x:.3g}: log loss %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=[chosen.penalty] if chosen else [],
        y=[chosen.log_loss] if chosen else [],
        mode="markers",
        name="chosen",
        marker=_STAR,
        hovertemplate="chosen: penalty %{x:.3g}, log loss %{y:.4f}<extra></extra>",
    )
    style(figure, height=320)
    _title(figure, "Cross-validated log loss (lower is better)")
    figure.update_layout(showlegend=False, margin={"l": NUMBERS_PX, "r": 12, "t": _TOP, "b": 44})
    values = [point.log_loss for point in path if point.log_loss > 0]
    if values and max(values) > 10 * min(values):
        ticks = _log_ticks(min(values), max(values))
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{value:g}" for value in ticks])
    penalty_axis(figure, [point.penalty for point in path])
    if chosen:
        _name_point(figure, chosen.penalty, chosen.log_loss, "chosen")
    columns: dict[str, Sequence[Cell]] = {
        "penalty": [point.penalty for point in path],
        "log loss": [point.log_loss for point in path],
        "standard error of the log loss": [point.standard_error for point in path],
        "chosen": ["yes" if point == chosen else "no" for point in path],
    }
    save_as(figure, "Log loss per penalty", columns)
    return figure


def fold_scores(scores: Mapping[int, tuple[float, float]]) -> go.Figure:
    """Accuracy and macro F1 of every fold, with the mean as a line and one deviation as a band.

    `scores` maps the number of a fold, from 1, to both; at least two folds.
    """
    figure = go.Figure()
    folds = list(scores)
    for values, name, colour, symbol in zip(
        zip(*scores.values(), strict=True),
        ("accuracy", "macro F1"),
        (Colour.LINE, Colour.VALIDATION),
        ("circle", "diamond-open"),
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
            marker={"size": 12, "color": colour, "symbol": symbol, "line": {"width": 2}},
            hovertemplate=f"fold %{{x}}: {name} %{{y:.3f}}<extra></extra>",
        )
    style(figure, height=300)
    legend_above(figure)
    figure.update_layout(margin={"l": NUMBERS_PX, "r": 12, "t": 40, "b": 40})
    columns: dict[str, Sequence[Cell]] = {"fold": folds}
    for name, values in zip(
        ("accuracy", "macro F1"), zip(*scores.values(), strict=True), strict=True
    ):
        columns[name] = values
    save_as(figure, "Scores per fold", columns)
    figure.update_xaxes(
        title={"text": "fold"}, dtick=1, range=[0.5, max(folds) + 0.5], showgrid=False
    )
    return figure


def _line(
    figure: go.Figure,
    epochs: Sequence[EpochMetrics],
    field: str,
    name: str,
    colour: Colour,
    *,
    dash: str = "solid",
) -> LineEnd | None:
    """Draw a line; gives its last point, if it has one that can be drawn."""
    values = [getattr(item, field) for item in epochs]
    figure.add_scatter(
        x=[item.epoch + 1 for item in epochs],
        y=values,
        name=name,
        mode="lines+markers" if len(epochs) < 3 else "lines",
        line={"color": colour, "width": 2.2, "dash": dash},
        hovertemplate=f"epoch %{{x}}: {name} %{{y:.4g}}<extra></extra>",
    )
    drawn = [
        (e.epoch + 1, v)
        for e, v in zip(epochs, values, strict=True)
        if v is not None and math.isfinite(v)
    ]
    return LineEnd(name, *drawn[-1]) if drawn else None


def _label(figure: go.Figure, ends: Sequence[LineEnd | None]) -> None:
    drawn = [end for end in ends if end is not None]
    label_ends(figure, drawn, plot_px=_HEIGHT - _TOP - _BOTTOM, margin=76)


def _name_point(figure: go.Figure, x: float, y: float, name: str) -> None:
    """A name above a point of the curve."""
    figure.add_annotation(
        x=place_on(figure.layout.xaxis, x),
        y=place_on(figure.layout.yaxis, y),
        text=name,
        yshift=12,
        yanchor="bottom",
        showarrow=False,
        font={"size": 12, "color": Colour.TEXT},
    )


def _columns(
    epochs: Sequence[EpochMetrics], fields: Mapping[str, str]
) -> dict[str, Sequence[Cell]]:
    """A table with one row per epoch; `fields` maps those of `EpochMetrics` to their names."""
    return {
        "epoch": [item.epoch + 1 for item in epochs],
        **{name: [getattr(e, field) for e in epochs] for field, name in fields.items()},
    }


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten around a range; only the powers where that is many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(exponents) <= 3 else (1,)
    return [step * 10.0**exponent for exponent in exponents for step in steps]


def penalty_axis(figure: go.Figure, penalties: Sequence[float]) -> None:
    """A logarithmic axis of some positive penalties, its numbers written out."""
    powers = _powers(penalties)
    # Why every second: "0.000001" is wide.
    powers = powers if len(powers) < _MANY_POWERS else powers[::-2][::-1]
    figure.update_xaxes(
        title={"text": "penalty"},
        type="log",
        tickvals=powers,
        ticktext=[exact(value) for value in powers],
    )


def _powers(values: Iterable[float]) -> list[float]:
    """The powers of ten around some positive values."""
    logs = [math.log10(value) for value in values]
    return [10.0**e for e in range(math.floor(min(logs)), math.ceil(max(logs)) + 1)]


def _title(figure: go.Figure, words: str) -> None:
    figure.update_layout(
        title={"text": words, "font": {"size": TITLE_PX}, "x": 0, "xref": "container", "y": 0.97}
    )


def _curve_style(figure: go.Figure, epochs: Sequence[EpochMetrics], *, title: str) -> None:
    style(figure, height=_HEIGHT)
    _title(figure, title)
    figure.update_layout(margin={"l": NUMBERS_PX, "r": 12, "t": _TOP, "b": _BOTTOM})
    figure.update_xaxes(
        title={"text": "epoch"},
        rangemode="tozero" if len(epochs) > 1 else "normal",
        dtick=1 if len(epochs) <= 10 else None,
    )
