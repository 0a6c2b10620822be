"""Checkpoints on disk: written whole or not at all; the newest intact one is used."""

import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from core.errors import TrainingError
from core.files import atomic_write

KEEP = 3
EVERY_S = 20.0
_SHA_BYTES = 32


class CheckpointFolder:
    """Checkpoints of one run: `000012.ckpt`, each with its sha256 in front."""

    def __init__(
        self,
        folder: Path,
        *,
        every_s: float = EVERY_S,
        before_save: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the folder of a run, and make it.

        Args:
            folder: of its checkpoints.
            every_s: seconds between two of them, unless one is urgent.
            before_save: stores what a state takes for stored, such as its epochs: a run that goes
                on from it does not make them again.
        """
        self._folder = folder
        self._every_s = every_s
        self._before_save = before_save
        self._last_save = time.monotonic()
        self.damaged: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.partial"):
            leftover.unlink()

    def save(self, state: dict[str, Any], *, urgent: bool) -> None:
        """Write a state if the last one is old enough, or at once if urgent.

        Raises:
            TrainingError: if the disk is full or cannot be written.
        """
        if not urgent and time.monotonic() - self._last_save < self._every_s:
            return
        self._before_save()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        numbers = [int(path.stem) for path in self._newest_first()]
        target = self._folder / f"{max(numbers, default=0) + 1:06d}.ckpt"
        try:
            with atomic_write(target) as partial, partial.open("wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
        except OSError as err:
            raise TrainingError(
                f"The checkpoint could not be written: {err.strerror or err}.",
                "Free some disk space, then resume the run from its last checkpoint.",
            ) from err
        self._last_save = time.monotonic()
        for old in self._newest_first()[KEEP:]:
            old.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest state whose checksum is right; damaged files are added to `damaged`."""
        for path in self._newest_first():
            content = path.read_bytes()
            body = memoryview(content)[_SHA_BYTES:]
            if content[:_SHA_BYTES] == hashlib.sha256(body).digest():
                return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
            self.damaged.append(path)
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("*.ckpt"), reverse=True)
