"""Is a dearer way worth it? Comparisons of two cross-validated heads, image by image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.training.cross_validation import JudgedPoint
from core.training.linear_head import Floats, HeadTask, Indices, image_weights

# Below this share of wrong images in cross-validation nothing dearer is tried.
FEW_WRONG = 0.005
# A normal value is above minus this many standard errors in two of three cases.
_TWO_TO_ONE = 0.43
_LEAST_SHARE = 0.01
_PROVEN = 1.645  # standard errors that a normal value exceeds in one of twenty cases by chance


@dataclass(frozen=True)
class Gain:
    """How much lower the weighted log loss of one way is than that of another, and its error."""

    mean: float
    standard_error: float
    share: float  # of the loss before

    def pays(self, *, slower: bool) -> bool:
        """Whether to choose the second way: at odds of two to one for it, if it is slower.

        A way that is as fast is chosen unless the odds are two to one against it. Why no proof of
        two or more errors: a wrong choice costs time at most, or a little of what was to be gained.
        Less than a hundredth of the loss is nothing to wait for at every image.
        """
        if slower:
            return self.mean > _TWO_TO_ONE * self.standard_error and self.share > _LEAST_SHARE
        return self.mean > -_TWO_TO_ONE * self.standard_error

    @property
    def is_proven(self) -> bool:
        """Whether the second way is better with 95% confidence, and by more than nothing."""
        return self.mean > _PROVEN * self.standard_error and self.share > _LEAST_SHARE


def is_better_head(judged: JudgedPoint, best: JudgedPoint, task: HeadTask) -> tuple[Gain, bool]:
    """What another kind of head gains, and whether to take it.

    Its loss is to be lower with 95% confidence, with the weights of the classes, and not higher
    when every image counts the same. Why both: with rare classes that weigh much, a head that is
    merely less sure of everything has the lower weighted loss, and tells fewer images right.
    """
    gain = gain_of(best.losses, judged.losses, task.groups, image_weights(task))
    plain = gain_of(best.losses, judged.losses, task.groups, np.ones(len(task.targets)))
    return gain, gain.is_proven and plain.mean >= 0


def gain_of(before: Floats, after: Floats, groups: NDArray[np.int64], weights: Floats) -> Gain:
    """What the second way brings on the same images, compared image by image.

    Images of one group show the same part, so that the standard error is that of the sums over
    groups. Differences of pairs vary far less than the losses themselves.

    Args:
        before: log losses [N] of the first way; NaN where a class was never seen.
        after: of the second way.
        groups: [N].
        weights: [N], above 0, how much each image counts, as in the loss that is minimized.

    Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", for why folds alone
    are too few to tell.
    """
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any():
        return Gain(0.0, 0.0, 0.0)
    shares = weights[known] / weights[known].sum()
    differences = before[known] - after[known]
    number = np.unique(groups[known], return_inverse=True)[1]
    mean = float((shares * differences).sum())
    sums = np.bincount(number, shares * (differences - mean))
    count = len(sums)
    loss = float((shares * before[known]).sum())
    error = float((sums**2).sum() * count / max(1, count - 1)) ** 0.5
    return Gain(mean, error, mean / loss if loss > 0 else 0.0)


def macro_recall(predicted: Indices, targets: Indices) -> float:
    """Mean over the classes of the share that was recognized, in [0, 1]."""
    right = predicted == targets
    return float(np.mean([right[targets == label].mean() for label in np.unique(targets)]))


def worth_more(judged: JudgedPoint, targets: Indices) -> bool:
    """Whether enough images are wrong for something dearer to be tried."""
    wrong = int((judged.predicted != targets).sum())
    return wrong > max(1, FEW_WRONG * len(targets))
