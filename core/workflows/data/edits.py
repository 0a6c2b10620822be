"""Edits of a dataset: relabel, exclude, group, change classes; each makes a version, none is lost.

Every function reads the dataset and writes the version in one transaction, so that two people who
edit at the same time both get what they asked for.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from sqlite_utils import Database

from core.data.importing.labels import MAX_LABEL, normal_name
from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    EditAction,
    Sample,
    SampleState,
    SampleStatus,
    Verdict,
)
from core.domain.findings import FindingStatus
from core.errors import ConfigError, NameTakenError, NotFoundError, TouchstoneError
from core.store import datasets, quality, versions
from core.store.database import connect, transaction
from core.workspace import Workspace

MAX_GROUP = 200


@dataclass(frozen=True)
class _Edit:
    """What `apply_edit` needs to know of a change."""

    action: EditAction
    summary: str
    states: Mapping[int, SampleState]
    class_names: tuple[str, ...] | None = None
    class_verdicts: tuple[Verdict | None, ...] | None = None


class QuickAction(StrEnum):
    """What a key press or a button of a gallery does."""

    RELABEL = "relabel"
    EXCLUDE = "exclude"
    RESTORE = "restore"
    GROUP = "group"
    UNDO = "undo"


@dataclass(frozen=True)
class QuickEdit:
    """One key press: what, of which images; the class by name, for positions may shift."""

    action: QuickAction
    sample_ids: tuple[int, ...] = ()
    class_name: str = ""
    group: str = ""


@dataclass(frozen=True)
class QuickAnswer:
    """What became of a series of key presses: in words, and where the dataset stands now."""

    messages: tuple[str, ...]
    failed: bool
    version: int


def quick_edits(workspace: Workspace, dataset_id: str, presses: Sequence[QuickEdit]) -> QuickAnswer:
    """Store key presses in their order; what fails does not stop the others.

    Equal presses in a row become one version; an undo takes back the press before it.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    messages, failed = [], False
    for edit in _together(presses):
        try:
            messages.append(_quick_edit(workspace, dataset_id, edit).summary)
        except TouchstoneError as err:
            messages.append(err.message)
            failed = True
    with connect(workspace) as db:
        version = datasets.find_dataset(db, dataset_id).version
    return QuickAnswer(tuple(messages), failed, version)


def _together(presses: Sequence[QuickEdit]) -> list[QuickEdit]:
    """An undo cancels the press before it; equal presses in a row become one."""
    kept: list[QuickEdit] = []
    for press in presses:
        if press.action is QuickAction.UNDO and kept and kept[-1].action is not QuickAction.UNDO:
            kept.pop()
        else:
            kept.append(press)
    folded: list[QuickEdit] = []
    for press in kept:
        last = folded[-1] if folded else None
        if last and press.sample_ids and replace(last, sample_ids=press.sample_ids) == press:
            ids = tuple(dict.fromkeys(last.sample_ids + press.sample_ids))
            folded[-1] = replace(last, sample_ids=ids)
        else:
            folded.append(press)
    return folded


def _quick_edit(workspace: Workspace, dataset_id: str, edit: QuickEdit) -> DatasetVersion:
    match edit.action:
        case QuickAction.RELABEL:
            return move_to_class(workspace, dataset_id, edit.sample_ids, edit.class_name)
        case QuickAction.EXCLUDE:
            return exclude(workspace, dataset_id, edit.sample_ids)
        case QuickAction.RESTORE:
            return restore(workspace, dataset_id, edit.sample_ids)
        case QuickAction.GROUP:
            return set_group(
                workspace, dataset_id, dict.fromkeys(edit.sample_ids, edit.group or None)
            )
        case QuickAction.UNDO:
            return undo(workspace, dataset_id)
        case _:
            assert_never(edit.action)


def move_to_class(
    workspace: Workspace, dataset_id: str, sample_ids: Iterable[int], class_name: str
) -> DatasetVersion:
    """Give images the class of this name, whatever its position is by then.

    Raises:
        ConfigError: if they have it already.
        NotFoundError: if there is no such class or image.
    """
    wanted = list(sample_ids)

    def plan(db: Database, dataset: Dataset) -> _Edit:
        label = class_index(dataset, class_name)
        return _relabelling(db, dataset, dict.fromkeys(wanted, label), None)

    return _apply(workspace, dataset_id, plan, "have that class already")


def relabel(
    workspace: Workspace,
    dataset_id: str,
    labels: Mapping[int, int],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Give images another class.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        labels: sample id -> class index.
        summary: what was done, in words; else it is said from the classes.
        finding_ids: findings that this fixes; an undo opens them again.

    Raises:
        ConfigError: if there is no such class, or every image has its class already.
        NotFoundError: if an image or a finding is not there (any more).
    """

    def plan(db: Database, dataset: Dataset) -> _Edit:
        if any(not 0 <= label < len(dataset.class_names) for label in labels.values()):
            raise ConfigError(
                "There is no such class in this dataset.",
                "The classes were changed in the meantime; reload and choose again.",
            )
        return _relabelling(db, dataset, labels, summary)

    return _apply(workspace, dataset_id, plan, "have that class already", finding_ids)


def exclude(
    workspace: Workspace,
    dataset_id: str,
    sample_ids: Iterable[int],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Leave images out of the dataset; they stay stored and can be brought back.

    Raises:
        ConfigError: if they are out already, or none would be left.
        NotFoundError: if an image or a finding is not there (any more).
    """
    wanted = list(sample_ids)

    def plan(db: Database, dataset: Dataset) -> _Edit:
        found = [s for s in _samples(db, dataset, wanted) if s.status is SampleStatus.USED]
        if found and len(found) == dataset.sample_count:
            raise ConfigError(
                "No image would be left.", "Delete the dataset instead, or keep some images."
            )
        states = {s.id: replace(s.state, status=SampleStatus.EXCLUDED) for s in found}
        return _Edit(EditAction.EXCLUDE, summary or f"Excluded {_images(len(found))}", states)

    return _apply(workspace, dataset_id, plan, "are excluded already", finding_ids)


def restore(
    workspace: Workspace,
    dataset_id: str,
    sample_ids: Iterable[int],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Bring excluded images back.

    Raises:
        ConfigError: if they are in use already.
        NotFoundError: if an image or a finding is not there (any more).
    """
    wanted = list(sample_ids)

    def plan(db: Database, dataset: Dataset) -> _Edit:
        found = [s for s in _samples(db, dataset, wanted) if s.status is SampleStatus.EXCLUDED]
        states = {s.id: replace(s.state, status=SampleStatus.USED) for s in found}
        return _Edit(EditAction.RESTORE, summary or f"Brought back {_images(len(found))}", states)

    return _apply(workspace, dataset_id, plan, "are in use already", finding_ids)


def set_group(
    workspace: Workspace,
    dataset_id: str,
    groups: Mapping[int, str | None],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Say which images belong together (one part, one lot); None takes an image out of any.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        groups: sample id -> name of its group.
        summary: what was done, in words.
        finding_ids: findings that this fixes.

    Raises:
        ConfigError: if a name is too long, or nothing changes.
        NotFoundError: if an image or a finding is not there (any more).
    """
    named = {i: _group_name(group) for i, group in groups.items()}

    def plan(db: Database, dataset: Dataset) -> _Edit:
        changed = [s for s in _samples(db, dataset, named) if s.group != named[s.id]]
        states = {s.id: replace(s.state, group=named[s.id]) for s in changed}
        words = summary or _grouped([named[s.id] for s in changed])
        return _Edit(EditAction.GROUP, words, states)

    return _apply(workspace, dataset_id, plan, "are in that group already", finding_ids)


def add_class(workspace: Workspace, dataset_id: str, name: str) -> DatasetVersion:
    """Add a class without images, so that images can be moved to it.

    Raises:
        ConfigError: if the name is empty or too long.
        NameTakenError: if there is such a class.
    """
    clean = _class_name(name)

    def plan(db: Database, dataset: Dataset) -> _Edit:
        _refuse_taken(clean, dataset.class_names)
        return _Edit(
            EditAction.ADD_CLASS,
            f"Added class '{clean}'",
            {},
            (*dataset.class_names, clean),
            (*dataset.verdicts, None),
        )

    return _apply(workspace, dataset_id, plan)


def rename_class(workspace: Workspace, dataset_id: str, old: str, new: str) -> DatasetVersion:
    """Give a class another name.

    Raises:
        ConfigError: if the name is empty, too long, or the one it has.
        NameTakenError: if another class has it; merging is another action.
        NotFoundError: if there is no class of the old name.
    """
    clean = _class_name(new)

    def plan(db: Database, dataset: Dataset) -> _Edit:
        names = list(dataset.class_names)
        position = class_index(dataset, old)
        if clean == old:
            raise ConfigError(f"The class is called '{old}' already.", "Give another name.")
        _refuse_taken(clean, [name for name in names if name != old])
        names[position] = clean
        return _Edit(
            EditAction.RENAME_CLASS, f"Renamed class '{old}' to '{clean}'", {}, tuple(names)
        )

    return _apply(workspace, dataset_id, plan)


def merge_classes(
    workspace: Workspace, dataset_id: str, from_names: Iterable[str], into: str
) -> DatasetVersion:
    """Make one class of several.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        from_names: the classes to merge.
        into: their new name: that of a class, or a new one. The verdict stays where all that have
            one agree.

    Raises:
        ConfigError: if there is nothing to merge, or one class would be left.
        NotFoundError: if there is no such class.
    """
    wanted = list(dict.fromkeys(from_names))
    clean = _class_name(into)

    def plan(db: Database, dataset: Dataset) -> _Edit:
        merged = {class_index(dataset, name) for name in wanted}
        if clean in dataset.class_names:
            merged.add(dataset.class_names.index(clean))
        else:
            _refuse_taken(clean, [n for n in dataset.class_names if n not in wanted])
        if len(merged) < 2:
            raise ConfigError(
                "There is nothing to merge.", "Choose at least two classes, or rename the one."
            )
        if len(dataset.class_names) - len(merged) + 1 < 2:
            raise ConfigError(
                "Only one class would be left.", "A classifier needs at least two classes."
            )
        return _merge(db, dataset, merged, clean)

    return _apply(workspace, dataset_id, plan)


def set_verdicts(
    workspace: Workspace, dataset_id: str, verdicts: Mapping[str, Verdict | None]
) -> DatasetVersion:
    """Say which classes are OK and which are NOK on the shop floor; None takes it back.

    Raises:
        ConfigError: if nothing changes.
        NotFoundError: if there is no such class.
    """

    def plan(db: Database, dataset: Dataset) -> _Edit:
        given = list(dataset.verdicts)
        for name, verdict in verdicts.items():
            given[class_index(dataset, name)] = verdict
        changed = [
            f"'{name}' {verdict or 'undecided'}"
            for name, verdict, before in zip(
                dataset.class_names, given, dataset.verdicts, strict=True
            )
            if verdict is not before
        ]
        if not changed:
            raise ConfigError("Nothing changes: the classes have these verdicts already.")
        words = "Verdicts: " + _listed(changed)
        return _Edit(EditAction.VERDICTS, words, {}, class_verdicts=tuple(given))

    return _apply(workspace, dataset_id, plan)


def undo(workspace: Workspace, dataset_id: str) -> DatasetVersion:
    """Take back the newest edit that still holds; findings that it fixed are open again.

    Raises:
        NotFoundError: if there is nothing to undo.
    """
    with connect(workspace) as db, transaction(db):
        return versions.undo(db, datasets.find_dataset(db, dataset_id))


def class_index(dataset: Dataset, name: str) -> int:
    """Position of a class.

    Raises:
        NotFoundError: if there is none of this name.
    """
    if name not in dataset.class_names:
        raise NotFoundError(
            f"There is no class '{name}' in this dataset.",
            f"Its classes are: {_listed(dataset.class_names)}.",
        )
    return dataset.class_names.index(name)


def _apply(
    workspace: Workspace,
    dataset_id: str,
    plan: Callable[[Database, Dataset], _Edit],
    unchanged: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Plan and store an edit at once; `unchanged` says why an edit without changes is refused."""
    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, dataset_id)
        edit = plan(db, dataset)
        if unchanged is not None and not edit.states:
            raise ConfigError(f"Nothing changes: the images {unchanged}.")
        version = versions.apply_edit(
            db,
            dataset,
            edit.action,
            edit.summary,
            edit.states,
            class_names=edit.class_names,
            class_verdicts=edit.class_verdicts,
        )
        for finding_id in dict.fromkeys(finding_ids):
            finding = quality.find_finding(db, finding_id)
            quality.decide_finding(
                db, dataset.id, finding, FindingStatus.FIXED, version=version.number
            )
    return version


def _samples(db: Database, dataset: Dataset, ids: Iterable[int]) -> list[Sample]:
    """The samples of these ids, which must be in the dataset.

    Raises:
        NotFoundError: if one is not, or not any more.
    """
    wanted = list(dict.fromkeys(ids))
    found = datasets.samples_by_id(db, wanted, dataset_id=dataset.id)
    known = [s for s in found if s.status is not SampleStatus.ABSENT]
    if len(known) < len(wanted):
        raise NotFoundError(
            f"{_images(len(wanted) - len(known))} of these are not in the dataset (any more).",
            "Reload and choose again.",
        )
    return known


def _relabelling(
    db: Database, dataset: Dataset, labels: Mapping[int, int], summary: str | None
) -> _Edit:
    changed = [s for s in _samples(db, dataset, labels) if s.label != labels[s.id]]
    states = {s.id: replace(s.state, label=labels[s.id]) for s in changed}
    moves = [(s.label, labels[s.id]) for s in changed]
    return _Edit(EditAction.RELABEL, summary or _relabelled(moves, dataset.class_names), states)


def _merge(db: Database, dataset: Dataset, merged: set[int], into: str) -> _Edit:
    """All labels move to the new positions, those of excluded images too."""
    names, verdicts = dataset.class_names, dataset.verdicts
    place = names.index(into) if into in names else min(merged)
    kept = [i for i in range(len(names)) if i == place or i not in merged]
    moved = {i: kept.index(place if i in merged else i) for i in range(len(names))}
    given = {verdicts[i] for i in merged if verdicts[i] is not None}
    one_verdict = given.pop() if len(given) == 1 else None
    states = {
        sample_id: replace(state, label=moved[state.label])
        for sample_id, state in versions.states_today(db, dataset.id).items()
        if state.label is not None and moved[state.label] != state.label
    }
    sources = [f"'{names[i]}'" for i in sorted(merged) if names[i] != into]
    return _Edit(
        EditAction.MERGE_CLASSES,
        f"Merged {_listed(sources)} into '{into}'",
        states,
        tuple(into if i == place else names[i] for i in kept),
        tuple(one_verdict if i == place else verdicts[i] for i in kept),
    )


def _class_name(name: str) -> str:
    clean = normal_name(name)
    if not 0 < len(clean) <= MAX_LABEL:
        raise ConfigError(
            "The class name is empty or too long.",
            f"Give a name of 1 to {MAX_LABEL} characters.",
        )
    return clean


def _group_name(name: str | None) -> str | None:
    clean = normal_name(name or "")
    if len(clean) > MAX_GROUP:
        raise ConfigError(
            "The name of the group is too long.", f"Give at most {MAX_GROUP} characters."
        )
    return clean or None


def _refuse_taken(name: str, others: Sequence[str]) -> None:
    # Why casefold: 'Crack' beside 'crack' is a spelling slip, and one folder on many disks.
    if name.casefold() in {other.casefold() for other in others}:
        raise NameTakenError(
            f"There is a class '{name}' already.", "Choose another name, or merge the classes."
        )


def _relabelled(moves: Sequence[tuple[int | None, int]], names: Sequence[str]) -> str:
    """`Relabelled 3 images dent → crack`, the most frequent moves first."""
    counts = Counter(moves)
    parts = [
        f"{_images(count)} {'no label' if old is None else names[old]} → {names[new]}"
        for (old, new), count in counts.most_common(3)
    ]
    rest = len(counts) - len(parts)
    return "Relabelled " + ", ".join(parts) + (f" and {rest} more moves" if rest else "")


def _grouped(names: Sequence[str | None]) -> str:
    different = {name for name in names if name is not None}
    if not different:
        return f"Took {_images(len(names))} out of their groups"
    one = (
        f"group '{next(iter(different))}'" if len(different) == 1 else f"{len(different):,} groups"
    )
    return f"Put {_images(len(names))} into {one}"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _listed(names: Sequence[str], limit: int = 8) -> str:
    rest = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
