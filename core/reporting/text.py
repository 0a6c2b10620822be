"""Numbers and texts as a report prints them."""

import base64
import math
from datetime import UTC, datetime
from typing import Literal, assert_never

from core.words import confidence as confidence
from core.words import count as count
from core.words import decimal, exact, number, points, shortened, shortened_percent
from core.words import percent as percent

# "at most" and "at least" are bounds of shares, rounded to the side on which they hold.
NumberStyle = Literal[
    "percent", "at most", "at least", "points", "count", "number", "ppm", "ppm at most", "p"
]
NO_DATA = "no data"


def when(moment: float) -> str:
    """A time in a report, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def as_text(value: float | int | None, style: NumberStyle) -> str:
    """A number as people read it."""
    if value is None:
        return NO_DATA
    match style:
        case "percent":
            return percent(value)
        case "at most":
            return shortened_percent(value, at_most=True)
        case "at least":
            return shortened_percent(value, at_least=True)
        case "points":
            return f"{points(value)} points"
        case "count":
            return number(value)
        case "ppm":
            return f"{value:,.0f} PPM" if value >= 10 else f"{value:.2g} PPM"
        case "ppm at most":
            if value >= 10:
                return f"{math.ceil(value * (1 - 1e-12)):,} PPM"  # 1e6 with a rounding error is 1e6
            return f"{shortened(value, at_most=True, digits=2)} PPM"
        case "p":
            return decimal(value) if value >= 0.001 else "below 0.001"
        case "number":
            return decimal(value)
        case _:
            assert_never(style)


def setting_in_words(value: object) -> str:
    """A setting as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return exact(value) if isinstance(value, float) else str(value)


def webp_uri(content: bytes) -> str:
    """A WebP image inside the page itself."""
    return f"data:image/webp;base64,{base64.b64encode(content).decode()}"


def cut(text: str, length: int) -> str:
    """The beginning of a text where it is too long for its place."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def beginning(text: str, length: int, lines: int) -> str:
    """The first lines of a text, and no more than `length` characters of them."""
    kept = [line for line in text.splitlines() if line.strip()]
    more = "…" if len(kept) > lines else ""
    return cut("\n".join(kept[:lines]) + more, length)
