"""What a request would make of a dataset: a split before it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlite_utils import Database

from core.data.split import Division, divide, groups_of_equal_files, split_digest
from core.data.split_request import Fractions, SplitRequest
from core.domain.datasets import Dataset, Sample
from core.domain.findings import QualityCheck
from core.domain.splits import GroupKind, LeakCertificate, Split, SplitMethod, Subset
from core.errors import SplitError
from core.store import datasets, look_alikes, quality, splits, versions
from core.store.database import connect
from core.workflows.data.certificates import (
    SideCounts,
    check_covering,
    class_folders,
    count_leaks,
    division_counts,
    found_groups,
    named_groups,
)
from core.workspace import Workspace


@dataclass(frozen=True)
class SplitPlan:
    """A split before it is stored: who would be where, and what would leak.

    `sealed_by` is the split whose test set is sealed for this version, `kept` the one whose test
    set this plan keeps: the same, or the one that was named.
    """

    dataset: Dataset
    request: SplitRequest
    division: Division
    counts: SideCounts
    certificate: LeakCertificate
    sealed_by: Split | None = None
    kept: Split | None = None

    @property
    def shares(self) -> Fractions:
        """Train, validation, test as they are stored; beside a named test set as they come out."""
        if not self.request.keep_test:
            return self.request.shares
        placed = list(self.division.subsets.values())
        train, validation, test = (placed.count(one) / len(placed) for one in Subset)
        return train, validation, test


def plan_split(workspace: Workspace, dataset_id: str, request: SplitRequest) -> SplitPlan:
    """What a request would make of a dataset today; nothing is stored.

    Where a test set of this version is sealed, or one is named, it is kept exactly and only the
    rest is divided.

    Raises:
        SplitError: if every class is too small, there are no such groups, or the named split has
            no test set or not the sealed one.
        NotFoundError: if there is no split of the name.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        samples = datasets.samples_of(db, dataset.id)
        labelled = [s for s in samples if s.label is not None]
        check, missed = check_covering(db, dataset.id, labelled)
        groups: Mapping[int, int] | None = None
        if request.group_by and request.group_by.kind is GroupKind.LOOK_ALIKES:
            _refuse_unchecked(quality.load_check(db, dataset.id), missed)
            groups = found_groups(samples, check) if check else None
        elif request.group_by is not None:
            groups = named_groups(samples, request.group_by, class_folders(db, dataset))
        sealed_by = splits.sealed_split(db, dataset.id, dataset.version)
        kept = _kept_split(db, dataset, request, sealed_by)
        places = splits.split_places(db, kept.id) if kept else {}
        answers = look_alikes.answers_digest(db, dataset.id)
        unused = _never_used(db, kept, places) if request.keep_test and kept else frozenset()
    if request.keep_test and kept:
        request = replace(request, keep_test=kept.name)
        samples = [s for s in samples if s.id not in unused]
    sealed = frozenset(i for i, (subset, _) in places.items() if subset is Subset.TEST)
    alike = _like(sealed, samples, check) if groups is not None and sealed else frozenset()
    division = _divided(samples, dataset, groups, request, sealed, alike)
    certificate = count_leaks(
        samples,
        division,
        groups,
        check,
        seed=request.seed,
        digest=split_digest(division.subsets, samples, division.folds),
        declared=request.group_by is not None and request.group_by.kind.declares_parts,
        answers=answers,
    )
    counts = division_counts(samples, dataset.class_names, division, request.folds)
    return SplitPlan(dataset, request, division, counts, certificate, sealed_by, kept)


def _kept_split(
    db: Database, dataset: Dataset, request: SplitRequest, sealed_by: Split | None
) -> Split | None:
    """The split whose test set is kept: the named one, else the sealed one."""
    if not request.keep_test:
        return sealed_by
    named = splits.find_split(db, dataset.id, request.keep_test)
    test = ids_in_test(splits.split_members(db, named.id))
    if not test:
        raise SplitError(
            f"The split '{named.name}' has no test images to keep.", "Name a split with a test set."
        )
    if sealed_by and test != ids_in_test(splits.split_members(db, sealed_by.id)):
        raise SplitError(
            f"The test set of '{sealed_by.name}' is sealed for this version, and that of "
            f"'{named.name}' is another.",
            f"Keep the test set of '{sealed_by.name}'.",
        )
    return named


def _never_used(
    db: Database, kept: Split, places: Mapping[int, tuple[Subset, int | None]]
) -> frozenset[int]:
    """Images that a split which came with the images leaves out; later ones may be divided."""
    if kept.strategy.method is not SplitMethod.PROVIDED:
        return frozenset()
    then = versions.samples_at(db, kept.dataset_id, kept.version)
    return frozenset(s.id for s in then) - frozenset(places)


def _refuse_unchecked(check: QualityCheck | None, missed: int) -> None:
    if check is None:
        raise SplitError(
            "This dataset has not been checked for look-alikes.",
            "Run the quality check first: it finds images that may show the same part.",
        )
    if missed:
        raise SplitError(
            f"{missed:,} images came after the last quality check.",
            "Run the quality check again: it finds images that may show the same part.",
        )


def _like(
    sealed: frozenset[int], samples: list[Sample], check: QualityCheck | None
) -> frozenset[int]:
    """Images that resemble sealed test images."""
    if check is None:
        return frozenset()
    groups = found_groups(samples, check)
    touched = {groups[i] for i in sealed if i in groups}
    return frozenset(i for i, group in groups.items() if group in touched) - sealed


def _divided(
    samples: list[Sample],
    dataset: Dataset,
    groups: Mapping[int, int] | None,
    request: SplitRequest,
    sealed: frozenset[int],
    alike: frozenset[int],
) -> Division:
    together = groups_of_equal_files(samples) if groups is None else groups
    try:
        return divide(samples, dataset.class_names, together, request, sealed=sealed, alike=alike)
    except SplitError as err:
        if not sealed:
            raise
        raise SplitError(
            f"Besides the test set that is kept: {err.message}",
            "Images that are like its images are left out. Use another grouping, or "
            f"another version of the dataset, which no seal binds yet. {err.hint}",
        ) from err


def ids_in_test(members: Mapping[int, Subset]) -> set[int]:
    """The ids of the test samples among the members of a split."""
    return {i for i, subset in members.items() if subset is Subset.TEST}
