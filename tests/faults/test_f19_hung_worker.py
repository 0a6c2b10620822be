"""F19, F24: a frozen worker is given up after a stated time; a locked database ends no job."""

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.domain.datasets import LabelSource
from core.domain.jobs import JobStatus
from core.store import jobs as job_rows
from core.store.database import BUSY_TIMEOUT_S, connect
from core.worker import launcher
from core.workflows import jobs
from core.workflows.data import datasets
from tests.conftest import save_image

IMAGES = 80
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the worker through /proc")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Images that take some seconds to read."""
    folder = tmp_path_factory.mktemp("many")
    noise = np.random.default_rng(0).integers(0, 255, (1400, 1400, 3), np.uint8)
    first = save_image(folder / "a" / "0.png", noise, compress_level=1)
    (folder / "b").mkdir()
    for number in range(1, IMAGES):
        shutil.copy(first, folder / "ab"[number % 2] / f"{number}.png")
    return folder


def _workers(workspace):
    """A worker works in its workspace, and leads a session that its helpers belong to."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            number = int(folder.name)
            if os.getsid(number) == number and (folder / "cwd").readlink() == workspace.root:
                yield number


def _until(true, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.1)


def _is_reading(workspace, job):
    with connect(workspace) as db:
        return job_rows.find_job(db, job.id).phase == "Reading images"


def test_a_frozen_worker_loses_its_job_and_writes_nothing_when_it_wakes_up(
    workspace, many, class_folders, monkeypatch
):
    # It blocked its lane without end: stop was ignored, resume and delete were refused.
    job = datasets.start_import(workspace, many, "Many", LabelSource.LAST_FOLDER)
    _until(lambda: _is_reading(workspace, job))
    frozen = [*_workers(workspace)]
    for worker in frozen:
        os.kill(worker, signal.SIGSTOP)
    try:
        assert jobs.stop(workspace, job.id)
        jobs.active(workspace)
        time.sleep(1)
        assert [j.id for j in jobs.active(workspace)] == [job.id]  # not at once
        monkeypatch.setattr(launcher, "TAKEOVER_AFTER_S", 0.5)
        _until(lambda: not jobs.latest(workspace, job.subject_id).status.is_active, 10)
        given_up = jobs.latest(workspace, job.subject_id)
        assert given_up.status is JobStatus.INTERRUPTED
        assert "no sign of life" in given_up.error
        assert "Import again" in given_up.hint
        # The lane is free, although the frozen worker still holds its lock.
        monkeypatch.setattr(launcher, "TAKEOVER_AFTER_S", 180.0)
        other = datasets.start_import(workspace, class_folders, "Other", LabelSource.LAST_FOLDER)
        jobs.wait(workspace, other.id, on_change=lambda _: None)
    finally:
        for worker in frozen:
            os.kill(worker, signal.SIGCONT)
    _until(lambda: not set(frozen) & set(_workers(workspace)))
    assert jobs.latest(workspace, job.subject_id) == given_up
    assert [dataset.name for dataset in datasets.list_datasets(workspace)] == ["Other"]


@pytest.mark.soak
def test_a_database_that_is_locked_for_long_ends_no_job(workspace, many):
    # The worker gave up after ten seconds, and the cause was lost with it.
    job = datasets.start_import(workspace, many, "Many", LabelSource.LAST_FOLDER)
    _until(lambda: _is_reading(workspace, job))
    other = sqlite3.connect(workspace.database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = threading.Timer(BUSY_TIMEOUT_S + 1.5, lambda: other.execute("ROLLBACK"))
    end.start()
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    end.join()
    other.close()
    assert datasets.find_dataset(workspace, "Many").sample_count == IMAGES


def test_twenty_starts_make_two_processes_at_most(workspace, monkeypatch):
    import subprocess

    monkeypatch.setattr(launcher, "subprocess", subprocess)  # real ones, as a person starts them
    for _ in range(20):
        launcher.start_worker(workspace, "training")
    started = launcher._started[workspace.root, "training"]
    assert len(started) == launcher.MOST_WAITING
    for process in started:
        process.kill()
        process.wait()
