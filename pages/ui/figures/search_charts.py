"""Figures of a search: what each trial reached, which values it had, which settings matter."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.domain.search import Range, Trial, TrialState
from core.domain.settings import Value
from core.files import Cell
from core.words import whole_percent
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import TITLE_PX, Colour, style

_HEIGHT = 300


def history(trials: Sequence[Trial]) -> go.Figure:
    """The score of every trial, pruned ones open, and the best so far as a line."""
    figure = go.Figure()
    measured = [t for t in trials if t.score is not None]
    best: list[float] = []
    for trial in measured:
        counts = trial.state is TrialState.COMPLETED
        before = best[-1] if best else math.nan
        score = trial.score if counts and trial.score is not None else math.nan
        best.append(max(before, score) if not math.isnan(before) else score)
    figure.add_scatter(
        x=[t.number + 1 for t in measured],
        y=best,
        mode="lines",
        name="best so far",
        line={"color": Colour.LINE, "width": 2.2, "shape": "hv"},
        hoverinfo="skip",
    )
    for state, name, symbol in (
        (TrialState.COMPLETED, "completed", "circle"),
        (TrialState.PRUNED, "ended early", "circle-open"),
    ):
        own = [t for t in measured if t.state is state]
        figure.add_scatter(
            x=[t.number + 1 for t in own],
            y=[t.score for t in own],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 10, "color": Colour.VALIDATION},
            hovertemplate=f"trial %{{x}}, {name}: %{{y:.3f}}<extra></extra>",
        )
    _finish(figure, "Validation macro F1 of each trial (higher is better)")
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "x": 0, "yanchor": "top"})
    figure.update_yaxes(range=_around([t.score or 0.0 for t in measured]))
    figure.update_xaxes(title={"text": "trial"}, dtick=1 if len(trials) <= 12 else None)
    save_as(
        figure,
        "Trials",
        {
            "trial": [t.number + 1 for t in measured],
            "state": [t.state.value for t in measured],
            "validation macro F1": [t.score for t in measured],
        },
    )
    return figure


def parallel_values(
    trials: Sequence[Trial], ranges: Sequence[Range], titles: Mapping[str, str]
) -> go.Figure:
    """One line for each completed trial through its values, coloured by its score."""
    done = [t for t in trials if t.state is TrialState.COMPLETED and t.score is not None]
    scores = [float(t.score or 0.0) for t in done]
    figure = go.Figure(
        go.Parcoords(
            line={
                "color": scores,
                "colorscale": [[0, Colour.GRID], [1, Colour.LINE]],
                "cmin": min(scores, default=0),
                "cmax": max(scores, default=1),
            },
            dimensions=[
                *(_dimension(item, done, titles[item.name]) for item in ranges),
                {"label": "macro F1", "values": scores, "range": _around(scores)},
            ],
            labelfont={"color": Colour.TEXT},
            tickfont={"color": Colour.TEXT},
        )
    )
    style(figure, height=_HEIGHT)
    figure.update_layout(margin={"l": 60, "r": 40, "t": 60, "b": 30})
    columns: dict[str, Sequence[Cell]] = {
        titles[item.name]: [_cell(t.values[item.name]) for t in done] for item in ranges
    }
    save_as(figure, "Values of the trials", {**columns, "macro F1": scores})
    return figure


def importances(shares: Mapping[str, float], titles: Mapping[str, str]) -> go.Figure:
    """How much of the differences between trials each setting explains."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = go.Figure(
        go.Bar(
            x=[share for _, share in ordered],
            y=[titles.get(name, name) for name, _ in ordered],
            orientation="h",
            marker={"color": Colour.LINE},
            text=[whole_percent(share) for _, share in ordered],
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    _finish(figure, "Share of the differences each setting explains")
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    save_as(
        figure,
        "Importance of settings",
        {"setting": [name for name, _ in ordered], "share": [share for _, share in ordered]},
    )
    return figure


def rate_ramp(
    rates: Sequence[float], losses: Sequence[float], suggested: float | None
) -> go.Figure:
    """Smoothed training loss over the learning rate, logarithmic; the suggestion is marked."""
    figure = go.Figure()
    figure.add_scatter(
        x=rates,
        y=losses,
        mode="lines",
        line={"color": Colour.TRAIN, "width": 2.2},
        showlegend=False,
        hovertemplate="learning rate %{x:.2g}: loss %{y:.3f}<extra></extra>",
    )
    if suggested is not None and rates:
        nearest = min(range(len(rates)), key=lambda i: abs(math.log(rates[i] / suggested)))
        figure.add_scatter(
            x=[rates[nearest]],
            y=[losses[nearest]],
            mode="markers",
            name="suggested",
            marker={"symbol": "star", "size": 15, "color": Colour.SELECTED},
            hovertemplate="suggested: %{x:.2g}<extra></extra>",
        )
    _finish(figure, "Loss over the learning rate")
    figure.update_layout(showlegend=False)
    figure.update_xaxes(type="log", title={"text": "learning rate"}, dtick=1)
    save_as(figure, "Learning rate finder", {"learning rate": rates, "loss": losses})
    return figure


def _dimension(item: Range, trials: Sequence[Trial], title: str) -> dict[str, object]:
    values = [t.values[item.name] for t in trials]
    if item.choices:
        places = {str(choice): place for place, choice in enumerate(item.choices)}
        return {
            "label": title,
            "values": [places[str(value)] for value in values],
            "tickvals": list(places.values()),
            "ticktext": list(places),
            "range": [0, max(1, len(places) - 1)],
        }
    numbers = [float(value) for value in values]
    if not item.is_log:
        return {"label": title, "values": numbers, "range": [item.low, item.high]}
    low, high = math.log10(item.low), math.log10(item.high)
    ticks = range(math.ceil(low), math.floor(high) + 1)
    return {
        "label": title,
        "values": [math.log10(number) for number in numbers],
        "range": [low, high],
        "tickvals": list(ticks),
        "ticktext": [f"{10.0**tick:g}" for tick in ticks],
    }


def _around(scores: Sequence[float]) -> list[float]:
    """A range that holds all scores, with some space, and no more than 1."""
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    space = max(0.02, 0.1 * (high - low))
    return [max(0.0, low - space), min(1.0, high + space)]


def _cell(value: Value) -> Cell:
    return str(value) if isinstance(value, str | bool) else value


def _finish(figure: go.Figure, title: str) -> None:
    style(figure, height=_HEIGHT)
    figure.update_layout(
        title={"text": title, "font": {"size": TITLE_PX}, "x": 0, "xref": "container", "y": 0.97},
        margin={"l": 10, "r": 12, "t": 44, "b": 40},
    )
