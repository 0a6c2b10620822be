"""Which images are the same, or nearly: small descriptors propose, pixels confirm.

An image is kept as 48 x 48 gray pixels. Illumination and local contrast are taken out of them, so
that brightness, exposure and shading hardly count. Proposing: the ten nearest neighbours of every
image and of slightly cropped versions of it. Confirming: the best normalized correlation of the
inner part over small shifts and scales, and what the two share beyond their neighbours, so that
different parts of one design are not taken for one (`individuality`); then groups are bounded, so
that there are no chains (`clusters`). Hashes alone give hundreds of false pairs on textures.

Cost: proposing is a matrix product over blocks, each image with each up to 20,000 images (0.8 s
for 1,344 images, so about 3 min for 20,000); larger sets are first divided into cells around
sampled images, so that the work grows with N^1.5. Confirming takes about 1 to 2 ms per proposed
pair, at most ten pairs per image.

A part with more than a dozen images cannot be told from a design with as many parts, and is found
in pieces or not at all, unless its images differ by noise and exposure only (`equality`). Parts
photographed again are found where they differ more from each other than their images; of clean
parts of one design, hardly any.

Measured by `benchmarks/look_alikes.py`; what it prints is in its docstring.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.cache import FAILED, READY, RowCache, open_row_cache
from core.data.pixels.images import read_image
from core.data.pixels.isolated_pool import run_isolated
from core.data.quality.alignment import (
    SIDE_PX,
    Alignments,
    aligned,
    resized,
    unit,
)
from core.data.quality.clusters import Judged, within_clusters
from core.data.quality.equality import equal_pairs
from core.data.quality.individuality import (
    LEAST_NEIGHBOURS,
    NEIGHBOURS,
    SIBLINGS,
    Individuality,
)
from core.domain.depth import GrayLevels
from core.errors import TouchstoneError

# Shown wherever look-alikes are counted.
LOOK_ALIKES = (
    "Look-alikes show the same view, possibly with other brightness, exposure or compression, or "
    "cropped by up to about 10%. Rotated or mirrored images are not detected."
)
LIKENESS = 0.87  # look-alikes have at least this
EACH_WITH_EACH = 20_000
_DESCRIPTOR_PX = 24
_PROPOSED_EACH = 10
_PROPOSED = 0.5
_BLOCK = 1024
_CHANCE_PAIRS = 300

ProgressCallback = Callable[[str, int, int], None]
Gray = NDArray[np.uint8]
Floats = NDArray[np.float32]
Pairs = NDArray[np.int64]


def small_images(
    folder: Path,
    paths: Sequence[Path],
    sha256s: Sequence[str],
    *,
    on_progress: ProgressCallback,
    levels: GrayLevels | None = None,
    wanted: NDArray[np.intp] | None = None,
) -> RowCache:
    """Gray images [N, 48, 48] uint8, read in other processes and kept on disk.

    Rows of images that cannot be read are not `ready`.

    Args:
        folder: where such caches live.
        paths: the images.
        sha256s: their content hashes, in the same order; they name the cache.
        on_progress: called with phase, done, total; may raise to stop, nothing is lost.
        levels: the scale of images with more than 8 bits; see `read_image`.
        wanted: positions that are needed; None: all.
    """
    named = [*sha256s, levels.key] if levels else sha256s
    key = hashlib.sha256("\n".join(named).encode()).hexdigest()[:24]
    cache = open_row_cache(folder / f"gray{SIDE_PX}-{key}", (len(paths), SIDE_PX, SIDE_PX), "u1")
    report = partial(on_progress, "Reading images")
    total = len(paths) if wanted is None else len(wanted)
    todo = np.sort(cache.todo(wanted, report))
    done: list[int] = []
    for number, outcome in run_isolated(partial(_small_gray, levels), [paths[i] for i in todo]):
        position = int(todo[number])
        if isinstance(outcome, TouchstoneError):
            cache.mark([position], FAILED)
        else:
            cache.rows[position] = outcome
            done.append(position)
        if len(done) >= 512 or number + 1 == len(todo):
            cache.mark(done, READY)
            done.clear()
        report(total - len(todo) + number + 1, total)
    return cache


def near_pairs(grays: Gray, *, on_progress: ProgressCallback) -> tuple[Pairs, Floats]:
    """Pairs of look-alikes.

    If all images of a dataset are similar (a part on a fixed background), a pair must be clearly
    more similar than pairs drawn at random. Images without structure match nothing.

    Args:
        grays: [N, 48, 48], one per content (leave byte-identical ones out).
        on_progress: called with phase, done, total; may raise to stop.

    Returns:
        Positions [M, 2] with first < second, and their likeness [M] in (0, 1].
    """
    flat = _flattened(grays)
    proposed, ranked = _proposed(flat, on_progress)
    places = aligned(flat, proposed, on_progress)
    # Why this as well: images that differ in one property only are close to some others by chance.
    least = max(LIKENESS, _clearly_above_chance(flat))
    alike = places.likeness >= least
    pairs, places = proposed[alike], places.of(alike)
    equal = equal_pairs(grays, _cells(_version(flat, (0, 0, SIDE_PX))) if len(flat) else [])
    beyond = ranked[:, _skipped(len(flat)) :]
    if beyond.shape[1] < LEAST_NEIGHBOURS:
        return _together((pairs, places.likeness), equal)
    individual = Individuality(flat, beyond)

    def judged(
        pairs: Pairs, places: Alignments, on_progress: ProgressCallback | None = None
    ) -> Judged:
        evidence = individual.evidence(pairs, places, on_progress)
        return Judged(pairs, places.likeness, evidence)

    kept = within_clusters(
        judged(pairs, places, on_progress), lambda others: judged(others, aligned(flat, others))
    )
    alike = kept.likeness >= least
    return _together((kept.pairs[alike], kept.likeness[alike]), equal)


def _together(first: tuple[Pairs, Floats], second: tuple[Pairs, Floats]) -> tuple[Pairs, Floats]:
    """All pairs of both, sorted, each once."""
    pairs, position = np.unique(np.concatenate([first[0], second[0]]), axis=0, return_index=True)
    return pairs, np.concatenate([first[1], second[1]])[position]


def connected(n: int, *links: Pairs) -> NDArray[np.int64]:
    """Group number [n] of every position; linked positions are in the same group."""
    # Why here: the app imports this module, and scipy would cost it time and 40 MB.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = np.concatenate([np.empty((0, 2), np.int64), *links])
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def links_of_equal(values: Sequence[object]) -> Pairs:
    """Pairs [M, 2] that link every position to the first one of the same value; None to nothing."""
    return links_of_codes(numbered(values))


def numbered(values: Sequence[object]) -> NDArray[np.int64]:
    """A number for every position, the same for the same value; -1 for None."""
    different = dict.fromkeys(values)
    different.pop(None, None)
    numbers = dict(zip(different, range(len(different)), strict=True))
    return np.array([numbers.get(value, -1) for value in values], np.int64)


def links_of_codes(codes: NDArray[np.int64]) -> Pairs:
    """Pairs [M, 2] as of `links_of_equal`, for numbers; those below 0 are linked to nothing."""
    _, first, number = np.unique(codes, return_index=True, return_inverse=True)
    firsts = first[number]
    linked = np.flatnonzero((codes >= 0) & (firsts != np.arange(len(codes))))
    return np.stack([firsts[linked], linked], axis=1).astype(np.int64)


def neighbour_accuracy(
    grays: Gray,
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> float:
    """Fraction of test images whose nearest training image, by correlation, has the same class.

    Needs no training, so a high value means that test images resemble training images.

    Args:
        grays: [N, 48, 48] gray.
        labels: [N] class indices.
        train: positions to compare with.
        test: positions to judge.

    Raises:
        ValueError: if train or test is empty.
    """
    if not len(train) or not len(test):
        raise ValueError("both subsets need images")
    # Why without shading and exposure: a network recognizes the same part under another light.
    known = unit(_flattened(grays[train]))
    correct = 0
    for start in range(0, len(test), _BLOCK):
        block = test[start : start + _BLOCK]
        nearest = (unit(_flattened(grays[block])) @ known.T).argmax(axis=1)  # [block]
        correct += int((labels[train[nearest]] == labels[block]).sum())
    return correct / len(test)


def _small_gray(levels: GrayLevels | None, path: Path) -> Gray:
    image = read_image(path, levels=levels, draft_px=4 * SIDE_PX).convert("L")
    return np.asarray(image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX), np.uint8)


def _flattened(grays: Gray) -> Floats:
    """[N, 48, 48]: shading subtracted, then divided by the local contrast."""
    from scipy import ndimage

    result = np.empty(grays.shape, np.float32)
    for start in range(0, len(grays), _BLOCK):
        gray = grays[start : start + _BLOCK].astype(np.float32)
        fine = ndimage.gaussian_filter(gray, (0, 0.7, 0.7))
        fine -= ndimage.gaussian_filter(gray, (0, 3, 3))
        contrast = np.sqrt(ndimage.gaussian_filter(fine**2, (0, 6, 6)))
        # Why + 2 gray values: noise on an empty background must not become structure.
        result[start : start + _BLOCK] = fine / (contrast + 2)
    return result


def _crops() -> Iterator[tuple[int, int, int]]:
    """(top, left, side) of the versions of an image for which neighbours are searched."""
    yield 0, 0, SIDE_PX
    for cut in (2, 5):  # 5 and 10%
        for top, left in ((cut // 2, cut // 2), (0, 0), (0, cut), (cut, 0), (cut, cut)):
            yield top, left, SIDE_PX - cut


def _version(flat: Floats, crop: tuple[int, int, int]) -> Floats:
    top, left, side = crop
    cut = flat[:, top : top + side, left : left + side]
    return unit(np.stack([resized(image, _DESCRIPTOR_PX) for image in cut]))


def _skipped(n: int) -> int:
    """How many of the nearest images of each may be of the same part."""
    return min(SIBLINGS, max(0, n - 2) // 3)


def _proposed(flat: Floats, on_progress: ProgressCallback) -> tuple[Pairs, Pairs]:
    """Pairs [M, 2] that may be alike, and the nearest images [N, K] of each, -1 where unknown."""
    n = len(flat)
    ranked = np.full((n, max(0, min(n - 1, SIBLINGS + NEIGHBOURS))), -1, np.int64)
    if n < 2:
        return np.empty((0, 2), np.int64), ranked
    versions = [_version(flat, crop) for crop in _crops()]  # 11 x [N, 576]
    cells = _cells(versions[0])
    proposals: list[Pairs] = []
    for number, cell in enumerate(cells):
        report = on_progress if len(cells) == 1 else None
        for rows, nearest, likeness in _nearest([v[cell] for v in versions], report):
            own, ids = cell[rows], cell[nearest]
            row, column = np.nonzero(likeness[:, :_PROPOSED_EACH] >= _PROPOSED)
            proposals.append(np.stack([own[row], ids[row, column]], axis=1))
            # Why the last cell: an image may be in three of them, and any will do.
            ranked[own] = -1
            ranked[own, : ids.shape[1]] = ids
        if len(cells) > 1:
            on_progress("Searching for look-alikes", number + 1, len(cells))
    return np.unique(np.sort(np.concatenate(proposals), axis=1), axis=0), ranked


def _nearest(
    versions: list[Floats], on_progress: ProgressCallback | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """For blocks of images: positions [B], the nearest images [B, K] and their likeness [B, K]."""
    base, n = versions[0], len(versions[0])
    k = min(SIBLINGS + NEIGHBOURS, n - 1)
    for start in range(0, n, _BLOCK) if k else ():
        rows = np.arange(start, min(n, start + _BLOCK))
        best = base[rows] @ base.T  # [block, n]
        for version in versions[1:]:
            np.maximum(best, version[rows] @ base.T, out=best)
        best[np.arange(len(best)), rows] = -1
        nearest = np.argpartition(-best, k - 1, axis=1)[:, :k]
        likeness = np.take_along_axis(best, nearest, axis=1)
        order = np.argsort(-likeness, axis=1, kind="stable")
        yield rows, np.take_along_axis(nearest, order, 1), np.take_along_axis(likeness, order, 1)
        if on_progress is not None:
            on_progress("Searching for look-alikes", min(n, start + _BLOCK), n)


def _cells(base: Floats) -> list[NDArray[np.int64]]:
    """All images in one cell or, if there are many, overlapping cells of similar ones."""
    n = len(base)
    if n <= EACH_WITH_EACH:
        return [np.arange(n)]
    centres = base[np.random.default_rng(0).choice(n, int(n**0.5), replace=False)]
    members: list[list[NDArray[np.int64]]] = [[] for _ in centres]
    for start in range(0, n, _BLOCK):
        close = np.argpartition(-(base[start : start + _BLOCK] @ centres.T), 3, axis=1)[:, :3]
        for number in np.unique(close):
            members[number].append(start + np.flatnonzero((close == number).any(axis=1)))
    return [np.concatenate(parts) for parts in members if parts]


def _clearly_above_chance(flat: Floats) -> float:
    """A likeness far above that of images drawn at random (their 90% quantile)."""
    if len(flat) < 3:
        return 0.0
    drawn = np.random.default_rng(0).integers(0, len(flat), (_CHANCE_PAIRS, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    return 1 - 0.3 * (1 - float(np.quantile(aligned(flat, drawn).likeness, 0.9)))
