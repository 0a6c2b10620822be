"""Runs, and how they came to their model: learning curves and penalty paths."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail, HeadKind
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig

_WORTH, _RISEN = 0.05, 1.5  # share of the loss that is a fall and not noise; what is a rise
# The penalty where the images cannot be divided into folds to choose it by.
WITHOUT_CHOICE = {HeadKind.LINEAR: 1.0, HeadKind.MEANS: 1000.0, HeadKind.MLP: 0.1}


@dataclass(frozen=True)
class TrainingRun:
    """One immutable request: this version of a dataset, this split, these three configs.

    `fold` in [0, `folds`) is the fold that validates, for splits that have folds; `given_name` is
    then the name without the number of the fold. Runs that were started together, one on each
    fold, share a `cross_validation_id`.
    """

    id: str
    name: str
    dataset_id: str
    split_id: str
    preprocess: PreprocessConfig
    augment: AugmentConfig
    train: TrainConfig
    created_at: float
    version: int = 1
    fold: int | None = None
    folds: int = 0
    given_name: str = ""
    cross_validation_id: str | None = None

    @property
    def refits(self) -> bool:
        """Whether what is solved also learns from the validation images; a fold never does."""
        return self.train.refit and self.fold is None


class RunState(StrEnum):
    """What became of a run. A stopped run may have made a model of its best epoch."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    STOPPED_WITH_MODEL = "stopped_with_model"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"

    @property
    def can_resume(self) -> bool:
        """Whether another attempt may go on where the last one ended."""
        return self in (
            RunState.FAILED,
            RunState.STOPPED,
            RunState.STOPPED_WITH_MODEL,
            RunState.PAUSED,
            RunState.INTERRUPTED,
        )


@dataclass(frozen=True)
class EpochMetrics:
    """One line of the learning curve; what a run did not measure is None.

    Epoch -1 is the state before the first step: the solved head, with a `train_loss` of NaN.
    `images_per_second` counts training alone, without evaluation. `memory_mb` is the most that
    was in use so far: of the GPU where one computes, else of the process.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    val_macro_f1: float
    learning_rate: float
    duration_s: float
    is_best: bool
    val_macro_recall: float | None = None
    val_log_loss: float | None = None
    train_accuracy: float | None = None
    images_per_second: float | None = None
    memory_mb: float | None = None
    seconds_waiting_for_data: float | None = None


def trained_epochs(curve: Sequence[EpochMetrics]) -> int:
    """How many epochs a curve has; the state before the first step is none."""
    return sum(line.epoch >= 0 for line in curve)


class CheckpointKind(StrEnum):
    """Why the weights of an epoch are kept."""

    BEST = "best"
    LAST = "last"
    INTERVAL = "interval"


@dataclass(frozen=True)
class Checkpoint:
    """Kept weights of an epoch, from 0, or -1 for the start; `key` names them within a run."""

    kind: CheckpointKind
    epoch: int
    size_bytes: int
    saved_at: float

    @property
    def key(self) -> str:
        """For example `interval-000004`: the fourth epoch."""
        return f"{self.kind.value}-{self.epoch + 1:06d}"


@dataclass(frozen=True)
class HardImage:
    """A validation image that an epoch found hard: classes as indices, confidence in `predicted`.

    `loss` is the log loss of its true class.
    """

    sample_id: int
    true_class: int
    predicted: int
    confidence: float
    loss: float


@dataclass(frozen=True)
class EpochDetails:
    """What the validation images looked like to the model of one epoch.

    `confusion` [C][C] counts images, rows true, columns predicted. `hardest` has the largest loss
    first.
    """

    epoch: int
    confusion: tuple[tuple[int, ...], ...]
    hardest: tuple[HardImage, ...]


@dataclass(frozen=True)
class RunDetails:
    """Details of the newest and of the best evaluated epoch; None: not measured."""

    latest: EpochDetails | None = None
    best: EpochDetails | None = None


@dataclass(frozen=True)
class PenaltyPoint:
    """One point of the penalty path of a quick run.

    `log_loss` is the mean over the training images, each judged by a model fitted without it;
    `standard_error` is that of the mean over the folds.
    """

    penalty: float
    log_loss: float
    standard_error: float


@dataclass(frozen=True)
class DetailTrial:
    """One detail level that a quick run tried, judged by cross-validation on its training images.

    Attributes:
        detail: the level.
        log_loss: mean over the images, with the penalty that suits the level.
        standard_error: of that mean, over the folds.
        macro_recall: mean share over the classes, in [0, 1].
        gain: how much lower the log loss is than that of the level chosen so far, image by image
            on all images that the model learns from; None for the first level.
        gain_error: standard error of the gain, images of one group counted as one.
        image_ms: time of the network for one image on this machine, in milliseconds.
        is_chosen: whether the model was made with it.
    """

    detail: Detail
    log_loss: float
    standard_error: float
    macro_recall: float
    gain: float | None
    gain_error: float | None
    image_ms: float
    is_chosen: bool = False


@dataclass(frozen=True)
class HeadTrial:
    """One kind of last layer that a quick run tried on the features of its detail level.

    `gain` is against the kind chosen so far, None for the first; `image_ms` is its own time for
    one image, that of the network aside. The other fields are as those of `DetailTrial`; `penalty`
    is what each was judged with.
    """

    head: HeadKind
    penalty: float
    log_loss: float
    standard_error: float
    macro_recall: float
    gain: float | None
    gain_error: float | None
    image_ms: float
    is_chosen: bool = False


def chosen_point(path: Sequence[PenaltyPoint]) -> PenaltyPoint | None:
    """The strongest penalty within one standard error of the least log loss; None without a path.

    Source: the one-standard-error rule of Breiman et al. 1984, "Classification and Regression
    Trees": among models that cannot be told apart, the simplest. With balanced classes it finds
    more of the rare ones than the least log loss does (`benchmarks/quick_recipe.py`).
    """
    best = min(path, key=lambda point: point.log_loss, default=None)
    if best is None:
        return None
    enough = best.log_loss + best.standard_error
    return max((p for p in path if p.log_loss <= enough), key=lambda point: point.penalty)


def chosen_penalty(train: TrainConfig, path: Sequence[PenaltyPoint]) -> float:
    """The penalty asked for, else that of the chosen point of the path."""
    if train.penalty > 0:
        return train.penalty
    chosen = chosen_point(path)
    return chosen.penalty if chosen else WITHOUT_CHOICE[train.head.kinds[0]]


@dataclass(frozen=True)
class RatePoint:
    """One step of the learning rate finder: the rate, and the smoothed training loss."""

    rate: float
    loss: float


def suggested_rate(points: Sequence[RatePoint]) -> float | None:
    """The learning rate at which the loss falls most steeply over its logarithm.

    A run that starts from a solved head may have nothing left to fall: then a tenth of the last
    rate before the loss rises well above its median in the first quarter. None without points.

    Args:
        points: with growing rates, each by the same factor.
    """
    if not points:
        return None
    losses = [point.loss for point in points]
    quarter = max(1, len(points) // 4)
    usual, least = statistics.median(losses[:quarter]), losses.index(min(losses))
    falls = [losses[i] - losses[i + 2] for i in range(least - 1)]  # over two steps: one is noise
    if falls and least >= quarter and losses[least] < (1 - _WORTH) * usual:
        return points[falls.index(max(falls)) + 1].rate
    rising = (i for i in range(quarter, len(losses)) if losses[i] > _RISEN * usual)
    return points[next(rising, len(losses)) - 1].rate / 10


def chosen_detail(train: TrainConfig, trials: Sequence[DetailTrial]) -> Detail:
    """The detail level asked for, else the one that the comparison chose."""
    return next((trial.detail for trial in trials if trial.is_chosen), train.detail.levels[0])


def chosen_head(train: TrainConfig, trials: Sequence[HeadTrial]) -> HeadKind:
    """The last layer asked for, else the one that the comparison chose."""
    return next((trial.head for trial in trials if trial.is_chosen), train.head.kinds[0])
