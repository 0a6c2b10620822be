"""Classes with too few images for every side of a split, and subsets that lack a class."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.domain.datasets import Sample
from core.domain.splits import SmallClasses, SplitSide, Subset


@dataclass(frozen=True)
class ClassGap:
    """A class that some subsets of a split lack.

    `images` counts those it has in the split; `missing` are the subsets without any, of those
    that have images of other classes. With folds, validation is missing where one fold lacks it.
    """

    class_name: str
    images: int
    missing: tuple[Subset, ...]


def small_classes(
    samples: Sequence[Sample],
    groups: Mapping[int, Hashable],
    class_count: int,
    needed: int,
    treatment: SmallClasses,
    known: Iterable[int] = (),
) -> frozenset[int]:
    """Indices of the classes whose images form fewer groups than sides need some; empty ones too.

    Args:
        samples: those to divide, all with a label.
        groups: sample id -> its group, which is never divided.
        class_count: number of classes C.
        needed: sides that should have images of every class.
        treatment: where small classes train, whole groups go with them; another class may then
            be too small as well.
        known: classes that are small in any case.
    """
    small = set(known)
    while True:
        moved = taken_along(samples, groups, small, treatment)
        left: dict[int | None, set[Hashable]] = defaultdict(set)
        for sample in samples:
            if sample.id not in moved:
                left[sample.label].add(groups[sample.id])
        more = {label for label in range(class_count) if len(left[label]) < needed} - small
        if not more:
            return frozenset(small)
        small |= more


def taken_along(
    samples: Sequence[Sample],
    groups: Mapping[int, Hashable],
    small: Iterable[int],
    treatment: SmallClasses,
) -> frozenset[int]:
    """Ids of the samples that are not divided: those of small classes, and of their groups."""
    labels = frozenset(small)
    own = [s for s in samples if s.label in labels]
    if treatment is SmallClasses.LEAVE_OUT:
        return frozenset(s.id for s in own)
    touched = {groups[s.id] for s in own}
    return frozenset(s.id for s in samples if groups[s.id] in touched)


def class_gaps(counts: Mapping[SplitSide, Mapping[str, int]]) -> list[ClassGap]:
    """The classes that a subset lacks, in class order.

    Args:
        counts: side -> class -> images, as of a stored or a planned split.
    """
    folds = [own for side, own in counts.items() if side.fold is not None]
    names = list(next(iter(counts.values()), {}))
    has = {subset: _has(counts, subset) for subset in Subset}
    gaps = []
    for name in names:
        missing = [
            subset for subset in Subset if has[subset] and not _images(counts, folds, subset, name)
        ]
        if missing:
            images = sum(own[name] for own in counts.values())
            gaps.append(ClassGap(name, images, tuple(missing)))
    return gaps


def _has(counts: Mapping[SplitSide, Mapping[str, int]], subset: Subset) -> bool:
    return any(any(own.values()) for side, own in counts.items() if side.subset is subset)


def _images(
    counts: Mapping[SplitSide, Mapping[str, int]],
    folds: Sequence[Mapping[str, int]],
    subset: Subset,
    name: str,
) -> int:
    """Images of a class in a subset; of folds, what the poorest run has."""
    if not folds or subset is Subset.TEST:
        return sum(own[name] for side, own in counts.items() if side.subset is subset)
    if subset is Subset.VALIDATION:
        return min(own[name] for own in folds)
    always = sum(
        own[name]
        for side, own in counts.items()
        if side.fold is None and side.subset is Subset.TRAIN
    )
    in_folds = [own[name] for own in folds]
    return always + sum(in_folds) - max(in_folds)
