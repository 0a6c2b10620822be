"""Splits: the subset of every sample, and what leaks between subsets."""

from dataclasses import dataclass
from enum import StrEnum

from core.errors import SplitError


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
class SplitSide:
    """One side of a split: a subset, or one fold in [0, k) of a split with folds.

    Fold 0 is stored as validation, the others as train.
    """

    subset: Subset
    fold: int | None = None

    @property
    def name(self) -> str:
        """For people and as a key in JSON: `train`, `test`, or `fold 2`; folds count from 1."""
        return self.subset.value if self.fold is None else f"fold {self.fold + 1}"


def sides_of(folds: int, *, with_test: bool = True) -> list[SplitSide]:
    """The sides of a split in their natural order; `with_test` matters to folds only."""
    if not folds:
        return [SplitSide(subset) for subset in Subset]
    sides = [SplitSide(Subset.TRAIN if fold else Subset.VALIDATION, fold) for fold in range(folds)]
    return [*sides, SplitSide(Subset.TEST)] if with_test else sides


class GroupKind(StrEnum):
    """What tells which images show the same part; spelled as on the command line."""

    LOOK_ALIKES = "auto"
    FOLDER = "folder"
    COLUMN = "column"
    ATTRIBUTE = "attribute"
    PATTERN = "regex"

    @property
    def needs_value(self) -> bool:
        """Whether it needs the name of a column, or a pattern."""
        return self in (GroupKind.ATTRIBUTE, GroupKind.PATTERN)

    @property
    def declares_parts(self) -> bool:
        """Whether a person said by it which images show one part; look-alikes only propose it."""
        return self is not GroupKind.LOOK_ALIKES


@dataclass(frozen=True)
class Grouping:
    """What keeps images together on one side of a split.

    `value` is the name of a further table column, or a pattern with a named group `group`; empty
    for the other kinds.
    """

    kind: GroupKind
    value: str = ""

    @property
    def option(self) -> str:
        """As it is typed on the command line, such as `folder` or `attribute:lot`."""
        return f"{self.kind.value}:{self.value}" if self.value else self.kind.value


def grouping_of(option: str) -> Grouping:
    """The grouping that is typed as `auto`, `folder`, `column`, `attribute:NAME`, `regex:PATTERN`.

    `look-alikes`, as pages call it, is `auto`.

    Raises:
        SplitError: if there is none of this kind, or its column or pattern is missing.
    """
    kind, colon, value = ("auto" if option == "look-alikes" else option).partition(":")
    if kind in set(GroupKind):
        grouping = Grouping(GroupKind(kind), value)
        if bool(value) == grouping.kind.needs_value and bool(colon) == bool(value):
            return grouping
    raise SplitError(
        f"Images cannot be grouped by '{option}'.",
        "Use auto, folder, column, attribute: and the name of a table column, or regex: and a "
        "pattern with a named group (?P<group>…).",
    )


class SmallClasses(StrEnum):
    """What becomes of a class with too few images for every side of a split."""

    TRAIN = "train"  # all its images train, nothing validates or tests it
    LEAVE_OUT = "leave-out"


class SplitMethod(StrEnum):
    """What says how many images go where."""

    FRACTIONS = "fractions"
    COUNTS = "counts"
    FOLDS = "folds"
    PROVIDED = "provided"  # it came with the images


@dataclass(frozen=True)
class SplitStrategy:
    """How a split was made.

    Attributes:
        method: fractions, counts or folds; the numbers of the first and last stand in the split.
        grouping: what stays on one side besides equal files.
        order_by: the oldest train and the newest test; None: by chance.
        counts: images of train, validation, test, where they were given.
        per_class: the counts hold for every class.
        keep_test: name of the split whose test set was kept; empty: none.
        small_classes: what became of classes with too few images.
    """

    method: SplitMethod = SplitMethod.FRACTIONS
    grouping: Grouping | None = None
    order_by: OrderBy | None = None
    counts: tuple[int, int, int] | None = None
    per_class: bool = False
    keep_test: str = ""
    small_classes: SmallClasses = SmallClasses.TRAIN


class CountedGroups(StrEnum):
    """What the groups of a certificate are."""

    PARTS = "parts"  # that people declared or confirmed
    LOOK_ALIKES = "look-alikes"  # nobody has confirmed them
    BOTH = "both"


@dataclass(frozen=True)
class Leaks:
    """What is in more than one subset.

    Counts `groups` of the kind `counted`, sets of equal `files`, and `pairs` of look-alikes.
    """

    groups: int = 0
    files: int = 0
    pairs: int = 0
    counted: CountedGroups = CountedGroups.BOTH


@dataclass(frozen=True)
class LeakCertificate:
    """How much leaks between the sides of a split; None: not checked.

    `groups_across` counts groups of the kind `counted`. `checked_at` is the time of the quality
    check that the look-alikes come from, `answers` names what people had answered about them (''
    for nothing); `kept_out` counts the images that are in no subset because they resemble a sealed
    test image.
    """

    groups_across: int | None
    exact_across: int
    near_across: int | None
    seed: int
    digest: str
    checked_at: float | None = None
    kept_out: int = 0
    counted: CountedGroups = CountedGroups.BOTH
    answers: str = ""

    @property
    def is_clean(self) -> bool:
        """Everything was checked and nothing leaks."""
        return (self.groups_across, self.exact_across, self.near_across) == (0, 0, 0)

    @property
    def is_leaking(self) -> bool:
        """Something leaks: results on this split are too good."""
        return bool(self.groups_across or self.exact_across or self.near_across)

    @property
    def leaks(self) -> Leaks:
        """What leaks, as far as it was checked."""
        return Leaks(
            self.groups_across or 0, self.exact_across, self.near_across or 0, self.counted
        )


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
    strategy: SplitStrategy
    seed: int
    fractions: tuple[float, float, float]
    digest: str
    created_at: float
    certificate: LeakCertificate | None = None
    version: int = 1
    folds: int = 0
    sealed: bool = False
