"""Thresholds that people can read, type in again and get the same decisions.

A threshold is shown with all its digits, so it is chosen with few: between two neighboring scores
the shortest decimal number near their middle, which decides every part as the middle does.

Source of the three digits: steps finer than 0.1% (and, near 0 and 1, than 1% of the distance to
them) are below what a camera repeats.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FEWEST_DECIMALS = 3  # 0.1%
_MOST_DECIMALS = 15


def between(low: ArrayLike, high: ArrayLike) -> Floats:
    """The shortest decimals within the middle half of (low, high), of their shape.

    Where no decimal number of 15 digits lies there, the middle itself.
    """
    first, last = np.asarray(low, np.float64), np.asarray(high, np.float64)
    middle = (first + last) / 2
    reach = (last - first) / 4
    shortest, is_open = middle.copy(), np.ones(middle.shape, bool)
    for decimals in range(FEWEST_DECIMALS, _MOST_DECIMALS + 1):
        candidate = np.round(middle, decimals)
        fits = is_open & (np.abs(candidate - middle) <= reach)
        shortest = np.where(fits, candidate, shortest)
        is_open &= ~fits
        if not is_open.any():
            break
    return shortest


def rounded(values: ArrayLike) -> Floats:
    """Thresholds in [0, 1] to 0.1%, and near both ends to three digits of the distance to them."""
    exact = np.asarray(values, np.float64)
    near = np.minimum(exact, 1 - exact)
    with np.errstate(divide="ignore"):  # the ends themselves
        decimals = np.nan_to_num(2 - np.floor(np.log10(near)), posinf=FEWEST_DECIMALS)
    decimals = np.clip(decimals, FEWEST_DECIMALS, _MOST_DECIMALS).astype(int)
    result = exact.copy()
    for number in np.unique(decimals):
        result = np.where(decimals == number, np.round(exact, int(number)), result)
    return result
