"""Splitting into train, validation and test, or into folds; groups stay on one side.

One engine serves every strategy. Images form groups that are never divided (equal files at least),
the request becomes a number of images for each class and side, and every group is placed so that
these numbers are met as well as the groups allow.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.data.placement import place, place_in_order, refuse_arbitrary_dates
from core.data.small_classes import small_classes, taken_along
from core.data.split_request import USUAL_FRACTIONS, Counts, Fractions, SplitRequest
from core.domain.datasets import Sample
from core.domain.splits import OrderBy, SmallClasses, SplitSide, Subset, sides_of
from core.errors import SplitError

Groups = Mapping[int, Hashable]


@dataclass(frozen=True)
class Division:
    """Who is where: sample id -> subset, and -> fold in [0, k) for splits with folds.

    Fold 0 is what is called validation. `kept_out` are images that belong to a group of a kept
    test image, or resemble one, without being in the test set themselves; they are in no subset.
    Images of classes with too few of them train in every fold: they have no fold.
    """

    subsets: dict[int, Subset]
    folds: dict[int, int] = field(default_factory=dict)
    kept_out: frozenset[int] = frozenset()

    @property
    def sides(self) -> dict[int, SplitSide]:
        """Sample id -> its side, which no group must cross."""
        return {i: SplitSide(subset, self.folds.get(i)) for i, subset in self.subsets.items()}


def divide(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    groups: Groups,
    request: SplitRequest,
    *,
    sealed: frozenset[int] = frozenset(),
    alike: frozenset[int] = frozenset(),
) -> Division:
    """Divide the labelled samples as requested; a group is never divided.

    Args:
        samples: the samples; those without label are left out.
        class_names: names by class index, for messages.
        groups: sample id -> its group; equal files must share one.
        request: what is asked.
        sealed: ids of the test images that must be kept, exactly these; empty: none are kept.
        alike: ids of further images that resemble kept ones and must be kept out.

    Raises:
        SplitError: if every class has too few groups, or dates to order by are not known or not
            those of the images.
    """
    labelled = [s for s in samples if s.label is not None]
    touched = {groups[i] for i in sealed}
    kept_out = (
        frozenset(s.id for s in labelled if groups[s.id] in touched or s.id in alike) - sealed
    )
    open_ = [s for s in labelled if s.id not in kept_out and s.id not in sealed]
    if request.order_by is OrderBy.DATE:
        refuse_arbitrary_dates(open_)
    sides = _sides(request, with_test=not sealed)
    apart, members, placed = _placed(open_, class_names, groups, request, sides)
    subsets: dict[int, Subset] = {s.id: Subset.TEST for s in labelled if s.id in sealed}
    if request.small_classes is SmallClasses.TRAIN:
        subsets.update(dict.fromkeys(apart, Subset.TRAIN))
    folds: dict[int, int] = {}
    for key, group in members.items():
        side = sides[placed[key]]
        if side is not None:
            subsets.update((s.id, side.subset) for s in group)
            if side.fold is not None:
                folds.update((s.id, side.fold) for s in group)
    return Division(dict(sorted(subsets.items())), folds, kept_out)


def _placed(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    groups: Groups,
    request: SplitRequest,
    sides: Sequence[SplitSide | None],
) -> tuple[frozenset[int], dict[Hashable, list[Sample]], dict[Hashable, int]]:
    """Ids set apart with classes that are too small; the other groups, and the side of each."""
    treatment, needed = request.small_classes, _sides_needed(request, sides)
    small: frozenset[int] = frozenset()
    while True:
        small = small_classes(samples, groups, len(class_names), needed, treatment, small)
        _refuse_hopeless(samples, class_names, groups, small, request, needed)
        apart = taken_along(samples, groups, small, treatment)
        members: dict[Hashable, list[Sample]] = defaultdict(list)
        for sample in samples:
            if sample.id not in apart:
                members[groups[sample.id]].append(sample)
        trained = len(apart) if treatment is SmallClasses.TRAIN else 0
        targets = _targets_of(members, class_names, _without(request, trained), sides, small)
        placed = (
            place_in_order(members, targets, request.seed, request.order_by)
            if request.order_by
            else place(members, targets, request.seed)
        )
        missing = _missing(members, placed, targets)
        if not missing:
            return apart, members, placed
        small |= missing  # its groups are tangled with those of other classes


def _sides_needed(request: SplitRequest, sides: Sequence[SplitSide | None]) -> int:
    """How many sides should have images of every class."""
    used = [side for side in sides if side is not None]
    shares = request.counts or request.fractions
    if request.folds:
        with_test = Subset.TEST in {side.subset for side in used} and request.fractions[2] > 0
        return request.folds + with_test
    return sum(shares[list(Subset).index(side.subset)] > 0 for side in used)


def _without(request: SplitRequest, trained: int) -> SplitRequest:
    """The request for the other images, where some train already."""
    if request.counts is None or request.per_class or not trained:
        return request
    train, validation, test = request.counts
    return replace(request, counts=(max(1, train - trained), validation, test))


def _targets_of(
    members: Mapping[Hashable, Sequence[Sample]],
    class_names: Sequence[str],
    request: SplitRequest,
    sides: Sequence[SplitSide | None],
    small: frozenset[int],
) -> NDArray[np.float64]:
    """Images [C, S] that each class and side should get; 0 for small classes."""
    totals = Counter(s.label for group in members.values() for s in group)
    labels = [label for label in range(len(class_names)) if label not in small]
    targets = np.zeros((len(class_names), len(sides)))
    targets[labels] = _targets(
        request, sides, [totals[i] for i in labels], [class_names[i] for i in labels]
    )
    return targets


def stratified_split(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    *,
    fractions: Fractions = USUAL_FRACTIONS,
    seed: int = 42,
) -> dict[int, Subset]:
    """Subset of every labelled sample, class by class in the asked proportions.

    Every class has at least one sample in every subset whose fraction is above 0. Samples with the
    same bytes stay together. The result depends only on the content hashes, fractions and seed, not
    on order or ids.

    Args:
        samples: the samples; those without label are left out.
        class_names: names by class index, for messages.
        fractions: train, validation, test; they sum to 1.
        seed: for the shuffle.

    Raises:
        SplitError: if the fractions make no sense or a class is too small.
    """
    request = SplitRequest(fractions, seed)
    return divide(samples, class_names, groups_of_equal_files(samples), request).subsets


def grouped_split(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    groups: Groups,
    *,
    fractions: Fractions = USUAL_FRACTIONS,
    seed: int = 42,
) -> dict[int, Subset]:
    """Subset of every labelled sample; a group is never divided, classes are as groups allow.

    Args:
        samples: the samples; those without label are left out.
        class_names: names by class index, for messages.
        groups: sample id -> its group.
        fractions: train, validation, test; they sum to 1.
        seed: decides between groups of equal size.

    Raises:
        SplitError: if the fractions make no sense or a class has too few groups.
    """
    return divide(samples, class_names, groups, SplitRequest(fractions, seed)).subsets


def groups_of_equal_files(samples: Sequence[Sample]) -> dict[int, Hashable]:
    """Sample id -> its content: the least that every split keeps together."""
    return {s.id: s.sha256 for s in samples}


def count_across(sides: Mapping[int, Hashable], groups: Groups) -> int:
    """How many groups have samples on more than one side; samples without side do not count."""
    sides_by_group: dict[Hashable, set[Hashable]] = defaultdict(set)
    for sample_id, side in sides.items():
        sides_by_group[groups[sample_id]].add(side)
    return sum(len(own) > 1 for own in sides_by_group.values())


def subset_counts(n: int, fractions: Fractions, class_name: str) -> Counts:
    """How many of n images go to each subset: largest remainders, at least one each.

    Raises:
        SplitError: if n is smaller than the number of subsets asked for.
    """
    wanted = np.array(fractions) > 0
    needed = int(wanted.sum())
    _refuse_small_class(n, needed, class_name)
    exact = n * np.array(fractions)
    counts = np.floor(exact).astype(int)
    # Where remainders are equal, the test set comes first: it carries the verdict.
    order = np.lexsort((-np.arange(3), -np.round(exact - counts, 9)))
    for position in order[: n - counts.sum()]:
        counts[position] += 1
    for position in np.flatnonzero(wanted & (counts == 0)):
        counts[int(counts.argmax())] -= 1
        counts[position] = 1
    return int(counts[0]), int(counts[1]), int(counts[2])


def split_digest(
    subsets: Mapping[int, Subset],
    samples: Sequence[Sample],
    folds: Mapping[int, int] | None = None,
) -> str:
    """One value for who is where, by content."""
    by_id = {s.id: s.sha256 for s in samples}
    lines = sorted(
        f"{by_id[i]} {subset}" + (f" {folds[i]}" if folds and i in folds else "")
        for i, subset in subsets.items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _sides(request: SplitRequest, *, with_test: bool) -> list[SplitSide | None]:
    """Sides in the order of age, oldest first; None: not used."""
    own = sides_of(request.folds, with_test=with_test)
    used = [side for side in own if with_test or side.subset is not Subset.TEST]
    return [None, *used] if request.counts else [*used]


def _targets(
    request: SplitRequest,
    sides: Sequence[SplitSide | None],
    totals: Sequence[int],
    names: Sequence[str],
) -> NDArray[np.float64]:
    """Images [C, S] that each class and side should get; rows sum to the class totals."""
    with_test = any(side is not None and side.subset is Subset.TEST for side in sides)
    if request.folds:
        test = request.fractions[2] if with_test else 0.0
        shares = np.array([*[(1 - test) / request.folds] * request.folds, *[test] * with_test])
        for n, name in zip(totals, names, strict=True):
            _refuse_small_class(n, int((shares > 0).sum()), name, what="division into folds")
        return np.outer(totals, shares)
    if request.counts is not None:
        counts = [*request.counts[:2], request.counts[2] if with_test else 0]
        used = _counts_per_class(counts, totals, names, per_class=request.per_class)
        rest = np.array(totals)[:, None] - used.sum(axis=1, keepdims=True)
        return np.hstack([rest, used[:, : 2 + with_test]]).astype(np.float64)
    train, validation, test = request.fractions
    if not with_test:
        train, validation, test = train / (1 - test), validation / (1 - test), 0.0
    rows = [
        subset_counts(n, (train, validation, test), name)
        for n, name in zip(totals, names, strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 3)[:, : 2 + with_test]


def _counts_per_class(
    counts: Sequence[int], totals: Sequence[int], names: Sequence[str], *, per_class: bool
) -> NDArray[np.int64]:
    """Images [C, 3] of each class: the same for all, or spread by largest remainders."""
    needed = sum(n > 0 for n in counts)
    for n, name in zip(totals, names, strict=True):
        _refuse_small_class(n, sum(counts) if per_class else needed, name)
    if per_class:
        return np.tile(np.array(counts, np.int64), (len(totals), 1))
    if sum(counts) > sum(totals):
        raise SplitError(
            f"{sum(counts):,} images were asked for, but there are {sum(totals):,}.",
            "Ask for fewer, or use percentages.",
        )
    left = _spread(sum(counts), np.array(totals), needed, np.array(totals))
    result = np.zeros((len(totals), 3), np.int64)
    for position in (2, 1, 0):  # the test set first: it carries the verdict
        needed -= counts[position] > 0
        least = int(counts[position] > 0)
        result[:, position] = _spread(counts[position], left, least, left - needed)
        left = left - result[:, position]
    return result


def _spread(
    count: int, weights: NDArray[np.int64], least: int, most: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`count` divided by weights, whole numbers, each within its bounds: largest remainders."""
    if not least * len(weights) <= count <= most.sum():
        raise SplitError(
            f"{count} images cannot be spread over {len(weights)} classes with at least one "
            "image everywhere.",
            "Ask for more images in this subset, or use percentages.",
        )
    exact = count * weights / max(1, weights.sum())
    result: NDArray[np.int64] = np.clip(np.floor(exact).astype(np.int64), least, most)
    while (missing := count - int(result.sum())) != 0:
        room = result < most if missing > 0 else result > least
        gap = np.where(room, (exact - result) * np.sign(missing), -np.inf)
        result[int(gap.argmax())] += np.sign(missing)
    return result


def _missing(
    members: Mapping[Hashable, Sequence[Sample]],
    placed: Mapping[Hashable, int],
    targets: NDArray[np.float64],
) -> frozenset[int]:
    """Classes that lack images on a side that should have some."""
    have = np.zeros(targets.shape, bool)
    for key, group in members.items():
        have[[s.label for s in group], placed[key]] = True  # type: ignore[index]
    return frozenset(np.flatnonzero(((targets > 0) & ~have).any(axis=1)).tolist())


def _refuse_hopeless(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    groups: Groups,
    small: frozenset[int],
    request: SplitRequest,
    needed: int,
) -> None:
    """Raise where no class can be divided, or where fewer than two would train."""
    sizes = Counter(s.label for s in samples)
    trains = request.small_classes is SmallClasses.TRAIN
    trained = [i for i in range(len(class_names)) if i not in small or (trains and sizes[i])]
    if len(small) < len(class_names) and len(trained) >= min(2, len(class_names)):
        return
    what = "division into folds" if request.folds else "split"
    for label in sorted(small):
        name = class_names[label]
        _refuse_small_class(sizes[label], needed, name, what=what)
        parts = len({groups[s.id] for s in samples if s.label == label})
        raise SplitError(
            f"Class '{name}' has images of {parts} different group{'s' * (parts != 1)}; "
            f"they cannot be divided into {needed} parts without tearing a group apart.",
            "Add images of other parts of this class, say on Quality which look-alikes are "
            "different parts, leave the class out when importing, ask for fewer folds, or set the "
            "fraction of a subset to 0.",
        )


def _refuse_small_class(n: int, needed: int, name: str, *, what: str = "split") -> None:
    if n < needed:
        raise SplitError(
            f"Class '{name}' has {n} image{'s' * (n != 1)}; the {what} needs at least {needed}.",
            "Add images of this class, leave the class out when importing, ask for fewer "
            "images or folds, or set the fraction of a subset to 0.",
        )
