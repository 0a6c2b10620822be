"""Every kind of last layer on fixed features: fitted, and judged by cross-validation. No torch.

`linear` is the exact solution (`linear_head.py`). `means` scores a class by how near its mean is:
with standardized features x, class means m and penalty p, the logits are (m x - |m|^2 / 2) / p,
which is linear in x, too. `mlp` has one hidden layer of rectifiers, on the largest principal
components z of x, scaled to a mean square of 1:

    sum_i w_i * cross_entropy(t_i, softmax(V relu(U z_i + a) + b)) + p / 2 * (||U||^2 + ||V||^2)

Source: Mensink et al. 2013, "Distance-Based Image Classification", for nearest class means.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import HeadKind
from core.inference.heads import Head, HiddenLayer
from core.training.cross_validation import (
    RISES,
    JudgedPoint,
    group_folds,
    judged_at,
    judged_path,
    judged_point,
    keeps_rising,
    side_by_side,
)
from core.training.linear_head import (
    Features,
    Floats,
    HeadTask,
    Indices,
    OnStep,
    Space,
    fit_head,
    image_weights,
    judged_by,
    one_thread,
    spread_over_classes,
)

HIDDEN_UNITS = 64
_COMPONENTS = 256
_STEPS = 200
_MEMORY = 20
# Exponents of 10 of the penalties. A hidden layer learns nothing from stronger ones, and each of
# its penalties takes as long as a whole path of the linear head.
_MEANS_EXPONENTS = tuple(halves / 2 for halves in range(10, -6, -1))
_MLP_EXPONENTS = tuple(quarters / 4 for quarters in range(-4, -17, -1))


@dataclass(frozen=True)
class _Fitted:
    """Weights in a space: `weight` [C, K], or [C, H] behind `inner` [H, K]."""

    weight: Floats
    bias: Floats
    present: Indices
    inner: tuple[Floats, Floats] | None = None

    def logits(self, points: Features) -> Floats:
        """Points [N, K] to logits [N, C]."""
        values = points
        if self.inner is not None:
            weight, bias = (part.astype(np.float32) for part in self.inner)
            values = np.maximum(points @ weight.T + bias, 0)
        logits: Floats = values @ self.weight.T.astype(np.float32) + self.bias
        return logits

    def head(self, space: Space) -> Head:
        """The same for plain features."""
        if self.inner is None:
            plain = space.head(self.weight, self.bias)
            return Head(plain.weight, plain.bias)
        inner = space.head(*self.inner)
        return Head(
            self.weight.astype(np.float32),
            self.bias.astype(np.float32),
            HiddenLayer(inner.weight, inner.bias),
        )


def fit_kind(kind: HeadKind, task: HeadTask, penalty: float, *, on_step: OnStep) -> Head:
    """The head of a kind, on features as the network gives them.

    Args:
        kind: which.
        task: at least one image.
        penalty: above 0.
        on_step: as of `fit_head`.

    Raises:
        TrainingError: if the features are not finite.
    """
    if kind is HeadKind.LINEAR:
        solved = fit_head(task, penalty, on_step=on_step)
        return Head(solved.weight, solved.bias)
    with one_thread():
        space = _space(kind, task.features)
        return _fitted(kind, space.points, task, penalty, on_step).head(space)


def judged_kind(
    kind: HeadKind, task: HeadTask, penalty: float, *, on_step: OnStep
) -> JudgedPoint | None:
    """How heads of a kind judge each image without its group; None without folds."""
    if kind is HeadKind.LINEAR:
        return judged_at(task, penalty, on_step=on_step)
    folds = group_folds(task)
    if not folds:
        return None
    with one_thread():
        return _judged(kind, _space(kind, task.features).points, task, penalty, folds, on_step)


def kind_path(kind: HeadKind, task: HeadTask, *, on_step: OnStep) -> Iterator[JudgedPoint]:
    """Cross-validated log loss for one penalty after the other, from strong to weak.

    It ends once the loss keeps rising. No point comes where the images cannot be divided.
    """
    match kind:
        case HeadKind.LINEAR:
            yield from judged_path(task, on_step=on_step)
            return
        case HeadKind.MEANS:
            exponents, rises = _MEANS_EXPONENTS, RISES
        case HeadKind.MLP:
            exponents, rises = _MLP_EXPONENTS, 1
        case _:
            assert_never(kind)
    folds = group_folds(task)
    if not folds:
        return
    with one_thread():
        points = _space(kind, task.features).points
        losses: list[float] = []
        for exponent in exponents:
            if keeps_rising(losses, rises):
                return
            judged = _judged(kind, points, task, 10**exponent, folds, on_step)
            losses.append(judged.point.log_loss)
            yield judged


def _judged(
    kind: HeadKind,
    points: Features,
    task: HeadTask,
    penalty: float,
    folds: list[NDArray[np.intp]],
    on_step: OnStep,
) -> JudgedPoint:
    confidences = np.zeros((len(task.targets), task.class_count), np.float32)
    losses = np.full(len(task.targets), np.nan)

    def judge(held_out: NDArray[np.intp]) -> None:
        kept = np.setdiff1d(np.arange(len(task.targets)), held_out)
        fitted = _fitted(kind, points[kept], task.only(kept), penalty, on_step)
        judged = judged_by(fitted.logits(points[held_out]), task.targets[held_out], fitted.present)
        confidences[held_out], losses[held_out] = judged

    side_by_side(judge, folds)
    return judged_point(penalty, confidences, losses, folds)


def _space(kind: HeadKind, features: Features) -> Space:
    space = Space.of(features)
    match kind:
        case HeadKind.LINEAR | HeadKind.MEANS:
            return space
        case HeadKind.MLP:
            return _components(space)
        case _:
            assert_never(kind)


def _components(space: Space) -> Space:
    """The largest principal components of a space, scaled alike so that their mean square is 1."""
    largest = slice(None, -_COMPONENTS - 1, -1)  # the axes of a space come from small to large
    points, basis = space.points[:, largest], space.basis[:, largest]
    scale = np.float32(1 / max(float(np.sqrt(np.mean(points**2, dtype=np.float64))), 1e-9))
    return Space(points * scale, basis * scale, space.mean, space.deviation)


def _fitted(
    kind: HeadKind, points: Features, task: HeadTask, penalty: float, on_step: OnStep
) -> _Fitted:
    match kind:
        case HeadKind.MEANS:
            return _by_means(points, task, penalty, on_step)
        case HeadKind.MLP:
            return _by_mlp(points, task, penalty, on_step)
        case HeadKind.LINEAR:
            raise ValueError("the linear head is solved elsewhere")
        case _:
            assert_never(kind)


def _by_means(points: Features, task: HeadTask, penalty: float, on_step: OnStep) -> _Fitted:
    """Nearest class mean; every class counts the same, but for its own penalty.

    Class weights are left out. A penalty counts as if the class came so many times as often.
    """
    on_step()
    present = np.unique(task.targets)
    rows = (points[task.targets == label] for label in present)
    means = np.stack([own.mean(axis=0, dtype=np.float64) for own in rows])
    scores = -(means**2).sum(axis=1) / 2 / penalty
    if task.factors:
        scores += np.log(task.factors)[present]
    weight = (means - means.mean(axis=0)) / penalty
    return _Fitted(
        *spread_over_classes(weight, scores - scores.mean(), present, task.class_count), present
    )


def _by_mlp(points: Features, task: HeadTask, penalty: float, on_step: OnStep) -> _Fitted:
    """One hidden layer, by L-BFGS on all images at once from weights drawn by the seed."""
    from scipy.optimize import minimize

    objective = _MlpObjective(points, task, penalty, on_step)
    result = minimize(
        objective.value_and_slope,
        objective.start(np.random.default_rng(task.seed)),
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": _MEMORY, "gtol": 1e-5, "ftol": 1e-9, "maxiter": _STEPS},
    )
    inner, inner_bias, outer, bias = objective.parts(result.x)
    whole, low = spread_over_classes(
        outer - outer.mean(axis=0), bias - bias.mean(), objective.present, task.class_count
    )
    return _Fitted(whole, low, objective.present, (inner, inner_bias))


class _MlpObjective:
    """The function to minimize, over the classes that have an image."""

    def __init__(self, points: Features, task: HeadTask, penalty: float, on_step: OnStep) -> None:
        self._points, self._on_step = points, on_step
        self._penalty = np.float32(penalty)
        self.present, place = np.unique(task.targets, return_inverse=True)
        count = len(self.present)
        targets = np.full((len(points), count), task.label_smoothing / count, np.float32)
        targets[np.arange(len(points)), place] += np.float32(1 - task.label_smoothing)
        self._targets = targets
        self._weights = image_weights(task).astype(np.float32)[:, None]
        sizes = np.array([points.shape[1] * HIDDEN_UNITS, HIDDEN_UNITS, count * HIDDEN_UNITS])
        self._ends = np.cumsum(sizes)

    def start(self, generator: np.random.Generator) -> Floats:
        """He's weights inside, small ones outside, so that the first scores are all but equal."""
        width, count = self._points.shape[1], len(self.present)
        inner = generator.normal(0, (2 / width) ** 0.5, (HIDDEN_UNITS, width))
        outer = generator.normal(0, 0.1 / HIDDEN_UNITS**0.5, (count, HIDDEN_UNITS))
        return np.concatenate(
            [inner.ravel(), np.zeros(HIDDEN_UNITS), outer.ravel(), np.zeros(count)]
        )

    def parts(self, solution: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Inner weights [H, K] and biases [H], outer weights [C', H] and biases [C']."""
        inner, inner_bias, outer, bias = np.split(solution, self._ends)
        return (
            inner.reshape(HIDDEN_UNITS, -1),
            inner_bias,
            outer.reshape(-1, HIDDEN_UNITS),
            bias,
        )

    def value_and_slope(self, solution: Floats) -> tuple[float, Floats]:
        """The objective, and its derivative by each weight; products in single precision."""
        self._on_step()
        inner, inner_bias, outer, bias = self.parts(solution.astype(np.float32))
        before = self._points @ inner.T + inner_bias  # [N, H]
        after = np.maximum(before, 0)
        logits = after @ outer.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -float((self._weights * self._targets * scores).sum(dtype=np.float64))
        error = self._weights * (np.exp(scores) - self._targets)  # [N, C']
        back = (error @ outer) * (before > 0)
        squares = sum(float((part**2).sum(dtype=np.float64)) for part in (inner, outer))
        slopes = (
            back.T @ self._points + self._penalty * inner,
            back.sum(axis=0),
            error.T @ after + self._penalty * outer,
            error.sum(axis=0),
        )
        slope = np.concatenate([part.ravel() for part in slopes]).astype(np.float64)
        return loss + float(self._penalty) * squares / 2, slope
