"""Images of requests through models: decoded in other processes, computed side by side.

What waits is bounded: a request beyond it is refused at once, with the time after which it is worth
another try, so that a burst neither fills the memory nor delays those before it.
"""

import asyncio
import contextlib
import io
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from loky import ProcessPoolExecutor
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import (
    ITEM_TIMEOUT_S,
    MEMORY_LIMIT_BYTES,
    limit_process,
    worker_count,
)
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.models import Prediction
from core.errors import TouchstoneError, UnreadableImageError
from core.evaluation.decisions.rule import DecisionRule
from core.inference.predictor import Predictor

_ATTEMPTS = 2  # an image may be lost with a process that another one crashed
_FIRST_GUESS_S = 0.02  # an image takes, before any was measured


@dataclass(frozen=True)
class ServedModel:
    """A model that answers; `sha256` is that of its weights and description without the rule."""

    id: str
    name: str
    sha256: str
    predictor: Predictor
    rule: DecisionRule | None


@dataclass(frozen=True)
class SentImage:
    """An image of a request, and the part that it shows; None: it stands alone."""

    name: str
    content: bytes
    part: str | None = None


class BusyError(TouchstoneError):
    """More images wait than may; `retry_after_s` are whole seconds."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(
            f"{waiting} images are waiting already.",
            f"Try again in {retry_after_s} s, or send fewer images at once.",
        )
        self.retry_after_s = retry_after_s


class Engine:
    """Predicts the images of requests; one for all models of a server."""

    def __init__(self, *, most_waiting: int) -> None:
        """Prepare; `most_waiting` images may be under way or wait at a time."""
        self._most_waiting = most_waiting
        self._waiting = 0
        self._image_s = _FIRST_GUESS_S
        self._decoders = self._new_decoders()
        # Why a thread: to begin an image waits while the processor is busy.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="begin")

    @property
    def waiting(self) -> int:
        """Images that are under way or wait."""
        return self._waiting

    def close(self) -> None:
        """End the helper processes and threads."""
        self._starter.shutdown(wait=False, cancel_futures=True)
        self._decoders.shutdown(wait=True, kill_workers=True)

    def refuse_if_full(self, images: int = 1) -> None:
        """Refuse so many images more if there is no room for them.

        Raises:
            BusyError: with the time after which there will be room.
        """
        if self._waiting + images > self._most_waiting:
            seconds = self._waiting * self._image_s
            raise BusyError(self._waiting, max(1, math.ceil(seconds)))

    async def predict(self, model: ServedModel, images: Sequence[SentImage]) -> list[Prediction]:
        """One prediction per image, in order, with its decision; unreadable ones have an error.

        Raises:
            BusyError: if there is no room for them.
        """
        with self._room(len(images)):
            began = time.monotonic()
            before = self._waiting
            results = await asyncio.gather(*(self.one(model, image) for image in images))
            taken = (time.monotonic() - began) / max(1, before)
            self._image_s += 0.1 * (taken - self._image_s)
        return list(results)

    @contextmanager
    def _room(self, images: int) -> Iterator[None]:
        self.refuse_if_full(images)
        self._waiting += images
        try:
            yield
        finally:
            self._waiting -= images

    async def one(self, model: ServedModel, image: SentImage) -> Prediction:
        """The prediction of one image with its decision; it takes no room of requests."""
        pixels = await self._decoded(image, model.predictor.card.preprocess)
        if isinstance(pixels, TouchstoneError):
            return Prediction(image.name, error=pixels.message, part=image.part)
        loop = asyncio.get_running_loop()
        if self._waiting <= 1:
            features = await loop.run_in_executor(None, model.predictor.alone, pixels)
        else:
            begun = await loop.run_in_executor(self._starter, model.predictor.begin, pixels)
            features = await asyncio.wrap_future(begun)
        item = replace(model.predictor.judged(image.name, features), part=image.part)
        return model.rule.decided(item) if model.rule else item

    async def _decoded(
        self, image: SentImage, config: PreprocessConfig
    ) -> NDArray[np.uint8] | TouchstoneError:
        reason = ""
        for _ in range(_ATTEMPTS):
            decoders = self._decoders
            try:
                task = decoders.submit(decode, image.content, config, image.name)
                result: NDArray[np.uint8] | TouchstoneError = await asyncio.wait_for(
                    asyncio.wrap_future(task), ITEM_TIMEOUT_S
                )
            except BrokenProcessPool:
                reason = "crashed the decoder"
            except TimeoutError:
                reason = f"took more than {ITEM_TIMEOUT_S:.0f} s"
            else:
                return result
            if decoders is self._decoders:  # nobody has replaced them yet
                self._decoders = self._new_decoders()
                with contextlib.suppress(Exception):
                    decoders.shutdown(wait=False, kill_workers=True)
        return UnreadableImageError(
            f"Reading this file {reason}.", "The file is damaged. Export it again."
        )

    def _new_decoders(self) -> ProcessPoolExecutor:
        # Why other processes: a file may crash its reader, hang, or ask for absurd memory.
        executor = ProcessPoolExecutor(
            worker_count(),
            timeout=None,
            initializer=limit_process,
            initargs=(MEMORY_LIMIT_BYTES, 0),
        )
        for _ in range(worker_count()):
            executor.submit(int)  # so that the first request does not wait for their start
        return executor


def decode(
    content: bytes, config: PreprocessConfig, name: str
) -> NDArray[np.uint8] | TouchstoneError:
    """The pixels of an image file, or why it has none."""
    try:
        return load_pixels(io.BytesIO(content), config, name=name)
    except TouchstoneError as err:
        return err
    except Exception as err:  # one odd file must not end the request
        return UnreadableImageError(f"Reading this file failed: {type(err).__name__}.")
