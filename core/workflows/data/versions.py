"""Versions of datasets: list, compare, restore."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.domain.datasets import DatasetVersion, EditAction, Sample, SampleState, SampleStatus
from core.store import datasets, quality, versions
from core.store.database import connect, transaction
from core.workspace import Workspace


class ChangeKind(StrEnum):
    """What happened to an image between two versions."""

    ADDED = "added"
    REMOVED = "removed"
    RELABELLED = "relabelled"
    REGROUPED = "regrouped"


@dataclass(frozen=True)
class Change:
    """One image that differs between two versions; class names are those of each version."""

    sample: Sample
    kind: ChangeKind
    label_before: str | None
    label_after: str | None
    group_before: str | None
    group_after: str | None


@dataclass(frozen=True)
class VersionComparison:
    """The differences between two versions; an image appears once, with its main change."""

    older: DatasetVersion
    newer: DatasetVersion
    ids: Mapping[ChangeKind, tuple[int, ...]]
    states: Mapping[int, tuple[SampleState, SampleState]]
    classes_before: tuple[str, ...]
    classes_after: tuple[str, ...]

    @property
    def counts(self) -> dict[ChangeKind, int]:
        """Images per kind of change, zeros included."""
        return {kind: len(self.ids[kind]) for kind in ChangeKind}


def list_versions(workspace: Workspace, dataset_id: str) -> list[DatasetVersion]:
    """All versions of a dataset, newest first."""
    with connect(workspace) as db:
        return versions.list_versions(db, datasets.find_dataset(db, dataset_id).id)


def next_undo(workspace: Workspace, dataset_id: str) -> DatasetVersion | None:
    """The version that an undo would take back; None if there is none."""
    return versions.undoable(list_versions(workspace, dataset_id))


def class_moves(workspace: Workspace, dataset_id: str, since: int) -> dict[int, int]:
    """Class index at a version -> index of the same class today; without merged classes.

    For results of an earlier version that refer to classes by index.
    """
    with connect(workspace) as db:
        listed = versions.list_versions(db, datasets.find_dataset(db, dataset_id).id)
    by_number = {version.number: version for version in listed}
    moves = {i: i for i in range(len(by_number[since].class_names))}
    for number in range(since + 1, len(listed) + 1):
        older, newer = by_number[number - 1].class_names, by_number[number]
        if _renames(newer, by_number):
            continue
        places = {name: i for i, name in enumerate(newer.class_names)}
        moves = {old: places[older[i]] for old, i in moves.items() if older[i] in places}
    return moves


def go_back(workspace: Workspace, dataset_id: str, number: int) -> DatasetVersion:
    """Make a new version that equals an earlier one; it can be undone like any edit.

    Findings that later edits fixed are open again.

    Raises:
        NotFoundError: if there is none of this number.
    """
    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, dataset_id)
        made = versions.restore_version(db, dataset, number)
        quality.reopen_fixed_after(db, dataset.id, number)
    return made


def compare(workspace: Workspace, dataset_id: str, older: int, newer: int) -> VersionComparison:
    """The differences between two versions, in any order.

    Raises:
        NotFoundError: if there is none of a number.
    """
    first, last = sorted((older, newer))
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        before = versions.find_version(db, dataset.id, first)
        after = versions.find_version(db, dataset.id, last)
        changed = versions.changes_between(db, dataset.id, first, last)
        # Why: if classes were renamed or merged, an unchanged label has another name.
        moved = {
            position
            for position, names in enumerate(
                zip(before.class_names, after.class_names, strict=False)
            )
            if names[0] != names[1]
        }
        everything = versions.states_of_version(db, dataset.id, last) if moved else {}
    for sample_id, state in everything.items():
        if state.label in moved:
            changed.setdefault(sample_id, (state, state))
    kinds: dict[ChangeKind, list[int]] = {kind: [] for kind in ChangeKind}
    for sample_id, states in changed.items():
        kind = _kind(*states, before.class_names, after.class_names)
        if kind is not None:
            kinds[kind].append(sample_id)
    return VersionComparison(
        before,
        after,
        {kind: tuple(sorted(ids)) for kind, ids in kinds.items()},
        changed,
        before.class_names,
        after.class_names,
    )


def changed_samples(
    workspace: Workspace,
    comparison: VersionComparison,
    kind: ChangeKind,
    *,
    limit: int = -1,
    offset: int = 0,
) -> list[Change]:
    """A page of the images of one kind of change."""
    end = None if limit < 0 else offset + limit
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, comparison.ids[kind][offset:end])
    return [_change(sample, kind, comparison) for sample in samples]


def sample_history(
    workspace: Workspace, dataset_id: str, sample_id: int
) -> list[tuple[DatasetVersion, Change]]:
    """What happened to one image, newest first."""
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        samples = datasets.samples_by_id(db, [sample_id], dataset_id=dataset.id)
        steps = versions.changes_of_sample(db, dataset.id, sample_id)
        numbered = {v.number: v for v in versions.list_versions(db, dataset.id)} if steps else {}
    history = []
    for number, before, after in steps:
        older, newer = numbered[number - 1].class_names, numbered[number].class_names
        kind = _kind(before, after, older, newer)
        if samples and kind is not None:
            labels = _name(before.label, older), _name(after.label, newer)
            change = Change(samples[0], kind, *labels, before.group, after.group)
            history.append((numbered[number], change))
    return history[::-1]


def _renames(version: DatasetVersion, by_number: Mapping[int, DatasetVersion]) -> bool:
    """Whether a version renamed a class, or undid a renaming."""
    done = by_number[version.undoes] if version.undoes else version
    return done.action is EditAction.RENAME_CLASS


def _kind(
    before: SampleState, after: SampleState, older: tuple[str, ...], newer: tuple[str, ...]
) -> ChangeKind | None:
    used = SampleStatus.USED
    if before.status is not after.status and used in (before.status, after.status):
        return ChangeKind.ADDED if after.status is used else ChangeKind.REMOVED
    if before.status is not used:
        return None
    # Why names: a merge changes the positions of other classes as well.
    if _name(before.label, older) != _name(after.label, newer):
        return ChangeKind.RELABELLED
    return ChangeKind.REGROUPED if before.group != after.group else None


def _change(sample: Sample, kind: ChangeKind, comparison: VersionComparison) -> Change:
    before, after = comparison.states[sample.id]
    return Change(
        sample,
        kind,
        _name(before.label, comparison.classes_before),
        _name(after.label, comparison.classes_after),
        before.group,
        after.group,
    )


def _name(label: int | None, names: tuple[str, ...]) -> str | None:
    return names[label] if label is not None and label < len(names) else None
