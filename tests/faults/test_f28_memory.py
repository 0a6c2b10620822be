"""F28, long form: memory stays flat while people use the app and jobs come and go.

TOUCHSTONE_SOAK_MINUTES says for how long, 5 by default; the first third fills caches.
"""

import os
import random
import sys
import threading
import time

import pytest

pytest.importorskip("playwright.sync_api", reason="the helpers that start an app need playwright")

from core.store import datasets as dataset_rows
from core.store.database import connect
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.keeping import backup, record
from core.workflows.training import runs
from core.workflows.use import models, prediction
from tests.browser.conftest import App, end_workers, free_port, worker_pids
from tests.conftest import QUICK, copy_of
from tests.sessions import Session, resident_mb

MINUTES = float(os.environ.get("TOUCHSTONE_SOAK_MINUTES", "5"))
SESSIONS = 3
GROWTH, SLACK_MB = 1.10, 20.0
PAGES = ("datasets", "quality", "split", "train", "evaluate", "decide", "predict", "models")


def _use(url, ids, until, seed, failures):
    """One person after the other: each enters, looks around, and leaves for good."""
    choose = random.Random(seed)
    while time.monotonic() < until:
        session = Session(url)
        session.enter()
        for _ in range(8):
            page = choose.choice(PAGES)
            session.visit(page, {})
            if page == "datasets":
                session.fetch([f"/pictures/{choose.choice(ids)}/thumbnail" for _ in range(6)])
            session.look(choose.uniform(0.2, 1.0))
        session.leave()
        failures += session.failures


def _work(trained, workspace, folder, number, worker_mb):
    """The usual jobs: a training, a folder that is classified, a check, a backup, a deletion."""
    run = runs.start_training(
        workspace,
        trained.dataset.id,
        QUICK,
        preprocess=trained.run.run.preprocess,
        name=f"again {number}",
    )
    batch = prediction.start_batch(workspace, trained.model, trained.images)
    largest = 0.0
    while any(
        jobs.latest(workspace, subject).status.is_active
        for subject in (run.run.id, batch.subject_id)
    ):
        largest = max([largest, *(resident_mb(pid) for pid in worker_pids(workspace.root))])
        time.sleep(0.2)
    worker_mb.append(largest)
    backup.back_up(workspace, folder, keep=2)
    made = runs.find_run(workspace, run.run.id)
    models.delete_model(workspace, made.model_id)
    runs.delete_run(workspace, run.run.id)
    datasets.list_datasets(workspace)


@pytest.mark.soak
@pytest.mark.timeout(int(60 * MINUTES) + 600)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_of_server_and_workers_stays_flat(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "workspace")
    with connect(workspace) as db:
        ids = [sample.id for sample in dataset_rows.samples_of(db, trained.dataset.id)]
    app = App(workspace.root, free_port())
    app.start()
    until = time.monotonic() + 60 * MINUTES
    failures, web_mb, worker_mb = [], [], []
    people = [
        threading.Thread(target=_use, args=(app.url, ids, until, seed, failures))
        for seed in range(SESSIONS)
    ]
    try:
        for one in people:
            one.start()
        number = 0
        while time.monotonic() < until:
            _work(trained, workspace, tmp_path / "backups", number, worker_mb)
            web_mb.append((time.monotonic(), resident_mb(app.process.pid)))
            number += 1
        for one in people:
            one.join(timeout=120)
    finally:
        app.stop()
        end_workers(workspace.root)
    print("web process, MB:", [round(mb) for _, mb in web_mb])
    print("largest worker of each round, MB:", [round(mb) for mb in worker_mb])
    assert failures == []
    begun = until - 60 * MINUTES
    early = [mb for at, mb in web_mb if begun + 20 * MINUTES < at <= begun + 40 * MINUTES]
    late = [mb for at, mb in web_mb if at > begun + 40 * MINUTES]
    assert early, "too short: no job ended in the second third"
    assert max(late) < max(early) * GROWTH + SLACK_MB
    third = max(1, len(worker_mb) // 3)
    assert max(worker_mb[-third:]) < max(worker_mb[:third]) * GROWTH + SLACK_MB
    assert record.verify(workspace) == []
