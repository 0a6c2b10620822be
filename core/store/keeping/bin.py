"""The bin: the rows that a deletion takes, kept in the same transaction until they come back.

A deletion is a real one: the rows leave their tables with all that hangs on them, so that nothing
that is counted, listed or computed afterwards can contain them. Triggers of the connection that
deletes put each row aside, and each link that was cut. To restore is to put the same rows back.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlite_utils import Database

from core.domain.keeping.bin import BinKind, Binned
from core.domain.keeping.people import who
from core.domain.names import name_key
from core.domain.record import RecordedAction
from core.errors import NotFoundError
from core.store.keeping import record

_TABLES = """
CREATE TABLE bin (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject_id TEXT NOT NULL, name TEXT NOT NULL,
    person TEXT NOT NULL, deleted_at REAL NOT NULL, counts TEXT NOT NULL, columns TEXT NOT NULL,
    last_sample INTEGER NOT NULL
) STRICT;
CREATE TABLE bin_rows (
    bin_id TEXT NOT NULL REFERENCES bin ON DELETE CASCADE, tbl TEXT NOT NULL, row BLOB NOT NULL
) STRICT;
CREATE INDEX bin_rows_by_bin ON bin_rows (bin_id, tbl)
"""
# They stay where they are, or are no part of what is deleted.
_LEFT = ("bin", "bin_rows", "model_pieces", "record", "users")
_LINKS = "links"  # under this name, cut links are kept: table, key, column, what it named
_KIND_TABLES = {
    BinKind.DATASET: "datasets",
    BinKind.SPLIT: "splits",
    BinKind.RUN: "runs",
    BinKind.MODEL: "models",
    BinKind.SEARCH: "searches",
}
# Several may have one name.
_NAMED_FREELY = (BinKind.RUN, BinKind.SEARCH)
# Nothing names these rows by their number, which may be another one's by now.
_NUMBERED_ANEW = {"findings": "id", "part_answers": "id"}


def create(db: Database) -> None:
    """The tables; part of a migration."""
    for statement in _TABLES.split(";"):
        db.conn.execute(statement)


def put(
    db: Database,
    bin_id: str,
    kind: BinKind,
    subject_id: str,
    *,
    now: float,
    delete: Callable[[], object],
) -> Binned:
    """Delete something, and keep what that takes along; call inside a transaction.

    Args:
        db: the workspace's database.
        bin_id: a new id.
        kind: what is deleted.
        subject_id: its id.
        now: the time.
        delete: does it.

    Returns:
        What lies in the bin now.
    """
    table = _KIND_TABLES[kind]
    name = db.conn.execute(f"SELECT name FROM {table} WHERE id = ?", [subject_id]).fetchone()[0]
    columns = {t: [c.name for c in db[t].columns] for t in db.table_names() if _is_kept(t)}
    last = db.conn.execute("SELECT coalesce(max(id), 0) FROM samples").fetchone()[0]
    db.conn.execute(
        "INSERT INTO bin VALUES (?, ?, ?, ?, ?, ?, '{}', ?, ?)",
        [bin_id, kind.value, subject_id, name, who().name, now, json.dumps(columns), last],
    )
    db.conn.create_function("bin_pack", -1, pack)
    triggers = list(_triggers(bin_id, columns, _cut_links(db, columns)))
    for trigger, statement in triggers:
        db.conn.execute(f"CREATE TEMP TRIGGER {trigger} {statement}")
    try:
        delete()
    finally:
        for trigger, _ in triggers:
            db.conn.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    counted = dict(
        db.conn.execute(
            "SELECT tbl, count(*) FROM bin_rows WHERE bin_id = ? GROUP BY tbl", [bin_id]
        ).fetchall()
    )
    if "runs" in counted:  # those of trials are listed nowhere
        at = columns["runs"].index("is_trial")
        counted["runs"] = sum(not row[at] for row in _rows(db, bin_id, "runs"))
    db.conn.execute("UPDATE bin SET counts = ? WHERE id = ?", [json.dumps(counted), bin_id])
    return find(db, bin_id)


def _is_kept(table: str) -> bool:
    return table not in _LEFT and not table.startswith(("_", "sqlite_"))


def _cut_links(db: Database, columns: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Table and column of each link that a deletion of what it names sets to NULL."""
    for table in columns:
        for key in db.conn.execute(f"PRAGMA foreign_key_list({table})").fetchall():
            if key[6] == "SET NULL":
                yield table, key[3]


def _triggers(
    bin_id: str, columns: dict[str, list[str]], links: Iterator[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Name and statement of each trigger; `bin_id` is an id of ours, not text of people."""
    for table, names in columns.items():
        values = ", ".join(f"OLD.{name}" for name in names)
        yield (
            f"bin_of_{table}",
            f"AFTER DELETE ON main.{table} BEGIN INSERT INTO bin_rows VALUES"
            f" ('{bin_id}', '{table}', bin_pack({values})); END",
        )
    for table, column in links:
        yield (
            f"bin_link_{table}_{column}",
            f"AFTER UPDATE OF {column} ON main.{table} WHEN NEW.{column} IS NULL AND"
            f" OLD.{column} IS NOT NULL BEGIN INSERT INTO bin_rows VALUES ('{bin_id}', '{_LINKS}',"
            f" bin_pack('{table}', OLD.id, '{column}', OLD.{column})); END",
        )


def pack(*values: object) -> bytes:
    """A row as bytes: its values as JSON, and binary ones behind it as they are."""
    binary = [value for value in values if isinstance(value, bytes)]
    plain = [[len(v)] if isinstance(v, bytes) else v for v in values]
    return b"\0".join([json.dumps(plain).encode(), b"".join(binary)])


def unpack(row: bytes) -> list[Any]:
    """The values that `pack` was given."""
    head, _, tail = row.partition(b"\0")  # JSON has no zero byte
    values, at = json.loads(head), 0
    for index, value in enumerate(values):
        if isinstance(value, list):
            values[index] = tail[at : at + value[0]]
            at += value[0]
    return list(values)


def find(db: Database, bin_id: str) -> Binned:
    """What lies in the bin under an id.

    Raises:
        NotFoundError: if nothing does.
    """
    for item in everything(db):
        if item.id == bin_id:
            return item
    raise NotFoundError("That is not in the bin any more.", "See: touchstone bin list.")


def everything(db: Database) -> list[Binned]:
    """What lies in the bin, the newest first."""
    rows = db.conn.execute(
        "SELECT id, kind, subject_id, name, person, deleted_at, counts FROM bin"
        " ORDER BY deleted_at DESC"
    ).fetchall()
    return [Binned(r[0], BinKind(r[1]), r[2], r[3], r[4], r[5], json.loads(r[6])) for r in rows]


def restore(db: Database, bin_id: str) -> str:
    """Put everything back as it was; call inside a transaction. Gives the name that it has now.

    Where another thing has its name by now, it gets a number behind it.

    Raises:
        NotFoundError: if it is not in the bin, or what it belongs to is not there.
    """
    item = find(db, bin_id)
    columns = json.loads(
        db.conn.execute("SELECT columns FROM bin WHERE id = ?", [bin_id]).fetchone()[0]
    )
    db.conn.execute("PRAGMA defer_foreign_keys=ON")
    # Why quiet: what comes back was recorded as it was made; that it comes back is said below.
    db.conn.execute(
        "CREATE TEMP TRIGGER bin_quiet BEFORE INSERT ON main.record"
        f" WHEN NEW.action <> '{RecordedAction.RESTORED}' BEGIN SELECT RAISE(IGNORE); END"
    )
    try:
        touched = _insert_all(db, item, columns)
        _mend_links(db, item, touched)
    finally:
        db.conn.execute("DROP TRIGGER IF EXISTS bin_quiet")
    table = _KIND_TABLES[item.kind]
    now = db.conn.execute(f"SELECT name FROM {table} WHERE id = ?", [item.subject_id]).fetchone()
    if now is None:
        raise NotFoundError(
            f"What the {item.kind.value} '{item.name}' belongs to is not there any more.",
            "Restore its dataset and split first, if they are in the bin: touchstone bin list.",
        )
    record.add(db, RecordedAction.RESTORED, item.subject_id, now[0], new=item.kind.value)
    remove(db, bin_id)
    return str(now[0])


def _insert_all(db: Database, item: Binned, columns: dict[str, list[str]]) -> set[str]:
    tables = [
        row[0]
        for row in db.conn.execute(
            "SELECT DISTINCT tbl FROM bin_rows WHERE bin_id = ? AND tbl <> ?", [item.id, _LINKS]
        ).fetchall()
    ]
    for table in tables:
        names = columns[table]
        marks = ", ".join("?" for _ in names)
        db.conn.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
            (_values(db, item, table, names, row) for row in _rows(db, item.id, table)),
        )
    return set(tables)


def _values(db: Database, item: Binned, table: str, names: list[str], row: list[Any]) -> list[Any]:
    if table in _NUMBERED_ANEW:
        row[names.index(_NUMBERED_ANEW[table])] = None
    if table == _KIND_TABLES[item.kind] and item.kind not in _NAMED_FREELY:
        at = names.index("name")
        within = row[names.index("dataset_id")] if item.kind is BinKind.SPLIT else None
        row[at] = _free_name(db, table, row[at], within)
    return row


def _rows(db: Database, bin_id: str, table: str) -> Iterator[list[Any]]:
    for (row,) in db.conn.execute(
        "SELECT row FROM bin_rows WHERE bin_id = ? AND tbl = ? ORDER BY rowid", [bin_id, table]
    ):
        yield unpack(row)


def _free_name(db: Database, table: str, name: str, dataset_id: str | None) -> str:
    where = " WHERE dataset_id = ?" if dataset_id else ""
    taken = {
        name_key(row[0])
        for row in db.conn.execute(
            f"SELECT name FROM {table}{where}", [dataset_id] if dataset_id else []
        ).fetchall()
    }
    free, number = name, 1
    while name_key(free) in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _mend_links(db: Database, item: Binned, touched: set[str]) -> None:
    """Tie links that were cut, and drop what names something that was deleted meanwhile."""
    for table, key, column, named in _rows(db, item.id, _LINKS):
        db.conn.execute(
            f"UPDATE {table} SET {column} = ? WHERE id = ? AND {column} IS NULL", [named, key]
        )
    is_loose = True
    while is_loose:  # what goes may be what something else names
        is_loose = False
        for table in sorted(touched):
            for key in db.conn.execute(f"PRAGMA foreign_key_list({table})").fetchall():
                parent, column, target = key[2], key[3], key[4] or "id"
                loose = (
                    f"{column} IS NOT NULL AND NOT EXISTS"
                    f" (SELECT 1 FROM {parent} p WHERE p.{target} = {table}.{column})"
                )
                change = (
                    f"UPDATE {table} SET {column} = NULL WHERE {loose}"
                    if key[6] == "SET NULL"
                    else f"DELETE FROM {table} WHERE {loose}"
                )
                is_loose |= db.conn.execute(change).rowcount > 0


def remove(db: Database, bin_id: str) -> None:
    """Take something out of the bin; call inside a transaction."""
    db.conn.execute("DELETE FROM bin WHERE id = ?", [bin_id])


def purge(db: Database, item: Binned) -> None:
    """Delete something for good, its content overwritten; call inside a transaction."""
    record.add(db, RecordedAction.DELETED_FOR_GOOD, item.subject_id, item.name, old=item.kind.value)
    remove(db, item.id)


def model_pieces(db: Database) -> set[str]:
    """Digests of the shared weights that models in the bin need."""
    needed = set()
    for bin_id, text in db.conn.execute("SELECT id, columns FROM bin").fetchall():
        columns = json.loads(text).get("model_chunks", ())
        if "piece" in columns:  # else of before, with all weights in its rows
            at = columns.index("piece")
            needed |= {row[at] for row in _rows(db, bin_id, "model_chunks")}
    return needed


def overwrite(db: Database) -> None:
    """Let SQLite overwrite what is deleted; call before the transaction that deletes it."""
    db.conn.execute("PRAGMA secure_delete=ON")


def first_free_sample(db: Database) -> int:
    """The number of the next image: none that lies in the bin gets it."""
    row = db.conn.execute(
        "SELECT max(coalesce((SELECT max(id) FROM samples), 0),"
        " coalesce((SELECT max(last_sample) FROM bin), 0))"
    ).fetchone()
    return int(row[0]) + 1
