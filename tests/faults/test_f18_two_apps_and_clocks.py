"""F16, F18, F21: two apps say so; no negative times; other threads are flagged."""

import subprocess
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.domain.jobs import JobKind
from core.store import jobs as job_rows
from core.store.database import connect
from core.words import NOTHING, duration
from core.worker.session import JobSession
from core.workflows import jobs

PROJECT = Path(__file__).resolve().parents[2]
_ENTER = (
    "import sys; from pathlib import Path; from core.workspace import open_workspace;"
    "from core.workflows import jobs; print(jobs.enter_as_app(open_workspace(Path(sys.argv[1]))),"
    "flush=True); sys.stdin.read()"
)


def _page():
    from core.workspace import open_workspace
    from pages.ui.shell import problems

    problems.say_second_app(open_workspace())


def test_the_second_app_says_so_until_the_first_has_ended(workspace, monkeypatch):
    monkeypatch.setenv("TOUCHSTONE_WORKSPACE", str(workspace.root))
    first = subprocess.Popen(
        [sys.executable, "-c", _ENTER, str(workspace.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    assert first.stdout.readline() == "True\n"
    assert not jobs.enter_as_app(workspace)
    assert (
        "Another Touchstone server" in AppTest.from_function(_page).run(timeout=30).warning[0].value
    )
    first.kill()
    first.wait()
    assert not AppTest.from_function(_page).run(timeout=30).warning
    assert not jobs.is_second_app(workspace)


def test_a_clock_that_was_set_back_makes_no_negative_duration():
    assert duration(-3600.0) == NOTHING


def test_a_run_that_goes_on_with_other_threads_says_so(workspace):
    # "Resumes bit for bit" failed silently: sums over threads depend on how many there are.
    def attempt(device):
        with connect(workspace) as db:
            job_rows.enqueue(db, JobKind.TRAIN, "run-1", {}, now=1.0)
            job = job_rows.claim(db, "training", owner="me", now=2.0)
        JobSession(workspace, job, "me").set_device(device)
        with connect(workspace) as db:
            warnings = job_rows.find_job(db, job.id).warnings
            job_rows.mark_interrupted(db, job, now=3.0)
        return warnings

    assert attempt("CPU (2 threads)") == ()
    assert attempt("CPU (2 threads)") == ()
    assert (
        "begun on CPU (2 threads) and goes on on CPU (8 threads)" in attempt("CPU (8 threads)")[0]
    )
