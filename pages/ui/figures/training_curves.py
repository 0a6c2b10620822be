"""Figures of runs: curves over the epochs, losses over the penalty, scores over the folds."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from core.domain.training import EpochMetrics, PenaltyPoint, chosen_point
from pages.ui.figures.theme import style


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


def penalty_path(path: Sequence[PenaltyPoint], *, dark: bool) -> go.Figure:
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
            "width": 3,
        },
        mode="lines+markers",
        line={"color": "#4f6bd8", "width": 2.2},
        marker={"size": 7},
        showlegend=False,
        hovertemplate="penalty %{x:.3g}: log loss %{y:.4f}<extra></extra>",
    )
    figure.add_scatter(
        x=[chosen.penalty] if chosen else [],
        y=[chosen.log_loss] if chosen else [],
        mode="markers",
        name="chosen",
        marker={"symbol": "star", "size": 15, "color": "#e0a93b"},
        hovertemplate="chosen: penalty %{x:.3g}, log loss %{y:.4f}<extra></extra>",
    )
    style(figure, dark=dark, height=320)
    figure.update_layout(
        title={
            "text": "Cross-validated log loss (lower is better)",
            "font": {"size": 14},
            "x": 0,
            "xref": "paper",
            "y": 0.97,
        },
        legend={"orientation": "h", "y": 1.0, "x": 1, "xanchor": "right", "yanchor": "bottom"},
        margin={"l": 48, "r": 12, "t": 56, "b": 44},
    )
    values = [point.log_loss for point in path if point.log_loss > 0]
    if values and max(values) > 10 * min(values):
        ticks = _log_ticks(min(values), max(values))
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{value:g}" for value in ticks])
    powers = _powers(point.penalty for point in path)
    figure.update_xaxes(
        title="penalty", type="log", tickvals=powers, ticktext=[f"{value:g}" for value in powers]
    )
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
    style(figure, dark=dark, height=300)
    figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom"},
        margin={"l": 48, "r": 12, "t": 40, "b": 40},
    )
    figure.update_xaxes(title="fold", dtick=1, range=[0.5, max(folds) + 0.5], showgrid=False)
    return figure


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


def _powers(values: Iterable[float]) -> list[float]:
    """The powers of ten around some positive values."""
    logs = [math.log10(value) for value in values]
    return [10.0**e for e in range(math.floor(min(logs)), math.ceil(max(logs)) + 1)]


def _curve_style(
    figure: go.Figure, epochs: Sequence[EpochMetrics], *, dark: bool, title: str
) -> None:
    style(figure, dark=dark, height=300)
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
