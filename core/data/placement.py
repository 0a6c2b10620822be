"""Which side of a split every group goes to: by chance, or the oldest first."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Sample
from core.domain.splits import OrderBy
from core.errors import SplitError

PLACE_ATTEMPTS = 32  # ways to place the groups that are tried
PLACE_GROUPS = 20_000  # and together they place no more groups than this, or all groups once
COPIED_WITHIN_S = 120.0  # a class whose dates lie closer together was copied, not photographed


def place(
    members: Mapping[Hashable, Sequence[Sample]],
    targets: NDArray[np.float64],
    seed: int,
) -> dict[Hashable, int]:
    """Side of every group: of several ways to place them, the one nearest to what was asked."""
    contents = {key: Counter(s.label for s in group) for key, group in members.items()}
    best: dict[Hashable, int] = {}
    least = (np.inf, np.inf)
    for attempt in range(max(1, min(PLACE_ATTEMPTS, PLACE_GROUPS // max(1, len(members))))):
        shuffled = {key: _group_key(group, seed, attempt) for key, group in members.items()}
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


def place_in_order(
    members: Mapping[Hashable, Sequence[Sample]],
    targets: NDArray[np.float64],
    seed: int,
    order_by: OrderBy,
) -> dict[Hashable, int]:
    """Side of every group by age, class by class; a group is as old as its oldest image."""
    ages = {key: min(_age(s, order_by) for s in group) for key, group in members.items()}
    of_class: dict[int, list[Hashable]] = defaultdict(list)
    for key, group in members.items():
        labels = Counter(s.label or 0 for s in group)
        of_class[max(labels, key=lambda label: (labels[label], -label))].append(key)
    placed: dict[Hashable, int] = {}
    for label, keys in of_class.items():
        keys.sort(key=lambda key: (ages[key], _group_key(members[key], seed)))
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


def refuse_arbitrary_dates(samples: Sequence[Sample]) -> None:
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


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Orders names as people do: `shot 2` before `shot 10`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(p), "") if i % 2 else (1, 0, p.casefold()) for i, p in enumerate(parts))


def _group_key(group: Sequence[Sample], seed: int, attempt: int = 0) -> bytes:
    name = f"{seed}.{attempt}" if attempt else f"{seed}"
    return min(_shuffle_key(s.sha256, name) for s in group)


def _shuffle_key(sha256: str, name: str) -> bytes:
    # Why a hash and no generator: the order does not depend on who else is there.
    return hashlib.sha256(f"{name} {sha256}".encode()).digest()
