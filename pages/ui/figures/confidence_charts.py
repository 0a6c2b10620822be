"""Figures of confidence: of one image, in bands, and against what is right."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.evaluation.measures.calibration import ConfidenceHistogram, Reliability
from core.evaluation.measures.views import ConfidenceBand
from core.files import Cell
from core.words import confidence, count, exact_percent, percent
from pages.ui.figures.bars import bounds_text, row_style, whiskers
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import NUMBERS_PX, TOP_PX, Colour, filled, legend_above, style
from pages.ui.text import html

_MARGIN = {"l": NUMBERS_PX, "r": 12, "t": TOP_PX, "b": 44}


def confidences(ranked: Sequence[tuple[str, float]], *, true_class: str | None = None) -> go.Figure:
    """Horizontal bars of class confidences, the most confident on top."""
    shown = list(ranked[:10])
    colours = [_confidence_colour(name, true_class, i) for i, (name, _) in enumerate(shown)]
    figure = go.Figure(
        go.Bar(
            y=[html(name) for name, _ in shown],
            x=[value for _, value in shown],
            orientation="h",
            marker={
                "color": colours,
                "line": {"color": colours, "width": 1},
                "pattern": {
                    "shape": ["/" if colour is Colour.WRONG else "" for colour in colours],
                    "bgcolor": Colour.WRONG_PALE,
                    "size": 6,
                },
            },
            text=[confidence(value) for _, value in shown],
            textposition="outside",
            cliponaxis=False,
            hovertext=[f"{html(name)}: {confidence(value)} confidence" for name, value in shown],
            hoverinfo="text",
        )
    )
    style(figure, height=50 + 34 * len(shown))
    figure.update_layout(margin={"l": 10, "r": 10, "t": 6, "b": 24})
    figure.update_yaxes(tickfont={"color": Colour.TEXT})
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    figure.update_xaxes(range=[0, 1.16], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    columns: dict[str, Sequence[Cell]] = {
        "class": [name for name, _ in ranked],
        "confidence (%)": [round(100 * value, 4) for _, value in ranked],
    }
    save_as(figure, "Confidence per class", columns)
    return figure


def _confidence_colour(name: str, true_class: str | None, position: int) -> Colour:
    if name == true_class:
        return Colour.RIGHT
    if position == 0:
        return Colour.LINE if true_class is None else Colour.WRONG
    return Colour.OTHER


def bands(shown: Sequence[ConfidenceBand], *, row: int | None = None) -> go.Figure:
    """Correct and wrong images per band of confidence, the highest on top; rows can be clicked."""
    figure = go.Figure()
    right, wrong = [band.right for band in shown], [band.wrong for band in shown]
    for name, values, look in (
        ("correct", right, filled(Colour.RIGHT)),
        ("wrong", wrong, filled(Colour.WRONG, "/")),
    ):
        figure.add_bar(
            y=list(range(len(shown))),
            x=values,
            orientation="h",
            name=name,
            marker=look,
            text=[f"{v:,}" if v else "" for v in values],
            textposition="outside" if name == "wrong" else "inside",
            cliponaxis=False,
            hovertemplate="%{x:,} " + name + "<extra></extra>",
        )
    row_style(figure, [band_name(band) for band in shown], row=row)
    figure.update_layout(barmode="stack")
    legend_above(figure, "images")
    columns: dict[str, Sequence[Cell]] = {
        "confidence from (%)": [round(100 * band.low, 4) for band in shown],
        "confidence to (%)": [round(100 * band.high, 4) for band in shown],
        "correct (images)": right,
        "wrong (images)": wrong,
    }
    save_as(figure, "Images by confidence", columns)
    return figure


def band_name(band: ConfidenceBand) -> str:
    return f"{exact_percent(band.low)} to {exact_percent(band.high)} confidence"


def histogram(counts: ConfidenceHistogram) -> go.Figure:
    """Confidence of correct predictions above that of wrong ones, each on a plain axis of its own.

    Why two axes: a handful of sure mistakes must be seen beside thousands of right images.
    """
    figure = go.Figure()
    middles = (counts.edges[1:] + counts.edges[:-1]) / 2
    for axis, name, values, look in (
        ("y", "correct", counts.right, filled(Colour.RIGHT)),
        ("y2", "wrong", counts.wrong, filled(Colour.WRONG, "/")),
    ):
        figure.add_bar(
            x=middles,
            y=values,
            yaxis=axis,
            name=name,
            marker=look,
            hovertemplate="%{y:,} " + name + ", about %{x:.0%} confidence<extra></extra>",
        )
    style(figure, height=340)
    legend_above(figure, "images")
    # Why stacked, where nothing stands on anything: bars of two axes would be drawn side by side.
    figure.update_layout(
        barmode="stack",
        margin=_MARGIN,
        yaxis={"domain": [0.54, 1.0], **_count_axis(counts.right)},
        yaxis2={"domain": [0.0, 0.46], "anchor": "x", **_count_axis(counts.wrong)},
    )
    figure.update_xaxes(
        title={"text": "confidence of the predicted class"},
        tickformat=".0%",
        range=[0, 1],
        anchor="y2",
    )
    columns = {
        "confidence from (%)": [round(100 * edge, 4) for edge in counts.edges[:-1].tolist()],
        "confidence to (%)": [round(100 * edge, 4) for edge in counts.edges[1:].tolist()],
        "correct (images)": counts.right.tolist(),
        "wrong (images)": counts.wrong.tolist(),
    }
    save_as(figure, "Confidence of correct and wrong predictions", columns)
    return figure


def _count_axis(values: NDArray[np.int64]) -> dict[str, object]:
    """From 0 to a little more than the highest bar, with whole numbers alone."""
    most = max(1, int(values.max(initial=0)))
    return {"range": [0, 1.08 * most], "nticks": 4, **({"dtick": 1} if most < 4 else {})}


def reliability(before: Reliability, after: Reliability | None) -> go.Figure:
    """Accuracy of the predictions of each confidence; on the diagonal both are equal."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="ideal",
        hoverinfo="skip",
        line={"dash": "dot", "color": Colour.SECOND, "width": 1.5},
    )
    for name, bins, colour in (
        ("as stored", before, Colour.LINE),
        ("calibrated", after, Colour.SECOND),
    ):
        if bins is None:
            continue
        drawn = [b for b in bins.bins if b.n]
        largest = max(b.n for b in drawn)
        figure.add_scatter(
            x=[b.confidence for b in drawn],
            y=[b.accuracy for b in drawn],
            name=name,
            mode="markers",
            marker={
                "size": [7 + 11 * (b.n / largest) ** 0.5 for b in drawn],
                "color": colour,
                "symbol": "circle" if bins is before else "circle-open",
                "line": {"width": 2},
            },
            error_y=whiskers([b.rate for b in drawn]) if bins is before else None,
            hovertext=[
                f"{count(b.n, 'image')}: mean confidence {percent(b.confidence)}, "
                f"{percent(b.accuracy, of=b.n)} correct<br>"
                f"{bounds_text(b.rate.interval)}"
                for b in drawn
            ],
            hoverinfo="text",
        )
    style(figure, height=320)
    legend_above(figure, "correct")
    figure.update_layout(margin=_MARGIN)
    figure.update_xaxes(title={"text": "confidence"}, tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(tickformat=".0%", range=[0, 1.05])
    save_as(figure, "Reliability of the confidence", _reliability_table(before, after))
    return figure


def _reliability_table(before: Reliability, after: Reliability | None) -> dict[str, list[Cell]]:
    drawn = [
        (name, b)
        for name, bins in (("as stored", before), ("calibrated", after))
        for b in (bins.bins if bins else ())
        if b.n
    ]
    return {
        "confidences": [name for name, _ in drawn],
        "images": [b.n for _, b in drawn],
        "mean confidence (%)": [_percent(b.confidence) for _, b in drawn],
        "correct (%)": [_percent(b.accuracy) for _, b in drawn],
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)
