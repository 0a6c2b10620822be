"""`python -m core.worker.training.rank FOLDER RANK`: one of several processes of a training.

It takes its share of each step and writes nothing; what it needs lies in the folder.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import distributed

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail, Recipe
from core.domain.configs.stored import config_from_json
from core.domain.configs.train import TrainConfig
from core.domain.splits import Subset
from core.training import recipes
from core.training.engine import Examples, fit
from core.training.loop.ranks import Ranks
from core.training.loop.setup import repeat_exactly
from core.training.loop.state import new_state
from core.training.stages import stage_parameters, stages_to_store
from core.worker.training.group import DESCRIPTION, STATE, meet, ready_file


class _Nowhere:
    """Checkpoints of a process that does not write."""

    def save(self, state: dict[str, Any], *, urgent: bool) -> None:
        """Nothing: the first process does."""

    def load(self) -> None:
        """There is none."""


def main(folder: Path, rank: int) -> None:
    """Train along until all processes end."""
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    task: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    config = config_from_json(TrainConfig, task["config"])
    torch.set_num_threads(task["threads"])
    device = torch.device(f"cuda:{rank}" if task["device"] == "cuda" else task["device"])
    repeat_exactly(device, wanted=config.deterministic)
    module = recipes.empty_features(
        task["network"],
        task["class_count"],
        tuple(task["mean"]),
        tuple(task["std"]),
        Detail(task["detail"]),
        task["side"],
    )
    match config.recipe:
        case Recipe.FULL:
            model = recipes.whole_classifier(module, config, device)
        case Recipe.STAGED:
            count = stages_to_store(module.network, config.frozen_stages)
            model = recipes.upper_classifier(module, count, config, device)
        case Recipe.QUICK | Recipe.GOOD_ONLY:
            raise ValueError("this recipe has no steps")
        case _:
            assert_never(config.recipe)
    state = new_state(model, config, device, stage_parameters(module.network))
    state.restore(torch.load(folder / STATE, map_location="cpu", weights_only=True))
    ready_file(folder, rank).touch()
    meet(folder, rank, task["world"], device)
    lines = fit(
        state,
        _examples(folder, task, config, Subset.TRAIN, device),
        _examples(folder, task, config, Subset.VALIDATION, device),
        config,
        class_count=task["class_count"],
        device=device,
        checkpoints=_Nowhere(),
        should_stop=lambda: False,
        on_step=lambda _done, _total: None,
        factors=task["factors"],
        ranks=Ranks(rank, task["world"]),
    )
    for _ in lines:
        pass
    distributed.destroy_process_group()


def _examples(
    folder: Path, task: dict[str, Any], config: TrainConfig, subset: Subset, device: torch.device
) -> Examples:
    about = task[subset.value]
    rows = open_memmap(about["rows"], mode="r")
    with np.load(folder / f"{subset.value}.npz") as stored:
        positions, targets = stored["positions"], stored["targets"]
    if about["versions"]:
        return recipes.MapExamples(rows, positions, targets, about["images"], about["versions"])
    augment = config_from_json(AugmentConfig, task["augment"])
    return recipes.PixelExamples(rows, positions, targets, augment, config.seed, device)


def _end_with(parent: int) -> None:
    """End as soon as the process that leads is gone: nobody would write what comes of this."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
