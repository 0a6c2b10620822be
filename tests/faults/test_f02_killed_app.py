"""F2: the app is killed while a job runs; its worker goes on, and the next app sees the end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.jobs import JobStatus
from core.workflows import jobs
from core.workflows.data import datasets
from core.workspace import ROOT_VARIABLE

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
