"""The one walk over a folder or ZIP file: what is an image by its name, and why the rest is not.

The import, its preview and predictions of a folder all use it, so that they agree.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.data.importing import archives
from core.data.pixels.images import EXTENSIONS, FORMAT_WORDS
from core.domain.datasets import Skipped
from core.errors import ImportSourceError
from core.workspace import import_roots, is_system_path

MAX_FILES = 1_000_000
# What operating systems, disks and network drives add by themselves, thumbnails among it.
_SYSTEM_NAMES = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__macosx",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "@eadir",
    "#recycle",
    "#snapshot",
}
_HIDDEN_PART = re.compile(r"(?:^|/)\.")
_OUTSIDE = "The link leads outside of the folders that Touchstone may read."
_NOWHERE = "The link leads to nothing."
_BACK = "The link leads back to a folder that contains it."


@dataclass(frozen=True)
class SourceNames:
    """Paths of the files below a source, sorted, with forward slashes.

    `hidden` counts hidden and system files, `left_out` lists links, folders and special files that
    cannot be read. `zip_encoding` is that of names in a ZIP file that are not marked as UTF-8,
    empty if there are none, and `zip_encoding_guessed` whether others are nearly as likely.
    `renamed` counts the files of a ZIP file that had the name of another.
    """

    names: tuple[str, ...]
    hidden: int = 0
    left_out: tuple[Skipped, ...] = ()
    zip_encoding: str = ""
    zip_encoding_guessed: bool = False
    renamed: int = 0


@dataclass(frozen=True)
class FolderImages:
    """The images of a folder in order, and what was left out: listed, or counted if hidden."""

    paths: tuple[Path, ...]
    skipped: tuple[Skipped, ...] = ()
    hidden: int = 0


def list_names(
    source: Path,
    *,
    zip_encoding: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> SourceNames:
    """The names of all files in a folder or ZIP file; no file is opened.

    Args:
        source: a folder, or a `.zip` file.
        zip_encoding: of names in a ZIP file that are not marked as UTF-8; None: detected.
        on_progress: called with the number of files so far; may raise to end the search.

    Raises:
        ImportSourceError: if the source cannot be read or has too many files.
    """
    if source.suffix.lower() == ".zip" and source.is_file():
        with archives.open_archive(source, encoding=zip_encoding) as archive:
            names, hidden = _sorted_out(source, archive.files, on_progress)
            return SourceNames(
                names, hidden, (), archive.encoding, archive.encoding_guessed, archive.renamed
            )
    if not source.is_dir():
        raise _no_source(source)
    left_out: list[Skipped] = []
    names, hidden = _sorted_out(source, _FolderWalk(source, left_out), on_progress)
    shown = [item for item in left_out if not is_hidden(item.path)]
    return SourceNames(names, hidden + len(left_out) - len(shown), tuple(shown))


def images_in(folder: Path) -> FolderImages:
    """All images below a folder, as an import would take them, sorted by path.

    Raises:
        ImportSourceError: if the folder cannot be read or has too many files.
    """
    source = list_names(folder)
    reasons = {name: why_not_an_image(name) for name in source.names}
    skipped = [Skipped(name, reason) for name, reason in reasons.items() if reason]
    paths = sorted(folder / name for name, reason in reasons.items() if reason is None)
    return FolderImages(tuple(paths), (*source.left_out, *skipped), source.hidden)


def source_roots(source: Path) -> tuple[Path, ...]:
    """Where the files of a source must lie, links resolved; empty: anywhere.

    The source itself, which was allowed, and the folders from which images may be read.
    """
    roots = import_roots()
    return (source.resolve(), *roots) if roots else ()


def why_not_an_image(name: str) -> str | None:
    """Why a file cannot be an image, by its name alone; None if it can be one.

    A file without extension is judged by its content, when it is read.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return "The file name is not valid Unicode. Rename the file."
    stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    suffix = f".{ending.lower()}" if dot and stem and ending else ""
    if suffix in EXTENSIONS or not suffix:
        return None
    return f"'{suffix}' is not a supported format ({FORMAT_WORDS})."


def is_hidden(name: str) -> bool:
    """Whether a path has a hidden folder or file in it, or one that systems add by themselves."""
    if _HIDDEN_PART.search(name):
        return True
    return not _SYSTEM_NAMES.isdisjoint(name.lower().split("/"))


def is_link(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a symbolic link, or a junction, which Windows does not count as one."""
    if entry.is_symlink():
        return True
    is_folder = os.name == "nt" and entry.is_dir(follow_symlinks=False)
    return is_folder and os.path.realpath(entry.path) != entry.path


def _sorted_out(
    source: Path,
    found: Iterable[str],
    on_progress: Callable[[int], None] | None,
) -> tuple[tuple[str, ...], int]:
    """The names in order without hidden ones, and how many these are."""
    names: list[str] = []
    hidden = 0
    for number, name in enumerate(found, start=1):
        if number > MAX_FILES:
            raise ImportSourceError(
                f"{source.name} has more than {MAX_FILES:,} files.",
                "Choose the folder that directly contains your class folders.",
            )
        if is_hidden(name):
            hidden += 1
        else:
            names.append(name)
        if on_progress and number % 500 == 0:
            on_progress(number)
    return tuple(sorted(names)), hidden


def _no_source(source: Path) -> ImportSourceError:
    if not source.exists():
        return ImportSourceError(
            f"{source} does not exist.", "Check the spelling. The path must exist on the server."
        )
    return ImportSourceError(
        f"{source.name} is neither a folder nor a ZIP file.",
        "Choose the folder that contains your class folders.",
    )


class _FolderWalk:
    """Relative names of all files below a folder, each real folder once.

    Links to folders are followed after all real ones, so that a folder keeps its own name, and only
    into folders that may be read. What is not followed is noted with the reason.
    """

    def __init__(self, root: Path, left_out: list[Skipped]) -> None:
        self._home = os.path.realpath(root)
        self._roots = import_roots()
        self._left_out = left_out
        self._seen: dict[str, str] = {}  # real folder -> its name below the root
        self._links: deque[tuple[str, str]] = deque()
        try:
            os.scandir(root).close()
        except OSError as err:
            raise ImportSourceError(
                f"{root} cannot be read: {err.strerror}.", "Check the permissions of this folder."
            ) from err

    def __iter__(self) -> Iterator[str]:
        yield from self._below("", self._home)
        while self._links:
            yield from self._below(*self._links.popleft())

    def _below(self, start: str, real: str) -> Iterator[str]:
        todo = [(start, real)]
        while todo:
            relative, place = todo.pop()
            if place in self._seen:
                same = self._seen[place] or "the source"
                self._leave_out(relative, f"The link leads to a folder that is read as {same}.")
                continue
            if is_system_path(Path(place)):
                self._leave_out(relative, "It is a folder of the operating system.")
                continue
            self._seen[place] = relative
            folders: list[tuple[str, str]] = []
            for entry in self._entries(relative, place):
                name = f"{relative}/{entry.name}" if relative else entry.name
                if is_link(entry):
                    yield from self._link(name, entry.path, place)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append((name, entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield name
                else:
                    self._leave_out(name, "It is not a regular file.")
            todo.extend(reversed(folders))

    def _entries(self, relative: str, place: str) -> list["os.DirEntry[str]"]:
        try:
            with os.scandir(place) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as err:
            self._leave_out(relative, f"The folder cannot be read: {err.strerror}.")
            return []

    def _link(self, name: str, path: str, folder: str) -> Iterator[str]:
        """The name of a linked file; a linked folder is kept for later."""
        target = os.path.realpath(path)  # does not fail for links that form a circle
        if not os.path.exists(target):  # noqa: PTH110
            self._leave_out(name, _NOWHERE)
        elif not self._may_read(target):
            self._leave_out(name, _OUTSIDE)
        elif os.path.isfile(target):  # noqa: PTH113
            yield name
        elif not os.path.isdir(target):  # noqa: PTH112
            self._leave_out(name, "It is not a regular file.")
        elif _contains(target, self._home) or _contains(target, folder):
            self._leave_out(name, _BACK)
        elif not is_hidden(name):
            self._links.append((name, target))
        else:
            self._leave_out(name, "It is hidden.")

    def _may_read(self, target: str) -> bool:
        place = Path(target)
        inside = not self._roots or _contains(self._home, target)
        inside = inside or any(place.is_relative_to(root) for root in self._roots)
        return inside and not is_system_path(place)

    def _leave_out(self, name: str, reason: str) -> None:
        self._left_out.append(Skipped(name, reason))


def _contains(folder: str, path: str) -> bool:
    return Path(path).is_relative_to(folder)
