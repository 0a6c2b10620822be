"""How many images lie below a folder, and in how many class folders, as far as a moment allows."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.data.importing.walk import is_hidden, is_link
from core.data.pixels.images import EXTENSIONS
from core.files import may_be_read, open_user_folder
from core.workspace import import_roots

COUNT_S = 0.6
_STEP = 200  # entries between two looks at the clock


@dataclass(frozen=True)
class FolderCounts:
    """Images by their names, and the different names of folders below that hold some.

    `is_whole` is False where counting was stopped: then there are more, or may be.
    """

    images: int = 0
    class_folders: int = 0
    is_whole: bool = False


def count_images(
    place: Path,
    *,
    seconds: float = COUNT_S,
    on_part: Callable[[FolderCounts], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> FolderCounts:
    """Count what an import of this folder would take for images; no file is opened.

    Args:
        place: links resolved; a folder that may be read.
        seconds: after which it stops, whatever is left.
        on_part: called with the numbers so far.
        should_stop: asked again and again; ends the counting.
    """
    deadline = time.monotonic() + seconds
    images, classes = 0, set[str]()
    for number, folder in enumerate(_images(place)):
        if folder is not None:
            images += 1
            if folder:
                classes.add(folder)
        if number % _STEP == _STEP - 1:
            if on_part:
                on_part(FolderCounts(images, len(classes)))
            if time.monotonic() > deadline or should_stop():
                return FolderCounts(images, len(classes))
    return FolderCounts(images, len(classes), is_whole=True)


def _images(place: Path) -> Iterator[str | None]:
    """For each entry below a folder the name of its folder, or None if it is no image.

    The name is empty for the folder itself. Folders come by their depth, each real one once.
    """
    roots = import_roots()
    todo: deque[tuple[str, Path]] = deque([("", place)])
    seen: set[Path] = set()
    while todo:
        name, folder = todo.popleft()
        if folder in seen:
            continue
        seen.add(folder)
        try:
            with open_user_folder(folder, roots=roots) as entries:
                for entry in entries:
                    yield _image_or_folder(entry, name, folder, roots, todo)
        except OSError:  # counted without it: opening it says why
            yield None


def _image_or_folder(
    entry: "os.DirEntry[str]",
    name: str,
    folder: Path,
    roots: tuple[Path, ...],
    todo: deque[tuple[str, Path]],
) -> str | None:
    if is_hidden(entry.name):
        return None
    path, is_linked = folder / entry.name, is_link(entry)
    if is_linked:
        path = Path(os.path.realpath(path))
        if not may_be_read(path, roots):
            return None
    if Path(entry.name).suffix.lower() in EXTENSIONS:
        is_file = path.is_file() if is_linked else entry.is_file(follow_symlinks=False)
        if is_file:
            return name
    if path.is_dir() if is_linked else entry.is_dir(follow_symlinks=False):
        todo.append((entry.name, path))
    return None
