"""A worker's session with one job: progress out, stop request in, every write fenced."""

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus, Phase
from core.domain.training import EpochDetails, EpochMetrics
from core.errors import WorkspaceError
from core.store import jobs, runs
from core.store.database import connect
from core.worker.progress import PhaseTime, ProgressMeter, Work, plan_of
from core.workspace import Workspace

HEARTBEAT_S = 2.0
_REPORT_S = 0.4
_STOP_CHECK_S = 0.3


class StopRequested(Exception):
    """A user has requested a stop; not an error."""


class JobLost(Exception):
    """The job belongs to another worker by now; nothing more may be written."""


@dataclass
class JobSession:
    """One running job of this process."""

    workspace: Workspace
    job: Job
    owner: str
    _warnings: list[str] = field(default_factory=list)
    _phase: str = ""
    _reported_at: float = 0.0
    _checked_at: float = 0.0
    _stop_requested: bool = False
    _lost: bool = False
    _epochs: list[EpochMetrics] = field(default_factory=list)
    _details: list[EpochDetails] = field(default_factory=list)
    _share: float = 0.0
    _stopped_share: float | None = None  # from which a resumed training goes on
    _meter: ProgressMeter = field(init=False)

    def __post_init__(self) -> None:
        plan = plan_of(self.job.kind)
        self._meter = ProgressMeter(plan, self.job.started_at or utc_now(), self.job.share)

    def expect(self, work: Work) -> None:
        """Weigh the phases by how much there is to do; call it as soon as that is known."""
        self._meter.plan = plan_of(self.job.kind, work)

    def expect_seconds(self, phase: Phase, seconds: float) -> None:
        """How long a phase will take, as a probe has measured it; said from its first report on."""
        self._meter.probe(phase, seconds)

    def times(self) -> dict[str, PhaseTime]:
        """What each phase took until now."""
        self._meter.close(utc_now())
        return self._meter.times

    def report(self, phase: str, done: int, total: int) -> None:
        """Report the progress of a phase; it is stored at most a few times per second.

        Raises:
            StopRequested: if a stop was requested.
            JobLost: if the job is no longer ours.
        """
        self.progress(phase, done, total)
        if self.should_stop():
            raise StopRequested

    def progress(self, phase: str, done: int, total: int) -> None:
        """As `report`, without checking for a stop request."""
        now = time.monotonic()
        if phase == self._phase and done < total and now - self._reported_at < _REPORT_S:
            return
        if phase != self._phase:
            logging.info("job %s: %s", self.job.id, phase)
        self._phase, self._reported_at = phase, now
        clock = utc_now()
        progress = self._meter.at(phase, done, total, clock)
        self._share = progress.share
        with connect(self.workspace) as db:
            self._held(
                jobs.report(
                    db,
                    self.job.id,
                    owner=self.owner,
                    phase=phase,
                    done=done,
                    total=total,
                    progress=progress,
                    now=clock,
                )
            )
            self._write_epochs(db)

    def should_stop(self) -> bool:
        """Whether a stop was requested; checked a few times per second."""
        if self._lost:
            raise JobLost
        now = time.monotonic()
        if not self._stop_requested and now - self._checked_at >= _STOP_CHECK_S:
            self._checked_at = now
            with connect(self.workspace) as db:
                self._stop_requested = jobs.stop_requested(db, self.job.id)
        return self._stop_requested

    def pause_requested(self) -> bool:
        """Whether the requested stop is a pause: to go on later, with nothing made of it now."""
        with connect(self.workspace) as db:
            return jobs.pause_requested(db, self.job.id)

    def accept_stop(self) -> bool:
        """Whether a requested stop may keep what there is; the request then counts as answered."""
        if self.pause_requested():
            return False
        with connect(self.workspace) as db:
            self._held(jobs.accept_stop(db, self.job.id, owner=self.owner))
        self._stop_requested = False
        self._stopped_share = self._share
        return True

    def warn(self, text: str) -> None:
        """Store a warning for the user."""
        self._warnings.append(text)
        with connect(self.workspace) as db:
            jobs.warn(db, self.job.id, owner=self.owner, warnings=self._warnings)

    def set_device(self, device: str) -> None:
        """Store the device of the job."""
        with connect(self.workspace) as db:
            jobs.set_device(db, self.job.id, owner=self.owner, device=device)
            before = jobs.former_device(db, self.job)
        if before is not None and before != device and self.job.kind is JobKind.TRAIN:
            self.warn(
                f"This run was begun on {before} and goes on on {device}. Its weights may differ "
                "in the last digits from those of a run that was not interrupted."
            )

    def epoch(self, metrics: EpochMetrics, details: EpochDetails | None = None) -> None:
        """Add a line to the learning curve; it is written with the next progress."""
        self._epochs.append(metrics)
        self._details += [details] if details else []

    def flush_epochs(self) -> None:
        """Write the lines that have not been written yet."""
        with connect(self.workspace) as db:
            self._write_epochs(db)

    def finish(
        self,
        db: Any,
        status: JobStatus,
        *,
        error: str | None = None,
        hint: str | None = None,
        result: dict[str, Any] | None = None,
    ) -> None:
        """End the job, inside the transaction of the caller if there is one."""
        if self._stopped_share is not None:
            result = {**(result or {}), "stopped_share": self._stopped_share}
        self._held(
            jobs.finish(
                db,
                self.job.id,
                status,
                owner=self.owner,
                now=utc_now(),
                error=error,
                hint=hint,
                result=result,
            )
        )

    def heartbeat(self) -> "Heartbeat":
        """A context in which a thread records heartbeats of the job."""
        return Heartbeat(self)

    def _write_epochs(self, db: Any) -> None:
        if self._epochs:
            runs.save_epochs(
                db,
                self.job.subject_id,
                self._epochs,
                self._details,
                job_id=self.job.id,
                owner=self.owner,
            )
            self._epochs.clear()
            self._details.clear()

    def _held(self, written: bool) -> None:
        if not written:
            self._lost = True
            raise JobLost


class Heartbeat:
    """Records a heartbeat every two seconds over its own connections until the context ends."""

    def __init__(self, session: JobSession) -> None:
        self._session = session
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        session = self._session
        while not self._ended.wait(HEARTBEAT_S):
            # Why: a database that is busy for a while must not end the heartbeats.
            with contextlib.suppress(WorkspaceError), connect(session.workspace) as db:
                if not jobs.record_heartbeat(
                    db, session.job.id, owner=session.owner, now=utc_now()
                ):
                    session._lost = True
                    return
