"""Stratified splitting into train, validation and test; groups stay on one side."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from core.domain import Sample, Subset
from core.errors import SplitError


def stratified_split(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
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
    _check_fractions(fractions)
    contents = {s.id: s.sha256 for s in samples if s.label is not None}
    if len(set(contents.values())) < len(contents):
        return grouped_split(samples, class_names, contents, fractions=fractions, seed=seed)
    subsets: dict[int, Subset] = {}
    for index, name in enumerate(class_names):
        members = [s for s in samples if s.label == index]
        members.sort(key=lambda s: (_shuffle_key(s.sha256, seed), s.id))
        counts = subset_counts(len(members), fractions, name)
        start = 0
        for subset, count in zip(Subset, counts, strict=True):
            subsets.update((s.id, subset) for s in members[start : start + count])
            start += count
    return subsets


def grouped_split(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    groups: Mapping[int, Hashable],
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 42,
) -> dict[int, Subset]:
    """Subset of every labelled sample; a group is never divided, classes are as groups allow.

    The rarest class comes first, its largest groups first; each group goes where the class lacks
    the largest part of what was asked for.

    Args:
        samples: the samples; those without label are left out.
        class_names: names by class index, for messages.
        groups: sample id -> its group.
        fractions: train, validation, test; they sum to 1.
        seed: decides between groups of equal size.

    Raises:
        SplitError: if the fractions make no sense or a class has too few groups.
    """
    _check_fractions(fractions)
    members: dict[Hashable, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.label is not None:
            members[groups[sample.id]].append(sample)
    totals = Counter(s.label for group in members.values() for s in group)
    for index, name in enumerate(class_names):
        subset_counts(totals[index], fractions, name)  # refuses a class that is too small anyway
    keys = {key: _group_key(group, seed) for key, group in members.items()}
    placed: dict[Hashable, Subset] = {}
    have: Counter[tuple[Subset, int | None]] = Counter()
    for label in sorted(totals, key=lambda label: (totals[label], label)):
        sizes = {key: sum(s.label == label for s in group)
                 for key, group in members.items() if key not in placed}  # fmt: skip
        for key in sorted((k for k in sizes if sizes[k]), key=lambda k: (-sizes[k], keys[k])):
            placed[key] = _neediest(label, totals[label], have, fractions)
            have.update((placed[key], s.label) for s in members[key])
    _refuse_missing(class_names, members, have, fractions)
    return {s.id: placed[key] for key, group in members.items() for s in group}


def count_across(subsets: Mapping[int, Subset], groups: Mapping[int, Hashable]) -> int:
    """How many groups have samples in more than one subset; samples without subset do not count."""
    found: dict[Hashable, set[Subset]] = defaultdict(set)
    for sample_id, subset in subsets.items():
        found[groups[sample_id]].add(subset)
    return sum(len(sides) > 1 for sides in found.values())


def subset_counts(
    n: int, fractions: tuple[float, float, float], class_name: str
) -> tuple[int, int, int]:
    """How many of n pictures go to each subset: largest remainders, at least one each.

    Raises:
        SplitError: if n is smaller than the number of subsets asked for.
    """
    wanted = np.array(fractions) > 0
    needed = int(wanted.sum())
    if n < needed:
        raise SplitError(
            f"Class '{class_name}' has {n} picture{'s' * (n != 1)}; the split needs at least "
            f"{needed}.",
            "Add pictures of this class, leave the class out when importing, or set the fraction "
            "of a subset to 0.",
        )
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


def split_digest(subsets: Mapping[int, Subset], samples: Sequence[Sample]) -> str:
    """One value for who is where, by content."""
    by_id = {s.id: s.sha256 for s in samples}
    lines = sorted(f"{by_id[sample_id]} {subset}" for sample_id, subset in subsets.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _group_key(group: Sequence[Sample], seed: int) -> bytes:
    return min(_shuffle_key(s.sha256, seed) for s in group)


def _neediest(
    label: int | None,
    total: int,
    have: Mapping[tuple[Subset, int | None], int],
    fractions: tuple[float, float, float],
) -> Subset:
    """The subset that lacks the largest part of its share of a class; the larger share first."""
    wanted = {subset: total * f for subset, f in zip(Subset, fractions, strict=True) if f > 0}
    return max(wanted, key=lambda s: (1 - have.get((s, label), 0) / wanted[s], wanted[s]))


def _refuse_missing(
    class_names: Sequence[str],
    members: Mapping[Hashable, Sequence[Sample]],
    have: Mapping[tuple[Subset, int | None], int],
    fractions: tuple[float, float, float],
) -> None:
    wanted = [subset for subset, f in zip(Subset, fractions, strict=True) if f > 0]
    for label, name in enumerate(class_names):
        if all(have.get((subset, label), 0) for subset in wanted):
            continue
        n = sum(any(s.label == label for s in group) for group in members.values())
        raise SplitError(
            f"Class '{name}' has pictures of {n} different group{'s' * (n != 1)}; they cannot be "
            f"divided into {len(wanted)} subsets without tearing a group apart.",
            "Add pictures of other parts of this class, leave the class out when importing, or set "
            "the fraction of a subset to 0.",
        )


def _shuffle_key(sha256: str, seed: int) -> bytes:
    # Why a hash and no generator: the same picture keeps its place when others come or go.
    return hashlib.sha256(f"{seed} {sha256}".encode()).digest()


def _check_fractions(fractions: tuple[float, float, float]) -> None:
    if not (min(fractions) >= 0 and abs(sum(fractions) - 1) <= 1e-6):  # false for NaN too
        shown = " + ".join(f"{f:.0%}" for f in fractions)
        raise SplitError(
            f"The fractions {shown} do not make 100 %.", "Train, validation and test share 100 %."
        )
    if fractions[0] <= 0 or fractions[1] <= 0:
        raise SplitError(
            "Training and validation both need pictures.",
            "Validation chooses the best epoch; give it for example 20 %.",
        )
