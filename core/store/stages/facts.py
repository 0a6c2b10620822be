"""What the stages of datasets are decided by, in one query per kind of fact for all of them.

Every function takes the id of one dataset, or None for all. No images and no predictions are read.
"""

import json
from dataclasses import dataclass

from sqlite_utils import Database

from core.domain.datasets import Dataset
from core.domain.findings import Severity
from core.domain.jobs import JobStatus
from core.domain.splits import CountedGroups, Leaks
from core.domain.stages.facts import CheckFacts, RunFacts, SplitFacts


def checks(db: Database, dataset_id: str | None) -> dict[str, CheckFacts]:
    """Dataset id -> its last quality check; a dataset without one is not among them."""
    which = {"id": dataset_id}
    unseen = db.query(
        "SELECT q.dataset_id, (SELECT count(DISTINCT c.sample_id) FROM sample_changes c"
        " JOIN samples s ON s.id = c.sample_id AND s.status = 'used'"
        " WHERE c.dataset_id = q.dataset_id AND c.version > q.version"
        " AND c.status_before = 'absent') AS n"
        " FROM quality_checks q WHERE :id IS NULL OR q.dataset_id = :id",
        which,
    )
    open_findings = db.query(
        "SELECT f.dataset_id, f.severity, count(*) AS n FROM findings f"
        " LEFT JOIN finding_decisions d ON d.dataset_id = f.dataset_id AND d.key = f.key"
        " WHERE d.status IS NULL AND (:id IS NULL OR f.dataset_id = :id)"
        " GROUP BY f.dataset_id, f.severity",
        which,
    )
    counts = {(row["dataset_id"], row["severity"]): int(row["n"]) for row in open_findings}
    return {
        row["dataset_id"]: CheckFacts(
            int(row["n"]),
            counts.get((row["dataset_id"], Severity.SERIOUS.value), 0),
            counts.get((row["dataset_id"], Severity.WARNING.value), 0),
        )
        for row in unseen
    }


def splits(db: Database, dataset_id: str | None) -> dict[str, list[SplitFacts]]:
    """Dataset id -> its splits, newest first."""
    rows = db.query(
        "SELECT s.id, s.dataset_id, s.created_at, s.folds, s.validation, s.test, s.certificate,"
        " json_array_length(v.class_names) != json_array_length(d.class_names) AS changed,"
        " CASE WHEN s.version = d.version THEN 0 ELSE (SELECT count(DISTINCT c.sample_id)"
        " FROM sample_changes c JOIN samples x ON x.id = c.sample_id AND x.status = 'used'"
        " AND x.label IS NOT NULL WHERE c.dataset_id = s.dataset_id AND c.version > s.version"
        " AND c.status_before != 'used' AND NOT EXISTS (SELECT 1 FROM split_members m"
        " WHERE m.split_id = s.id AND m.sample_id = c.sample_id)) END AS unsplit"
        " FROM splits s JOIN datasets d ON d.id = s.dataset_id LEFT JOIN dataset_versions v"
        " ON v.dataset_id = s.dataset_id AND v.number = s.version"
        " WHERE :id IS NULL OR s.dataset_id = :id ORDER BY s.created_at DESC",
        {"id": dataset_id},
    )
    found: dict[str, list[SplitFacts]] = {}
    for row in rows:
        leaks = _leaks(row["certificate"])
        facts = SplitFacts(
            id=row["id"],
            created_at=row["created_at"],
            has_validation=bool(row["folds"] or row["validation"] > 0),
            has_test=row["test"] > 0,
            is_leaking=bool(leaks.groups or leaks.files or leaks.pairs),
            unsplit=int(row["unsplit"]),
            classes_changed=bool(row["changed"]),
            leaks=leaks,
        )
        found.setdefault(row["dataset_id"], []).append(facts)
    return found


def uncounted_leaks(db: Database, dataset_id: str | None) -> list[tuple[str, float, int]]:
    """Splits whose leaks a newer check, or answers about look-alikes, may have changed.

    Each with the time of that check and the newest answer: nothing to count twice for.
    """
    rows = db.query(
        "SELECT s.id, coalesce(q.created_at, 0) AS checked_at, coalesce((SELECT max(max(a.id),"
        " max(coalesce(a.until, 0))) FROM part_answers a WHERE a.dataset_id = s.dataset_id), 0)"
        " AS answered FROM splits s LEFT JOIN quality_checks q ON q.dataset_id = s.dataset_id"
        " WHERE (:id IS NULL OR s.dataset_id = :id) AND (s.certificate IS NULL"
        " OR (q.created_at > s.created_at"
        " AND coalesce(s.certificate ->> 'checked_at', 0) != q.created_at)"
        " OR EXISTS (SELECT 1 FROM part_answers a WHERE a.dataset_id = s.dataset_id))",
        {"id": dataset_id},
    )
    return [(row["id"], row["checked_at"], row["answered"]) for row in rows]


def runs(db: Database, dataset_id: str | None) -> dict[str, list[RunFacts]]:
    """Dataset id -> its runs, newest first."""
    rows = db.query(
        "SELECT r.id, r.dataset_id, r.created_at, j.status, max(j.attempt) AS newest"
        " FROM runs r JOIN jobs j ON j.subject_id = r.id"
        " WHERE :id IS NULL OR r.dataset_id = :id GROUP BY r.id ORDER BY r.created_at DESC",
        {"id": dataset_id},
    )
    found: dict[str, list[RunFacts]] = {}
    for row in rows:
        facts = RunFacts(row["id"], row["created_at"], JobStatus(row["status"]))
        found.setdefault(row["dataset_id"], []).append(facts)
    return found


@dataclass(frozen=True)
class StoredModel:
    """A model with the rows about it; `operating_point` is JSON, or None."""

    id: str
    name: str
    dataset_id: str
    split_id: str
    created_at: float
    is_fold: bool
    is_detector: bool
    classes: int
    val_macro_f1: float | None
    operating_point: str | None
    is_viewed: bool
    is_sealed: bool
    is_released: bool


def models(db: Database, dataset_id: str | None) -> list[StoredModel]:
    """The models of datasets, newest first."""
    rows = db.query(
        "SELECT m.id, m.name, m.dataset_id, coalesce(m.split_id, '') AS split_id, m.created_at,"
        " m.fold IS NOT NULL AS is_fold, m.is_detector,"
        " json_array_length(m.class_names) AS classes, m.val_macro_f1,"
        " m.stage = 'released' AS is_released,"
        " p.settings AS operating_point, e.model_id IS NOT NULL AS is_sealed,"
        " EXISTS (SELECT 1 FROM openings o WHERE o.split_id = m.split_id AND o.model_id = m.id)"
        " AS is_viewed FROM models m LEFT JOIN operating_points p ON p.model_id = m.id"
        " LEFT JOIN seals e ON e.model_id = m.id WHERE m.dataset_id IS NOT NULL"
        " AND (:id IS NULL OR m.dataset_id = :id) ORDER BY m.created_at DESC",
        {"id": dataset_id},
    )
    return [
        StoredModel(**{**row, **{name: bool(row[name]) for name in row if name.startswith("is_")}})
        for row in rows
    ]


def criteria(db: Database, dataset_id: str | None) -> dict[str, str]:
    """Dataset id -> its release criteria as JSON."""
    rows = db.query(
        "SELECT dataset_id, settings FROM criteria WHERE :id IS NULL OR dataset_id = :id",
        {"id": dataset_id},
    )
    return {row["dataset_id"]: row["settings"] for row in rows}


def test_labels(db: Database, dataset: Dataset, split_id: str) -> set[int]:
    """Class indices that the test images in use have; as fast as there are few classes."""
    rows = db.query(
        # Why CROSS: the first image of a class that is in the test ends its search.
        "SELECT c.value AS label FROM json_each(:labels) c WHERE EXISTS (SELECT 1 FROM"
        " split_members WHERE split_id = :split AND subset = 'test') AND EXISTS (SELECT 1"
        " FROM samples s CROSS JOIN split_members m ON m.split_id = :split AND m.sample_id = s.id"
        " WHERE s.dataset_id = :dataset AND s.status = 'used' AND s.label = c.value"
        " AND m.subset = 'test')",
        {
            "labels": json.dumps(list(range(len(dataset.class_names)))),
            "split": split_id,
            "dataset": dataset.id,
        },
    )
    return {row["label"] for row in rows}


def in_test(db: Database, split_id: str, sample_ids: list[int]) -> set[int]:
    """Which of these samples are test images of a split."""
    rows = db.query(
        "SELECT m.sample_id FROM json_each(?) e JOIN split_members m ON m.sample_id = e.value"
        " WHERE m.split_id = ? AND m.subset = 'test'",
        [json.dumps(sample_ids), split_id],
    )
    return {row["sample_id"] for row in rows}


def last_test_edit(db: Database, dataset_id: str, split_id: str) -> float:
    """When a version last changed test images of a split; 0 if none did."""
    rows = db.conn.execute(
        "SELECT coalesce(max(v.created_at), 0) FROM dataset_versions v WHERE v.dataset_id = ?1"
        " AND v.number IN (SELECT c.version FROM sample_changes c JOIN split_members m"
        " ON m.sample_id = c.sample_id AND m.split_id = ?2 AND m.subset = 'test'"
        " WHERE c.dataset_id = ?1)",
        [dataset_id, split_id],
    )
    return float(rows.fetchone()[0])


def rules_set_at(db: Database, dataset_id: str, model_id: str) -> tuple[float, float]:
    """When the criteria of a dataset and the threshold of a model were saved; 0 where none is."""
    rows = db.conn.execute(
        "SELECT coalesce((SELECT created_at FROM criteria WHERE dataset_id = ?), 0),"
        " coalesce((SELECT created_at FROM operating_points WHERE model_id = ?), 0)",
        [dataset_id, model_id],
    )
    criteria_at, rule_at = rows.fetchone()
    return float(criteria_at), float(rule_at)


def _leaks(certificate: str | None) -> Leaks:
    """What a stored certificate counted; nothing where there is none."""
    if certificate is None:
        return Leaks()
    stored = json.loads(certificate)
    groups, files, pairs = (stored[f"{key}_across"] or 0 for key in ("groups", "exact", "near"))
    counted = CountedGroups(stored.get("counted", CountedGroups.BOTH))
    return Leaks(groups, files, pairs, counted)
