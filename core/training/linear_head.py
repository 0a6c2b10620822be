"""The last layer of the quick recipe, solved exactly: no epochs, no learning rate, no torch.

It is multinomial logistic regression on fixed features. With image weights w (sum 1), targets t
and penalty p, L-BFGS finds the one minimum of the convex

    sum_i w_i * cross_entropy(t_i, softmax(W x_i + b)) + p / 2 * ||W||^2

on standardized features x. With equal weights this is scikit-learn's
`LogisticRegression(C=1 / (N * p))`. The bias is not penalized.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import worker_count
from core.domain.configs.choices import ClassWeights
from core.domain.training import PenaltyPoint
from core.errors import TrainingError

FOLDS = 5
# Exponents of 10 of the penalties, in halves: two penalties per decade.
FIRST, LOWEST, HIGHEST = 3, -12, 10
RISES = 3  # the search ends that many points after the best one
_ABSENT_BIAS = 20.0  # a class that was never seen gets a confidence below e^-20
_PRECISE, _COARSE = 1e-7, 1e-4  # largest slope at the solution: of a model, of one to compare
_BLOCK_ROWS = 4096
_MEMORY = 20
_MAX_STEPS = 2000
_LEAST_DEVIATION = 1e-3

Floats = NDArray[np.float64]
Features = NDArray[np.float32]
Indices = NDArray[np.int64]
OnStep = Callable[[], None]
T = TypeVar("T")


@dataclass(frozen=True)
class HeadTask:
    """Images to learn from, and how.

    Attributes:
        features: [N, D], as the network gives them.
        targets: [N], class indices in [0, C).
        groups: [N]; no image is judged by a model that has seen another one of its group.
        class_count: C; classes without an image are never predicted.
        class_weights: how much an image counts, by the size of its class.
        label_smoothing: share of each target that is spread over the classes, in [0, 1).
        seed: of the folds.
    """

    features: Features
    targets: Indices
    groups: Indices
    class_count: int
    class_weights: ClassWeights = ClassWeights.NONE
    label_smoothing: float = 0.0
    seed: int = 0

    def only(self, rows: NDArray[np.intp]) -> "HeadTask":
        """The same task on some of its images."""
        return HeadTask(
            self.features[rows],
            self.targets[rows],
            self.groups[rows],
            self.class_count,
            self.class_weights,
            self.label_smoothing,
            self.seed,
        )


@dataclass(frozen=True)
class LinearHead:
    """Weights [C, D] and bias [C] for features as the network gives them."""

    weight: Features
    bias: Features

    def probabilities(self, features: Features) -> Features:
        """Confidences [N, C] of features [N, D]; rows sum to 1."""
        scores = _log_softmax(features.astype(np.float64) @ self.weight.T + self.bias)
        probabilities: Features = np.exp(scores).astype(np.float32)
        return probabilities


@dataclass(frozen=True)
class JudgedPoint:
    """A point of the path, and how it judged each image without having seen its group.

    `losses` [N] is NaN where the class was never seen; `predicted` [N] are classes.
    """

    point: PenaltyPoint
    losses: Floats
    predicted: Indices


def fit_head(task: HeadTask, penalty: float, *, on_step: OnStep) -> LinearHead:
    """The head with the least objective.

    Args:
        task: at least one image.
        penalty: above 0.
        on_step: called before each evaluation of the objective; may raise to stop.

    Raises:
        TrainingError: if the features are not finite.
    """
    with _one_thread():
        return _fit(task, penalty, on_step)


def _fit(task: HeadTask, penalty: float, on_step: OnStep) -> LinearHead:
    space = _Space.of(task.features)
    objective = _Objective(space.points, task, image_weights(task), on_step)
    near = objective.minimum(penalty, None, _COARSE)
    # Why twice: single precision gets near in half the time, but not to the fifth decimal.
    solution = objective.minimum(penalty, near, _PRECISE, precision=np.float64)
    return space.head(*objective.head(solution))


def penalty_path(task: HeadTask, *, on_step: OnStep) -> Iterator[PenaltyPoint]:
    """The points of `judged_path` alone."""
    return (judged.point for judged in judged_path(task, on_step=on_step))


def judged_path(task: HeadTask, *, on_step: OnStep) -> Iterator[JudgedPoint]:
    """Cross-validated log loss for one penalty after the other, from strong to weak.

    The folds keep groups together. The path ends once the loss keeps rising, and is extended to
    stronger penalties if the strongest was best. Each solution starts from the one before it. No
    point comes where the images cannot be divided.

    Args:
        task: the training images.
        on_step: as of `fit_head`.
    """
    folds = group_folds(task)
    if not folds:
        return
    with _one_thread():
        curve = _Curve(task, folds, on_step)
        yield from curve.downward()
        if curve.losses[0] == min(curve.losses):
            yield from curve.upward()


def judged_at(task: HeadTask, penalty: float, *, on_step: OnStep) -> JudgedPoint | None:
    """How models with one penalty judge each image without its group; None without folds."""
    folds = group_folds(task)
    if not folds:
        return None
    with _one_thread():
        return _Curve(task, folds, on_step).point(penalty)


def cross_validated(
    task: HeadTask, penalty: float, wanted: NDArray[np.intp], *, on_step: OnStep
) -> Features:
    """Confidences [M, C] of the wanted rows, each by a model fitted without its group.

    Args:
        task: all images that the released model is fitted on.
        penalty: above 0.
        wanted: [M], rows of the task.
        on_step: as of `fit_head`.
    """
    result = np.full((len(task.targets), task.class_count), 1 / task.class_count, np.float32)

    def judge(held_out: NDArray[np.intp]) -> None:
        judged = np.intersect1d(held_out, wanted)
        if len(judged):
            kept = np.setdiff1d(np.arange(len(task.targets)), held_out)
            head = _fit(task.only(kept), penalty, on_step)
            result[judged] = head.probabilities(task.features[judged])

    with _one_thread():
        _side_by_side(judge, group_folds(task))
    return result[wanted]


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


def image_weights(task: HeadTask) -> Floats:
    """How much each image counts [N], by its true class; they sum to 1."""
    counts = np.bincount(task.targets, minlength=task.class_count).astype(float)
    weights: Floats = np.maximum(counts, 1.0)[task.targets] ** -task.class_weights.power
    shares: Floats = weights / weights.sum()
    return shares


class _Curve:
    """The penalties tried so far, with a solution of every fold to start the next one from."""

    def __init__(self, task: HeadTask, folds: Sequence[NDArray[np.intp]], on_step: OnStep) -> None:
        points = _Space.of(task.features).points
        self._task, self._folds = task, folds
        self._fits = [_fold_objective(points, task, held_out, on_step) for held_out in folds]
        self._latest: list[Floats | None] = [None] * len(folds)
        self._first = list(self._latest)
        self.losses: list[float] = []

    def downward(self) -> Iterator[JudgedPoint]:
        """From the first penalty to the weakest that is worth trying."""
        for halves in range(FIRST, LOWEST - 1, -1):
            if _keeps_rising(self.losses):
                return
            yield self.point(10 ** (halves / 2))
            if halves == FIRST:
                self._first = list(self._latest)

    def upward(self) -> Iterator[JudgedPoint]:
        """From above the first penalty to the strongest that is worth trying."""
        self._latest, self.losses = list(self._first), self.losses[:1]
        for halves in range(FIRST + 1, HIGHEST + 1):
            if _keeps_rising(self.losses):
                return
            yield self.point(10 ** (halves / 2))

    def point(self, penalty: float) -> JudgedPoint:
        """The point of one penalty."""
        targets = self._task.targets
        losses, predicted = np.full(len(targets), np.nan), np.zeros(len(targets), np.int64)

        def judge(fold: int) -> None:
            fit, held_out = self._fits[fold], self._folds[fold]
            solution = fit.minimum(penalty, self._latest[fold], _COARSE)
            self._latest[fold] = solution
            judged = fit.judged(solution, held_out, targets[held_out])
            losses[held_out], predicted[held_out] = judged

        _side_by_side(judge, range(len(self._folds)))
        parts = [losses[rows][np.isfinite(losses[rows])] for rows in self._folds]
        means = np.array([part.mean() for part in parts if len(part)])
        error = float(means.std(ddof=1) / len(means) ** 0.5) if len(means) > 1 else 0.0
        known = np.concatenate(parts)
        self.losses.append(float(known.mean()) if len(known) else 0.0)
        return JudgedPoint(PenaltyPoint(penalty, self.losses[-1], error), losses, predicted)


def _keeps_rising(losses: Sequence[float]) -> bool:
    return len(losses) - 1 - int(np.argmin(losses)) >= RISES if losses else False


def _fold_objective(
    points: Features, task: HeadTask, held_out: NDArray[np.intp], on_step: OnStep
) -> "_Objective":
    # Why weights of 0 and not fewer rows: all folds then share one copy of the features.
    kept = np.setdiff1d(np.arange(len(task.targets)), held_out)
    weights = np.zeros(len(task.targets))
    weights[kept] = image_weights(task.only(kept))
    return _Objective(points, task, weights, on_step)


@dataclass(frozen=True)
class _Space:
    """Standardized features in as few dimensions K as they have: `points` [N, K].

    `basis` [D, K] has orthonormal columns, so penalty and solution are the same; None: K is D.
    """

    points: Features
    basis: Features | None
    mean: Features
    deviation: Features

    @classmethod
    def of(cls, features: Features) -> "_Space":
        from scipy.linalg import qr

        if not np.isfinite(features).all():
            raise TrainingError(
                "The features of some images are not finite numbers.",
                "Try another network, or check the images for empty or extreme pixels.",
            )
        mean = features.mean(axis=0)
        deviation = np.maximum(features.std(axis=0), np.float32(_LEAST_DEVIATION))
        standard = ((features - mean) / deviation).astype(np.float32)
        if len(standard) >= standard.shape[1]:
            return cls(standard, None, mean, deviation)
        basis, triangle = qr(standard.T, mode="economic", check_finite=False)
        return cls(np.ascontiguousarray(triangle.T), basis, mean, deviation)

    def head(self, weight: Floats, bias: Floats) -> LinearHead:
        """Weights [C, K] and bias [C] in this space as a head for plain features."""
        whole = weight if self.basis is None else weight @ self.basis.T.astype(np.float64)
        plain = whole / self.deviation
        return LinearHead(plain.astype(np.float32), (bias - plain @ self.mean).astype(np.float32))


class _Objective:
    """The function to minimize, over the classes that have an image with weight."""

    def __init__(self, points: Features, task: HeadTask, weights: Floats, on_step: OnStep) -> None:
        self._points, self._weights, self._on_step = points, weights, on_step
        self._class_count = task.class_count
        self._present = np.unique(task.targets[weights > 0])
        place = np.full(task.class_count, -1)
        place[self._present] = np.arange(len(self._present))
        self._place = place
        shared = task.label_smoothing / len(self._present)
        targets = np.full((len(points), len(self._present)), shared)
        rows = np.flatnonzero(weights > 0)
        targets[rows, place[task.targets[rows]]] += 1 - task.label_smoothing
        self._targets = targets

    def minimum(
        self,
        penalty: float,
        start: Floats | None,
        slope: float,
        *,
        precision: type[np.floating] = np.float32,
    ) -> Floats:
        """The solution [C' * K + C'] for one penalty, from where to search, and how exactly."""
        from scipy.optimize import minimize

        size = len(self._present) * (self._points.shape[1] + 1)
        result = minimize(
            self._value_and_slope,
            np.zeros(size) if start is None else start,
            args=(penalty, precision),
            jac=True,
            method="L-BFGS-B",
            options={"maxcor": _MEMORY, "gtol": slope, "ftol": 1e-12, "maxiter": _MAX_STEPS},
        )
        solution: Floats = result.x
        return solution

    def head(self, solution: Floats) -> tuple[Floats, Floats]:
        """Weights [C, K] and bias [C]; a class without image is never the largest.

        The weights of a solution sum to 0 over the classes. Its bias is moved to do so too, which
        changes no confidence; the largest score is then never below 0.
        """
        weight, bias = self._parts(solution)
        whole = np.zeros((self._class_count, weight.shape[1]))
        whole[self._present] = weight
        low = np.full(self._class_count, -_ABSENT_BIAS)
        low[self._present] = bias - bias.mean()
        return whole, low

    def judged(
        self, solution: Floats, rows: NDArray[np.intp], targets: Indices
    ) -> tuple[Floats, Indices]:
        """Log loss of these images (NaN: of a class that was never seen), and their classes."""
        at = self._place[targets]
        weight, bias = self._parts(solution)
        scores = _log_softmax(self._points[rows] @ weight.T.astype(np.float32) + bias)
        losses = -np.take_along_axis(scores, np.maximum(at, 0)[:, None], axis=1)[:, 0]
        return np.where(at >= 0, losses, np.nan), self._present[scores.argmax(1)]

    def _value_and_slope(
        self, solution: Floats, penalty: float, precision: type[np.floating]
    ) -> tuple[float, Floats]:
        self._on_step()
        weight, bias = self._parts(solution)
        sides = weight.T.astype(precision)
        products = [points @ sides for _, points in self._blocks(precision)]
        scores = _log_softmax(np.concatenate(products) + bias)  # [N, C']
        weights = self._weights[:, None]
        loss = -float((weights * self._targets * scores).sum())
        error = weights * (np.exp(scores) - self._targets)
        slope = penalty * weight
        for rows, points in self._blocks(precision):
            slope += error[rows].T.astype(precision) @ points
        value = loss + 0.5 * penalty * float((weight**2).sum())
        return value, np.concatenate([slope.ravel(), error.sum(axis=0)])

    def _blocks(self, precision: type[np.floating]) -> Iterator[tuple[slice, NDArray[np.floating]]]:
        if precision is np.float32:
            yield slice(None), self._points
            return
        for start in range(0, len(self._points), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            yield rows, self._points[rows].astype(precision)

    def _parts(self, solution: Floats) -> tuple[Floats, Floats]:
        count = len(self._present)
        return solution[:-count].reshape(count, -1), solution[-count:]


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def _side_by_side(judge: Callable[[T], None], folds: Iterable[T]) -> None:
    """Each fold on a core of its own, which changes no bit of its solution; the first error."""
    with ThreadPoolExecutor(min(FOLDS, worker_count())) as pool:
        for done in [pool.submit(judge, fold) for fold in folds]:
            done.result()


@contextmanager
def _one_thread() -> Iterator[None]:
    # Why: sums over several threads depend on how many there are, and on a busy machine they wait
    # for each other. One thread gives the same bits every time.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
