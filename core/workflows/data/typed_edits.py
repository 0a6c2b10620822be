"""Edits as typed on the command line."""

from collections.abc import Sequence

from core.data.importing.rules import read_names, split_quoted, unquoted
from core.errors import ConfigError


def read_move(text: str, class_names: Sequence[str]) -> tuple[str, str]:
    """Path and class of `PATH=CLASS`: divided before a known class, else at the last equals sign.

    Raises:
        ConfigError: if a side is missing.
    """
    parts = text.split("=")
    for cut in range(1, len(parts)):
        path, label = "=".join(parts[:cut]).strip(), "=".join(parts[cut:]).strip()
        if path and label in class_names:
            return path, label
    # Why the last one: paths may contain an equals sign, class names hardly ever.
    return _sides(text, "=".join(parts[:-1]), parts[-1], "PATH=CLASS")


def read_rename(text: str) -> tuple[str, str]:
    """Both names of `OLD=NEW`; names with an equals sign are in double quotes.

    Raises:
        ConfigError: if a side is missing, or a closing quotation mark.
    """
    *old, new = split_quoted(text, "=")
    return _sides(text, unquoted("=".join(old)), unquoted(new), "OLD=NEW")


def read_merge(text: str) -> tuple[tuple[str, ...], str]:
    """The classes of `A,B=C`, and their new name; names with a comma are in double quotes.

    Raises:
        ConfigError: if a side is missing, or a closing quotation mark.
    """
    *names, into = split_quoted(text, "=")
    sides = _sides(text, "=".join(names), unquoted(into), "A,B=C")
    return read_names(sides[0], ","), sides[1]


def _sides(text: str, left: str, right: str, form: str) -> tuple[str, str]:
    if not left.strip() or not right.strip():
        raise ConfigError(f"'{text}' has the wrong form.", f"Use the form {form}.")
    return left.strip(), right.strip()
