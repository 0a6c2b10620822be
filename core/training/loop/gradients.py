"""Gradients of one step, computed in parts that fit into the memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.domain.configs.choices import Precision
from core.domain.configs.train import TrainConfig
from core.training.loop.ahead import InputsAhead, on_device
from core.training.loop.losses import ImageLoss, draw_mix, mixed
from core.training.loop.order import epoch_batches, part_of_rank
from core.training.loop.ranks import Ranks
from core.training.loop.setup import (
    compile_in_place,
    faster_precision,
    free_memory_bytes,
    half_precision,
    images_that_fit,
    is_worth_a_probe,
    kept_bytes,
    largest_part,
    too_little_memory,
    undo_compilation,
)
from core.training.loop.state import FitState
from core.training.loop.steps import autocast_type

if TYPE_CHECKING:
    from core.training.engine import Examples

_PROBES = 3  # steps that are timed
_NOTHING = np.empty(0, np.intp)


@dataclass
class StepGradients:
    """How the gradients of steps come about; `state.setup` says in which parts and precision."""

    state: FitState
    train: "Examples"
    config: TrainConfig
    loss: ImageLoss
    device: torch.device
    ranks: Ranks

    def __post_init__(self) -> None:
        self._inputs = InputsAhead(self.train, self.device)

    @property
    def _part(self) -> int:
        return self.state.setup.images_at_once or self.config.batch_size

    def of_step(
        self, positions: NDArray[np.intp], *, epoch: int, following: NDArray[np.intp] | None = None
    ) -> Tensor:
        """Gradients of the mean loss of a step, of all processes together; gives that loss.

        Args:
            positions: of the images of the step.
            epoch: that it belongs to.
            following: positions of the next step of the epoch, whose inputs are begun with.

        Raises:
            TrainingError: if there is not enough memory for two images.
        """
        classes = on_device(self.train.targets[positions], self.device)
        total = self.loss.image_weights(self.loss.one_hot(classes)).sum()
        own, then = (
            part_of_rank(some, self.ranks.rank, self.ranks.world)
            for some in (positions, _NOTHING if following is None else following)
        )
        while True:
            try:
                part_of_loss = self._of_parts(own, total, epoch, then)
                break
            except torch.OutOfMemoryError as err:
                self._halve(len(own), err)
        self.ranks.sum_gradients(self.state.model)
        whole = self.ranks.sum_of(part_of_loss)
        return whole if self.device.type == "mps" else whole.double()

    def _halve(self, images: int, err: torch.OutOfMemoryError) -> None:
        self.state.optimizer.zero_grad(set_to_none=True)
        half = min(self._part, images) // 2
        if half < 2:
            raise too_little_memory() from err
        self.state.setup.images_at_once = half
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _parts(self, own: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """The images of a step, as many at once as the setup says."""
        return [
            part for part in np.array_split(own, max(1, -(-len(own) // self._part))) if len(part)
        ]

    def _of_parts(
        self, own: NDArray[np.intp], total: Tensor, epoch: int, then: NDArray[np.intp]
    ) -> Tensor:
        state = self.state
        mix = draw_mix(self.config, (self.config.seed, 1, state.steps_done))
        sum_of_losses = torch.zeros((), device=self.device)
        half = autocast_type(self.device, self._precision)
        parts = self._parts(own)
        for part, next_part in zip(
            parts, [*parts[1:], *self._parts(then)[:1], _NOTHING], strict=False
        ):
            asked_at = time.perf_counter()
            inputs = self._inputs.take(part, epoch=epoch)
            state.waiting_s += time.perf_counter() - asked_at
            targets = on_device(self.train.targets[part], self.device)
            wanted = self.loss.one_hot(targets)
            if mix is not None:
                inputs, wanted = mixed(inputs, wanted, mix, self.train.axes)
            with torch.autocast(self.device.type, dtype=half, enabled=half is not None):
                logits = state.model(inputs)
            losses = self.loss.per_image(logits, wanted) * self.loss.image_weights(wanted)
            loss = losses.sum() / total
            state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            sum_of_losses += loss.detach()
            self._inputs.prepare(next_part, epoch=epoch)
        return sum_of_losses

    @property
    def _precision(self) -> Precision:
        asked, decided = self.config.precision, self.state.setup.precision
        return decided if asked is Precision.AUTO else asked

    def decide(self, known: Precision | None, warn: Callable[[str], None]) -> None:
        """Settle what the setup leaves open, by steps without effect on weights and statistics.

        Args:
            known: the precision that was measured before on this machine, for runs like this one.
            warn: told what was asked for and cannot be had.

        Raises:
            TrainingError: if there is not enough memory for two images.
        """
        config, setup = self.config, self.state.setup
        is_first = setup.processes == 0
        setup.processes = self.ranks.world
        if is_first and config.largest_batch:
            setup.images_at_once = self.ranks.agreed(self._largest_part())
        if is_first and config.precision is Precision.AUTO:
            setup.precision = self.faster_precision(known, half_precision(self.device))
        if setup.is_compiled is not False:
            setup.is_compiled = config.compiled and self._compiles(warn)

    def faster_precision(self, known: Precision | None, half: Precision | None) -> Precision:
        """The faster one of float32 and half; auto where that is not worth a probe.

        Args:
            known: what was measured before, for runs like this one.
            half: the half precision of this device, or None.
        """
        inputs = len(self.train.targets) * self.config.epochs
        if half is None or not is_worth_a_probe(self.device, inputs):
            return Precision.AUTO
        # Why agreed first: to measure takes all processes.
        chosen = self.ranks.agreed(known) or faster_precision(self.seconds_in, half)
        return self.ranks.agreed(chosen)

    def seconds_in(self, precision: Precision) -> float:
        """As `seconds`, in this precision."""
        before = self.state.setup.precision
        self.state.setup.precision = precision
        try:
            return self.seconds()
        finally:
            self.state.setup.precision = before

    def _compiles(self, warn: Callable[[str], None]) -> bool:
        """Compile the network; if one process cannot, all go on as they are, and it is said."""
        with self._without_effect():
            why = compile_in_place(self.state.model, lambda: self._pass(self._part))
        if not self.ranks.any(bool(why)):
            return True
        undo_compilation(self.state.model)
        reason = why or "Another process failed."
        warn(f"The network could not be compiled and is trained as it is. {reason}")
        return False

    def seconds(self) -> float:
        """The least seconds of a step; weights and statistics are as before."""
        times = []
        with self._without_effect():
            for positions in epoch_batches(self.train.targets, self.config, 0)[:_PROBES]:
                began = time.perf_counter()
                self.of_step(positions, epoch=0)
                _wait_for(self.device)
                times.append(time.perf_counter() - began)
        return min(times)

    def _largest_part(self) -> int:
        """The most images of this process's share of a step that fit at once."""
        whole = min(self.config.batch_size * self.config.accumulation, len(self.train.targets))
        most = -(-whole // self.ranks.world)
        with self._without_effect():
            if self.device.type != "cpu":
                with self._with_optimizer():
                    return largest_part(self._pass, most)
            kept = kept_bytes(self.state.model, lambda: self._pass(2)) / 2
            return largest_part(
                self._pass, min(most, images_that_fit(kept, free_memory_bytes()) or most)
            )

    def _pass(self, count: int) -> None:
        """Gradients of so many images at once, of this process alone."""
        setup, positions = self.state.setup, np.arange(min(count, len(self.train.targets)))
        before, setup.images_at_once = setup.images_at_once, count
        try:
            self._of_parts(positions, torch.ones((), device=self.device), 0, _NOTHING)
        finally:
            setup.images_at_once = before

    @contextmanager
    def _with_optimizer(self) -> Iterator[None]:
        """With the memory that the optimizer will take; no weight changes."""
        optimizer = self.state.optimizer
        if optimizer.state:  # it has taken it
            yield
            return
        for group in optimizer.param_groups:
            group["lr"] = 0.0  # is set anew before each step
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        try:
            optimizer.step()
            yield
        except torch.OutOfMemoryError as err:
            raise too_little_memory() from err
        finally:
            optimizer.state.clear()

    @contextmanager
    def _without_effect(self) -> Iterator[None]:
        """In training mode; afterwards statistics, gradients and counts are as before."""
        state = self.state
        before = {name: buffer.clone() for name, buffer in state.model.named_buffers()}
        state.model.train()
        try:
            yield
        finally:
            state.optimizer.zero_grad(set_to_none=True)
            state.waiting_s = 0.0
            with torch.no_grad():
                for name, buffer in state.model.named_buffers():
                    buffer.copy_(before[name])
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
