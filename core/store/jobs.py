"""Rows of jobs: what workers do, and how far they are.

Every change is one statement with the old state in its WHERE; the row count shows whether it
happened. A worker's statements also contain its owner token, so that a worker that has lost its job
changes nothing.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlite_utils import Database

from core.domain.ids import new_id
from core.domain.jobs import Job, JobKind, JobStatus, Phase, Progress
from core.domain.keeping.people import needed_to_queue, who
from core.errors import NotFoundError
from core.store.people.guard import require

_ACTIVE = "('queued', 'running')"
_NO_PROGRESS = Progress()
_MINE = "id = :id AND owner = :owner AND status = 'running'"


def enqueue(
    db: Database,
    kind: JobKind,
    subject_id: str,
    payload: dict[str, Any],
    *,
    now: float,
    lane: str | None = None,
) -> str | None:
    """Add a job, unless one for the same subject is active; what resumes goes on from its share.

    Args:
        db: the workspace's database.
        kind: what to do.
        subject_id: what the job works on (a run, a future dataset, a batch); attempts count per
            subject.
        payload: what the worker needs to know, as JSON values.
        now: the time.
        lane: None: that of its kind.

    Returns:
        The job's id, or None if one is already active.

    Raises:
        NotAllowedError: if whoever acts has no right for it.
    """
    require(db, needed_to_queue(kind), f"{kind.value} job")
    job_id = new_id("job")
    cursor = db.execute(
        "INSERT INTO jobs (id, kind, lane, subject_id, status, attempt, payload, created_at, share,"
        " position, person)"
        " SELECT :id, :kind, :lane, :subject, 'queued',"
        " 1 + (SELECT coalesce(max(attempt), 0) FROM jobs WHERE subject_id = :subject),"
        " :payload, :now, (SELECT coalesce(max(CASE status"
        " WHEN 'completed' THEN json_extract(result, '$.stopped_share') ELSE share END), 0)"
        " FROM jobs WHERE subject_id = :subject AND kind IN ('train', 'predict')), :now, :person"
        " WHERE NOT EXISTS"
        f" (SELECT 1 FROM jobs WHERE subject_id = :subject AND status IN {_ACTIVE})",
        {
            "id": job_id,
            "kind": kind.value,
            "lane": lane or kind.lane,
            "subject": subject_id,
            "payload": json.dumps(payload),
            "now": now,
            "person": who().name,
        },
    )
    return job_id if cursor.rowcount else None


def claim(db: Database, lane: str, *, owner: str, now: float) -> Job | None:
    """Take the first queued job of a lane for `owner`, or None if there is none."""
    rows = list(
        db.query(
            "UPDATE jobs SET status = 'running', owner = :owner, started_at = :now,"
            " heartbeat_at = :now, phase = :phase, phase_started_at = :now"
            " WHERE id = (SELECT id FROM jobs WHERE status = 'queued' AND lane = :lane"
            " ORDER BY position, created_at LIMIT 1) AND status = 'queued' RETURNING *",
            {"owner": owner, "now": now, "lane": lane, "phase": Phase.STARTING.value},
        )
    )
    return _job(rows[0]) if rows else None


def record_heartbeat(db: Database, job_id: str, *, owner: str, now: float) -> bool:
    """Record that the owner is alive; False: the job is no longer its own."""
    return _own_update(db, job_id, owner, "heartbeat_at = :now", {"now": now})


def stop_requested(db: Database, job_id: str) -> bool:
    """Whether somebody asked this job to stop."""
    rows = list(db.query("SELECT stop_requested FROM jobs WHERE id = ?", [job_id]))
    return bool(rows and rows[0]["stop_requested"])


def request_stop(db: Database, job_id: str, *, pause: bool = False) -> bool:
    """Request a stop, or a pause; False if the job has already ended.

    Raises:
        NotAllowedError: if it is another person's, and whoever acts may not queue such a job.
    """
    _require_for(db, job_id)
    cursor = db.execute(
        "UPDATE jobs SET stop_requested = 1, pause_requested = ?"
        f" WHERE id = ? AND status IN {_ACTIVE}",
        [pause, job_id],
    )
    return bool(cursor.rowcount)


def pause_requested(db: Database, job_id: str) -> bool:
    """Whether the stop that somebody asked for is a pause."""
    rows = list(db.query("SELECT pause_requested FROM jobs WHERE id = ?", [job_id]))
    return bool(rows and rows[0]["pause_requested"])


def accept_stop(db: Database, job_id: str, *, owner: str) -> bool:
    """Take note of a stop request and go on with what keeps the result; another one may come."""
    return _own_update(db, job_id, owner, "stop_requested = 0", {})


def stop_queued(db: Database, job_id: str, *, now: float, pause: bool = False) -> bool:
    """End or pause a job that no worker has claimed yet.

    Raises:
        NotAllowedError: if it is another person's, and whoever acts may not queue such a job.
    """
    _require_for(db, job_id)
    status = JobStatus.PAUSED if pause else JobStatus.STOPPED
    cursor = db.execute(
        "UPDATE jobs SET status = ?, finished_at = ? WHERE id = ? AND status = 'queued'",
        [status.value, now, job_id],
    )
    return bool(cursor.rowcount)


def set_positions(db: Database, positions: Mapping[str, float]) -> None:
    """Put waiting jobs into another order: job id -> position.

    Raises:
        NotAllowedError: if whoever acts may not queue jobs like those that move.
    """
    for job_id, position in positions.items():
        _require_for(db, job_id)
        db.conn.execute(
            "UPDATE jobs SET position = ? WHERE id = ? AND status = 'queued'", [position, job_id]
        )


def _require_for(db: Database, job_id: str) -> None:
    for row in db.query("SELECT kind, person FROM jobs WHERE id = ?", [job_id]):
        if not row["person"] or row["person"] != who().name:  # one's own needs no more
            require(db, needed_to_queue(JobKind(row["kind"])), f"{row['kind']} job")


def report(
    db: Database,
    job_id: str,
    *,
    owner: str,
    phase: str,
    done: int,
    total: int,
    progress: Progress = _NO_PROGRESS,
    now: float,
) -> bool:
    """Progress within a phase and of the whole job.

    The clock of the phase restarts when its name changes.
    """
    return _own_update(
        db,
        job_id,
        owner,
        "phase_started_at = CASE WHEN phase = :phase THEN phase_started_at ELSE :now END,"
        " phase = :phase, done = :done, total = :total, heartbeat_at = :now,"
        " share = max(share, :share), ends_at = :ends_at",
        {
            "phase": phase,
            "done": done,
            "total": total,
            "share": progress.share,
            "ends_at": progress.ends_at,
            "now": now,
        },
    )


def set_device(db: Database, job_id: str, *, owner: str, device: str) -> bool:
    """Record the device of the job."""
    return _own_update(db, job_id, owner, "device = :device", {"device": device})


def former_device(db: Database, job: Job) -> str | None:
    """The device of the attempt before this one, with its number of threads; None: there is none.

    Sums over threads are rounded in an order that depends on their number.
    """
    rows = list(
        db.query(
            "SELECT device FROM jobs WHERE subject_id = ? AND attempt < ? AND device IS NOT NULL"
            " ORDER BY attempt DESC LIMIT 1",
            [job.subject_id, job.attempt],
        )
    )
    return str(rows[0]["device"]) if rows else None


def warn(db: Database, job_id: str, *, owner: str, warnings: Sequence[str]) -> bool:
    """Store warnings for the user; the job continues."""
    return _own_update(
        db, job_id, owner, "warnings = :warnings", {"warnings": json.dumps(list(warnings))}
    )


def finish(
    db: Database,
    job_id: str,
    status: JobStatus,
    *,
    owner: str,
    now: float,
    error: str | None = None,
    hint: str | None = None,
    result: dict[str, Any] | None = None,
) -> bool:
    """End the owner's job; False if it was no longer its own."""
    return _own_update(
        db,
        job_id,
        owner,
        "status = :status, finished_at = :now, error = :error, hint = :hint, result = :result,"
        " share = CASE :status WHEN 'completed' THEN 1.0 ELSE share END, ends_at = NULL",
        {
            "status": status.value,
            "now": now,
            "error": error,
            "hint": hint,
            "result": json.dumps(result or {}),
        },
    )


def mark_interrupted(db: Database, job: Job, *, now: float, hung: bool = False) -> bool:
    """Mark a running job as interrupted, whose owner is gone, or gives no sign of life.

    Args:
        db: the workspace's database.
        job: as it was read.
        now: the time.
        hung: only if there was no sign of life since the job was read.
    """
    error = (
        "The worker process gave no sign of life and was given up."
        if hung
        else "The worker process ended before the job was finished."
    )
    why = (
        "It may have been frozen, or waits for a drive that does not answer."
        if hung
        else "It may have been killed, for want of memory perhaps, or the machine was restarted."
    )
    cursor = db.execute(
        "UPDATE jobs SET status = 'interrupted', finished_at = :now, error = :error, hint = :hint"
        " WHERE id = :id AND owner = :owner AND status = 'running'"
        " AND (:seen IS NULL OR heartbeat_at = :seen)",
        {
            "now": now,
            "error": error,
            "hint": f"{why} {job.kind.how_to_go_on}",
            "id": job.id,
            "owner": job.owner,
            "seen": job.heartbeat_at if hung else None,
        },
    )
    return bool(cursor.rowcount)


def find_job(db: Database, job_id: str) -> Job:
    """The job of this id.

    Raises:
        NotFoundError: if there is none.
    """
    rows = list(db.query("SELECT * FROM jobs WHERE id = ?", [job_id]))
    if not rows:
        raise NotFoundError(f"There is no job '{job_id}'.", "It may have been deleted.")
    return _job(rows[0])


def latest_job(db: Database, subject_id: str) -> Job | None:
    """The newest attempt for a subject."""
    rows = list(
        db.query(
            "SELECT * FROM jobs WHERE subject_id = ? ORDER BY attempt DESC LIMIT 1", [subject_id]
        )
    )
    return _job(rows[0]) if rows else None


def latest_jobs(db: Database, kind: JobKind) -> dict[str, Job]:
    """Newest attempt of every subject of a kind, newest first: subject id -> job."""
    rows = db.query(
        "SELECT *, max(attempt) AS newest FROM jobs WHERE kind = ? GROUP BY subject_id"
        " ORDER BY created_at DESC",
        [kind.value],
    )
    return {row["subject_id"]: _job(row) for row in rows}


def active_jobs(db: Database) -> list[Job]:
    """All queued and running jobs in the order in which their lanes do them."""
    rows = db.query(f"SELECT * FROM jobs WHERE status IN {_ACTIVE} ORDER BY position, created_at")
    return [_job(row) for row in rows]


def _own_update(
    db: Database, job_id: str, owner: str, assignment: str, values: dict[str, Any]
) -> bool:
    cursor = db.execute(
        f"UPDATE jobs SET {assignment} WHERE {_MINE}", {"id": job_id, "owner": owner, **values}
    )
    return bool(cursor.rowcount)


def _job(row: dict[str, Any]) -> Job:
    return Job(
        id=row["id"],
        kind=JobKind(row["kind"]),
        subject_id=row["subject_id"],
        status=JobStatus(row["status"]),
        attempt=row["attempt"],
        payload=json.loads(row["payload"]),
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        heartbeat_at=row["heartbeat_at"],
        stop_requested=bool(row["stop_requested"]),
        owner=row["owner"],
        device=row["device"],
        phase=row["phase"],
        done=row["done"],
        total=row["total"],
        phase_started_at=row["phase_started_at"],
        error=row["error"],
        hint=row["hint"],
        warnings=tuple(json.loads(row["warnings"])),
        result=json.loads(row["result"]),
        lane=row["lane"],
        share=row["share"],
        ends_at=row["ends_at"],
        position=row["position"],
        pause_requested=bool(row["pause_requested"]),
        person=row["person"],
    )
