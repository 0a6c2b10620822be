"""A model that has only seen good images: how unlike them the least familiar place of an image is.

A network divides an image into places, each with features of its own surroundings. The detector
keeps some places of good images that stand for all of them. The distance of a place is that to the
nearest of these; the score of an image is its largest distance, divided by a limit: above 1 the
image is unlike the good ones. The limit is the distance that a chosen share of good images exceeds,
judged by cross-validation.

Measured (`benchmarks/good_only.py`, area under the ROC curve with 95 % bounds): pills of the demo
0.997 (0.935 to 1.000, 40 defects); magnetic tiles divided by tile 0.832 (0.76 to 0.89), where the
distance to the mean of good images reaches 0.77 and the local outlier factor 0.77. Pixels twice as
many per side, finer places and other stages bring at most 0.845 there.

Source: Roth et al. 2022, "Towards Total Recall in Industrial Anomaly Detection" (PatchCore).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import FEWEST_FAMILIAR
from core.errors import ModelFileError, TrainingError
from core.inference.unfamiliar import (
    Parts,
    flagged_parts,
    limit_of,
    parts_as_tensors,
    parts_of_tensors,
)
from core.models.bundle import BESIDE, Tensors, read_beside

MOST_PLACES = 2000  # that are kept
_CANDIDATES = 20_000  # places from which they are chosen
_DRAWN = 32  # random directions in which the choice measures distances
FOLDS = 5
_LEAST_DEVIATION = 1e-3
_PREFIX = f"{BESIDE}detector."
Features = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """Places of good images, and from which distance on a place is unlike them.

    Attributes:
        places: standardized features of the kept places, [M, C] float16.
        mean: of each feature over places of good images, [C].
        deviation: of each feature, above 0, [C].
        limit: the distance of score 1.
        rate: share of good images that was chosen to exceed it.
        exceeded: how many of the `judged` good images, by places of others, exceed it.
        judged: see there.
        parts: how many of the parts that these images show have one that exceeds it, and how many
            parts there are; None in files that do not say it.
    """

    places: NDArray[np.float16]
    mean: Features
    deviation: Features
    limit: float
    rate: float
    exceeded: int
    judged: int
    parts: tuple[int, int] | None = None

    @property
    def false_alarms(self) -> tuple[int, int]:
        """How many parts were flagged of how many judged; images, where parts are not known."""
        return self.parts or (self.exceeded, self.judged)

    @property
    def channels(self) -> int:
        """Number of features C of a place."""
        return int(self.places.shape[1])

    def distances(self, features: NDArray[np.floating]) -> Features:
        """Features [N, P, C] of images to the distances of their places [N, P]."""
        rows = np.asarray(features, np.float32).reshape(-1, self.channels)
        nearest = _distances((rows - self.mean) / self.deviation, self._kept)
        return nearest.reshape(features.shape[:2])

    def scores(self, features: Features) -> Floats:
        """Features [N, P, C] to scores [N], at least 0; above 1 unlike the good images."""
        scores: Floats = self.distances(features).max(1).astype(np.float64) / self.limit
        return scores

    def heat(self, features: Features) -> Features:
        """How far each place of an image [P, C] is from the good ones: [h, w] in limits."""
        distances = self.distances(features[None])[0]
        side = math.isqrt(len(distances))
        heat: Features = (distances / self.limit).astype(np.float32).reshape(side, -1)
        return heat

    @cached_property
    def _kept(self) -> Features:
        return self.places.astype(np.float32)

    def as_tensors(self) -> Tensors:
        """As it is written into a model file."""
        return {
            f"{_PREFIX}places": self.places,
            f"{_PREFIX}mean": self.mean,
            f"{_PREFIX}deviation": self.deviation,
            f"{_PREFIX}limit": np.array([self.limit, self.rate]),
            f"{_PREFIX}judged": np.array([self.exceeded, self.judged], np.int64),
            **parts_as_tensors(_PREFIX, self.parts),
        }


def read_detector(path: Path) -> Detector | None:
    """The detector in a model file; None for models that classify.

    Raises:
        ModelFileError: if it is damaged.
    """
    tensors = read_beside(path)
    known = {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}
    if not known:
        return None
    try:
        places, mean, deviation = known["places"], known["mean"], known["deviation"]
        limit, rate = known["limit"].tolist()
        exceeded, judged = known["judged"].tolist()
        parts = parts_of_tensors(known)
        is_whole = (
            places.ndim == 2
            and min(places.shape) > 0
            and mean.shape == deviation.shape == (places.shape[1],)
            and bool((deviation.astype(np.float32) > 0).all())
            and 0 < limit < math.inf
            and 0 <= exceeded <= judged
        )
        if not is_whole:
            raise ValueError("its parts do not fit together")
    except (KeyError, ValueError, TypeError, AttributeError) as err:
        raise ModelFileError(
            f"What {path.name} says of good images is broken: {err}.",
            "Download the model again from where it was made.",
        ) from err
    return Detector(
        places.astype(np.float16),
        mean.astype(np.float32),
        deviation.astype(np.float32),
        float(limit),
        float(rate),
        int(exceeded),
        int(judged),
        parts,
    )


def fit_detector(
    features: NDArray[np.floating],
    groups: NDArray[np.int64],
    rate: float,
    *,
    parts: Parts | None = None,
    seed: int = 0,
    on_fold: Callable[[int, int], None] | None = None,
) -> tuple[Detector, Floats]:
    """The detector of some good images, and the score of each [N] by places of others.

    Args:
        features: of good images, [N, P, C].
        groups: [N]; no image is judged by places of its group.
        rate: share of good images that may exceed the limit, above 0.
        parts: [N], which images are known to show one part; false alarms are counted by it. None:
            each image its own.
        seed: of the folds and of the choice of places.
        on_fold: called with the folds done and in total; may raise to stop.

    Raises:
        TrainingError: if there are too few images, or too few groups to judge them by.
    """
    folds = _folds(groups, seed)
    if len(features) < FEWEST_FAMILIAR or len(folds) < 2:
        raise TrainingError(
            f"{len(features)} good images of {len(np.unique(groups))} parts are too few to learn "
            "what good images look like.",
            f"Import {FEWEST_FAMILIAR} images of at least two parts, or more.",
        )
    distances = np.empty(len(features))
    for number, held_out in enumerate(folds):
        if on_fold is not None:
            on_fold(number, len(folds))
        kept = np.setdiff1d(np.arange(len(features)), held_out)
        part = _places(features[kept], seed)
        for row in held_out:
            distances[row] = part.distances(features[row : row + 1]).max()
    if on_fold is not None:
        on_fold(len(folds), len(folds))
    limit = limit_of(distances, rate)
    flagged = distances > limit
    numbers = np.arange(len(features)) if parts is None else parts
    whole = replace(
        _places(features, seed),
        limit=limit,
        rate=rate,
        exceeded=int(flagged.sum()),
        judged=len(distances),
        parts=flagged_parts(flagged, numbers),
    )
    return whole, distances / limit


def mean_of_places(features: NDArray[np.floating]) -> Features:
    """Features [..., P, C] of images to those [..., C] by which the nearest ones are found."""
    means: Features = features.mean(-2, dtype=np.float32)
    return means


def _folds(groups: NDArray[np.int64], seed: int) -> list[NDArray[np.intp]]:
    """The rows of each fold; groups stay together."""
    names, inverse = np.unique(groups, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(len(names)) % min(FOLDS, len(names))
    return [np.flatnonzero(turn[inverse] == fold) for fold in np.unique(turn)]


def _places(features: NDArray[np.floating], seed: int) -> Detector:
    """Places that stand for those of these images, each far from those before it; no limit yet."""
    random = np.random.default_rng(seed)
    every = features.reshape(-1, features.shape[2])
    wanted = min(_CANDIDATES, len(every))
    drawn = np.sort(random.choice(len(every), wanted, replace=False))
    rows = every[drawn].astype(np.float32)
    mean, deviation = rows.mean(0), np.maximum(rows.std(0), np.float32(_LEAST_DEVIATION))
    rows = (rows - mean) / deviation
    chosen = rows[_far_apart(rows, min(MOST_PLACES, wanted), random)]
    return Detector(chosen.astype(np.float16), mean, deviation, 1.0, 0.0, 0, 0)


def _far_apart(rows: Features, count: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Positions of rows [N, C], each time the one that is farthest from those before it.

    Source: Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks", for the
    greedy choice; Sinha et al. 2020, "Small-GAN", for distances in random directions.
    """
    directions = random.normal(size=(rows.shape[1], _DRAWN)).astype(np.float32)
    drawn = rows @ directions / np.float32(math.sqrt(_DRAWN))
    chosen = np.zeros(count, np.intp)
    nearest = ((drawn - drawn[0]) ** 2).sum(1)
    for at in range(1, count):
        chosen[at] = nearest.argmax()
        np.minimum(nearest, ((drawn - drawn[chosen[at]]) ** 2).sum(1), out=nearest)
    return chosen


def _distances(rows: Features, kept: Features) -> Features:
    """The distance [N] of each row [N, C] to the nearest of the kept ones [M, C]."""
    nearest = np.empty(len(rows), np.float32)
    length = (kept**2).sum(1)
    for part in _parts(len(rows)):
        squares = (rows[part] ** 2).sum(1)[:, None] + length - 2 * rows[part] @ kept.T
        nearest[part] = np.sqrt(np.maximum(squares.min(1), 0))
    return nearest


def _parts(count: int, size: int = 2048) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
