"""Cross-validated heads: how each penalty judges images it has not seen the group of."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import worker_count
from core.domain.training import PenaltyPoint
from core.training.linear_head import (
    COARSE,
    FINE,
    FIRST,
    Features,
    Floats,
    HeadTask,
    Indices,
    Objective,
    OnStep,
    Space,
    continued,
    image_weights,
    one_thread,
    stronger,
)

FOLDS = 5
# Exponents of 10 of the penalties, in halves: two penalties per decade.
LOWEST, HIGHEST = -12, 10
RISES = 3  # the search ends that many points after the best one
T = TypeVar("T")


@dataclass(frozen=True)
class JudgedPoint:
    """A point of the path, and how it judged each image without having seen its group.

    `confidences` [N, C] sum to 1; `losses` [N] is NaN where the class was never seen. Both say
    nothing of images in no fold.
    """

    point: PenaltyPoint
    confidences: Features
    losses: Floats

    @property
    def predicted(self) -> Indices:
        """The class of each image [N]."""
        classes: Indices = self.confidences.argmax(axis=1)
        return classes


def penalty_path(task: HeadTask, *, on_step: OnStep) -> Iterator[PenaltyPoint]:
    """The points of `judged_path` alone."""
    return (judged.point for judged in judged_path(task, on_step=on_step))


def judged_path(
    task: HeadTask, *, on_step: OnStep, folds: Sequence[Indices] | None = None
) -> Iterator[JudgedPoint]:
    """Cross-validated log loss for one penalty after the other, from strong to weak.

    The folds keep groups together. The path ends once the loss keeps rising, and is extended to
    stronger penalties if the strongest was best. Each solution starts from the one before it. No
    point comes where the images cannot be divided.

    Args:
        task: the training images.
        on_step: as of `fit_head`.
        folds: the rows that are judged together, each by heads of all others; None: `group_folds`.
            Rows in no fold are learned from in every one.
    """
    folds = group_folds(task) if folds is None else folds
    if not folds:
        return
    with one_thread():
        curve = _Curve(task, folds, on_step)
        yield from curve.downward()
        if curve.losses[0] == min(curve.losses):
            yield from curve.upward()


def judged_at(
    task: HeadTask, penalty: float, *, on_step: OnStep, folds: Sequence[Indices] | None = None
) -> JudgedPoint | None:
    """How models with one penalty judge each image without its group; None without folds.

    Features are standardized over all images of the task, which needs no label of theirs. `folds`
    as of `judged_path`.
    """
    folds = group_folds(task) if folds is None else folds
    if not folds:
        return None
    with one_thread():
        curve = _Curve(task, folds, on_step)
        for step in stronger(penalty):
            curve.point(step)
        return curve.point(penalty, FINE)


def group_folds(task: HeadTask) -> list[NDArray[np.intp]]:
    """The rows of each fold: groups undivided, classes spread evenly; empty if impossible.

    There are five folds, fewer if every class or the number of groups is smaller than that.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = np.unique(task.groups, return_inverse=True)[1]
    largest = int(np.bincount(task.targets).max()) if len(task.targets) else 0
    count = min(FOLDS, largest, int(groups.max(initial=-1)) + 1)
    if count < 2:
        return []
    # Why: without groups both give the same kind of folds, and one of them is much faster.
    alone = groups.max() + 1 == len(groups)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    divide = kind(count, shuffle=True, random_state=task.seed)
    together = None if alone else groups
    with warnings.catch_warnings():
        # A class with fewer images than folds is missing in some of them; that is allowed here.
        warnings.filterwarnings("ignore", message="The least populated class", module="sklearn")
        parts = list(divide.split(groups, task.targets, together))
    return [held_out for kept, held_out in parts if len(kept) and len(held_out)]


class _Curve:
    """The penalties tried so far, with a solution of every fold to start the next one from."""

    def __init__(self, task: HeadTask, folds: Sequence[NDArray[np.intp]], on_step: OnStep) -> None:
        points = Space.points_of(task.features)
        self._task, self._folds = task, folds
        self._fits = [_fold_objective(points, task, held_out, on_step) for held_out in folds]
        self._solved: list[list[Floats]] = [[] for _ in folds]  # one penalty after the other
        self._first = self._solved
        self.losses: list[float] = []

    def downward(self) -> Iterator[JudgedPoint]:
        """From the first penalty to the weakest that is worth trying."""
        for halves in range(FIRST, LOWEST - 1, -1):
            if keeps_rising(self.losses):
                return
            yield self.point(10 ** (halves / 2))
            if halves == FIRST:
                self._first = [list(solved) for solved in self._solved]

    def upward(self) -> Iterator[JudgedPoint]:
        """From above the first penalty to the strongest that is worth trying."""
        self._solved, self.losses = self._first, self.losses[:1]
        for halves in range(FIRST + 1, HIGHEST + 1):
            if keeps_rising(self.losses):
                return
            yield self.point(10 ** (halves / 2))

    def point(self, penalty: float, slope: float = COARSE) -> JudgedPoint:
        """The point of one penalty, solved so exactly."""
        targets = self._task.targets
        losses = np.full(len(targets), np.nan)
        confidences = np.zeros((len(targets), self._task.class_count), np.float32)

        def judge(fold: int) -> None:
            fit, held_out = self._fits[fold], self._folds[fold]
            solved = self._solved[fold]
            solution = fit.minimum(penalty, continued(solved), slope)
            solved[:] = [*solved[-1:], solution]
            judged = fit.judged(solution, held_out, targets[held_out])
            confidences[held_out], losses[held_out] = judged

        side_by_side(judge, range(len(self._folds)))
        judged = judged_point(penalty, confidences, losses, self._folds)
        self.losses.append(judged.point.log_loss)
        return judged


def judged_point(
    penalty: float, confidences: Features, losses: Floats, folds: Sequence[NDArray[np.intp]]
) -> JudgedPoint:
    """What the confidences [N, C] and log losses [N] of all folds say of a penalty."""
    parts = [losses[rows][np.isfinite(losses[rows])] for rows in folds]
    means = np.array([part.mean() for part in parts if len(part)])
    error = float(means.std(ddof=1) / len(means) ** 0.5) if len(means) > 1 else 0.0
    known = np.concatenate(parts)
    loss = float(known.mean()) if len(known) else 0.0
    return JudgedPoint(PenaltyPoint(penalty, loss, error), confidences, losses)


def keeps_rising(losses: Sequence[float], rises: int = RISES) -> bool:
    """Whether the least loss lies that many points back."""
    return len(losses) - 1 - int(np.argmin(losses)) >= rises if losses else False


def _fold_objective(
    points: Features, task: HeadTask, held_out: NDArray[np.intp], on_step: OnStep
) -> Objective:
    # Why weights of 0 and not fewer rows: all folds then share one copy of the features.
    kept = np.setdiff1d(np.arange(len(task.targets)), held_out)
    weights = np.zeros(len(task.targets))
    weights[kept] = image_weights(task.only(kept))
    return Objective(points, task, weights, on_step)


def side_by_side(judge: Callable[[T], None], folds: Iterable[T]) -> None:
    """Each fold on a core of its own, which changes no bit of its solution; the first error."""
    with ThreadPoolExecutor(min(FOLDS, worker_count())) as pool:
        for done in [pool.submit(judge, fold) for fold in folds]:
            done.result()
