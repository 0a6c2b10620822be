"""Planted evidence: images of which it is known where that lies which decides their class.

A part of an image of one class goes into an image of another one, so that no edge shows: what
stands out of its surroundings there is added to what the surroundings are here. It counts only if
the class follows, and if taking the part away does not have the same effect: a good surface over a
crack makes a good part, but the evidence for it is everywhere.

A model that only knows good images gets defects: what stands out in one good image is added to
another one at another place, as weakly as the model still calls it unlike the good ones.

Source: Zhang et al. 2018, "Top-down Neural Attention by Excitation Backprop" (pointing game);
Li et al. 2021, "CutPaste", for defects made of good images.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.inference.occlusion import Pixels, Place, covered

_WINDOWS_ACROSS = 4  # sides of a planted part in the side of the image
_STARTS = 7
_TRIED = 16  # places in a pair of images, those with the most texture
_STRENGTHS = (1, 2, 4)  # of a planted defect, the weakest first
_TOLERANCE = 6  # a fraction of the part that the hottest place may lie beside it

Classify = Callable[[Pixels], NDArray[np.int64]]


@dataclass(frozen=True)
class Planted:
    """An image [S, S, 3] that is `target` because of what was planted at `place`."""

    pixels: Pixels
    target: int
    place: Place

    def is_hit(self, heat: NDArray[np.float32]) -> bool:
        """Whether a heatmap [S, S] is hottest there."""
        y, x = np.unravel_index(int(heat.argmax()), heat.shape)
        return bool(heat.any() and self.near[y, x])

    @property
    def near(self) -> NDArray[np.bool_]:
        """[S, S]: where the hottest place counts as right; its mean is what chance would hit."""
        side = len(self.pixels)
        rows, columns = self.place
        slack = (rows.stop - rows.start) // _TOLERANCE
        result = np.zeros((side, side), bool)
        top, left = max(0, rows.start - slack), max(0, columns.start - slack)
        result[top : rows.stop + slack, left : columns.stop + slack] = True
        return result


def planted_images(
    images: Sequence[Pixels],
    labels: Sequence[int],
    classify: Classify,
    generator: np.random.Generator,
    *,
    most: int,
    most_pairs: int,
    on_pair: Callable[[int], None] = lambda _: None,
) -> Iterator[Planted]:
    """At most so many planted images; the planted classes take turns.

    Args:
        images: [S, S, 3] each, all classified rightly.
        labels: their class indices.
        classify: images [B, S, S, 3] to the most probable class of each [B].
        generator: chooses the pairs.
        most: planted images at most.
        most_pairs: pairs that are tried at most.
        on_pair: called with the number of pairs tried so far.
    """
    tries = (
        _plant(images[host], images[donor], labels[host], labels[donor], classify)
        for host, donor in _pairs(labels, generator, most_pairs)
    )
    return _planted(tries, most, on_pair)


def planted_defects(
    images: Sequence[Pixels],
    classify: Classify,
    generator: np.random.Generator,
    *,
    most: int,
    most_pairs: int,
    on_pair: Callable[[int], None] = lambda _: None,
) -> Iterator[Planted]:
    """At most so many good images with a defect, for a model that only knows good images.

    Args:
        images: [S, S, 3] each, all good and of class 0 to the model.
        classify: images [B, S, S, 3] to the class of each [B]: 1 is unlike the good ones.
        generator: chooses pairs and places.
        most: planted images at most.
        most_pairs: pairs that are tried at most.
        on_pair: called with the number of pairs tried so far.
    """
    tries = (_defect(images, classify, generator) for _ in range(most_pairs if images else 0))
    return _planted(tries, most, on_pair)


def _planted(
    tries: Iterator[Planted | None], most: int, on_pair: Callable[[int], None]
) -> Iterator[Planted]:
    """Those that succeeded, until there are so many."""
    count = 0
    for tried, planted in enumerate(tries, start=1):
        on_pair(tried)
        if planted is not None:
            count += 1
            yield planted
        if count >= most:
            return


def _defect(
    images: Sequence[Pixels], classify: Classify, generator: np.random.Generator
) -> Planted | None:
    """The weakest detail of an image that makes another unlike the good ones; None if none does."""
    host, donor = (images[int(i)] for i in generator.integers(0, len(images), 2))
    source, place = (_anywhere(len(host), generator) for _ in range(2))
    strengths = np.array(_STRENGTHS)[:, None, None, None]
    mixed = np.repeat(host[None], len(_STRENGTHS), 0)
    mixed[:, *place] = np.clip(host[place] + strengths * _detail(donor, source), 0, 255).astype(
        np.uint8
    )
    is_unlike = classify(mixed) == 1
    return Planted(mixed[int(is_unlike.argmax())], 1, place) if is_unlike.any() else None


def _anywhere(side: int, generator: np.random.Generator) -> Place:
    """A place of the size of a part."""
    size = side // _WINDOWS_ACROSS
    top, left = generator.integers(0, side - size + 1, 2).tolist()
    return slice(top, top + size), slice(left, left + size)


def _pairs(
    labels: Sequence[int], generator: np.random.Generator, most: int
) -> Iterator[tuple[int, int]]:
    """Image that receives and image that gives, of different classes, each pair once."""
    of = np.asarray(labels)
    classes = np.unique(of).tolist()
    if len(classes) < 2:
        return
    done: set[tuple[int, int]] = set()
    for number in range(2 * most):
        giving = classes[number % len(classes)]
        donor = int(generator.choice(np.flatnonzero(of == giving)))
        host = int(generator.choice(np.flatnonzero(of != giving)))
        if (host, donor) not in done:
            done.add((host, donor))
            yield host, donor
        if len(done) >= most:
            return


def _plant(
    host: Pixels, donor: Pixels, own: int, target: int, classify: Classify
) -> Planted | None:
    """The part of a donor that makes a host its class; None if no part does."""
    places = _textured(donor)
    bare = np.stack([covered(host, place) for place in places])
    mixed = np.stack([mixed_image(b, donor, p) for b, p in zip(bare, places, strict=True)])
    follows = np.flatnonzero(classify(mixed) == target)
    if not len(follows):
        return None
    is_alone = classify(bare[follows]) == own
    chosen = next((int(i) for i, alone in zip(follows, is_alone, strict=True) if alone), None)
    return None if chosen is None else Planted(mixed[chosen], target, places[chosen])


def _textured(donor: Pixels) -> list[Place]:
    """The places where a part stands out most of its surroundings, the most first."""
    side = len(donor)
    window = side // _WINDOWS_ACROSS
    starts = np.linspace(0, side - window, _STARTS).round().astype(int).tolist()
    places = [(slice(y, y + window), slice(x, x + window)) for y in starts for x in starts]
    stands_out = [float(np.abs(_detail(donor, place)).mean()) for place in places]
    order = np.argsort(-np.array(stands_out), kind="stable")[:_TRIED]
    return [places[i] for i in order]


def _detail(image: Pixels, place: Place) -> NDArray[np.int16]:
    """What a part has beyond its surroundings."""
    detail: NDArray[np.int16] = image[place].astype(np.int16) - covered(image, place)[place]
    return detail


def mixed_image(bare: Pixels, donor: Pixels, place: Place) -> Pixels:
    """An image whose place was covered, with what a donor has there beyond its surroundings."""
    result = bare.copy()
    result[place] = np.clip(bare[place] + _detail(donor, place), 0, 255).astype(np.uint8)
    return result
