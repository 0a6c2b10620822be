"""ROC and precision-recall curves."""

import numpy as np
import plotly.graph_objects as go

from core.evaluation.measures.ranking import Curve
from pages.ui.figures.saving import save_as
from pages.ui.figures.theme import TOP_PX, Colour, style, values_title


def roc(curve: Curve) -> go.Figure:
    """True against false positive rate over all thresholds."""
    return _curve(
        curve,
        "ROC curve",
        "false positive rate",
        "true positive rate",
        "true positive rate %{y:.1%} at false positive rate %{x:.1%}",
        diagonal=True,
    )


def precision_recall(curve: Curve) -> go.Figure:
    """Precision against recall over all thresholds."""
    return _curve(
        curve,
        "Precision-recall curve",
        "recall",
        "precision",
        "precision %{y:.1%} at recall %{x:.1%}",
        diagonal=False,
    )


def _curve(
    curve: Curve, title: str, x_title: str, y_title: str, words: str, *, diagonal: bool
) -> go.Figure:
    figure = go.Figure()
    if diagonal:
        figure.add_scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            line={"dash": "dot", "color": Colour.SECOND, "width": 1.5},
        )
    figure.add_scatter(
        x=curve.x,
        y=curve.y,
        mode="lines",
        showlegend=False,
        line={"color": Colour.LINE, "width": 2.4},
        customdata=np.minimum(curve.thresholds, 1),
        hovertemplate=words + "<br>threshold %{customdata:.1%}<extra></extra>",
    )
    style(figure, height=320)
    values_title(figure, y_title)
    figure.update_layout(margin={"l": 10, "r": 12, "t": TOP_PX, "b": 44}, showlegend=False)
    figure.update_xaxes(title={"text": x_title}, tickformat=".0%", range=[-0.01, 1.01])
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    columns = {
        "threshold (%)": [round(100 * v, 4) for v in np.minimum(curve.thresholds, 1).tolist()],
        f"{x_title} (%)": [round(100 * v, 4) for v in np.asarray(curve.x).tolist()],
        f"{y_title} (%)": [round(100 * v, 4) for v in np.asarray(curve.y).tolist()],
    }
    save_as(figure, title, columns)
    return figure
