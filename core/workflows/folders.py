"""Walk through the folders of the machine, to choose one: for an import, a batch, a watch."""

from pathlib import Path

from core.data.folders import reading
from core.data.folders.places import FolderPlace, places
from core.data.folders.reading import FolderReading
from core.domain.jobs import JobKind
from core.domain.keeping.people import Right
from core.store import jobs
from core.store.database import connect
from core.workflows.keeping import people
from core.workspace import Workspace, closed_folders_error, folders_are_closed


def open_folder(workspace: Workspace, path: Path, *, nearest: bool = False) -> FolderReading:
    """Begin to read a folder: its subfolders, and how many images lie below.

    Args:
        workspace: in which the person acts.
        path: absolute.
        nearest: if it is no folder, the nearest one above it.

    Raises:
        NotAllowedError: if whoever acts may use no folder for anything.
        ImportSourceError: if too many folders do not answer.
    """
    people.require(workspace, Right.PREDICT, "folders")
    return FolderReading(path, nearest=nearest)


def refuse_silent(path: Path) -> None:
    """Refuse a typed path on a drive that does not answer, before a page waits for it.

    Raises:
        ImportSourceError: if it does not.
    """
    reading.refuse_silent(path)


def reason_closed() -> str | None:
    """Why no folder of the machine may be used by anybody; None: some may."""
    return str(closed_folders_error()) if folders_are_closed() else None


def places_to_begin(workspace: Workspace) -> list[FolderPlace]:
    """Home, drives and folders used before, as far as they may be read.

    Raises:
        NotAllowedError: if whoever acts may use no folder for anything.
        ImportSourceError: if too many drives do not answer.
    """
    people.require(workspace, Right.PREDICT, "folders")
    return places(used_before(workspace))


def used_before(workspace: Workspace) -> list[Path]:
    """Folders that images were imported from or classified in, newest first; uploads left out."""
    with connect(workspace) as db:
        imports = jobs.latest_jobs(db, JobKind.IMPORT).values()
        batches = jobs.latest_jobs(db, JobKind.PREDICT).values()
    begun = [
        (job.created_at, str(job.payload["source"]))
        for job in imports
        if not job.payload["consume"]
    ]
    begun += [(job.created_at, str(job.payload["folder"])) for job in batches]
    newest = dict.fromkeys(path for _, path in sorted(begun, reverse=True))
    paths = [Path(path) for path in newest if not path.lower().endswith(".zip")]
    return [path for path in paths if not path.is_relative_to(workspace.uploads)]
