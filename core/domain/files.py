"""The files of a dataset: whether they still are what was imported."""

from dataclasses import dataclass
from enum import StrEnum


class FileState(StrEnum):
    """What became of the file of an image since the image was imported."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"  # not there, or it cannot be read


class ChangedFiles(StrEnum):
    """What to do with images whose files changed; missing ones can only be left out."""

    NEW_VERSION = "new-version"
    LEAVE_OUT = "leave-out"


@dataclass(frozen=True)
class KnownFile:
    """A file as it was imported.

    Attributes:
        path: of the file.
        size: in bytes.
        sha256: of its content.
        time: its modification time, in seconds since 1970, when its content was last compared;
            None: not known.
        roots: resolved folders in one of which it must lie, links resolved; empty: anywhere.
    """

    path: str
    size: int
    sha256: str
    time: float | None
    roots: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileResult:
    """The state of a file; `time` is its modification time where its content was compared."""

    state: FileState
    time: float | None = None


@dataclass(frozen=True)
class FileCheck:
    """The images of a dataset, in use today, whose files were not as imported; ids of samples."""

    dataset_id: str
    checked_at: float
    changed: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every file that was compared is as it was imported."""
        return not (self.changed or self.missing)
