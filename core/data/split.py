"""Splitting into train, validation and test, or into folds; groups stay on one side.

One engine serves every strategy. Images are put together into groups that are never divided
(equal files at least), the wish becomes a number of images for each class and side, and the
groups are laid down side by side until the numbers are met as well as groups allow.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Sample
from core.domain.splits import OrderBy, Split, Subset
from core.errors import SplitError

Fractions = tuple[float, float, float]
Counts = tuple[int, int, int]
Groups = Mapping[int, Hashable]

USUAL_FRACTIONS: Fractions = (0.6, 0.2, 0.2)
AS_DELIVERED = "as delivered"
MAX_FOLDS = 20
PLACE_ATTEMPTS = 32  # ways of laying groups down that are tried
PLACE_GROUPS = 20_000  # and together they lay down no more groups than this, or all groups once
COPIED_WITHIN_S = 120.0  # a class whose dates lie closer together was copied, not photographed
_STRATEGY = re.compile(
    r"(?:(?P<folds>\d+) folds(?:, |$))?"
    r"(?:counts (?P<counts>\d+/\d+/\d+)(?P<per_class> per class)?(?:, |$))?"
    r"(?:ordered by (?P<order_by>name|date)(?:, |$))?"
    r"(?:grouped by (?P<group_by>.+))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class SplitRequest:
    """How a split is wished.

    Args:
        fractions: train, validation, test; they sum to 1. With folds only the last one counts.
        seed: for the shuffle; the same seed gives the same split.
        group_by: what must stay on one side, as people type it; None: equal files only.
        order_by: the oldest train and the newest test, within each class; None: by chance.
        counts: images of train, validation, test instead of fractions; the rest is not used.
        per_class: `counts` holds for every class, not for all classes together.
        folds: 0, or k: everything but the test set is divided into k folds, each of which
            validates once.
    """

    fractions: Fractions = USUAL_FRACTIONS
    seed: int = 42
    group_by: str | None = None
    order_by: OrderBy | None = None
    counts: Counts | None = None
    per_class: bool = False
    folds: int = 0

    def __post_init__(self) -> None:
        if self.folds:
            _check_folds(self.folds, self.fractions[2], self.counts)
        elif self.counts is not None:
            _check_counts(self.counts)
        else:
            _check_fractions(self.fractions)

    @property
    def strategy(self) -> str:
        """In words; `request_of` reads them back."""
        parts = [f"{self.folds} folds"] if self.folds else []
        if self.counts:
            words = "/".join(map(str, self.counts))
            parts.append(f"counts {words}{' per class' * self.per_class}")
        parts += [f"ordered by {self.order_by}"] if self.order_by else []
        # Why last: a pattern may hold any character.
        parts += [f"grouped by {self.group_by}"] if self.group_by else []
        return ", ".join(parts) or "stratified"

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
    match = _STRATEGY.fullmatch("" if split.strategy == "stratified" else split.strategy)
    if match is None:
        return None
    found = match.groupdict()
    counts = tuple(int(n) for n in found["counts"].split("/")) if found["counts"] else None
    return SplitRequest(
        fractions=split.fractions,
        seed=split.seed,
        group_by=found["group_by"],
        order_by=OrderBy(found["order_by"]) if found["order_by"] else None,
        counts=counts,  # type: ignore[arg-type]
        per_class=found["per_class"] is not None,
        folds=int(found["folds"] or 0),
    )


@dataclass(frozen=True)
class Division:
    """Who is where: sample id -> subset, and -> fold in [0, k) for splits with folds.

    Fold 0 is what is called validation. `kept_out` are images that belong to a group of a sealed
    test image, or resemble one, without being sealed themselves; they are in no subset.
    """

    subsets: dict[int, Subset]
    folds: dict[int, int] = field(default_factory=dict)
    kept_out: frozenset[int] = frozenset()

    @property
    def sides(self) -> dict[int, Hashable]:
        """Sample id -> what a group must not cross: a subset, or a fold where there are folds."""
        return {i: self.folds.get(i, subset) for i, subset in self.subsets.items()}


@dataclass(frozen=True)
class _Side:
    """A place for groups; `subset` None leaves them out of the split."""

    subset: Subset | None
    fold: int | None = None


def divide(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    groups: Groups,
    request: SplitRequest,
    *,
    sealed: frozenset[int] = frozenset(),
    alike: frozenset[int] = frozenset(),
) -> Division:
    """Lay the labelled samples down as wished; a group is never divided.

    Args:
        samples: the samples; those without label are left out.
        class_names: names by class index, for messages.
        groups: sample id -> its group; equal files must share one.
        request: the wish.
        sealed: ids of the test images that must be kept, exactly these; empty: none are sealed.
        alike: ids of further images that resemble sealed ones and must be kept out.

    Raises:
        SplitError: if a class has too few groups, or dates to order by are not known or not those
            of the images.
    """
    labelled = [s for s in samples if s.label is not None]
    touched = {groups[i] for i in sealed}
    kept_out = (
        frozenset(s.id for s in labelled if groups[s.id] in touched or s.id in alike) - sealed
    )
    open_ = [s for s in labelled if s.id not in kept_out and s.id not in sealed]
    if request.order_by is OrderBy.DATE:
        _refuse_arbitrary_dates(open_)
    sides = _sides(request, with_test=not sealed)
    totals = Counter(s.label for s in open_ if s.label is not None)
    targets = _targets(request, sides, [totals[i] for i in range(len(class_names))], class_names)
    members: dict[Hashable, list[Sample]] = defaultdict(list)
    for sample in open_:
        members[groups[sample.id]].append(sample)
    place = _place_in_order if request.order_by else _place
    placed = place(members, targets, request)
    _refuse_missing(class_names, members, placed, targets)
    subsets: dict[int, Subset] = {s.id: Subset.TEST for s in labelled if s.id in sealed}
    folds: dict[int, int] = {}
    for key, group in members.items():
        side = sides[placed[key]]
        if side.subset is not None:
            subsets.update((s.id, side.subset) for s in group)
        if side.fold is not None:
            folds.update((s.id, side.fold) for s in group)
    return Division(dict(sorted(subsets.items())), folds, kept_out)


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
    found: dict[Hashable, set[Hashable]] = defaultdict(set)
    for sample_id, side in sides.items():
        found[groups[sample_id]].add(side)
    return sum(len(own) > 1 for own in found.values())


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


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Orders names as people do: `shot 2` before `shot 10`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(p), "") if i % 2 else (1, 0, p.casefold()) for i, p in enumerate(parts))


def _sides(request: SplitRequest, *, with_test: bool) -> list[_Side]:
    """Places in the order of age: what is not used, training and validation or folds, test."""
    first = [_Side(None)] if request.counts else []
    test = [_Side(Subset.TEST)] if with_test else []
    if not request.folds:
        return [*first, _Side(Subset.TRAIN), _Side(Subset.VALIDATION), *test]
    folds = [
        _Side(Subset.TRAIN if fold else Subset.VALIDATION, fold) for fold in range(request.folds)
    ]
    return [*first, *folds, *test]


def _targets(
    request: SplitRequest, sides: Sequence[_Side], totals: Sequence[int], names: Sequence[str]
) -> NDArray[np.float64]:
    """Images [C, S] wished for each class and side; rows sum to the class totals."""
    with_test = any(side.subset is Subset.TEST for side in sides)
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


def _place(
    members: Mapping[Hashable, Sequence[Sample]],
    targets: NDArray[np.float64],
    request: SplitRequest,
) -> dict[Hashable, int]:
    """Side of every group: of several ways to lay them down, the one nearest to what was asked."""
    contents = {key: Counter(s.label for s in group) for key, group in members.items()}
    best: dict[Hashable, int] = {}
    least = (np.inf, np.inf)
    for attempt in range(max(1, min(PLACE_ATTEMPTS, PLACE_GROUPS // max(1, len(members))))):
        shuffled = {key: _group_key(group, request.seed, attempt) for key, group in members.items()}
        placed, have = _place_once(contents, targets, shuffled)
        missing = int(((have == 0) & (targets > 0)).sum())
        miss = missing, float((np.square(have - targets) / np.maximum(targets, 1)).sum())
        if miss < least:
            best, least = placed, miss
        if np.abs(have - targets).max() < 1:
            break  # no other way is nearer than rounding allows
    return best


def _place_once(
    contents: Mapping[Hashable, Counter[int | None]],
    targets: NDArray[np.float64],
    shuffled: Mapping[Hashable, bytes],
) -> tuple[dict[Hashable, int], NDArray[np.int64]]:
    """Rarest class first, its largest groups first, the neediest side; and counts [C, sides]."""
    of_class: dict[int, list[Hashable]] = defaultdict(list)
    for key, content in contents.items():
        for label in content:
            of_class[label or 0].append(key)
    goals: list[list[float]] = [list(row) for row in targets]
    have = [[0] * len(row) for row in goals]
    filled = [0] * targets.shape[1]
    placed: dict[Hashable, int] = {}
    for label in sorted(of_class, key=lambda label: (sum(goals[label]), label)):
        wanted = [side for side, goal in enumerate(goals[label]) if goal > 0]
        todo = [key for key in of_class[label] if key not in placed]
        for key in sorted(todo, key=lambda key: (-contents[key][label], shuffled[key])):
            # The side that lacks the largest part of its share; the larger share, the emptier side.
            own, goal = have[label], goals[label]
            side = max(wanted, key=lambda s: (1 - own[s] / goal[s], goal[s], -filled[s]))
            placed[key] = side
            for other, n in contents[key].items():
                have[other or 0][side] += n
                filled[side] += n
    return placed, np.array(have)


def _place_in_order(
    members: Mapping[Hashable, Sequence[Sample]],
    targets: NDArray[np.float64],
    request: SplitRequest,
) -> dict[Hashable, int]:
    """Side of every group by age, class by class; a group is as old as its oldest image."""
    order_by = request.order_by
    assert order_by is not None
    ages = {key: min(_age(s, order_by) for s in group) for key, group in members.items()}
    of_class: dict[int, list[Hashable]] = defaultdict(list)
    for key, group in members.items():
        labels = Counter(s.label or 0 for s in group)
        of_class[max(labels, key=lambda label: (labels[label], -label))].append(key)
    placed: dict[Hashable, int] = {}
    for label, keys in of_class.items():
        keys.sort(key=lambda key: (ages[key], _group_key(members[key], request.seed)))
        wanted = np.flatnonzero(targets[label] > 0)
        sizes = [len(members[key]) for key in keys]
        bounds = _bounds(sizes, targets[label][wanted])
        for number, side in enumerate(wanted):
            placed.update((key, int(side)) for key in keys[bounds[number] : bounds[number + 1]])
    return placed


def _bounds(sizes: Sequence[int], goals: NDArray[np.float64]) -> list[int]:
    """Where to cut a row of groups so that the parts have about these sizes, none of them empty."""
    reached = np.concatenate([[0], np.cumsum(sizes)])
    cuts = [0]
    for number, goal in enumerate(np.cumsum(goals)[:-1] / goals.sum() * reached[-1], start=1):
        latest = max(cuts[-1], len(sizes) - (len(goals) - number))
        earliest = min(cuts[-1] + 1, latest)
        nearest = int(np.abs(reached - goal).argmin())
        cuts.append(min(max(nearest, earliest), latest))
    return [*cuts, len(sizes)]


def _age(sample: Sample, order_by: OrderBy) -> tuple[tuple[float, int, str], ...]:
    match order_by:
        case OrderBy.NAME:
            return natural_key(sample.name or sample.path)
        case OrderBy.DATE:
            assert sample.modified_at is not None  # others were refused
            return ((sample.modified_at, 0, ""),)
        case _:
            assert_never(order_by)


def _refuse_arbitrary_dates(samples: Sequence[Sample]) -> None:
    """Raise where an order by date would be no order of the images.

    Why class by class: they are ordered within their classes, and copied folder by folder.
    """
    dates: dict[int | None, list[float]] = defaultdict(list)
    for sample in samples:
        if sample.modified_at is not None:
            dates[sample.label].append(sample.modified_at)
    unknown = len(samples) - sum(map(len, dates.values()))
    if unknown:
        raise SplitError(
            f"{unknown:,} of {len(samples):,} images have no date: files that are uploaded one "
            "by one come without, and some ZIP files hold none.",
            "Order by name, or import the images again from a folder or a ZIP that has their "
            "dates.",
        )
    if dates and all(max(of) - min(of) <= COPIED_WITHIN_S for of in dates.values()):
        raise SplitError(
            "In each class, all images have dates within two minutes of one another: then the "
            "files were copied or unpacked, which says nothing of when the images were taken.",
            "Order by name, or import the images again from files that kept their dates.",
        )


def _refuse_missing(
    class_names: Sequence[str],
    members: Mapping[Hashable, Sequence[Sample]],
    placed: Mapping[Hashable, int],
    targets: NDArray[np.float64],
) -> None:
    have = np.zeros(targets.shape, bool)
    for key, group in members.items():
        have[[s.label for s in group], placed[key]] = True  # type: ignore[index]
    for label in np.flatnonzero(((targets > 0) & ~have).any(axis=1)).tolist():
        n = sum(any(s.label == label for s in group) for group in members.values())
        sides = int((targets[label] > 0).sum())
        raise SplitError(
            f"Class '{class_names[label]}' has images of {n} different group{'s' * (n != 1)}; "
            f"they cannot be divided into {sides} parts without tearing a group apart.",
            "Add images of other parts of this class, leave the class out when importing, ask "
            "for fewer folds, or set the fraction of a subset to 0.",
        )


def _refuse_small_class(n: int, needed: int, name: str, *, what: str = "split") -> None:
    if n < needed:
        raise SplitError(
            f"Class '{name}' has {n} image{'s' * (n != 1)}; the {what} needs at least {needed}.",
            "Add images of this class, leave the class out when importing, ask for fewer "
            "images or folds, or set the fraction of a subset to 0.",
        )


def _group_key(group: Sequence[Sample], seed: int, attempt: int = 0) -> bytes:
    name = f"{seed}.{attempt}" if attempt else f"{seed}"
    return min(_shuffle_key(s.sha256, name) for s in group)


def _shuffle_key(sha256: str, name: str) -> bytes:
    # Why a hash and no generator: the order does not depend on who else is there.
    return hashlib.sha256(f"{name} {sha256}".encode()).digest()


def _check_fractions(fractions: Fractions) -> None:
    if not (min(fractions) >= 0 and abs(sum(fractions) - 1) <= 1e-6):  # false for NaN too
        shown = " + ".join(f"{f:.0%}" for f in fractions)
        raise SplitError(
            f"The fractions {shown} do not make 100%.", "Train, validation and test share 100%."
        )
    if fractions[0] <= 0 or fractions[1] <= 0:
        raise SplitError(
            "Training and validation both need images.",
            "Validation chooses the best epoch; give it for example 20%.",
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
