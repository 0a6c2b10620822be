"""Rows of splits: the subset of every sample."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlite_utils import Database

from core.domain.datasets import Sample
from core.domain.splits import (
    CountedGroups,
    Grouping,
    GroupKind,
    LeakCertificate,
    OrderBy,
    SmallClasses,
    Split,
    SplitMethod,
    SplitStrategy,
    Subset,
)
from core.errors import NameTakenError, NotFoundError
from core.store.database import sqlite3
from core.store.datasets import sample_from_row


def insert_split(
    db: Database,
    split: Split,
    subsets: Mapping[int, Subset],
    folds: Mapping[int, int] | None = None,
) -> None:
    """Store a split and its members (sample id -> subset, -> fold); call inside a transaction.

    Raises:
        NameTakenError: if the dataset has a split of this name.
    """
    try:
        db.conn.execute(
            "INSERT INTO splits (id, dataset_id, name, strategy, seed, train, validation, test,"
            " digest, created_at, certificate, version, folds, sealed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                split.id,
                split.dataset_id,
                split.name,
                _strategy_to_json(split.strategy),
                split.seed,
                *split.fractions,
                split.digest,
                split.created_at,
                json.dumps(asdict(split.certificate)) if split.certificate else None,
                split.version,
                split.folds,
                int(split.sealed),
            ],
        )
    except sqlite3.IntegrityError as err:
        raise NameTakenError(
            f"This dataset has a split named '{split.name}' already.",
            "Splits are never overwritten: give the new one another name.",
        ) from err
    db.conn.executemany(
        "INSERT INTO split_members (split_id, sample_id, subset, fold) VALUES (?, ?, ?, ?)",
        (
            (split.id, sample_id, subset.value, (folds or {}).get(sample_id))
            for sample_id, subset in subsets.items()
        ),
    )


def list_splits(db: Database, dataset_id: str) -> list[Split]:
    """The splits of a dataset, newest first."""
    rows = db.query(
        "SELECT * FROM splits WHERE dataset_id = ? ORDER BY created_at DESC", [dataset_id]
    )
    return [_split(row) for row in rows]


def find_split(db: Database, dataset_id: str, name_or_id: str) -> Split:
    """The split of this id or name in a dataset, in upper or lower case.

    Raises:
        NotFoundError: if there is none.
    """
    rows = list(
        db.query(
            "SELECT * FROM splits WHERE dataset_id = :dataset"
            " AND (id = :key OR name_key(name) = name_key(:key))"
            " ORDER BY id = :key DESC, name = :key COLLATE BINARY DESC",
            {"dataset": dataset_id, "key": name_or_id},
        )
    )
    if not rows:
        raise NotFoundError(
            f"This dataset has no split '{name_or_id}'.", "See the list of its splits."
        )
    return _split(rows[0])


def split_by_id(db: Database, split_id: str) -> Split:
    """The split of this id.

    Raises:
        NotFoundError: if there is none.
    """
    found = split_or_none(db, split_id)
    if found is None:
        raise NotFoundError("This split is not there any more.", "See the list of splits.")
    return found


def split_or_none(db: Database, split_id: str) -> Split | None:
    """The split of this id, if it is still there."""
    rows = list(db.query("SELECT * FROM splits WHERE id = ?", [split_id]))
    return _split(rows[0]) if rows else None


def sealed_split(db: Database, dataset_id: str, version: int) -> Split | None:
    """The first split whose test set was sealed at a version of a dataset, if there is one."""
    rows = list(
        db.query(
            "SELECT * FROM splits WHERE dataset_id = ? AND version = ? AND sealed = 1"
            " ORDER BY created_at LIMIT 1",
            [dataset_id, version],
        )
    )
    return _split(rows[0]) if rows else None


def save_certificate(db: Database, split_id: str, certificate: LeakCertificate) -> None:
    """Replace the certificate of a split by a newer count."""
    db.execute(
        "UPDATE splits SET certificate = ? WHERE id = ?",
        [json.dumps(asdict(certificate)), split_id],
    )


def delete_split(db: Database, split_id: str) -> None:
    """Remove a split with its members and the runs that used it; models stay."""
    db.execute("DELETE FROM splits WHERE id = ?", [split_id])


def split_members(db: Database, split_id: str, *, fold: int | None = None) -> dict[int, Subset]:
    """Sample id -> subset; for a split with folds, with this fold as validation."""
    rows = db.query(
        "SELECT sample_id, subset, fold FROM split_members WHERE split_id = ? ORDER BY sample_id",
        [split_id],
    )
    return {row["sample_id"]: _subset(row["subset"], row["fold"], fold) for row in rows}


def samples_in_subset(db: Database, split_id: str, subset: Subset) -> list[Sample]:
    """The samples in use with a label that a split puts into one subset, in import order."""
    rows = db.query(
        "SELECT s.* FROM split_members m JOIN samples s ON s.id = m.sample_id"
        " WHERE m.split_id = ? AND m.subset = ? AND s.status = 'used' AND s.label IS NOT NULL"
        " ORDER BY s.id",
        [split_id, subset.value],
    )
    return [sample_from_row(row) for row in rows]


def contents_in_subset(db: Database, split_id: str, subset: Subset) -> list[tuple[int, int, str]]:
    """Id, class index and SHA-256 of the samples of `samples_in_subset`, in its order."""
    rows = db.conn.execute(
        "SELECT s.id, s.label, s.sha256 FROM split_members m JOIN samples s ON s.id = m.sample_id"
        " WHERE m.split_id = ? AND m.subset = ? AND s.status = 'used' AND s.label IS NOT NULL"
        " ORDER BY s.id",
        [split_id, subset.value],
    )
    return list(rows.fetchall())


def subsets_of_sample(db: Database, sample_id: int) -> dict[str, Subset]:
    """Split id -> the subset in which a sample is, newest split first."""
    rows = db.query(
        "SELECT m.split_id, m.subset FROM split_members m JOIN splits s ON s.id = m.split_id"
        " WHERE m.sample_id = ? ORDER BY s.created_at DESC",
        [sample_id],
    )
    return {row["split_id"]: Subset(row["subset"]) for row in rows}


def subsets_of_samples(
    db: Database, dataset_id: str, sample_ids: Sequence[int]
) -> dict[str, dict[int, Subset]]:
    """Split id, newest first -> the subsets of those of these samples that it uses."""
    rows = db.conn.execute(
        "SELECT m.split_id, m.sample_id, m.subset FROM split_members m JOIN splits s"
        " ON s.id = m.split_id WHERE s.dataset_id = ?"
        " AND m.sample_id IN (SELECT value FROM json_each(?)) ORDER BY s.created_at DESC",
        [dataset_id, json.dumps([int(i) for i in sample_ids])],
    )
    members: dict[str, dict[int, Subset]] = {}
    for split_id, sample_id, subset in rows.fetchall():
        members.setdefault(split_id, {})[sample_id] = Subset(subset)
    return members


def split_places(db: Database, split_id: str) -> dict[int, tuple[Subset, int | None]]:
    """Sample id -> subset and fold as they are stored."""
    rows = db.query(
        "SELECT sample_id, subset, fold FROM split_members WHERE split_id = ? ORDER BY sample_id",
        [split_id],
    )
    return {row["sample_id"]: (Subset(row["subset"]), row["fold"]) for row in rows}


def place_class_counts(
    db: Database, split_id: str
) -> dict[tuple[Subset, int | None], dict[int, int]]:
    """(subset, fold) -> class index -> images that are still in use."""
    rows = db.query(
        "SELECT m.subset, m.fold, s.label, count(*) AS n FROM split_members m"
        " JOIN samples s ON s.id = m.sample_id WHERE m.split_id = ? AND s.status = 'used'"
        " AND s.label IS NOT NULL GROUP BY m.subset, m.fold, s.label",
        [split_id],
    )
    found: dict[tuple[Subset, int | None], dict[int, int]] = {}
    for row in rows:
        found.setdefault((Subset(row["subset"]), row["fold"]), {})[row["label"]] = row["n"]
    return found


def samples_in_place(
    db: Database,
    split_id: str,
    *,
    subset: Subset | None = None,
    fold: int | None = None,
    label: int | None = None,
    limit: int = -1,
    offset: int = 0,
) -> tuple[list[int], int]:
    """A page of the ids of samples in a subset or fold, and how many there are in all.

    The order is random and always the same, so that a first page shows a bit of everything.
    """
    where = (
        " FROM split_members m JOIN samples s ON s.id = m.sample_id WHERE m.split_id = :split"
        " AND s.status = 'used' AND (:subset IS NULL OR m.subset = :subset)"
        " AND (:fold IS NULL OR m.fold = :fold) AND (:label IS NULL OR s.label = :label)"
    )
    values = {
        "split": split_id,
        "subset": subset.value if subset else None,
        "fold": fold,
        "label": label,
        "limit": limit,
        "offset": offset,
    }
    rows = db.query(
        f"SELECT s.id AS id{where} ORDER BY s.sha256, s.id LIMIT :limit OFFSET :offset", values
    )
    ids = [int(row["id"]) for row in rows]
    return ids, int(next(db.query(f"SELECT count(*) AS n{where}", values))["n"])


def grouping_facts(db: Database, dataset_id: str) -> tuple[int, list[str]]:
    """How many samples in use have a stored group, and the names of their further columns."""
    grouped = next(
        db.query(
            "SELECT count(*) AS n FROM samples WHERE dataset_id = ? AND status = 'used'"
            " AND part IS NOT NULL",
            [dataset_id],
        )
    )["n"]
    names = db.query(
        "SELECT DISTINCT a.key AS name FROM samples s, json_each(s.attributes) a"
        " WHERE s.dataset_id = ? AND s.status = 'used' ORDER BY name",
        [dataset_id],
    )
    return int(grouped), [row["name"] for row in names]


def seal_split(db: Database, split_id: str) -> None:
    """Lock the test set: later splits of the same version keep it."""
    db.execute("UPDATE splits SET sealed = 1 WHERE id = ?", [split_id])


def _subset(stored: str, own_fold: int | None, fold: int | None) -> Subset:
    if own_fold is None or fold is None:
        return Subset(stored)
    return Subset.VALIDATION if own_fold == fold else Subset.TRAIN


def _split(row: dict[str, Any]) -> Split:
    return Split(
        id=row["id"],
        dataset_id=row["dataset_id"],
        name=row["name"],
        strategy=_strategy_from_json(row["strategy"]),
        seed=row["seed"],
        fractions=(row["train"], row["validation"], row["test"]),
        digest=row["digest"],
        created_at=row["created_at"],
        certificate=_certificate(row["certificate"]) if row["certificate"] else None,
        version=row["version"],
        folds=row["folds"],
        sealed=bool(row["sealed"]),
    )


def _strategy_to_json(strategy: SplitStrategy) -> str:
    grouping = strategy.grouping
    return json.dumps(
        {
            "method": strategy.method.value,
            "group_by": grouping and {"kind": grouping.kind.value, "value": grouping.value},
            "order_by": strategy.order_by and strategy.order_by.value,
            "counts": strategy.counts,
            "per_class": strategy.per_class,
            "keep_test": strategy.keep_test,
            "small_classes": strategy.small_classes.value,
        }
    )


def _strategy_from_json(text: str) -> SplitStrategy:
    values = json.loads(text)
    grouping, order_by, counts = values["group_by"], values["order_by"], values["counts"]
    return SplitStrategy(
        method=SplitMethod(values["method"]),
        grouping=Grouping(GroupKind(grouping["kind"]), grouping["value"]) if grouping else None,
        order_by=OrderBy(order_by) if order_by else None,
        counts=(counts[0], counts[1], counts[2]) if counts else None,
        per_class=values["per_class"],
        # Why defaults: splits of before know neither.
        keep_test=values.get("keep_test", ""),
        small_classes=SmallClasses(values.get("small_classes", SmallClasses.TRAIN)),
    )


def _certificate(stored: str) -> LeakCertificate:
    values = json.loads(stored)
    counted = CountedGroups(values.pop("counted", CountedGroups.BOTH))
    return LeakCertificate(**values, counted=counted)
