"""F1, F2, F22, F26, F27: whatever is killed at whatever moment, nothing that was stored is lost.

    TOUCHSTONE_KILLS=1000 pytest -m soak tests/faults/test_f01_random_kills.py

Each turn kills with SIGKILL what is at work: a process that edits as the app does, a process in the
middle of a migration, or, during an import, a training, a batch or a backup, the worker, the app in
which somebody follows the job, or both. The moments are random, and the same for the same number of
kills. After each one the database is sound, the record is whole, and what the killed process had
reported as done is there.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.domain.configs.choices import KeptEpoch, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import LabelSource
from core.domain.jobs import Job, JobKind, JobStatus
from core.models.bundle import read_tensors
from core.models.catalog import DEFAULT_NETWORK
from core.store.database import connect
from core.workflows import jobs
from core.workflows.data import datasets, edits
from core.workflows.keeping import backup, record
from core.workflows.training import runs
from core.workflows.use import models, prediction
from core.workspace import Workspace
from tests.browser.conftest import App, Begin, free_port, run_streamlit
from tests.conftest import Trained, copy_of, store_rows, write_marked_images
from tests.older import replay
from tests.sessions import Session
from tests.warm_apps import WarmApps
from tests.warm_workers import WarmWorkers

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(6 * 3600),
    pytest.mark.skipif(sys.platform != "linux", reason="finds workers through /proc"),
]
KILLS = int(os.environ.get("TOUCHSTONE_KILLS", "1000"))
# How often each kind is killed, in parts; trainings take longest.
PARTS = {"edit": 8, "migration": 4, "import": 4, "batch": 2, "backup": 2, "training": 2}
# What is killed during a job, in parts.
KILLED = {"worker": 3, "app": 1, "both": 1}
PAGES = ("", "import", "datasets", "train", "runs", "evaluate", "predict", "record", "health")


class Victim:
    """A workspace in which something is killed again and again."""

    def __init__(self, trained: Trained, root: Path, begin: Begin) -> None:
        self.root, self.random = root, random.Random(KILLS)
        self.workspace = copy_of(trained.workspace, root / "copy")
        self.trained = trained
        self.rows = store_rows(self.workspace, [0] * 40)
        self.images = write_marked_images(root / "more", 20)
        self.kills: Counter[str] = Counter()
        self.killed_apps = 0
        self.took: dict[str, float] = {}
        self.app = App(self.workspace.root, free_port(), begin)
        self.person: Session | None = None

    def edit(self) -> None:
        """A process writes edits and reports each one; every reported one is there afterwards."""
        before = datasets.find_dataset(self.workspace, self.rows.id).version
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            number = before
            while True:
                ids = {number % 40 + 1 + self._first_id: number % 3}
                try:
                    version = edits.relabel(self.workspace, self.rows.id, ids).number
                except Exception:  # it has this class already
                    number += 1
                    continue
                number += 1
                os.write(writer, f"{version}\n".encode())
        os.close(writer)
        time.sleep(self.random.uniform(0.01, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader) as told:
            reported = [int(line) for line in told.read().split()]
        after = datasets.find_dataset(self.workspace, self.rows.id).version
        # One more may have been stored without the time to say so.
        assert max([before, *reported]) <= after <= max([before, *reported]) + 1

    @property
    def _first_id(self) -> int:
        with connect(self.workspace) as db:
            query = "SELECT min(id) FROM samples WHERE dataset_id = ?"
            return int(db.conn.execute(query, [self.rows.id]).fetchone()[0]) - 1

    def migration(self) -> None:
        """A process opens a workspace of earlier; whoever opens it next finds it whole."""
        old = replay.unpacked(self.root / f"old {self.kills['migration']}")
        child = os.fork()
        if child == 0:
            with connect(old):
                os._exit(0)
        time.sleep(self.random.uniform(0.0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        names = {dataset.name for dataset in datasets.list_datasets(old)}
        assert {replay.SHEET, replay.BLANK} <= names
        sound(old)
        shutil.rmtree(old.root)

    def imports(self) -> None:
        """An import is whole or not there; repeated, it is whole."""
        name = f"killed {self.kills['import']}"

        def start() -> Job:
            return datasets.start_import(self.workspace, self.images, name, LabelSource.LAST_FOLDER)

        job = self.killed("import", start)
        made = [d for d in datasets.list_datasets(self.workspace) if d.name == name]
        assert [d.sample_count for d in made] in ([], [40])
        if not made:
            assert job.status is JobStatus.INTERRUPTED
            self.finished(start())
        dataset = datasets.find_dataset(self.workspace, name)
        assert dataset.sample_count == 40
        datasets.delete_dataset(self.workspace, dataset.id)

    def batch(self) -> None:
        """A batch goes on with what is left, to the answers of an undisturbed one."""

        def start() -> Job:
            return prediction.start_batch(self.workspace, self.trained.model, self.images)

        if "batch" not in self.took:
            self.finished(start())
            self.took["batch"] = 1.0
            self.answers = self._table(jobs_of(self.workspace, JobKind.PREDICT)[0])
        job = self.killed("batch", start)
        if job.status is not JobStatus.COMPLETED:
            job = self.finished(prediction.resume_batch(self.workspace, job))
        assert self._table(job) == self.answers

    def _table(self, job: Job) -> list[str]:
        path = prediction.batch_table(self.workspace, job)
        return sorted(path.read_text(encoding="utf-8-sig").splitlines())

    def backups(self) -> None:
        """A killed backup is none; the next one restores to the same."""
        target = self.root / "backups"
        payload = {"folder": str(target), "keep": 2}

        def start() -> Job:
            return jobs.submit(self.workspace, JobKind.BACKUP, "backup", payload)

        job = self.killed("backup", start)
        if job.status is not JobStatus.COMPLETED:
            self.finished(start())
        assert backup.list_backups(target)

    def training(self) -> None:
        """A training is killed several times; its weights are those of an undisturbed one."""
        config = replace(
            recipe_defaults(Recipe.FULL, DEFAULT_NETWORK),
            kept_epoch=KeptEpoch.LAST,
            epochs=3,
            batch_size=8,
            device="cpu",
        )
        preprocess = replace(self.trained.run.run.preprocess, image_size_px=32)

        def start() -> Job:
            view = runs.start_training(
                self.workspace,
                self.trained.dataset.id,
                config,
                preprocess=preprocess,
                name=f"run {time.monotonic_ns()}",
            )
            self.run_id = view.run.id
            return view.job

        if "training" not in self.took:
            self.weights = self._weights(self.finished(start()))
            self.took["training"] = 3.0
        job = self.killed("training", start)
        while job.status is not JobStatus.COMPLETED:
            again = self.random.random() < 0.5

            def resume() -> Job:
                return runs.resume_training(self.workspace, self.run_id)

            job = self.killed("training", resume) if again else self.finished(resume())
        weights = self._weights(job)
        assert all(np.array_equal(self.weights[name], weights[name]) for name in self.weights)
        models.delete_model(self.workspace, str(job.result["model_id"]))

    def _weights(self, job: Job) -> dict[str, np.ndarray]:
        model = models.find_model(self.workspace, str(job.result["model_id"]))
        return dict(read_tensors(models.exported_bundle(self.workspace, model)))

    def killed(self, kind: str, start: Callable[[], Job]) -> Job:
        """A job whose worker, or app, or both were killed at some moment, or which was quicker."""
        person = self._somebody_at_the_app()
        begun = time.monotonic()
        job = start()
        person.visit(self.random.choice(PAGES), {})
        delay = self.random.uniform(0.0, 1.1 * self.took.get(kind, 2.0))
        what = self.random.choices(list(KILLED), list(KILLED.values()))[0]
        kill = threading.Timer(begun + delay - time.monotonic(), self._kill, [what])
        kill.start()
        person.look(max(0.0, begun + delay - time.monotonic()))
        kill.join()
        self.kills[kind] += 1
        if what != "worker":
            self.killed_apps += 1
            self.leave()
        job = ended(self.workspace, job)
        if job.status is JobStatus.COMPLETED:
            self.took[kind] = time.monotonic() - begun
        sound(self.workspace)
        return job

    def _kill(self, what: str) -> None:
        if what != "worker":
            self.app.kill()
        if what != "app":
            for worker in workers_of(self.workspace):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    def _somebody_at_the_app(self) -> Session:
        """The app runs, again if it was killed, and shows its pages without an error."""
        if self.person is None:
            self.app.start()
            self.person = Session(self.app.url)
            self.person.enter()
        assert self.person.failures == []
        return self.person

    def leave(self) -> None:
        """Close the page, of a killed app too; what it had shown before was no error."""
        if self.person is not None:
            cut_off = ("ConnectionClosed", "TimeoutError")
            failures = [f for f in self.person.failures if not any(word in f for word in cut_off)]
            assert failures == []
            self.person.leave()
            self.person = None

    def finished(self, job: Job) -> Job:
        """The job once it is completed, without a kill."""
        return jobs.wait(self.workspace, job.id, on_change=lambda _: None)


def workers_of(workspace: Workspace) -> list[int]:
    """Every process that works in the workspace's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == workspace.root and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def jobs_of(workspace: Workspace, kind: JobKind) -> list[Job]:
    """The newest job of a kind."""
    return list(jobs.latest_of_kind(workspace, kind).values())


def ended(workspace: Workspace, job: Job) -> Job:
    """The job once nobody works at it."""
    deadline = time.monotonic() + 120
    while True:
        now = jobs.latest(workspace, job.subject_id)
        assert now is not None
        if not now.status.is_active:
            return now
        assert time.monotonic() < deadline, f"nobody noticed: {now}"
        time.sleep(0.1)


def sound(workspace: Workspace) -> None:
    """The database is whole, and the record is what was written."""
    with connect(workspace) as db:
        assert db.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert db.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    assert record.verify(workspace) == []


@pytest.fixture
def begin(warm_workers: WarmWorkers | None) -> Iterator[Begin]:
    """How an app is started: by a fork, or with all its imports where there are no forks."""
    if warm_workers is None:
        yield run_streamlit
        return
    warm, workers = WarmApps(), warm_workers.address()
    yield lambda app, log: warm.start(app.workspace, app.port, log, workers)
    warm.close()


def test_random_kills_lose_nothing(trained: Trained, tmp_path: Path, begin: Begin) -> None:
    victim = Victim(trained, tmp_path, begin)
    turns = {
        "edit": victim.edit,
        "migration": victim.migration,
        "import": victim.imports,
        "batch": victim.batch,
        "backup": victim.backups,
        "training": victim.training,
    }
    kinds, weights = list(PARTS), list(PARTS.values())
    try:
        while victim.kills.total() < KILLS:
            kind = victim.random.choices(kinds, weights)[0]
            before = victim.kills[kind]
            turns[kind]()
            if victim.kills[kind] == before:
                victim.kills[kind] += 1
            if victim.kills.total() % 50 < 2:
                print(dict(victim.kills), flush=True)
        victim.leave()
    finally:
        victim.app.stop()
    sound(victim.workspace)
    print(
        f"{victim.kills.total()} kills, nothing lost: {dict(victim.kills)}; "
        f"the app was among the killed {victim.killed_apps} times"
    )
