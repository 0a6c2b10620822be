"""Whether a database still holds what was recorded: the rows that were altered outside."""

from collections.abc import Iterator

from sqlite_utils import Database

from core.domain.record import GENESIS, Alteration, Anchor, Fault, RecordedAction, in_utc
from core.store import models
from core.store.keeping import record
from core.words import joined


def problems(db: Database, written_down: Anchor | None) -> Iterator[Alteration]:
    """What is not as it was recorded, the most serious first.

    Args:
        db: the workspace's database.
        written_down: a row that was kept outside, if there is one.
    """
    yield from _database(db)
    yield from _chain(db)
    yield from _anchored(db, written_down)
    yield from _switched_off(db)
    yield from _in_force(db)
    yield from _shared_weights(db)
    yield from _models(db)


def _database(db: Database) -> Iterator[Alteration]:
    for (words,) in db.conn.execute("PRAGMA integrity_check").fetchall():
        if words != "ok":
            yield Alteration(Fault.DATABASE, str(words))
    for table, row, other, _ in db.conn.execute("PRAGMA foreign_key_check").fetchall():
        yield Alteration(Fault.RELATION, f"{table}, row {row}: its row in {other} is missing")


def _chain(db: Database) -> Iterator[Alteration]:
    """The first row that breaks the chain; what follows it proves nothing any more."""
    before, number = GENESIS, 0
    for row in record.every(db):
        number += 1
        if row.number != number:
            yield Alteration(Fault.MISSING_ROW, f"row {number}")
            return
        if row.digest != row.expected_digest(before):
            yield Alteration(
                Fault.ALTERED_ROW,
                f"row {row.number} ({in_utc(row.at)} UTC, {row.action} {row.name})",
            )
            return
        before = row.digest
    if not number:
        yield Alteration(Fault.MISSING_ROW, "row 1")


def _anchored(db: Database, written_down: Anchor | None) -> Iterator[Alteration]:
    if written_down is None:
        return
    row = db.conn.execute(
        "SELECT digest FROM record WHERE number = ?", [written_down.number]
    ).fetchone()
    if row is None or row[0] != written_down.digest:
        yield Alteration(Fault.ANCHOR, f"row {written_down.number}")


def _switched_off(db: Database) -> Iterator[Alteration]:
    present = {
        row[0] for row in db.conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    }
    for name in sorted(record.trigger_names() - present):
        yield Alteration(Fault.TRIGGER, name)


def _in_force(db: Database) -> Iterator[Alteration]:
    """Values in force that are not those recorded last; those from before the record are let be."""
    for action, table, key, column in record.IN_FORCE:
        rows = db.conn.execute(
            f"SELECT t.{key}, t.{column}, (SELECT new FROM record WHERE action = ?"
            f" AND subject = t.{key} ORDER BY number DESC LIMIT 1) FROM {table} t",
            [action.value],
        ).fetchall()
        for subject, now, recorded in rows:
            if recorded is not None and now != recorded:
                yield Alteration(Fault.IN_FORCE, f"{table} of {subject}")


def _shared_weights(db: Database) -> Iterator[Alteration]:
    for digest, names in models.damaged_pieces(db):
        yield Alteration(Fault.SHARED_WEIGHTS, f"{digest[:12]}, of {joined(names)}")


def _models(db: Database) -> Iterator[Alteration]:
    for model in models.list_models(db):
        recorded = db.conn.execute(
            "SELECT new ->> 'sha256' FROM record WHERE action = ? AND subject = ?",
            [RecordedAction.MODEL_MADE.value, model.id],
        ).fetchone()
        if not models.is_whole(db, model) or recorded not in (None, (model.sha256,)):
            yield Alteration(Fault.MODEL, f"{model.name} ({model.id})")
