"""Findings from the samples of a dataset; images are known only as pairs of look-alikes.

Positions are those in the given sequence of samples.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.saved import SavedAs
from core.data.quality.file_properties import file_property_leaks
from core.data.quality.label_errors import LabelAssessment
from core.data.quality.outliers import Outlier
from core.data.quality.similarity import Pairs, connected, links_of_equal
from core.domain.datasets import Sample
from core.domain.findings import Certainty, Finding, FindingKind, Severity, look_alike_finding
from core.domain.splits import Subset
from core.words import count, joined

SMALL_CLASS = 20
IMBALANCE = 10.0  # the largest class has this many times the images of the smallest
_WORTH_A_LOOK = 0.1  # least estimated share of such suspicions that are right


def look_alike_groups(samples: Sequence[Sample], near: Pairs) -> NDArray[np.int64]:
    """Group number [N]; samples that are equal or look alike have the same one."""
    return connected(len(samples), links_of_equal([s.sha256 for s in samples]), near)


def all_findings(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    near: Pairs,
    unreadable: Sequence[int],
    *,
    folders_of_classes: Collection[str] = (),
    saved_as: Callable[[Sample], SavedAs] = lambda _: SavedAs(),
) -> list[Finding]:
    """Findings from files, labels and look-alikes, the most harmful kinds first.

    Args:
        samples: of one dataset.
        class_names: by class index.
        near: [M, 2] positions of nearly equal images with different bytes.
        unreadable: positions of images that cannot be read any more.
        folders_of_classes: all names that classes ever had: folders of these names are the source
            of the labels, not a leak.
        saved_as: how a file was saved; asked only where the sizes of files tell classes apart.
    """
    return [
        *_label_conflicts(samples, class_names, near),
        *file_property_leaks(samples, class_names, [*class_names, *folders_of_classes], saved_as),
        *_exact_duplicates(samples),
        *_near_duplicates(samples, near),
        *_class_sizes(samples, class_names),
        *_unreadable(samples, unreadable),
    ]


def _label_conflicts(
    samples: Sequence[Sample], class_names: Sequence[str], near: Pairs
) -> Iterator[Finding]:
    exact = _pairs_within(_members([s.sha256 for s in samples]))
    for pairs, severity, subject in (
        (exact, Severity.SERIOUS, "The same image has"),
        (near.tolist(), Severity.WARNING, "Look-alikes have"),
    ):
        differ = [
            (a, b)
            for a, b in pairs
            if None not in (samples[a].label, samples[b].label)
            and samples[a].label != samples[b].label
        ]
        numbers = connected(len(samples), np.array(differ, np.int64).reshape(-1, 2))
        for members in _members(numbers.tolist()):
            labels = sorted({samples[i].label or 0 for i in members})
            names = ", ".join(f"'{class_names[label]}'" for label in labels)
            yield _finding(
                FindingKind.LABEL_CONFLICT,
                severity,
                f"{subject} {len(labels)} different labels: {names}.",
                samples,
                members,
            )


def suspect_labels(
    samples: Sequence[Sample], class_names: Sequence[str], judgement: LabelAssessment
) -> list[Finding]:
    """One finding per image that may be mislabeled, lowest confidence in the label first.

    A warning if the model is sure, a note if the image may only be a difficult one. Suspicions of
    which nine in ten are wrong are none: such images are found by sorting by confidence.
    """
    suspects = np.flatnonzero(judgement.is_suspect & (judgement.right >= _WORTH_A_LOOK))
    findings = []
    for i in suspects[np.argsort(judgement.confidence[suspects], kind="stable")].tolist():
        confidence, suggested = float(judgement.confidence[i]), int(judgement.suggested[i])
        label, certainty = samples[i].label or 0, judgement.certainty(i)
        message = (
            f"Labeled '{class_names[label]}', but looks like '{class_names[suggested]}' "
            f"(confidence in the label: {confidence:.0%}). The check confirms "
            f"{judgement.agreement[label]:.0%} of the labels of this class."
        )
        severity = Severity.WARNING if certainty is Certainty.SURE else Severity.NOTE
        findings.append(
            Finding(
                FindingKind.SUSPECT_LABEL,
                severity,
                message,
                (samples[i].id,),
                suggested,
                confidence,
                certainty=certainty,
                right=float(judgement.right[i]),
            )
        )
    return findings


def outlier_findings(samples: Sequence[Sample], outliers: Sequence[Outlier]) -> list[Finding]:
    """One finding per unusual image, the most unusual first."""
    by_image: dict[int, list[Outlier]] = defaultdict(list)
    for outlier in outliers:
        by_image[outlier.position].append(outlier)
    return [
        Finding(
            FindingKind.OUTLIER,
            Severity.NOTE,
            f"Unusual for its class: {', '.join(o.words for o in own)}.",
            (samples[i].id,),
            score=own[0].score,
        )
        for i, own in by_image.items()
    ]


def subset_leaks(
    samples: Sequence[Sample], near: Pairs, subsets: Mapping[int, Subset], split_name: str
) -> list[Finding]:
    """Look-alikes and parts that are in more than one subset of a split, largest first.

    Args:
        samples: of one dataset.
        near: [M, 2] positions of nearly equal images.
        subsets: sample id -> subset; a sample may have none.
        split_name: for the messages.
    """
    seen: set[tuple[int, ...]] = set()
    findings = []
    for numbers, subject in (
        (look_alike_groups(samples, near), "look-alikes are"),
        (
            connected(len(samples), links_of_equal([s.group for s in samples])),
            "images of one part are",
        ),
    ):
        for siblings in _members(numbers.tolist()):
            members = [i for i in siblings if samples[i].id in subsets]
            sides = {subsets[samples[i].id] for i in members}
            if len(sides) < 2 or tuple(members) in seen:
                continue
            seen.add(tuple(members))
            places = joined([side.value for side in Subset if side in sides])
            findings.append(
                _finding(
                    FindingKind.SUBSET_LEAK,
                    Severity.SERIOUS,
                    f"{len(members)} {subject} in {places} of the split '{split_name}'.",
                    samples,
                    members,
                )
            )
    return sorted(findings, key=lambda f: -len(f.sample_ids))


def _exact_duplicates(samples: Sequence[Sample]) -> Iterator[Finding]:
    for members in _members([s.sha256 for s in samples]):
        yield _finding(
            FindingKind.EXACT_DUPLICATE,
            Severity.WARNING,
            f"{len(members)} files contain the same image, byte for byte.",
            samples,
            members,
        )


def _near_duplicates(samples: Sequence[Sample], near: Pairs) -> Iterator[Finding]:
    for members in _members(connected(len(samples), near).tolist()):
        yield look_alike_finding(tuple(samples[i].id for i in members))


def _class_sizes(samples: Sequence[Sample], class_names: Sequence[str]) -> Iterator[Finding]:
    members: list[list[int]] = [[] for _ in class_names]
    for i, sample in enumerate(samples):
        if sample.label is not None:
            members[sample.label].append(i)
    for name, own in zip(class_names, members, strict=True):
        if len(own) < SMALL_CLASS:
            yield _finding(
                FindingKind.CLASS_TOO_SMALL,
                Severity.WARNING,
                f"The class '{name}' has {count(len(own), 'image')}. With fewer than "
                f"{SMALL_CLASS}, its results are unreliable.",
                samples,
                own,
            )
    sizes = [len(own) for own in members]
    if min(sizes, default=0) and max(sizes) >= IMBALANCE * min(sizes):
        large, small = (class_names[sizes.index(extreme(sizes))] for extreme in (max, min))
        yield Finding(
            FindingKind.CLASS_IMBALANCE,
            Severity.NOTE,
            f"The class '{large}' has {count(max(sizes), 'image')}, the class '{small}' only "
            f"{min(sizes)}. Judge results by macro F1, not by accuracy.",
        )


def _unreadable(samples: Sequence[Sample], members: Sequence[int]) -> Iterator[Finding]:
    if members:
        yield _finding(
            FindingKind.UNREADABLE,
            Severity.SERIOUS,
            f"{count(len(members), 'image')} can no longer be read; moved, deleted or damaged "
            "after the import.",
            samples,
            members,
        )


def _members(values: Sequence[object]) -> list[list[int]]:
    """Positions of values that occur more than once, by value, in order of appearance."""
    by_value: dict[object, list[int]] = defaultdict(list)
    for position, value in enumerate(values):
        by_value[value].append(position)
    return [positions for positions in by_value.values() if len(positions) > 1]


def _pairs_within(groups: Iterable[list[int]]) -> list[tuple[int, int]]:
    # Why with the first only: this is enough to meet every other label of a group.
    return [(members[0], other) for members in groups for other in members[1:]]


def _finding(
    kind: FindingKind,
    severity: Severity,
    message: str,
    samples: Sequence[Sample],
    members: Iterable[int],
) -> Finding:
    return Finding(kind, severity, message, tuple(samples[i].id for i in members))
