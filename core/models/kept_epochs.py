"""Checkpoints that stay: weights of single epochs, of which models can be made. Without torch."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load, save

from core.domain.configs.train import TrainConfig
from core.domain.training import Checkpoint, CheckpointKind
from core.errors import NotFoundError, TrainingError
from core.files import atomic_write
from core.models.bundle import Tensors

_ENDING = ".weights"
_SHA_BYTES = 32


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
        content = save(weights)
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


def read_checkpoint(folder: Path, key: str) -> tuple[Checkpoint, Tensors]:
    """A kept checkpoint and its weights.

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
            return checkpoint, load(content[_SHA_BYTES:])
    raise NotFoundError(
        f"The run keeps no checkpoint '{key}'.", "`touchstone runs show RUN` lists those it has."
    )
