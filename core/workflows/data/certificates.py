"""Leaks between the sides of a split, counted from what is stored, however it was made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from sqlite_utils import Database

from core.data.groups import group_names
from core.data.quality.findings import look_alike_groups
from core.data.quality.similarity import connected, links_of_equal
from core.data.split import Division, count_across
from core.domain.datasets import Dataset, DatasetVersion, Sample, SampleState, SampleStatus
from core.domain.findings import QualityCheck
from core.domain.keeping.people import as_program
from core.domain.splits import (
    CountedGroups,
    Grouping,
    GroupKind,
    LeakCertificate,
    Split,
    SplitSide,
    Subset,
    sides_of,
)
from core.errors import SplitError
from core.store import datasets, look_alikes, quality, splits, versions
from core.store.database import connect
from core.workflows.data.versions import class_moves
from core.workspace import Workspace

SideCounts = dict[SplitSide, dict[str, int]]


def check_covering(
    db: Database, dataset_id: str, samples: Sequence[Sample]
) -> tuple[QualityCheck | None, int]:
    """The last quality check if it covered all these samples, and how many it did not cover."""
    check = quality.load_check(db, dataset_id)
    if check is None:
        return None, len(samples)
    seen = {s.id for s in versions.samples_at(db, dataset_id, check.version)}
    missed = sum(s.id not in seen for s in samples)
    return (None if missed else check), missed


def found_groups(samples: Sequence[Sample], check: QualityCheck) -> dict[int, int]:
    """Sample id -> number of its group of look-alikes; equal files always share one."""
    position = {s.id: i for i, s in enumerate(samples)}
    near = [
        (position[a], position[b]) for a, b in check.near_pairs if a in position and b in position
    ]
    numbers = look_alike_groups(samples, np.array(near, np.int64).reshape(-1, 2))
    return _by_id(samples, numbers.tolist())


def named_groups(
    samples: Sequence[Sample], grouping: Grouping, class_folders: Sequence[str]
) -> dict[int, int]:
    """Sample id -> number of its group by a rule on names or columns, joined by equal files.

    Raises:
        SplitError: if the rule finds no groups.
    """
    names = group_names(samples, grouping, class_folders)
    links = links_of_equal(names), links_of_equal([s.sha256 for s in samples])
    return _by_id(samples, connected(len(samples), *links).tolist())


def class_folders(db: Database, dataset: Dataset) -> list[str]:
    """All names that classes of a dataset ever had: folders of these names are no groups."""
    every = (v.class_names for v in versions.list_versions(db, dataset.id))
    return sorted(set(chain(dataset.class_names, *every)))


def count_leaks(
    samples: Sequence[Sample],
    division: Division,
    groups: Mapping[int, int] | None,
    check: QualityCheck | None,
    *,
    seed: int,
    digest: str,
    declared: bool = True,
    answers: str = "",
) -> LeakCertificate:
    """The certificate of a division.

    Args:
        samples: of the dataset.
        division: who is where.
        groups: sample id -> group that was asked to stay together; None: none were asked for, so
            the groups that are known anyway are counted.
        check: a quality check that covered all members; None: there is none.
        seed: of the split.
        digest: of the split.
        declared: whether the groups that were asked for are parts, not look-alikes.
        answers: names what people answered about look-alikes.
    """
    sides = division.sides
    counted = CountedGroups.PARTS if declared else CountedGroups.LOOK_ALIKES
    if groups is None:
        groups = _known_groups(samples, check)
        counted = _kind_of_known(samples, check)
    near_across = (
        None
        if check is None
        else sum(a in sides and b in sides and sides[a] != sides[b] for a, b in check.near_pairs)
    )
    return LeakCertificate(
        groups_across=None if groups is None else count_across(sides, groups),
        exact_across=count_across(sides, {s.id: s.sha256 for s in samples}),
        near_across=near_across,
        seed=seed,
        digest=digest,
        checked_at=check.created_at if check else None,
        kept_out=len(division.kept_out),
        counted=counted,
        answers=answers,
    )


def _kind_of_known(samples: Sequence[Sample], check: QualityCheck | None) -> CountedGroups:
    if not any(s.group for s in samples):
        return CountedGroups.LOOK_ALIKES
    return CountedGroups.BOTH if check and check.near_pairs else CountedGroups.PARTS


def certified(workspace: Workspace, split: Split) -> Split:
    """The split with its leaks counted against the newest quality check; stored where it changed.

    A split that was made before any quality check, or that came with the images, is counted as
    soon as there is a check; every split, once somebody took look-alikes apart.
    """
    # Why by the program: whoever looks at a page may not change data.
    with as_program(), connect(workspace) as db:
        newest = quality.load_check(db, split.dataset_id)
        known = split.certificate
        answers = look_alikes.answers_digest(db, split.dataset_id)
        is_known = known is not None and known.answers == answers
        if (
            known
            and is_known
            and (
                newest is None
                or newest.created_at <= split.created_at
                or known.checked_at == newest.created_at
            )
        ):
            return split
        certificate = _counted_again(db, split, answers)
        if certificate != known:
            splits.save_certificate(db, split.id, certificate)
            return splits.split_by_id(db, split.id)
    return split


@dataclass(frozen=True)
class SplitDrift:
    """What edits did to the images since a split was made: ids of samples."""

    added: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    relabelled: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the split still fits."""
        return not (self.added or self.left or self.relabelled)


def drift(workspace: Workspace, dataset: Dataset, split: Split) -> SplitDrift:
    """Images that came, left or got another label after a split was made."""
    if split.version == dataset.version:
        return SplitDrift()
    moves = class_moves(workspace, dataset.id, split.version)
    with connect(workspace) as db:
        members = splits.split_places(db, split.id)
        changes = versions.changes_between(db, dataset.id, split.version, dataset.version)
    added, left, relabelled = [], [], []
    for sample_id, (before, after) in changes.items():
        old, new = _label_of(before), _label_of(after)
        if old is None and new is not None:
            added.append(sample_id)
        elif sample_id in members and old is not None and new is None:
            left.append(sample_id)
        elif sample_id in members and old is not None and moves.get(old) != new:
            relabelled.append(sample_id)
    return SplitDrift(tuple(added), tuple(left), tuple(relabelled))


def side_counts(workspace: Workspace, dataset: Dataset, split: Split) -> SideCounts:
    """Side (subset, or fold and test) -> class -> images, as they are labelled today."""
    with connect(workspace) as db:
        by_place = splits.place_class_counts(db, split.id)
    counts: SideCounts = {}
    for side in sides_of(split.folds, with_test=any(s is Subset.TEST for s, _ in by_place)):
        counts[side] = dict.fromkeys(dataset.class_names, 0)
    for (subset, fold), labels in by_place.items():
        own = counts.setdefault(SplitSide(subset, fold), dict.fromkeys(dataset.class_names, 0))
        for label, n in labels.items():
            own[dataset.class_names[label]] += n
    return counts


def division_counts(
    samples: Sequence[Sample], class_names: Sequence[str], division: Division, folds: int
) -> SideCounts:
    """The same of a division that is not stored."""
    with_test = Subset.TEST in division.subsets.values()
    counts: SideCounts = {
        side: dict.fromkeys(class_names, 0) for side in sides_of(folds, with_test=with_test)
    }
    for sample in samples:
        if sample.id in division.subsets and sample.label is not None:
            side = SplitSide(division.subsets[sample.id], division.folds.get(sample.id))
            own = counts.setdefault(side, dict.fromkeys(class_names, 0))
            own[class_names[sample.label]] += 1
    return counts


def counts_by_name(counts: SideCounts) -> dict[str, dict[str, int]]:
    """The same under the names of the sides, for JSON and for people."""
    return {side.name: dict(own) for side, own in counts.items()}


def counts_when_made(workspace: Workspace, split: Split) -> tuple[DatasetVersion, SideCounts]:
    """The version that a split was made of, and its images of each side and class on that day."""
    with connect(workspace) as db:
        version = versions.find_version(db, split.dataset_id, split.version)
        samples = versions.samples_at(db, split.dataset_id, split.version)
        division = _stored_division(db, split)
    return version, division_counts(samples, version.class_names, division, split.folds)


def _counted_again(db: Database, split: Split, answers: str) -> LeakCertificate:
    dataset = datasets.find_dataset(db, split.dataset_id)
    samples = versions.samples_at(db, dataset.id, split.version)
    division = _stored_division(db, split)
    members = [s for s in samples if s.id in division.subsets]
    check, _ = check_covering(db, dataset.id, members)
    grouping = split.strategy.grouping
    groups: dict[int, int] | None = None
    if grouping and grouping.kind is not GroupKind.LOOK_ALIKES:
        try:
            groups = named_groups(samples, grouping, class_folders(db, dataset))
        except SplitError:
            groups = None  # no image has such a group any more: count those known anyway
    counted = count_leaks(
        samples,
        division,
        groups,
        check,
        seed=split.seed,
        digest=split.digest,
        answers=answers,
    )
    kept_out = split.certificate.kept_out if split.certificate else 0
    return replace(counted, kept_out=kept_out)


def _stored_division(db: Database, split: Split) -> Division:
    places = splits.split_places(db, split.id)
    return Division(
        {i: subset for i, (subset, _) in places.items()},
        {i: fold for i, (_, fold) in places.items() if fold is not None},
    )


def _known_groups(
    samples: Sequence[Sample], check: QualityCheck | None
) -> Mapping[int, int] | None:
    """Look-alikes that were found, and groups that came with the images or by edits."""
    stored = [s.group or None for s in samples]
    if check is None and not any(stored):
        return None
    numbers = links_of_equal(list(_found_numbers(samples, check)))
    return _by_id(samples, connected(len(samples), numbers, links_of_equal(stored)).tolist())


def _found_numbers(samples: Sequence[Sample], check: QualityCheck | None) -> list[object]:
    if check is None:
        return [s.sha256 for s in samples]
    groups = found_groups(samples, check)
    return [groups[s.id] for s in samples]


def _label_of(state: SampleState) -> int | None:
    return state.label if state.status is SampleStatus.USED else None


def _by_id(samples: Sequence[Sample], numbers: Sequence[int]) -> dict[int, int]:
    return {s.id: number for s, number in zip(samples, numbers, strict=True)}
