"""Using a model file: probabilities for images."""

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.preprocess import load_pixels
from core.domain.models import Prediction
from core.errors import ModelFileError, TouchstoneError
from core.inference.detector import Detector, read_detector
from core.inference.heads import Head, read_head
from core.inference.runtime import backbone_digest, open_runtime
from core.inference.unfamiliar import Unfamiliar, read_unfamiliar
from core.models.bundle import ModelCard, Tensors, read_card, read_tensors

if TYPE_CHECKING:
    from core.models.build import PixelFeatures


_BELOW_HALF, _ABOVE_HALF = (np.nextafter(np.float32(0.5), np.float32(end)) for end in (0, 1))


class Predictor:
    """A model file, loaded and ready: the same numbers in training, evaluation and use."""

    def __init__(
        self,
        card: ModelCard,
        tensors: Tensors,
        *,
        runtimes: Path,
        device: str = "cpu",
        unfamiliar: Unfamiliar | None = None,
        detector: Detector | None = None,
    ) -> None:
        """Prepare a model.

        Args:
            card: the model's description.
            tensors: its weights.
            runtimes: folder of converted networks.
            device: where to compute.
            unfamiliar: what tells images that are unlike the training images; of detectors, what
                finds the good images that are nearest to another one.
            detector: what a model knows that has only seen good images; it has no head.

        Raises:
            ModelFileError: if the weights do not fit the description.
        """
        self.card = card
        self.tensors = tensors
        self.unfamiliar = unfamiliar
        self.detector = detector
        if card.is_detector is (detector is None):
            raise _unfit(card)
        self._head = None if detector is not None else read_head(card, tensors)
        width = self.feature_count if detector is None else detector.channels
        if unfamiliar is not None and unfamiliar.width != width:
            raise _unfit(card)
        size = card.preprocess.image_size_px
        key = backbone_digest(tensors, card.head, card.mean, card.std, size, card.detail)
        self._runtime = open_runtime(
            key, lambda: build_module(card, tensors), runtimes, size, device=device
        )

    @classmethod
    def open(cls, path: Path, *, runtimes: Path, device: str = "cpu") -> "Predictor":
        """The predictor of a model file."""
        return cls(
            read_card(path),
            read_tensors(path),
            runtimes=runtimes,
            device=device,
            unfamiliar=read_unfamiliar(path),
            detector=read_detector(path),
        )

    def with_random_head(self, generator: np.random.Generator) -> "Predictor":
        """The same network with last weights that mean nothing, and the same values in all.

        Not of detectors.
        """
        other = copy.copy(self)
        other._head = self.head.shuffled(generator)
        other.tensors = {**self.tensors, **other._head.as_tensors(self.card.head)}
        return other

    @property
    def head(self) -> Head:
        """The last layer; not of detectors."""
        assert self._head is not None
        return self._head

    @property
    def feature_count(self) -> int:
        """Number of features D; not of detectors."""
        return self.head.width

    @property
    def tells_unfamiliar(self) -> bool:
        """Whether predictions have a score of how unlike the training images the image is."""
        return self.unfamiliar is not None or self.detector is not None

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Uint8 [N, S, S, 3] to features [N, D]; of detectors [N, P, C]."""
        return self._runtime.features(pixels)

    def maps(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Uint8 [N, S, S, 3] to maps [N, D, h, w] whose means are the features; None if unknown."""
        return self._runtime.maps(pixels)

    def stage_maps(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Uint8 [P, P, 3] to maps of each stage [V, D_k, h, w]; not for the detail `whole`."""
        return self._runtime.stage_maps(pixels)

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Uint8 [N, S, S, 3] to probabilities [N, C]; rows sum to 1."""
        return self.probabilities_of_features(self.features(pixels))

    def probabilities_of_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features [N, D] to probabilities [N, C]."""
        if self.detector is not None:
            return probabilities_of_scores(self.detector.scores(features))
        return softmax(self.head.logits(features))

    def logits_of_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features [N, D] to logits [N, C]."""
        if self.detector is not None:
            scores = np.maximum(self.detector.scores(features), 1e-6)
            return np.stack([np.zeros_like(scores), np.log(scores)], 1).astype(np.float32)
        return self.head.logits(features)

    def predict(
        self, sources: Sequence[Path | IO[bytes]], names: Sequence[str] | None = None
    ) -> Iterator[Prediction]:
        """One prediction per image, in order; an unreadable image gives its error instead.

        Args:
            sources: files or open files.
            names: what to call them in the results; their paths by default.
        """
        labels = list(names or [str(source) for source in sources])
        decoded = (self._decoded(source) for source in sources)
        return self.judge(zip(labels, decoded, strict=True))

    def judge(
        self, images: Iterable[tuple[str, NDArray[np.uint8] | TouchstoneError]]
    ) -> Iterator[Prediction]:
        """Like `predict`, for images that are decoded already, or could not be.

        Args:
            images: name, and uint8 pixels [S, S, 3] or the error.
        """
        from threadpoolctl import threadpool_limits

        waiting: deque[tuple[str, TouchstoneError | None]] = deque()

        def readable() -> Iterator[NDArray[np.uint8]]:
            for name, pixels in images:
                if isinstance(pixels, TouchstoneError):
                    waiting.append((name, pixels))
                else:
                    waiting.append((name, None))
                    yield pixels

        # Why one thread: the products of one image are small, and those of several threads wait for
        # cores that the network holds. A folder took half as long again.
        with threadpool_limits(1):
            for features in self._runtime.stream(readable()):
                while (problem := waiting[0][1]) is not None:
                    yield Prediction(waiting.popleft()[0], error=problem.message)
                yield self.judged(waiting.popleft()[0], features)
        for name, error in waiting:
            assert error is not None
            yield Prediction(name, error=error.message)

    def judged(self, name: str, features: NDArray[np.float32]) -> Prediction:
        """What the model says of an image with these features [D]."""
        known = self.detector or self.unfamiliar
        scores = None if known is None else known.scores(features[None])
        if self.detector is not None and scores is not None:
            row = probabilities_of_scores(scores)[0]
        else:
            row = self.probabilities_of_features(features[None])[0]
        score = None if scores is None else float(scores[0])
        return Prediction(name, ranked(self.card.class_names, row), unfamiliar=score)

    def begin(self, pixels: NDArray[np.uint8]) -> Future[NDArray[np.float32]]:
        """Begin an image, uint8 [S, S, 3]; the result are its features [D]. For any thread."""
        return self._runtime.begin(pixels)

    def alone(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The features [D] of an image that comes alone, uint8 [S, S, 3]. For any thread."""
        return self._runtime.alone(pixels)

    def _decoded(self, source: Path | IO[bytes]) -> NDArray[np.uint8] | TouchstoneError:
        try:
            return load_pixels(source, self.card.preprocess)
        except TouchstoneError as err:
            return err


def probabilities_of_scores(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scores [N] of a detector as probabilities [N, 2] of good and unlike it: half at its limit.

    Above 1 an image is unlike the good ones, and only there unlike has half or more: what is
    predicted, and what a threshold of half rejects, are then the same.
    """
    unlike = (scores / (1 + scores)).astype(np.float32)
    unlike = np.where(scores > 1, np.maximum(unlike, _ABOVE_HALF), np.minimum(unlike, _BELOW_HALF))
    return np.stack([1 - unlike, unlike], 1).astype(np.float32)


def ranked(
    class_names: Sequence[str], probabilities: NDArray[np.float32]
) -> tuple[tuple[str, float], ...]:
    """(class, confidence) in decreasing order of confidence."""
    order = np.argsort(-probabilities, kind="stable")
    return tuple((class_names[i], float(probabilities[i])) for i in order)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits [N, C] to probabilities [N, C]."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalized: NDArray[np.float32] = shifted / shifted.sum(axis=1, keepdims=True)
    return normalized.astype(np.float32)


def build_module(card: ModelCard, tensors: Tensors) -> "PixelFeatures":
    """The torch module of a model, loaded strictly.

    Raises:
        ModelFileError: if a weight is missing, left over or of another shape.
    """
    import torch

    from core.models.build import build_network, load_body
    from core.models.detail import feature_width, features_module

    network = build_network(card.network, len(card.class_names))
    state = {k: torch.from_numpy(v) for k, v in tensors.items()}
    try:
        if card.head_is_own:
            load_body(
                network, {k: v for k, v in state.items() if not k.startswith(f"{card.head}.")}
            )
        else:
            network.load_state_dict(state, strict=True)
    except RuntimeError as err:
        raise _unfit(card) from err
    module = features_module(network.eval(), card.mean, card.std, card.detail)
    has_head = card.head_is_own and not card.is_detector
    side = card.preprocess.image_size_px
    if has_head and feature_width(module, side) != read_head(card, tensors).width:
        raise _unfit(card)
    return module


def _unfit(card: ModelCard) -> ModelFileError:
    return ModelFileError(
        f"The weights of model '{card.name}' do not fit the network {card.network}.",
        "Download the model again from where it was made.",
    )
