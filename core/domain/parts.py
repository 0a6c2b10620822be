"""Which images show one part: what people answered about look-alikes, and what n counts.

A look-alike is a proposal. It becomes a part when a person confirms it, and nothing at all when a
person says that the images show different parts.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from core.errors import ConfigError

Pair = tuple[int, int]


class PartHow(StrEnum):
    """How the images of a part become one decision."""

    ANY = "any"  # the strictest image decides
    AT_LEAST = "at-least"  # so many of its images must agree
    MEAN = "mean"  # the mean of their confidences decides


@dataclass(frozen=True)
class PartRule:
    """How the images of a part become one decision; `k` images must agree in `AT_LEAST`.

    A part with fewer images than `k` needs all of them to agree. An image that cannot be read
    counts as one for inspector review; beside a mean, it sends the part there at least.
    """

    how: PartHow = PartHow.ANY
    k: int = 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(
                f"{self.k} images cannot decide on a part.", "Give a whole number from 1 on."
            )

    @property
    def text(self) -> str:
        """As it is stored and typed: `any`, `mean`, or the number of images that must agree."""
        return str(self.k) if self.how is PartHow.AT_LEAST else self.how.value

    @property
    def in_words(self) -> str:
        """What happens to a part, as a sentence; empty where the strictest image decides."""
        match self.how:
            case PartHow.ANY:
                return ""
            case PartHow.AT_LEAST:
                return f"A part needs {self.k} such images, or all of them if it has fewer."
            case PartHow.MEAN:
                return "The mean confidences of the images of a part decide."
            case _:
                assert_never(self.how)


ANY_IMAGE = PartRule()


def part_rule(text: str) -> PartRule:
    """The rule of a text that `PartRule.text` gives.

    Raises:
        ConfigError: if it is something else.
    """
    clean = text.strip().lower()
    if clean in (PartHow.ANY, PartHow.MEAN):
        return PartRule(PartHow(clean))
    if re.fullmatch("[0-9]{1,4}", clean):
        return PartRule(PartHow.AT_LEAST, int(clean)) if int(clean) != 1 else ANY_IMAGE
    raise ConfigError(
        f"'{text}' is no rule for the images of a part.",
        "Give any, mean, or the number of images that must agree, such as 2.",
    )


class PartAnswer(StrEnum):
    """What a person said of images that look alike."""

    SAME = "same-part"
    DIFFERENT = "different-parts"


class Counting(StrEnum):
    """What counts as one decision; spelled as on the command line."""

    AUTO = "auto"  # parts that were declared or confirmed; every other image by itself
    IMAGES = "images"  # every image by itself
    PARTS = "parts"  # also look-alikes that nobody has confirmed


@dataclass(frozen=True)
class AnsweredImages:
    """Sample ids of images that all show one part, or of which no two show the same."""

    answer: PartAnswer
    sample_ids: tuple[int, ...]


def kept_apart(answers: Iterable[AnsweredImages]) -> list[frozenset[int]]:
    """Sets of sample ids of which no two are of one part; a later answer overrides earlier ones.

    Args:
        answers: of one dataset, oldest first.
    """
    apart: list[frozenset[int]] = []
    for given in answers:
        ids = frozenset(given.sample_ids)
        if given.answer is PartAnswer.DIFFERENT:
            apart.append(ids)
        else:
            apart = [left for before in apart for left in _without_pairs_of(before, ids)]
    return apart


def _without_pairs_of(apart: frozenset[int], same: frozenset[int]) -> list[frozenset[int]]:
    """What remains of a set of different images when some of them are of one part after all."""
    shared = apart & same
    if len(shared) < 2:
        return [apart]
    others = apart - same
    return [others | {i} for i in sorted(shared)] if others else []


def pairs_left(pairs: Sequence[Pair], apart: Sequence[frozenset[int]]) -> tuple[Pair, ...]:
    """The pairs that still join images, in their order.

    Left out are the pairs that would bring two images of one set together, also by way of others:
    if A is like B and B like C, but A and C are different parts, B stays with A alone.

    Args:
        pairs: sample ids of images that look alike.
        apart: sets of sample ids of which no two are of one part.
    """
    if not apart:
        return tuple(pairs)
    joined = _Joined()
    sets_of: dict[int, set[int]] = defaultdict(set)  # first of a group -> sets that it touches
    for number, ids in enumerate(apart):
        for sample_id in ids:
            sets_of[sample_id].add(number)
    left = []
    for a, b in pairs:
        first, second = joined.find(a), joined.find(b)
        if first != second:
            if sets_of[first] & sets_of[second]:
                continue
            joined.parent[second] = first
            sets_of[first] |= sets_of.pop(second)
        left.append((a, b))
    return tuple(left)


def groups_of_pairs(pairs: Iterable[Pair]) -> list[tuple[int, ...]]:
    """Groups of the ids that pairs join, each ascending; in order of their smallest id."""
    joined = _Joined()
    members: dict[int, list[int]] = defaultdict(list)
    ids = set()
    for a, b in pairs:
        joined.parent[joined.find(b)] = joined.find(a)
        ids |= {a, b}
    for sample_id in sorted(ids):
        members[joined.find(sample_id)].append(sample_id)
    return [tuple(group) for group in members.values()]


class _Joined:
    """Which ids were joined, directly or by way of others."""

    def __init__(self) -> None:
        self.parent: dict[int, int] = {}

    def find(self, sample_id: int) -> int:
        """The id that stands for the group."""
        root = sample_id
        while (above := self.parent.get(root, root)) != root:
            root = above
        while sample_id != root:  # shorten the way for the next time
            self.parent[sample_id], sample_id = root, self.parent.get(sample_id, root)
        return root
