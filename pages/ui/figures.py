"""Domain values to Plotly figures; pure functions, no Streamlit."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.domain import EpochMetrics, Subset
from core.evaluation.metrics import EvaluationReport, relative
from pages.ui.text import html

SUBSET_COLOURS = {Subset.TRAIN: "#0f766e", Subset.VALIDATION: "#d97706", Subset.TEST: "#4f6bd8"}
_SIDE_COLOURS = {subset.value: colour for subset, colour in SUBSET_COLOURS.items()}
_FOLD_COLOURS = ("#0f766e", "#d97706", "#7c6f9f", "#5b8c3e", "#be4b6a", "#8a6d3b")
_RIGHT_LIGHT, _RIGHT_DARK = "#0f766e", "#2a9d8f"
_WRONG_LIGHT, _WRONG_DARK = "#c2384d", "#d9586b"
_MAX_MATRIX_TEXT = 25
_CELL_PX = 20
_MAX_BARS = 40


def confusion_matrix(
    report: EvaluationReport,
    *,
    show_shares: bool,
    dark: bool,
    cell: tuple[int, int] | None = None,
) -> go.Figure:
    """Rows true, columns predicted; right decisions teal, errors red, the stronger the more."""
    names = [html(name) for name in report.class_names]
    shares = relative(report.confusion_matrix)
    count = len(names)
    colours = [
        [float(shares[r, c]) * (1 if r == c else -1) for c in range(count)] for r in range(count)
    ]
    counts = report.confusion_matrix.tolist()
    text = [
        [_cell_text(counts[r][c], shares[r, c], show_shares) for c in range(count)]
        for r in range(count)
    ]
    hover = [
        [
            f"true <b>{names[r]}</b>, predicted <b>{names[c]}</b><br>"
            f"{counts[r][c]} of {sum(counts[r])} ({shares[r, c]:.1%})"
            for c in range(count)
        ]
        for r in range(count)
    ]
    heatmap = go.Heatmap(
        z=colours, x=list(range(count)), y=list(range(count)), zmin=-1, zmax=1,
        colorscale=_matrix_scale(dark), showscale=False, xgap=2, ygap=2, text=text,
        texttemplate="%{text}" if count <= _MAX_MATRIX_TEXT else None,
        hovertext=hover, hoverinfo="text",
    )  # fmt: skip
    figure = go.Figure(heatmap)
    height = min(900, max(340, 130 + count * max(_CELL_PX, 52 if count < 8 else 30)))
    _style(figure, dark=dark, height=height)
    ticks = {"tickmode": "array", "tickvals": list(range(count)), "ticktext": _short(names),
             "fixedrange": True, "showgrid": False, "zeroline": False}  # fmt: skip
    figure.update_xaxes(**ticks, range=[-0.5, count - 0.5], title="predicted",
                        tickangle=0 if count <= 5 else -40)  # fmt: skip
    figure.update_yaxes(**ticks, range=[count - 0.5, -0.5], title="true")
    figure.update_layout(dragmode=False, margin={"l": 10, "r": 10, "t": 10, "b": 10})
    if cell:
        row, column = cell
        figure.add_shape(type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
                         line={"color": "#e0a93b", "width": 3})  # fmt: skip
    return figure


def subset_counts(
    counts: Mapping[str, Mapping[str, int]], class_names: Sequence[str], *, dark: bool
) -> go.Figure:
    """Stacked bars: pictures per class and side (subset or fold); past 40 classes the largest."""
    totals = {name: sum(side[name] for side in counts.values()) for name in class_names}
    shown = list(class_names)
    if len(shown) > _MAX_BARS:
        shown = sorted(shown, key=totals.__getitem__, reverse=True)[:_MAX_BARS]
    names = [html(name) for name in shown]
    figure = go.Figure()
    for position, (side, own) in enumerate(counts.items()):
        values = [own[name] for name in shown]
        colour = _SIDE_COLOURS.get(side) or _FOLD_COLOURS[position % len(_FOLD_COLOURS)]
        figure.add_bar(y=names, x=values, name=side, orientation="h", marker_color=colour,
                       text=values, insidetextanchor="middle", textangle=0, constraintext="none",
                       hovertemplate="%{y}: %{x} " + side + "<extra></extra>")  # fmt: skip
    _style(figure, dark=dark, height=max(220, 100 + 34 * len(names)))
    legend = {"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom", "traceorder": "normal"}
    figure.update_layout(barmode="stack", legend=legend, uniformtext={"minsize": 9, "mode": "hide"},
                         margin={"l": 10, "r": 10, "t": 44, "b": 30})  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    figure.update_xaxes(title="pictures")
    return figure


def class_counts(counts: Mapping[str, int], *, dark: bool) -> go.Figure:
    """Bars: pictures per class; past 40 classes the largest, the rest as one."""
    if len(counts) > _MAX_BARS:
        largest = sorted(counts, key=counts.__getitem__, reverse=True)[:_MAX_BARS]
        rest = sum(counts.values()) - sum(counts[name] for name in largest)
        counts = {
            **{name: counts[name] for name in largest},
            f"{len(counts) - _MAX_BARS} other classes": rest,
        }
    names = [html(name) for name in counts]
    figure = go.Figure(go.Bar(y=names, x=list(counts.values()), orientation="h",
                              marker_color="#0f766e", text=list(counts.values()),
                              hovertemplate="%{y}: %{x} pictures<extra></extra>"))  # fmt: skip
    _style(figure, dark=dark, height=max(160, 60 + 30 * len(names)))
    figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 30})
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    figure.update_xaxes(title="pictures")
    return figure


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
        figure.add_scatter(x=[best[-1].epoch + 1], y=[best[-1].val_macro_f1], mode="markers",
                           name="best", marker={"symbol": "star", "size": 13, "color": "#e0a93b"},
                           hovertemplate="best: epoch %{x}, %{y:.3f}<extra></extra>")  # fmt: skip
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
    figure = go.Figure(go.Bar(
        y=[html(name) for name, _ in shown], x=[value for _, value in shown], orientation="h",
        marker_color=colours, text=[f"{value:.1%}" for _, value in shown],
        textposition="outside", cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    ))  # fmt: skip
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
        x=[item.epoch + 1 for item in epochs], y=[getattr(item, field) for item in epochs],
        name=name, mode="lines+markers" if len(epochs) < 3 else "lines",
        line={"color": colour, "width": 2.2},
        hovertemplate=f"epoch %{{x}}: {name} %{{y:.4g}}<extra></extra>",
    )  # fmt: skip


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
        template="none", height=height, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "size": 13, "family": "Source Sans, Segoe UI, Helvetica, sans-serif"},
        hoverlabel={"font": {"size": 13}},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=grid, linecolor=grid, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=grid, linecolor=grid, zeroline=False, automargin=True)


def _matrix_scale(dark: bool) -> list[list[object]]:
    empty = "#1a2321" if dark else "#f1f3f1"
    wrong, right = (_WRONG_DARK, _RIGHT_DARK) if dark else (_WRONG_LIGHT, _RIGHT_LIGHT)
    # Why so steep at zero on the wrong side: a single error among many must be seen.
    faint_wrong = "#57303a" if dark else "#f3c9cf"
    faint_right = "#1e4a45" if dark else "#cfe6e2"
    return [[0.0, wrong], [0.35, wrong], [0.495, faint_wrong], [0.4999, faint_wrong],
            [0.5, empty], [0.5001, faint_right], [0.75, right], [1.0, right]]  # fmt: skip


def _cell_text(count: int, share: float, show_shares: bool) -> str:
    if count == 0:
        return ""
    return f"{share:.0%}" if show_shares else str(count)


def _short(names: Sequence[str], limit: int = 22) -> list[str]:
    return [name if len(name) <= limit else name[: limit - 1] + "…" for name in names]
