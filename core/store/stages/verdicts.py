"""Rows of verdicts: what the release criteria said of a test when somebody last read it."""

import json
from dataclasses import asdict

from sqlite_utils import Database

from core.domain.stages.states import MissedCriterion, MissedKind, ReadVerdict


def save_verdict(db: Database, verdict: ReadVerdict) -> None:
    """Keep the verdict on a model, replacing an earlier one; the same one keeps its time."""
    db.execute(
        "INSERT INTO verdicts (model_id, missed, criteria, operating_point, read_at)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (model_id) DO UPDATE SET missed = excluded.missed,"
        " criteria = excluded.criteria, operating_point = excluded.operating_point,"
        " read_at = excluded.read_at WHERE (missed, criteria, operating_point)"
        " != (excluded.missed, excluded.criteria, excluded.operating_point)",
        [
            verdict.model_id,
            json.dumps([_stored(item) for item in verdict.missed]),
            verdict.criteria,
            verdict.operating_point,
            verdict.read_at,
        ],
    )


def _stored(item: MissedCriterion) -> dict[str, object]:
    values = asdict(item)
    # Why: a verdict that was read by an earlier version is the same one, and keeps its time.
    return values if item.no_data else {k: v for k, v in values.items() if k != "no_data"}


def verdicts_of(db: Database, dataset_id: str | None = None) -> dict[str, ReadVerdict]:
    """Model id -> its verdict, for the models of one dataset or all."""
    rows = db.query(
        "SELECT v.* FROM verdicts v JOIN models m ON m.id = v.model_id"
        " WHERE :id IS NULL OR m.dataset_id = :id",
        {"id": dataset_id},
    )
    return {
        row["model_id"]: ReadVerdict(
            row["model_id"],
            tuple(_missed(item) for item in json.loads(row["missed"])),
            row["criteria"],
            row["operating_point"],
            row["read_at"],
        )
        for row in rows
    }


def _missed(stored: dict[str, object]) -> MissedCriterion:
    parts = stored["parts_needed"]
    return MissedCriterion(
        MissedKind(str(stored["kind"])),
        str(stored["class_name"]),
        bool(stored["only_unproven"]),
        parts if isinstance(parts, int) else None,
        bool(stored.get("no_data")),
    )
