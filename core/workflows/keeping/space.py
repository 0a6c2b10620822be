"""What takes the disk: per dataset, run and cache; and clearing what can be made again."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from filelock import Timeout

from core.domain.ids import new_id
from core.domain.jobs import JobKind
from core.domain.keeping.people import Right
from core.domain.record import RecordedAction
from core.errors import WorkspaceError
from core.models.backbone import machine_cache
from core.store import datasets, jobs, runs
from core.store.database import connect, transaction
from core.store.keeping import record
from core.worker.launcher import lane_lock
from core.workflows.keeping import people
from core.workspace import Workspace

_BLOCK = 512  # bytes, the unit in which the system counts what a file takes
_ASIDE = "cleared"


class CacheKind(StrEnum):
    """What can be made again, and is when it is needed next."""

    PIXELS = "pixels"
    FEATURES = "features"
    LOOK_ALIKES = "look-alikes"
    PREVIEWS = "previews"
    HEATMAPS = "heatmaps"
    RUNTIMES = "runtimes"
    MODELS = "models"

    def folders(self, workspace: Workspace) -> tuple[Path, ...]:
        """Where it lies."""
        match self:
            case CacheKind.PIXELS:
                return (workspace.pixels,)
            case CacheKind.FEATURES:
                return (workspace.features,)
            case CacheKind.LOOK_ALIKES:
                return (workspace.cache / "similarity",)
            case CacheKind.PREVIEWS:
                return workspace.thumbnails, workspace.views
            case CacheKind.HEATMAPS:
                return (workspace.cache / "heatmaps",)
            case CacheKind.RUNTIMES:
                return (workspace.runtimes,)
            case CacheKind.MODELS:
                return (workspace.cache / "models",)
            case _:
                assert_never(self)


class SpaceKind(StrEnum):
    """What a part of the disk is taken by."""

    DATABASE = "database and models"
    DATASET = "dataset"
    RUN = "run"
    CACHE = "cache"
    BIN = "bin"
    WAITING = "uploads not imported yet"
    RESULTS = "results and reports"
    WEIGHTS = "weights"
    LOGS = "logs"
    RESERVE = "reserve"
    SHARED = "weights kept for all workspaces"


@dataclass(frozen=True)
class SpaceUse:
    """What one thing takes; `name` is that of a dataset, run or cache, else empty.

    What a dataset has in caches counts as `cached_bytes` of it, and once more among the caches.
    """

    kind: SpaceKind
    name: str
    size_bytes: int
    subject_id: str = ""
    cached_bytes: int = 0


@dataclass(frozen=True)
class Disk:
    """The disk of a workspace and what takes it, the largest first; all in bytes."""

    total_bytes: int
    free_bytes: int
    uses: tuple[SpaceUse, ...]


def disk_use(workspace: Workspace) -> Disk:
    """What takes the disk; asks for the size of every file, about a second for 100,000."""
    disk = shutil.disk_usage(workspace.root)
    uses = [use for use in _uses(workspace) if use.size_bytes or use.cached_bytes]
    ordered = sorted(uses, key=lambda use: use.size_bytes + use.cached_bytes, reverse=True)
    return Disk(disk.total, disk.free, tuple(ordered))


def _uses(workspace: Workspace) -> Iterator[SpaceUse]:
    with connect(workspace) as db:
        names = {dataset.id: dataset.name for dataset in datasets.list_datasets(db)}
        run_names = {run.id: run.name for run in runs.list_runs(db)}
    cached = _cached_of(workspace, names)
    for dataset_id, name in names.items():
        size = size_of(workspace.uploads / dataset_id)
        yield SpaceUse(SpaceKind.DATASET, name, size, dataset_id, cached[dataset_id])
    kept = {workspace.uploads / dataset_id for dataset_id in names}
    waiting = sum(size_of(path) for path in workspace.uploads.glob("*") if path not in kept)
    yield SpaceUse(SpaceKind.WAITING, "", waiting)
    for folder in workspace.runs.glob("*"):
        name = run_names.get(folder.name, folder.name)
        yield SpaceUse(SpaceKind.RUN, name, size_of(folder), folder.name)
    for kind in CacheKind:
        size = sum(size_of(folder) for folder in kind.folders(workspace))
        yield SpaceUse(SpaceKind.CACHE, kind.value, size)
    database = sum(size_of(path) for path in workspace.root.glob(f"{workspace.database.name}*"))
    yield SpaceUse(SpaceKind.DATABASE, "", database)
    yield SpaceUse(SpaceKind.BIN, "", size_of(workspace.bin))
    yield SpaceUse(SpaceKind.RESULTS, "", size_of(workspace.results))
    yield SpaceUse(SpaceKind.WEIGHTS, "", size_of(workspace.weights))
    yield SpaceUse(SpaceKind.LOGS, "", size_of(workspace.logs))
    yield SpaceUse(SpaceKind.RESERVE, "", size_of(workspace.reserve))
    yield SpaceUse(SpaceKind.SHARED, "", size_of(machine_cache()))


def _cached_of(workspace: Workspace, names: dict[str, str]) -> dict[str, int]:
    """What each dataset has in the caches whose names begin with its id."""
    sizes = dict.fromkeys(names, 0)
    for folder in (workspace.pixels, workspace.features):
        for path in folder.glob("*"):
            owner = next((i for i in names if path.name.startswith(f"{i}-")), None)
            if owner is not None:
                sizes[owner] += size_of(path)
    return sizes


def size_of(path: Path) -> int:
    """What a file, or all files of a folder, take on the disk, in bytes; links are not followed."""
    total, places = 0, [path]
    while places:
        place = places.pop()
        with contextlib.suppress(OSError):  # deleted in between
            if place.is_symlink() or not place.is_dir():
                total += _taken(place.lstat())
                continue
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        places.append(Path(entry.path))
                    else:
                        total += _taken(entry.stat(follow_symlinks=False))
    return total


def _taken(status: os.stat_result) -> int:
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * _BLOCK


def clear(workspace: Workspace, kinds: Sequence[CacheKind]) -> int:
    """Delete caches; gives the bytes that were freed. What is needed again is made again.

    Raises:
        NotAllowedError: if whoever acts may not.
        WorkspaceError: while a job is at work or waits, since it may need them.
    """
    people.require(workspace, Right.ADMINISTER, "caches")
    with contextlib.ExitStack() as held:
        _keep_workers_out(workspace, held)
        with connect(workspace) as db, transaction(db):
            record.add(db, RecordedAction.CACHE_CLEARED, new=", ".join(kinds))
        folders = [folder for kind in kinds for folder in kind.folders(workspace)]
        freed = sum(size_of(folder) for folder in folders)
        aside = workspace.cache / new_id(_ASIDE)
        aside.mkdir()
        for number, folder in enumerate(folders):
            # Why moved first: whoever reads meanwhile finds all of it or nothing.
            with contextlib.suppress(FileNotFoundError):
                folder.rename(aside / str(number))
    for left in workspace.cache.glob(f"{_ASIDE}-*"):
        shutil.rmtree(left, ignore_errors=True)
    return freed


def _keep_workers_out(workspace: Workspace, held: contextlib.ExitStack) -> None:
    """Hold the lanes of all jobs that read caches; one that is queued meanwhile waits for it."""
    with connect(workspace) as db:
        active = [job for job in jobs.active_jobs(db) if job.kind is not JobKind.BACKUP]
    lanes = {kind.lane for kind in JobKind if kind is not JobKind.BACKUP}
    is_busy = bool(active)
    try:
        for lane in sorted(lanes | {job.lane for job in active}):
            held.enter_context(lane_lock(workspace, lane).acquire(timeout=0))
    except Timeout:
        is_busy = True
    if is_busy:
        raise WorkspaceError(
            "A job is at work or waits, and may need what would be cleared.",
            "Wait until no job runs, or stop them, and clear the caches then.",
        )
