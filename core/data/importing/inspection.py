"""One file, decoded and described; runs in the processes that read images for an import.

A module of its own, because everything these processes import delays their first image.
"""

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

from core.data.pixels.images import MAX_FILE_BYTES, ImageProperties, image_properties
from core.errors import UnreadableImageError
from core.files import read_user_file


@dataclass(frozen=True)
class Inspected:
    """A decoded file.

    `file_size` is in bytes, `modified_at` in seconds since 1970, None if the file has no date.
    """

    facts: ImageProperties
    sha256: str
    file_size: int
    modified_at: float | None


def inspect_file(path: str, roots: tuple[Path, ...] = ()) -> Inspected:
    """Decode a file completely and describe it.

    Args:
        path: of the file, as text, which is cheaper to send between processes than a `Path`.
        roots: folders in which it must lie; see `open_user_file`.

    Raises:
        UnreadableImageError: if it is not a readable image.
    """
    name = os.path.basename(path)  # noqa: PTH119
    try:
        status = os.stat(path)  # noqa: PTH116
        content = read_user_file(Path(path), most_bytes=MAX_FILE_BYTES, roots=roots)
    except MemoryError as err:
        raise UnreadableImageError(
            f"{name} needs more memory than there is.", "Reduce it, or leave it out."
        ) from err
    except OSError as err:
        raise UnreadableImageError(
            f"{name} cannot be opened: {err.strerror}.",
            "Check that it exists, and its permissions.",
        ) from err
    return Inspected(
        image_properties(io.BytesIO(content), name=name),
        hashlib.sha256(content).hexdigest(),
        len(content),
        status.st_mtime if status.st_mtime > 0 else None,
    )
