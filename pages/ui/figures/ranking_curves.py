"""ROC and precision-recall curves."""

import numpy as np
import plotly.graph_objects as go

from core.evaluation.measures.ranking import Curve
from pages.ui.figures.theme import right_colour, style


def roc(curve: Curve, *, dark: bool) -> go.Figure:
    """True against false positive rate over all thresholds."""
    return _curve(
        curve,
        "false positive rate",
        "true positive rate",
        "true positive rate %{y:.1%} at false positive rate %{x:.1%}",
        diagonal=True,
        dark=dark,
    )


def precision_recall(curve: Curve, *, dark: bool) -> go.Figure:
    """Precision against recall over all thresholds."""
    return _curve(
        curve,
        "recall",
        "precision",
        "precision %{y:.1%} at recall %{x:.1%}",
        diagonal=False,
        dark=dark,
    )


def _curve(
    curve: Curve, x_title: str, y_title: str, words: str, *, diagonal: bool, dark: bool
) -> go.Figure:
    figure = go.Figure()
    if diagonal:
        figure.add_scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            line={"dash": "dot", "color": "#8a9692", "width": 1.5},
        )
    figure.add_scatter(
        x=curve.x,
        y=curve.y,
        mode="lines",
        showlegend=False,
        line={"color": right_colour(dark), "width": 2.4},
        customdata=np.minimum(curve.thresholds, 1),
        hovertemplate=words + "<br>threshold %{customdata:.3f}<extra></extra>",
    )
    style(figure, dark=dark, height=320)
    figure.update_layout(margin={"l": 56, "r": 12, "t": 12, "b": 44})
    figure.update_xaxes(title=x_title, tickformat=".0%", range=[-0.01, 1.01])
    figure.update_yaxes(title=y_title, tickformat=".0%", range=[0, 1.02])
    return figure
