"""Starts workers, and finds out which of them are lost. Does not import torch.

One worker per lane holds the lane's kernel file lock for its whole life. A running job in a lane
whose lock is free has lost its worker, whatever process ids or heartbeats say.
"""

import contextlib
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from sqlite_utils import Database

from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.keeping.people import as_program
from core.store import jobs
from core.store.database import connect
from core.workspace import ROOT_VARIABLE, Workspace

LOG_VARIABLE = "TOUCHSTONE_WORKER_LOG"
KEPT_LOGS = 20  # of a lane; each worker writes one
START_PATIENCE_S = 5.0
# Read by the C library and by OpenMP when a process starts. Why: glibc otherwise gives the memory
# of every batch back to the system and asks for it again, which costs a fifth of each training
# step; waiting threads that spin take the processor from whatever else runs on the machine.
TRAINING_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
    "OMP_WAIT_POLICY": "PASSIVE",
}
# Why: many small products gain nothing from threads, and lose much on a busy machine.
_OTHERS = {"OPENBLAS_NUM_THREADS": "1"}
# Longer than a database may be locked: a worker that waits for it cannot give signs of life.
TAKEOVER_AFTER_S = 180.0
MOST_WAITING = 2  # workers of a lane that this process starts: one at work, one behind it
_last_signs: dict[str, tuple[float | None, float]] = {}  # job -> its last one, and when it was seen
_started: dict[tuple[Path, str], list[subprocess.Popen[bytes]]] = {}
_started_at: dict[tuple[Path, str], float] = {}
_PROJECT = Path(__file__).resolve().parents[2]
_DETACHED = 0
if sys.platform == "win32":
    _DETACHED = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS


def lane_lock(workspace: Workspace, lane: str) -> FileLock:
    """The lock that a worker of this lane holds while it is alive."""
    return FileLock(workspace.locks / f"worker-{lane}.lock")


def start_worker(workspace: Workspace, lane: str) -> None:
    """Start a detached worker, unless enough wait for the lane already; all but one end soon."""
    known = _started.setdefault((workspace.root, lane), [])
    known[:] = [process for process in known if process and process.poll() is None]
    if len(known) >= MOST_WAITING:
        return
    environment = {**os.environ, ROOT_VARIABLE: str(workspace.root), "PYTHONUNBUFFERED": "1"}
    search_path = os.pathsep.join(p for p in (str(_PROJECT), os.environ.get("PYTHONPATH")) if p)
    environment["PYTHONPATH"] = search_path
    own = TRAINING_ENVIRONMENT if lane.endswith(JobKind.TRAIN.lane) else _OTHERS
    for name, value in own.items():
        environment.setdefault(name, value)
    _started_at[workspace.root, lane] = time.monotonic()
    log = _new_log(workspace, lane)
    environment[LOG_VARIABLE] = str(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.worker", lane],
            cwd=workspace.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=sys.platform != "win32",
            creationflags=_DETACHED,
        )
    known.append(process)


def _new_log(workspace: Workspace, lane: str) -> Path:
    """The file for the next worker's output; the oldest ones of the lane are deleted."""
    older = sorted(workspace.logs.glob(f"worker-{lane}-*.log"))
    for log in older[: max(0, len(older) - KEPT_LOGS + 1)]:
        with contextlib.suppress(OSError):  # Windows keeps the file of a worker that still runs
            log.unlink()
    return workspace.logs / f"worker-{lane}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.log"


def reconcile(workspace: Workspace) -> list[Job]:
    """Update the job rows: lost jobs become interrupted, waiting ones get a worker.

    Returns:
        The jobs that are active afterwards.
    """
    root = workspace.root
    with as_program(), connect(workspace) as db:
        active = jobs.active_jobs(db)
        for lane in {job.lane for job in active}:
            _give_hung_up(workspace, db, [job for job in active if job.lane == lane])
            if not lane_is_free(workspace, lane):
                continue
            # Why read again: a worker may have finished since the first read.
            mine = [job for job in jobs.active_jobs(db) if job.lane == lane]
            for job in mine:
                if job.status is JobStatus.RUNNING and lane_is_free(workspace, lane):
                    jobs.mark_interrupted(db, job, now=utc_now())
            if any(job.status is JobStatus.QUEUED for job in mine) and not _is_starting(root, lane):
                start_worker(workspace, lane)
        return jobs.active_jobs(db)


def _give_hung_up(workspace: Workspace, db: Database, active: Sequence[Job]) -> None:
    """Take the lane from a worker that gave no sign of life for `TAKEOVER_AFTER_S`.

    It is not killed. If it wakes up, it finds that the job is no longer its own: each of its writes
    names it as the owner. Its lock stays with the file that is removed here.
    """
    for job in active:
        if job.status is not JobStatus.RUNNING or not _is_silent(job):
            continue
        lock = Path(lane_lock(workspace, job.lane).lock_file)
        with contextlib.suppress(OSError):  # Windows keeps a file that is open
            if jobs.mark_interrupted(db, job, now=utc_now(), hung=True):
                lock.unlink()


def _is_silent(job: Job) -> bool:
    """Whether this process has seen no new sign of life of a job for long.

    Why by its own clock: that of the machine may be set, and stands still while it sleeps.
    """
    seen, since = _last_signs.get(job.id, (None, 0.0))
    if seen != job.heartbeat_at:
        _last_signs[job.id] = job.heartbeat_at, time.monotonic()
        return False
    return time.monotonic() - since > TAKEOVER_AFTER_S


def sweep_unfinished(workspace: Workspace) -> None:
    """Remove what killed imports had unpacked, where no import is at work; needs no database.

    Why without: it may be what fills the disk, so that the database cannot be read.
    """
    lane = lane_lock(workspace, JobKind.IMPORT.lane)
    with contextlib.suppress(OSError, Timeout), lane.acquire(timeout=0):
        remove_unfinished(workspace)


def remove_unfinished(workspace: Workspace) -> None:
    """Remove unfinished unpacked folders; call it while holding the lane of imports."""
    for kind in ("ds-*.partial", "add-*.partial"):
        for folder in workspace.uploads.glob(kind):
            shutil.rmtree(folder, ignore_errors=True)


def _is_starting(root: Path, lane: str) -> bool:
    """Whether this process has just started a worker; polling must not start one each time."""
    return time.monotonic() - _started_at.get((root, lane), -math.inf) < START_PATIENCE_S


def lane_is_free(workspace: Workspace, lane: str) -> bool:
    """Whether no worker of this lane is alive."""
    lock = lane_lock(workspace, lane)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
        lock.release()
        return True
    return False
