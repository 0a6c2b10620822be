"""How good the probabilities of single images are: losses, ranks and margins."""

import numpy as np
from numpy.typing import NDArray

from core.evaluation.measures.classification import Probabilities, Targets

_SMALLEST = 1e-12


def log_losses(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    """[N]: minus the logarithm of the true class' probability, at most 27.6 (12 digits)."""
    return -np.log(np.clip(_true_probability(probabilities, targets), _SMALLEST, 1.0))


def _true_probability(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    return np.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0].astype(np.float64)


def brier_scores(probabilities: Probabilities, targets: Targets) -> NDArray[np.float64]:
    """[N]: squared distance of the probabilities from the truth, in [0, 2].

    Source: Brier 1950 (the sum over all classes).
    """
    squares = np.einsum("nc,nc->n", probabilities, probabilities, dtype=np.float64)
    distances = squares - 2 * _true_probability(probabilities, targets) + 1
    return np.asarray(np.maximum(distances, 0.0), np.float64)


def margins_to_second(probabilities: Probabilities) -> NDArray[np.float64]:
    """[N]: confidence of the predicted class minus that of the next one; 1 for a single class."""
    if probabilities.shape[1] == 1:
        return np.ones(len(probabilities))
    best = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64)
    return np.abs(best[:, 1] - best[:, 0])


def true_class_ranks(probabilities: Probabilities, targets: Targets) -> NDArray[np.int64]:
    """[N]: how many classes come before the true one; 0 where the prediction is right."""
    true = np.take_along_axis(probabilities, targets[:, None], axis=1)
    ranks: NDArray[np.int64] = (probabilities > true).sum(axis=1)
    tied = np.flatnonzero((probabilities == true).sum(axis=1) > 1)
    earlier = np.arange(probabilities.shape[1])[None, :] < targets[tied, None]
    ranks[tied] += ((probabilities[tied] == true[tied]) & earlier).sum(axis=1)
    return ranks
