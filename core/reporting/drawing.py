"""Small figures as SVG text: they print sharply, need no script and no browser to be made.

Points are (x, y) in the units of the data. Colours are names of the style sheet's classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

Point = tuple[float, float]
WIDTH, HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 34
_TICKS = 5


@dataclass(frozen=True)
class Line:
    """Points [P] joined by a line; `style` is a class of the style sheet."""

    title: str
    points: Sequence[Point]
    style: str
    dots: bool = False


@dataclass(frozen=True)
class ShadedBand:
    """A filled area between two lines [P] that share their x."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class Axis:
    """Range and words of an axis; `percent` prints shares as percent."""

    title: str
    low: float
    high: float
    percent: bool = False

    def ticks(self) -> list[float]:
        """At most five round values within the range."""
        span = (self.high - self.low) or 1.0
        rough = span / (_TICKS - 1)
        unit = 10 ** math.floor(math.log10(rough))
        step = next(f * unit for f in (1, 2, 2.5, 5, 10) if f * unit >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * i for i in range(first, last + 1)]

    def place(self, value: float, start: float, end: float) -> float:
        """Where a value lies between two pixels; outside values are cut to the range."""
        span = (self.high - self.low) or 1.0
        share = min(1.0, max(0.0, (value - self.low) / span))
        return start + share * (end - start)

    def label(self, value: float) -> str:
        """A tick's text."""
        if self.percent:
            return f"{100 * value:.3g}%"
        return f"{value:.4g}"


def chart(
    x: Axis,
    y: Axis,
    lines: Sequence[Line],
    *,
    bands: Sequence[ShadedBand] = (),
    marks: Sequence[Point] = (),
    description: str = "",
) -> str:
    """A chart with axes and a legend, as SVG text."""
    svg = _canvas(WIDTH, HEIGHT, description)
    _axes(svg, x, y)
    for band in bands:
        upper = [_spot(x, y, point) for point in zip(band.x, band.high, strict=True)]
        lower = [_spot(x, y, point) for point in zip(band.x, band.low, strict=True)]
        _add(svg, "polygon", points=_joined(upper + lower[::-1]), **{"class": "band"})
    for line in lines:
        spots = [_spot(x, y, point) for point in line.points]
        _add(svg, "polyline", points=_joined(spots), **{"class": f"line {line.style}"})
        for cx, cy in spots if line.dots else ():
            _add(svg, "circle", cx=_px(cx), cy=_px(cy), r="2.4", **{"class": f"dot {line.style}"})
    for point in marks:
        cx, cy = _spot(x, y, point)
        _add(svg, "circle", cx=_px(cx), cy=_px(cy), r="4.5", **{"class": "mark"})
    _legend(svg, [line for line in lines if line.title])
    return tostring(svg, encoding="unicode")


def interval_bar(value: float | None, low: float | None, high: float | None) -> str:
    """A value in [0, 1] with its interval on a thin scale, as SVG text; empty for no data."""
    svg = _canvas(96, 12, "")
    _add(svg, "line", x1="2", x2="94", y1="6", y2="6", **{"class": "scale"})
    if value is not None and low is not None and high is not None:
        axis = Axis("", 0.0, 1.0)
        start, end = (_px(axis.place(v, 2, 94)) for v in (low, high))
        _add(svg, "line", x1=start, x2=end, y1="6", y2="6", **{"class": "interval"})
        _add(svg, "circle", cx=_px(axis.place(value, 2, 94)), cy="6", r="3.2", **{"class": "dot"})
    return tostring(svg, encoding="unicode")


def _canvas(width: int, height: int, description: str) -> Element:
    svg = Element("svg", {"viewBox": f"0 0 {width} {height}", "class": "figure", "role": "img"})
    if description:
        svg.set("aria-label", description)
    else:
        svg.set("aria-hidden", "true")
    return svg


def _axes(svg: Element, x: Axis, y: Axis) -> None:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    for value in y.ticks():
        at = y.place(value, bottom, _TOP)
        _add(svg, "line", x1=str(_LEFT), x2=str(right), y1=_px(at), y2=_px(at), **{"class": "grid"})
        _text(svg, y.label(value), _LEFT - 5, at + 3, "end")
    for value in x.ticks():
        _text(svg, x.label(value), x.place(value, _LEFT, right), bottom + 13, "middle")
    _text(svg, x.title, (_LEFT + right) / 2, HEIGHT - 4, "middle", "title")
    title = _text(svg, y.title, 9, (_TOP + bottom) / 2, "middle", "title")
    title.set("transform", f"rotate(-90 9 {(_TOP + bottom) / 2:.1f})")


def _legend(svg: Element, lines: Sequence[Line]) -> None:
    at = float(_LEFT + 6)
    for line in lines:
        _add(
            svg,
            "line",
            x1=_px(at),
            x2=_px(at + 14),
            y1="5",
            y2="5",
            **{"class": f"line {line.style}"},
        )
        _text(svg, line.title, at + 18, 8, "start", "title")
        at += 30 + 5.2 * len(line.title)


def _spot(x: Axis, y: Axis, point: Point) -> Point:
    return (
        x.place(point[0], _LEFT, WIDTH - _RIGHT),
        y.place(point[1], HEIGHT - _BOTTOM, _TOP),
    )


def _joined(spots: Sequence[Point]) -> str:
    return " ".join(f"{_px(x)},{_px(y)}" for x, y in spots)


def _px(value: float) -> str:
    return f"{value:.1f}"


def _add(parent: Element, tag: str, **attributes: str) -> Element:
    return SubElement(parent, tag, attributes)


def _text(
    svg: Element, words: str, x: float, y: float, anchor: str, style: str = "tick"
) -> Element:
    attributes = {"x": _px(x), "y": _px(y), "text-anchor": anchor, "class": style}
    found = SubElement(svg, "text", attributes)
    found.text = words
    return found
