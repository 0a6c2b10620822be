"""Edits as people type them on the command line."""

from collections.abc import Sequence

from core.data.importing.rules import read_names, split_quoted, unquoted
from core.errors import ConfigError


def read_move(text: str, class_names: Sequence[str]) -> tuple[str, str]:
    """Path and class of `PATH=CLASS`: parted where a known class follows, else at the last sign.

    Raises:
        ConfigError: if a side is missing.
    """
    parts = text.split("=")
    for cut in range(1, len(parts)):
        path, label = "=".join(parts[:cut]).strip(), "=".join(parts[cut:]).strip()
        if path and label in class_names:
            return path, label
    # Why the last one: paths may hold the sign, class names hardly ever.
    return _sides(text, "=".join(parts[:-1]), parts[-1], "PATH=CLASS")


def read_rename(text: str) -> tuple[str, str]:
    """Both names of `OLD=NEW`; those with an equal sign stand in double quotes.

    Raises:
        ConfigError: if a side is missing, or a quotation mark has no second one.
    """
    *old, new = split_quoted(text, "=")
    return _sides(text, unquoted("=".join(old)), unquoted(new), "OLD=NEW")


def read_merge(text: str) -> tuple[tuple[str, ...], str]:
    """The classes of `A,B=C`, and what they become; names with a comma stand in double quotes.

    Raises:
        ConfigError: if a side is missing, or a quotation mark has no second one.
    """
    *names, into = split_quoted(text, "=")
    sides = _sides(text, "=".join(names), unquoted(into), "A,B=C")
    return read_names(sides[0], ","), sides[1]


def _sides(text: str, left: str, right: str, form: str) -> tuple[str, str]:
    if not left.strip() or not right.strip():
        raise ConfigError(f"'{text}' cannot be understood.", f"Write {form}.")
    return left.strip(), right.strip()
