"""What can be asked of a split, and the request that a stored split came from."""

from dataclasses import dataclass

from core.domain.splits import (
    Grouping,
    OrderBy,
    SmallClasses,
    Split,
    SplitMethod,
    SplitStrategy,
)
from core.errors import SplitError

Fractions = tuple[float, float, float]
Counts = tuple[int, int, int]

USUAL_FRACTIONS: Fractions = (0.6, 0.2, 0.2)
MAX_FOLDS = 20


@dataclass(frozen=True)
class SplitRequest:
    """What is asked of a split.

    Args:
        fractions: train, validation, test; they sum to 1. With folds only the last one counts.
        seed: for the shuffle; the same seed gives the same split.
        group_by: what must stay on one side; None: equal files only.
        order_by: the oldest train and the newest test, within each class; None: by chance.
        counts: images of train, validation, test instead of fractions; the rest is not used.
        per_class: `counts` holds for every class, not for all classes together.
        folds: 0, or k: everything but the test set is divided into k folds, each of which
            validates once.
        keep_test: name or id of a split whose test set is kept; only the rest is divided.
        small_classes: what becomes of a class with too few images for every side.
    """

    fractions: Fractions = USUAL_FRACTIONS
    seed: int = 42
    group_by: Grouping | None = None
    order_by: OrderBy | None = None
    counts: Counts | None = None
    per_class: bool = False
    folds: int = 0
    keep_test: str = ""
    small_classes: SmallClasses = SmallClasses.TRAIN

    def __post_init__(self) -> None:
        if self.folds:
            _check_folds(self.folds, self.fractions[2], self.counts)
        elif self.counts is not None:
            _check_counts(self.counts)
        else:
            _check_fractions(self.fractions)

    @property
    def strategy(self) -> SplitStrategy:
        """How the split is made; `request_of` reads it back."""
        method = SplitMethod.COUNTS if self.counts else SplitMethod.FRACTIONS
        return SplitStrategy(
            method=SplitMethod.FOLDS if self.folds else method,
            grouping=self.group_by,
            order_by=self.order_by,
            counts=self.counts,
            per_class=self.per_class,
            keep_test=self.keep_test,
            small_classes=self.small_classes,
        )

    @property
    def shares(self) -> Fractions:
        """Train, validation, test as they come out, with folds those of one fold; sums to 1."""
        if self.counts:
            train, validation, test = (n / sum(self.counts) for n in self.counts)
            return train, validation, test
        if not self.folds:
            return self.fractions
        rest = 1 - self.fractions[2]
        return rest * (self.folds - 1) / self.folds, rest / self.folds, self.fractions[2]


def request_of(split: Split) -> SplitRequest | None:
    """The request that made a split, or None where it came with the images."""
    strategy = split.strategy
    if strategy.method is SplitMethod.PROVIDED:
        return None
    # Why: a kept test set may have any size, and is no share of what is divided into folds.
    kept = bool(split.folds and strategy.keep_test)
    return SplitRequest(
        fractions=(*split.fractions[:2], 0.0) if kept else split.fractions,
        seed=split.seed,
        group_by=strategy.grouping,
        order_by=strategy.order_by,
        counts=strategy.counts,
        per_class=strategy.per_class,
        folds=split.folds,
        keep_test=strategy.keep_test,
        small_classes=strategy.small_classes,
    )


def _check_fractions(fractions: Fractions) -> None:
    if not (min(fractions) >= 0 and abs(sum(fractions) - 1) <= 1e-6):  # false for NaN too
        shown = " + ".join(f"{f:.0%}" for f in fractions)
        raise SplitError(
            f"The fractions {shown} do not make 100%.", "Train, validation and test share 100%."
        )
    if fractions[0] <= 0 or fractions[1] <= 0:
        raise SplitError(
            "Training and validation both need images.",
            "Validation images are used to choose settings and thresholds; give them 20%, for "
            "example.",
        )


def _check_counts(counts: Counts) -> None:
    if min(counts) < 0 or counts[0] < 1 or counts[1] < 1:
        raise SplitError(
            "Training and validation both need images.",
            "Give three counts: train, validation, test; the last may be 0.",
        )


def _check_folds(folds: int, test: float, counts: Counts | None) -> None:
    if not 2 <= folds <= MAX_FOLDS:
        raise SplitError(
            f"{folds} folds are not possible.", f"Choose 2 to {MAX_FOLDS} folds; 5 is usual."
        )
    if not 0 <= test < 0.9:
        raise SplitError("The test share must be at least 0 and below 90%.", "0 or 20% are usual.")
    if counts is not None:
        raise SplitError(
            "Folds have equal sizes and take no counts.", "Give a test share instead, or no folds."
        )
