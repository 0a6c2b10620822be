"""F15, long form: a training that was paused five times ends as one that was not.

With everything that remembers steps: a moving average of the weights, warm-up and early stopping.
"""

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from core.domain.configs.choices import KeptEpoch, Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.jobs import JobStatus
from core.models.bundle import read_tensors
from core.models.catalog import DEFAULT_NETWORK
from core.workflows import jobs
from core.workflows.training import runs
from core.workflows.use import models
from tests.conftest import copy_of

SEED, PAUSES = 15, 5


def _until(true, seconds=300.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.02)


def _weights(workspace, job):
    model = models.find_model(workspace, str(job.result["model_id"]))
    return read_tensors(models.exported_bundle(workspace, model))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_five_pauses_at_any_moment_change_nothing(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # steps this small lose more by waking threads
    workspace = copy_of(trained.workspace, tmp_path / "paused")
    config = replace(
        recipe_defaults(Recipe.FULL, DEFAULT_NETWORK),
        kept_epoch=KeptEpoch.LAST,
        epochs=60,
        patience=12,
        warm_up=0.2,
        ema_decay=0.9,
        batch_size=8,
        device="cpu",
    )
    preprocess = replace(trained.run.run.preprocess, image_size_px=32)

    def start(name):
        return runs.start_training(
            workspace, trained.dataset.id, config, preprocess=preprocess, name=name
        )

    straight = start("straight")
    seen = []

    def note(job):
        if job.phase == "Training":
            seen.append((job.done, job.total))

    undisturbed = jobs.wait(workspace, straight.job.id, on_change=note)
    curve = runs.curve(workspace, straight.run.id)
    steps, planned = seen[-1]
    assert 12 <= len(curve) - 1 < config.epochs  # it was stopped early

    # The last pauses leave enough for the run not to end before it is asked.
    last = int(0.8 * min(steps, planned))
    moments = sorted(random.Random(SEED).sample(range(1, last), PAUSES))
    run_id = start("paused").run.id
    for moment in moments:

        def is_reached(moment=moment):
            job = jobs.latest(workspace, run_id)
            assert job.status.is_active, f"it ended before step {moment}"
            return job.phase == "Training" and job.done >= moment

        _until(is_reached)
        assert jobs.stop(workspace, jobs.latest(workspace, run_id).id, pause=True)
        _until(lambda: not jobs.latest(workspace, run_id).status.is_active)
        assert jobs.latest(workspace, run_id).status is JobStatus.PAUSED
        resumed = runs.resume_training(workspace, run_id)
    ended = jobs.wait(workspace, resumed.id, on_change=lambda _: None)
    assert ended.attempt == PAUSES + 1
    assert [
        (line.epoch, repr(line.train_loss), line.val_macro_f1, line.is_best)
        for line in runs.curve(workspace, run_id)
    ] == [(line.epoch, repr(line.train_loss), line.val_macro_f1, line.is_best) for line in curve]
    one, two = _weights(workspace, undisturbed), _weights(workspace, ended)
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
