"""F13, F14: several processes train one network; one is killed, and all are paused."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.domain.configs.choices import KeptEpoch, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.jobs import JobStatus
from core.models.bundle import read_tensors
from core.models.catalog import DEFAULT_NETWORK
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.store.database import connect
from core.workflows import jobs
from core.workflows.training import control, runs
from core.workflows.use import models
from tests.conftest import copy_of

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(sys.platform != "linux", reason="finds the processes through /proc"),
]


def _helpers(workspace):
    """The processes that help the worker of a workspace."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"core.worker.training.rank" in words and (folder / "cwd").readlink() == (
                workspace.root
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _wait(true, seconds):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.05)


def _trains(workspace, run_id, steps):
    with connect(workspace) as db:
        job = job_rows.latest_job(db, run_id)
    assert job.status.is_active, f"ended too early: {job}"
    return job.phase == "Training" and job.done >= steps


def _weights(workspace, job):
    model = models.find_model(workspace, str(job.result["model_id"]))
    return dict(read_tensors(models.exported_bundle(workspace, model)))


def _finished(workspace, job):
    ended = jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert ended.status is JobStatus.COMPLETED, ended.error
    return ended


def test_a_killed_process_ends_the_run_with_its_cause_and_it_resumes_bit_for_bit(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    copy = copy_of(trained.workspace, tmp_path / "copy")
    config = replace(
        recipe_defaults(Recipe.FULL, DEFAULT_NETWORK),
        kept_epoch=KeptEpoch.LAST,
        epochs=8,
        batch_size=8,
        device="cpu",
        processes=2,
        drop_rate=0.2,
    )
    preprocess = replace(trained.run.run.preprocess, image_size_px=32)

    def start(name):
        return runs.start_training(
            copy, trained.dataset.id, config, preprocess=preprocess, name=name
        )

    straight = _weights(copy, _finished(copy, start("straight").job))
    run_id = start("disturbed").run.id

    _wait(lambda: _trains(copy, run_id, 4), 400)
    (helper,) = _helpers(copy)
    os.kill(helper, signal.SIGKILL)
    killed_at = time.monotonic()
    _wait(lambda: jobs.latest(copy, run_id).status is JobStatus.FAILED, 60)
    print(f"ended {time.monotonic() - killed_at:.1f} s after the kill")
    failed = jobs.latest(copy, run_id)
    assert failed.error == "Process 2 of 2 was ended by signal 9."
    assert "Resume" in failed.hint

    runs.resume_training(copy, run_id)
    _wait(lambda: _trains(copy, run_id, 8), 400)
    control.pause_training(copy, run_id)
    _wait(lambda: jobs.latest(copy, run_id).status is JobStatus.PAUSED, 60)
    _wait(lambda: not _helpers(copy), 10)

    ended = _finished(copy, runs.resume_training(copy, run_id))
    weights = _weights(copy, ended)
    assert all(np.array_equal(straight[name], weights[name]) for name in straight)
    with connect(copy) as db:
        assert run_rows.record_of(db, run_id)["processes"] == 2


def test_a_worker_that_dies_takes_its_helpers_along(trained, tmp_path):
    copy = copy_of(trained.workspace, tmp_path / "copy")
    config = replace(
        recipe_defaults(Recipe.STAGED, DEFAULT_NETWORK),
        epochs=400,
        batch_size=8,
        stored_versions=1,
        device="cpu",
        processes=2,
    )
    preprocess = replace(trained.run.run.preprocess, image_size_px=32)
    run_id = runs.start_training(copy, trained.dataset.id, config, preprocess=preprocess).run.id
    _wait(lambda: _trains(copy, run_id, 4), 400)
    (helper,) = _helpers(copy)
    parent = int((Path("/proc") / str(helper) / "stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    _wait(lambda: not _helpers(copy), 30)
    _wait(lambda: jobs.latest(copy, run_id).status is JobStatus.INTERRUPTED, 10)
