"""Several images of one part, combined: each image gets what its part has.

What counts parts afterwards needs no other rule, since all images of a part agree then.
"""

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.parts import PartHow, PartRule
from core.evaluation.measures.parts import Parts


def kth_highest(values: NDArray[Any], parts: Parts, k: int) -> NDArray[Any]:
    """[N]: the k-th highest value among the images of each one's part, the lowest of fewer.

    Args:
        values: [N].
        parts: [N] part numbers.
        k: from 1.
    """
    if not len(values):
        return values
    order = np.lexsort((-values.astype(float), parts))
    new = np.append(True, np.diff(parts[order]) != 0)
    starts = np.flatnonzero(new)
    sizes = np.diff(np.append(starts, len(values)))
    chosen = values[order[starts + np.minimum(k, sizes) - 1]]
    result = np.empty_like(values)
    result[order] = np.repeat(chosen, sizes)
    return result


def means(values: NDArray[np.floating[Any]], parts: Parts) -> NDArray[np.floating[Any]]:
    """[N, …]: the mean over the images of each one's part.

    Args:
        values: [N, …].
        parts: [N] part numbers.
    """
    _, part, sizes = np.unique(parts, return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), *values.shape[1:]))
    np.add.at(sums, part, values)
    shape = (-1, *(1,) * (values.ndim - 1))
    result: NDArray[np.floating[Any]] = (sums / sizes.reshape(shape))[part].astype(values.dtype)
    return result


def combined_scores(
    scores: NDArray[np.float64], parts: Parts | None, rule: PartRule
) -> NDArray[np.float64]:
    """NOK probabilities [N] of images as those of their parts."""
    if parts is None:
        return scores
    match rule.how:
        case PartHow.ANY:
            return scores
        case PartHow.AT_LEAST:
            return kth_highest(scores, parts, rule.k)
        case PartHow.MEAN:
            return means(scores, parts).astype(np.float64)
        case _:
            assert_never(rule.how)
