"""A map of images: images with similar network features are close together.

Cost: t-SNE places at most 2,500 images, chosen at random; the others are placed between their most
similar ones among these, so that the time hardly grows with the dataset.
"""

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import worker_count
from core.data.quality.label_errors import reduced_features

LANDMARKS = 2500
_COMPONENTS = 50
_NEIGHBOURS = 3
_BLOCK = 4096

Floats = NDArray[np.float32]


def map_of(features: Floats, *, seed: int = 0, landmarks: int = LANDMARKS) -> Floats:
    """Places [N, 2] of images on a map, each axis within [-1, 1].

    The same features and seed give the same map on the same machine.

    Args:
        features: [N, D] of a pretrained network.
        seed: for the choice of landmarks and the layout.
        landmarks: number of images that t-SNE lays out.

    Source: van der Maaten, Hinton 2008, "Visualizing Data using t-SNE".
    """
    n = len(features)
    if n < 5:
        return np.stack([np.linspace(-1, 1, n), np.zeros(n)], axis=1).astype(np.float32)
    reduced = reduced_features(features, _COMPONENTS, seed=seed)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:landmarks])
    laid = _laid_out(reduced[chosen], seed)
    places = np.empty((n, 2), np.float32)
    places[chosen] = laid
    others = np.setdiff1d(np.arange(n), chosen)
    places[others] = _placed_between(reduced[others], reduced[chosen], laid)
    return places


def _laid_out(reduced: Floats, seed: int) -> Floats:
    # Why here: only the worker needs these.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(reduced) - 1) / 3)
    start = _start(reduced, seed)
    tsne = TSNE(perplexity=perplexity, init=start, max_iter=500, random_state=seed)
    # Why half of the cores: the threads wait busily for each other; next to a training on the same
    # cores, they waited ten times as long as they worked.
    with threadpool_limits(max(1, worker_count() // 2)):
        laid = tsne.fit_transform(reduced)
    laid -= (laid.max(0) + laid.min(0)) / 2
    placed: Floats = (laid / max(float(np.abs(laid).max()), 1e-6)).astype(np.float32)
    return placed


def _start(reduced: Floats, seed: int) -> Floats:
    """The first two principal components, scaled down for t-SNE, no two images in one place.

    Why the noise: equal images at one place crash scikit-learn's quad tree, and the process.
    """
    noise = np.random.default_rng(seed).normal(0, 1e-6, (len(reduced), 2))
    main = np.pad(reduced[:, :2], ((0, 0), (0, 2 - min(2, reduced.shape[1]))))
    return (main / max(float(main[:, 0].std()), 1e-6) * 1e-4 + noise).astype(np.float32)


def _placed_between(others: Floats, known: Floats, laid: Floats) -> Floats:
    """The weighted mean place of the nearest known images."""
    from sklearn.neighbors import NearestNeighbors

    if not len(others):
        return np.empty((0, 2), np.float32)
    neighbours = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(known))).fit(known)
    blocks = []
    for start in range(0, len(others), _BLOCK):
        distances, nearest = neighbours.kneighbors(others[start : start + _BLOCK])  # [block, 3]
        weights = 1 / (distances + 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        blocks.append((laid[nearest] * weights[:, :, None]).sum(axis=1))
    return np.concatenate(blocks).astype(np.float32)
