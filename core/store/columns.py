"""What evaluation needs of every image of a dataset, as columns; cheap to update."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.store.datasets import IN_FILE_ORDER

_ALONE = -1


@dataclass(frozen=True)
class Columns:
    """All samples of a dataset, by ascending id; arrays [N] are read-only.

    `labels` are class indices, -1 without one. Images with the same number in `groups` belong
    together, those with the same in `files` have equal bytes; -1 stands alone. `used` is false for
    images that are excluded or absent. `version`: of the dataset; the columns are at least as new.
    """

    version: int
    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    used: NDArray[np.bool_]
    groups: NDArray[np.int64]
    files: NDArray[np.int64]
    group_numbers: Mapping[str, int]

    def places(self, sample_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each of these samples; -1 for those that are not in the dataset."""
        if not len(self.ids):
            return np.full(len(sample_ids), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, sample_ids), len(self.ids) - 1)
        return np.where(self.ids[rows] == sample_ids, rows, -1).astype(np.int64)


def load_columns(db: Database, dataset_id: str, before: Columns | None = None) -> Columns:
    """The columns of today.

    Args:
        db: of the workspace.
        dataset_id: an existing dataset.
        before: what was loaded earlier; then only what edits changed since is read.
    """
    version, newest = db.conn.execute(
        "SELECT version, (SELECT max(id) FROM samples WHERE dataset_id = ?1) FROM datasets"
        " WHERE id = ?1",
        [dataset_id],
    ).fetchone()
    if before is None or not len(before.ids) or before.ids[-1] != newest:
        return _all(db, dataset_id, version)
    return before if version == before.version else _changed(db, dataset_id, version, before)


def _all(db: Database, dataset_id: str, version: int) -> Columns:
    rows = db.conn.execute(
        "SELECT id, ifnull(label, -1), status = 'used', nullif(part, ''), sha256"
        f" {IN_FILE_ORDER} ORDER BY id",
        [dataset_id],
    ).fetchall()
    ids, labels, used, groups, files = zip(*rows, strict=True) if rows else ((),) * 5
    group_numbers = _numbers(groups)
    file_numbers = _numbers(files)
    return _read_only(
        Columns(
            version,
            np.array(ids, np.int64),
            np.array(labels, np.int64),
            np.array(used, bool),
            _coded(groups, group_numbers),
            _coded(files, file_numbers),
            group_numbers,
        )
    )


def _changed(db: Database, dataset_id: str, version: int, before: Columns) -> Columns:
    rows = db.conn.execute(
        "SELECT id, ifnull(label, -1), status = 'used', nullif(part, '') FROM samples WHERE id IN"
        " (SELECT sample_id FROM sample_changes WHERE dataset_id = ? AND version > ?)",
        [dataset_id, before.version],
    ).fetchall()
    ids, labels, used, groups = zip(*rows, strict=True) if rows else ((),) * 4
    numbers = _numbers(groups, before.group_numbers)
    at = before.places(np.array(ids, np.int64))
    new = Columns(
        version,
        before.ids,
        before.labels.copy(),
        before.used.copy(),
        before.groups.copy(),
        before.files,
        numbers,
    )
    new.labels[at], new.used[at], new.groups[at] = labels, used, _coded(groups, numbers)
    return _read_only(new)


def _numbers(
    values: Iterable[str | None], known: Mapping[str, int] | None = None
) -> Mapping[str, int]:
    """A number for each different value; known ones keep theirs."""
    new = dict.fromkeys(value for value in values if value is not None)
    kept = known or {}
    fresh = [value for value in new if value not in kept]
    if not fresh:
        return kept
    return {**kept, **{value: len(kept) + i for i, value in enumerate(fresh)}}


def _coded(values: tuple[str | None, ...], numbers: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([_ALONE if v is None else numbers[v] for v in values], np.int64)


def _read_only(columns: Columns) -> Columns:
    arrays = (columns.ids, columns.labels, columns.used, columns.groups, columns.files)
    for array in arrays:
        array.flags.writeable = False
    return columns
