"""English for sentences that are made at the edge: plurals, lists, percentages.

Nobody reads them back, but people type numbers in again: what is a limit is written with all its
digits, and what is only proven is rounded to the side on which it still holds.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

# Why the results of a refitted model on validation images are not its own; follows a colon.
CROSS_VALIDATED = (
    "the model was refitted on these images; each was judged by a model that had not seen it"
)


def count(number: int, noun: str) -> str:
    """`1 image`, `1,300 images`, `2 classes`, `3 copies`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The regular plural of a noun, or of a phrase that ends in one."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}{'es' if noun.endswith(('s', 'x', 'ch', 'sh')) else 's'}"


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
