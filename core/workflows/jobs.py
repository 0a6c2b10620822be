"""Actions on jobs: look, wait, stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from filelock import FileLock, Timeout
from sqlite_utils import Database

from core.administration import how_to_change, limits_of
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus, QueueMove
from core.errors import FilesChangedError, NotFoundError, QueueFullError, TouchstoneError
from core.store import datasets, jobs, models, runs, searches
from core.store.database import connect, transaction
from core.worker.launcher import reconcile, start_worker, sweep_unfinished
from core.workspace import Workspace, keep_reserve

UNRESPONSIVE_AFTER_S = 30.0


def active(workspace: Workspace) -> list[Job]:
    """Jobs that are queued or running, after lost ones were marked as interrupted."""
    return reconcile(workspace)


def prepare(workspace: Workspace) -> None:
    """What the app does as it starts: remove leftovers, keep a reserve of space."""
    sweep_unfinished(workspace)
    keep_reserve(workspace)


_app_locks: dict[Path, FileLock] = {}
_second_in: set[Path] = set()


def enter_as_app(workspace: Workspace) -> bool:
    """Be the app of this workspace as long as this process lives; False: another process is."""
    lock = FileLock(workspace.locks / "app.lock")
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        _second_in.add(workspace.root)
        return False
    _second_in.discard(workspace.root)
    _app_locks[workspace.root] = lock
    return True


def is_second_app(workspace: Workspace) -> bool:
    """Whether this app could not enter the workspace, because another one is in it still."""
    return workspace.root in _second_in and not enter_as_app(workspace)


def latest(workspace: Workspace, subject_id: str) -> Job | None:
    """The newest attempt for a run, import or batch, with a true status."""
    with connect(workspace) as db:
        job = jobs.latest_job(db, subject_id)
    if job is None or not job.status.is_active:
        return job
    reconcile(workspace)
    with connect(workspace) as db:
        return jobs.latest_job(db, subject_id)


def latest_of_kind(workspace: Workspace, kind: JobKind) -> dict[str, Job]:
    """Subject id -> its newest attempt, newest first."""
    reconcile(workspace)
    with connect(workspace) as db:
        return jobs.latest_jobs(db, kind)


def submit(
    workspace: Workspace,
    kind: JobKind,
    subject_id: str,
    payload: dict[str, object],
    *,
    lane: str | None = None,
) -> Job:
    """Queue a job and see to it that a worker comes; asking twice has one effect.

    `lane` is that of its kind unless given.

    Returns:
        The new job, or the active one of the same subject.

    Raises:
        QueueFullError: if as many jobs wait as may.
    """
    with connect(workspace) as db, transaction(db):
        _refuse_full(workspace, db, subject_id)
        jobs.enqueue(db, kind, subject_id, payload, now=utc_now(), lane=lane)
        job = jobs.latest_job(db, subject_id)
    assert job is not None
    start_worker(workspace, job.lane)
    return job


def refuse_full_queue(workspace: Workspace) -> None:
    """Raise where no further job may wait; before anything is stored for one.

    Raises:
        QueueFullError: with the number.
    """
    with connect(workspace) as db:
        _refuse_full(workspace, db, "")


def _refuse_full(workspace: Workspace, db: Database, subject_id: str) -> None:
    active, limit = jobs.active_jobs(db), limits_of(workspace.root).queued_jobs
    waiting = sum(job.status is JobStatus.QUEUED for job in active)
    if waiting >= limit and all(job.subject_id != subject_id for job in active):
        raise QueueFullError(
            f"{waiting:,} jobs wait for their turn; no more than {limit:,} may.",
            "Stop those that are not needed, or try again when some have ended. "
            f"{how_to_change('queued_jobs')}",
        )


@dataclass(frozen=True)
class Waiting:
    """What a queued job waits for.

    Attributes:
        running: the job at work in its lane; None while a worker is starting.
        subject: name of what that job works on; empty where it has none.
        ahead: how many queued jobs come first.
    """

    running: Job | None
    subject: str
    ahead: int


def waiting_for(workspace: Workspace, job: Job) -> Waiting | None:
    """What a job waits for; None if it does not wait."""
    if job.status is not JobStatus.QUEUED:
        return None
    with connect(workspace) as db:
        lane = [other for other in jobs.active_jobs(db) if other.lane == job.lane]
        running = next((other for other in lane if other.status is JobStatus.RUNNING), None)
        earlier = [o for o in lane if o.status is JobStatus.QUEUED and _comes_before(o, job)]
        return Waiting(running, subject_name(db, running) if running else "", len(earlier))


def _comes_before(other: Job, job: Job) -> bool:
    return other.id != job.id and (other.position, other.created_at) <= (
        job.position,
        job.created_at,
    )


def name_of(workspace: Workspace, job: Job) -> str:
    """The name of what a job works on; empty where it has none, or is not there any more."""
    with connect(workspace) as db:
        return subject_name(db, job)


def subject_name(db: Database, job: Job) -> str:
    """The name of what a job works on; empty where it has none, or is not there any more."""
    try:
        match job.kind:
            case JobKind.IMPORT:
                return str(job.payload["name"])
            case JobKind.TRAIN:
                return runs.find_run(db, job.subject_id).name
            case JobKind.SEARCH:
                return searches.find_search(db, job.subject_id).name
            case JobKind.QUALITY | JobKind.FILES | JobKind.RATE | JobKind.NEW_IMAGES:
                return datasets.find_dataset(db, str(job.payload["dataset_id"])).name
            case JobKind.PREDICT:
                return Path(str(job.payload["folder"])).name
            case JobKind.EXPLAIN | JobKind.GRADE | JobKind.ROBUSTNESS:
                return models.find_model(db, str(job.payload["model_id"])).name
            case JobKind.REPORT | JobKind.BACKUP:
                return ""
            case _:
                assert_never(job.kind)
    except (NotFoundError, KeyError):
        return ""


def stop(workspace: Workspace, job_id: str, *, pause: bool = False) -> bool:
    """Request that a job stops; a queued one ends at once. False if it had already ended.

    A training that is stopped keeps its best epoch as a model; one that is paused only waits to be
    resumed.
    """
    with connect(workspace) as db:
        return jobs.stop_queued(db, job_id, now=utc_now(), pause=pause) or jobs.request_stop(
            db, job_id, pause=pause
        )


def move(workspace: Workspace, job_id: str, to: QueueMove) -> bool:
    """Move a waiting job among those of its lane; False if it does not wait any more."""
    with connect(workspace) as db, transaction(db):
        job = jobs.find_job(db, job_id)
        queue = [
            other
            for other in jobs.active_jobs(db)
            if other.lane == job.lane and other.status is JobStatus.QUEUED
        ]
        ids = [other.id for other in queue]
        if job_id not in ids:
            return False
        at = ids.index(job_id)
        ids.insert(_target(to, at, len(ids)), ids.pop(at))
        positions = sorted(other.position for other in queue)
        jobs.set_positions(db, dict(zip(ids, positions, strict=True)))
    return True


def _target(to: QueueMove, at: int, length: int) -> int:
    match to:
        case QueueMove.NEXT:
            return 0
        case QueueMove.UP:
            return max(0, at - 1)
        case QueueMove.DOWN:
            return min(length - 1, at + 1)
        case QueueMove.LAST:
            return length - 1
        case _:
            assert_never(to)


def wait(
    workspace: Workspace, job_id: str, *, on_change: Callable[[Job], None], every_s: float = 0.2
) -> Job:
    """Follow a job to its end.

    Raises:
        FilesChangedError: if it failed because files are not as they were imported.
        TouchstoneError: if it did not complete; with the job's own cause and hint.
    """
    looked_at = time.monotonic()
    while True:
        with connect(workspace) as db:
            job = jobs.find_job(db, job_id)
        on_change(job)
        if not job.status.is_active:
            break
        if time.monotonic() - looked_at > 3:
            reconcile(workspace)
            looked_at = time.monotonic()
        time.sleep(every_s)
    changed, missing = (tuple(job.result.get(key, ())) for key in ("changed", "missing"))
    if job.status is JobStatus.FAILED and (changed or missing):
        about = str(job.result.get("dataset_id", ""))
        raise FilesChangedError(job.error or "", job.hint or "", changed, missing, about)
    if job.status is not JobStatus.COMPLETED:
        raise TouchstoneError(
            job.error or f"The job was {job.status}.", job.hint or job.kind.how_to_go_on
        )
    return job


def is_unresponsive(job: Job, *, now: float) -> bool:
    """Whether a running job has not given a sign of life for a while."""
    return (
        job.status is JobStatus.RUNNING
        and job.heartbeat_at is not None
        and now - job.heartbeat_at > UNRESPONSIVE_AFTER_S
    )


def seconds_left(job: Job, *, now: float) -> float | None:
    """Estimated time until a running job ends; None while an estimate is worth nothing.

    One that has run out was wrong: nothing is said until the next report.
    """
    if job.status is not JobStatus.RUNNING or job.ends_at is None or job.ends_at < now:
        return None
    return job.ends_at - now
