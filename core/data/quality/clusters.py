"""Bounded groups of look-alikes: no chain of neighbours makes one part of a whole set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.quality.alignment import Floats, Pairs
from core.data.quality.individuality import LEAST

USUAL_SIZE = 6  # photographs of one part; a larger group needs more evidence
_COMPLETED = 30  # up to this size, the pairs that nobody proposed are compared as well
_MATRIX = 2000


@dataclass(frozen=True)
class Judged:
    """Pairs [M, 2] with first < second, their likeness [M] and the evidence [M] for one part.

    Evidence is 1 at best, and at least `LEAST` if they are alike.
    """

    pairs: Pairs
    likeness: Floats
    evidence: Floats

    def of(self, kept: NDArray[np.bool_] | NDArray[np.intp]) -> "Judged":
        """Some of them."""
        return Judged(self.pairs[kept], self.likeness[kept], self.evidence[kept])

    def __add__(self, other: "Judged") -> "Judged":
        """Both."""
        return Judged(
            np.concatenate([self.pairs, other.pairs]),
            np.concatenate([self.likeness, other.likeness]),
            np.concatenate([self.evidence, other.evidence]),
        )


Measure = Callable[[Pairs], Judged]


def within_clusters(judged: Judged, measure: Measure) -> Judged:
    """The pairs that are alike and in one cluster of average linkage, sorted.

    The mean evidence between two halves of a cluster is at least `needed_for` its size, so that
    no chain connects what these pairs connect.

    Args:
        judged: proposed pairs.
        measure: judges other pairs, which are sorted.
    """
    judged = judged.of(judged.evidence >= LEAST)
    kept = judged.of(np.zeros(0, np.intp))
    for own in _components(judged.pairs):
        kept += _divided(judged.of(own), measure)
    return kept.of(np.lexsort((kept.pairs[:, 1], kept.pairs[:, 0])))


def needed_for(size: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean evidence that clusters of these sizes need."""
    needed: NDArray[np.float64] = 1 - (1 - LEAST) * np.sqrt(
        USUAL_SIZE / np.maximum(size, USUAL_SIZE)
    )
    return needed


def _components(pairs: Pairs) -> Iterator[NDArray[np.intp]]:
    """Numbers of the pairs of each connected component."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = int(pairs.max(initial=-1)) + 1
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    component = connected_components(graph, directed=False)[1][pairs[:, 0]] if n else pairs[:, 0]
    order = np.argsort(component, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(component[order])) + 1) if n else ()


def _divided(judged: Judged, measure: Measure) -> Judged:
    """The pairs of one component that stay."""
    members, codes = np.unique(judged.pairs, return_inverse=True)
    size = len(members)
    if size == 2:
        return judged
    if size > _MATRIX:
        return within_clusters(judged.of(judged.evidence > np.median(judged.evidence)), measure)
    places = codes.reshape(-1, 2)
    matrix = np.zeros((size, size), np.float32)
    matrix[places[:, 0], places[:, 1]] = judged.evidence
    if size <= _COMPLETED:
        known = np.tri(size, dtype=np.bool_)
        known[places[:, 0], places[:, 1]] = True
        others = np.argwhere(~known)
        added = measure(members[others])
        matrix[others[:, 0], others[:, 1]] = added.evidence
        judged += added
        places = np.concatenate([places, others])
    clusters = _clusters(matrix)
    together = clusters[places[:, 0]] == clusters[places[:, 1]]
    return judged.of(together & (judged.evidence >= LEAST))


def _clusters(evidence: Floats) -> NDArray[np.int64]:
    """Cluster number [n] by average linkage; `evidence` [n, n] above the diagonal."""
    from scipy.cluster.hierarchy import linkage

    n = len(evidence)
    tree = linkage(1 - evidence[np.triu_indices(n, 1)].astype(np.float64), "average")
    numbers = np.arange(2 * n - 1, dtype=np.int64)
    joined = 1 - tree[:, 2] >= needed_for(tree[:, 3].astype(np.int64)) - 1e-9
    # Why from the top: heights and what is needed only grow, so a cluster holds whole branches.
    for step in range(n - 2, -1, -1):
        if joined[step]:
            numbers[tree[step, :2].astype(np.int64)] = numbers[n + step]
    return numbers[:n]
