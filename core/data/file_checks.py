"""Whether files are still what was imported: by size and time, by content where those differ."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from core.data.pixels.images import MAX_FILE_BYTES
from core.domain.files import FileResult, FileState, KnownFile
from core.errors import FilesChangedError, NotFoundError
from core.files import may_be_read, open_user_file, read_user_file

# Why threads: on a network drive each look at a file waits for an answer.
THREADS = 8
_PART = 256

Progress = Callable[[int, int], None]


class Reading(StrEnum):
    """When the content of a file of the right size is compared."""

    IF_TIME_DIFFERS = "if_time_differs"
    ALWAYS = "always"
    NEVER = "never"


def file_state(known: KnownFile, reading: Reading = Reading.IF_TIME_DIFFERS) -> FileResult:
    """What became of one file since its import."""
    try:
        status = os.stat(known.path)  # noqa: PTH116 - a hundred thousand paths
    except (OSError, ValueError):
        return FileResult(FileState.MISSING)
    if not stat.S_ISREG(status.st_mode):  # a pipe would be read for ever
        return FileResult(FileState.MISSING)
    roots = tuple(Path(root) for root in known.roots)
    if roots and not may_be_read(Path(os.path.realpath(known.path)), roots):
        return FileResult(FileState.MISSING)
    if status.st_size != known.size:
        return FileResult(FileState.CHANGED)
    if not _reads(reading, same_time=status.st_mtime == known.time):
        return FileResult(FileState.SAME)
    digest = sha256_of(Path(known.path), roots)
    if digest is None:
        return FileResult(FileState.MISSING)
    if digest != known.sha256:
        return FileResult(FileState.CHANGED)
    return FileResult(FileState.SAME, status.st_mtime)


def _reads(reading: Reading, *, same_time: bool) -> bool:
    match reading:
        case Reading.IF_TIME_DIFFERS:
            return not same_time
        case Reading.ALWAYS:
            return True
        case Reading.NEVER:
            return False
        case _:
            assert_never(reading)


def sha256_of(path: Path, roots: Sequence[Path] = ()) -> str | None:
    """SHA-256 of the content of a file; None if it may not or cannot be read.

    `roots`: see `open_user_file`.
    """
    try:
        with open_user_file(path, most_bytes=MAX_FILE_BYTES, roots=roots) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def imported_content(known: KnownFile) -> bytes:
    """The content of a file, which is the one that was imported.

    Raises:
        NotFoundError: if it may not or cannot be read.
        FilesChangedError: if it has another content.
    """
    roots = tuple(Path(root) for root in known.roots)
    try:
        content = read_user_file(Path(known.path), most_bytes=MAX_FILE_BYTES, roots=roots)
    except (OSError, ValueError) as err:
        raise gone_error() from err
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise changed_content_error(Path(known.path).name)
    return content


def gone_error() -> NotFoundError:
    """What is said of one image whose file is not there, or may not be read."""
    return NotFoundError(
        "The file of this image cannot be read.",
        "After the import it was moved, deleted or replaced, or lies outside of the folders that "
        "Touchstone may read. Check the files on the Images page.",
    )


def changed_content_error(name: str) -> FilesChangedError:
    """What is said of one image whose file has another content."""
    return FilesChangedError(
        "The file of this image has another content than when it was imported.",
        "Check the files on the Images page: take the new content as a new version, or leave the "
        "image out.",
        (name,),
    )


def file_states(
    files: Sequence[KnownFile],
    *,
    on_progress: Progress,
    reading: Callable[[int], Reading] = lambda _: Reading.IF_TIME_DIFFERS,
) -> Iterator[FileResult]:
    """What became of many files, in their order.

    Args:
        files: as they were imported.
        on_progress: called with the numbers done and in total; may raise to stop.
        reading: when the content of the file at a position is compared.
    """

    def part(start: int) -> list[FileResult]:
        positions = range(start, min(start + _PART, len(files)))
        return [file_state(files[i], reading(i)) for i in positions]

    pool = ThreadPoolExecutor(THREADS)
    done = 0
    try:
        for results in pool.map(part, range(0, len(files), _PART)):
            yield from results
            done += len(results)
            on_progress(done, len(files))
    finally:
        pool.shutdown(cancel_futures=True)
