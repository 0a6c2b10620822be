"""The last layer of the quick recipe, solved exactly: no epochs, no learning rate, no torch.

It is multinomial logistic regression on fixed features. With image weights w (sum 1), targets t
and penalty p, L-BFGS finds the one minimum of the convex

    sum_i w_i * cross_entropy(t_i, softmax(W x_i + b)) + p / 2 * ||W||^2

on standardized features x. With equal weights this is scikit-learn's
`LogisticRegression(C=1 / (N * p))`. The bias is not penalized.

The features are turned to their principal axes, and each weight is scaled by how strongly the
objective bends along its axis, which takes a third of the steps and changes no solution.
Source: Nocedal and Wright 2006, "Numerical Optimization", 2.2, for the scaling.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import ClassWeights
from core.errors import TrainingError

_ABSENT_BIAS = 20.0  # a class that was never seen gets a confidence below e^-20
# Largest slope at the solution: of a model, of one whose confidences are kept, of one to compare.
_PRECISE, FINE, COARSE = 1e-7, 1e-5, 1e-4
FIRST = 3  # the penalty that is solved first, as an exponent of 10 in halves
_BLOCK_ROWS = 4096
_MEMORY = 20
_MAX_STEPS = 2000
_LEAST_DEVIATION = 1e-3
# How much of the variance along an axis the loss bends by, and the least that is assumed, as
# confident models bend it less. They decide the steps alone: tried from 0.03 to 1, and 0 to 0.03.
_BENDING, _LEAST_BENDING = 0.1, 0.01

Floats = NDArray[np.float64]
Features = NDArray[np.float32]
Indices = NDArray[np.int64]
OnStep = Callable[[], None]


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
        factors: [C], penalty of each class, by which its images count more; empty: 1.
    """

    features: Features
    targets: Indices
    groups: Indices
    class_count: int
    class_weights: ClassWeights = ClassWeights.NONE
    label_smoothing: float = 0.0
    seed: int = 0
    factors: tuple[float, ...] = ()

    def only(self, rows: NDArray[np.intp]) -> "HeadTask":
        """The same task on some of its images."""
        return replace(
            self,
            features=self.features[rows],
            targets=self.targets[rows],
            groups=self.groups[rows],
        )


@dataclass(frozen=True)
class LinearHead:
    """Weights [C, D] and bias [C] for features as the network gives them."""

    weight: Features
    bias: Features

    def probabilities(self, features: Features) -> Features:
        """Confidences [N, C] of features [N, D]; rows sum to 1."""
        scores = log_softmax(features.astype(np.float64) @ self.weight.T + self.bias)
        probabilities: Features = np.exp(scores).astype(np.float32)
        return probabilities


def fit_head(task: HeadTask, penalty: float, *, on_step: OnStep) -> LinearHead:
    """The head with the least objective.

    Args:
        task: at least one image.
        penalty: above 0.
        on_step: called before each evaluation of the objective; may raise to stop.

    Raises:
        TrainingError: if the features are not finite.
    """
    with one_thread():
        space = Space.of(task.features)
        objective = Objective(space.points, task, image_weights(task), on_step)
        solved: list[Floats] = []
        for step in (*stronger(penalty), penalty):
            solved = [*solved[-1:], objective.minimum(step, continued(solved), COARSE)]
        near = solved[-1]
        # Why twice: single precision gets near in half the time, but not to the fifth decimal.
        solution = objective.minimum(penalty, near, _PRECISE, precision=np.float64)
        return space.head(*objective.head(solution))


def stronger(penalty: float) -> Iterator[float]:
    """The penalties to go by to a weak one, two per decade, from strong to weak.

    Why not from 0 at once: where the images can be told apart, a weak penalty hardly bends the
    objective, and whatever separates them ends the search, near the solution or not.
    """
    halves = FIRST
    while 10 ** (halves / 2) > penalty * 1.001:
        yield 10 ** (halves / 2)
        halves -= 1


def continued(solved: Sequence[Floats]) -> Floats | None:
    """Where the solution of the next weaker penalty may be found; None: anywhere.

    The path is smooth, so it lies about as far from the latest as that from the one before it.
    """
    match solved:
        case [before, latest]:
            return 2 * latest - before
        case [only]:
            return only
        case _:
            return None


def image_weights(task: HeadTask) -> Floats:
    """How much each image counts [N], by its true class; they sum to 1."""
    counts = np.bincount(task.targets, minlength=task.class_count).astype(float)
    weights: Floats = np.maximum(counts, 1.0)[task.targets] ** -task.class_weights.power
    if task.factors:
        weights *= np.array(task.factors)[task.targets]
    shares: Floats = weights / weights.sum()
    return shares


@dataclass(frozen=True)
class Space:
    """Standardized features in as few dimensions K as they have: `points` [N, K].

    The axes are the principal ones, from small to large variance.
    `basis` [D, K] has orthonormal columns, so penalty and solution are the same.
    """

    points: Features
    basis: Features
    mean: Features
    deviation: Features

    @classmethod
    def of(cls, features: Features) -> "Space":
        """The space of features [N, D].

        Raises:
            TrainingError: if they are not finite.
        """
        from scipy.linalg import qr

        standard, mean, deviation = _standardized(features)
        if len(standard) >= standard.shape[1]:
            basis = _principal_axes(standard)
            points = standard @ basis
        else:
            few, triangle = qr(standard.T, mode="economic", check_finite=False)
            spanned = np.ascontiguousarray(triangle.T)
            axes = _principal_axes(spanned)
            basis, points = few @ axes, spanned @ axes
        basis[~standard.any(axis=0)] = 0  # a feature that never changes, to the last digit
        return cls(points, basis, mean, deviation)

    @classmethod
    def points_of(cls, features: Features) -> Features:
        """The points of that space alone, to the bit, in less time.

        Raises:
            TrainingError: as `of`.
        """
        from scipy.linalg import qr

        standard, _, _ = _standardized(features)
        if len(standard) < standard.shape[1]:
            (triangle,) = qr(standard.T, mode="r", check_finite=False)
            standard = np.ascontiguousarray(triangle[: len(standard)].T)
        points: Features = standard @ _principal_axes(standard)
        return points

    def head(self, weight: Floats, bias: Floats) -> LinearHead:
        """Weights [C, K] and bias [C] in this space as a head for plain features."""
        plain = weight @ self.basis.T.astype(np.float64) / self.deviation
        return LinearHead(plain.astype(np.float32), (bias - plain @ self.mean).astype(np.float32))


def _standardized(features: Features) -> tuple[Features, Features, Features]:
    """Features [N, D] with means of 0 and deviations of 1; what was taken away and divided by."""
    if not np.isfinite(features).all():
        raise TrainingError(
            "The features of some images are not finite numbers.",
            "Try another network, or check the images for empty or extreme pixels.",
        )
    mean = features.mean(axis=0)
    deviation = np.maximum(features.std(axis=0), np.float32(_LEAST_DEVIATION))
    return ((features - mean) / deviation).astype(np.float32), mean, deviation


def _principal_axes(points: Features) -> Features:
    """Orthonormal columns [K, K] along which points [N, K] vary independently."""
    from scipy.linalg import eigh

    # Why this driver: for all axes at once it is the fastest.
    _, axes = eigh(points.T @ points, driver="evd", check_finite=False)
    return np.ascontiguousarray(axes)


class Objective:
    """The function to minimize, over the classes that have an image with weight."""

    def __init__(self, points: Features, task: HeadTask, weights: Floats, on_step: OnStep) -> None:
        self._points, self._weights, self._on_step = points, weights, on_step
        self._class_count = task.class_count
        self._present = np.unique(task.targets[weights > 0])
        place = np.full(task.class_count, -1)
        place[self._present] = np.arange(len(self._present))
        shared = task.label_smoothing / len(self._present)
        targets = np.full((len(points), len(self._present)), shared)
        rows = np.flatnonzero(weights > 0)
        targets[rows, place[task.targets[rows]]] += 1 - task.label_smoothing
        self._targets = targets
        self._variances = (points**2).mean(axis=0, dtype=np.float64)

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

        scale = self._scale(penalty)

        def scaled(position: Floats) -> tuple[float, Floats]:
            value, slope = self._value_and_slope(position * scale, penalty, precision)
            return value, slope * scale

        result = minimize(
            scaled,
            np.zeros(len(scale)) if start is None else start / scale,
            jac=True,
            method="L-BFGS-B",
            options={"maxcor": _MEMORY, "gtol": slope, "ftol": 1e-12, "maxiter": _MAX_STEPS},
        )
        solution: Floats = result.x * scale
        return solution

    def _scale(self, penalty: float) -> Floats:
        """How far to go for each number of a solution [C' * K + C'], relative to the others."""
        count = len(self._present)
        bending = _BENDING / count * self._variances + max(penalty, _LEAST_BENDING)
        axes, biases = np.tile(bending**-0.5, count), np.full(count, (_BENDING / count) ** -0.5)
        return np.concatenate([axes, biases])

    def head(self, solution: Floats) -> tuple[Floats, Floats]:
        """Weights [C, K] and bias [C]; a class without image is never the largest.

        The weights of a solution sum to 0 over the classes. Its bias is moved to do so too, which
        changes no confidence; the largest score is then never below 0.
        """
        weight, bias = self._parts(solution)
        return spread_over_classes(weight, bias - bias.mean(), self._present, self._class_count)

    def judged(
        self, solution: Floats, rows: NDArray[np.intp], targets: Indices
    ) -> tuple[Features, Floats]:
        """Confidences [M, C] of these images, and their log loss [M]; NaN: of an unseen class."""
        weight, bias = self.head(solution)
        logits = self._points[rows] @ weight.T.astype(np.float32) + bias
        return judged_by(logits, targets, self._present)

    def _value_and_slope(
        self, solution: Floats, penalty: float, precision: type[np.floating]
    ) -> tuple[float, Floats]:
        self._on_step()
        weight, bias = self._parts(solution)
        sides = weight.T.astype(precision)
        products = [points @ sides for _, points in self._blocks(precision)]
        scores = log_softmax(np.concatenate(products) + bias)  # [N, C']
        weights = self._weights[:, None]
        loss = -float((weights * self._targets * scores).sum())
        error = weights * (np.exp(scores) - self._targets)
        slope = penalty * weight
        for rows, points in self._blocks(precision):
            slope += error[rows].T.astype(precision) @ points
        value = loss + 0.5 * penalty * float((weight**2).sum())
        return value, np.concatenate([slope.ravel(), error.sum(axis=0)])

    def _blocks(self, precision: type[np.floating]) -> Iterator[tuple[slice, NDArray[np.floating]]]:
        if precision is np.float32 or len(self._points) <= _BLOCK_ROWS:
            yield slice(None), self._points if precision is np.float32 else self._precise_points
            return
        for start in range(0, len(self._points), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            yield rows, self._points[rows].astype(precision)

    @cached_property
    def _precise_points(self) -> Floats:
        return self._points.astype(np.float64)

    def _parts(self, solution: Floats) -> tuple[Floats, Floats]:
        count = len(self._present)
        return solution[:-count].reshape(count, -1), solution[-count:]


def spread_over_classes(
    weight: Floats, bias: Floats, present: Indices, class_count: int
) -> tuple[Floats, Floats]:
    """Weight [C', K] and bias [C'] of the classes that have images as those of all classes [C].

    A class without image is never the largest, as the others are scored around 0.
    """
    whole = np.zeros((class_count, weight.shape[1]))
    whole[present] = weight
    low = np.full(class_count, -_ABSENT_BIAS)
    low[present] = bias
    return whole, low


def judged_by(logits: Floats, targets: Indices, present: Indices) -> tuple[Features, Floats]:
    """Confidences [M, C] of logits [M, C], and their log loss [M]; NaN: of an unseen class."""
    scores = log_softmax(logits)
    losses = -np.take_along_axis(scores, targets[:, None], axis=1)[:, 0]
    unseen = ~np.isin(targets, present)
    return np.exp(scores).astype(np.float32), np.where(unseen, np.nan, losses)


def log_softmax(scores: Floats) -> Floats:
    """Logits [N, C] to log confidences [N, C]."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrix products on one thread each."""
    # Why: sums over several threads depend on how many there are, and on a busy machine they wait
    # for each other. One thread gives the same bits every time.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
