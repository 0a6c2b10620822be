"""Figures of confidence: of one image, in bands, and against what is right."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.evaluation.measures.calibration import ConfidenceHistogram, Reliability
from core.evaluation.measures.views import ConfidenceBand
from pages.ui.figures.bars import bounds_text, row_style, whiskers
from pages.ui.figures.theme import legend_above, right_colour, style, wrong_colour
from pages.ui.text import html


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
    style(figure, dark=dark, height=50 + 34 * len(shown))
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


def bands(shown: Sequence[ConfidenceBand], *, dark: bool, row: int | None = None) -> go.Figure:
    """Correct and wrong images per band of confidence, the highest on top; rows can be clicked."""
    figure = go.Figure()
    for name, values, colour in (
        ("correct", [band.right for band in shown], right_colour(dark)),
        ("wrong", [band.wrong for band in shown], wrong_colour(dark)),
    ):
        figure.add_bar(
            y=list(range(len(shown))),
            x=values,
            orientation="h",
            name=name,
            marker_color=colour,
            text=[f"{v:,}" if v else "" for v in values],
            hovertemplate="%{x:,} " + name + "<extra></extra>",
        )
    row_style(figure, [band_name(band) for band in shown], dark=dark, row=row)
    legend = {"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom", "traceorder": "normal"}
    figure.update_layout(barmode="stack", legend=legend)
    figure.update_xaxes(title="images")
    return figure


def band_name(band: ConfidenceBand) -> str:
    return f"{band.low:.0%} to {band.high:.0%} confidence"


def histogram(counts: ConfidenceHistogram, *, dark: bool) -> go.Figure:
    """Confidence of correct and wrong predictions."""
    figure = go.Figure()
    middles = (counts.edges[1:] + counts.edges[:-1]) / 2
    for name, values, colour in (
        ("correct", counts.right, right_colour(dark)),
        ("wrong", counts.wrong, wrong_colour(dark)),
    ):
        figure.add_bar(
            x=middles,
            y=values,
            name=name,
            marker_color=colour,
            hovertemplate="%{y:,} " + name + ", about %{x:.0%} confidence<extra></extra>",
        )
    style(figure, dark=dark, height=320)
    legend_above(figure, barmode="stack")
    figure.update_xaxes(title="confidence of the predicted class", tickformat=".0%", range=[0, 1])
    # Why logarithmic: a handful of sure mistakes must be seen beside thousands of right images.
    figure.update_yaxes(title="images, logarithmic", type="log", dtick=1, rangemode="tozero")
    return figure


def reliability(before: Reliability, after: Reliability | None, *, dark: bool) -> go.Figure:
    """Accuracy of the predictions of each confidence; on the diagonal both are equal."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="ideal",
        hoverinfo="skip",
        line={"dash": "dot", "color": "#8a9692", "width": 1.5},
    )
    for name, bins, colour in (("as stored", before, "#4f6bd8"), ("calibrated", after, "#d97706")):
        if bins is None:
            continue
        filled = [b for b in bins.bins if b.n]
        largest = max(b.n for b in filled)
        figure.add_scatter(
            x=[b.confidence for b in filled],
            y=[b.accuracy for b in filled],
            name=name,
            mode="markers",
            marker={
                "size": [7 + 11 * (b.n / largest) ** 0.5 for b in filled],
                "color": colour,
                "symbol": "circle" if bins is before else "circle-open",
                "line": {"width": 2},
            },
            error_y=whiskers([b.rate for b in filled], dark=dark) if bins is before else None,
            hovertext=[
                f"{b.n:,} images: mean confidence {b.confidence:.1%}, {b.accuracy:.1%} correct<br>"
                f"{bounds_text(b.rate.interval)}"
                for b in filled
            ],
            hoverinfo="text",
        )
    style(figure, dark=dark, height=320)
    legend_above(figure)
    figure.update_xaxes(title="confidence", tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(title="share correct", tickformat=".0%", range=[0, 1.05])
    return figure
