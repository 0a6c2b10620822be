"""Which step the weights take: learning rate, optimizer, clipping, averages."""

import math
from collections.abc import Sequence
from typing import assert_never

import torch
from torch import Tensor, nn

from core.domain.configs.choices import OptimizerName, Precision, ScheduleName
from core.domain.configs.train import TrainConfig
from core.domain.configs.written import epochs_of_steps

_RISE = 0.3  # share of one cycle in which the learning rate rises
_CYCLE_START, _CYCLE_END = 1 / 25, 1e-4  # shares of the learning rate


def learning_rate(
    step: int, steps_per_epoch: int, config: TrainConfig, total: int | None = None
) -> float:
    """The learning rate of a step, counted from 0.

    Args:
        step: in [0, total]; at the end the schedule has ended.
        steps_per_epoch: of this run.
        config: the schedule.
        total: steps in all; None: those of all epochs.

    Source: of one cycle, Smith 2018, "Super-Convergence"; its shares are those of torch.
    """
    total = max(1, steps_per_epoch * config.epochs if total is None else total)
    progress = min(1.0, step / total)
    warm_up = int(config.warm_up * total)
    match config.schedule:
        case ScheduleName.ONE_CYCLE:
            return config.learning_rate * _one_cycle(progress)
        case ScheduleName.COSINE:
            factor = 0.5 * (1 + math.cos(math.pi * progress))
        case ScheduleName.STEP:
            chosen = epochs_of_steps(config.milestones)
            passed = (
                sum(step >= epoch * steps_per_epoch for epoch in chosen)
                if chosen
                else (progress >= 0.5) + (progress >= 0.75)
            )
            factor = config.step_factor**passed
        case ScheduleName.CONSTANT:
            factor = 1.0
        case _:
            assert_never(config.schedule)
    if step < warm_up:
        factor = (step + 1) / (warm_up + 1)
    return config.learning_rate * factor


def _one_cycle(progress: float) -> float:
    if progress < _RISE:
        return _between(_CYCLE_START, 1.0, progress / _RISE)
    return _between(1.0, _CYCLE_END, (progress - _RISE) / (1 - _RISE))


def _between(first: float, last: float, progress: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


def optimizer_of(
    model: nn.Module, config: TrainConfig, stages: Sequence[Sequence[Tensor]] = ()
) -> torch.optim.Optimizer:
    """The optimizer of a run; its groups carry the `scale` of their learning rate.

    Args:
        model: parameters that need no gradient are left out.
        config: optimizer, weight decay, decay of the learning rate per stage.
        stages: the parameters of each stage, from the image up; what is in none is the top.
    """
    depth = {id(p): len(stages) - i for i, stage in enumerate(stages) for p in stage}
    members: dict[tuple[float, bool], list[Tensor]] = {}
    for parameter in (p for p in model.parameters() if p.requires_grad):
        scale = config.layer_decay ** depth.get(id(parameter), 0)
        # Why by the number of axes: decaying biases and normalization weights only hurts.
        members.setdefault((scale, parameter.ndim > 1), []).append(parameter)
    from_the_top = sorted(members, key=lambda key: (-key[0], not key[1]))
    groups = [
        {
            "params": members[scale, decays],
            "weight_decay": config.weight_decay if decays else 0.0,
            "scale": scale,
        }
        for scale, decays in from_the_top
    ]
    match config.optimizer:
        case OptimizerName.ADAMW:
            return torch.optim.AdamW(groups, lr=config.learning_rate)
        case OptimizerName.SGD:
            return torch.optim.SGD(
                groups,
                lr=config.learning_rate,
                momentum=config.momentum,
                nesterov=config.nesterov and config.momentum > 0,
            )
        case _:
            assert_never(config.optimizer)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its share of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)


def autocast_type(device: torch.device, precision: Precision) -> torch.dtype | None:
    """In which type products are computed; None: in float32."""
    match precision:
        case Precision.AUTO:
            # Why not on a CPU: half precision steps were slower on every one that was measured.
            if device.type != "cuda":
                return None
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        case Precision.FLOAT32:
            return None
        case Precision.BFLOAT16:
            return torch.bfloat16
        case Precision.FLOAT16:
            return torch.float16
        case _:
            assert_never(precision)


class WeightAverage:
    """An exponential moving average of all weights and statistics of a network.

    Step t moves it by 1 - min(decay, (1 + t) / (10 + t)): a short run is not held back by its
    beginning.

    Args:
        model: what is averaged; the average starts there.
        decay: below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self._of: nn.Module | None = None
        self._averages: list[Tensor] = []
        self._values: list[Tensor] = []
        self._counts: list[tuple[Tensor, Tensor]] = []

    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model after step number `step`, from 0."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        if self._of is not model:
            self._follow(model)
        for own, value in self._counts:
            own.copy_(value)
        torch._foreach_lerp_(self._averages, self._values, share)

    def _follow(self, model: nn.Module) -> None:
        """Remember the weights, which stay where they are; listing them takes longest."""
        pairs = [(self.state[name], value.detach()) for name, value in model.state_dict().items()]
        moving = [(own, value) for own, value in pairs if own.is_floating_point()]
        self._averages, self._values = [own for own, _ in moving], [value for _, value in moving]
        self._counts = [(own, value) for own, value in pairs if not own.is_floating_point()]
        self._of = model
