"""Inputs that are copied and changed while a GPU still computes the step before."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from core.training.engine import Examples


@dataclass
class InputsAhead:
    """Inputs of parts of steps; on a GPU, the next part is prepared on a stream of its own.

    What is prepared depends on epoch and positions alone, so it never changes what is learned.
    """

    examples: "Examples"
    device: torch.device
    _ready: tuple[tuple[int, bytes], Tensor] | None = field(default=None, init=False)

    @property
    def works_ahead(self) -> bool:
        """Not on a CPU: there, what prepares takes its time from what computes."""
        return self.device.type == "cuda"

    def take(self, part: NDArray[np.intp], *, epoch: int) -> Tensor:
        """The inputs [B, …] of these positions on the device: those prepared, or made now."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] == (epoch, part.tobytes()):
            inputs = ready[1]
        else:
            inputs = self._made(part, epoch)
        if self._stream is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_stream(self._stream)
            # Why: else the memory is used again on the other stream while this one still reads it.
            inputs.record_stream(current)
        return inputs

    def prepare(self, part: NDArray[np.intp], *, epoch: int) -> None:
        """Begin with the inputs that are taken next, if the device works ahead."""
        if self.works_ahead and len(part):
            self._ready = (epoch, part.tobytes()), self._made(part, epoch)

    def _made(self, part: NDArray[np.intp], epoch: int) -> Tensor:
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            inputs = self.examples.inputs(part, epoch=epoch)
            return _copied(inputs, self.device)

    @cached_property
    def _stream(self) -> torch.cuda.Stream | None:
        if self.device.type != "cuda":
            return None
        return torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]


def on_device(values: NDArray[np.int64], device: torch.device) -> Tensor:
    """A copy for which the host never waits for a GPU of CUDA."""
    tensor = torch.from_numpy(values)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return _copied(tensor, device)


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    # Why not on an Apple GPU: its copy may read the memory once it is free and holds other values
    # (https://github.com/pytorch/pytorch/issues/189690).
    return tensor.to(device, non_blocking=device.type == "cuda")
