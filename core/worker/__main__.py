"""`python -m core.worker LANE`: run the queued jobs of one lane, then end.

The job is claimed before anything heavy is imported, so that the page shows "starting" at once.
"""

import contextlib
import errno
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import assert_never

from filelock import FileLock, Timeout

from core.lean import import_sqlite_alone

import_sqlite_alone()  # before the first module that uses it

from core.administration import administration
from core.domain.ids import new_id, utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.keeping.people import Actor, Standing, usually
from core.errors import FilesChangedError, TouchstoneError, WorkspaceError
from core.store import jobs
from core.store.database import connect, transaction, wait_longer
from core.worker.launcher import LOG_VARIABLE, lane_lock, remove_unfinished
from core.worker.session import JobLost, JobSession, StopRequested
from core.workspace import Workspace, keep_reserve, open_workspace

# Why: a worker that starts just before another one ends must not miss the queue.
_LOCK_PATIENCE_S = 10.0
# Why so long: a backup program that locks the file must not end the work of a night.
DATABASE_PATIENCE_S = 120.0
_LEFT_AFTER_S = 3600.0  # an unfinished table that nobody has written to for so long
_END_ATTEMPTS = 3  # each waits as long


def main(lane: str) -> None:
    """Hold the lane, clean up after a lost worker, and work until the queue is empty."""
    workspace = open_workspace()
    usually(lambda: Actor("", Standing.PROGRAM))
    for problem in administration(workspace.root).problems:
        logging.warning("%s", problem.words)
    wait_longer(DATABASE_PATIENCE_S)
    owner = new_id("worker")
    try:
        lock = lane_lock(workspace, lane)
        with lock.acquire(timeout=_LOCK_PATIENCE_S):
            held = _file_number(lock)
            if lane == JobKind.IMPORT.lane:
                remove_unfinished(workspace)
            _sweep(workspace, lane)
            keep_reserve(workspace)
            # Why compared: a worker that was frozen may have lost the lane to another one.
            while _file_number(lock) == held and (job := _claim(workspace, lane, owner)):
                _run(JobSession(workspace, job, owner))
    except Timeout:
        logging.info("another worker of lane %s is at work", lane)


def _file_number(lock: FileLock) -> int:
    """Which file the lock is on; 0 if there is none any more."""
    try:
        return Path(lock.lock_file).stat().st_ino
    except OSError:
        return 0


def _claim(workspace: Workspace, lane: str, owner: str) -> Job | None:
    with connect(workspace) as db:
        return jobs.claim(db, lane, owner=owner, now=utc_now())


def _sweep(workspace: Workspace, lane: str) -> None:
    """Holding the lane's lock, every job still marked running in it is lost."""
    with connect(workspace) as db:
        for job in jobs.active_jobs(db):
            if job.lane == lane and job.status is JobStatus.RUNNING:
                jobs.mark_interrupted(db, job, now=utc_now())
        if lane == JobKind.IMPORT.lane:
            from core.worker import import_job

            import_job.sweep(workspace, db)
    if lane == JobKind.PREDICT.lane:
        for partial in workspace.results.glob(".*.partial"):  # of a killed prediction
            with contextlib.suppress(OSError):
                if utc_now() - partial.stat().st_mtime > _LEFT_AFTER_S:
                    partial.unlink()


def _run(session: JobSession) -> None:
    logging.info("job %s (%s) begins", session.job.id, session.job.kind)
    # Why all rights: they were checked as the job was queued, and a worker does what its job says.
    usually(lambda: Actor(session.job.person, Standing.PROGRAM))
    try:
        with session.heartbeat():
            _work(session)
    except JobLost:
        logging.warning("job %s was lost to another worker", session.job.id)
    except StopRequested:
        paused = session.pause_requested()
        _end(session, JobStatus.PAUSED if paused else JobStatus.STOPPED)
    except FilesChangedError as err:
        about: dict[str, object] = {
            "dataset_id": err.dataset_id,
            "changed": list(err.changed),
            "missing": list(err.missing),
        }
        _end(session, JobStatus.FAILED, error=err.message, hint=err.hint, result=about)
    except TouchstoneError as err:
        _end(session, JobStatus.FAILED, error=err.message, hint=err.hint)
    except Exception as err:
        logging.error("job %s failed\n%s", session.job.id, traceback.format_exc())
        _end(session, JobStatus.FAILED, error=_in_words(err), hint=_advice(err, session))
    else:
        logging.info("job %s ends", session.job.id)


def _work(session: JobSession) -> None:
    """The one place that knows which code belongs to which kind of job."""
    match session.job.kind:
        case JobKind.IMPORT:
            from core.worker import import_job

            import_job.run(session)
        case JobKind.TRAIN:
            from core.worker.training import job as train_job

            train_job.run(session)
        case JobKind.SEARCH:
            from core.worker.search import job as search_job

            search_job.run(session)
        case JobKind.RATE:
            from core.worker.search import rate_job

            rate_job.run(session)
        case JobKind.PREDICT:
            from core.worker import predict_job

            predict_job.run(session)
        case JobKind.QUALITY:
            from core.worker import quality_job

            quality_job.run(session)
        case JobKind.NEW_IMAGES:
            from core.worker import new_images_job

            new_images_job.run(session)
        case JobKind.REPORT:
            from core.worker import report_job

            report_job.run(session)
        case JobKind.EXPLAIN:
            from core.worker import explain_job

            explain_job.run(session)
        case JobKind.GRADE:
            from core.worker.explaining import grade_job

            grade_job.run(session)
        case JobKind.ROBUSTNESS:
            from core.worker.explaining import robustness_job

            robustness_job.run(session)
        case JobKind.FILES:
            from core.worker.files import job as files_job

            files_job.run(session)
        case JobKind.BACKUP:
            from core.worker import backup_job

            backup_job.run(session)
        case _:
            assert_never(session.job.kind)


def _end(
    session: JobSession,
    status: JobStatus,
    *,
    error: str | None = None,
    hint: str | None = None,
    result: dict[str, object] | None = None,
) -> None:
    try:
        for attempt in range(_END_ATTEMPTS):
            try:
                session.flush_epochs()
                with connect(session.workspace) as db, transaction(db):
                    session.finish(db, status, error=error, hint=hint, result=result)
            except WorkspaceError:
                # Why again: the cause would be lost with this process.
                logging.error("the end of job %s cannot be written\n%s", session.job.id, error)
                if attempt + 1 == _END_ATTEMPTS:
                    raise
                time.sleep(1)
            else:
                return
    except JobLost:
        logging.warning("job %s was lost before its end could be written", session.job.id)


# What torch, OpenVINO and the C++ library say, on a CPU and on a GPU.
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
    "bad allocation",
)


def _is_for_want_of_memory(err: Exception) -> bool:
    text = str(err).lower()
    return isinstance(err, MemoryError) or any(words in text for words in _NO_MEMORY)


def _is_full_disk(err: Exception) -> bool:
    return isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)


def _in_words(err: Exception) -> str:
    if _is_for_want_of_memory(err):
        return "There was not enough memory."
    if _is_full_disk(err):
        return "The disk is full."
    return f"An unexpected error ended the job: {type(err).__name__}: {err}"


def _advice(err: Exception, session: JobSession) -> str:
    kind = session.job.kind
    if _is_for_want_of_memory(err):
        if kind is JobKind.TRAIN:
            return "Use a smaller batch size or image size, or end other programs; start again."
        return f"End other programs, or use smaller images. {kind.how_to_go_on}"
    if _is_full_disk(err):
        root = session.workspace.root
        return f"Free some space on the disk of {root}. {kind.how_to_go_on}"
    log = os.environ.get(LOG_VARIABLE, session.workspace.logs)
    return f"The details are in {log}. {kind.how_to_go_on}"


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main(sys.argv[1])
