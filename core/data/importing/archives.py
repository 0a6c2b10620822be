"""ZIP files from users: checked before anything is unpacked, and unpacked within limits."""

import errno
import itertools
import lzma
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from core.errors import ArchiveError
from core.files import regular_file

MAX_ENTRIES = 500_000
MAX_UNPACKED_BYTES = 20 * 1024**3
MAX_RATIO = 200
MAX_DEPTH = 30
MAX_NAME_BYTES = 255
_BLOCK_BYTES = 1024 * 1024
_UTF8_FLAG = 0x800
_NO_DATE = (1980, 1, 1, 0, 0, 0)  # what programs write if they do not know the date
_DRIVE = re.compile(r"[A-Za-z]:")
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    EOFError,
    ValueError,  # seeking before the start; names that are not in their encoding
    struct.error,
)


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A ZIP file whose entries have all been checked.

    Raises:
        ArchiveError: if it is not a ZIP file, is encrypted, or has entries that point outside, are
            links, collide, overlap or exceed the limits.
    """
    try:
        with zipfile.ZipFile(regular_file(path)) as archive:
            _check(archive)
            yield archive
    except _BROKEN as err:
        raise _unreadable(path, err) from err
    except OSError as err:
        if err.errno not in (None, errno.EINVAL):  # the disk's fault, not the archive's
            raise
        raise _unreadable(path, err) from err


def _unreadable(path: Path, err: Exception) -> ArchiveError:
    return ArchiveError(
        f"{path.name} cannot be read as a ZIP file: {err}.",
        "Create it again with a standard ZIP program, without a password.",
    )


def file_names(archive: zipfile.ZipFile) -> list[str]:
    """Relative paths of the files inside, with forward slashes."""
    return [entry_name(info) for info in archive.infolist() if not info.is_dir()]


def entry_name(info: zipfile.ZipInfo) -> str:
    """The name of an entry; names without the UTF-8 flag are read as UTF-8 if they are valid."""
    if info.flag_bits & _UTF8_FLAG:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return info.filename


def unpack(
    path: Path, target: Path, *, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Write all files of a checked ZIP file to `target` (an empty folder), with their dates.

    A file without a valid date is dated 1970 (0 s).

    Raises:
        ArchiveError: see `open_archive`; also if an entry is larger than declared.
    """
    with open_archive(path) as archive:
        entries = [info for info in archive.infolist() if not info.is_dir()]
        for done, info in enumerate(entries, start=1):
            place = target / entry_name(info)
            _write_entry(archive, info, place)
            os.utime(place, (written := _written_s(info), written))
            if on_progress:
                on_progress(done, len(entries))


def _write_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(info) as source, target.open("xb") as sink:
        while block := source.read(_BLOCK_BYTES):
            written += len(block)
            if written > info.file_size:
                raise ArchiveError(
                    f"{entry_name(info)} is larger than the ZIP file declares.",
                    "The ZIP file is damaged or malicious. Create it again.",
                )
            sink.write(block)


def _written_s(info: zipfile.ZipInfo) -> float:
    """When the file of an entry was last written, in seconds since 1970; 0 if unknown."""
    if info.date_time == _NO_DATE:
        return 0.0
    try:
        # Why local time: ZIP files have no time zone, and all programs unpack like this.
        return max(0.0, datetime(*info.date_time).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0.0


def _check(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ArchiveError(
            f"The ZIP file has {len(entries):,} entries; the limit is {MAX_ENTRIES:,}.",
            "Divide it into several ZIP files, or import a folder instead.",
        )
    for info in entries:
        _check_entry(info)
    _check_collisions(entries)
    _check_sizes(entries)


def _check_collisions(entries: list[zipfile.ZipInfo]) -> None:
    """No two entries with the same path on any file system; no file where a folder must be."""
    files: dict[str, str] = {}
    for info in entries:
        name = entry_name(info)
        other = None if info.is_dir() else files.setdefault(_place(PurePosixPath(name)), name)
        if other is not None and other is not name:
            raise ArchiveError(
                f"The ZIP file contains '{other}' and '{name}', which are the same file on some "
                "systems.",
                "Rename one of them.",
            )
    for info in entries:
        path = PurePosixPath(entry_name(info))
        for folder in (*path.parents, *([path] if info.is_dir() else [])):
            if _place(folder) in files:
                raise ArchiveError(
                    f"The ZIP file contains '{folder}' both as a file and as a folder.",
                    "The ZIP file is damaged or malicious. Create it again.",
                )


def _place(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = entry_name(info)
    path = PurePosixPath(name)
    mode = info.external_attr >> 16
    reason = None
    if path.is_absolute() or ".." in path.parts or "\\" in name or _DRIVE.match(name):
        reason = "points outside the archive"
    elif not path.parts or (":" in name and os.name == "nt"):
        reason = "has a name that is not allowed on this system"
    elif any(len(part.encode()) > MAX_NAME_BYTES for part in path.parts):
        reason = "has a name that is too long"
    elif any(ord(c) < 32 for c in name):
        reason = "has control characters in its name"
    elif len(path.parts) > MAX_DEPTH:
        reason = f"is nested more than {MAX_DEPTH} folders deep"
    elif stat.S_ISLNK(mode) or (mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)):
        reason = "is a link or a device, not a file"
    elif info.flag_bits & 0x1:
        reason = "is encrypted"
    if reason:
        raise ArchiveError(
            f"The entry '{name}' {reason}.",
            "Nothing was unpacked. Create the ZIP file again without this entry.",
        )


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(info.file_size for info in entries)
    packed = sum(info.compress_size for info in entries)
    if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_RATIO * max(packed, 1_000_000):
        raise ArchiveError(
            f"The ZIP file of {packed / 1e6:.1f} MB would unpack to {unpacked / 1e9:.1f} GB, "
            "which is not plausible for images.",
            "Images hardly shrink in a ZIP file. This one may be a ZIP bomb.",
        )
    spans = sorted((info.header_offset, info.compress_size) for info in entries)
    for (start, size), (following, _) in itertools.pairwise(spans):
        if start + size > following:
            raise ArchiveError(
                "Entries of the ZIP file overlap.",
                "The ZIP file is damaged or malicious. Create it again.",
            )
