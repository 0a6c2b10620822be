"""Whether two images share more than the design of their part.

Different parts of one design are alike, so likeness says nothing about them. What an image has in
common with its neighbours (the design, at its place and under its light) is taken out of both; what
is left are marks, texture and noise. Two images of one part share it, two parts do not.

The neighbours of an image are those beyond its dozen nearest, which may show the same part. Out of
an aligned pair, everything that these neighbours span in the same frame is projected, and how their
mean changes when it is moved, turned, scaled or bent a little. The rest, weighted by how constant a
pixel is among the neighbours, is correlated in 36 blocks. A defect or a mark at the same place is
no evidence: the four blocks that speak most for the pair do not count, and the middle block has to
agree with the rest.

Chance is judged in each neighbourhood: an image and its nearest neighbours are held against others
that they cannot be, and a pair has to be clearly above what these share. Where even the neighbours
are alike, the parts are of one design: there, the neighbours and the second image are moved onto
the first one before they are compared, since parts that were put down alike share how they differ
from the others. Where one image stands out most, by a mark or a defect, the other must as well.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.data.quality.alignment import (
    BOXES,
    MIDDLE,
    SIDE_PX,
    TEMPLATE_PX,
    Alignments,
    Floats,
    Pairs,
    ProgressCallback,
    aligned,
    boxes_of,
    registered,
    unit,
    windows_of,
)

SIBLINGS = 12  # so many nearest images may show the same part
NEIGHBOURS = 32
LEAST_NEIGHBOURS = 8
LEAST = 0.5
DESIGN = 0.75  # likeness of images that show different parts of one design
_MOST = 0.85
_REGISTERED = 12
_FAR_ABOVE_CHANCE = 6  # standard deviations
_POOLED = 24
_RIDGE = 0.05
_FLOOR = 0.002  # of the length of an image: less is rounding
_EVEN = 0.2
_SMALL_SHIFT = 2  # px
_PROMINENT_PX = 20
_BLOCKS = 6
_IGNORED_BLOCKS = 4
_WHOLE = BOXES.index((TEMPLATE_PX, TEMPLATE_PX))


class Individuality:
    """What pairs of images share beyond their neighbours.

    Args:
        flat: [N, 48, 48] without shading.
        neighbours: [N, K] positions beyond the possible siblings, nearest first, -1 for none.
    """

    def __init__(self, flat: Floats, neighbours: NDArray[np.int64]) -> None:
        """Nothing is computed yet."""
        self._flat = flat
        self._neighbours = neighbours
        self._chance = np.full((2, len(flat)), np.nan, np.float32)  # shared, likeness

    def evidence(
        self, pairs: Pairs, places: Alignments, on_progress: ProgressCallback | None = None
    ) -> Floats:
        """How much of their rest the pairs [M, 2] share beyond chance.

        Returns:
            [M] at most 1; `LEAST` and more is more than chance in their neighbourhood.

        Args:
            pairs: positions; sorted ones take less time.
            places: their alignments.
            on_progress: called with phase, done, total; may raise to stop.
        """
        shared, marks = self._shared(pairs, places, on_progress)
        chance = self._chance_at(pairs.ravel())
        needed = chance.needed.reshape(-1, 2).max(axis=1)
        is_design = chance.likeness.reshape(-1, 2).max(axis=1) >= DESIGN
        for number in np.flatnonzero(is_design & (shared >= needed)).tolist():
            first, second = pairs[number].tolist()
            box, place = int(places.box[number]), places.place[number]
            exact = self._shared_when_registered(first, second, box, place)
            shared[number], marks[number] = np.minimum((shared[number], marks[number]), exact)
        above = 1 - (1 - LEAST) * (1 - shared) / (1 - needed)
        everywhere = np.where(shared < needed, LEAST + shared - needed, above)
        # Why more than the distance: noise hardly disturbs what stands out in both.
        strictness = np.where(is_design, 2, 1.2)
        evidence: Floats = np.minimum(everywhere, 1 - strictness * (1 - marks)).astype(np.float32)
        return evidence

    def _shared(
        self, pairs: Pairs, places: Alignments, on_progress: ProgressCallback | None = None
    ) -> Floats:
        """How much of their rest the pairs share [2, M], in [-1, 1]; see `_agreement`."""
        # Why here: only the worker needs it.
        from threadpoolctl import threadpool_limits

        @lru_cache(maxsize=64)
        def common(others: bytes, box: int, top: int, left: int) -> _Span:
            return _common(self._flat[np.frombuffer(others, np.int64)], box, top, left)

        result = np.empty((2, len(pairs)), np.float32)
        frames = np.column_stack([places.box, places.place])
        with threadpool_limits(1):  # as for the alignments
            for number, (first, second) in enumerate(pairs.tolist()):
                box, top, left = frames[number].tolist()
                others = self._others(first, second)
                span = common(others.tobytes(), *_frame(box, top, left))
                one = boxes_of(self._flat[[first]], box)
                other = windows_of(self._flat[[second]], top, left)
                result[:, number] = _agreement(span.rest(one, other))
                if on_progress is not None and (number % 50 == 49 or number + 1 == len(pairs)):
                    on_progress("Comparing details", number + 1, len(pairs))
        return result

    def _shared_when_registered(
        self, first: int, second: int, box: int, place: NDArray[np.int64]
    ) -> tuple[float, float]:
        """The same with neighbours that were moved until they lie on the first image.

        Two parts that were put down alike share how they differ from parts at another place.
        """
        height, width = BOXES[box]
        target = boxes_of(self._flat[[first]], box)
        others = self._flat[self._others(first, second)[:_REGISTERED]]
        middle, scale = (SIDE_PX - 1) / 2, (height / TEMPLATE_PX, width / TEMPLATE_PX)
        seen = registered(others, target[0], middle=(middle, middle), scale=scale)
        top, left = (place + (TEMPLATE_PX - 1) / 2).tolist()
        other = registered(self._flat[[second]], target[0], middle=(top, left), scale=(1, 1))
        own = _moves(target[0] + other[0])
        return _agreement(_spanned(seen, own).rest(target, other))

    def _others(self, first: int, second: int) -> NDArray[np.int64]:
        own = self._neighbours[first]
        others: NDArray[np.int64] = own[(own >= 0) & (own != second)]
        return others

    def _chance_at(self, positions: NDArray[np.int64]) -> "_Chance":
        """What is chance around each position, from it and its nearest neighbours."""
        near = np.concatenate([positions[:, None], self._neighbours[positions, :_POOLED]], axis=1)
        self._measure_chance(np.unique(near[near >= 0]))
        chance, likeness = (np.where(near >= 0, v[near], np.nan) for v in self._chance)
        middle = np.nanmedian(chance, axis=1)
        # Why the median: a few of those may be images of one part after all.
        spread = 1.4826 * np.nanmedian(np.abs(chance - middle[:, None]), axis=1)
        needed = np.clip(middle + _FAR_ABOVE_CHANCE * spread, LEAST, _MOST)
        return _Chance(needed, np.nanmedian(likeness, axis=1))

    def _measure_chance(self, positions: NDArray[np.int64]) -> None:
        """What images share with the nearest one that should not be of the same part."""
        new = positions[
            np.isnan(self._chance[0, positions]) & (self._neighbours[positions, 0] >= 0)
        ]
        pairs = np.stack([new, self._neighbours[new, 0]], axis=1)
        places = aligned(self._flat, pairs)
        self._chance[:, new] = self._shared(pairs, places)[0], places.likeness


@dataclass(frozen=True)
class _Chance:
    """In the neighbourhood of positions [M]: what a pair has to share, and the usual likeness."""

    needed: Floats
    likeness: Floats


def _frame(box: int, top: int, left: int) -> tuple[int, int, int]:
    """The frame in which neighbours are seen; a shift of a few pixels is in their span anyway."""
    if box == _WHOLE and max(abs(top - MIDDLE), abs(left - MIDDLE)) <= _SMALL_SHIFT:
        return _WHOLE, MIDDLE, MIDDLE
    return box, top, left


@dataclass(frozen=True)
class _Span:
    """What neighbours have in common: vectors [B, 1444], the inverse [B, B] of their products.

    `weight` [1444] is high where the neighbours hardly differ.
    """

    vectors: Floats
    inverse: Floats
    weight: Floats

    def rest(self, one: Floats, other: Floats) -> Floats:
        """What is not in the span of two planes [1, 38, 38], weighted: [2, 1444]."""
        pair = unit(np.concatenate([one, other]))
        spanned = (pair @ self.vectors.T) @ self.inverse @ self.vectors
        rest: Floats = ((pair - spanned) * self.weight).astype(np.float32)
        return rest


def _common(others: Floats, box: int, top: int, left: int) -> _Span:
    """What neighbours [K, 48, 48] span in the frame of a pair."""
    seen = boxes_of(others, box)
    if (box, top, left) != (_WHOLE, MIDDLE, MIDDLE):
        seen = np.concatenate([seen, windows_of(others, top, left)])
    return _spanned(seen)


def _spanned(seen: Floats, *moves: Floats) -> _Span:
    """What neighbours [K, 38, 38] span; `moves` [9, 38, 38] of other planes are added."""
    neighbours = unit(seen)
    mean = neighbours.mean(axis=0)
    vectors = np.concatenate([neighbours, *(unit(move) for move in (_moves(mean), *moves))])
    products = vectors @ vectors.T
    products[np.diag_indices(len(products))] += _RIDGE
    spread = np.einsum("ij,ij->j", neighbours, neighbours) / len(neighbours) - mean**2
    even = _EVEN * float(spread.mean()) + 1e-12
    weight = np.sqrt((float(spread.mean()) + 1e-12) / (np.maximum(spread, 0) + even))
    return _Span(vectors, np.linalg.inv(products), weight.astype(np.float32))


def _moves(plane: Floats) -> Floats:
    """How a plane [1444] changes when it is shifted, turned, scaled or sheared, and bent [9, ...].

    Source: Simard et al. 1998, "Transformation Invariance in Pattern Recognition: Tangent Distance
    and Tangent Propagation".
    """
    down, right = np.gradient(plane.reshape(TEMPLATE_PX, TEMPLATE_PX))
    place = np.linspace(-1, 1, TEMPLATE_PX, dtype=np.float32)
    y, x = place[:, None], place[None, :]
    bent = [*np.gradient(down), np.gradient(right)[1]]
    return np.stack([down, right, x * right, y * right, x * down, y * down, *bent])


def _agreement(rest: Floats) -> tuple[float, float]:
    """How far two rests [2, 1444] agree, in [-1, 1]: everywhere, and where they stand out most."""
    return _agreement_of_blocks(rest), _agreement_of_marks(rest)


def _agreement_of_marks(rest: Floats) -> float:
    """Correlation at the most prominent places of both: what one shows there, the other has to.

    Differences as large and local as a mark or a small defect hardly count elsewhere.
    """
    strength = np.abs(rest)
    least = np.partition(strength, -_PROMINENT_PX, axis=1)[:, [-_PROMINENT_PX]]
    one, other = rest[:, (strength >= least).any(axis=0)]
    lengths = float(np.linalg.norm(one)) + _FLOOR, float(np.linalg.norm(other)) + _FLOOR
    return float(one @ other) / (lengths[0] * lengths[1])


def _agreement_of_blocks(rest: Floats) -> float:
    """Correlation without the blocks that speak most for it, and that of the middle block."""
    side = TEMPLATE_PX // _BLOCKS
    edge = (TEMPLATE_PX - side * _BLOCKS) // 2
    inner = rest.reshape(2, TEMPLATE_PX, TEMPLATE_PX)[:, edge:, edge:]
    inner = inner[:, : side * _BLOCKS, : side * _BLOCKS]
    blocks = inner.reshape(2, _BLOCKS, side, _BLOCKS, side).transpose(0, 1, 3, 2, 4)
    one, other = blocks.reshape(2, _BLOCKS**2, side**2)
    both = np.einsum("ij,ij->i", one, other)
    lengths = np.einsum("ij,ij->i", one, one), np.einsum("ij,ij->i", other, other)
    kept = np.argsort(both)[:-_IGNORED_BLOCKS]
    whole = [float(np.sqrt(length[kept].sum())) + _FLOOR for length in lengths]
    middle = np.median(both / (np.sqrt(lengths[0] * lengths[1]) + _FLOOR**2 / _BLOCKS**2))
    return float(min(both[kept].sum() / (whole[0] * whole[1]), middle))
