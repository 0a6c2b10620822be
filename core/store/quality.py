"""Rows of quality checks: findings, and which images look alike."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlite_utils import Database

from core.domain.findings import (
    Certainty,
    FeatureInsight,
    Finding,
    FindingKind,
    FindingStatus,
    QualityCheck,
    Severity,
)
from core.domain.ids import utc_now
from core.domain.parts import pairs_left
from core.errors import NotFoundError
from core.store import look_alikes


def save_check(db: Database, check: QualityCheck, findings: Sequence[Finding]) -> None:
    """Replace the results of the last check; call inside a transaction."""
    _delete_what_it_checked(db, check.dataset_id)
    db.conn.execute(
        "INSERT OR REPLACE INTO quality_checks (dataset_id, created_at, near_pairs, group_count,"
        " grouped_samples, random_accuracy, grouped_accuracy, version)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            check.dataset_id,
            check.created_at,
            json.dumps(check.near_pairs),
            check.groups,
            check.grouped_samples,
            check.random_accuracy,
            check.grouped_accuracy,
            check.version,
        ],
    )
    _insert_findings(db, check.dataset_id, findings)
    refresh_look_alikes(db, check.dataset_id)
    _delete_findings(db, no_longer_alike(db, check.dataset_id))


def save_unfamiliar(db: Database, dataset_id: str, findings: Sequence[Finding]) -> None:
    """Add what was found of new images, instead of what was found of them before.

    It stays when the dataset is checked, which does not look for it. Call inside a transaction.
    """
    db.conn.executemany(
        "DELETE FROM findings WHERE dataset_id = ? AND key = ?",
        ((dataset_id, finding.key) for finding in findings),
    )
    _insert_findings(db, dataset_id, findings)


def _delete_what_it_checked(db: Database, dataset_id: str) -> None:
    """Delete all findings but those of new images that are still in use."""
    db.conn.execute(
        "DELETE FROM findings WHERE dataset_id = ? AND NOT (kind = ? AND EXISTS (SELECT 1 FROM"
        " json_each(findings.sample_ids) e JOIN samples s ON s.id = e.value"
        " WHERE s.status = 'used'))",
        [dataset_id, FindingKind.UNFAMILIAR.value],
    )


def load_check(db: Database, dataset_id: str) -> QualityCheck | None:
    """The latest check of a dataset, if there was one; without pairs that people took apart."""
    rows = list(db.query("SELECT * FROM quality_checks WHERE dataset_id = ?", [dataset_id]))
    if not rows:
        return None
    row = rows[0]
    every = look_alikes.read_pairs(row["near_pairs"])
    left = pairs_left(every, look_alikes.sets_apart(db, dataset_id))
    groups, grouped_samples = row["group_count"], row["grouped_samples"]
    if len(left) < len(every):
        groups, grouped_samples = look_alikes.group_counts(db, dataset_id, left)
    return QualityCheck(
        dataset_id=dataset_id,
        created_at=row["created_at"],
        near_pairs=left,
        groups=groups,
        grouped_samples=grouped_samples,
        random_accuracy=row["random_accuracy"],
        grouped_accuracy=row["grouped_accuracy"],
        version=row["version"],
    )


def count_findings(
    db: Database, dataset_id: str, status: FindingStatus = FindingStatus.OPEN
) -> dict[FindingKind, int]:
    """Findings of one status per kind, without zeros, in the order of the kinds."""
    rows = db.query(
        "SELECT f.kind, count(*) AS n FROM findings f LEFT JOIN finding_decisions d"
        " ON d.dataset_id = f.dataset_id AND d.key = f.key WHERE f.dataset_id = ?"
        " AND coalesce(d.status, 'open') = ? GROUP BY f.kind",
        [dataset_id, status.value],
    )
    counts = {FindingKind(row["kind"]): int(row["n"]) for row in rows}
    return {kind: counts[kind] for kind in FindingKind if kind in counts}


def count_unsure(db: Database, dataset_id: str) -> int:
    """Open findings of labels that are as likely right as wrong."""
    row = db.conn.execute(
        "SELECT count(*) FROM findings f LEFT JOIN finding_decisions d"
        " ON d.dataset_id = f.dataset_id AND d.key = f.key WHERE f.dataset_id = ?"
        " AND d.status IS NULL AND f.kind = ? AND f.certainty = ?",
        [dataset_id, FindingKind.SUSPECT_LABEL.value, Certainty.UNSURE.value],
    ).fetchone()
    return int(row[0])


def typical_images(
    db: Database, dataset_id: str, label: int, *, limit: int
) -> list[tuple[int, float, float]]:
    """Sample id and place on the map of images whose label the check confirms, at most so many."""
    rows = db.conn.execute(
        "SELECT s.id, i.x, i.y FROM samples s JOIN insights i ON i.sample_id = s.id"
        " WHERE s.dataset_id = ? AND s.status = 'used' AND s.label = ? AND i.confidence >= 0.5"
        " AND i.x IS NOT NULL AND i.y IS NOT NULL LIMIT ?",
        [dataset_id, label, limit],
    )
    return [(int(i), float(x), float(y)) for i, x, y in rows.fetchall()]


def places_on_map(db: Database, sample_ids: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Sample id -> place on the map of similar images, where it has one."""
    rows = db.conn.execute(
        "SELECT sample_id, x, y FROM insights WHERE x IS NOT NULL AND y IS NOT NULL"
        " AND sample_id IN (SELECT value FROM json_each(?))",
        [json.dumps([int(i) for i in sample_ids])],
    )
    return {int(i): (float(x), float(y)) for i, x, y in rows.fetchall()}


def list_findings(
    db: Database,
    dataset_id: str,
    *,
    kind: FindingKind | None = None,
    status: FindingStatus | None = FindingStatus.OPEN,
    limit: int = -1,
    offset: int = 0,
) -> list[Finding]:
    """Findings of one kind and status (None: all), in the order of the check.

    Labels that are surely wrong come first. What is left of look-alikes that were taken apart
    stands where they stood.
    """
    place = _PLACES.get(kind, "") if kind else ""
    rows = db.query(
        f"{_FINDINGS} WHERE f.dataset_id = ? AND (? IS NULL OR f.kind = ?)"
        f" AND (? IS NULL OR coalesce(d.status, 'open') = ?) ORDER BY {place}f.id LIMIT ? OFFSET ?",
        [dataset_id, kind, kind, status, status, limit, offset],
    )
    return [_finding(row) for row in rows]


def worst_open_finding(db: Database, dataset_id: str) -> Finding | None:
    """The open finding that does the most harm, notes left out; None if there is none."""
    order = {kind.value: place for place, kind in enumerate(FindingKind)}
    rows = db.query(
        f"{_FINDINGS} WHERE f.dataset_id = ? AND d.status IS NULL AND f.severity != ?"
        " ORDER BY f.severity != ?, json_extract(?, '$.' || f.kind), f.id LIMIT 1",
        [dataset_id, Severity.NOTE.value, Severity.SERIOUS.value, json.dumps(order)],
    )
    return next((_finding(row) for row in rows), None)


def findings_of_sample(db: Database, dataset_id: str, sample_id: int) -> list[Finding]:
    """The open findings that concern one sample."""
    rows = db.query(
        f"{_FINDINGS} WHERE f.dataset_id = ? AND d.status IS NULL AND EXISTS"
        " (SELECT 1 FROM json_each(f.sample_ids) e WHERE e.value = ?) ORDER BY f.id",
        [dataset_id, sample_id],
    )
    return [_finding(row) for row in rows]


def find_finding(db: Database, finding_id: int) -> Finding:
    """One finding of the last check.

    Raises:
        NotFoundError: if it is gone: a newer check replaced it.
    """
    rows = list(db.query(f"{_FINDINGS} WHERE f.id = ?", [finding_id]))
    if not rows:
        raise NotFoundError(
            "This finding no longer exists.", "A newer check replaced it. Reload the page."
        )
    return _finding(rows[0])


def findings_of_keys(db: Database, keys: Iterable[tuple[str, str]]) -> dict[str, Finding]:
    """Finding key -> the finding of that key, for those of these (dataset id, key) that are there.

    Why by dataset too: it has an index, the key has none.
    """
    rows = db.query(
        f"{_FINDINGS} JOIN json_each(?) e ON f.dataset_id = e.value ->> 0"
        " AND f.key = e.value ->> 1",
        [json.dumps(sorted(set(keys)))],
    )
    return {row["key"]: _finding(row) for row in rows}


def refresh_look_alikes(db: Database, dataset_id: str) -> None:
    """Bring the open findings of look-alikes in line with the answers of today.

    A finding that was taken apart gives way to what is left of it, and comes back with an undo.
    Call inside a transaction.
    """
    if not look_alikes.was_answered(db, dataset_id):
        return
    listed = list_findings(db, dataset_id, kind=FindingKind.NEAR_DUPLICATE, status=None)
    gone, new = look_alikes.outdated_findings(db, dataset_id, listed)
    _delete_findings(db, gone)
    _insert_findings(db, dataset_id, new)


def no_longer_alike(db: Database, dataset_id: str) -> list[Finding]:
    """Open findings about look-alikes of which people said that they are different parts."""
    listed = [
        finding
        for kind in (FindingKind.LABEL_CONFLICT, FindingKind.SUBSET_LEAK)
        for finding in list_findings(db, dataset_id, kind=kind)
    ]
    return look_alikes.taken_apart(db, dataset_id, listed)


def decide_finding(
    db: Database,
    dataset_id: str,
    finding: Finding,
    status: FindingStatus,
    *,
    version: int | None = None,
) -> None:
    """Record what was done about a finding, also for later checks; OPEN removes the record.

    `version` is the edit that fixed it: undoing this edit opens the finding again.
    """
    if status is FindingStatus.OPEN:
        db.conn.execute(
            "DELETE FROM finding_decisions WHERE dataset_id = ? AND key = ?",
            [dataset_id, finding.key],
        )
        return
    db.conn.execute(
        "INSERT OR REPLACE INTO finding_decisions VALUES (?, ?, ?, ?, ?)",
        [dataset_id, finding.key, status.value, version, utc_now()],
    )


def reopen_fixed_after(db: Database, dataset_id: str, number: int) -> None:
    """Reopen the findings that versions after `number` fixed; call inside a transaction."""
    db.conn.execute(
        "DELETE FROM finding_decisions WHERE dataset_id = ? AND version > ?", [dataset_id, number]
    )
    refresh_look_alikes(db, dataset_id)


def reopen_fixed_by(db: Database, dataset_id: str, number: int) -> None:
    """Reopen the findings that version `number` fixed; call inside a transaction."""
    db.conn.execute(
        "DELETE FROM finding_decisions WHERE dataset_id = ? AND version = ?", [dataset_id, number]
    )
    refresh_look_alikes(db, dataset_id)


def save_insights(db: Database, insights: Iterable[FeatureInsight]) -> None:
    """Replace the insights of these samples; call inside a transaction."""
    db.conn.executemany(
        "INSERT OR REPLACE INTO insights VALUES (?, ?, ?, ?, ?)",
        ((i.sample_id, i.confidence, i.suggested, i.x, i.y) for i in insights),
    )


def insight_of(db: Database, sample_id: int) -> FeatureInsight | None:
    """The insight of one sample; None if it has not been checked."""
    rows = db.conn.execute(
        "SELECT sample_id, confidence, suggested, x, y FROM insights WHERE sample_id = ?",
        [sample_id],
    ).fetchall()
    return FeatureInsight(*rows[0]) if rows else None


def suggestions(db: Database, dataset_id: str) -> dict[tuple[int, int], int]:
    """Number of images in use per label and suggested class."""
    rows = db.conn.execute(
        "SELECT s.label, i.suggested, count(*) FROM samples s JOIN insights i ON i.sample_id = s.id"
        " WHERE s.dataset_id = ? AND s.status = 'used' AND s.label IS NOT NULL"
        " AND i.suggested IS NOT NULL GROUP BY s.label, i.suggested",
        [dataset_id],
    ).fetchall()
    return {(label, suggested): count for label, suggested, count in rows}


_PLACES = {
    FindingKind.NEAR_DUPLICATE: "f.sample_ids ->> 0, ",
    FindingKind.SUSPECT_LABEL: "CASE f.certainty WHEN 'sure' THEN 0 WHEN 'unsure' THEN 2 ELSE 1"
    " END, ",
}
_FINDINGS = (
    "SELECT f.*, coalesce(d.status, 'open') AS status FROM findings f LEFT JOIN finding_decisions"
    " d ON d.dataset_id = f.dataset_id AND d.key = f.key"
)


def _insert_findings(db: Database, dataset_id: str, findings: Iterable[Finding]) -> None:
    db.conn.executemany(
        "INSERT INTO findings (dataset_id, kind, severity, message, sample_ids, key, suggested,"
        " score, certainty, estimated_right) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                dataset_id,
                f.kind.value,
                f.severity.value,
                f.message,
                json.dumps(f.sample_ids),
                f.key,
                f.suggested,
                f.score,
                f.certainty,
                f.right,
            )
            for f in findings
        ),
    )


def _delete_findings(db: Database, findings: Iterable[Finding]) -> None:
    db.conn.executemany("DELETE FROM findings WHERE id = ?", ((f.id,) for f in findings))


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        kind=FindingKind(row["kind"]),
        severity=Severity(row["severity"]),
        message=row["message"],
        sample_ids=tuple(json.loads(row["sample_ids"])),
        suggested=row["suggested"],
        score=row["score"],
        id=row["id"],
        status=FindingStatus(row["status"]),
        certainty=None if row["certainty"] is None else Certainty(row["certainty"]),
        right=row["estimated_right"],
    )
