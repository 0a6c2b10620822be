"""Splits: the subset of every sample, and what leaks between subsets."""

from dataclasses import dataclass
from enum import StrEnum


class Subset(StrEnum):
    """The three parts of a split, in their natural order."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class OrderBy(StrEnum):
    """What makes an image older than another."""

    NAME = "name"
    DATE = "date"


@dataclass(frozen=True)
class LeakCertificate:
    """How much leaks between the subsets (or folds) of a split; None: nobody has looked yet.

    `checked_at` is the time of the quality check that the look-alikes come from; `kept_out` counts
    the images that are in no subset because a sealed test image is like them.
    """

    groups_across: int | None
    exact_across: int
    near_across: int | None
    strategy: str
    seed: int
    digest: str
    checked_at: float | None = None
    kept_out: int = 0

    @property
    def is_clean(self) -> bool:
        """Looked for everything, found nothing."""
        return (self.groups_across, self.exact_across, self.near_across) == (0, 0, 0)

    @property
    def is_leaking(self) -> bool:
        """Something was found: results of this split promise too much."""
        return bool(self.groups_across or self.exact_across or self.near_across)


@dataclass(frozen=True)
class Split:
    """The subset of every sample: saved, never recomputed.

    `folds` is 0, or the k of a k-fold split: every sample outside the test set has a fold number
    in [0, k), and what is stored as validation is fold 0. A sealed test set is taken over by later
    splits of the same version of the dataset.
    """

    id: str
    dataset_id: str
    name: str
    strategy: str
    seed: int
    fractions: tuple[float, float, float]
    digest: str
    created_at: float
    certificate: LeakCertificate | None = None
    version: int = 1
    folds: int = 0
    sealed: bool = False
