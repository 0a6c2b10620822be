"""The subfolders and ZIP files of one folder, within the limits of imports, and where it lies."""

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from core.data.importing.walk import is_hidden, is_link
from core.data.placement import natural_key
from core.files import may_be_read, open_user_folder
from core.workspace import allowed_import_path, import_roots

MAX_FOLDERS = 5_000
SCAN_S = 1.0  # a folder is read no longer than this
CHECK_S = 0.5  # nor are its links and permissions looked at for longer


class FolderState(StrEnum):
    """Whether a folder can be opened."""

    OPEN = "open"
    NO_PERMISSION = "no_permission"
    NOT_UNICODE = "not_unicode"  # its name cannot be sent to a browser, nor be stored


class FolderProblem(StrEnum):
    """Why a folder has no listing."""

    NO_PERMISSION = "no_permission"
    MISSING = "missing"
    NO_FOLDER = "no_folder"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Subfolder:
    """A folder or ZIP file in the listed one; `path` is where it really lies: links differ."""

    name: str
    path: Path
    state: FolderState = FolderState.OPEN


@dataclass(frozen=True)
class FolderListing:
    """What is in a folder, hidden and system folders left out.

    Attributes:
        path: links resolved.
        trail: the folders from the outermost that may be read down to this one, itself the last.
        folders: in natural order.
        archives: the ZIP files, by their names alone, in natural order; links are left out.
        outside: links that lead out of what may be read; they are not followed and not listed.
        is_whole: False if the folder was too large or too slow to be read to its end.
        problem: why it could not be read; None if it could.
    """

    path: Path
    trail: tuple[Path, ...]
    folders: tuple[Subfolder, ...] = ()
    archives: tuple[Subfolder, ...] = ()
    outside: int = 0
    is_whole: bool = True
    problem: FolderProblem | None = None


def list_folder(
    path: Path, *, nearest: bool = False, on_part: Callable[[FolderListing], None] | None = None
) -> FolderListing:
    """The subfolders of a folder that may be imported from.

    May wait for ever for a drive that does not answer: `reading.py` gives it a deadline.

    Args:
        path: absolute.
        nearest: if it is no folder, list the nearest one above it that may be read.
        on_part: called with what is known so far: before links and permissions are looked at,
            which is where one dead drive among the subfolders would stop everything.

    Raises:
        PathNotAllowedError: if it is outside of the folders that may be read.
    """
    place = allowed_import_path(path)
    roots = import_roots()
    if nearest:
        place = _nearest(place, roots)
    empty = FolderListing(place, trail_of(place, roots))
    try:
        folders, archives, links, is_whole = _scanned(place, roots)
    except OSError as err:
        return replace(empty, problem=_problem(err))
    listing = replace(
        empty, folders=_ordered(folders), archives=_ordered(archives), is_whole=is_whole
    )
    if on_part:
        on_part(replace(listing, is_whole=is_whole and not links))
    deadline = time.monotonic() + CHECK_S
    linked, outside, seen = _followed(place, links, roots, deadline)
    checked = [_checked(folder, deadline) for folder in _ordered([*folders, *linked])]
    return replace(
        listing,
        folders=tuple(checked),
        archives=tuple(_checked(item, deadline, os.R_OK) for item in listing.archives),
        outside=outside,
        is_whole=is_whole and seen == len(links),
    )


def trail_of(place: Path, roots: tuple[Path, ...] | None = None) -> tuple[Path, ...]:
    """The folders from the outermost that may be read down to this one; nothing is asked.

    Args:
        place: links resolved.
        roots: see `import_roots`; None: those of this process.
    """
    roots = import_roots() if roots is None else roots
    every = (*reversed(place.parents), place)
    return tuple(folder for folder in every if may_be_read(folder, roots))


def _nearest(place: Path, roots: tuple[Path, ...]) -> Path:
    for folder in reversed(trail_of(place, roots)):
        if folder.is_dir():
            return folder
    return place


def _scanned(
    place: Path, roots: tuple[Path, ...]
) -> tuple[list[Subfolder], list[Subfolder], list[str], bool]:
    """Its real folders, its ZIP files, the names of its links, and whether it was read to its end.

    No file is opened: what is called a ZIP file is opened by the import, which says what is wrong.
    """
    folders: list[Subfolder] = []
    archives: list[Subfolder] = []
    links: list[str] = []
    deadline = time.monotonic() + SCAN_S
    with open_user_folder(place, roots=roots) as entries:
        for number, entry in enumerate(entries):
            is_full = len(folders) + len(archives) >= MAX_FOLDERS
            if is_full or (number % 100 == 99 and time.monotonic() > deadline):
                return folders, archives, links, False
            if is_hidden(entry.name):
                continue
            if is_link(entry):
                links.append(entry.name)
            elif not may_be_read(place / entry.name, roots):
                continue
            elif entry.is_dir(follow_symlinks=False):
                folders.append(_subfolder(entry.name, place / entry.name))
            elif entry.name.lower().endswith(".zip") and entry.is_file(follow_symlinks=False):
                archives.append(_subfolder(entry.name, place / entry.name))
    return folders, archives, links, True


def _subfolder(name: str, path: Path) -> Subfolder:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return Subfolder(name, path, FolderState.NOT_UNICODE)
    return Subfolder(name, path)


def _followed(
    place: Path, links: list[str], roots: tuple[Path, ...], deadline: float
) -> tuple[list[Subfolder], int, int]:
    """Links to folders that may be read, how many lead outside, and how many were looked at."""
    followed: list[Subfolder] = []
    outside = 0
    for number, name in enumerate(links):
        if time.monotonic() > deadline:
            return followed, outside, number
        target = Path(os.path.realpath(place / name))
        # Why before anything is asked about the target: what is outside stays unknown.
        if not may_be_read(target, roots):
            outside += 1
        elif target.is_dir():
            followed.append(_subfolder(name, target))
    return followed, outside, len(links)


def _checked(folder: Subfolder, deadline: float, needed: int = os.R_OK | os.X_OK) -> Subfolder:
    if folder.state is not FolderState.OPEN or time.monotonic() > deadline:
        return folder
    if os.access(folder.path, needed):
        return folder
    return replace(folder, state=FolderState.NO_PERMISSION)


def _ordered(folders: list[Subfolder]) -> tuple[Subfolder, ...]:
    return tuple(sorted(folders, key=lambda folder: (natural_key(folder.name), folder.name)))


def _problem(err: OSError) -> FolderProblem:
    match err.errno:
        case errno.EACCES | errno.EPERM:
            return FolderProblem.NO_PERMISSION
        case errno.ENOENT:
            return FolderProblem.MISSING
        case errno.ENOTDIR:
            return FolderProblem.NO_FOLDER
        case _:
            return FolderProblem.UNREADABLE
