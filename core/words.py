"""English for sentences that are made at the edge: plurals and lists. Nobody reads them back."""

from collections.abc import Sequence


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
