"""Properties of many images at once, column by column: fast for a hundred thousand of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.datasets import Orientation, Sample
from core.domain.depth import DatasetDepth, depth_to_json
from core.domain.files import FileCheck
from core.store.datasets import IN_FILE_ORDER, find_dataset, sample_from_row

Values = list[Any]


def load_properties(
    db: Database, dataset_id: str, sample_ids: NDArray[np.int64]
) -> dict[str, Values]:
    """Name of a property -> value [N] of each image, None if unknown.

    Brightness, sharpness and file size are numbers, the others texts. Columns of the label table
    have their own names, after "table: ".
    """
    rows = db.conn.execute(
        "SELECT id, part, name, format, mode, width, height, brightness, sharpness, file_size,"
        f" attributes {IN_FILE_ORDER} ORDER BY id",
        [dataset_id],
    ).fetchall()
    ids, *columns = zip(*rows, strict=True) if rows else ((),) * 11
    known = np.array(ids, np.int64)
    at = np.searchsorted(known, sample_ids)
    at[~np.isin(sample_ids, known)] = len(known)
    group, name, kind, mode, width, height, brightness, sharpness, size, table = (
        np.array([*column, None], object)[at].tolist() for column in columns
    )
    properties: dict[str, Values] = {
        "group": [value or None for value in group],
        "folder": [_folder(value) for value in name],
        "file format": list(kind),
        "color": [{"L": "gray", "RGB": "color"}.get(value, value) for value in mode],
        "image size": [f"{w} × {h}" if w else None for w, h in zip(width, height, strict=True)],
        "brightness": brightness,
        "sharpness": sharpness,
        "file size": size,
    }
    return {**properties, **_attributes(table)}


def measures(
    db: Database, dataset_id: str
) -> list[tuple[int | None, int, int, float | None, float | None]]:
    """Label, width, height, brightness, sharpness of every sample in use, in any order."""
    rows: list[tuple[int | None, int, int, float | None, float | None]] = db.conn.execute(
        f"SELECT label, width, height, brightness, sharpness {IN_FILE_ORDER} AND +status = 'used'",
        [dataset_id],
    ).fetchall()
    return rows


def map_points(
    db: Database, dataset_id: str, *, limit: int
) -> tuple[list[tuple[int, int | None, float, float]], int]:
    """Sample id, label and place on the map of samples in use, and their total number.

    Above `limit`, an even selection, always the same.
    """
    rows = db.conn.execute(
        "SELECT s.id, s.label, i.x, i.y FROM samples s JOIN insights i ON i.sample_id = s.id"
        " WHERE s.dataset_id = ? AND s.status = 'used' AND i.x IS NOT NULL AND i.y IS NOT NULL"
        " ORDER BY s.id",
        [dataset_id],
    ).fetchall()
    step = len(rows) / limit
    kept = rows if step <= 1 else [rows[int(n * step)] for n in range(limit)]
    return kept, len(rows)


def positions_of(db: Database, dataset_id: str, ids: Sequence[int]) -> tuple[int, ...]:
    """Where these samples are in `datasets.every_sample`, from 0: their numbers in training."""
    before = "SELECT count(*) FROM samples WHERE dataset_id = ? AND id < ?"
    return tuple(db.conn.execute(before, [dataset_id, i]).fetchone()[0] for i in ids)


def saved_preprocess(db: Database, dataset_id: str) -> PreprocessConfig | None:
    """The preprocessing chosen for this dataset, if any."""
    rows = list(db.query("SELECT preprocess FROM datasets WHERE id = ?", [dataset_id]))
    text = rows[0]["preprocess"] if rows else None
    return config_from_json(PreprocessConfig, text) if text else None


def save_preprocess(db: Database, dataset_id: str, config: PreprocessConfig | None) -> None:
    """Save the preprocessing for the next run on this dataset; None removes it.

    Call inside a transaction.
    """
    text = config_to_json(config) if config else None
    with _rescaled(db, dataset_id):
        db.execute("UPDATE datasets SET preprocess = ? WHERE id = ?", [text, dataset_id])


def saved_orientation(db: Database, dataset_id: str) -> Orientation:
    """What was answered about flipped and turned parts of this dataset."""
    rows = list(db.query("SELECT orientation FROM datasets WHERE id = ?", [dataset_id]))
    text = rows[0]["orientation"] if rows else None
    return Orientation(**json.loads(text)) if text else Orientation()


def save_orientation(db: Database, dataset_id: str, answers: Orientation) -> None:
    """Store the answers about flipped and turned parts. Call inside a transaction."""
    text = json.dumps(asdict(answers), sort_keys=True)
    db.execute("UPDATE datasets SET orientation = ? WHERE id = ?", [text, dataset_id])


def save_depth(db: Database, dataset_id: str, depth: DatasetDepth) -> None:
    """Store what is known of the gray values of images with more than 8 bits.

    Call inside a transaction.
    """
    with _rescaled(db, dataset_id):
        db.execute("UPDATE datasets SET depth = ? WHERE id = ?", [depth_to_json(depth), dataset_id])


@contextmanager
def _rescaled(db: Database, dataset_id: str) -> Iterator[None]:
    """Keep brightness and sharpness of the images on the scale of the dataset when it changes."""
    before = find_dataset(db, dataset_id).levels
    yield
    after = find_dataset(db, dataset_id).levels
    if before is None or after is None or before == after:
        return
    db.execute(
        "UPDATE samples SET brightness = max(0.0, min(1.0, (gray_mean - :black) / :span)),"
        " sharpness = sharpness * :factor WHERE dataset_id = :id AND gray_mean IS NOT NULL",
        {
            "black": after.black,
            "span": after.span,
            "factor": (before.span / after.span) ** 2,
            "id": dataset_id,
        },
    )


def save_file_times(db: Database, times: Mapping[int, float]) -> None:
    """Remember when the files of samples were last as imported; sample id -> time."""
    db.conn.executemany(
        "UPDATE samples SET file_time = ? WHERE id = ?", [(time, i) for i, time in times.items()]
    )


def save_paths(db: Database, paths: Mapping[int, str]) -> None:
    """Store where the files of samples are now; sample id -> stored path."""
    db.conn.executemany(
        "UPDATE samples SET path = ? WHERE id = ?", [(path, i) for i, path in paths.items()]
    )


def labels_by_content(db: Database, dataset_id: str) -> dict[str, int | None]:
    """sha256 -> label of every image that is in a dataset, excluded ones included."""
    rows = db.query(
        "SELECT sha256, label FROM samples WHERE dataset_id = ? AND status != 'absent'",
        [dataset_id],
    )
    return {row["sha256"]: row["label"] for row in rows}


def one_per_source(db: Database, dataset_id: str) -> list[Sample]:
    """At least one sample of every folder that samples were imported from."""
    rows = db.query(
        f"SELECT * {IN_FILE_ORDER} GROUP BY CASE WHEN name != path"
        " AND substr(path, -length(name)) = name"
        " THEN substr(path, 1, length(path) - length(name)) ELSE path END",
        [dataset_id],
    )
    return [sample_from_row(row) for row in rows]


def save_source(db: Database, dataset_id: str, source: str) -> None:
    """Store where the images of a dataset come from."""
    db.execute("UPDATE datasets SET source = ? WHERE id = ?", [source, dataset_id])


def save_file_check(db: Database, check: FileCheck) -> None:
    """Keep the result of the newest check of the files of a dataset."""
    db.execute(
        "INSERT INTO file_checks (dataset_id, checked_at, changed, missing) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (dataset_id) DO UPDATE SET checked_at = excluded.checked_at,"
        " changed = excluded.changed, missing = excluded.missing",
        [check.dataset_id, check.checked_at, json.dumps(check.changed), json.dumps(check.missing)],
    )


def load_file_check(db: Database, dataset_id: str) -> FileCheck | None:
    """The newest check of the files of a dataset; only samples that are still in use count."""
    rows = list(db.query("SELECT * FROM file_checks WHERE dataset_id = ?", [dataset_id]))
    if not rows:
        return None
    in_use = (
        "SELECT s.id FROM json_each(?) e CROSS JOIN samples s ON s.id = e.value"
        " AND s.dataset_id = ? AND s.status = 'used' ORDER BY s.id"
    )
    changed, missing = (
        tuple(row[0] for row in db.conn.execute(in_use, [rows[0][column], dataset_id]).fetchall())
        for column in ("changed", "missing")
    )
    return FileCheck(dataset_id, rows[0]["checked_at"], changed, missing)


def _folder(name: str | None) -> str | None:
    if name is None:
        return None
    return name.rpartition("/")[0] or "."


def _attributes(texts: Sequence[str | None]) -> dict[str, Values]:
    parsed: dict[str | None, dict[str, Any]] = {
        text: json.loads(text) if text else {} for text in set(texts)
    }
    names = sorted({name for values in parsed.values() for name in values})
    return {
        f"table: {name}": [
            None if (value := parsed[text].get(name)) is None else str(value) for text in texts
        ]
        for name in names
    }


def samples_by_content(
    db: Database, digests: Sequence[str], *, dataset_id: str | None = None
) -> dict[str, Sample]:
    """The first 16 digits of a SHA-256 -> a sample with this content, for those that there are.

    `dataset_id` leaves out those of other datasets; of several samples, one in use is taken.
    """
    rows = db.query(
        "SELECT * FROM samples WHERE (? IS NULL OR dataset_id = ?) AND status <> 'absent'"
        " AND substr(sha256, 1, 16) IN (SELECT value FROM json_each(?))"
        " ORDER BY status = 'used', id DESC",
        [dataset_id, dataset_id, json.dumps(list(digests))],
    )
    return {row["sha256"][:16]: sample_from_row(row) for row in rows}


def paths_of_formats(db: Database, dataset_id: str, formats: Sequence[str], most: int) -> list[str]:
    """Paths of samples in use of these formats, or of an unknown one: evenly over the dataset."""
    rows = db.conn.execute(
        "WITH fitting AS (SELECT path, row_number() OVER (ORDER BY id) - 1 AS place,"
        " count(*) OVER () AS total FROM samples WHERE dataset_id = ? AND status = 'used'"
        " AND (format IS NULL OR format IN (SELECT value FROM json_each(?))))"
        " SELECT path FROM fitting WHERE place % (1 + total / ?) = 0 ORDER BY place",
        [dataset_id, json.dumps(list(formats)), most],
    )
    return [path for (path,) in rows]
