"""The training loop: plain PyTorch; knows no database, no page.

All randomness is a function of (seed, epoch, step, sample), so a checkpoint needs no random state
and a resumed run ends bit-exactly where an undisturbed one does.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.domain.configs.choices import Precision
from core.domain.configs.train import TrainConfig
from core.domain.training import EpochMetrics
from core.errors import TrainingError
from core.training.evaluation import EvaluatedEpoch, Measures, measures, memory_mb, selection_score
from core.training.loop.gradients import StepGradients
from core.training.loop.losses import ImageLoss, image_loss
from core.training.loop.order import batch_count, epoch_batches, part_of_rank
from core.training.loop.plan import Pace, expected_seconds, planned_steps
from core.training.loop.ranks import ALONE, Ranks
from core.training.loop.setup import Setup
from core.training.loop.state import START, FitState, averaged, has_epochs_left
from core.training.loop.steps import learning_rate, set_learning_rate

_CHECK_EVERY = 20  # steps between two looks at the loss on a GPU, each of which waits for it


class Examples(Protocol):
    """Labelled inputs, by position."""

    targets: NDArray[np.int64]
    axes: tuple[int, int] | None  # height and width of a batch of inputs, where they have some

    def inputs(self, positions: NDArray[np.intp], *, epoch: int | None) -> Tensor:
        """Inputs [B, …] of these positions; `epoch` selects the augmentation, None means none."""
        ...


class Checkpoints(Protocol):
    """Where the state of a training is kept."""

    def save(self, state: dict[str, Any], *, urgent: bool) -> None:
        """Keep a state, if enough time has passed or it is urgent."""
        ...

    def load(self) -> dict[str, Any] | None:
        """The newest state that can be read, if there is one."""
        ...


def fit(
    state: FitState,
    train: Examples,
    validation: Examples,
    config: TrainConfig,
    *,
    class_count: int,
    device: torch.device,
    checkpoints: Checkpoints,
    should_stop: Callable[[], bool],
    on_step: Callable[[int, int], None],
    on_plan: Callable[[int, float], None] = lambda _steps, _seconds: None,
    on_setup: Callable[[Setup], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
    known_precision: Precision | None = None,
    factors: Sequence[float] = (),
    ranks: Ranks = ALONE,
) -> Iterator[EvaluatedEpoch]:
    """Train until the last epoch, the time limit, early stopping or a stop request.

    Yields a line for each evaluated epoch; first one for epoch -1 where the head was solved before.
    Afterwards `state.best_weights` holds the epoch with the best validation measure (the lower
    loss where equal), and `state.stopped` tells whether a request ended it; a checkpoint was saved
    then.

    Args:
        state: from `new_state`, or restored.
        train: examples to learn from.
        validation: examples to choose the epoch by.
        config: epochs, batch size, optimizer and so on.
        class_count: number of classes C.
        device: where the model is.
        checkpoints: where states are kept.
        should_stop: asked after every step.
        on_step: called with (steps done, steps in all).
        on_plan: called once before the first step with (steps in all, seconds expected).
        on_setup: called before the first step, also of a resumed run, with how steps are computed.
        warn: told what was asked for and cannot be had.
        known_precision: the faster one, where it was measured before on this machine.
        factors: [C], penalty of each class; empty: 1.
        ranks: the processes that train together; all call this with the same arguments, and only
            the first one saves.

    Raises:
        TrainingError: if the loss became NaN or infinite.
    """
    penalties = np.array(factors or [1.0] * class_count, np.float32)
    loss = image_loss(train.targets, config, penalties).to(device)
    loop = _Loop(state, train, validation, config, loss, device, class_count, ranks)
    batches = batch_count(len(train.targets), config)
    state.steps_done = state.steps_done or state.epoch * batches + state.step
    if config.start_from_head and not state.is_started:
        yield loop.evaluated(START, float("nan"))
    state.is_started = True
    if has_epochs_left(state, config):
        loop.gradients.decide(known_precision, warn)
        on_setup(state.setup)
    if has_epochs_left(state, config) and not state.total_steps:
        on_plan(*loop.plan(batches))
    while has_epochs_left(state, config):
        state.model.train()
        steps = epoch_batches(train.targets, config, state.epoch)[state.step :]
        for positions, following in zip_longest(steps, steps[1:]):
            loop.train_step(positions, batches, following)
            on_step(state.steps_done, state.total_steps)
            if ranks.any(should_stop()):
                state.stopped = True
                loop.save(checkpoints, urgent=True)
                return
            if state.steps_done >= state.total_steps or loop.is_out_of_time():
                break
            if state.step < batches:
                loop.save(checkpoints, urgent=False)
        line = loop.close_epoch(batches)
        if line is not None:
            yield line
        loop.save(checkpoints, urgent=False)


def predict_logits(
    model: nn.Module,
    examples: Examples,
    device: torch.device,
    *,
    batch_size: int = 64,
    positions: NDArray[np.intp] | None = None,
) -> Tensor:
    """Logits [N, C] of all examples or of these positions, not augmented, on the CPU."""
    model.eval()
    wanted = np.arange(len(examples.targets)) if positions is None else positions
    rows, start = [], 0
    with torch.inference_mode():
        while start < len(wanted):
            part = wanted[start : start + batch_size]
            try:
                rows.append(model(examples.inputs(part, epoch=None).to(device)).float().cpu())
            except torch.OutOfMemoryError:
                if batch_size == 1:
                    raise
                batch_size //= 2
                continue
            start += len(part)
    return torch.cat(rows)


@dataclass
class _Loop:
    """One training with what it trains on; `state` is all that changes."""

    state: FitState
    train: Examples
    validation: Examples
    config: TrainConfig
    loss: ImageLoss
    device: torch.device
    class_count: int
    ranks: Ranks

    def __post_init__(self) -> None:
        self.gradients = StepGradients(
            self.state, self.train, self.config, self.loss, self.device, self.ranks
        )
        self._is_random = _draws_at_random(self.state.model)
        self._evaluation_s = 0.0

    def plan(self, batches: int) -> tuple[int, float]:
        """Steps in all and seconds they will take, by the time of a few steps without effect."""
        state, config = self.state, self.config
        pace = Pace(self.gradients.seconds(), self._evaluation_s)
        steps = planned_steps(
            config, batches, done=state.steps_done, elapsed_s=state.elapsed_s, pace=pace
        )
        state.total_steps = self.ranks.agreed(steps)
        left = state.total_steps - state.steps_done
        return state.total_steps, expected_seconds(config, batches, left, pace)

    def train_step(
        self, positions: NDArray[np.intp], batches: int, following: NDArray[np.intp] | None
    ) -> None:
        """One step of the optimizer on these images; those of the following one are begun with."""
        state, config = self.state, self.config
        began = time.perf_counter()
        if self._is_random:
            # Why: dropout must not depend on how often the run was resumed.
            seed = (config.seed * 1_000_003 + state.epoch) * 1_000_003 + state.step
            torch.manual_seed((seed * 64 + self.ranks.rank) % 2**63)
        set_learning_rate(
            state.optimizer, learning_rate(state.steps_done, batches, config, state.total_steps)
        )
        loss = self.gradients.of_step(positions, epoch=state.epoch, following=following)
        if config.gradient_clipping > 0:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.model.parameters(), config.gradient_clipping)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        self.ranks.mean_statistics(state.model)
        if state.average:
            state.average.update(state.model, state.steps_done)
        state.loss_sum = state.loss_sum + loss * len(positions)
        state.images += len(positions)
        state.step, state.steps_done = state.step + 1, state.steps_done + 1
        if self.device.type == "cpu" or state.steps_done % _CHECK_EVERY == 0:
            self._refuse_diverged()
        spent = time.perf_counter() - began
        state.seconds, state.elapsed_s = state.seconds + spent, state.elapsed_s + spent

    def is_out_of_time(self) -> bool:
        """Whether the time limit has come; the plan then ends here."""
        limit = self.config.minutes * 60
        late = self.ranks.any(limit > 0 and self.state.elapsed_s > limit)
        if late:
            self.state.total_steps = self.state.steps_done
        return late

    def _refuse_diverged(self) -> None:
        if np.isfinite(float(self.state.loss_sum)):
            return
        rate = self.config.learning_rate
        raise TrainingError(
            f"Training diverged in epoch {self.state.epoch + 1}: the loss became NaN (not a "
            "number) or infinite.",
            f"Use a smaller learning rate, for example {rate / 10:.2g} instead of {rate:.2g}, a "
            "longer warm-up or gradient clipping of 1.",
        )

    def save(self, checkpoints: Checkpoints, *, urgent: bool) -> None:
        """Keep the state, which must be one that can go on."""
        self._refuse_diverged()
        if self.ranks.is_first:
            checkpoints.save(self.state.to_checkpoint(), urgent=urgent)

    def close_epoch(self, batches: int) -> EvaluatedEpoch | None:
        """Count an epoch and evaluate it if it is its turn."""
        state, config = self.state, self.config
        self._refuse_diverged()
        pace = Pace(state.seconds / max(1, state.step), self._evaluation_s)
        state.epoch, state.step = state.epoch + 1, 0
        is_last = not has_epochs_left(state, config)
        if state.epoch % config.evaluation_interval and not is_last:
            self._forget_epoch()
            return None
        line = self.evaluated(state.epoch - 1, float(state.loss_sum) / max(1, state.images))
        if config.minutes > 0 and not is_last:
            pace = Pace(pace.step_s, self._evaluation_s)
            steps = planned_steps(
                config, batches, done=state.steps_done, elapsed_s=state.elapsed_s, pace=pace
            )
            state.total_steps = self.ranks.agreed(max(steps, state.steps_done))
        self._forget_epoch()
        return line

    def _forget_epoch(self) -> None:
        state = self.state
        state.loss_sum, state.images = 0.0, 0
        state.seconds, state.waiting_s = 0.0, 0.0

    def evaluated(self, epoch: int, train_loss: float) -> EvaluatedEpoch:
        """Measure the weights of now, and keep them if they are the best so far."""
        began = time.perf_counter()
        state, config = self.state, self.config
        with averaged(state), _as_written(compiled=bool(state.setup.is_compiled)):
            logits = self._logits(self.validation)
            measured = measures(logits, self.validation.targets, self.class_count)
            of_training = self._training_accuracy()
        targets = torch.from_numpy(self.validation.targets)
        val_loss = float(self.loss.cpu()(logits, targets))
        self.loss.to(self.device)
        key = (selection_score(measured, config.selection), -val_loss)
        is_best = key > state.best_key
        if is_best:
            state.best_key, state.best_epoch = key, epoch
            state.best_weights = state.evaluated_weights()
        self._evaluation_s = time.perf_counter() - began
        state.elapsed_s += self._evaluation_s
        return EvaluatedEpoch(
            self._line(epoch, train_loss, val_loss, measured, of_training, is_best), logits
        )

    def _line(
        self,
        epoch: int,
        train_loss: float,
        val_loss: float,
        measured: Measures,
        of_training: float | None,
        is_best: bool,
    ) -> EpochMetrics:
        state, batches = self.state, batch_count(len(self.train.targets), self.config)
        last_step = max(0, state.steps_done - 1)
        return EpochMetrics(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=val_loss,
            val_accuracy=measured.accuracy,
            val_macro_f1=measured.macro_f1,
            learning_rate=learning_rate(last_step, batches, self.config, state.total_steps or None),
            duration_s=state.seconds + self._evaluation_s,
            is_best=is_best,
            val_macro_recall=measured.macro_recall,
            val_log_loss=measured.log_loss,
            train_accuracy=of_training,
            images_per_second=state.images / state.seconds if state.seconds > 0 else None,
            memory_mb=memory_mb(self.device),
            seconds_waiting_for_data=state.waiting_s,
        )

    def _logits(self, examples: Examples, positions: NDArray[np.intp] | None = None) -> Tensor:
        every = np.arange(len(examples.targets)) if positions is None else positions
        own = part_of_rank(every, self.ranks.rank, self.ranks.world)
        rows = (
            predict_logits(self.state.model, examples, self.device, positions=own)
            if len(own)
            else torch.empty(0, self.class_count)
        )
        return self.ranks.gathered(rows, len(every))

    def _training_accuracy(self) -> float | None:
        """Accuracy on evenly chosen training images, as many as there are for validation."""
        if not self.config.training_measure:
            return None
        n = len(self.train.targets)
        count = min(n, len(self.validation.targets))
        chosen = np.linspace(0, n - 1, count).astype(np.intp)
        predicted = self._logits(self.train, chosen).argmax(1).numpy()
        return float((predicted == self.train.targets[chosen]).mean())


def _as_written(*, compiled: bool) -> AbstractContextManager[object]:
    """Without the compiled network, which would be compiled again for each shape of a batch."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def _draws_at_random(model: nn.Module) -> bool:
    """Whether a forward pass in training draws numbers: dropout, or dropped paths."""
    return any(
        (getattr(module, name, 0.0) or 0.0) > 0
        for module in model.modules()
        for name in ("p", "drop_prob", "drop_rate")
        if isinstance(getattr(module, name, 0.0), int | float)
    )
