"""English for sentences that are made at the edge: plurals, lists, and one form for each number.

Pages, command line and report write numbers with these alone. A percentage has the decimals that
it can bear: none where its interval is 5 points wide or wider, one down to half a point, then two.
Where only the number of images is known: none below 100, one below 10,000, then two. Only 0 and 1
are written `0%` and `100%`. What is not known is a dash. Counts are written `{n:,}` too.

Nobody reads sentences back, but people type numbers in again: what is a limit is written with all
its digits, and what is only proven is rounded to the side on which it still holds.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 6

# Why the results of a refitted model on validation images are not its own; follows a colon.
CROSS_VALIDATED = (
    "the model was refitted on these images; each was judged by a model that had not seen it"
)
# What is added of a model that was trained in epochs.
EPOCH_CHOSEN = "Slightly optimistic, because these images also chose the best epoch."
# What bounds on validation images are worth, on every page that shows them.
NO_PROOF = (
    "Settings and thresholds were chosen on validation images: their bounds are a forecast, and "
    "only a sealed test proves them."
)


def count(number: int, noun: str) -> str:
    """`1 image`, `1,300 images`, `2 classes`, `3 copies`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def number(value: float | None) -> str:
    """A count or another whole number: `1,300`."""
    return NOTHING if value is None or math.isnan(value) else f"{value:,.0f}"


def percent(share: float | None, *, of: int | None = None, width: float | None = None) -> str:
    """A share in [0, 1] as `92%`, `91.7%` or `99.98%`, with the decimals that it can bear.

    Args:
        share: what was counted; None and NaN are a dash.
        of: how many images or parts it was counted in, where it has no interval.
        width: of its interval, in [0, 1]. With neither: one decimal.
    """
    if share is None or math.isnan(share):
        return NOTHING
    return _rounded(share, _decimals(of, width), ROUND_HALF_UP)


def percents(counts: Sequence[int]) -> list[str]:
    """The shares of one row, such as `2.5%` and `97.5%`, with as many decimals for all of them.

    One decimal more than so many can bear where the rounded ones would not make 100: 1 and 39 of
    40 would be 3% and 98%, beside a headline of 2.5%. Nothing counted: dashes.
    """
    total = sum(counts)
    if not total:
        return [NOTHING] * len(counts)
    full = [Decimal(100 * count) / total for count in counts]
    least = _decimals(total, None)
    step = Decimal(1).scaleb(-least)
    is_whole = sum(share.quantize(step, ROUND_HALF_UP) for share in full) == 100
    decimals = least if is_whole else least + 1
    return [_rounded(count / total, decimals, ROUND_HALF_UP) for count in counts]


def whole_percent(share: float | None) -> str:
    """Progress, or a chance that was computed: `60%`."""
    return NOTHING if share is None or math.isnan(share) else f"{100 * share:.0f}%"


def percent_bound(share: float, width: float, *, up: bool) -> str:
    """One end of an interval of so much width, rounded to the side on which it still holds."""
    return _rounded(share, _decimals(None, width), ROUND_CEILING if up else ROUND_FLOOR)


def percent_at_most(bound: float) -> str:
    """What a share is at most, with the same digits wherever it stands: `7.22%`."""
    return shortened_percent(bound, at_most=True)


def percent_range(low: float, high: float) -> str:
    """`81% to 98%`: an interval of a share, rounded outwards so that it still holds."""
    width = high - low
    return f"{percent_bound(low, width, up=False)} to {percent_bound(high, width, up=True)}"


def percent_with_range(share: float | None, low: float, high: float) -> str:
    """`92% (81% to 98%)`."""
    return f"{percent(share, width=high - low)} ({percent_range(low, high)})"


def points(difference: float, *, signed: bool = True) -> str:
    """A difference of shares in percentage points, without the words: `+1.2`, `−0.3`."""
    shown = f"{100 * difference:{'+' if signed else ''}.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", MINUS)


def confidence(share: float | None) -> str:
    """The confidence of a model in one class: `89.7%`; never a `100.0%` that is not one."""
    if share is None or math.isnan(share):
        return NOTHING
    if share not in (0, 1) and not 0.0005 <= share < 0.9995:
        return "<0.1%" if share < 0.5 else ">99.9%"
    return f"{share:.1%}"


def decimal(value: float | None, digits: int = 3) -> str:
    """A measure that is no percentage, such as macro F1, a loss or a calibration error: `0.918`."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def significant(value: float | None, digits: int = 3) -> str:
    """A setting or a reading of any size, in so many significant digits: `0.316`, `1e-05`."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.{digits}g}"


def p_value(value: float) -> str:
    """How likely chance alone is: `p = 0.03`, `p below 0.001`."""
    return "p below 0.001" if value < 0.001 else f"p = {value:.2g}"


def duration(seconds: float | None) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`; a dash where the clock was set back in between."""
    if seconds is None or math.isnan(seconds) or seconds < 0:
        return NOTHING
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600:,} h {total % 3600 // 60:02d} min"


def size(count: float | None) -> str:
    """Of a file or of memory, from bytes: `950 bytes`, `12.3 kB`, `4.8 MB`, `2.1 GB`."""
    if count is None or math.isnan(count):
        return NOTHING
    for unit, least in (("GB", 1e9), ("MB", 1e5), ("kB", 1e3)):
        if count >= least:
            return f"{count / (1e6 if unit == 'MB' else least):.1f} {unit}"
    return f"{count:.0f} bytes"


def _decimals(of: int | None, width: float | None) -> int:
    if width is not None:
        return 0 if width >= 0.05 else 1 if width >= 0.005 else 2
    return 1 if of is None else 0 if of < 100 else 1 if of < 10_000 else 2


def _rounded(share: float, decimals: int, rounding: str) -> str:
    """A share as percent; more decimals where fewer would make it `0%` or `100%`."""
    # Why: 0.1 + 0.2 is a little more than 0.3, and would be rounded up to 31%.
    full = round(100 * Decimal(repr(float(share))), 9)
    if full in (0, 100):
        return f"{full:.0f}%"
    for places in range(decimals, _MOST_DECIMALS):
        shown = full.quantize(Decimal(1).scaleb(-places), rounding=rounding)
        if shown not in (0, 100):
            return f"{shown}%"
    return f"{full.quantize(Decimal(1).scaleb(-_MOST_DECIMALS), rounding=rounding)}%"


def plural(noun: str) -> str:
    """The regular plural of a noun, or of a phrase that ends in one; "epochs" too.

    Of a group of something, the group: `groups of look-alikes`.
    """
    head, of, rest = noun.partition(" of ")
    if of:
        return f"{plural(head)}{of}{rest}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    hisses = noun.endswith(("s", "x", "ch", "sh")) and not noun.endswith("poch")
    return f"{noun}{'es' if hisses else 's'}"


def listed(names: Sequence[str], limit: int = 12) -> str:
    """`a, b, c and 5 more`."""
    rest = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def exact(value: float) -> str:
    """Every digit of a number and no exponent: `0.9`, `0.000025`, `1000`."""
    return f"{Decimal(repr(float(value))).normalize():f}"


def exact_percent(share: float) -> str:
    """Every digit of a share, so that what is shown is what is applied: `2%`, `22.153%`."""
    return f"{(100 * Decimal(repr(float(share)))).normalize():f}%"


def shortened(
    value: float,
    *,
    beside: Sequence[float] = (),
    at_least: bool = False,
    at_most: bool = False,
    digits: int = 3,
) -> str:
    """A number with as few digits as tell it from each of the numbers beside it.

    Args:
        value: to write, such as a bound.
        beside: what readers compare it with, such as a limit; it stays above, below or equal.
        at_least: it is a lower bound, so it is rounded down.
        at_most: it is an upper bound, so it is rounded up.
        digits: significant ones to begin with.
    """
    full = Decimal(repr(float(value)))
    edges = [Decimal(repr(float(edge))) for edge in beside]
    rounding = ROUND_CEILING if at_most else ROUND_FLOOR if at_least else ROUND_HALF_EVEN
    for precision in range(digits, 18):
        shown = Context(prec=precision, rounding=rounding).create_decimal(full)
        if all(shown.compare(edge) == full.compare(edge) for edge in edges):
            return f"{shown.normalize():f}"
    return f"{full:f}"


def shortened_percent(
    share: float,
    *,
    beside: Sequence[float] = (),
    at_least: bool = False,
    at_most: bool = False,
) -> str:
    """The same for a share in [0, 1] as percent; only 0 and 1 are written `0%` and `100%`."""
    edges = [float(100 * Decimal(repr(float(edge)))) for edge in (0.0, 1.0, *beside)]
    percent = float(100 * Decimal(repr(float(share))))
    words = shortened(percent, beside=edges, at_least=at_least, at_most=at_most)
    return f"{words}%"
