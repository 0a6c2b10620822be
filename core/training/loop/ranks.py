"""Several processes that train one network: what they say to each other.

The global batch is that of the config. Each process takes its share of every step, gradients are
summed, and all decide together. One process alone says nothing.
"""

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among `world` ones; a process group exists where there are several."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether one of the processes says yes; all get the same answer."""
        if self.world == 1:
            return flag
        answer = torch.tensor([float(flag)])
        distributed.all_reduce(answer, distributed.ReduceOp.MAX)
        return bool(answer.item())

    def agreed(self, value: Value) -> Value:
        """The value of the first process, in all of them."""
        if self.world == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def sum_gradients(self, model: nn.Module) -> None:
        """Add the gradients of all processes, in one message."""
        if self.world == 1:
            return
        learned = [p for p in model.parameters() if p.requires_grad]
        for parameter in learned:  # a process without images in this step has none
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._together([p.grad for p in learned if p.grad is not None], 1.0)

    def mean_statistics(self, model: nn.Module) -> None:
        """Let all processes have the mean of their batch statistics."""
        if self.world == 1:
            return
        # Why only these: what is frozen would drift by its rounding.
        learning = (m for m in model.modules() if m.training and hasattr(m, "running_mean"))
        buffers = [b for module in learning for b in module.buffers(recurse=False)]
        self._together([b for b in buffers if b.is_floating_point()], 1 / self.world)

    def sum_of(self, value: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.world > 1:
            distributed.all_reduce(value)
        return value

    def gathered(self, rows: Tensor, n: int) -> Tensor:
        """Rows of all processes [n, …] in order; process r holds every world-th one from r on."""
        if self.world == 1:
            return rows
        parts: list[Tensor | None] = [None] * self.world
        distributed.all_gather_object(parts, rows)
        whole = torch.empty((n, *rows.shape[1:]), dtype=rows.dtype)
        for rank, part in enumerate(parts):
            if part is not None:
                whole[rank :: self.world] = part
        return whole

    def _together(self, tensors: list[Tensor], factor: float) -> None:
        if not tensors:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        distributed.all_reduce(flat)
        flat *= factor
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()


ALONE = Ranks()
