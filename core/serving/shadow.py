"""A model that runs silently beside the one that answers: where both disagree is kept and listed.

It never answers and never delays: it takes one image at a time, after the answer was given, and
passes over requests while too many of its own wait.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.api.models import prediction_as_json
from core.api.values import JsonObject
from core.domain.ids import utc_now
from core.domain.models import Prediction
from core.domain.record import in_utc
from core.errors import ConfigError
from core.evaluation.decisions.part_decisions import part_results
from core.files import Cell, csv_lines
from core.serving.engine import Engine, SentImage, ServedModel

MOST_WAITING, LISTED = 64, 200
COLUMNS = (
    "time (UTC)",
    "image",
    "part",
    "class",
    "confidence",
    "decision",
    "shadow class",
    "shadow confidence",
    "shadow decision",
)


class Compared(StrEnum):
    """What became of an image or part in the comparison; the values are labels of metrics."""

    SAME = "same"
    DIFFERENT = "different"
    SKIPPED = "skipped"  # too many waited


@dataclass(frozen=True)
class Disagreement:
    """An image that both models say something else of, or decide otherwise."""

    at: float
    ours: Prediction
    shadows: Prediction

    def as_json(self) -> JsonObject:
        """Both answers, in the form of every prediction."""
        return {
            "at": in_utc(self.at),
            "answered": prediction_as_json(self.ours),
            "shadow": prediction_as_json(self.shadows),
        }

    def as_row(self) -> list[Cell]:
        """In the order of `COLUMNS`."""
        said = [
            cell
            for item in (self.ours, self.shadows)
            for cell in (item.class_name or item.error, item.confidence, item.decision)
        ]
        return [in_utc(self.at), self.ours.path, self.ours.part, *said]


@dataclass(frozen=True)
class _Request:
    images: Sequence[SentImage]
    answers: Sequence[Prediction]


class Shadow:
    """Runs a model on what another one has answered."""

    def __init__(self, model: ServedModel, beside: ServedModel, log: Path | None = None) -> None:
        """Prepare.

        Args:
            model: that runs silently.
            beside: that answers.
            log: CSV file that disagreements are appended to; None: only the newest are kept.

        Raises:
            ConfigError: if the file cannot be written.
        """
        self.model, self.beside = model, beside
        self._log = log
        self._waiting: deque[_Request] = deque()
        self._came = asyncio.Event()
        self.images: Counter[Compared] = Counter()
        self.parts: Counter[Compared] = Counter()
        self.newest: deque[Disagreement] = deque(maxlen=LISTED)
        if log is not None:
            self._begin(log)

    def offer(
        self, model: ServedModel, images: Sequence[SentImage], answers: Sequence[Prediction]
    ) -> None:
        """What was answered; taken up later, or passed over while too much waits."""
        if model is not self.beside:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.images[Compared.SKIPPED] += len(images)
            return
        self._waiting.append(_Request(images, answers))
        self._came.set()

    async def run(self, engine: Engine) -> None:
        """Compare until cancelled."""
        while True:
            await self._came.wait()
            while self._waiting:
                request = self._waiting.popleft()
                shadows = [await engine.one(self.model, image) for image in request.images]
                self._compare(request, shadows)
            self._came.clear()

    def as_json(self) -> JsonObject:
        """Counts since the start, and the newest disagreements, newest first."""
        return {
            "model": self.beside.name,
            "shadow": self.model.name,
            "shadow_sha256": self.model.sha256,
            "images": {kind.value: self.images[kind] for kind in Compared},
            "parts": {kind.value: self.parts[kind] for kind in (Compared.SAME, Compared.DIFFERENT)},
            "disagreements": [item.as_json() for item in reversed(self.newest)],
        }

    def _compare(self, request: _Request, shadows: Sequence[Prediction]) -> None:
        for ours, other in zip(request.answers, shadows, strict=True):
            is_same = (ours.class_name, ours.decision) == (other.class_name, other.decision)
            self.images[Compared.SAME if is_same else Compared.DIFFERENT] += 1
            if not is_same:
                self._keep(Disagreement(utc_now(), ours, other))
        decided = zip(
            part_results(request.answers, self.beside.rule),
            part_results(shadows, self.model.rule),
            strict=True,
        )
        for one, two in decided:
            is_same = one.decision is two.decision
            self.parts[Compared.SAME if is_same else Compared.DIFFERENT] += 1

    def _keep(self, found: Disagreement) -> None:
        self.newest.append(found)
        if self._log is not None:
            # Why suppressed: a full disk must not end what answers the line; the list has it.
            with contextlib.suppress(OSError), self._log.open("ab") as file:
                file.write(list(csv_lines([COLUMNS, found.as_row()]))[1])

    def _begin(self, log: Path) -> None:
        try:
            if not log.exists() or not log.stat().st_size:
                log.write_bytes(next(csv_lines([COLUMNS])))
        except OSError as err:
            raise ConfigError(
                f"{log} cannot be written: {err.strerror or err}.",
                "Choose a file in a folder that exists.",
            ) from err
