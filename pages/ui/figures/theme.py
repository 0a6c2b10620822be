"""The look that all figures share: what each colour means, fonts, axes, the frame of what is open.

Figures carry names of colours, `var(--ts-right)`, as Plotly lets them; `assets/chart.js` puts the
theme's values in when it draws, and again when the theme changes. What two colours tell apart is
also told by dashes, markers or patterns, for who sees no colours and for gray printers.
"""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType

import plotly.graph_objects as go

FAMILY = "Source Sans, Segoe UI, Helvetica, sans-serif"
MAX_BARS = 40
TOP_PX = 34  # above a plot: its legend or the title of its values, and the button that saves
TITLE_PX = 14
LABEL_PX = 12
# Left of an axis with short numbers. Why room is asked for at all: where names or numbers of an
# axis do not fit, Plotly makes room and draws everything a second time.
NUMBERS_PX = 30


class Colour(StrEnum):
    """What a colour means in every chart; the value is how a figure and a style sheet name it."""

    TEXT = "var(--ts-text)"
    MUTED = "var(--ts-muted)"  # titles and numbers of axes
    GRID = "var(--ts-grid)"
    BACKGROUND = "var(--ts-background)"
    EMPTY = "var(--ts-empty)"  # nothing is counted here
    SELECTED = "var(--ts-selected)"  # what is open, chosen or in force
    LINE = "var(--ts-line)"  # a measure without a meaning of its own
    SECOND = "var(--ts-second)"  # another one beside it
    BAND = "var(--ts-band)"  # between the bounds of a line
    OTHER = "var(--ts-other)"  # what is beside the point

    RIGHT = "var(--ts-right)"  # a correct decision, a good part, the zone that accepts
    RIGHT_SECOND = "var(--ts-right-second)"
    RIGHT_PALE = "var(--ts-right-pale)"
    WRONG = "var(--ts-wrong)"  # a wrong prediction, an escape
    WRONG_PALE = "var(--ts-wrong-pale)"
    FALSE_REJECT = "var(--ts-false-reject)"
    FALSE_REJECT_PALE = "var(--ts-false-reject-pale)"
    REVIEW = "var(--ts-review)"
    REVIEW_PALE = "var(--ts-review-pale)"
    DEFECTIVE = "var(--ts-defective)"  # a defective part, the zone that rejects

    TRAIN = "var(--ts-train)"
    VALIDATION = "var(--ts-validation)"
    TEST = "var(--ts-test)"

    CLASS_1 = "var(--ts-class-1)"
    CLASS_2 = "var(--ts-class-2)"
    CLASS_3 = "var(--ts-class-3)"
    CLASS_4 = "var(--ts-class-4)"
    CLASS_5 = "var(--ts-class-5)"
    CLASS_6 = "var(--ts-class-6)"
    CLASS_7 = "var(--ts-class-7)"
    CLASS_8 = "var(--ts-class-8)"

    @property
    def variable(self) -> str:
        """The name of the CSS variable."""
        return self.value[4:-1]


# On the light and on the dark background. `tests/ui/test_figures.py` holds their distances in
# gray and for those who see no red or no green.
PALETTE: Mapping[Colour, tuple[str, str]] = MappingProxyType(
    {
        Colour.RIGHT: ("#05564f", "#3cc2b2"),
        Colour.RIGHT_SECOND: ("#579f97", "#27796f"),
        Colour.RIGHT_PALE: ("#cfe6e2", "#1e4a45"),
        Colour.WRONG: ("#dc4c63", "#e0566c"),
        Colour.WRONG_PALE: ("#f6c9d0", "#5c303a"),
        Colour.FALSE_REJECT: ("#e0823a", "#a8591c"),
        Colour.FALSE_REJECT_PALE: ("#f7dcc3", "#4a2f1c"),
        Colour.REVIEW: ("#e8bc5c", "#f0cf7a"),
        Colour.REVIEW_PALE: ("#f8ebcd", "#4d4023"),
        Colour.DEFECTIVE: ("#9b72cf", "#9a72d4"),
        Colour.OTHER: ("#a8a29d", "#655f5a"),
        Colour.TRAIN: ("#1f3d7a", "#b4cdf2"),
        Colour.VALIDATION: ("#3f7cc9", "#6a9adb"),
        Colour.TEST: ("#9cc3ea", "#335c97"),
        Colour.CLASS_1: ("#1b6a8c", "#4fa3cc"),
        Colour.CLASS_2: ("#b5891a", "#ecc45f"),
        Colour.CLASS_3: ("#4a2f7f", "#8a6fd0"),
        Colour.CLASS_4: ("#5f8f2f", "#a5cf72"),
        Colour.CLASS_5: ("#8c2f5f", "#d0709f"),
        Colour.CLASS_6: ("#3a9bb0", "#8fe0ea"),
        Colour.CLASS_7: ("#6b4423", "#b08968"),
        Colour.CLASS_8: ("#97589b", "#c58fcf"),
    }
)
_OF_STREAMLIT: Mapping[Colour, str] = MappingProxyType(
    {
        Colour.TEXT: "var(--st-text-color)",
        Colour.MUTED: "color-mix(in srgb, var(--st-text-color) 74%, var(--st-background-color))",
        Colour.GRID: "color-mix(in srgb, var(--st-text-color) 13%, var(--st-background-color))",
        Colour.BACKGROUND: "var(--st-background-color)",
        Colour.EMPTY: "var(--st-secondary-background-color)",
        Colour.SELECTED: "var(--st-text-color)",
        Colour.LINE: "color-mix(in srgb, var(--st-text-color) 82%, var(--st-background-color))",
        Colour.SECOND: "color-mix(in srgb, var(--st-text-color) 52%, var(--st-background-color))",
        Colour.BAND: "color-mix(in srgb, var(--st-text-color) 14%, transparent)",
    }
)
_CLASSES = (
    Colour.CLASS_1,
    Colour.CLASS_2,
    Colour.CLASS_3,
    Colour.CLASS_4,
    Colour.CLASS_5,
    Colour.CLASS_6,
    Colour.CLASS_7,
    Colour.CLASS_8,
)
# Neighbours differ in shape or in lightness too, and the ninth class is not the first one again.
_MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon")
PATTERNS = ("", "/", ".", "\\", "-", "x", "|", "+")
MAX_CLASS_COLOURS = len(_CLASSES)


def style_sheet() -> str:
    """The palette as CSS variables; those of Streamlit's theme hold inside components of ours."""
    lines = [
        *(f"  {role.variable}: light-dark({light}, {dark});" for role, (light, dark) in _pairs()),
        *(f"  {role.variable}: {value};" for role, value in _OF_STREAMLIT.items()),
    ]
    return "\n".join([":root, .ts-figure {", *lines, "}", ""])


def _pairs() -> list[tuple[Colour, tuple[str, str]]]:
    return list(PALETTE.items())


@cache
def _template() -> go.layout.Template:
    """What all figures share. Why not set in each: checking it takes longer than the rest."""
    axis = {
        "gridcolor": Colour.GRID,
        "linecolor": Colour.GRID,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": LABEL_PX, "color": Colour.MUTED},
        "title": {"font": {"size": LABEL_PX, "color": Colour.MUTED}},
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": Colour.TEXT, "size": LABEL_PX, "family": FAMILY},
            "hoverlabel": {
                "bgcolor": Colour.BACKGROUND,
                "bordercolor": Colour.SECOND,
                "align": "left",
                "font": {"size": 13, "family": FAMILY, "color": Colour.TEXT},
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    )


def style(figure: go.Figure, *, height: int) -> None:
    """Font, colours and grid of the theme; `height` in pixels."""
    figure.update_layout(template=_template(), height=height)


def names_px(names: Iterable[str], size_px: int = LABEL_PX) -> int:
    """Room for the longest of some names beside an axis, by the usual width of letters."""
    return 8 + math.ceil(0.5 * size_px * max(map(len, names), default=0))


def values_title(figure: go.Figure, words: str) -> None:
    """What the y axis counts, above its numbers and not turned on its side."""
    figure.add_annotation(
        text=words,
        xref="paper",
        yref="paper",
        x=0,
        y=1,
        yshift=4,
        xanchor="left",
        yanchor="bottom",
        align="left",
        showarrow=False,
        font={"size": LABEL_PX, "color": Colour.MUTED},
    )


def legend_above(figure: go.Figure, values: str = "") -> None:
    """A legend in one line above the plot, after the title of the values (`values_title`)."""
    font = {"size": LABEL_PX, "color": Colour.MUTED}
    figure.update_layout(
        legend={
            "orientation": "h",
            "y": 1.0,
            "x": 0,
            "yanchor": "bottom",
            "traceorder": "normal",
            "title": {"text": f"{values}  " if values else "", "side": "left", "font": font},
        }
    )


def class_colour(number: int) -> Colour:
    """A colour for a class: eight that differ well, then the same ones again."""
    return _CLASSES[number % len(_CLASSES)]


def class_marker(number: int) -> str:
    """Its marker; classes of one colour have different ones."""
    return _MARKERS[(number + number // len(_CLASSES)) % len(_MARKERS)]


def class_pattern(number: int) -> str:
    """The pattern of its bars; the first eight classes have none."""
    return PATTERNS[number // len(_CLASSES) % len(PATTERNS)]


def filled(colour: Colour, pattern: str = "") -> dict[str, object]:
    """The look of bars of one colour; a pattern is drawn in it on a paler ground.

    Bars of one stack are kept apart by thin lines of the background.
    """
    if not pattern:
        return {"color": colour, "line": {"color": Colour.BACKGROUND, "width": 1}}
    return {
        "color": colour,
        "line": {"color": colour, "width": 1},
        "pattern": {
            "shape": pattern,
            "fillmode": "replace",
            "fgcolor": colour,
            "bgcolor": PALE.get(colour, Colour.BACKGROUND),
            "size": 6,
            "solidity": 0.35,
        },
    }


PALE: Mapping[Colour, Colour] = MappingProxyType(
    {
        Colour.RIGHT: Colour.RIGHT_PALE,
        Colour.WRONG: Colour.WRONG_PALE,
        Colour.FALSE_REJECT: Colour.FALSE_REJECT_PALE,
        Colour.REVIEW: Colour.REVIEW_PALE,
    }
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
        line={"color": Colour.SELECTED, "width": 3},
    )
