"""Numbers, times and names as people read them; what users typed is data and never markup."""

import re
import time
from datetime import UTC, datetime
from typing import Literal, assert_never

from core.domain.depth import GrayLevels
from core.domain.jobs import JobStatus
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.words import NOTHING as NOTHING
from core.words import confidence as confidence
from core.words import count as count
from core.words import decimal as decimal
from core.words import duration as duration
from core.words import exact_percent as exact_percent
from core.words import number as number
from core.words import p_value as p_value
from core.words import percent as percent
from core.words import percent_at_most as percent_at_most
from core.words import percent_bound as percent_bound
from core.words import percent_range as percent_range
from core.words import percent_with_range as percent_with_range
from core.words import points as points
from core.words import significant as significant
from core.words import size as size
from core.words import whole_percent as whole_percent

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>&^=])")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKUP = re.compile(r"[\[\]<>`*$\\]|:\w+[:\[]|~~|\b_|_\b|^\s*[#>]|&\w+;|https?:|www\.")


def plain(text: str) -> str:
    """A user's text for places that render Markdown: shown literally, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def linkable(text: str) -> str:
    """As `plain`, but unchanged where Markdown would change nothing: for choices in the link."""
    return plain(text) if _MARKUP.search(text) else text


def visible(text: str) -> str:
    """A name of the file system with what cannot be seen or sent written out: a line break, bytes
    that are no text, marks that turn the direction of writing."""
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def html(text: str) -> str:
    """A user's text for Plotly, which renders some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def rate(counted: Rate) -> str:
    """`92%`, with the decimals that its interval can bear; a dash where nothing was counted."""
    bounds = counted.interval
    return percent(counted.value, width=bounds.high - bounds.low if bounds else None)


def counts(counted: Rate) -> str:
    """`29 of 44`."""
    return f"{number(counted.k)} of {number(counted.n)}"


def interval(counted: Rate) -> str:
    """`81% to 98%`, rounded outwards; a dash where nothing was counted."""
    bounds = counted.interval
    return NOTHING if bounds is None else percent_range(bounds.low, bounds.high)


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
    JobStatus.PAUSED: "gray",
    JobStatus.INTERRUPTED: "orange",
}
