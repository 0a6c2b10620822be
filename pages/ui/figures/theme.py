"""The look that all figures share: font, colours, axes, the frame of what is open."""

import plotly.graph_objects as go

FAMILY = "Source Sans, Segoe UI, Helvetica, sans-serif"
MARK = "#e0a93b"
MAX_BARS = 40
CLASS_COLOURS = (
    "#0f9488",
    "#d97706",
    "#4f6bd8",
    "#be4b6a",
    "#7c8a2e",
    "#0891b2",
    "#8b5cf6",
    "#8a817c",
)


def style(figure: go.Figure, *, dark: bool, height: int) -> None:
    """Font, colours and grid of the theme; `height` in pixels."""
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


def class_colour(number: int) -> str:
    """A colour for a class: eight that differ well, then the same ones lighter and darker."""
    base = CLASS_COLOURS[number % len(CLASS_COLOURS)]
    if number < len(CLASS_COLOURS):
        return base
    factor = 0.65 if number // len(CLASS_COLOURS) % 2 else 1.35
    parts = (min(255, round(int(base[i : i + 2], 16) * factor)) for i in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)


def right_colour(dark: bool) -> str:
    """Of what is correct."""
    return "#2a9d8f" if dark else "#0f766e"


def wrong_colour(dark: bool) -> str:
    """Of mistakes."""
    return "#d9586b" if dark else "#c2384d"


def muted_colour(dark: bool) -> str:
    """Of what has no data."""
    return "#3a4744" if dark else "#dfe4e1"


def legend_above(figure: go.Figure, **layout: object) -> None:
    """A legend in one line above the plot."""
    figure.update_layout(
        legend={"orientation": "h", "y": 1.0, "x": 0, "yanchor": "bottom"},
        margin={"l": 56, "r": 12, "t": 34, "b": 44},
        **layout,
    )


def frame_cell(figure: go.Figure, cell: tuple[int, int] | None) -> None:
    """A frame around the open cell (row, column) of a heatmap."""
    if cell is None:
        return
    row, column = cell
    figure.add_shape(
        type="rect",
        x0=column - 0.5,
        x1=column + 0.5,
        y0=row - 0.5,
        y1=row + 0.5,
        line={"color": MARK, "width": 3},
    )
