"""Backups on request, and restoring one to another place; `core/worker/backup.py` makes them."""

import hashlib
import os
from pathlib import Path

from core.domain.ids import utc_now
from core.domain.jobs import JobStatus
from core.domain.keeping.people import Right
from core.errors import WorkspaceError
from core.files import atomic_folder, open_user_file
from core.store import jobs
from core.store.database import connect
from core.worker import backup
from core.worker.backup import BackedUpFile, OnFile, read_list
from core.worker.backup import Backup as Backup
from core.workflows.keeping import people
from core.workspace import Workspace

_BLOCK = 1 << 20
_MOST_BYTES = 1 << 50
_DAMAGED = "The backup is damaged. Nothing was restored; take an earlier one."


def back_up(
    workspace: Workspace,
    target: Path,
    *,
    keep: int = 0,
    on_file: OnFile = lambda done, total: None,
) -> Backup:
    """Make a backup now, in this process; see `core.worker.backup.make_backup`.

    Raises:
        NotAllowedError: if whoever acts may not.
    """
    people.require(workspace, Right.ADMINISTER, "backup")
    return backup.make_backup(workspace, target, keep=keep, on_file=on_file)


def list_backups(target: Path) -> list[Backup]:
    """The finished backups in a folder, newest first."""
    return backup.list_backups(target)


def restore(source: Path, target: Path, *, on_file: OnFile = lambda done, total: None) -> Workspace:
    """Make a workspace of a backup in an empty or new folder, every file compared with its digest.

    Jobs that were at work are marked as interrupted. Datasets that were imported from folders find
    their images by themselves where those are; else `touchstone relocate` says where they are now.

    Raises:
        WorkspaceError: if it is no backup, is damaged, or the target holds something.
    """
    _, files = read_list(source)
    target = target.expanduser().resolve()
    if target.exists() and any(target.iterdir()):
        raise WorkspaceError(
            f"{target} is not empty.", "Choose a new folder; nothing is ever restored over files."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    with atomic_folder(target, closed=True) as partial:
        for done, file in enumerate(files, start=1):
            _restore_file(source, partial, file)
            on_file(done, len(files))
    restored = Workspace(target).create()
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    _end_jobs(restored)
    return restored


def _restore_file(folder: Path, target: Path, file: BackedUpFile) -> None:
    source, copy = folder / file.path, target / file.path
    if not copy.resolve().is_relative_to(target.resolve()):
        raise WorkspaceError(f"The backup names a file outside of it: {file.path}.", _DAMAGED)
    copy.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with open_user_file(source, most_bytes=_MOST_BYTES) as original, copy.open("xb") as made:
            while block := original.read(_BLOCK):
                digest.update(block)
                made.write(block)
    except OSError as err:
        raise WorkspaceError(
            f"{source} cannot be restored: {err.strerror or err}.", _DAMAGED
        ) from err
    if digest.hexdigest() != file.sha256:
        raise WorkspaceError(f"{source} is not what was backed up.", _DAMAGED)
    os.utime(copy, ns=(file.time_ns, file.time_ns))


def _end_jobs(workspace: Workspace) -> None:
    """Nobody is at work in a workspace that has just been restored."""
    with connect(workspace) as db:
        for job in jobs.active_jobs(db):
            if job.status is JobStatus.RUNNING:
                jobs.mark_interrupted(db, job, now=utc_now())
