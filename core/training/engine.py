"""The training loop: plain PyTorch; knows no database, no process, no page.

All randomness is a function of (seed, epoch, step, sample), so a checkpoint needs no random state
and a resumed run ends bit-exactly where an undisturbed one does.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.domain.configs.choices import OptimizerName, ScheduleName
from core.domain.configs.train import TrainConfig
from core.domain.training import EpochMetrics
from core.errors import TrainingError
from core.training.evaluation import EvaluatedEpoch, measures, memory_mb

_WARM_UP_FRACTION = 0.05


class Examples(Protocol):
    """Labelled inputs, by position."""

    targets: NDArray[np.int64]

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


@dataclass
class FitState:
    """The progress of a training; everything a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    waiting_s: float = 0.0
    best_key: tuple[float, float] = (-1.0, 0.0)
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stopped: bool = False

    def to_checkpoint(self) -> dict[str, Any]:
        """Tensors and numbers only, so that it loads without unpickling code."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss_sum": self.loss_sum,
            "seconds": self.seconds,
            "waiting_s": self.waiting_s,
            "best_key": list(self.best_key),
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss_sum, self.seconds = state["loss_sum"], state["seconds"]
        self.waiting_s = state.get("waiting_s", 0.0)
        self.best_key = (state["best_key"][0], state["best_key"][1])
        self.best_epoch, self.best_weights = state["best_epoch"], state["best_weights"]


def new_state(model: nn.Module, config: TrainConfig, device: torch.device) -> FitState:
    """A training that has not begun."""
    return FitState(
        model=model,
        optimizer=_optimizer(model, config),
        scaler=torch.amp.GradScaler(device.type, enabled=_precision(device) is torch.float16),
    )


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
) -> Iterator[EvaluatedEpoch]:
    """Train until the last epoch, early stopping or a stop request; yields one line per epoch.

    Afterwards `state.best_weights` holds the epoch with the best validation macro F1 (the lower
    loss where equal), and `state.stopped` tells whether a request ended it; a
    checkpoint was saved then.

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

    Raises:
        TrainingError: if the loss became NaN or infinite.
    """
    loss_function = _loss(train.targets, config, class_count, device)
    batches = _batch_count(len(train.targets), config.batch_size)
    while has_epochs_left(state, config):
        started = time.perf_counter() - state.seconds
        order = _permutation(len(train.targets), config.seed, state.epoch)
        for positions in np.array_split(order, batches)[state.step :]:
            step_size = learning_rate(state.epoch * batches + state.step, batches, config)
            loss = _train_step(state, train, positions, loss_function, step_size, config, device)
            state.loss_sum += loss * len(positions)
            state.step += 1
            state.seconds = time.perf_counter() - started
            on_step(state.epoch * batches + state.step, config.epochs * batches)
            if should_stop():
                state.stopped = True
                checkpoints.save(state.to_checkpoint(), urgent=True)
                return
            if state.step < batches:
                checkpoints.save(state.to_checkpoint(), urgent=False)
        yield _close_epoch(state, train, validation, loss_function, config, class_count, device)
        checkpoints.save(state.to_checkpoint(), urgent=False)


def learning_rate(step: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """The learning rate of a step: a short warm-up, then cosine to zero, or steps by ten."""
    total = max(1, steps_per_epoch * config.epochs)
    warm_up = int(_WARM_UP_FRACTION * total)
    if step < warm_up:
        return config.learning_rate * (step + 1) / (warm_up + 1)
    progress = step / total
    match config.schedule:
        case ScheduleName.COSINE:
            factor = 0.5 * (1 + math.cos(math.pi * progress))
        case ScheduleName.STEP:
            factor = 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
        case _:
            assert_never(config.schedule)
    return config.learning_rate * factor


def predict_logits(
    model: nn.Module, examples: Examples, device: torch.device, *, batch_size: int = 64
) -> Tensor:
    """Logits [N, C] of all examples, without augmentation, on the CPU."""
    model.eval()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(examples.targets), batch_size):
            stop = min(start + batch_size, len(examples.targets))
            inputs = examples.inputs(np.arange(start, stop), epoch=None).to(device)
            rows.append(model(inputs).float().cpu())
    return torch.cat(rows)


def _train_step(
    state: FitState,
    train: Examples,
    positions: NDArray[np.intp],
    loss_function: nn.Module,
    step_size: float,
    config: TrainConfig,
    device: torch.device,
) -> float:
    # Why: dropout must not depend on how often the run was resumed.
    seed = (config.seed * 1_000_003 + state.epoch) * 1_000_003 + state.step
    torch.manual_seed(seed % 2**63)
    state.model.train()
    for group in state.optimizer.param_groups:
        group["lr"] = step_size
    asked_at = time.perf_counter()
    inputs = train.inputs(positions, epoch=state.epoch).to(device)
    state.waiting_s += time.perf_counter() - asked_at
    targets = torch.from_numpy(train.targets[positions]).to(device)
    precision = _precision(device)
    with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
        loss = loss_function(state.model(inputs), targets)
    if not torch.isfinite(loss):
        raise TrainingError(
            f"Training diverged in epoch {state.epoch + 1}: the loss became NaN (not a number).",
            "Use a smaller learning rate, for example one tenth of this one.",
        )
    state.optimizer.zero_grad(set_to_none=True)
    state.scaler.scale(loss).backward()
    state.scaler.step(state.optimizer)
    state.scaler.update()
    return float(loss.detach())


def _close_epoch(
    state: FitState,
    train: Examples,
    validation: Examples,
    loss_function: nn.Module,
    config: TrainConfig,
    class_count: int,
    device: torch.device,
) -> EvaluatedEpoch:
    started = time.perf_counter()
    logits = predict_logits(state.model, validation, device)
    targets = torch.from_numpy(validation.targets)
    val_loss = float(loss_function.cpu()(logits, targets))
    loss_function.to(device)
    measured = measures(logits, validation.targets, class_count)
    key = (measured.macro_f1, -val_loss)
    is_best = key > state.best_key
    if is_best:
        state.best_key, state.best_epoch = key, state.epoch
        state.best_weights = {
            k: v.detach().cpu().clone() for k, v in state.model.state_dict().items()
        }
    batches = _batch_count(len(train.targets), config.batch_size)
    metrics = EpochMetrics(
        epoch=state.epoch,
        train_loss=state.loss_sum / len(train.targets),
        val_loss=val_loss,
        val_accuracy=measured.accuracy,
        val_macro_f1=measured.macro_f1,
        learning_rate=learning_rate(state.epoch * batches, batches, config),
        duration_s=state.seconds + time.perf_counter() - started,
        is_best=is_best,
        val_macro_recall=measured.macro_recall,
        val_log_loss=measured.log_loss,
        images_per_second=len(train.targets) / state.seconds,
        memory_mb=memory_mb(device),
        seconds_waiting_for_data=state.waiting_s,
    )
    state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
    state.seconds, state.waiting_s = 0.0, 0.0
    return EvaluatedEpoch(metrics, logits)


def _batch_count(n: int, batch_size: int) -> int:
    # Why at least two images in each: batch normalization cannot learn from one.
    return max(1, min(math.ceil(n / batch_size), n // 2))


def _permutation(n: int, seed: int, epoch: int) -> NDArray[np.intp]:
    return np.random.default_rng((seed, epoch)).permutation(n)


def should_stop_early(state: FitState, config: TrainConfig) -> bool:
    """Whether the measure has not improved for as many epochs as the config allows."""
    return 0 < config.patience <= state.epoch - 1 - state.best_epoch


def has_epochs_left(state: FitState, config: TrainConfig) -> bool:
    """Whether there is anything left to train."""
    return state.epoch < config.epochs and not should_stop_early(state, config)


class WeightedCrossEntropy(nn.Module):
    """Mean cross-entropy with smoothed targets, each image weighted by its true class.

    Why not torch's own: with both, it weights the smoothed part of a target by the classes that it
    is spread over, so that a rare class with a large weight draws every image towards itself.

    Args:
        weights: [C], above 0.
        label_smoothing: share of each target that is spread evenly over all classes, in [0, 1).
    """

    weights: Tensor

    def __init__(self, weights: Tensor, label_smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits [B, C] and class indices [B] to a number."""
        losses = nn.functional.cross_entropy(
            logits, targets, reduction="none", label_smoothing=self.label_smoothing
        )
        weights = self.weights[targets]
        return (losses * weights).sum() / weights.sum()


def _loss(
    targets: NDArray[np.int64], config: TrainConfig, class_count: int, device: torch.device
) -> nn.Module:
    counts = np.maximum(np.bincount(targets, minlength=class_count), 1)
    weights = torch.tensor(counts**-config.class_weights.power, dtype=torch.float32)
    return WeightedCrossEntropy(weights, config.label_smoothing).to(device)


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    # Why: decaying biases and normalization weights only hurts.
    decayed = [p for p in model.parameters() if p.ndim > 1 and p.requires_grad]
    plain = [p for p in model.parameters() if p.ndim <= 1 and p.requires_grad]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    match config.optimizer:
        case OptimizerName.ADAMW:
            return torch.optim.AdamW(groups, lr=config.learning_rate)
        case OptimizerName.SGD:
            return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
        case _:
            assert_never(config.optimizer)


def _precision(device: torch.device) -> torch.dtype | None:
    if device.type != "cuda":  # half precision is emulated on CPUs, up to 100 times slower
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
