"""Which images come when: a function of seed and epoch alone."""

import math

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.train import TrainConfig


def batch_count(n: int, config: TrainConfig) -> int:
    """Steps of an epoch with n images."""
    # Why at least two images in each: batch normalization cannot learn from one.
    return max(1, min(math.ceil(n / (config.batch_size * config.accumulation)), n // 2))


def epoch_batches(
    targets: NDArray[np.int64], config: TrainConfig, epoch: int
) -> list[NDArray[np.intp]]:
    """The positions of each step of an epoch.

    Every image comes once; with balanced sampling, every class equally often instead.

    Args:
        targets: [N], class indices.
        config: seed, batch size, sampling.
        epoch: from 0.
    """
    n = len(targets)
    order = np.random.default_rng((config.seed, epoch)).permutation(n)
    if config.balanced_sampling:
        order = _balanced(targets[order], order)
    return np.array_split(order, batch_count(n, config))


def _balanced(classes: NDArray[np.int64], order: NDArray[np.intp]) -> NDArray[np.intp]:
    """As many positions, the classes taking turns; a small class starts again when used up."""
    own = [order[classes == c] for c in np.unique(classes)]
    rounds = math.ceil(len(order) / len(own))
    turns = np.stack([np.resize(positions, rounds) for positions in own], axis=1)
    drawn: NDArray[np.intp] = turns.ravel()[: len(order)]
    return drawn


def part_of_rank(positions: NDArray[np.intp], rank: int, world: int) -> NDArray[np.intp]:
    """The images of one process: every world-th of the step."""
    return positions[rank::world]
