"""Whether an image is unlike all images that a model was trained on.

The square roots of the features of an image, brought to length 1, are a point. Its score is the
distance to the point of the nearest training image, divided by a limit: above 1 the image is
unfamiliar, whatever the confidence says. The limit is the distance that a chosen share of familiar
images exceeds, judged by images that the reference had not seen.

Measured on strip steel against magnetic tiles and noise (`benchmarks/unfamiliar.py`, area under the
ROC curve): 0.985 and 1.000 with 952 images, false alarms 1.0 %; 0.945 and 0.991 with 20. With 250
images: 0.967 and 0.999; without the roots 0.952 and 0.992; standardized features 0.951 and 0.909; a
Gaussian with 64 components 0.949 and 0.956.

Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors"; Arandjelovic
and Zisserman 2012, "Three things everyone should know to improve object retrieval", for the roots.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import FEWEST_FAMILIAR
from core.errors import ModelFileError
from core.models.bundle import BESIDE, Tensors, read_beside

MOST_REFERENCES, MOST_VALUES = 2000, 3_000_000  # two bytes each in the model file
_PREFIX = f"{BESIDE}unfamiliar."
_ROWS_AT_ONCE = 512
_BEYOND = 1 + 1e-4  # as much farther than the farthest image
Features = NDArray[np.float32]
Parts = NDArray[np.int64]  # [N], equal for images of one part


@dataclass(frozen=True)
class Unfamiliar:
    """The training images of a model as points, and from which distance on an image is unlike them.

    Attributes:
        references: points of training images, of length 1, [R, D] float16.
        digests: the first 64 bits of the SHA-256 of their contents, [R] uint64.
        limit: the distance of score 1.
        rate: share of familiar images that was chosen to exceed it.
        exceeded: how many of the `judged` images, which the reference had not seen, exceed it.
        judged: see there.
        parts: how many of the parts that these images show have one that exceeds it, and how many
            parts there are; None in files that do not say it.
    """

    references: NDArray[np.float16]
    digests: NDArray[np.uint64]
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
    def width(self) -> int:
        """Number of features D."""
        return int(self.references.shape[1])

    def scores(self, features: Features) -> NDArray[np.float64]:
        """Features [N, D] to scores [N], at least 0; above 1 the image is unfamiliar."""
        nearest = _distances(_points(features), self._points).min(1)
        scores: NDArray[np.float64] = nearest.astype(np.float64) / self.limit
        return scores

    def nearest(
        self, features: Features, count: int, *, besides: int | None = None
    ) -> list[tuple[int, float]]:
        """The digests of the nearest training images with their scores, nearest first.

        Args:
            features: of one image, [D].
            count: at most so many.
            besides: digest of an image that is not meant: the image itself.
        """
        (distances,) = _distances(_points(features[None]), self._points)
        order = np.argsort(distances, kind="stable")[: count + 1]
        found = [(int(self.digests[i]), float(distances[i]) / self.limit) for i in order]
        return [item for item in found if item[0] != besides][:count]

    @cached_property
    def _points(self) -> Features:
        return self.references.astype(np.float32)

    def as_tensors(self) -> Tensors:
        """As it is written into a model file."""
        return {
            f"{_PREFIX}references": self.references,
            f"{_PREFIX}digests": self.digests,
            f"{_PREFIX}limit": np.array([self.limit, self.rate]),
            f"{_PREFIX}judged": np.array([self.exceeded, self.judged], np.int64),
            **parts_as_tensors(_PREFIX, self.parts),
        }


def read_unfamiliar(path: Path) -> Unfamiliar | None:
    """What a model file says of unfamiliar images; None for models that have no such score.

    Raises:
        ModelFileError: if it is damaged.
    """
    tensors = read_beside(path)
    known = {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}
    if not known:
        return None
    try:
        references, digests = known["references"], known["digests"]
        limit, rate = known["limit"].tolist()
        exceeded, judged = known["judged"].tolist()
        parts = parts_of_tensors(known)
        is_whole = (
            references.ndim == 2
            and references.shape[1] > 0
            and len(references) == len(digests) > 0
            and digests.dtype == np.uint64
            and 0 < limit < math.inf
            and 0 <= exceeded <= judged
        )
        if not is_whole:
            raise ValueError("its parts do not fit together")
    except (KeyError, ValueError, TypeError, AttributeError) as err:
        raise ModelFileError(
            f"What {path.name} says of unfamiliar images is broken: {err}.",
            "Download the model again from where it was made.",
        ) from err
    return Unfamiliar(
        references.astype(np.float16),
        digests.astype(np.uint64),
        float(limit),
        float(rate),
        int(exceeded),
        int(judged),
        parts,
    )


def parts_as_tensors(prefix: str, parts: tuple[int, int] | None) -> Tensors:
    """Counted parts as they are written into a model file."""
    return {} if parts is None else {f"{prefix}parts": np.array(parts, np.int64)}


def parts_of_tensors(known: Tensors) -> tuple[int, int] | None:
    """Counted parts of a model file; None where it does not say them.

    Raises:
        ValueError: if they are none.
    """
    if "parts" not in known:
        return None
    exceeded, judged = known["parts"].tolist()
    if not 0 <= exceeded <= judged:
        raise ValueError("its parts do not fit together")
    return int(exceeded), int(judged)


@dataclass(frozen=True)
class Unlearned:
    """Images from which the network itself did not learn.

    Attributes:
        features: [M, D].
        groups: [M], as those of the images that it learned from.
        parts: [M], which of them show one part.
    """

    features: Features
    groups: NDArray[np.int64]
    parts: Parts


def fit_unfamiliar(
    features: Features,
    groups: NDArray[np.int64],
    targets: NDArray[np.int64],
    digests: NDArray[np.uint64],
    rate: float,
    *,
    parts: Parts | None = None,
    unseen: Unlearned | None = None,
    seed: int = 0,
) -> Unfamiliar | None:
    """The reference and its limit; None with fewer than `FEWEST_FAMILIAR` images.

    Args:
        features: of the images that the model was trained on, [N, D].
        groups: [N]; no image is judged by others of its group, which may show the same part.
        targets: [N], classes; where not all images become references, rare classes keep theirs.
        digests: [N], see `Unfamiliar`.
        rate: share of familiar images that may exceed the limit, above 0.
        parts: [N], which images are known to show one part; false alarms are counted by it. None:
            each image its own.
        unseen: by these the limit is judged; a fine-tuned network knows those of its training too
            well. None: the network was not trained, and the images judge each other. So they do if
            these are too few.
        seed: of the choice of references.
    """
    if len(features) < FEWEST_FAMILIAR:
        return None
    most = max(FEWEST_FAMILIAR, min(MOST_REFERENCES, MOST_VALUES // features.shape[1]))
    chosen = _chosen(targets, most, seed)
    references = _points(features[chosen]).astype(np.float16)
    points = references.astype(np.float32)
    numbers = np.arange(len(features)) if parts is None else parts
    judged, shown = np.empty(0), np.empty(0, np.int64)
    if unseen is not None:
        judged = _nearest_of_others(unseen.features, unseen.groups, points, groups[chosen])
        shown = unseen.parts
    if np.isfinite(judged).sum() < FEWEST_FAMILIAR:
        own = _nearest_of_others(features, groups, points, groups[chosen])
        judged, shown = np.concatenate([judged, own]), np.concatenate([shown, numbers])
    is_judged = np.isfinite(judged)
    judged, shown = judged[is_judged], shown[is_judged]
    if len(judged) < FEWEST_FAMILIAR:  # nearly all images are of one group
        return None
    limit = limit_of(judged, rate)
    exceeded = int((judged > limit).sum())
    return Unfamiliar(
        references,
        digests[chosen],
        limit,
        rate,
        exceeded,
        len(judged),
        flagged_parts(judged > limit, shown),
    )


def _nearest_of_others(
    features: Features,
    groups: NDArray[np.int64],
    points: Features,
    groups_of_points: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The distance [N] of each image to the nearest point of another group; infinite without."""
    rows = [
        np.where(groups[part, None] == groups_of_points, np.inf, distances).min(1)
        for part, distances in _in_parts(features, points)
    ]
    return np.concatenate([np.empty(0), *rows])


def flagged_parts(flagged: NDArray[np.bool_], parts: Parts) -> tuple[int, int]:
    """How many parts have a flagged image [N], and how many there are: as results count them."""
    return len(np.unique(parts[flagged])), len(np.unique(parts))


def _chosen(targets: NDArray[np.int64], most: int, seed: int) -> NDArray[np.intp]:
    """Positions of at most so many images, rare classes first."""
    if len(targets) <= most:
        return np.arange(len(targets))
    order = np.random.default_rng(seed).permutation(len(targets))
    turn = np.empty(len(targets), np.int64)  # of each image among those of its class
    for target in np.unique(targets):
        own = order[targets[order] == target]
        turn[own] = np.arange(len(own))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:most])


def limit_of(distances: NDArray[np.float64], rate: float) -> float:
    """The distance that a share of familiar images exceeds.

    With enough images it lies just above one of their distances, so that a new one exceeds it with
    at most this probability (Vovk et al. 2005, conformal prediction). With fewer it lies beyond all
    of them, where the tail of a log-normal distribution has this share. It is none of the
    distances: that image would flip with the last digit of the runtime.
    """
    allowed = math.floor((len(distances) + 1) * rate)
    if allowed >= 1:
        order = np.sort(distances)
        at = float(order[-allowed])
        return at * _BEYOND if allowed == 1 else max(at, (at + float(order[1 - allowed])) / 2)
    logarithms = np.log(np.maximum(distances, 1e-6))
    middle = float(np.median(logarithms))
    # Why the upper half: images that are nearly equal to others lie far below.
    above = logarithms[logarithms >= middle] - middle
    deviation = math.sqrt(float(np.mean(above**2)))
    tail = math.exp(middle + NormalDist().inv_cdf(1 - rate) * deviation)
    return max(tail, float(distances.max()) * _BEYOND)


def _points(features: Features) -> Features:
    """Features [N, D] as points of length 1."""
    roots = np.sign(features) * np.sqrt(np.abs(features))
    length = np.linalg.norm(roots, axis=1, keepdims=True)
    points: Features = (roots / np.maximum(length, 1e-12)).astype(np.float32)
    return points


def _in_parts(features: Features, points: Features) -> Iterator[tuple[slice, Features]]:
    for start in range(0, len(features), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        yield part, _distances(_points(features[part]), points)


def _distances(points: Features, others: Features) -> Features:
    """Half the squared distances [N, R] of points of length 1."""
    distances: Features = np.maximum(1 - points @ others.T, 0)
    return distances
