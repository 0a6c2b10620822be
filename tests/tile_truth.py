"""Which magnetic tile an image shows, by the order of recording."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SESSIONS = range(1, 7)
_LEAST = 0.3  # likeness that is worth a place in the order


def tiles_by_order(paths: Sequence[Path], grays: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Tile number [N] of images `CLASS/expSESSION_num_TIME.jpg`.

    Each of six sessions shows the tiles of a class in the same order, some left out. The sequences
    are aligned one after another, so that the sum of likenesses is largest and no order is broken.

    Args:
        paths: the images.
        grays: [N, 48, 48] of them.
    """
    versions = _versions(grays)
    tile = np.full(len(paths), -1)
    for folder in sorted({p.parent.name for p in paths}):
        own = [i for i, p in enumerate(paths) if p.parent.name == folder]
        by_time = sorted(own, key=lambda i: _at(paths[i]))
        recorded = ([i for i in by_time if _session(paths[i]) == n] for n in _SESSIONS)
        sequences = sorted(recorded, key=len, reverse=True)
        tiles: list[list[int]] = [[i] for i in sequences[0]]
        for sequence in sequences[1:]:
            gain = np.array([_likeness(versions, shots, sequence) for shots in tiles]) - _LEAST
            tiles = _merged(tiles, sequence, gain)
        for shots in [*tiles, *([i] for i in own if _session(paths[i]) not in _SESSIONS)]:
            tile[shots] = tile.max() + 1
    return tile


def _session(path: Path) -> int:
    return int(path.stem.split("_")[0].removeprefix("exp"))


def _at(path: Path) -> int:
    return int(path.stem.split("_")[2])


def _versions(grays: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[9, N, D]: unit vectors of the inner part without shading, at some shifts."""
    flat = grays.astype(np.float32)
    fine = ndimage.gaussian_filter(flat, (0, 1, 1)) - ndimage.gaussian_filter(flat, (0, 4, 4))
    cuts = [fine[:, 4 + y : 44 + y, 4 + x : 44 + x] for y in (-2, 0, 2) for x in (-2, 0, 2)]
    vectors = np.stack([cut.reshape(len(cut), -1) for cut in cuts])
    vectors -= vectors.mean(axis=2, keepdims=True)
    return vectors / (np.linalg.norm(vectors, axis=2, keepdims=True) + 1e-6)


def _likeness(
    versions: NDArray[np.float32], shots: list[int], others: list[int]
) -> NDArray[np.float32]:
    """[M]: of each other image to the most similar shot."""
    return np.max([version[others] @ versions[4][shots].T for version in versions], axis=(0, 2))


def _merged(
    tiles: list[list[int]], sequence: list[int], gain: NDArray[np.float64]
) -> list[list[int]]:
    """Needleman and Wunsch: images join tiles or become new ones, in order."""
    best = np.zeros((len(tiles) + 1, len(sequence) + 1))
    for a in range(1, len(tiles) + 1):
        for b in range(1, len(sequence) + 1):
            best[a, b] = max(
                best[a - 1, b - 1] + gain[a - 1, b - 1], best[a - 1, b], best[a, b - 1]
            )
    a, b, merged = len(tiles), len(sequence), []
    while a or b:
        if a and best[a, b] == best[a - 1, b]:
            a -= 1
            merged.append(tiles[a])
        elif b and best[a, b] == best[a, b - 1]:
            b -= 1
            merged.append([sequence[b]])
        else:
            a, b = a - 1, b - 1
            merged.append([*tiles[a], sequence[b]])
    return merged[::-1]
