import threading

import pytest

from core.domain.jobs import JobKind, JobStatus
from core.errors import NotFoundError
from core.store import jobs
from core.store.database import connect


@pytest.fixture
def db(workspace):
    with connect(workspace) as opened:
        yield opened


def _queued(db, subject="run-1", kind=JobKind.TRAIN, now=1.0):
    job_id = jobs.enqueue(db, kind, subject, {"a": [1, "ü"]}, now=now)
    assert job_id is not None
    return job_id


def test_a_job_is_claimed_exactly_once_by_eight_threads(workspace, db):
    _queued(db)
    claimed, gate = [], threading.Barrier(8)

    def work(owner):
        with connect(workspace) as own:
            gate.wait()
            job = jobs.claim(own, "training", owner=owner, now=2.0)
            claimed.extend([job] if job else [])

    threads = [threading.Thread(target=work, args=(f"worker-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1
    assert claimed[0].payload == {"a": [1, "ü"]}
    assert claimed[0].status is JobStatus.RUNNING


def test_asking_twice_queues_once(workspace, db):
    results, gate = [], threading.Barrier(6)

    def work():
        with connect(workspace) as own:
            gate.wait()
            results.append(jobs.enqueue(own, JobKind.TRAIN, "run-1", {}, now=1.0))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result is not None for result in results) == 1
    assert len(jobs.active_jobs(db)) == 1


def test_the_oldest_job_of_the_lane_comes_first(db):
    _queued(db, "run-late", now=5.0)
    early = _queued(db, "run-early", now=2.0)
    _queued(db, "ds-1", JobKind.IMPORT, now=1.0)
    job = jobs.claim(db, "training", owner="me", now=6.0)
    assert job is not None
    assert job.id == early


def test_only_the_owner_can_write(db):
    job_id = _queued(db)
    jobs.claim(db, "training", owner="me", now=2.0)
    assert not jobs.record_heartbeat(db, job_id, owner="thief", now=3.0)
    assert not jobs.report(db, job_id, owner="thief", phase="x", done=1, total=2, now=3.0)
    assert not jobs.warn(db, job_id, owner="thief", warnings=["x"])
    assert not jobs.finish(db, job_id, JobStatus.COMPLETED, owner="thief", now=3.0)
    assert jobs.find_job(db, job_id).phase == "Starting"
    assert jobs.record_heartbeat(db, job_id, owner="me", now=3.0)


def test_an_interrupted_worker_can_write_nothing_late(db):
    job_id = _queued(db)
    job = jobs.claim(db, "training", owner="me", now=2.0)
    assert jobs.mark_interrupted(db, job, now=3.0)
    assert not jobs.mark_interrupted(db, job, now=4.0)
    assert not jobs.report(db, job_id, owner="me", phase="x", done=1, total=2, now=5.0)
    assert not jobs.finish(db, job_id, JobStatus.COMPLETED, owner="me", now=5.0)
    after = jobs.find_job(db, job_id)
    assert (after.status, after.finished_at) == (JobStatus.INTERRUPTED, 3.0)
    assert after.error
    assert after.hint


@pytest.mark.parametrize(
    "end", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.INTERRUPTED]
)
def test_a_job_never_goes_back(db, end):
    job_id = _queued(db)
    jobs.claim(db, "training", owner="me", now=2.0)
    assert jobs.finish(db, job_id, end, owner="me", now=3.0)
    assert not jobs.request_stop(db, job_id)
    assert not jobs.stop_queued(db, job_id, now=4.0)
    assert not jobs.finish(db, job_id, JobStatus.FAILED, owner="me", now=4.0)
    assert jobs.claim(db, "training", owner="other", now=4.0) is None
    assert jobs.find_job(db, job_id).status is end


def test_a_stop_is_a_wish_that_the_worker_reads(db):
    job_id = _queued(db)
    jobs.claim(db, "training", owner="me", now=2.0)
    assert not jobs.stop_requested(db, job_id)
    assert jobs.request_stop(db, job_id)
    assert jobs.stop_requested(db, job_id)
    assert jobs.find_job(db, job_id).status is JobStatus.RUNNING


def test_a_queued_job_stops_at_once(db):
    job_id = _queued(db)
    assert jobs.stop_queued(db, job_id, now=2.0)
    assert jobs.find_job(db, job_id).status is JobStatus.STOPPED


def test_attempts_of_a_subject_count_up_and_the_newest_is_shown(db):
    for attempt in (1, 2, 3):
        job_id = _queued(db, now=float(attempt))
        assert jobs.find_job(db, job_id).attempt == attempt
        jobs.claim(db, "training", owner="me", now=9.0)
        jobs.finish(db, job_id, JobStatus.FAILED, owner="me", now=9.0, error=f"error {attempt}")
    latest = jobs.latest_job(db, "run-1")
    assert latest is not None
    assert latest.error == "error 3"
    assert jobs.latest_jobs(db, JobKind.TRAIN)["run-1"].attempt == 3


def test_a_list_of_many_runs_knows_the_state_of_all(db):
    # The list once knew the newest 200 subjects only; older runs looked stopped.
    for number in range(230):
        _queued(db, f"run-{number}", now=float(number))
    assert len(jobs.latest_jobs(db, JobKind.TRAIN)) == 230


def test_the_clock_of_a_phase_starts_with_the_phase(db):
    job_id = _queued(db)
    jobs.claim(db, "training", owner="me", now=2.0)
    for now, phase in ((3.0, "Training"), (5.0, "Training"), (8.0, "Saving")):
        jobs.report(db, job_id, owner="me", phase=phase, done=1, total=2, now=now)
        expected = {"Training": 3.0, "Saving": 8.0}[phase]
        assert jobs.find_job(db, job_id).phase_started_at == expected


def test_an_unknown_job_is_not_found(db):
    with pytest.raises(NotFoundError):
        jobs.find_job(db, "job-none")
    assert jobs.latest_job(db, "run-none") is None
