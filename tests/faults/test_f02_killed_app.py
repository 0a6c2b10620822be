"""F2, F3: the app is killed, alone or with its worker; the next app sees the end, or resumes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.domain.configs.choices import KeptEpoch, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.jobs import JobStatus
from core.models.catalog import DEFAULT_NETWORK
from core.worker import launcher
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.training import runs
from core.workflows.use import models
from core.workspace import ROOT_VARIABLE
from tests.browser.conftest import App, free_port, worker_pids
from tests.conftest import copy_of
from tests.frame import link_to

PROJECT = Path(__file__).resolve().parents[2]
_APP = """
import sys, time
from pathlib import Path
from core.domain.datasets import LabelSource
from core.workflows.data import datasets
from core.workspace import open_workspace
job = datasets.start_import(open_workspace(), Path(sys.argv[1]), "Set", LabelSource.LAST_FOLDER)
print(job.id, flush=True)
time.sleep(60)
"""


@pytest.mark.soak
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_app_leaves_its_worker_at_work(workspace, class_folders):
    app = subprocess.Popen(
        [sys.executable, "-c", _APP, str(class_folders)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, ROOT_VARIABLE: str(workspace.root), "PYTHONPATH": str(PROJECT)},
        start_new_session=True,
    )
    assert app.stdout is not None
    with app.stdout:
        job_id = app.stdout.readline().strip()
        os.killpg(app.pid, signal.SIGKILL)  # and all that has not detached itself
        app.wait()
    ended = jobs.wait(workspace, job_id, on_change=lambda _: None)
    assert (ended.status, ended.attempt) == (JobStatus.COMPLETED, 1)
    assert datasets.find_dataset(workspace, "Set").sample_count == 18


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="workers are found by /proc")
def test_app_and_worker_are_killed_and_one_click_resumes(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "subprocess", subprocess)  # a real worker, as the app starts one
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    app = App(workspace.root, free_port())
    app.start()
    view = runs.start_training(
        workspace,
        trained.dataset.id,
        replace(
            recipe_defaults(Recipe.FULL, DEFAULT_NETWORK),
            kept_epoch=KeptEpoch.LAST,
            epochs=8,
            device="cpu",
        ),
        preprocess=replace(trained.run.run.preprocess, image_size_px=32),
        name="killed",
    )
    deadline = time.monotonic() + 240
    while len(runs.curve(workspace, view.run.id)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    app.kill()
    for worker in worker_pids(workspace.root):
        os.kill(worker, signal.SIGKILL)
    page = link_to("training/runs.py", run=view.run.id).run()
    assert runs.find_run(workspace, view.run.id).status is JobStatus.INTERRUPTED
    page.button(key="resume").click().run()
    job = jobs.latest(workspace, view.run.id)
    assert job is not None
    ended = jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert (ended.status, ended.attempt) == (JobStatus.COMPLETED, 2)
    epochs = [line.epoch for line in runs.curve(workspace, view.run.id)]
    assert epochs == list(range(-1, len(epochs) - 1))  # it may stop early; no epoch comes twice
    assert [m.name for m in models.list_models(workspace)].count("killed") == 1
