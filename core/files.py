"""Files: refused if special, written whole or not at all; tables for spreadsheet programs."""

import csv
import errno
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

# One cell of a table; None is an empty one.
Cell = str | int | float | None

_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what spreadsheet programs run, or what marks it as text


class CsvDelimiter(StrEnum):
    """What separates the cells of a table that is written.

    Spreadsheet programs of countries with a decimal comma open only semicolons as columns.
    """

    COMMA = "comma"
    SEMICOLON = "semicolon"

    @property
    def character(self) -> str:
        """As it stands in the file."""
        return {CsvDelimiter.COMMA: ",", CsvDelimiter.SEMICOLON: ";"}[self]


@contextmanager
def atomic_write(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """A new path to write to, which becomes `target` when the block ends without an error.

    A reader sees the old file or the whole new one, also after a power failure where it is
    `durable`; what can be made again need not be, and is written in a tenth of the time. The path
    is in the folder of `target`, does not exist yet, and is removed if the block raises.

    Raises:
        OSError: if the file cannot be written.
    """
    partial = _partial_beside(target)
    try:
        yield partial
        if durable:
            _flush_to_disk(partial)
        os.replace(partial, target)  # noqa: PTH105 - replaces an existing file on Windows too
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if durable:
        _flush_folder(target.parent)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder to fill, which becomes `target` when the block ends without an error.

    Where another process has made `target` in the meantime, that one stays. The folder is removed
    if the block raises.

    Raises:
        OSError: if the folder cannot be written.
    """
    partial = _partial_beside(target)
    partial.mkdir(parents=True)
    try:
        yield partial
        for path in partial.rglob("*"):
            if path.is_file():
                _flush_to_disk(path)
        try:
            partial.replace(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _flush_folder(target.parent)


def regular_file(path: Path) -> Path:
    """The path, if opening it cannot wait for ever or act; every file from a person passes here.

    A path that does not exist passes too: opening it says so.

    Raises:
        OSError: if it is a folder, a pipe, a socket or a device.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return path
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path


def csv_lines(
    rows: Iterable[Sequence[Cell]], *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> Iterator[bytes]:
    r"""The lines of a CSV file, each ending in "\r\n".

    UTF-8 with a byte order mark, without which Excel garbles umlauts; text that a spreadsheet
    program would run as a formula is quoted (`safe_cell`).

    Args:
        rows: the header, then one row per line.
        delimiter: between cells.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter.character, lineterminator="\r\n")
    for number, row in enumerate(rows):
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
        # Why backslashreplace: a file name may hold bytes that are not text.
        line = buffer.getvalue().encode("utf-8", "backslashreplace")
        yield line if number else b"\xef\xbb\xbf" + line
        buffer.seek(0)
        buffer.truncate()


def write_csv(
    target: Path,
    rows: Iterable[Sequence[Cell]],
    *,
    delimiter: CsvDelimiter = CsvDelimiter.COMMA,
) -> None:
    """Write a table as `csv_lines` makes it; memory does not grow with the number of rows.

    Raises:
        OSError: if the file cannot be written; an older file of this name then stays.
    """
    with atomic_write(target) as partial, partial.open("wb") as file:
        file.writelines(csv_lines(rows, delimiter=delimiter))


def read_csv(path: Path, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA) -> Iterator[list[str]]:
    """The rows of a table that `write_csv` wrote, header first; a byte order mark is optional."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.reader(file, delimiter=delimiter.character):
            yield [plain_cell(cell) for cell in row]


def safe_cell(text: str) -> str:
    """Text that a spreadsheet program shows and never runs as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_cell(text: str) -> str:
    """The text of which `safe_cell` made this cell."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _partial_beside(target: Path) -> Path:
    # Why a name of its own: two writers of one file must not share an unfinished one.
    return target.with_name(f".{secrets.token_hex(8)}.partial")


def _flush_to_disk(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; Windows needs and knows no such thing."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
