"""Images that differ from the others of their class in size, shape, sharpness or brightness.

Robust statistics: an image is an outlier if it is far from the median of its class, both relative
to the median absolute deviation and in absolute terms. Classes that are too small for this are
compared with the whole dataset.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.quality.similarity import Gray
from core.domain.datasets import Sample

FAR = 6.0  # deviations from the median; of a normal distribution one in 500 million is as far
_CLASS_AT_LEAST = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outlier:
    """One way in which one image is unusual; `score` counts deviations from the median."""

    position: int
    measure: str
    words: str
    score: float


@dataclass(frozen=True)
class _Measure:
    """A property of images on a scale where distances mean something.

    `least` is the smallest difference from the median that counts; `words` describe values below
    and above the median (None: that side is fine); `format_value` writes a value.
    """

    name: str
    values: Floats
    least: float
    words: tuple[str | None, str | None]
    format_value: Callable[[float], str]


def outliers(samples: Sequence[Sample], images: Gray) -> list[Outlier]:
    """Unusual images, the most unusual first.

    Args:
        samples: of one dataset.
        images: [N, 48, 48] the same images small and gray, for what was not measured at import;
            images that could not be read are all 0 and never outliers in brightness or sharpness.
    """
    labels = np.array([-1 if s.label is None else s.label for s in samples], np.int64)
    unusual = [o for measure in _measures(samples, images) for o in _far_off(measure, labels)]
    return sorted(unusual, key=lambda o: -o.score)


def brightness_of(images: Gray) -> Floats:
    """Mean gray value [N] in [0, 1]."""
    means: Floats = images.mean(axis=(1, 2), dtype=np.float64) / 255
    return means


def sharpness_of(images: Gray) -> Floats:
    """Variance of the Laplacian [N]; small for blurred images."""
    p = images.astype(np.float32)
    laplacian = (
        p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:] - 4 * p[:, 1:-1, 1:-1]
    )
    variances: Floats = laplacian.var(axis=(1, 2)).astype(np.float64)
    return variances


def _measures(samples: Sequence[Sample], images: Gray) -> Iterator[_Measure]:
    width = np.array([max(1, s.width) for s in samples], np.float64)
    height = np.array([max(1, s.height) for s in samples], np.float64)
    readable = images.any(axis=(1, 2)) if len(images) else np.zeros(0, np.bool_)
    yield _Measure(
        "size",
        np.log(width * height),
        np.log(2.0),
        ("much smaller", "much larger"),
        lambda v: f"{np.exp(v) / 1e6:.2f} megapixels",
    )
    yield _Measure(
        "shape",
        np.log(width / height),
        np.log(1.3),
        ("much taller", "much wider"),
        lambda v: f"width/height {np.exp(v):.2f}",
    )
    # Why all or none: values from two sources cannot be compared.
    given = [s.brightness for s in samples]
    bright = brightness_of(images) if None in given else np.array(given, np.float64)
    yield _Measure(
        "brightness",
        np.where(readable, bright, np.nan),
        0.15,
        ("much darker", "much brighter"),
        lambda v: f"{v:.0%} of white",
    )
    given = [s.sharpness for s in samples]
    sharp = sharpness_of(images) if None in given else np.array(given, np.float64)
    yield _Measure(
        "sharpness",
        np.where(readable, np.log(sharp + 1e-3), np.nan),
        np.log(4.0),
        ("much less sharp", None),
        lambda v: f"{np.exp(v):.0f}",
    )


def _far_off(measure: _Measure, labels: NDArray[np.int64]) -> Iterator[Outlier]:
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        reference = members if len(members) >= _CLASS_AT_LEAST else np.arange(len(labels))
        values = measure.values[reference]
        values = values[np.isfinite(values)]
        if len(values) < _CLASS_AT_LEAST:
            continue
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        for i in members.tolist():
            away = float(measure.values[i]) - middle
            words = measure.words[away > 0]
            # Why not `<`: an image without a value is no outlier.
            if words is None or not abs(away) > max(measure.least, FAR * spread):
                continue
            score = min(abs(away) / max(spread, measure.least / FAR), 1e3)
            own = measure.format_value(float(measure.values[i]))
            typical = measure.format_value(middle)
            yield Outlier(i, measure.name, f"{words} ({own}; typical: {typical})", score)
