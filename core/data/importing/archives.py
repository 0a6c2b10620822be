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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from core.administration import how_to_change, limits_of
from core.data.importing.encodings import (
    ZIP_CANDIDATES,
    checked_encoding,
    detected,
    encoding_words,
)
from core.domain.configs.administration import GB, Limits
from core.domain.names import distinct_names
from core.errors import ArchiveError
from core.files import open_user_file, require_space
from core.words import size

MAX_DEPTH = 30
MAX_NAME_BYTES = 255
_BLOCK_BYTES = 1024 * 1024
_PACKED_BYTES = 1_000_000  # a smaller file may unpack to as much as one of this size
_SPACE_EVERY = 20  # files
_END_SIZE, _END_PLACE = 5, 9  # of the directory, in what the library reads of its end
_END_64, _END_64_BYTES = b"PK\x06\x06", 56 + 20  # with more than 65,535 entries
_ENTRY = struct.Struct("<28xHHH12x")  # lengths of name, extra field and comment of an entry
_UTF8_FLAG = 0x800
_UNICODE_NAME = 0x7075
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


@dataclass(frozen=True)
class Archive:
    """A ZIP file whose entries have all been checked.

    `files` are its files by their relative path, with forward slashes. `encoding` is that of names
    without the mark for UTF-8, empty if there are none; `encoding_guessed`: others are nearly as
    likely. `renamed` counts the files that had the name of another, which a number now tells apart.
    """

    zip: zipfile.ZipFile
    files: dict[str, zipfile.ZipInfo]
    encoding: str = ""
    encoding_guessed: bool = False
    renamed: int = 0


@contextmanager
def open_archive(path: Path, *, encoding: str | None = None) -> Iterator[Archive]:
    """A ZIP file whose entries have all been checked.

    Args:
        path: of the file.
        encoding: of names without the mark for UTF-8; None: UTF-8 if all fit, else detected.

    Raises:
        ArchiveError: if it is not a ZIP file, is encrypted, or has entries that point outside, are
            links, overlap or exceed the limits; also if its names are not in this encoding.
        ConfigError: if there is no such encoding.
    """
    try:
        with (
            _opened(path) as file,
            _counted(file) as counted,
            zipfile.ZipFile(counted) as archive,
        ):
            yield _checked(archive, encoding)
    except _BROKEN as err:
        raise _unreadable(path, err) from err
    except OSError as err:
        if err.errno not in (None, errno.EINVAL):  # the disk's fault, not the archive's
            raise
        raise _unreadable(path, err) from err


def _opened(path: Path) -> IO[bytes]:
    limit = limits_of().archive_gb
    try:
        return open_user_file(path, most_bytes=int(limit * GB))
    except OSError as err:
        if err.errno != errno.EFBIG:
            raise
        raise ArchiveError(
            f"{path.name} cannot be opened: {err.strerror}.",
            f"Divide it, or import a folder instead. {how_to_change('archive_gb')}",
        ) from err


@contextmanager
def _counted(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file, if its directory is not too long; it is read entry by entry, and none is kept.

    Why: the library makes an object of each entry before anybody can count them.
    """
    limit = limits_of().archive_files
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end is not None:
        length, place = end[_END_SIZE], end[_END_PLACE]
        if end[0] == _END_64:
            place -= _END_64_BYTES
        count, position, start = 0, 0, max(0, place - length)
        while position + _ENTRY.size <= length and count <= limit:
            file.seek(start + position)
            lengths = _ENTRY.unpack(file.read(_ENTRY.size).ljust(_ENTRY.size))
            position += _ENTRY.size + sum(lengths)
            count += 1
        if count > limit:
            raise _too_many(f"more than {limit:,}", limit)
    file.seek(0)
    yield file


def _too_many(number: str, limit: int) -> ArchiveError:
    return ArchiveError(
        f"The ZIP file has {number} entries; the limit is {limit:,}.",
        "Divide it into several ZIP files, or import a folder instead. "
        f"{how_to_change('archive_files')}",
    )


def _unreadable(path: Path, err: Exception) -> ArchiveError:
    return ArchiveError(
        f"{path.name} cannot be read as a ZIP file: {err}.",
        "Create it again with a standard ZIP program, without a password.",
    )


def unpack(
    path: Path,
    target: Path,
    *,
    encoding: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write all files of a checked ZIP file to `target` (an empty folder), with their dates.

    A file without a valid date is dated 1970 (0 s).

    Raises:
        ArchiveError: see `open_archive`; also if an entry is larger than declared.
        WorkspaceError: if the disk has too little space.
    """
    with open_archive(path, encoding=encoding) as archive:
        unpacked = sum(info.file_size for info in archive.files.values())
        target.mkdir(parents=True, exist_ok=True)
        require_space(target, unpacked, f"Unpacking {path.name}")
        for done, (name, info) in enumerate(archive.files.items(), start=1):
            place = target / name
            if done % _SPACE_EVERY == 0:  # others write to the disk too
                require_space(target, info.file_size, f"Unpacking {path.name}")
            _write_entry(archive.zip, info, name, place)
            os.utime(place, (written := _written_s(info), written))
            if on_progress:
                on_progress(done, len(archive.files))


def _write_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(info) as source, target.open("xb") as sink:
        while block := source.read(_BLOCK_BYTES):
            written += len(block)
            if written > info.file_size:
                raise ArchiveError(
                    f"{name} is larger than the ZIP file declares.",
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


def _checked(archive: zipfile.ZipFile, asked: str | None) -> Archive:
    entries = archive.infolist()
    limits = limits_of()
    if len(entries) > limits.archive_files:
        raise _too_many(f"{len(entries):,}", limits.archive_files)
    encoding, is_sure = _encoding(entries, asked)
    named = [(_name(info, encoding), info) for info in entries]
    for name, info in named:
        _check_entry(name, info)
    _check_sizes(entries, limits)
    folders = {_place(place) for name, _ in named for place in _folders(name)}
    files = [(str(PurePosixPath(name)), info) for name, info in named if not name.endswith("/")]
    for name, _ in files:
        if _place(PurePosixPath(name)) in folders:
            raise ArchiveError(
                f"The ZIP file contains '{name}' both as a file and as a folder.",
                "The ZIP file is damaged or malicious. Create it again.",
            )
    names = [name for name, _ in files]
    distinct = distinct_names(names, key=lambda name: _place(PurePosixPath(name)), folders=folders)
    return Archive(
        archive,
        dict(zip(distinct, (info for _, info in files), strict=True)),
        encoding,
        not is_sure,
        sum(a != b for a, b in zip(names, distinct, strict=True)),
    )


def _folders(name: str) -> list[PurePosixPath]:
    """The folders that an entry needs: those above it, and itself if it is one."""
    path = PurePosixPath(name)
    return [*path.parents, *([path] if name.endswith("/") else [])]


def _encoding(entries: Sequence[zipfile.ZipInfo], asked: str | None) -> tuple[str, bool]:
    """The encoding of the names that are not marked as UTF-8, and whether it is certain."""
    unmarked = [raw for info in entries if not (raw := _unmarked(info)).isascii()]
    if not unmarked:
        return "", True
    if asked:
        return checked_encoding(asked), True
    joined = b"\n".join(unmarked)
    try:
        joined.decode("utf-8")
    except UnicodeDecodeError:
        return detected(joined, ZIP_CANDIDATES)
    return "utf-8", True


def _name(info: zipfile.ZipInfo, encoding: str) -> str:
    """The path of an entry, with forward slashes; some programs write backslashes."""
    # Why the original: what Python calls the file name has lost all that follows a zero byte.
    name = info.orig_filename
    raw = _unmarked(info)
    if not raw.isascii():
        try:
            name = _unicode_name(info, raw) or raw.decode(encoding)
        except UnicodeDecodeError as err:
            raise ArchiveError(
                f"The file names in the ZIP file are not {encoding_words(encoding)}.",
                "Choose another encoding (on the command line: --zip-encoding).",
            ) from err
    return name.replace("\\", "/")


def _unmarked(info: zipfile.ZipInfo) -> bytes:
    """The bytes of a name that is not marked as UTF-8; empty if it is."""
    return b"" if info.flag_bits & _UTF8_FLAG else info.orig_filename.encode("cp437")


def _unicode_name(info: zipfile.ZipInfo, raw: bytes) -> str | None:
    """The name in the extra field for it (Info-ZIP 0x7075), where a program wrote one."""
    extra = info.extra
    while len(extra) >= 9:
        kind, length = struct.unpack_from("<HH", extra)
        version, checksum = struct.unpack_from("<BI", extra, 4)
        if (kind, version, checksum) == (_UNICODE_NAME, 1, zlib.crc32(raw)):
            return extra[9 : 4 + length].decode("utf-8")
        extra = extra[4 + length :]
    return None


def _place(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()


def _check_entry(name: str, info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(name)
    mode = info.external_attr >> 16
    reason = None
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
        reason = "points outside the archive"
    elif not path.parts or (":" in name and os.name == "nt"):
        reason = "has a name that is not allowed on this system"
    elif any(len(part.encode("utf-8", "replace")) > MAX_NAME_BYTES for part in path.parts):
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


def _check_sizes(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    unpacked = sum(info.file_size for info in entries)
    packed = sum(info.compress_size for info in entries)
    if unpacked > limits.archive_ratio * max(packed, _PACKED_BYTES):
        raise ArchiveError(
            f"The ZIP file of {size(packed)} would unpack to {size(unpacked)}: more than "
            f"{limits.archive_ratio:g} times as much, which is not plausible for images.",
            "Images hardly shrink in a ZIP file. This one may be a ZIP bomb. "
            f"{how_to_change('archive_ratio')}",
        )
    if unpacked > limits.archive_gb * GB:
        raise ArchiveError(
            f"The ZIP file would unpack to {size(unpacked)}, more than the limit of "
            f"{size(limits.archive_gb * GB)}.",
            f"Divide it, or import a folder instead. {how_to_change('archive_gb')}",
        )
    spans = sorted((info.header_offset, info.compress_size) for info in entries)
    for (start, length), (following, _) in itertools.pairwise(spans):
        if start + length > following:
            raise ArchiveError(
                "Entries of the ZIP file overlap.",
                "The ZIP file is damaged or malicious. Create it again.",
            )
