"""Rows of judgement: decision rules, criteria, seals and openings of test sets, marks on images.

Rules and criteria are JSON here; what they mean is known by the rooms that compute with them.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from sqlite_utils import Database

from core.domain.ids import utc_now
from core.domain.keeping.people import Right
from core.domain.signoff import AccessKind, KeptReport, MarkKind, Seal, TestSetAccess
from core.errors import WorkspaceError
from core.store.people.guard import require


def save_operating_point(db: Database, model_id: str, settings: str) -> None:
    """Keep the decision rule of a model, replacing an earlier one."""
    db.execute(
        "INSERT OR REPLACE INTO operating_points VALUES (?, ?, ?)", [model_id, settings, utc_now()]
    )


def operating_point(db: Database, model_id: str) -> str | None:
    """The decision rule of a model, if one was chosen."""
    rows = list(db.query("SELECT settings FROM operating_points WHERE model_id = ?", [model_id]))
    return str(rows[0]["settings"]) if rows else None


def save_criteria(db: Database, dataset_id: str, settings: str) -> None:
    """Keep the release criteria of a dataset, replacing earlier ones."""
    db.execute(
        "INSERT OR REPLACE INTO criteria VALUES (?, ?, ?)", [dataset_id, settings, utc_now()]
    )


def criteria(db: Database, dataset_id: str) -> str | None:
    """The release criteria of a dataset, if there are any."""
    rows = list(db.query("SELECT settings FROM criteria WHERE dataset_id = ?", [dataset_id]))
    return str(rows[0]["settings"]) if rows else None


def save_intended_use(db: Database, model_id: str, text: str) -> None:
    """Keep what a model is meant for, replacing an earlier text."""
    db.execute("INSERT OR REPLACE INTO intended_uses VALUES (?, ?, ?)", [model_id, text, utc_now()])


def intended_use(db: Database, model_id: str) -> str:
    """What a model is intended for; empty where it was not described."""
    rows = list(db.query("SELECT text FROM intended_uses WHERE model_id = ?", [model_id]))
    return str(rows[0]["text"]) if rows else ""


def insert_report(db: Database, report: KeptReport) -> None:
    """Keep that a report was made."""
    db.execute(
        "INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?)",
        [
            report.id,
            report.model_id,
            report.form,
            report.against,
            report.person,
            report.created_at,
        ],
    )


def reports_of(db: Database, model_id: str) -> list[KeptReport]:
    """The reports that were made of a model, newest first."""
    rows = db.query(
        "SELECT * FROM reports WHERE model_id = ? ORDER BY created_at DESC, rowid DESC", [model_id]
    )
    return [KeptReport(**row) for row in rows]


def insert_seal(db: Database, seal: Seal) -> None:
    """Seal the test set of a model; call inside a transaction.

    Raises:
        WorkspaceError: if it was sealed before and has been opened: that cannot be undone.
    """
    existing = find_seal(db, seal.model_id)
    if existing and existing.opened_at is not None:
        raise WorkspaceError(
            "The test set of this model was sealed and opened already.",
            "Train another model: a test set that was seen cannot be sealed for the same one.",
        )
    db.conn.execute(
        "INSERT OR REPLACE INTO seals (model_id, split_id, created_at, criteria, operating_point,"
        " test_digest, opened_at, parts_digest, golden, unit)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            seal.model_id,
            seal.split_id,
            seal.created_at,
            seal.criteria,
            seal.operating_point,
            seal.test_digest,
            seal.opened_at,
            seal.parts_digest,
            "" if seal.golden is None else json.dumps(seal.golden),
            seal.unit,
        ],
    )


def find_seal(db: Database, model_id: str) -> Seal | None:
    """The seal of a model's test set, if there is one."""
    rows = db.conn.execute(
        "SELECT model_id, split_id, created_at, criteria, operating_point, test_digest, opened_at,"
        " parts_digest, golden, unit FROM seals WHERE model_id = ?",
        [model_id],
    ).fetchall()
    if not rows:
        return None
    values: list[Any] = list(rows[0])
    values[-2] = tuple(json.loads(values[-2])) if values[-2] else None
    return Seal(*values)


def record_access(db: Database, access: TestSetAccess) -> None:
    """Record a view of test results; call inside a transaction. Records are never removed.

    Raises:
        NotAllowedError: if it opens them, and whoever acts may not.
    """
    if access.kind is AccessKind.OPENING:
        require(db, Right.SIGN_OFF, "opening of test results")
    db.conn.execute(
        "INSERT INTO openings (split_id, model_id, model_name, purpose, opened_at, pictures, kind,"
        " person, subject) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            access.split_id,
            access.model_id,
            access.model_name,
            access.purpose,
            access.opened_at,
            _images_digest(db, access.split_id),
            access.kind.value,
            access.person,
            access.subject,
        ],
    )
    seal = find_seal(db, access.model_id)
    # Why asked: who only reads may not write there, and each reader's decision is recorded here.
    if seal is not None and seal.opened_at is None:
        db.conn.execute(
            "UPDATE seals SET opened_at = ? WHERE model_id = ? AND opened_at IS NULL",
            [access.opened_at, access.model_id],
        )


def is_decided(db: Database, model_id: str, subject: str) -> bool:
    """Whether a decision of a model on this subject is recorded."""
    rows = db.conn.execute(
        "SELECT 1 FROM openings WHERE model_id = ? AND subject = ? AND kind = ? LIMIT 1",
        [model_id, subject, AccessKind.DECISION.value],
    )
    return rows.fetchone() is not None


def is_opened(db: Database, split_id: str, model_id: str) -> bool:
    """Whether the test results of a split were viewed for a model."""
    rows = db.conn.execute(
        "SELECT 1 FROM openings WHERE split_id = ? AND model_id = ? LIMIT 1", [split_id, model_id]
    )
    return rows.fetchone() is not None


def openings_of(db: Database, split_id: str) -> list[TestSetAccess]:
    """Every recorded view of test images of a split, by whatever model and split, oldest first.

    Views through another split count where it has a test image in common; one that was deleted
    since counts where it had the same test images.
    """
    rows = db.conn.execute(
        "SELECT split_id, model_id, model_name, purpose, opened_at, kind, person, subject"
        " FROM openings"
        " WHERE split_id = ?1 OR (pictures != '' AND pictures = ?2) OR split_id IN ("
        "SELECT DISTINCT other.split_id FROM split_members own"
        " JOIN split_members other ON other.sample_id = own.sample_id"
        " WHERE own.split_id = ?1 AND own.subset = 'test' AND other.subset = 'test')"
        " ORDER BY id",
        [split_id, _images_digest(db, split_id)],
    ).fetchall()
    return [
        TestSetAccess(split, model, name, purpose, at, AccessKind(kind), person, subject)
        for split, model, name, purpose, at, kind, person, subject in rows
    ]


def _images_digest(db: Database, split_id: str) -> str:
    """Names the test images of a split, whatever its name; '' if there are none."""
    rows = db.conn.execute(
        "SELECT sample_id FROM split_members WHERE split_id = ? AND subset = 'test'"
        " ORDER BY sample_id",
        [split_id],
    ).fetchall()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest() if rows else ""


def set_mark(db: Database, sample_ids: Iterable[int], kind: MarkKind, *, on: bool) -> None:
    """Mark images, or take the mark away; call inside a transaction.

    Raises:
        NotAllowedError: if they are golden samples, by which releases are decided, and whoever acts
            may not decide on those.
    """
    if kind is MarkKind.GOLDEN:
        require(db, Right.SIGN_OFF, "golden samples")
    ids = json.dumps([int(i) for i in sample_ids])
    if on:
        db.conn.execute(
            "INSERT OR IGNORE INTO marks SELECT value, ?, ? FROM json_each(?)",
            [kind.value, utc_now(), ids],
        )
        return
    db.conn.execute(
        "DELETE FROM marks WHERE kind = ? AND sample_id IN (SELECT value FROM json_each(?))",
        [kind.value, ids],
    )


def marked(db: Database, dataset_id: str, kind: MarkKind) -> list[int]:
    """Ids of the samples of a dataset that have a mark."""
    rows = db.conn.execute(
        # Why CROSS: else every image of the dataset is looked up, and few are marked.
        "SELECT m.sample_id FROM marks m CROSS JOIN samples s ON s.id = m.sample_id"
        " WHERE s.dataset_id = ? AND m.kind = ? ORDER BY m.sample_id",
        [dataset_id, kind.value],
    )
    return [row[0] for row in rows.fetchall()]


def marks_of(db: Database, dataset_id: str) -> dict[int, set[MarkKind]]:
    """Sample id -> its marks, for the marked samples of a dataset."""
    marks: dict[int, set[MarkKind]] = {}
    for sample_id, kind in db.conn.execute(
        "SELECT m.sample_id, m.kind FROM marks m JOIN samples s ON s.id = m.sample_id"
        " WHERE s.dataset_id = ?",
        [dataset_id],
    ).fetchall():
        marks.setdefault(sample_id, set()).add(MarkKind(kind))
    return marks
