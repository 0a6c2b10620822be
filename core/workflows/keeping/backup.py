"""Backups of a workspace: made while it is in use, checked, and restored to another place.

A backup is a folder: the database as of one moment, the files that cannot be computed again, and a
list of all of them with their digests. Files that an earlier backup beside it already has are
linked, not copied, so that a daily backup costs what changed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.domain.ids import utc_now
from core.domain.jobs import JobStatus
from core.domain.record import RecordedAction
from core.errors import WorkspaceError
from core.files import atomic_folder, open_user_file, read_user_file
from core.store import jobs
from core.store.database import connect, copy_into
from core.workflows.keeping import record
from core.workspace import Workspace

LIST = "backup.json"
_FORMAT = "touchstone-backup-1"
_PREFIX = "touchstone-"
_BLOCK = 1 << 20
_MOST_BYTES, _MOST_LIST = 1 << 50, 1 << 30

OnFile = Callable[[int, int], None]


@dataclass(frozen=True)
class Backup:
    """A finished backup; sizes in bytes, `at` in seconds since 1970."""

    folder: Path
    at: float
    files: int
    size_bytes: int


@dataclass(frozen=True)
class _File:
    """A file of a backup: path below the workspace, size, time, and digest of its content."""

    path: str
    size: int
    time_ns: int
    sha256: str


def back_up(
    workspace: Workspace,
    target: Path,
    *,
    keep: int = 0,
    on_file: OnFile = lambda done, total: None,
) -> Backup:
    """Make a backup in a new folder below `target`; the app and its jobs may go on meanwhile.

    Args:
        workspace: what is backed up: database, uploads, results, weights and checkpoints. Caches
            are left out, and images that were imported from folders stay where they are.
        target: holds all backups; made if missing.
        keep: older backups beyond so many are deleted; 0 keeps all.
        on_file: told files done and files in all.

    Raises:
        WorkspaceError: if `target` is inside the workspace, or cannot be written.
    """
    target = target.expanduser().resolve()
    if target == workspace.root or target.is_relative_to(workspace.root):
        raise WorkspaceError(
            f"{target} is inside the workspace that is backed up.",
            "Choose a folder on another disk: a backup beside the original is lost with it.",
        )
    now = utc_now()
    name = _PREFIX + datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    # Why before: the backup then holds that it was made.
    record.note(workspace, RecordedAction.BACKED_UP, new=name)
    try:
        target.mkdir(parents=True, exist_ok=True)
        earlier = next(iter(list_backups(target)), None)
        with atomic_folder(target / name) as partial:
            files = [*_copy_database(workspace, partial)]
            files += _copy_files(workspace, partial, earlier, on_file)
            _write_list(partial, now, files)
    except OSError as err:
        raise WorkspaceError(
            f"The backup could not be written to {target}: {err.strerror or err}.",
            "Check that the disk is there, writable, and has enough space.",
        ) from err
    if keep:
        for old in list_backups(target)[keep:]:
            shutil.rmtree(old.folder)
    return Backup(target / name, now, len(files), sum(file.size for file in files))


def list_backups(target: Path) -> list[Backup]:
    """The finished backups in a folder, newest first."""
    found = []
    for folder in target.glob(f"{_PREFIX}*"):
        if (folder / LIST).is_file():
            at, files = _read_list(folder)
            found.append(Backup(folder, at, len(files), sum(file.size for file in files)))
    return sorted(found, key=lambda backup: backup.at, reverse=True)


def restore(backup: Path, target: Path, *, on_file: OnFile = lambda done, total: None) -> Workspace:
    """Make a workspace of a backup in an empty or new folder, every file compared with its digest.

    Jobs that were at work are marked as interrupted. Datasets that were imported from folders find
    their images by themselves where those are; else `touchstone relocate` says where they are now.

    Raises:
        WorkspaceError: if it is no backup, is damaged, or the target holds something.
    """
    _, files = _read_list(backup)
    target = target.expanduser().resolve()
    if target.exists() and any(target.iterdir()):
        raise WorkspaceError(
            f"{target} is not empty.", "Choose a new folder; nothing is ever restored over files."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    with atomic_folder(target) as partial:
        for done, file in enumerate(files, start=1):
            _restore_file(backup, partial, file)
            on_file(done, len(files))
    restored = Workspace(target).create()
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    _end_jobs(restored)
    return restored


def _restore_file(backup: Path, target: Path, file: _File) -> None:
    source, copy = backup / file.path, target / file.path
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


_DAMAGED = "The backup is damaged. Nothing was restored; take an earlier one."


def _end_jobs(workspace: Workspace) -> None:
    """Nobody is at work in a workspace that has just been restored."""
    with connect(workspace) as db:
        for job in jobs.active_jobs(db):
            if job.status is JobStatus.RUNNING:
                jobs.mark_interrupted(db, job, now=utc_now())


def _copy_database(workspace: Workspace, target: Path) -> Iterator[_File]:
    """The database as of one moment. Why not copied: a file that is written to is no database."""
    copy = target / workspace.database.name
    with connect(workspace) as db:
        copy_into(db, copy)
    with copy.open("rb+") as file:
        os.fsync(file.fileno())
    yield _described(copy, target)


def _copy_files(
    workspace: Workspace, target: Path, earlier: Backup | None, on_file: OnFile
) -> Iterator[_File]:
    """Files that vanish meanwhile, such as an old checkpoint, are not missed."""
    known = {}
    if earlier is not None:
        known = {file.path: file for file in _read_list(earlier.folder)[1]}
    sources = sorted(_sources(workspace))
    for done, source in enumerate(sources, start=1):
        path = source.relative_to(workspace.root).as_posix()
        try:
            yield _copied(source, target / path, path, known.get(path), earlier)
        except FileNotFoundError:
            continue
        on_file(done, len(sources))


def _sources(workspace: Workspace) -> Iterator[Path]:
    """Regular files; links and what is being written are left out."""
    for folder in (workspace.uploads, workspace.results, workspace.weights, workspace.runs):
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent) / name
                if not name.endswith(".partial") and path.is_file() and not path.is_symlink():
                    yield path


def _copied(
    source: Path, copy: Path, path: str, known: _File | None, earlier: Backup | None
) -> _File:
    copy.parent.mkdir(parents=True, exist_ok=True)
    about = source.stat()
    same = known is not None and (known.size, known.time_ns) == (about.st_size, about.st_mtime_ns)
    if known is not None and earlier is not None and same:
        try:
            os.link(earlier.folder / path, copy)
        except OSError:  # the disk knows no links, or the earlier file is gone
            shutil.copy2(source, copy)
        return known
    shutil.copy2(source, copy)
    return _described(copy, copy.parents[len(Path(path).parts) - 1])


def _described(file: Path, root: Path) -> _File:
    about = file.stat()
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return _File(file.relative_to(root).as_posix(), about.st_size, about.st_mtime_ns, digest)


def _write_list(folder: Path, at: float, files: list[_File]) -> None:
    rows = [[file.path, file.size, file.time_ns, file.sha256] for file in files]
    content = {"format": _FORMAT, "at": at, "files": rows}
    (folder / LIST).write_text(json.dumps(content), encoding="utf-8")


def _read_list(folder: Path) -> tuple[float, list[_File]]:
    try:
        content = json.loads(read_user_file(folder / LIST, most_bytes=_MOST_LIST))
        if content["format"] != _FORMAT:
            raise ValueError("it is of another version")
        return float(content["at"]), [
            _File(str(path), int(size), int(time), str(digest))
            for path, size, time, digest in content["files"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise WorkspaceError(
            f"{folder} is no backup that can be read: {err}.",
            "Choose a folder that `touchstone backup` made; it holds a file backup.json.",
        ) from err
