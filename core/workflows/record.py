"""The record of a workspace: reading and exporting it, and checking that nobody altered it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlite_utils import Database

from core.data.file_checks import file_states
from core.domain.files import FileState
from core.domain.record import GENESIS, Entry, RecordedAction
from core.errors import ConfigError
from core.files import Cell, write_csv
from core.store import datasets, record, versions
from core.store import models as model_rows
from core.store.database import connect, transaction
from core.worker.files.checks import known_file
from core.workspace import Workspace

COLUMNS = (
    "number",
    "time (UTC)",
    "person",
    "action",
    "id",
    "name",
    "old",
    "new",
    "reason",
    "chain",
)


class Fault(StrEnum):
    """What a verification can find."""

    DATABASE = "damaged database"
    RELATION = "broken relation"
    MISSING_ROW = "row missing from the record"
    ALTERED_ROW = "altered row of the record"
    ANCHOR = "anchor not in the record"
    TRIGGER = "record switched off"
    IN_FORCE = "value that was never recorded"
    MODEL = "altered model"
    FILE = "changed or missing image file"


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it was recorded; `where` names it."""

    fault: Fault
    where: str


@dataclass(frozen=True)
class Anchor:
    """A row that was written down outside the workspace: its number and its digest."""

    number: int
    digest: str

    @property
    def written(self) -> str:
        """Such as `412:9f86d081…`, as it is given back later."""
        return f"{self.number}:{self.digest}"


def read_anchor(text: str) -> Anchor:
    """The anchor that `Anchor.written` gave.

    Raises:
        ConfigError: if it has another form.
    """
    number, _, digest = text.strip().partition(":")
    if not number.isdigit() or not digest or set(digest.lower()) - set("0123456789abcdef"):
        raise ConfigError(
            f"'{text}' is no anchor.", "Give it as `touchstone verify` printed it: NUMBER:DIGEST."
        )
    return Anchor(int(number), digest.lower())


def entries(
    workspace: Workspace,
    *,
    text: str = "",
    actions: Sequence[RecordedAction] = (),
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[Entry], int]:
    """A page of the record, newest first, and how many rows match.

    Args:
        workspace: whose record.
        text: part of a person, name, id or reason.
        actions: only these; empty: all.
        limit: rows of the page.
        offset: rows before it.
    """
    with connect(workspace) as db:
        return record.newest(
            db, text=text, actions=tuple(a.value for a in actions), limit=limit, offset=offset
        )


def anchor(workspace: Workspace) -> Anchor | None:
    """The newest row, to be written down outside; None: nothing is recorded."""
    with connect(workspace) as db:
        newest = record.head(db)
    return Anchor(newest.number, newest.digest) if newest else None


def note(
    workspace: Workspace,
    action: RecordedAction,
    subject: str = "",
    name: str = "",
    *,
    new: str | None = None,
) -> None:
    """Record what changes no stored row, such as an export."""
    with connect(workspace) as db, transaction(db):
        record.add(db, action, subject, name, new=new)


def export(workspace: Workspace, target: Path) -> int:
    """Write the whole record as CSV; gives the number of rows. Formulas of spreadsheets are quoted.

    Raises:
        OSError: if the file cannot be written.
    """
    with connect(workspace) as db:
        rows = list(record.every(db))
    write_csv(target, _table(rows))
    return len(rows)


def _table(rows: Sequence[Entry]) -> Iterator[Sequence[Cell]]:
    yield COLUMNS
    for row in rows:
        yield (
            row.number,
            in_utc(row.at),
            row.person,
            row.action,
            row.subject,
            row.name,
            row.old or "",
            row.new or "",
            row.reason,
            row.digest,
        )


def in_utc(at: float) -> str:
    """Seconds since 1970 as `2026-11-29 14:03:07`, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def verify(
    workspace: Workspace,
    *,
    written_down: Anchor | None = None,
    image_files: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Problem]:
    """What is not as it was recorded, the most serious first; empty: everything is.

    Args:
        workspace: to check.
        written_down: a row that was kept outside. Only this shows that the end of the record was
            cut off, or that all of it was written anew.
        image_files: also read every image file and compare it with what was imported.
        on_progress: told images checked and images in all.
    """
    with connect(workspace) as db:
        problems = [
            *_database(db),
            *_chain(db),
            *_anchored(db, written_down),
            *_switched_off(db),
            *_in_force(db),
            *_models(db),
        ]
        ids = [row[0] for row in db.conn.execute("SELECT id FROM datasets")]
    if image_files:
        for dataset_id in ids:
            problems += _image_files(workspace, dataset_id, on_progress)
    return problems


def _database(db: Database) -> Iterator[Problem]:
    for (words,) in db.conn.execute("PRAGMA integrity_check").fetchall():
        if words != "ok":
            yield Problem(Fault.DATABASE, str(words))
    for table, row, other, _ in db.conn.execute("PRAGMA foreign_key_check").fetchall():
        yield Problem(Fault.RELATION, f"{table}, row {row}: its row in {other} is missing")


def _chain(db: Database) -> Iterator[Problem]:
    """The first row that breaks the chain; what follows it proves nothing any more."""
    before, number = GENESIS, 0
    for row in record.every(db):
        number += 1
        if row.number != number:
            yield Problem(Fault.MISSING_ROW, f"row {number}")
            return
        if row.digest != row.expected_digest(before):
            yield Problem(
                Fault.ALTERED_ROW,
                f"row {row.number} ({in_utc(row.at)} UTC, {row.action} {row.name})",
            )
            return
        before = row.digest
    if not number:
        yield Problem(Fault.MISSING_ROW, "row 1")


def _anchored(db: Database, written_down: Anchor | None) -> Iterator[Problem]:
    if written_down is None:
        return
    row = db.conn.execute(
        "SELECT digest FROM record WHERE number = ?", [written_down.number]
    ).fetchone()
    if row is None or row[0] != written_down.digest:
        yield Problem(Fault.ANCHOR, f"row {written_down.number}")


def _switched_off(db: Database) -> Iterator[Problem]:
    present = {
        row[0] for row in db.conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    }
    for name in sorted(record.trigger_names() - present):
        yield Problem(Fault.TRIGGER, name)


def _in_force(db: Database) -> Iterator[Problem]:
    """Values in force that are not those recorded last; those from before the record are let be."""
    for action, table, key, column in record.IN_FORCE:
        rows = db.conn.execute(
            f"SELECT t.{key}, t.{column}, (SELECT new FROM record WHERE action = ?"
            f" AND subject = t.{key} ORDER BY number DESC LIMIT 1) FROM {table} t",
            [action.value],
        ).fetchall()
        for subject, now, recorded in rows:
            if recorded is not None and now != recorded:
                yield Problem(Fault.IN_FORCE, f"{table} of {subject}")


def _models(db: Database) -> Iterator[Problem]:
    for model in model_rows.list_models(db):
        digest = hashlib.sha256()
        chunks = db.conn.execute(
            "SELECT data FROM model_chunks WHERE model_id = ? ORDER BY position", [model.id]
        )
        for (data,) in chunks:
            digest.update(data)
        recorded = db.conn.execute(
            "SELECT new ->> 'sha256' FROM record WHERE action = ? AND subject = ?",
            [RecordedAction.MODEL_MADE.value, model.id],
        ).fetchone()
        known = {model.sha256, *(recorded or ())}
        if known != {digest.hexdigest()}:
            yield Problem(Fault.MODEL, f"{model.name} ({model.id})")


def _image_files(
    workspace: Workspace, dataset_id: str, on_progress: Callable[[int, int], None]
) -> Iterator[Problem]:
    """Reads every file: a time that was set back must not hide another content."""
    with connect(workspace) as db:
        name = datasets.find_dataset(db, dataset_id).name
        samples = versions.samples_at(db, dataset_id)
    known = [replace(known_file(workspace, sample), time=None) for sample in samples]
    for sample, found in zip(samples, file_states(known, on_progress=on_progress), strict=True):
        if found.state is not FileState.SAME:
            yield Problem(Fault.FILE, f"{name}: {sample.name}")
