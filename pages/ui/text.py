"""Numbers, times and names as people read them; what users typed is data and never markup."""

import re
import time
from datetime import UTC, datetime
from typing import Literal, assert_never

from core import words
from core.domain.depth import GrayLevels
from core.domain.jobs import JobStatus
from core.evaluation.measures.parts import Unit

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>&^=])")


def plain(text: str) -> str:
    """A user's text for places that render Markdown: shown literally, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def html(text: str) -> str:
    """A user's text for Plotly, which renders some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value * 100:.{digits}f}%"


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds is None:
        return "–"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def size(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def when(timestamp: float) -> str:
    """`just now`, `5 min ago`, the time of today, else the date; in the server's time zone."""
    age = time.time() - timestamp
    if age < 90:
        return "just now"
    if age < 3600:
        return f"{round(age / 60)} min ago"
    local = datetime.fromtimestamp(timestamp, UTC).astimezone()
    return local.strftime("%H:%M" if age < 43_200 else "%Y-%m-%d %H:%M")


def gray_levels(levels: GrayLevels | None) -> str:
    """`, gray levels 0 to 4,095`; nothing for images with 8 bits."""
    if levels is None:
        return ""
    return f", gray levels {levels.black:,.10g} to {levels.white:,.10g}"


def count(number: int, noun: str) -> str:
    """`1 image`, `1,300 images`, `2 classes`."""
    return words.count(number, noun)


def noun(unit: Unit) -> str:
    """What one of them is called: `image` or `part`; for `count`."""
    match unit:
        case Unit.IMAGES:
            return "image"
        case Unit.PARTS:
            return "part"
        case _:
            assert_never(unit)


BadgeColour = Literal["red", "orange", "blue", "green", "gray"]
STATUS_COLOURS: dict[JobStatus, BadgeColour] = {
    JobStatus.QUEUED: "gray",
    JobStatus.RUNNING: "blue",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.STOPPED: "orange",
    JobStatus.INTERRUPTED: "orange",
}
