"""Files: refused if special, written whole or not at all; tables for spreadsheet programs."""

import contextlib
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
from io import BufferedReader
from pathlib import Path

from core.administration import how_to_change, limits_of
from core.errors import WorkspaceError
from core.words import size
from core.workspace import is_system_path

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
def atomic_folder(target: Path, *, closed: bool = False) -> Iterator[Path]:
    """A new folder to fill, which becomes `target` when the block ends without an error.

    Where another process has made `target` in the meantime, that one stays. The folder is removed
    if the block raises. Where it is `closed`, other accounts of the machine never read it.

    Raises:
        OSError: if the folder cannot be written.
    """
    partial = _partial_beside(target)
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.mkdir(mode=0o700 if closed else 0o777)
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


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse what would fill the disk; a part of it stays free for the database.

    Args:
        folder: an existing folder on the disk.
        needed: bytes to be written.
        what: what needs them; begins the sentence.

    Raises:
        WorkspaceError: with the numbers.
    """
    disk = shutil.disk_usage(folder)
    kept = limits_of().kept_free(disk.total)
    if needed + kept > disk.free:
        raise WorkspaceError(
            f"{what} needs {size(needed)}, but of the {size(disk.free)} that are free on the disk "
            f"of {folder}, {size(kept)} are kept for the database.",
            f"Free at least {size(needed + kept - disk.free)}, or move the workspace to another "
            f"disk. {how_to_change('disk_reserve_gb')}",
        )


def open_user_file(path: Path, *, most_bytes: int, roots: Sequence[Path] = ()) -> BufferedReader:
    """A file that is not ours, open for reading; every file of a person is opened here.

    What is judged is what is open, so that nothing can take its place in between. A folder that
    does not answer cannot be refused: `core/data/apart.py` gives each call a deadline.

    Args:
        path: of the file; links are followed.
        most_bytes: the largest size that is opened.
        roots: resolved folders in one of which it must lie, links resolved; empty: anywhere but
            folders of the operating system.

    Raises:
        OSError: if it is missing, no regular file, too large, or leads outside.
    """
    regular_file(path)  # Why before: a device may act on being opened.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"):  # a pipe is opened without waiting
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        _refuse_outside(_opened_path(descriptor, path), path, roots)
        if status.st_size > most_bytes:
            sizes = f"it has {size(status.st_size)}; the limit is {size(most_bytes)}"
            raise OSError(errno.EFBIG, sizes, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_user_file(path: Path, *, most_bytes: int, roots: Sequence[Path] = ()) -> bytes:
    """The whole content of a file that is not ours; see `open_user_file`.

    Raises:
        OSError: if it may not be opened or cannot be read.
    """
    with open_user_file(path, most_bytes=most_bytes, roots=roots) as file:
        # Why not all that is allowed: room for it would be taken before a byte is read.
        return file.read(min(os.fstat(file.fileno()).st_size, most_bytes))


@contextmanager
def open_user_folder(
    path: Path, *, roots: Sequence[Path] = ()
) -> Iterator[Iterator["os.DirEntry[str]"]]:
    """The entries of a folder that is not ours, one by one; all listings for a person pass here.

    As in `open_user_file`, what is judged is what is open. Entries are valid inside of the block
    and have no useful path: join their names to that of the folder.

    Args:
        path: of the folder; links are followed.
        roots: as in `open_user_file`.

    Raises:
        OSError: if it is missing, no folder, may not be read, or leads outside.
    """
    if os.scandir not in os.supports_fd:  # Windows
        _refuse_outside(Path(os.path.realpath(path)), path, roots)
        with os.scandir(path) as entries:
            yield entries
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _refuse_outside(_opened_path(descriptor, path), path, roots)
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


def _refuse_outside(resolved: Path, path: Path, roots: Sequence[Path]) -> None:
    if not may_be_read(resolved, roots):
        raise OSError(
            errno.EACCES, "it is outside of the folders that Touchstone may read", str(path)
        )


def may_be_read(resolved: Path, roots: Sequence[Path]) -> bool:
    """Whether a path without links is in one of the roots, and in no folder of the system."""
    inside = not roots or any(resolved.is_relative_to(root) for root in roots)
    return inside and not is_system_path(resolved)


def _opened_path(descriptor: int, path: Path) -> Path:
    """Where an open file lies, links resolved."""
    with contextlib.suppress(OSError):  # only Linux tells
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - twice as fast
    return Path(os.path.realpath(path))


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
