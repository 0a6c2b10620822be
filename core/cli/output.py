"""What commands print: sentences, tables, progress; readable on every terminal and in every pipe.

Standard output carries answers, standard error everything else. Where the output is no terminal,
nothing is wrapped or cut: a script reads whole lines.
"""

import codecs
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_UNCUT = 100_000
_ASCII_MARKS = {
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "×": "x",
    "±": "+/-",
    "·": "|",
    "’": "'",
    "“": '"',
    "”": '"',
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "━": "-",
    "╸": "-",
    "╺": "-",
}


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() else _UNCUT


output = Console(width=_width(sys.stdout))
errors = Console(stderr=True, width=_width(sys.stderr))


def say(sentence: str) -> None:
    """Print an answer for a person, literally."""
    output.print(sentence, markup=False, highlight=False)


def note(sentence: str) -> None:
    """Print a warning on standard error, literally."""
    errors.print(sentence, style="yellow", markup=False, highlight=False)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people; cells are shown literally."""
    drawn = Table()
    for heading in headings:
        drawn.add_column(Text(heading))
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    output.print(drawn)


@contextmanager
def progress_bar(first_phase: str, *, counted: bool = True) -> Iterator[Progress]:
    """A progress bar with one task, on standard error; gone when it ends.

    `counted` shows how many of how many are done.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        *([TextColumn("{task.completed}/{task.total}")] if counted else []),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        bar.add_task(first_phase, total=None)
        yield bar


@contextmanager
def phases() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for work that says its phase, and the numbers done and in total."""
    with progress_bar("Starting") as bar:
        yield lambda phase, done, total: bar.update(
            bar.task_ids[0], description=phase, completed=done, total=total or None
        )


def spell_out(err: UnicodeError) -> tuple[str, int]:
    """A handler for encoding errors: typographic marks in ASCII, other characters as escapes."""
    if not isinstance(err, UnicodeEncodeError):
        raise err
    characters = err.object[err.start : err.end]
    spelled = (
        _ASCII_MARKS.get(c) or c.encode("ascii", "backslashreplace").decode() for c in characters
    )
    return "".join(spelled), err.end


def print_anywhere() -> None:
    """Let standard output and error take any character, whatever their encoding is."""
    codecs.register_error("touchstone", spell_out)
    for stream in (sys.stdout, sys.stderr):
        # Why: a console with code page 1252, or LANG=C, ended in a traceback at the first "–".
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="touchstone")
