"""Where to begin: the home folder, drives, folders that were used before; within the limits."""

import contextlib
import ctypes
import getpass
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.data.folders.reading import answer_within
from core.data.importing.walk import is_hidden
from core.files import may_be_read, open_user_folder
from core.workspace import folders_are_closed, import_roots

DRIVES_S = 0.7
MOST_DRIVES = 12
MOST_RECENT = 5
_MOUNTS = tuple(Path(folder) for folder in ("/media", "/mnt", "/Volumes"))


class PlaceKind(StrEnum):
    """Why a folder is a place to begin."""

    ROOT = "root"  # an administrator has opened it
    HOME = "home"
    COMPUTER = "computer"  # all that the machine has
    DRIVE = "drive"
    RECENT = "recent"


@dataclass(frozen=True)
class FolderPlace:
    """A folder to begin at."""

    kind: PlaceKind
    path: Path


def places(recent: Sequence[Path] = ()) -> list[FolderPlace]:
    """Where to begin, each folder once; nothing outside of what may be read.

    Args:
        recent: resolved folders that were used before, the newest first.

    Raises:
        ImportSourceError: if too many drives do not answer.
    """
    roots = import_roots()
    if folders_are_closed():
        return []
    no_drives: list[Path] = []
    drives = answer_within(DRIVES_S, lambda: _drives(roots), no_drives)
    begun = [FolderPlace(PlaceKind.ROOT, root) for root in roots]
    begun += [FolderPlace(PlaceKind.HOME, path) for path in _home()]
    if not roots and os.name == "posix":
        begun.append(FolderPlace(PlaceKind.COMPUTER, Path("/")))
    begun += [FolderPlace(PlaceKind.DRIVE, path) for path in drives]
    begun += [FolderPlace(PlaceKind.RECENT, path) for path in recent]
    first = {place.path: place for place in reversed(begun) if may_be_read(place.path, roots)}
    kept = [place for place in begun if first.get(place.path) is place]
    return [place for place in kept if place.kind is not PlaceKind.RECENT] + [
        place for place in kept if place.kind is PlaceKind.RECENT
    ][:MOST_RECENT]


def _home() -> list[Path]:
    with contextlib.suppress(RuntimeError):  # an account without one
        return [Path.home()]
    return []


def _drives(roots: tuple[Path, ...]) -> list[Path]:
    """No drive is asked anything: its name stands in the folder that holds it."""
    if os.name == "nt":
        return _drive_letters()
    found = [path for folder in _MOUNTS for path in _mounted(folder, roots)]
    return found[:MOST_DRIVES]


def _drive_letters() -> list[Path]:
    """Without asking the drives, which may be empty or far away."""
    bits = getattr(ctypes, "windll").kernel32.GetLogicalDrives()  # noqa: B009 - Windows alone has it
    return [Path(f"{chr(65 + n)}:\\") for n in range(26) if bits >> n & 1]


def _mounted(folder: Path, roots: tuple[Path, ...]) -> Iterator[Path]:
    for path in _folders_in(folder, roots):
        # Why: drives that a person plugs in are in a folder of the person's name.
        if folder.name == "media" and path.name == _account():
            yield from _folders_in(path, roots)
        else:
            yield path


def _folders_in(folder: Path, roots: tuple[Path, ...]) -> list[Path]:
    if not may_be_read(folder, roots):
        return []
    names: list[str] = []
    with contextlib.suppress(OSError), open_user_folder(folder, roots=roots) as entries:
        for entry in entries:
            if not is_hidden(entry.name) and entry.is_dir(follow_symlinks=False):
                names.append(entry.name)
            if len(names) >= MOST_DRIVES:
                break
    return [folder / name for name in sorted(names)]


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in containers
        return ""
