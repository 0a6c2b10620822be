"""Several processes of one training: what the helpers are told, and that a lost one is noticed."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data.pixels.cache import open_row_cache
from core.domain.configs.choices import Detail, Recipe
from core.domain.configs.stored import config_from_json
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.splits import Subset
from core.errors import TrainingError
from core.models.catalog import DEFAULT_NETWORK, find_network
from core.training.recipes import MapExamples, PixelExamples
from core.worker.training import group, rank
from core.worker.training.data import TrainingData
from core.workflows.data import datasets


def test_helpers_read_the_settings_and_the_examples_that_were_written_for_them(trained, tmp_path):
    # Settings and training examples had one key: the helpers found no settings and ended.
    config = recipe_defaults(Recipe.STAGED, DEFAULT_NETWORK)
    run = replace(trained.run.run, train=replace(config, class_penalties="stripes: 3"))
    dataset = datasets.find_dataset(trained.workspace, run.dataset_id)
    cache = open_row_cache(tmp_path / "rows", (6, 2, 2, 3), np.uint8)
    cache.rows[:] = np.arange(6)[:, None, None, None]
    nothing = np.empty(0, np.int64)
    material = TrainingData(
        run,
        dataset,
        find_network(DEFAULT_NETWORK),
        "cpu",
        cache,
        (),
        *(nothing,) * 4,
        {subset: np.empty(0, np.intp) for subset in Subset},
    )
    learned, judged = np.array([4, 1, 0]), np.array([3])
    cpu = torch.device("cpu")
    pixels = PixelExamples(cache.rows, learned, learned % 2, run.augment, 0, cpu)
    maps = MapExamples(cache.rows, judged, judged % 2, 2, 3)
    about = {"detail": Detail.STAGES.value, "world": 2, "threads": 1}

    group._describe(tmp_path, material, pixels, maps, about)

    task = json.loads((tmp_path / group.DESCRIPTION).read_text())
    assert config_from_json(TrainConfig, task["config"]) == run.train
    assert (task["world"], Detail(task["detail"])) == (2, Detail.STAGES)
    assert (task["class_count"], task["factors"]) == (2, [1.0, 3.0])
    one = rank._examples(tmp_path, task, run.train, Subset.TRAIN, cpu)
    other = rank._examples(tmp_path, task, run.train, Subset.VALIDATION, cpu)
    assert isinstance(one, PixelExamples)
    assert one.inputs(np.arange(3), epoch=None)[:, 0, 0, 0].tolist() == [4, 1, 0]
    assert one.targets.tolist() == [0, 1, 0]
    assert isinstance(other, MapExamples)
    assert (other.images, other.versions, other.positions.tolist()) == (2, 3, [3])


@pytest.mark.parametrize(
    ("ends", "how"),
    [
        ("raise SystemExit(3)", "ended with an error"),
        pytest.param(
            "import os; os.kill(os.getpid(), 9)",
            "was ended by signal 9",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="knows no signals"),
        ),
    ],
)
def test_a_helper_that_ends_before_the_others_meet_is_named_at_once(tmp_path, ends, how):
    # The leader waited ten minutes in the meeting for a process that was gone, and the other
    # helpers stayed.
    start = [sys.executable, "-S", "-c"]
    helpers = group._Helpers(tmp_path, 3)
    helpers.running[1] = subprocess.Popen([*start, "import time; time.sleep(60)"])
    helpers.running[2] = subprocess.Popen([*start, ends])
    group.ready_file(tmp_path, 1).touch()
    began = time.monotonic()
    try:
        with pytest.raises(TrainingError, match=f"Process 3 of 3 {how}"):
            helpers.wait_until_ready()
    finally:
        helpers.kill()
        helpers.end()
    assert time.monotonic() - began < 20
    assert helpers.running[1].poll() is not None
