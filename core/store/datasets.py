"""Rows of datasets and their samples."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlite_utils import Database

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json
from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    EditAction,
    Sample,
    SampleFilter,
    SampleOrder,
    SampleStatus,
    Skipped,
    Verdict,
)
from core.domain.depth import depth_from_json, depth_to_json
from core.domain.names import name_key
from core.errors import NameTakenError, NotFoundError
from core.store.database import sqlite3
from core.store.keeping.bin import first_free_sample

_ALL = SampleFilter()
# Everything that may follow ORDER BY; never text from outside.
_ORDERS = {
    SampleOrder.IMPORT: "s.id",
    SampleOrder.NAME: "s.name",
    SampleOrder.SIZE: "s.width * s.height",
    SampleOrder.DATE: "s.modified_at",
    SampleOrder.SHARPNESS: "s.sharpness",
    SampleOrder.BRIGHTNESS: "s.brightness",
    SampleOrder.CONFIDENCE: "i.confidence",
}
_IN_OPEN_FINDINGS = (
    "SELECT e.value FROM findings f, json_each(f.sample_ids) e WHERE f.dataset_id = ?"
    " AND f.kind = ? AND NOT EXISTS"
    " (SELECT 1 FROM finding_decisions d WHERE d.dataset_id = f.dataset_id AND d.key = f.key)"
)


# All rows of a dataset (?1) in the order of the file. Why: they were written together; by an index,
# which has another order, reading a hundred thousand rows takes three times as long.
IN_FILE_ORDER = (
    "FROM samples WHERE id BETWEEN (SELECT min(id) FROM samples WHERE dataset_id = ?1)"
    " AND (SELECT max(id) FROM samples WHERE dataset_id = ?1) AND +dataset_id = ?1"
)


def insert_dataset(db: Database, dataset: Dataset, samples: Iterable[Sample]) -> None:
    """Store a dataset with all its samples; call inside a transaction. It assigns the sample ids.

    Raises:
        NameTakenError: if another dataset has this name.
    """
    try:
        db.conn.execute(
            "INSERT INTO datasets (id, name, class_names, source, digest, sample_count,"
            " created_at, skipped, note, version, class_verdicts, depth)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                dataset.id,
                dataset.name,
                json.dumps(dataset.class_names),
                dataset.source,
                dataset.digest,
                dataset.sample_count,
                dataset.created_at,
                json.dumps([[item.path, item.reason] for item in dataset.skipped]),
                dataset.note,
                dataset.version,
                json.dumps(dataset.verdicts),
                depth_to_json(dataset.depth) if dataset.depth else None,
            ],
        )
    except sqlite3.IntegrityError as err:
        raise NameTakenError(
            f"A dataset named '{dataset.name}' already exists.",
            "Choose another name, or delete the existing dataset first.",
        ) from err
    insert_samples(db, dataset.id, samples)
    insert_version(db, _first_version(dataset))


def insert_samples(db: Database, dataset_id: str, samples: Iterable[Sample]) -> None:
    """Append samples to a dataset; their ids are assigned here. Call inside a transaction."""
    db.conn.executemany(
        "INSERT INTO samples (id, dataset_id, path, sha256, label, width, height, mode, file_size,"
        " part, name, status, format, modified_at, brightness, sharpness, attributes, gray_mean,"
        " file_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                number,
                dataset_id,
                s.path,
                s.sha256,
                s.label,
                s.width,
                s.height,
                s.mode,
                s.file_size,
                s.group,
                s.name or s.path,
                s.status.value,
                s.format,
                s.modified_at,
                s.brightness,
                s.sharpness,
                json.dumps(dict(s.attributes)),
                s.gray_mean,
                s.file_time,
            )
            for number, s in enumerate(samples, first_free_sample(db))
        ),
    )


def insert_version(db: Database, version: DatasetVersion) -> None:
    """Store one version of a dataset; call inside a transaction."""
    db.conn.execute(
        "INSERT INTO dataset_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            version.dataset_id,
            version.number,
            version.action.value,
            version.summary,
            version.digest,
            version.sample_count,
            json.dumps(version.class_names),
            json.dumps(version.class_verdicts),
            version.created_at,
            version.undoes,
        ],
    )


def list_datasets(db: Database) -> list[Dataset]:
    """All datasets, newest first."""
    return [_dataset(row) for row in db.query("SELECT * FROM datasets ORDER BY created_at DESC")]


def find_dataset(db: Database, name_or_id: str) -> Dataset:
    """The dataset of this id or name, in upper or lower case.

    Raises:
        NotFoundError: if there is none.
    """
    rows = list(
        db.query(
            "SELECT * FROM datasets WHERE id = :key OR name_key(name) = name_key(:key)"
            " ORDER BY id = :key DESC, name = :key COLLATE BINARY DESC",
            {"key": name_or_id},
        )
    )
    if not rows:
        raise NotFoundError(
            f"There is no dataset '{name_or_id}'.", "The list of datasets shows their names."
        )
    return _dataset(rows[0])


def dataset_of_sample(db: Database, sample_id: int) -> Dataset | None:
    """The dataset that a sample belongs to; None if there is no such sample."""
    rows = db.query(
        "SELECT d.* FROM samples s JOIN datasets d ON d.id = s.dataset_id WHERE s.id = ?",
        [sample_id],
    )
    return next((_dataset(row) for row in rows), None)


def dataset_name_taken(db: Database, name: str) -> bool:
    """Whether a dataset of this name exists, in upper or lower case."""
    taken = "SELECT 1 FROM datasets WHERE name_key(name) = name_key(?)"
    return bool(list(db.query(taken, [name])))


def count_dependents(db: Database, dataset_id: str) -> tuple[int, int, int, int, int]:
    """Splits, runs, searches, models and marked images of a dataset."""
    counts = (
        "SELECT count(*) FROM splits WHERE dataset_id = ?",
        "SELECT count(*) FROM runs WHERE dataset_id = ? AND NOT is_trial",
        "SELECT count(*) FROM searches WHERE dataset_id = ?",
        "SELECT count(*) FROM models WHERE dataset_id = ?",
        "SELECT count(DISTINCT m.sample_id) FROM marks m JOIN samples s ON s.id = m.sample_id"
        " WHERE s.dataset_id = ?",
    )
    found = [int(db.conn.execute(query, [dataset_id]).fetchone()[0]) for query in counts]
    splits, runs, searches, models, marked = found
    return splits, runs, searches, models, marked


def delete_dataset(db: Database, dataset_id: str) -> None:
    """Remove a dataset with its samples, splits, runs and predictions; its models stay."""
    db.execute("DELETE FROM datasets WHERE id = ?", [dataset_id])


def rename_dataset(db: Database, dataset_id: str, name: str) -> None:
    """Give a dataset another name.

    Raises:
        NameTakenError: if another dataset has this name.
    """
    others = "SELECT 1 FROM datasets WHERE id <> ? AND name_key(name) = name_key(?)"
    if list(db.query(others, [dataset_id, name])):
        raise NameTakenError(f"A dataset named '{name}' already exists.", "Choose another name.")
    db.execute("UPDATE datasets SET name = ? WHERE id = ?", [name, dataset_id])


def class_counts(db: Database, dataset: Dataset) -> dict[str, int]:
    """Images per class, in class order; classes without images have 0."""
    counts = dict.fromkeys(dataset.class_names, 0)
    rows = db.query(
        "SELECT label, count(*) AS n FROM samples WHERE dataset_id = ? AND status = 'used'"
        " AND label IS NOT NULL GROUP BY label",
        [dataset.id],
    )
    for row in rows:
        counts[dataset.class_names[row["label"]]] = row["n"]
    return counts


def samples_of(
    db: Database,
    dataset_id: str,
    chosen: SampleFilter = _ALL,
    *,
    order: SampleOrder = SampleOrder.IMPORT,
    descending: bool = False,
    limit: int = -1,
    offset: int = 0,
) -> list[Sample]:
    """Samples that match a filter, sorted; those without a value come last."""
    return samples_by_id(
        db,
        sample_ids(
            db, dataset_id, chosen, order=order, descending=descending, limit=limit, offset=offset
        ),
    )


def every_sample(db: Database, dataset_id: str) -> list[Sample]:
    """All samples the dataset ever had, excluded and absent ones included, in import order."""
    rows = db.query("SELECT * FROM samples WHERE dataset_id = ? ORDER BY id", [dataset_id])
    return [sample_from_row(row) for row in rows]


def sample_ids(
    db: Database,
    dataset_id: str,
    chosen: SampleFilter = _ALL,
    *,
    order: SampleOrder = SampleOrder.IMPORT,
    descending: bool = False,
    limit: int = -1,
    offset: int = 0,
) -> list[int]:
    """The ids of `samples_of`: much cheaper than the samples."""
    join, where, values = _filter(dataset_id, chosen)
    key = _ORDERS[order]
    if order is SampleOrder.CONFIDENCE:
        join += " LEFT JOIN insights i ON i.sample_id = s.id"
    direction = "DESC" if descending else "ASC"
    rows = db.conn.execute(
        f"SELECT s.id FROM samples s{join} WHERE {where}"
        f" ORDER BY {key} {direction} NULLS LAST, s.id {direction} LIMIT ? OFFSET ?",
        [*values, limit, offset],
    )
    return [row[0] for row in rows.fetchall()]


def count_samples(db: Database, dataset_id: str, chosen: SampleFilter = _ALL) -> int:
    """Number of samples that match a filter."""
    join, where, values = _filter(dataset_id, chosen)
    rows = db.conn.execute(f"SELECT count(*) FROM samples s{join} WHERE {where}", values)
    return int(rows.fetchone()[0])


def samples_by_id(
    db: Database, ids: Sequence[int], *, dataset_id: str | None = None
) -> list[Sample]:
    """The samples of these ids, in this order; unknown ids are left out.

    `dataset_id` leaves out those of other datasets.
    """
    rows = db.query(
        "SELECT * FROM samples WHERE id IN (SELECT value FROM json_each(?))"
        " AND (? IS NULL OR dataset_id = ?)",
        [json.dumps([int(i) for i in ids]), dataset_id, dataset_id],
    )
    by_id = {row["id"]: sample_from_row(row) for row in rows}
    return [by_id[int(i)] for i in ids if int(i) in by_id]


def ids_of_names(db: Database, dataset_id: str, names: Sequence[str]) -> dict[str, list[int]]:
    """Name -> the samples, in use or excluded, with this name; every name is a key.

    A name that no sample has means those that differ only in case or in how accents are stored, as
    names from other systems do.
    """
    rows = db.conn.execute(
        "SELECT s.name, s.id FROM json_each(?) e CROSS JOIN samples s ON s.dataset_id = ?"
        " AND s.status IN ('used', 'excluded') AND s.name = e.value",
        [json.dumps(list(names)), dataset_id],
    ).fetchall()
    ids: dict[str, list[int]] = {name: [] for name in names}
    for name, sample_id in rows:
        ids[name].append(sample_id)
    missing = {name_key(name): name for name in names if not ids[name]}
    if missing:
        for name, sample_id in db.conn.execute(
            "SELECT name, id FROM samples WHERE dataset_id = ? AND status IN ('used', 'excluded')",
            [dataset_id],
        ):
            if (typed := missing.get(name_key(name))) is not None:
                ids[typed].append(sample_id)
    return ids


def _filter(dataset_id: str, chosen: SampleFilter) -> tuple[str, str, list[Any]]:
    """Join, condition and values; values of the join come first."""
    join, conditions = "", ["s.dataset_id = ?", "s.status = ?"]
    values: list[Any] = [dataset_id, chosen.status.value]
    if chosen.split_id is not None and chosen.subset is not None:
        join = " JOIN split_members m ON m.sample_id = s.id AND m.split_id = ? AND m.subset = ?"
        values = [chosen.split_id, chosen.subset.value, *values]
    if chosen.label is not None:
        conditions.append("s.label = ?")
        values.append(chosen.label)
    if chosen.finding is not None:
        conditions.append(f"s.id IN ({_IN_OPEN_FINDINGS})")
        values += [dataset_id, chosen.finding.value]
    if chosen.mark is not None:
        conditions.append("s.id IN (SELECT sample_id FROM marks WHERE kind = ?)")
        values.append(chosen.mark.value)
    if chosen.ids is not None:
        conditions.append("s.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(chosen.ids))
    if chosen.text:
        # Why two: the one that knows all letters is slower, and needed for few searches.
        same = "lower" if chosen.text.isascii() else "name_key"
        conditions.append(f"(instr({same}(s.name), {same}(?)) OR instr({same}(s.part), {same}(?)))")
        values += [chosen.text, chosen.text]
    return join, " AND ".join(conditions), values


def _dataset(row: dict[str, Any]) -> Dataset:
    depth = depth_from_json(row["depth"]) if row["depth"] else None
    saved = config_from_json(PreprocessConfig, row["preprocess"]) if row["preprocess"] else None
    return Dataset(
        id=row["id"],
        name=row["name"],
        class_names=tuple(json.loads(row["class_names"])),
        source=row["source"],
        digest=row["digest"],
        sample_count=row["sample_count"],
        created_at=row["created_at"],
        skipped=tuple(Skipped(path, reason) for path, reason in json.loads(row["skipped"])),
        note=row["note"],
        version=row["version"],
        class_verdicts=verdicts_from_json(row["class_verdicts"]),
        depth=depth,
        saved_levels=saved.levels if saved else None,
    )


def verdicts_from_json(text: str) -> tuple[Verdict | None, ...]:
    """Verdicts as they are stored."""
    return tuple(Verdict(value) if value else None for value in json.loads(text))


def _first_version(dataset: Dataset) -> DatasetVersion:
    return DatasetVersion(
        dataset_id=dataset.id,
        number=dataset.version,
        action=EditAction.IMPORT,
        summary="Imported",
        digest=dataset.digest,
        sample_count=dataset.sample_count,
        class_names=dataset.class_names,
        class_verdicts=dataset.verdicts,
        created_at=dataset.created_at,
    )


def sample_from_row(row: dict[str, Any]) -> Sample:
    """A row of the table `samples` as a value."""
    return Sample(
        id=row["id"],
        path=row["path"],
        sha256=row["sha256"],
        label=row["label"],
        width=row["width"],
        height=row["height"],
        mode=row["mode"],
        file_size=row["file_size"],
        group=row["part"],
        name=row["name"],
        status=SampleStatus(row["status"]),
        format=row["format"],
        modified_at=row["modified_at"],
        brightness=row["brightness"],
        sharpness=row["sharpness"],
        attributes=json.loads(row["attributes"]),
        gray_mean=row["gray_mean"],
        file_time=row["file_time"],
    )
