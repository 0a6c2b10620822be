"""Actions on jobs: look, wait, stop."""

import time
from collections.abc import Callable

from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.errors import TouchstoneError
from core.store import jobs
from core.store.database import connect
from core.worker.launcher import reconcile, start_worker
from core.workspace import Workspace

UNRESPONSIVE_AFTER_S = 30.0


def active(workspace: Workspace) -> list[Job]:
    """Jobs that are queued or running, after lost ones were marked as interrupted."""
    return reconcile(workspace)


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


def submit(workspace: Workspace, kind: JobKind, subject_id: str, payload: dict[str, object]) -> Job:
    """Queue a job and see to it that a worker comes; asking twice has one effect.

    Returns:
        The new job, or the active one of the same subject.
    """
    with connect(workspace) as db:
        jobs.enqueue(db, kind, subject_id, payload, now=utc_now())
        job = jobs.latest_job(db, subject_id)
    start_worker(workspace, kind.lane)
    assert job is not None
    return job


def stop(workspace: Workspace, job_id: str) -> bool:
    """Request that a job stops; a queued one ends at once. False if it had already ended."""
    with connect(workspace) as db:
        return jobs.stop_queued(db, job_id, now=utc_now()) or jobs.request_stop(db, job_id)


def wait(
    workspace: Workspace, job_id: str, *, on_change: Callable[[Job], None], every_s: float = 0.2
) -> Job:
    """Follow a job to its end.

    Raises:
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
    if job.status is not JobStatus.COMPLETED:
        raise TouchstoneError(
            job.error or f"The job was {job.status}.", job.hint or "It can be resumed."
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
    """Estimated rest of the present phase, or None while there is nothing to go by."""
    if job.phase_started_at is None or job.done <= 0 or job.total <= 0:
        return None
    return max(0.0, (now - job.phase_started_at) / job.done * (job.total - job.done))
