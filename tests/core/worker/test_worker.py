"""The real worker process: killed, stopped, asked twice."""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.importing.rules import ImportRules, rules_as_dict
from core.domain.configs.choices import KeptEpoch, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import LabelSource
from core.domain.jobs import JobKind, JobStatus, Progress
from core.domain.splits import Subset
from core.domain.training import RunState
from core.errors import TouchstoneError
from core.inference.predictor import Predictor
from core.models.bundle import read_tensors
from core.models.catalog import DEFAULT_NETWORK
from core.store import batches
from core.store import datasets as dataset_rows
from core.store import jobs as job_rows
from core.store.batches import BatchImage
from core.store.database import connect
from core.worker.launcher import KEPT_LOGS, lane_lock, reconcile, start_worker
from core.workflows import jobs
from core.workflows.data import datasets, image_facts, uploads
from core.workflows.job_words import waiting_in_words
from core.workflows.results import evaluation, judging
from core.workflows.training import control, runs
from core.workflows.use import models, prediction
from core.workspace import Workspace
from tests.conftest import copy_of, save_image, store_rows

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds the worker through /proc")


@pytest.fixture
def copy(trained, tmp_path):
    """The trained workspace, free to be changed; caches included, so that work is quick."""
    return copy_of(trained.workspace, tmp_path / "copy")


def _worker_ids(workspace):
    """A worker works in its workspace, and leads a session that its helpers belong to."""
    workers = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            number = int(folder.name)
            if os.getsid(number) == number and (folder / "cwd").readlink() == workspace.root:
                workers.append(number)
    return workers


def _wait_until(true, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.1)


def _wait_for_phase(workspace, subject, phase, done, shares=None):
    def reached():
        with connect(workspace) as db:
            job = job_rows.latest_job(db, subject)
        assert job.status.is_active, f"ended too early: {job}"
        if shares is not None:
            shares.append(job.share)
        return job.phase == phase and job.done >= done

    _wait_until(reached)


def _finished(workspace, job):
    return jobs.wait(workspace, job.id, on_change=lambda _: None)


def _kill(workspace):
    # A spare worker may be waiting for the lane for some seconds.
    workers = _worker_ids(workspace)
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)


def _tensors(workspace, model_id):
    return read_tensors(
        models.exported_bundle(workspace, models.find_model(workspace, str(model_id)))
    )


@needs_proc
def test_a_paused_stopped_and_killed_training_ends_as_an_undisturbed_one(
    trained, copy, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # steps this small lose more by waking threads
    config = replace(
        recipe_defaults(Recipe.FULL, DEFAULT_NETWORK),
        kept_epoch=KeptEpoch.LAST,
        epochs=6,
        batch_size=8,
        device="cpu",
    )
    preprocess = replace(trained.run.run.preprocess, image_size_px=32)

    def start(name):
        return runs.start_training(
            copy, trained.dataset.id, config, preprocess=preprocess, name=name
        )

    straight = start("straight")
    # Everybody presses start again, and more workers are sent than needed.
    presses = [
        threading.Thread(target=jobs.submit, args=(copy, JobKind.TRAIN, straight.run.id, {}))
        for _ in range(4)
    ]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    start_worker(copy, "training")
    ended = _finished(copy, straight.job)
    assert ended.attempt == 1
    assert [m.name for m in models.list_models(copy)].count("straight") == 1
    curve = runs.curve(copy, straight.run.id)
    assert [line.epoch for line in curve] == list(range(-1, 6))

    run_id = start("disturbed").run.id
    shares = []
    _wait_for_phase(copy, run_id, "Training", 3, shares)
    job = jobs.latest(copy, run_id)
    assert jobs.stop(copy, job.id, pause=True)
    _wait_until(lambda: not jobs.latest(copy, run_id).status.is_active)
    paused = runs.find_run(copy, run_id)
    assert (paused.status, paused.state) == (JobStatus.PAUSED, RunState.PAUSED)
    assert paused.can_resume
    assert not paused.models
    assert runs.has_checkpoint(copy, run_id)
    reached = len(runs.curve(copy, run_id))
    assert 0 < shares[-1] < 1

    # A stopped run of which a model was made once became "completed", and could not go on.
    finished = _finished(copy, runs.resume_training(copy, run_id, finish=True))
    stopped = runs.find_run(copy, run_id)
    assert (stopped.status, stopped.state) == (JobStatus.STOPPED, RunState.STOPPED_WITH_MODEL)
    assert stopped.can_resume
    first = models.find_model(copy, stopped.model_id)
    assert first.id == finished.result["model_id"]
    assert first.name == f"disturbed epoch {finished.result['stopped_at'] + 1}"

    # A stop kept the checkpoint only: the model of the best epoch had to be asked for.
    resumed = runs.resume_training(copy, run_id)
    _wait_for_phase(copy, run_id, "Training", 7, shares)
    control.stop_training(copy, run_id)
    assert "stopped_at" in _finished(copy, resumed).result
    assert runs.find_run(copy, run_id).state is RunState.STOPPED_WITH_MODEL

    runs.resume_training(copy, run_id)
    _wait_for_phase(copy, run_id, "Training", 11, shares)
    _kill(copy)
    killed_at = time.monotonic()
    _wait_until(lambda: jobs.latest(copy, run_id).status is JobStatus.INTERRUPTED, 10)
    assert time.monotonic() - killed_at < 5
    assert jobs.latest(copy, run_id).hint

    resumed = runs.resume_training(copy, run_id)
    ended = jobs.wait(copy, resumed.id, on_change=lambda job: shares.append(job.share))
    assert ended.attempt == 5
    assert shares == sorted(shares)  # the bar of a resumed run went back to 0
    assert shares[-1] == 1
    made = runs.find_run(copy, run_id).models
    assert (len(made), made[0], made[2]) == (3, first.id, ended.result["model_id"])
    assert runs.find_run(copy, run_id).state is RunState.COMPLETED
    lines = runs.curve(copy, run_id)
    assert 0 < reached < 7
    assert [_unclocked(line) for line in lines] == [_unclocked(line) for line in curve]
    one = _tensors(copy, ended.result["model_id"])
    two = _tensors(copy, jobs.latest(copy, straight.run.id).result["model_id"])
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    # A finished run needs no states; its best and last epoch stay.
    assert [path.name for path in (copy.runs / run_id).iterdir()] == ["epochs"]
    _assert_predicts_what_was_stored(copy, models.find_model(copy, "straight"))
    pretrained = _tensors(copy, trained.model.id)
    assert not np.array_equal(pretrained["conv_stem.weight"], one["conv_stem.weight"])


def _unclocked(line):
    """A line of the curve without what depends on the clock and on the machine."""
    measured = {"images_per_second": None, "memory_mb": None, "seconds_waiting_for_data": None}
    # The loss before the first step is NaN, which equals nothing.
    return replace(line, duration_s=0, train_loss=repr(line.train_loss), **measured)


def _assert_predicts_what_was_stored(workspace, model):
    assert evaluation.evaluated_subsets(workspace, model.id) == list(Subset)
    stored = judging.judged_set(workspace, model.id, Subset.TEST)
    samples = datasets.find_samples(workspace, stored.sample_ids.tolist())
    bundle = models.exported_bundle(workspace, model)
    predictor = Predictor.open(bundle, runtimes=workspace.runtimes)
    predicted = predictor.predict([workspace.resolve(sample.path) for sample in samples])
    for row, item in zip(stored.probabilities, predicted, strict=True):
        assert dict(item.confidences)[model.class_names[0]] == pytest.approx(row[0], abs=1e-5)


@needs_proc
def test_a_killed_import_leaves_nothing_and_can_be_repeated(workspace, tmp_path):
    source, upload = tmp_path / "source", workspace.uploads / "zip-1.zip"
    noise = np.random.default_rng(0).integers(0, 255, (800, 800, 3), np.uint8)
    first = save_image(tmp_path / "noise.png", noise)
    with zipfile.ZipFile(upload, "w") as archive:
        for number in range(120):
            image = source / "ab"[number % 2] / f"{number}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            image.hardlink_to(first)
            archive.write(image, image.relative_to(source))
    job = datasets.start_import(workspace, upload, "Many", LabelSource.LAST_FOLDER, consume=True)
    _wait_for_phase(workspace, job.subject_id, "Reading images", 5)
    _kill(workspace)
    _wait_until(lambda: not jobs.latest(workspace, job.subject_id).status.is_active, 5)
    assert jobs.latest(workspace, job.subject_id).status is JobStatus.INTERRUPTED
    assert datasets.list_datasets(workspace) == []

    again = datasets.start_import(workspace, source, "Many", LabelSource.LAST_FOLDER)
    _finished(workspace, again)
    dataset = datasets.find_dataset(workspace, "Many")
    assert dataset.sample_count == 120
    assert list(workspace.uploads.iterdir()) == []


def test_a_failed_import_says_why_and_leaves_no_files(workspace, tmp_path):
    upload = uploads.new_upload_folder(workspace)
    save_image(upload / "good" / "1.png", [[[1, 2, 3]]])
    uploads.store_upload(upload, "bad/1.png", b"broken")
    job = datasets.start_import(workspace, upload, "Bad", LabelSource.LAST_FOLDER, consume=True)
    with pytest.raises(TouchstoneError, match="only one class") as caught:
        _finished(workspace, job)
    assert caught.value.hint
    assert list(workspace.uploads.iterdir()) == []
    assert datasets.list_datasets(workspace) == []


def test_an_upload_is_kept_in_the_workspace_and_survives_its_move(
    workspace, class_folders, tmp_path
):
    upload = Path(shutil.make_archive(str(workspace.uploads / "zip-2"), "zip", class_folders))
    job = datasets.start_import(
        workspace, upload, "Mine", LabelSource.LAST_FOLDER, consume=True, shown_source="mine.zip"
    )
    # A second import of the same name is already waiting when the first one is stored.
    payload = {**job.payload, "source": str(class_folders), "consume": False}
    rival = jobs.submit(workspace, JobKind.IMPORT, "ds-rival", payload)
    _finished(workspace, job)
    with pytest.raises(TouchstoneError, match="already exists"):
        _finished(workspace, rival)
    dataset = datasets.find_dataset(workspace, "Mine")
    assert (dataset.source, dataset.sample_count) == ("mine.zip", 18)
    assert [p.name for p in workspace.uploads.iterdir()] == [dataset.id]

    moved = Workspace(workspace.root.rename(tmp_path / "moved"))
    found, count = datasets.samples(moved, dataset.id, label=0, limit=2)
    assert (len(found), count) == (2, 6)
    assert image_facts.image_file(moved, found[0].id).is_file()
    assert image_facts.thumbnail_file(moved, found[0].id)[0].is_file()

    datasets.delete_dataset(moved, dataset.id)
    assert list(moved.uploads.iterdir()) == []


def test_a_folder_is_predicted_into_a_table(trained, copy, tmp_path):
    folder = tmp_path / "new images"
    shutil.copytree(trained.images, folder)
    (folder / "=cmd.png").write_bytes(b"broken")
    (folder / "._cmd.png").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("no image")
    job = _finished(copy, prediction.start_batch(copy, trained.model, folder))
    table = (copy.results / job.result["table"]).read_text(encoding="utf-8-sig").splitlines()
    assert len(table) == 1 + 41
    assert table[0] == "path,class,confidence,unfamiliar_score,error,blue disc,stripes"
    assert sum("is not a JPEG" in line for line in table) == 1
    assert not list(copy.results.glob("*.partial"))
    assert (job.result["hidden"], job.result["skipped_count"]) == (1, 1)
    assert job.result["skipped"][0][0] == "notes.txt"


def test_a_killed_batch_goes_on_with_the_images_that_are_left(trained, copy, tmp_path):
    # It began again from the first image, whatever had been classified.
    folder = tmp_path / "new images"
    files = [
        Path(shutil.copy(image, _made(folder / image.parent.name) / image.name))
        for image in sorted(trained.images.glob("*/00[0-3].png"))
    ]
    kept = [
        BatchImage(str(file), (file.stat().st_size, file.stat().st_mtime_ns), row, None)
        for file, row in zip(files[:4], np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], strict=True)
    ]
    files[0].touch()  # it has changed since: what is kept of it does not hold any more
    with lane_lock(copy, "data"):
        begun = prediction.start_batch(copy, trained.model, folder)
        with connect(copy) as db:
            lost = job_rows.claim(db, "data", owner="me", now=2.0)
            batches.save_images(db, lost.subject_id, kept, job_id=lost.id, owner="me")
            assert not batches.save_images(db, lost.subject_id, kept, job_id=lost.id, owner="else")
            job_rows.mark_interrupted(db, lost, now=3.0)
    assert "Resume continues" in jobs.latest(copy, begun.subject_id).hint
    again = prediction.start_batch(copy, trained.model, folder)
    assert (again.subject_id, again.attempt) == (begun.subject_id, 2)
    job = _finished(copy, again)
    rows = list(prediction.batch_predictions(copy, job, trained.model))
    assert [row.path for row in rows] == [str(file) for file in files]
    assert [row.class_name for row in rows[1:4]] == ["stripes", "blue disc", "stripes"]
    assert [row.confidences[1][1] == 0 for row in rows] == [False, True, True, True] + [False] * 4
    assert {row.class_name for row in rows[4:]} == {"stripes"}
    with connect(copy) as db:
        assert batches.states_of(db, job.subject_id) == {}
    anew = prediction.start_batch(copy, trained.model, folder)
    assert anew.subject_id != job.subject_id
    _finished(copy, anew)


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_stopped_batch_leaves_no_table(trained, copy, tmp_path):
    folder = tmp_path / "many"
    for number in range(40):
        shutil.copytree(trained.images, folder / str(number))
    job = prediction.start_batch(copy, trained.model, folder)
    _wait_until(lambda: jobs.latest(copy, job.subject_id).phase == "Classifying")
    jobs.stop(copy, job.id)
    _wait_until(lambda: not jobs.latest(copy, job.subject_id).status.is_active)
    assert jobs.latest(copy, job.subject_id).status is JobStatus.STOPPED
    assert not list(copy.results.iterdir())


def test_a_job_is_lost_only_when_its_lane_is_free(workspace):
    with connect(workspace) as db:
        job_rows.enqueue(db, JobKind.TRAIN, "run-1", {}, now=1.0)
        job_rows.claim(db, "training", owner="me", now=2.0)
    with lane_lock(workspace, "training"):
        assert [job.status for job in reconcile(workspace)] == [JobStatus.RUNNING]
        assert jobs.latest(workspace, "run-1").status is JobStatus.RUNNING
    assert reconcile(workspace) == []
    assert jobs.latest(workspace, "run-1").status is JobStatus.INTERRUPTED


def test_a_waiting_job_gets_a_worker_by_looking_at_it(workspace, class_folders):
    with connect(workspace) as db:
        payload = {
            "source": str(class_folders),
            "name": "Waiting",
            "rules": rules_as_dict(ImportRules()),
            "consume": False,
            "shown_source": "",
        }
        job_rows.enqueue(db, JobKind.IMPORT, "ds-waiting", payload, now=1.0)
    assert jobs.active(workspace)
    _wait_until(lambda: not jobs.active(workspace))  # looking often sends no crowd of workers
    with connect(workspace) as db:
        assert dataset_rows.find_dataset(db, "Waiting").sample_count == 18


def test_an_import_does_not_wait_for_a_quality_check(workspace, class_folders):
    # An import of seconds waited in silence for another dataset's check of minutes.
    with connect(workspace) as db, lane_lock(workspace, "data"):
        job_rows.enqueue(db, JobKind.QUALITY, "quality-ds-1", {"dataset_id": "ds-1"}, now=1.0)
        job_rows.claim(db, "data", owner="me", now=2.0)
        job = datasets.start_import(workspace, class_folders, "Now", LabelSource.LAST_FOLDER)
        assert _finished(workspace, job).status is JobStatus.COMPLETED


def test_an_import_that_an_older_version_queued_in_another_lane_is_done(workspace, class_folders):
    with connect(workspace) as db:
        payload = {
            "source": str(class_folders),
            "name": "Older",
            "rules": rules_as_dict(ImportRules()),
            "consume": False,
            "shown_source": "",
        }
        job_rows.enqueue(db, JobKind.IMPORT, "ds-older", payload, now=1.0)
        db.execute("UPDATE jobs SET lane = 'data'")
    _wait_until(lambda: not jobs.active(workspace))
    assert datasets.find_dataset(workspace, "Older").sample_count == 18


def test_a_waiting_job_says_what_it_waits_for(workspace):
    dataset = store_rows(workspace, [0, 1])
    with connect(workspace) as db, lane_lock(workspace, "data"):
        for number, kind in enumerate((JobKind.QUALITY, JobKind.PREDICT, JobKind.REPORT)):
            payload = {"dataset_id": dataset.id, "folder": "/d/lot 7"}
            job_rows.enqueue(db, kind, f"subject {number}", payload, now=1.0 + number)
        check = job_rows.claim(db, "data", owner="me", now=5.0)
        job_rows.report(
            db,
            check.id,
            owner="me",
            phase="Comparing images",
            done=2,
            total=5,
            progress=Progress(0.4),
            now=6.0,
        )
        waiting = [jobs.waiting_for(workspace, job) for job in job_rows.active_jobs(db)]
    assert waiting[0] is None
    assert [waiting_in_words(item) for item in waiting[1:]] == [
        f"Waiting for the quality check of “{dataset.name}” (Comparing images, 40%)",
        f"Waiting for the quality check of “{dataset.name}” (Comparing images, 40%) and 1 more job",
    ]
    assert waiting_in_words(jobs.Waiting(None, "", 0)) == "Starting soon"


def test_signs_of_life_and_the_time_left():
    from core.domain.jobs import Job

    job = Job(
        "job-1",
        JobKind.TRAIN,
        "run-1",
        JobStatus.RUNNING,
        1,
        {},
        0.0,
        heartbeat_at=100.0,
        ends_at=140.0,
    )
    assert not jobs.is_unresponsive(job, now=110.0)
    assert jobs.is_unresponsive(job, now=140.0)
    assert jobs.seconds_left(job, now=110.0) == pytest.approx(30.0)
    assert jobs.seconds_left(replace(job, ends_at=None), now=110.0) is None
    # A job that took longer than was thought was "about to end" for minutes.
    assert jobs.seconds_left(job, now=150.0) is None


def test_every_worker_writes_its_own_log_and_only_the_last_ones_stay(workspace):
    for number in range(KEPT_LOGS + 5):
        (workspace.logs / f"worker-data-20260101-0000{number:02d}-000000.log").touch()
    start_worker(workspace, "data")
    logs = sorted(workspace.logs.glob("worker-data-*.log"))
    assert len(logs) == KEPT_LOGS
    assert logs[-1].name > "worker-data-20260102"
    assert "worker-data-20260101-000005-000000.log" not in {log.name for log in logs}
