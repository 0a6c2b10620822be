"""What the samples of a dataset say about its faults; knows pictures only as pairs of look-alikes.

Positions are those in the given sequence of samples.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from core.data.similarity import Pairs, connected, links_of_equal
from core.domain import Finding, FindingKind, Sample, Severity

SMALL_CLASS = 20
IMBALANCE = 10.0  # the largest class has this many times the pictures of the smallest
_LEAK_AT_LEAST = 10
_LEAK_PURITY = 0.95
_LEAK_CHANCE = 1e-3  # after correction for the number of values tried


def look_alike_groups(samples: Sequence[Sample], near: Pairs) -> NDArray[np.int64]:
    """Group number [N]: samples linked by equal bytes or near pairs share one."""
    return connected(len(samples), links_of_equal([s.sha256 for s in samples]), near)


def all_findings(
    samples: Sequence[Sample], class_names: Sequence[str], near: Pairs, unreadable: Sequence[int]
) -> list[Finding]:
    """Every finding, the most harmful kinds first.

    Args:
        samples: of one dataset.
        class_names: by class index.
        near: [M, 2] positions of nearly equal pictures with different bytes.
        unreadable: positions of pictures that cannot be read any more.
    """
    return [
        *_label_conflicts(samples, class_names, near),
        *_format_leaks(samples, class_names),
        *_exact_duplicates(samples),
        *_near_duplicates(samples, near),
        *_class_sizes(samples, class_names),
        *_unreadable(samples, unreadable),
    ]


def _label_conflicts(
    samples: Sequence[Sample], class_names: Sequence[str], near: Pairs
) -> Iterator[Finding]:
    exact = _pairs_within(_members([s.sha256 for s in samples]))
    for pairs, severity, words in (
        (exact, Severity.SERIOUS, "The same picture"),
        (near.tolist(), Severity.WARNING, "Pictures that look nearly the same"),
    ):
        differ = [(a, b) for a, b in pairs
                  if None not in (samples[a].label, samples[b].label)
                  and samples[a].label != samples[b].label]  # fmt: skip
        numbers = connected(len(samples), np.array(differ, np.int64).reshape(-1, 2))
        for members in _members(numbers.tolist()):
            labels = sorted({samples[i].label or 0 for i in members})
            names = ", ".join(f"'{class_names[label]}'" for label in labels)
            yield _finding(FindingKind.LABEL_CONFLICT, severity,
                           f"{words} under {len(labels)} labels: {names}.",
                           samples, members)  # fmt: skip


def _format_leaks(samples: Sequence[Sample], class_names: Sequence[str]) -> Iterator[Finding]:
    from scipy.stats import binom

    labelled = [i for i, s in enumerate(samples) if s.label is not None]
    totals = Counter(samples[i].label for i in labelled)
    properties: tuple[tuple[str, Callable[[Sample], str]], ...] = (
        ("file extension", lambda s: PurePosixPath(s.path).suffix.lower() or "none"),
        ("size", lambda s: f"{s.width} × {s.height}"),
        ("colour mode", lambda s: "gray" if s.mode == "L" else "colour"),
    )
    for name, value_of in properties:
        by_value: dict[str, list[int]] = defaultdict(list)
        for i in labelled:
            by_value[value_of(samples[i])].append(i)
        for value, members in sorted(by_value.items()):
            if len(members) < _LEAK_AT_LEAST or len(by_value) == 1:
                continue
            label, hits = Counter(samples[i].label for i in members).most_common(1)[0]
            chance = binom.sf(hits - 1, len(members), totals[label] / len(labelled))
            if hits < _LEAK_PURITY * len(members) or chance * len(by_value) > _LEAK_CHANCE:
                continue
            share = "All" if hits == len(members) else f"{hits} of"
            yield _finding(
                FindingKind.FORMAT_LEAK, Severity.SERIOUS,
                f"{share} {len(members)} pictures with {name} {value} are in class "
                f"'{class_names[label or 0]}': a model can learn the {name} instead of the "
                "defect.", samples, members,
            )  # fmt: skip


def _exact_duplicates(samples: Sequence[Sample]) -> Iterator[Finding]:
    for members in _members([s.sha256 for s in samples]):
        yield _finding(FindingKind.EXACT_DUPLICATE, Severity.WARNING,
                       f"{len(members)} files hold the same picture, byte by byte.",
                       samples, members)  # fmt: skip


def _near_duplicates(samples: Sequence[Sample], near: Pairs) -> Iterator[Finding]:
    for members in _members(connected(len(samples), near).tolist()):
        yield _finding(FindingKind.NEAR_DUPLICATE, Severity.WARNING,
                       f"{len(members)} pictures look nearly the same: probably one part, "
                       "photographed several times.", samples, members)  # fmt: skip


def _class_sizes(samples: Sequence[Sample], class_names: Sequence[str]) -> Iterator[Finding]:
    members: list[list[int]] = [[] for _ in class_names]
    for i, sample in enumerate(samples):
        if sample.label is not None:
            members[sample.label].append(i)
    for name, own in zip(class_names, members, strict=True):
        if len(own) < SMALL_CLASS:
            yield _finding(FindingKind.CLASS_TOO_SMALL, Severity.WARNING,
                           f"Class '{name}' has {len(own)} pictures; fewer than {SMALL_CLASS} say "
                           "little about how well it is recognized.", samples, own)  # fmt: skip
    sizes = [len(own) for own in members]
    if min(sizes, default=0) and max(sizes) >= IMBALANCE * min(sizes):
        large, small = (class_names[sizes.index(extreme(sizes))] for extreme in (max, min))
        yield Finding(FindingKind.CLASS_IMBALANCE, Severity.NOTE,
                      f"Class '{large}' has {max(sizes)} pictures, class '{small}' {min(sizes)}: "
                      "judge by macro F1, not by accuracy.")  # fmt: skip


def _unreadable(samples: Sequence[Sample], members: Sequence[int]) -> Iterator[Finding]:
    if members:
        yield _finding(FindingKind.UNREADABLE, Severity.SERIOUS,
                       f"{len(members)} pictures cannot be read any more; they were moved, "
                       "deleted or damaged after the import.", samples, members)  # fmt: skip


def _members(values: Sequence[object]) -> list[list[int]]:
    """Positions of values that occur more than once, by value, in order of appearance."""
    found: dict[object, list[int]] = defaultdict(list)
    for position, value in enumerate(values):
        found[value].append(position)
    return [positions for positions in found.values() if len(positions) > 1]


def _pairs_within(groups: Iterable[list[int]]) -> list[tuple[int, int]]:
    # Why chains of neighbours and the first: enough to meet every other label of a group.
    return [(members[0], other) for members in groups for other in members[1:]]


def _finding(
    kind: FindingKind,
    severity: Severity,
    message: str,
    samples: Sequence[Sample],
    members: Iterable[int],
) -> Finding:
    return Finding(kind, severity, message, tuple(samples[i].id for i in members))
