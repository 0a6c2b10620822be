"""Making backups of a workspace in use: whole or not at all, each file with its digest.

A backup is a folder: the database as of one moment, the files that cannot be computed again, and a
list of all of them with their digests. Files that an earlier backup beside it already has are
linked, not copied, so that a daily backup costs what changed.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from core.domain.ids import utc_now
from core.domain.record import RecordedAction
from core.errors import TouchstoneError, WorkspaceError
from core.files import atomic_folder, read_user_file
from core.store.database import connect, copy_into, transaction
from core.store.keeping import record
from core.worker.session import StopRequested
from core.workspace import Workspace

LIST = "backup.json"
_FORMAT = "touchstone-backup-1"
_PREFIX = "touchstone-"
_MOST_LIST = 1 << 30

OnFile = Callable[[int, int], None]


@dataclass(frozen=True)
class Backup:
    """A finished backup; sizes in bytes, `at` in seconds since 1970."""

    folder: Path
    at: float
    files: int
    size_bytes: int


@dataclass(frozen=True)
class BackedUpFile:
    """A file of a backup: path below the workspace, size, time, and digest of its content."""

    path: str
    size: int
    time_ns: int
    sha256: str


def make_backup(
    workspace: Workspace,
    target: Path,
    *,
    keep: int = 0,
    on_file: OnFile = lambda done, total: None,
) -> Backup:
    """Make a backup in a new folder below `target`; the app and its jobs may go on meanwhile.

    The record says that it was begun (so does the backup itself), and how it ended.

    Args:
        workspace: what is backed up: database, uploads, results, weights, checkpoints and settings.
            Caches are left out, and images that were imported from folders stay where they are.
        target: holds all backups; made if missing.
        keep: older backups beyond so many are deleted; 0 keeps all.
        on_file: told files done and files in all; what it raises ends the backup.

    Raises:
        WorkspaceError: if `target` is inside the workspace or cannot be written, or another backup
            is being made.
    """
    target = target.expanduser().resolve()
    if target == workspace.root or target.is_relative_to(workspace.root):
        raise WorkspaceError(
            f"{target} is inside the workspace that is backed up.",
            "Choose a folder on another disk: a backup beside the original is lost with it.",
        )
    try:
        with FileLock(workspace.locks / "backup.lock", timeout=0):
            return _recorded(workspace, target, keep, on_file)
    except Timeout as err:
        raise WorkspaceError(
            "Another backup of this workspace is being made.", "Wait until it has ended."
        ) from err


def _recorded(workspace: Workspace, target: Path, keep: int, on_file: OnFile) -> Backup:
    now = utc_now()
    name = _PREFIX + datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    _note(workspace, RecordedAction.BACKUP_BEGUN, name)
    try:
        made = _made(workspace, target, name, now, on_file)
    except BaseException as err:
        _note(workspace, RecordedAction.BACKUP_FAILED, name, _why(err))
        raise
    _note(workspace, RecordedAction.BACKED_UP, name)
    if keep:
        for old in list_backups(target)[keep:]:
            shutil.rmtree(old.folder)
    return made


def _why(err: BaseException) -> str:
    if isinstance(err, TouchstoneError):
        return err.message
    stopped = isinstance(err, StopRequested | KeyboardInterrupt)
    return "It was stopped." if stopped else f"An unexpected error: {type(err).__name__}."


def _note(workspace: Workspace, action: RecordedAction, name: str, why: str = "") -> None:
    with connect(workspace) as db, transaction(db):
        record.add(db, action, new=name, reason=why)


def _made(workspace: Workspace, target: Path, name: str, now: float, on_file: OnFile) -> Backup:
    try:
        target.mkdir(parents=True, exist_ok=True)
        earlier = next(iter(list_backups(target)), None)
        with atomic_folder(target / name, closed=True) as partial:
            files = [*_copy_database(workspace, partial)]
            files += _copy_files(workspace, partial, earlier, on_file)
            _write_list(partial, now, files)
    except OSError as err:
        raise WorkspaceError(
            f"The backup could not be written to {target}: {err.strerror or err}.",
            "Check that the disk is there, writable, and has enough space.",
        ) from err
    return Backup(target / name, now, len(files), sum(file.size for file in files))


def list_backups(target: Path) -> list[Backup]:
    """The finished backups in a folder, newest first; one that cannot be read is left out."""
    backups = []
    for folder in target.glob(f"{_PREFIX}*"):
        with contextlib.suppress(WorkspaceError):
            at, files = read_list(folder)
            backups.append(Backup(folder, at, len(files), sum(file.size for file in files)))
    return sorted(backups, key=lambda backup: backup.at, reverse=True)


def _copy_database(workspace: Workspace, target: Path) -> Iterator[BackedUpFile]:
    """The database as of one moment. Why not copied: a file that is written to is no database."""
    copy = target / workspace.database.name
    with connect(workspace) as db:
        copy_into(db, copy)
    with copy.open("rb+") as file:
        os.fsync(file.fileno())
    yield _described(copy, target)


def _copy_files(
    workspace: Workspace, target: Path, earlier: Backup | None, on_file: OnFile
) -> Iterator[BackedUpFile]:
    """Files that vanish meanwhile, such as an old checkpoint, are not missed."""
    known = {}
    if earlier is not None:
        known = {file.path: file for file in read_list(earlier.folder)[1]}
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
    if workspace.settings.is_file() and not workspace.settings.is_symlink():
        yield workspace.settings
    for folder in (
        workspace.uploads,
        workspace.results,
        workspace.weights,
        workspace.runs,
        workspace.bin,
    ):
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent) / name
                if not name.endswith(".partial") and path.is_file() and not path.is_symlink():
                    yield path


def _copied(
    source: Path, copy: Path, path: str, known: BackedUpFile | None, earlier: Backup | None
) -> BackedUpFile:
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


def _described(file: Path, root: Path) -> BackedUpFile:
    about = file.stat()
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return BackedUpFile(file.relative_to(root).as_posix(), about.st_size, about.st_mtime_ns, digest)


def _write_list(folder: Path, at: float, files: list[BackedUpFile]) -> None:
    rows = [[file.path, file.size, file.time_ns, file.sha256] for file in files]
    content = {"format": _FORMAT, "at": at, "files": rows}
    (folder / LIST).write_text(json.dumps(content), encoding="utf-8")


def read_list(folder: Path) -> tuple[float, list[BackedUpFile]]:
    """When a backup was made, in seconds since 1970, and its files.

    Raises:
        WorkspaceError: if it is no backup.
    """
    try:
        content = json.loads(read_user_file(folder / LIST, most_bytes=_MOST_LIST))
        if content["format"] != _FORMAT:
            raise ValueError("it is of another version")
        return float(content["at"]), [
            BackedUpFile(str(path), int(size), int(time), str(digest))
            for path, size, time, digest in content["files"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise WorkspaceError(
            f"{folder} is no backup that can be read: {err}.",
            "Choose a folder that `touchstone backup` made; it holds a file backup.json.",
        ) from err
