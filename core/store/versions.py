"""Versions of datasets: every edit makes one; each can be viewed and undone.

The table `samples` holds today's state; `sample_changes` holds what each version changed, before
and after, so that an earlier state is today's state without the later changes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    EditAction,
    Sample,
    SampleState,
    SampleStatus,
    Verdict,
    content_digest,
)
from core.domain.ids import utc_now
from core.errors import NotFoundError
from core.store import look_alikes, quality
from core.store.datasets import (
    IN_FILE_ORDER,
    every_sample,
    insert_samples,
    insert_version,
    sample_from_row,
    verdicts_from_json,
)


def list_versions(db: Database, dataset_id: str) -> list[DatasetVersion]:
    """All versions of a dataset, newest first."""
    rows = db.query(
        "SELECT * FROM dataset_versions WHERE dataset_id = ? ORDER BY number DESC", [dataset_id]
    )
    return [_version(row) for row in rows]


def classes_kept_places(db: Database, dataset_id: str, since: int, count: int) -> bool:
    """Whether the first classes of a version are still the first ones, except for renaming.

    Args:
        db: of the workspace.
        dataset_id: of the dataset.
        since: number of the version.
        count: how many classes it had.
    """
    history = list_versions(db, dataset_id)
    merges = {v.number for v in history if v.action is EditAction.MERGE_CLASSES}
    undone = {v.undoes for v in history if v.number > since and v.undoes is not None}
    # A merge moves classes to other positions; undoing it has moved them back.
    moved = {n for n in merges if n > since} ^ (merges & undone)
    return not moved and len(history[0].class_names) >= count


def find_version(db: Database, dataset_id: str, number: int) -> DatasetVersion:
    """One version of a dataset.

    Raises:
        NotFoundError: if there is none of this number.
    """
    rows = list(
        db.query(
            "SELECT * FROM dataset_versions WHERE dataset_id = ? AND number = ?",
            [dataset_id, number],
        )
    )
    if not rows:
        raise NotFoundError(
            f"This dataset has no version {number}.", "The list of versions shows their numbers."
        )
    return _version(rows[0])


def apply_edit(
    db: Database,
    dataset: Dataset,
    action: EditAction,
    summary: str,
    states: Mapping[int, SampleState],
    *,
    class_names: Sequence[str] | None = None,
    class_verdicts: Sequence[Verdict | None] | None = None,
    undoes: int | None = None,
) -> DatasetVersion:
    """Make the next version; call inside a transaction, with the dataset as read inside it.

    Args:
        db: the database.
        dataset: today's state.
        action: what was done.
        summary: the same in words.
        states: sample id -> its new state; samples that already have it do not count.
        class_names: the new classes, where they change; labels in `states` refer to them.
        class_verdicts: the new verdicts, where they change.
        undoes: number of the version that this undoes.
    """
    number = dataset.version + 1
    _change_samples(db, dataset.id, number, states)
    return _write_version(
        db,
        dataset,
        number,
        action,
        summary,
        tuple(class_names if class_names is not None else dataset.class_names),
        tuple(class_verdicts if class_verdicts is not None else dataset.verdicts),
        undoes,
    )


def add_samples(
    db: Database,
    dataset: Dataset,
    samples: Sequence[Sample],
    summary: str,
    *,
    class_names: Sequence[str] | None = None,
) -> DatasetVersion:
    """Append images as the next version; call inside a transaction.

    `class_names` may only append to the existing ones.
    """
    number = dataset.version + 1
    _append(db, dataset.id, number, samples)
    names = tuple(class_names or dataset.class_names)
    verdicts = (*dataset.verdicts, *(None,) * (len(names) - len(dataset.class_names)))
    return _write_version(db, dataset, number, EditAction.ADD, summary, names, verdicts, None)


def replace_samples(
    db: Database,
    dataset: Dataset,
    old: Mapping[int, SampleState],
    new: Sequence[Sample],
    summary: str,
) -> DatasetVersion:
    """Take new images in place of others as the next version; call inside a transaction.

    Args:
        db: the database.
        dataset: today's state.
        old: sample id -> its new state, of those that leave.
        new: the images that come.
        summary: what was done, in words.
    """
    number = dataset.version + 1
    _change_samples(db, dataset.id, number, old)
    _append(db, dataset.id, number, new)
    return _write_version(
        db,
        dataset,
        number,
        EditAction.REPLACE,
        summary,
        dataset.class_names,
        dataset.verdicts,
        None,
    )


def restore_version(
    db: Database,
    dataset: Dataset,
    number: int,
    *,
    action: EditAction = EditAction.RESTORE,
    summary: str | None = None,
    undoes: int | None = None,
) -> DatasetVersion:
    """Make a new version that equals an earlier one; call inside a transaction.

    Raises:
        NotFoundError: if there is none of this number.
    """
    target = find_version(db, dataset.id, number)
    made = apply_edit(
        db,
        dataset,
        action,
        summary or f"Restored version {number}",
        states_at(db, dataset.id, number),
        class_names=target.class_names,
        class_verdicts=target.class_verdicts,
        undoes=undoes,
    )
    look_alikes.restore_answers(db, dataset.id, number, made.number)
    return made


def undoable(versions: Sequence[DatasetVersion]) -> DatasetVersion | None:
    """The version that the next undo takes back; None if there is nothing to undo.

    `versions` are all versions of one dataset, in any order.
    """
    stack: list[DatasetVersion] = []
    for version in sorted(versions, key=lambda v: v.number):
        if version.action is EditAction.UNDO:
            stack.pop()
        elif version.number > 1:
            stack.append(version)
    return stack[-1] if stack else None


def undo(db: Database, dataset: Dataset) -> DatasetVersion:
    """Undo the newest edit that is not undone yet; call inside a transaction.

    Raises:
        NotFoundError: if there is nothing to undo.
    """
    last = undoable(list_versions(db, dataset.id))
    if last is None:
        raise NotFoundError("There is no change to undo.", "The dataset is as it was imported.")
    made = restore_version(
        db,
        dataset,
        last.number - 1,
        action=EditAction.UNDO,
        summary=f"Undone: {last.summary}",
        undoes=last.number,
    )
    quality.reopen_fixed_by(db, dataset.id, last.number)
    return made


def states_at(db: Database, dataset_id: str, number: int) -> dict[int, SampleState]:
    """States at a version of the samples that later versions touched, by sample id."""
    rows = db.query(
        "SELECT sample_id, label_before, part_before, status_before, min(version) AS first"
        " FROM sample_changes WHERE dataset_id = ? AND version > ? GROUP BY sample_id",
        [dataset_id, number],
    )
    return {row["sample_id"]: _state(row, "before") for row in rows}


def states_today(db: Database, dataset_id: str) -> dict[int, SampleState]:
    """States of all samples in use or excluded, by sample id."""
    rows = db.conn.execute(
        "SELECT id, label, part, status FROM samples WHERE dataset_id = ? AND status != 'absent'",
        [dataset_id],
    ).fetchall()
    return {row[0]: SampleState(row[1], row[2], SampleStatus(row[3])) for row in rows}


def states_of_version(db: Database, dataset_id: str, number: int) -> dict[int, SampleState]:
    """States at a version of all samples that are in use or excluded then or today."""
    return states_today(db, dataset_id) | states_at(db, dataset_id, number)


def samples_at(db: Database, dataset_id: str, number: int | None = None) -> list[Sample]:
    """Every sample in use at a version, in import order, as it was then; None: today."""
    samples = every_sample(db, dataset_id)
    then = {} if number is None else states_at(db, dataset_id, number)
    samples = [_as_it_was(s, then[s.id]) if s.id in then else s for s in samples]
    return [s for s in samples if s.status is SampleStatus.USED]


def changes_between(
    db: Database, dataset_id: str, older: int, newer: int
) -> dict[int, tuple[SampleState, SampleState]]:
    """Sample id -> its states at two versions, for the samples that differ."""
    rows = db.conn.execute(
        "SELECT sample_id, label_before, part_before, status_before, label_after, part_after,"
        " status_after FROM sample_changes WHERE dataset_id = ? AND version > ? AND version <= ?"
        " ORDER BY version",
        [dataset_id, older, newer],
    ).fetchall()
    # Why plain tuples first: most of the many changes of a merge are replaced by later ones.
    first: dict[int, tuple[Any, ...]] = {}
    last: dict[int, tuple[Any, ...]] = {}
    for row in rows:
        first.setdefault(row[0], row[1:4])
        last[row[0]] = row[4:]
    return {
        sample_id: (_state_of(before), _state_of(last[sample_id]))
        for sample_id, before in first.items()
        if before != last[sample_id]
    }


def added_by(db: Database, dataset_id: str, number: int) -> list[Sample]:
    """The samples that a version added and that are in use today, in import order."""
    rows = db.query(
        "SELECT s.* FROM sample_changes c JOIN samples s ON s.id = c.sample_id"
        " WHERE c.dataset_id = ? AND c.version = ? AND c.status_before = ? AND s.status = ?"
        " ORDER BY s.id",
        [dataset_id, number, SampleStatus.ABSENT.value, SampleStatus.USED.value],
    )
    return [sample_from_row(row) for row in rows]


def changes_of_sample(
    db: Database, dataset_id: str, sample_id: int
) -> list[tuple[int, SampleState, SampleState]]:
    """What edits did to one sample: version, before, after; oldest first."""
    rows = db.query(
        "SELECT * FROM sample_changes WHERE sample_id = ? AND dataset_id = ? ORDER BY version",
        [sample_id, dataset_id],
    )
    return [(row["version"], _state(row, "before"), _state(row, "after")) for row in rows]


def _append(db: Database, dataset_id: str, number: int, samples: Sequence[Sample]) -> None:
    newest = db.conn.execute("SELECT coalesce(max(id), 0) FROM samples").fetchone()[0]
    insert_samples(db, dataset_id, samples)
    db.conn.execute(
        "INSERT INTO sample_changes SELECT dataset_id, ?, id, label, part, 'absent', label, part,"
        " status FROM samples WHERE dataset_id = ? AND id > ?",
        [number, dataset_id, newest],
    )


def _change_samples(
    db: Database, dataset_id: str, number: int, states: Mapping[int, SampleState]
) -> None:
    rows = [[i, s.label, s.group, s.status.value] for i, s in states.items()]
    # Why CROSS: it fixes the order of the loops; the other order reads the list for every sample.
    db.conn.execute(
        "INSERT INTO sample_changes SELECT s.dataset_id, ?, s.id, s.label, s.part, s.status,"
        " e.value ->> 1, e.value ->> 2, e.value ->> 3 FROM json_each(?) e"
        " CROSS JOIN samples s ON s.id = e.value ->> 0 AND s.dataset_id = ?"
        " WHERE s.label IS NOT e.value ->> 1 OR s.part IS NOT e.value ->> 2"
        " OR s.status IS NOT e.value ->> 3",
        [number, json.dumps(rows), dataset_id],
    )
    # Why one by one: setting a column rewrites every index that contains it, changed or not.
    for column in ("label", "part", "status"):
        db.conn.execute(
            f"UPDATE samples SET {column} = c.{column}_after FROM sample_changes c"
            " WHERE c.sample_id = samples.id AND c.dataset_id = ? AND c.version = ?"
            f" AND c.{column}_before IS NOT c.{column}_after",
            [dataset_id, number],
        )


def _write_version(
    db: Database,
    dataset: Dataset,
    number: int,
    action: EditAction,
    summary: str,
    class_names: tuple[str, ...],
    class_verdicts: tuple[Verdict | None, ...],
    undoes: int | None,
) -> DatasetVersion:
    contents = db.conn.execute(
        f"SELECT sha256, label {IN_FILE_ORDER} AND +status = 'used'", [dataset.id]
    ).fetchall()
    named = [(sha256, None if label is None else class_names[label]) for sha256, label in contents]
    version = DatasetVersion(
        dataset_id=dataset.id,
        number=number,
        action=action,
        summary=summary,
        digest=content_digest(named),
        sample_count=len(named),
        class_names=class_names,
        class_verdicts=class_verdicts,
        created_at=utc_now(),
        undoes=undoes,
    )
    insert_version(db, version)
    db.conn.execute(
        "UPDATE datasets SET version = ?, digest = ?, sample_count = ?, class_names = ?,"
        " class_verdicts = ? WHERE id = ?",
        [
            number,
            version.digest,
            version.sample_count,
            json.dumps(class_names),
            json.dumps(class_verdicts),
            dataset.id,
        ],
    )
    return version


def _as_it_was(sample: Sample, state: SampleState) -> Sample:
    return replace(sample, label=state.label, group=state.group, status=state.status)


def _state_of(values: tuple[Any, ...]) -> SampleState:
    return SampleState(values[0], values[1], SampleStatus(values[2]))


def _state(row: Mapping[str, Any], when: str) -> SampleState:
    return SampleState(
        row[f"label_{when}"], row[f"part_{when}"], SampleStatus(row[f"status_{when}"])
    )


def _version(row: Mapping[str, Any]) -> DatasetVersion:
    return DatasetVersion(
        dataset_id=row["dataset_id"],
        number=row["number"],
        action=EditAction(row["action"]),
        summary=row["summary"],
        digest=row["digest"],
        sample_count=row["sample_count"],
        class_names=tuple(json.loads(row["class_names"])),
        class_verdicts=verdicts_from_json(row["class_verdicts"]),
        created_at=row["created_at"],
        undoes=row["undoes"],
    )
