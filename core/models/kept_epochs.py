"""Checkpoints that stay: weights of single epochs, of which models can be made. Without torch."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from core.domain.configs.train import TrainConfig
from core.domain.training import Checkpoint, CheckpointKind
from core.errors import NotFoundError, TrainingError
from core.files import atomic_write
from core.models.bundle import Tensors

_ENDING = ".weights"
_SHA_BYTES = 32
# A file without it was written by an earlier version, which stored kernels as they lay in memory.
_ROW_ORDER = {"order": "rows"}


@dataclass(frozen=True)
class KeptEpochs:
    """The kept checkpoints of one run: `interval-000012.weights`, each with its sha256 in front."""

    folder: Path
    config: TrainConfig

    def after_epoch(self, epoch: int, weights: Callable[[], Tensors]) -> None:
        """Keep an evaluated epoch if it is its turn; the oldest beyond the limit are deleted.

        Args:
            epoch: from 0.
            weights: of the whole network, as they were evaluated.

        Raises:
            TrainingError: if the file cannot be written.
        """
        if not is_due(epoch, self.config):
            return
        self._write(CheckpointKind.INTERVAL, epoch, weights())
        mine = [c for c in kept_checkpoints(self.folder) if c.kind is CheckpointKind.INTERVAL]
        for old in mine[: -self.config.checkpoint_limit]:
            self._path(old).unlink(missing_ok=True)

    def at_the_end(self, kind: CheckpointKind, epoch: int, weights: Tensors) -> None:
        """Keep the best or the last epoch of a run that is over, where that was asked for.

        Raises:
            TrainingError: if the file cannot be written.
        """
        if self.config.checkpoint_ends:
            self._write(kind, epoch, weights)

    def drop_from(self, epoch: int) -> None:
        """Remove what lies at or after an epoch: a resumed run writes it again."""
        for checkpoint in kept_checkpoints(self.folder):
            if checkpoint.epoch >= epoch:
                self._path(checkpoint).unlink(missing_ok=True)

    def _path(self, checkpoint: Checkpoint) -> Path:
        return self.folder / f"{checkpoint.key}{_ENDING}"

    def _write(self, kind: CheckpointKind, epoch: int, weights: Tensors) -> None:
        # Why: the library writes the memory of an array, whatever order its axes have in it.
        content = save({name: np.asarray(v, order="C") for name, v in weights.items()}, _ROW_ORDER)
        target = self._path(Checkpoint(kind, epoch, 0, 0.0))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as partial, partial.open("wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
        except OSError as err:
            raise TrainingError(
                f"The checkpoint of epoch {epoch + 1} could not be kept: {err.strerror or err}.",
                "Free some disk space, then resume the run from its last saved state.",
            ) from err


def is_due(epoch: int, config: TrainConfig) -> bool:
    """Whether an evaluated epoch, from 0, is the first one since a multiple of the interval."""
    if config.checkpoint_interval <= 0 or epoch < 0:
        return False
    before = max(0, epoch + 1 - config.evaluation_interval)
    return (epoch + 1) // config.checkpoint_interval > before // config.checkpoint_interval


def kept_checkpoints(folder: Path) -> list[Checkpoint]:
    """The kept checkpoints of a run in the order of their epochs, by the names of the files."""
    found = []
    for path in folder.glob(f"*{_ENDING}"):
        kind, _, number = path.stem.partition("-")
        if kind in tuple(CheckpointKind) and number.isdecimal():
            status = path.stat()
            found.append(
                Checkpoint(CheckpointKind(kind), int(number) - 1, status.st_size, status.st_mtime)
            )
    return sorted(found, key=lambda checkpoint: (checkpoint.epoch, checkpoint.kind))


def read_checkpoint(
    folder: Path, key: str, pretrained: Callable[[], Tensors]
) -> tuple[Checkpoint, Tensors]:
    """A kept checkpoint and its weights.

    Args:
        folder: of the run.
        key: of the checkpoint.
        pretrained: the weights of the network before any training, by which the kernels that an
            earlier version stored are put in order.

    Raises:
        NotFoundError: if there is none of this key.
        TrainingError: if the file is damaged.
    """
    for checkpoint in kept_checkpoints(folder):
        if checkpoint.key == key:
            content = (folder / f"{key}{_ENDING}").read_bytes()
            if hashlib.sha256(content[_SHA_BYTES:]).digest() != content[:_SHA_BYTES]:
                raise TrainingError(
                    f"The checkpoint of epoch {checkpoint.epoch + 1} is damaged.",
                    "Choose another one.",
                )
            weights = load(content[_SHA_BYTES:])
            if not _is_in_row_order(content[_SHA_BYTES:]):
                weights = _in_row_order(weights, pretrained())
            return checkpoint, weights
    raise NotFoundError(
        f"The run keeps no checkpoint '{key}'.", "`touchstone runs show RUN` lists those it has."
    )


def _is_in_row_order(content: bytes) -> bool:
    length = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    return all(about.get(name) == value for name, value in _ROW_ORDER.items())


def _in_row_order(weights: Tensors, pretrained: Tensors) -> Tensors:
    """Weights of a file whose kernels [O, I, H, W] may have been written as [O, H, W, I].

    Training moves a kernel by far less than a wrong order of its axes does, so it is read in the
    order in which it is nearer to the pretrained one.
    """
    ordered = dict(weights)
    for name, stored in weights.items():
        before = pretrained.get(name)
        if stored.ndim != 4 or before is None or before.shape != stored.shape:
            continue
        outputs, inputs, height, width = stored.shape
        turned = stored.reshape(outputs, height, width, inputs).transpose(0, 3, 1, 2)
        if _distance(turned, before) < _distance(stored, before):
            ordered[name] = np.ascontiguousarray(turned)
    return ordered


def _distance(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    return float(np.linalg.norm(one.astype(np.float32) - other.astype(np.float32)))
