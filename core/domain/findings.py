"""Quality findings and what can be done about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from core.domain.ids import json_digest

NAMED_IMAGES = 2  # of a finding, where it is told in words


class FindingKind(StrEnum):
    """What can be wrong with a dataset, in the order of the harm it does."""

    SUBSET_LEAK = "subset_leak"
    LABEL_CONFLICT = "label_conflict"
    FORMAT_LEAK = "format_leak"
    SUSPECT_LABEL = "suspect_label"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    UNREADABLE = "unreadable"
    OUTLIER = "outlier"
    UNFAMILIAR = "unfamiliar"
    CLASS_TOO_SMALL = "class_too_small"
    CLASS_IMBALANCE = "class_imbalance"

    @property
    def is_statistic(self) -> bool:
        """Whether it says something about the dataset that no answer settles."""
        return self in (FindingKind.CLASS_TOO_SMALL, FindingKind.CLASS_IMBALANCE)

    @property
    def words(self) -> str:
        """What one of them is called; pages, record and command line say it so."""
        match self:
            case FindingKind.SUBSET_LEAK:
                return "leak"
            case FindingKind.LABEL_CONFLICT:
                return "group of contradicting labels"
            case FindingKind.FORMAT_LEAK:
                return "revealing file property"
            case FindingKind.SUSPECT_LABEL:
                return "likely mislabeled image"
            case FindingKind.EXACT_DUPLICATE:
                return "group of identical files"
            case FindingKind.NEAR_DUPLICATE:
                return "group of look-alikes"
            case FindingKind.UNREADABLE:
                return "unreadable image"
            case FindingKind.OUTLIER:
                return "unusual image"
            case FindingKind.UNFAMILIAR:
                return "unfamiliar image"
            case FindingKind.CLASS_TOO_SMALL:
                return "small class"
            case FindingKind.CLASS_IMBALANCE:
                return "imbalance"
            case _:
                assert_never(self)


class FindingStatus(StrEnum):
    """What was done about a finding."""

    OPEN = "open"
    IGNORED = "ignored"
    FIXED = "cured"


class Fix(StrEnum):
    """What can be done about a finding."""

    EXCLUDE = "exclude"
    KEEP_ONE = "keep_one"
    RELABEL = "relabel"
    GROUP = "group"  # the images show one part
    DIFFERENT = "different_parts"
    IGNORE = "ignore"


class Certainty(StrEnum):
    """How many of the findings like this one are right, as far as the check can tell."""

    SURE = "sure"  # nine of ten or more
    LIKELY = "likely"  # at least half
    UNSURE = "unsure"  # fewer, or the classes cannot be told apart well enough


class Severity(StrEnum):
    """How much harm a finding can do."""

    SERIOUS = "serious"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One quality finding in a dataset, with the images concerned.

    `suggested` is the class index that a likely mislabeled image looks like, `score` orders the
    findings of one kind (for labels: the confidence in the given label, in [0, 1], lowest first).
    `certainty` and the estimated share `right` of such findings, in [0, 1], are known of labels
    only. `id` is assigned by the store.
    """

    kind: FindingKind
    severity: Severity
    message: str
    sample_ids: tuple[int, ...] = ()
    suggested: int | None = None
    score: float | None = None
    id: int = 0
    status: FindingStatus = FindingStatus.OPEN
    certainty: Certainty | None = None
    right: float | None = None

    @property
    def key(self) -> str:
        """Identifies the same finding in the next check, so that decisions about it last."""
        return json_digest([self.kind, sorted(self.sample_ids)])[:24]


def look_alike_finding(sample_ids: tuple[int, ...]) -> Finding:
    """The finding that these images look alike; whether they show one part, a person must say."""
    return Finding(
        FindingKind.NEAR_DUPLICATE,
        Severity.WARNING,
        f"{len(sample_ids)} look-alikes may show one part. Say whether they do.",
        sample_ids,
    )


def first_images(names: Sequence[str], total: int) -> str:
    """The first images of a finding and how many more it has: `a.png, b.png and 3 more`.

    Args:
        names: those of its images, in order; the first two are said.
        total: how many images it has.
    """
    said = names[:NAMED_IMAGES]
    more = f" and {total - len(said):,} more" if total > len(said) else ""
    return f"{', '.join(said)}{more}"


@dataclass(frozen=True)
class FeatureInsight:
    """What the features of a pretrained network show about an image.

    `confidence` in its label, in [0, 1], of a model trained without it; `suggested` the most likely
    class index; `x`, `y` its place on the map of similar images.
    """

    sample_id: int
    confidence: float | None = None
    suggested: int | None = None
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True)
class QualityCheck:
    """The look-alikes of a dataset: which images may show one part.

    `near_pairs` are sample ids, without those that people ignored or said are different parts;
    `groups` and `grouped_samples` count these and equal files. The accuracies in [0, 1] are those
    of a nearest neighbour on pixels, with a random split and with a split by groups; None if they
    could not be computed.
    """

    dataset_id: str
    created_at: float
    near_pairs: tuple[tuple[int, int], ...]
    groups: int
    grouped_samples: int
    random_accuracy: float | None = None
    grouped_accuracy: float | None = None
    version: int = 1
