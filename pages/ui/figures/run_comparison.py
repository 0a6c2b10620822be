"""Figures of several runs over each other: scores over the epochs, losses over the penalty."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.domain.training import EpochMetrics, PenaltyPoint, chosen_point
from core.files import Cell
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import NUMBERS_PX, TITLE_PX, Colour, class_colour, style
from pages.ui.figures.training_curves import penalty_axis

DASHES = ("solid", "dash", "dot", "dashdot")
_HEIGHT = 340
_Columns = dict[str, Sequence[Cell]]


def scores_over_epochs(
    curves: Mapping[str, Sequence[EpochMetrics]], *, best: str | None
) -> go.Figure:
    """Validation macro F1 of every run by name; the best epoch of the best run is marked."""
    figure = go.Figure()
    for number, (name, curve) in enumerate(curves.items()):
        _line(
            figure,
            number,
            name,
            [e.epoch + 1 for e in curve],
            [e.val_macro_f1 for e in curve],
            is_best=name == best,
            hover="epoch %{x}: %{y:.3f}",
        )
    if best is not None and curves.get(best):
        top = max(curves[best], key=lambda e: (e.val_macro_f1, -e.val_loss))
        _star(figure, top.epoch + 1, top.val_macro_f1)
    _finish(figure, "Validation macro F1 (higher is better)", "epoch")
    points = {n: [(e.epoch + 1, e.val_macro_f1) for e in c] for n, c in curves.items()}
    save_as(figure, "Runs compared", _table(points, "epoch", "validation macro F1"))
    return figure


def losses_over_penalty(
    paths: Mapping[str, Sequence[PenaltyPoint]], *, best: str | None
) -> go.Figure:
    """Cross-validated log loss of every run by name; the penalty of the best run is marked."""
    figure = go.Figure()
    for number, (name, path) in enumerate(paths.items()):
        _line(
            figure,
            number,
            name,
            [p.penalty for p in path],
            [p.log_loss for p in path],
            is_best=name == best,
            hover="penalty %{x:.3g}: %{y:.3f}",
        )
    if best is not None and (chosen := chosen_point(paths.get(best, ()))):
        _star(figure, chosen.penalty, chosen.log_loss)
    _finish(figure, "Cross-validated log loss (lower is better)", "penalty")
    points = {n: [(p.penalty, p.log_loss) for p in path] for n, path in paths.items()}
    save_as(figure, "Runs compared", _table(points, "penalty", "log loss"))
    penalty_axis(figure, [point.penalty for path in paths.values() for point in path])
    return figure


def _line(
    figure: go.Figure,
    number: int,
    name: str,
    x: Sequence[float],
    y: Sequence[float],
    *,
    is_best: bool,
    hover: str,
) -> None:
    """One run: told apart by colour and by dashes, the best one by its width."""
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) < 3 else "lines",
        line={
            "color": class_colour(number),
            "width": 3 if is_best else 1.8,
            "dash": DASHES[number % 4],
        },
        hovertemplate=f"{hover}<extra>%{{fullData.name}}</extra>",
    )


def _star(figure: go.Figure, x: float, y: float) -> None:
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        name="best",
        showlegend=False,
        marker={"symbol": "star", "size": 15, "color": Colour.SELECTED},
        hovertemplate="best run: %{y:.3f}<extra></extra>",
    )


def _finish(figure: go.Figure, title: str, x_title: str) -> None:
    style(figure, height=_HEIGHT)
    figure.update_layout(
        title={"text": title, "font": {"size": TITLE_PX}, "x": 0, "xref": "container", "y": 0.97},
        # Why below: names of runs are long, and at the right they would take the plot's place.
        legend={"orientation": "h", "y": -0.16, "x": 0, "yanchor": "top"},
        margin={"l": NUMBERS_PX, "r": 12, "t": 44, "b": 40},
        showlegend=True,
    )
    figure.update_xaxes(title={"text": x_title})


def _table(lines: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> _Columns:
    """One row for each point of each line."""
    rows = [(name, *point) for name, points in lines.items() for point in points]
    return {
        "run": [row[0] for row in rows],
        x: [row[1] for row in rows],
        y: [row[2] for row in rows],
    }
