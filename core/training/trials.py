"""Is a dearer way worth it? Comparisons of two cross-validated heads, image by image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.training.linear_head import Indices, JudgedPoint

# Below this share of wrong images in cross-validation nothing dearer is tried.
FEW_WRONG = 0.005
# A normal value is above minus this many standard errors in two of three cases.
_TWO_TO_ONE = 0.43


@dataclass(frozen=True)
class Gain:
    """How much lower the mean log loss of one way is than that of another, and its error."""

    mean: float
    standard_error: float

    def pays(self, *, slower: bool) -> bool:
        """Whether to choose the second way: if it is likelier better than not.

        If it is slower, the odds must be two to one. Why no proof of two or more errors: the choice
        costs time at most, and a wrong one in either direction is equally harmless.
        """
        return self.mean > (_TWO_TO_ONE if slower else 0.0) * self.standard_error


def gain_of(before: JudgedPoint, after: JudgedPoint, groups: NDArray[np.int64]) -> Gain:
    """What the second way brings on the same images, compared image by image.

    Images of one group show the same part, so that the standard error is that of the sums over
    groups. Differences of pairs vary far less than the losses themselves.

    Args:
        before: of the first way.
        after: of the second way.
        groups: [N].

    Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", for why folds alone
    are too few to tell.
    """
    known = np.isfinite(before.losses) & np.isfinite(after.losses)
    if not known.any():
        return Gain(0.0, 0.0)
    differences = before.losses[known] - after.losses[known]
    number = np.unique(groups[known], return_inverse=True)[1]
    mean = float(differences.mean())
    sums = np.bincount(number, differences - mean)
    count = len(sums)
    spread = float((sums**2).sum() * count / max(1, count - 1)) ** 0.5
    return Gain(mean, spread / len(differences))


def macro_recall(predicted: Indices, targets: Indices) -> float:
    """Mean over the classes of the share that was recognized, in [0, 1]."""
    right = predicted == targets
    return float(np.mean([right[targets == label].mean() for label in np.unique(targets)]))


def worth_more(judged: JudgedPoint, targets: Indices) -> bool:
    """Whether enough images are wrong for something dearer to be tried."""
    wrong = int((judged.predicted != targets).sum())
    return wrong > max(1, FEW_WRONG * len(targets))
