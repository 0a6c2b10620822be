"""Several processes for one training: this one leads and writes, the others help.

The helpers get everything from files in a folder that lives as long as the group. They open no
database and write nothing. When one of them dies, the group ends with the cause, and the run goes
on from its last state when it is resumed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from core.data.pixels.preprocess import normalization_constants
from core.domain.configs.choices import Detail
from core.domain.configs.stored import config_to_json
from core.domain.configs.train import TrainConfig
from core.domain.configs.written import class_factors
from core.domain.splits import Subset
from core.errors import TrainingError
from core.training.engine import Examples
from core.training.loop.ranks import ALONE, Ranks
from core.training.loop.state import FitState
from core.training.recipes import MapExamples, PixelExamples
from core.worker.launcher import LOG_VARIABLE
from core.worker.training.data import TrainingData

DESCRIPTION, STATE, MEETING = "task.json", "state.ckpt", "meeting"
PATIENCE = timedelta(minutes=10)  # for a process that evaluates or writes a checkpoint
_START_S, _SEES_DEATH_S, _END_S = 300.0, 5.0, 30.0
_HINT = "Resume the run: it goes on from its last saved state."


def processes_of(config: TrainConfig, device: torch.device, *, gpus: int, before: int) -> int:
    """How many processes train together.

    Args:
        config: what was asked; 0 chooses.
        device: of the run.
        gpus: on this machine.
        before: of the attempt that goes on, which decides where the choice is ours; 0: a new run.

    Raises:
        TrainingError: if more GPUs are needed than there are.
    """
    chosen_by_hand = config.device not in ("auto", "cuda")
    most = 1 if device.type != "cuda" or chosen_by_hand else max(1, gpus)
    wanted = config.processes or min(before or most, most)
    if device.type == "mps" and wanted > 1:
        raise TrainingError("This GPU is used by one process only.", "Set processes to 1.")
    if device.type == "cuda" and wanted > gpus:
        raise TrainingError(
            f"{wanted} processes need as many GPUs, but this machine has {gpus}.",
            f"Set processes to at most {gpus}.",
        )
    return wanted


@contextmanager
def together(
    material: TrainingData,
    state: FitState,
    train: Examples,
    validation: Examples,
    *,
    detail: Detail,
    world: int,
) -> Iterator[Ranks]:
    """The processes of a training, started and met; they end with the block.

    Args:
        material: of the run.
        state: from which all begin.
        train: examples to learn from.
        validation: examples to choose the epoch by.
        detail: what the network's features are made from.
        world: how many processes, this one included.

    Raises:
        TrainingError: if one of them ended before the others.
    """
    if world == 1:
        yield ALONE
        return
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="touchstone-group-") as place:
        folder = Path(place)
        own_threads = max(1, threads // world)
        about = {"detail": detail.value, "world": world, "threads": own_threads}
        _describe(folder, material, train, validation, about)
        torch.save(state.to_checkpoint(), folder / STATE)
        helpers = _Helpers(folder, world)
        torch.set_num_threads(own_threads)
        try:
            helpers.start()
            helpers.wait_until_ready()
            meet(folder, 0, world, material.device)
            yield Ranks(0, world)
        except RuntimeError as err:  # what torch raises when another process has gone
            words = helpers.loss_in_words(_SEES_DEATH_S)
            helpers.kill()
            if words:
                raise TrainingError(words, _HINT) from err
            raise
        except BaseException:
            helpers.kill()
            raise
        finally:
            torch.set_num_threads(threads)
            if distributed.is_initialized():
                distributed.destroy_process_group()
            helpers.end()


def ready_file(folder: Path, rank: int) -> Path:
    """What a helper makes once it can meet the others."""
    return folder / f"ready-{rank}"


def meet(folder: Path, rank: int, world: int, device: torch.device) -> None:
    """Join the process group; all processes of the group call it."""
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(
        backend,
        init_method=(folder / MEETING).as_uri(),
        rank=rank,
        world_size=world,
        timeout=PATIENCE,
    )


def _describe(
    folder: Path,
    material: TrainingData,
    train: Examples,
    validation: Examples,
    about: dict[str, str | int],
) -> None:
    """Write down what the helpers need to build network and examples."""
    run, network = material.run, material.network
    mean, std = normalization_constants(run.preprocess, network.mean, network.std)
    task: dict[str, object] = {
        "config": config_to_json(run.train),
        "augment": config_to_json(run.augment),
        "network": network.name,
        "class_count": material.class_count,
        "mean": mean,
        "std": std,
        "side": run.preprocess.image_size_px,
        "factors": list(class_factors(run.train.class_penalties, material.dataset.class_names)),
        "device": material.device.type,
        **about,
    }
    for subset, examples in ((Subset.TRAIN, train), (Subset.VALIDATION, validation)):
        match examples:
            case PixelExamples():
                versions, images = 0, 0
            case MapExamples():
                versions, images = examples.versions, examples.images
            case _:
                raise ValueError("helpers cannot open these examples")
        rows = str(getattr(examples.rows, "filename", ""))
        task[subset.value] = {"rows": rows, "versions": versions, "images": images}
        np.savez(
            folder / f"{subset.value}.npz", positions=examples.positions, targets=examples.targets
        )
    (folder / DESCRIPTION).write_text(json.dumps(task), encoding="utf-8")


@dataclass
class _Helpers:
    """The other processes of a group."""

    folder: Path
    world: int
    running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self) -> None:
        """Start them; they meet this process in the folder."""
        for rank in range(1, self.world):
            command = [sys.executable, "-m", "core.worker.training.rank", str(self.folder)]
            self.running[rank] = subprocess.Popen(
                [*command, str(rank)], stdin=subprocess.DEVNULL, env=dict(os.environ)
            )

    def wait_until_ready(self) -> None:
        """Wait until all of them can meet.

        Why not in the meeting: it would wait for long for a process that has ended already.

        Raises:
            TrainingError: if one of them ended, or takes minutes.
        """
        deadline = time.monotonic() + _START_S
        while not all(ready_file(self.folder, rank).exists() for rank in self.running):
            words = self.loss_in_words(0.0)
            if not words and time.monotonic() > deadline:
                words = f"The other processes were not ready within {_START_S / 60:.0f} minutes."
            if words:
                raise TrainingError(words, _HINT)
            time.sleep(0.1)

    def loss_in_words(self, patience_s: float) -> str:
        """Which process ended before the others and how; empty if none did within some seconds."""
        deadline = time.monotonic() + patience_s
        while True:
            for rank, process in self.running.items():
                code = process.poll()
                if code:
                    how = f"was ended by signal {-code}" if code < 0 else "ended with an error"
                    log = os.environ.get(LOG_VARIABLE)
                    where = f" The details are in {log}." if log and code > 0 else ""
                    return f"Process {rank + 1} of {self.world} {how}.{where}"
            if time.monotonic() >= deadline:
                return ""
            time.sleep(0.1)

    def kill(self) -> None:
        """End them at once."""
        for process in self.running.values():
            process.kill()

    def end(self) -> None:
        """Wait for them, and kill those that do not end."""
        deadline = time.monotonic() + _END_S
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
