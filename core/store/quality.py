"""Rows of quality checks: findings, and which pictures look alike."""

import json
from collections.abc import Sequence

from sqlite_utils import Database

from core.domain import Finding, FindingKind, QualityCheck, Severity


def save_check(db: Database, check: QualityCheck, findings: Sequence[Finding]) -> None:
    """Replace what was found before; call inside a transaction."""
    db.conn.execute("DELETE FROM findings WHERE dataset_id = ?", [check.dataset_id])
    db.conn.execute(
        "INSERT OR REPLACE INTO quality_checks (dataset_id, created_at, near_pairs, group_count,"
        " grouped_samples, random_accuracy, grouped_accuracy) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            check.dataset_id,
            check.created_at,
            json.dumps(check.near_pairs),
            check.groups,
            check.grouped_samples,
            check.random_accuracy,
            check.grouped_accuracy,
        ],
    )
    db.conn.executemany(
        "INSERT INTO findings (dataset_id, kind, severity, message, sample_ids)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            (check.dataset_id, f.kind.value, f.severity.value, f.message, json.dumps(f.sample_ids))
            for f in findings
        ),
    )


def load_check(db: Database, dataset_id: str) -> QualityCheck | None:
    """The latest check of a dataset, if there was one."""
    rows = list(db.query("SELECT * FROM quality_checks WHERE dataset_id = ?", [dataset_id]))
    if not rows:
        return None
    row = rows[0]
    return QualityCheck(
        dataset_id=dataset_id,
        created_at=row["created_at"],
        near_pairs=tuple((first, second) for first, second in json.loads(row["near_pairs"])),
        groups=row["group_count"],
        grouped_samples=row["grouped_samples"],
        random_accuracy=row["random_accuracy"],
        grouped_accuracy=row["grouped_accuracy"],
    )


def count_findings(db: Database, dataset_id: str) -> dict[FindingKind, int]:
    """Findings per kind, only kinds that were found, in the order of the kinds."""
    rows = db.query(
        "SELECT kind, count(*) AS n FROM findings WHERE dataset_id = ? GROUP BY kind", [dataset_id]
    )
    counts = {FindingKind(row["kind"]): int(row["n"]) for row in rows}
    return {kind: counts[kind] for kind in FindingKind if kind in counts}


def list_findings(
    db: Database, dataset_id: str, *, kind: FindingKind, limit: int = -1, offset: int = 0
) -> list[Finding]:
    """Findings of one kind, in the order in which they were found."""
    rows = db.query(
        "SELECT * FROM findings WHERE dataset_id = ? AND kind = ? ORDER BY id LIMIT ? OFFSET ?",
        [dataset_id, kind.value, limit, offset],
    )
    return [
        Finding(
            FindingKind(row["kind"]),
            Severity(row["severity"]),
            row["message"],
            tuple(json.loads(row["sample_ids"])),
        )
        for row in rows
    ]
