"""Edits of a dataset: relabel, exclude, group, change classes; each makes a version.

Every function reads the dataset and writes the version in one transaction, so that no change is
lost when two people edit at the same time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlite_utils import Database

from core.data.importing.labels import MAX_LABEL
from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    EditAction,
    SampleStatus,
    Verdict,
)
from core.domain.names import known_name, name_key, normal_name
from core.errors import ConfigError, NameTakenError, NotFoundError
from core.store import datasets, versions
from core.store.database import connect, transaction
from core.words import count, listed
from core.workflows.data.edit_plans import (
    LISTED,
    Edit,
    apply_edit,
    confirmed,
    grouped,
    merging,
    relabelling,
    samples_in,
    separating,
)
from core.workspace import Workspace

MAX_GROUP = 200
_HAVE_CLASS = "The images already have this class."
_HAVE_PART = "The images already belong to this part."


def move_to_class(
    workspace: Workspace, dataset_id: str, sample_ids: Iterable[int], class_name: str
) -> DatasetVersion:
    """Give images the class with this name, independent of its position.

    Raises:
        ConfigError: if they already have it.
        NotFoundError: if there is no such class or image.
    """
    wanted = list(sample_ids)

    def plan(db: Database, dataset: Dataset) -> Edit:
        label = class_index(dataset, class_name)
        return relabelling(db, dataset, dict.fromkeys(wanted, label), None)

    return apply_edit(workspace, dataset_id, plan, _HAVE_CLASS)


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
        summary: what was done, in words; None: made from the classes.
        finding_ids: findings that this fixes; an undo reopens them.

    Raises:
        ConfigError: if there is no such class, or every image already has its class.
        NotFoundError: if an image or a finding does not exist (any more).
    """

    def plan(db: Database, dataset: Dataset) -> Edit:
        if any(not 0 <= label < len(dataset.class_names) for label in labels.values()):
            raise ConfigError(
                "There is no such class in this dataset.",
                "The classes have changed in the meantime. Reload the page and choose again.",
            )
        return relabelling(db, dataset, labels, summary)

    return apply_edit(
        workspace, dataset_id, plan, "The images already have this class.", finding_ids
    )


def exclude(
    workspace: Workspace,
    dataset_id: str,
    sample_ids: Iterable[int],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Exclude images from the dataset; they stay stored and can be restored.

    Raises:
        ConfigError: if they are already excluded, or none would be left.
        NotFoundError: if an image or a finding does not exist (any more).
    """
    wanted = list(sample_ids)

    def plan(db: Database, dataset: Dataset) -> Edit:
        used = [s for s in samples_in(db, dataset, wanted) if s.status is SampleStatus.USED]
        if used and len(used) == dataset.sample_count:
            raise ConfigError("No image would be left.", "Delete the dataset, or keep some images.")
        states = {s.id: replace(s.state, status=SampleStatus.EXCLUDED) for s in used}
        return Edit(EditAction.EXCLUDE, summary or f"Excluded {count(len(used), 'image')}", states)

    return apply_edit(workspace, dataset_id, plan, "The images are already excluded.", finding_ids)


def restore(
    workspace: Workspace,
    dataset_id: str,
    sample_ids: Iterable[int],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Restore excluded images.

    Raises:
        ConfigError: if they are already in use.
        NotFoundError: if an image or a finding does not exist (any more).
    """
    wanted = list(sample_ids)

    def plan(db: Database, dataset: Dataset) -> Edit:
        samples = samples_in(db, dataset, wanted)
        excluded = [s for s in samples if s.status is SampleStatus.EXCLUDED]
        states = {s.id: replace(s.state, status=SampleStatus.USED) for s in excluded}
        return Edit(
            EditAction.RESTORE, summary or f"Restored {count(len(excluded), 'image')}", states
        )

    return apply_edit(workspace, dataset_id, plan, "The images are already in use.", finding_ids)


def set_group(
    workspace: Workspace,
    dataset_id: str,
    groups: Mapping[int, str | None],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Set which images belong together (one part, one lot); None removes an image from its group.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        groups: sample id -> name of its group.
        summary: what was done, in words.
        finding_ids: findings that this fixes.

    Raises:
        ConfigError: if a name is too long, or nothing changes.
        NotFoundError: if an image or a finding does not exist (any more).
    """
    named = {i: _group_name(group) for i, group in groups.items()}

    def plan(db: Database, dataset: Dataset) -> Edit:
        changed = [s for s in samples_in(db, dataset, named) if s.group != named[s.id]]
        states = {s.id: replace(s.state, group=named[s.id]) for s in changed}
        words = summary or grouped([named[s.id] for s in changed])
        answers = confirmed(db, dataset, {s.id: named[s.id] for s in changed})
        return Edit(EditAction.GROUP, words, states, answers=answers)

    return apply_edit(workspace, dataset_id, plan, _HAVE_PART, finding_ids)


def separate(
    workspace: Workspace,
    dataset_id: str,
    sets: Sequence[Sequence[int]],
    *,
    summary: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Say that images which look alike show different parts; no later number joins them.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        sets: sample ids; no two of one set show the same part.
        summary: what was done, in words.
        finding_ids: findings that this fixes.

    Raises:
        ConfigError: if there are no two images, or two of them are known to show one part.
        NotFoundError: if an image or a finding does not exist (any more).
    """

    def plan(db: Database, dataset: Dataset) -> Edit:
        return separating(db, dataset, sets, summary)

    return apply_edit(workspace, dataset_id, plan, "Choose at least two images.", finding_ids)


def add_class(workspace: Workspace, dataset_id: str, name: str) -> DatasetVersion:
    """Add a class without images, so that images can be moved to it.

    Raises:
        ConfigError: if the name is empty or too long.
        NameTakenError: if the name is taken.
    """
    clean = _class_name(name)

    def plan(db: Database, dataset: Dataset) -> Edit:
        _refuse_taken(clean, dataset.class_names)
        return Edit(
            EditAction.ADD_CLASS,
            f"Added class '{clean}'",
            {},
            (*dataset.class_names, clean),
            (*dataset.verdicts, None),
        )

    return apply_edit(workspace, dataset_id, plan)


def rename_class(workspace: Workspace, dataset_id: str, old: str, new: str) -> DatasetVersion:
    """Rename a class.

    Raises:
        ConfigError: if the name is empty, too long, or unchanged.
        NameTakenError: if another class has this name; use `merge_classes` for that.
        NotFoundError: if there is no class with the old name.
    """
    clean = _class_name(new)

    def plan(db: Database, dataset: Dataset) -> Edit:
        names = list(dataset.class_names)
        position = class_index(dataset, old)
        before = names.pop(position)
        if clean == before:
            raise ConfigError(f"The class is already named '{before}'.", "Enter another name.")
        _refuse_taken(clean, names)
        names.insert(position, clean)
        return Edit(
            EditAction.RENAME_CLASS, f"Renamed class '{before}' to '{clean}'", {}, tuple(names)
        )

    return apply_edit(workspace, dataset_id, plan)


def merge_classes(
    workspace: Workspace, dataset_id: str, from_names: Iterable[str], into: str
) -> DatasetVersion:
    """Merge several classes into one.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        from_names: the classes to merge.
        into: the name of the merged class: one of theirs, or a new one. It keeps the verdict if
            theirs agree.

    Raises:
        ConfigError: if there is nothing to merge, or only one class would be left.
        NotFoundError: if there is no such class.
    """
    wanted = list(dict.fromkeys(from_names))
    clean = _class_name(into)

    def plan(db: Database, dataset: Dataset) -> Edit:
        merged = {class_index(dataset, name) for name in wanted}
        if clean in dataset.class_names:
            merged.add(dataset.class_names.index(clean))
        else:
            others = [n for i, n in enumerate(dataset.class_names) if i not in merged]
            _refuse_taken(clean, others)
        if len(merged) < 2:
            raise ConfigError(
                "There is nothing to merge.", "Choose at least two classes, or rename one."
            )
        if len(dataset.class_names) - len(merged) + 1 < 2:
            raise ConfigError(
                "Only one class would be left.",
                "A classifier needs at least two. To learn from good images alone, mark their "
                "classes as OK and train with the recipe good_only.",
            )
        return merging(db, dataset, merged, clean)

    return apply_edit(workspace, dataset_id, plan)


def set_verdicts(
    workspace: Workspace, dataset_id: str, verdicts: Mapping[str, Verdict | None]
) -> DatasetVersion:
    """Set which classes are OK and which are NOK; None: undecided.

    Raises:
        ConfigError: if nothing changes.
        NotFoundError: if there is no such class.
    """

    def plan(db: Database, dataset: Dataset) -> Edit:
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
            raise ConfigError("The classes already have these verdicts.")
        words = f"Set verdicts: {listed(changed, LISTED)}"
        return Edit(EditAction.VERDICTS, words, {}, class_verdicts=tuple(given))

    return apply_edit(workspace, dataset_id, plan)


def undo(workspace: Workspace, dataset_id: str) -> DatasetVersion:
    """Undo the newest edit that is not undone yet; findings that it fixed are open again.

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
    known = known_name(name, dataset.class_names)
    if known is None:
        raise NotFoundError(
            f"There is no class '{name}' in this dataset.",
            f"Its classes are: {listed(dataset.class_names, LISTED)}.",
        )
    return dataset.class_names.index(known)


def _class_name(name: str) -> str:
    clean = normal_name(name)
    if not 0 < len(clean) <= MAX_LABEL:
        raise ConfigError(
            "The class name is empty or too long.",
            f"Enter a name of 1 to {MAX_LABEL} characters.",
        )
    return clean


def _group_name(name: str | None) -> str | None:
    clean = normal_name(name or "")
    if len(clean) > MAX_GROUP:
        raise ConfigError(
            "The name of the part is too long.", f"Enter at most {MAX_GROUP} characters."
        )
    return clean or None


def _refuse_taken(name: str, others: Sequence[str]) -> None:
    # Why casefold: 'Crack' next to 'crack' is a typing error, and the same folder on many disks.
    if name_key(name) in map(name_key, others):
        raise NameTakenError(
            f"There is already a class '{name}'.", "Choose another name, or merge the classes."
        )
