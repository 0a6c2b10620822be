"""What things are called, or were called before they were deleted."""

import json
from collections.abc import Iterable

from sqlite_utils import Database

from core.domain.record import RecordedAction


def names_of(db: Database, ids: Iterable[str]) -> dict[str, str]:
    """Id -> the name that it had last, for those of these ids that had one."""
    asked = json.dumps(sorted(ids))
    names: dict[str, str] = {}
    for table in ("datasets", "splits", "runs", "models"):  # made before the record began
        rows = db.conn.execute(
            f"SELECT id, name FROM {table} WHERE id IN (SELECT value FROM json_each(?))", [asked]
        )
        names |= dict(rows.fetchall())
    rows = db.conn.execute(
        "SELECT subject, name FROM record WHERE subject IN (SELECT value FROM json_each(?))"
        " AND name <> '' AND action <> ? ORDER BY number",
        [asked, RecordedAction.REFUSED.value],  # its subject is a right
    )
    return names | dict(rows.fetchall())
