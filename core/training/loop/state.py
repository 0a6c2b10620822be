"""The progress of a training: what a checkpoint holds, and what follows from it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from core.domain.configs.choices import KeptEpoch
from core.domain.configs.train import TrainConfig
from core.training.loop.setup import Setup
from core.training.loop.steps import WeightAverage, autocast_type, optimizer_of

START = -1  # the epoch of the state before the first step


@dataclass
class FitState:
    """The progress of a training; everything a checkpoint holds.

    `total_steps` is the plan, 0 before there is one; `elapsed_s` counts training and evaluating of
    all attempts. `best_weights` are those of an evaluated epoch. `setup` says how steps are
    computed.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: WeightAverage | None = None
    epoch: int = 0
    step: int = 0
    steps_done: int = 0
    total_steps: int = 0
    loss_sum: float | Tensor = 0.0
    images: int = 0
    seconds: float = 0.0
    waiting_s: float = 0.0
    elapsed_s: float = 0.0
    is_started: bool = False
    best_key: tuple[float, float] = (-float("inf"), -float("inf"))
    best_epoch: int = START
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stopped: bool = False
    setup: Setup = field(default_factory=Setup)

    def to_checkpoint(self) -> dict[str, Any]:
        """Tensors and numbers only, so that it loads without unpickling code."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state if self.average else {},
            "epoch": self.epoch,
            "step": self.step,
            "steps_done": self.steps_done,
            "total_steps": self.total_steps,
            "loss_sum": float(self.loss_sum),
            "images": self.images,
            "seconds": self.seconds,
            "waiting_s": self.waiting_s,
            "elapsed_s": self.elapsed_s,
            "is_started": self.is_started,
            "best_key": list(self.best_key),
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "setup": self.setup.to_checkpoint(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint, also one of an earlier version."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average and state.get("average"):
            for name, value in state["average"].items():
                self.average.state[name].copy_(value)
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss_sum, self.seconds = state["loss_sum"], state["seconds"]
        self.steps_done, self.total_steps = state.get("steps_done", 0), state.get("total_steps", 0)
        self.images, self.waiting_s = state.get("images", 0), state.get("waiting_s", 0.0)
        self.elapsed_s = state.get("elapsed_s", 0.0)
        self.is_started = state.get("is_started", True)
        self.best_key = (state["best_key"][0], state["best_key"][1])
        self.best_epoch, self.best_weights = state["best_epoch"], state["best_weights"]
        self.setup = Setup.restored(state.get("setup"), is_new=not self.total_steps)

    def evaluated_weights(self) -> dict[str, Tensor]:
        """A copy on the CPU of the weights that are evaluated: the average where there is one."""
        state = self.average.state if self.average else self.model.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}


def new_state(
    model: nn.Module,
    config: TrainConfig,
    device: torch.device,
    stages: Sequence[Sequence[Tensor]] = (),
) -> FitState:
    """A training that has not begun; `stages` are the parameters of each, from the image up."""
    half = autocast_type(device, config.precision) is torch.float16
    return FitState(
        model=model,
        optimizer=optimizer_of(model, config, stages),
        scaler=torch.amp.GradScaler(device.type, enabled=half),
        average=WeightAverage(model, config.ema_decay) if config.ema_decay > 0 else None,
    )


def kept_weights(state: FitState, config: TrainConfig) -> tuple[int, dict[str, Tensor]]:
    """Epoch and weights that become the model, after the last evaluation."""
    if config.kept_epoch is KeptEpoch.LAST:
        return state.epoch - 1, state.evaluated_weights()
    return state.best_epoch, state.best_weights


def should_stop_early(state: FitState, config: TrainConfig) -> bool:
    """Whether the measure has not improved for as many epochs as the config allows."""
    return 0 < config.patience <= state.epoch - 1 - state.best_epoch


def has_epochs_left(state: FitState, config: TrainConfig) -> bool:
    """Whether there is anything left to train."""
    planned = not state.total_steps or state.steps_done < state.total_steps
    unfinished = state.step > 0  # this epoch still has to be evaluated
    more = state.epoch < config.epochs and planned and not should_stop_early(state, config)
    return unfinished or more


@contextmanager
def averaged(state: FitState) -> Iterator[None]:
    """The model with its averaged weights, where there are some."""
    if state.average is None:
        yield
        return
    own = {name: value.detach().clone() for name, value in state.model.state_dict().items()}
    state.model.load_state_dict(state.average.state)
    try:
        yield
    finally:
        state.model.load_state_dict(own)
