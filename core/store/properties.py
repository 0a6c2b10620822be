"""Properties of many pictures at once, column by column: quick for a hundred thousand of them."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.store.datasets import IN_FILE_ORDER

Values = list[str | None]


def load_groups(db: Database, dataset_id: str) -> list[tuple[int, str | None, str]]:
    """Sample id, group and sha256 of every picture in use, in import order."""
    return list(
        db.conn.execute(
            f"SELECT id, nullif(part, ''), sha256 {IN_FILE_ORDER} AND +status = 'used' ORDER BY id",
            [dataset_id],
        ).fetchall()
    )


def load_properties(
    db: Database, dataset_id: str, sample_ids: NDArray[np.int64]
) -> dict[str, Values]:
    """Name of a property -> value [N] of each picture, None where it is not known.

    Numbers (brightness, sharpness, file size) come in four ranges with about equally many pictures.
    Columns of the table that a dataset was imported with come under their own names.
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
    found: dict[str, Values] = {
        "group": [value or None for value in group],
        "folder": [_folder(value) for value in name],
        "file format": list(kind),
        "colour": [{"L": "gray", "RGB": "colour"}.get(value, value) for value in mode],
        "picture size": [f"{w} × {h}" if w else None for w, h in zip(width, height, strict=True)],
        "brightness": _ranges(brightness, lambda v: f"{100 * v:.0f}%"),
        "sharpness": _ranges(sharpness, lambda v: f"{v:.3g}"),
        "file size": _ranges(size, lambda v: f"{v / 1000:,.0f} kB"),
    }
    return {**found, **_attributes(table)}


def _folder(name: str | None) -> str | None:
    if name is None:
        return None
    return name.rpartition("/")[0] or "."


def _ranges(values: Sequence[float | None], write: Callable[[float], str]) -> Values:
    """The quarter that each value lies in, in words; None for unknown values."""
    numbers = np.array([np.nan if v is None else v for v in values], float)
    known = np.isfinite(numbers)
    if not known.any():
        return [None] * len(numbers)
    edges = np.unique(np.quantile(numbers[known], [0, 0.25, 0.5, 0.75, 1]))
    if len(edges) == 1:
        return [write(float(edges[0])) if is_known else None for is_known in known]
    at = np.clip(np.searchsorted(edges, numbers, "right") - 1, 0, len(edges) - 2)
    names = [
        f"{i + 1}: {write(float(a))} to {write(float(b))}"
        for i, (a, b) in enumerate(pairwise(edges))
    ]
    return [names[i] if is_known else None for i, is_known in zip(at, known, strict=True)]


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
