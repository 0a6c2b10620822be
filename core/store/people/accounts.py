"""Rows of people who may sign in. The record writes itself, by triggers (`keeping/record.py`)."""

import hashlib
from typing import Any

from sqlite_utils import Database

from core.domain.keeping.people import Account, Role
from core.domain.names import name_key
from core.errors import NameTakenError, NotFoundError
from core.store.keeping import record

_COLUMNS = "name, role, disabled, created_at, signed_in_at, signed_out_at, token_digest IS NOT NULL"


def find_account(db: Database, name: str) -> Account | None:
    """The person of this name, in upper or lower case; None: nobody."""
    row = db.conn.execute(
        f"SELECT {_COLUMNS} FROM users WHERE key = ?", [name_key(name)]
    ).fetchone()
    return _account(row) if row else None


def known_account(db: Database, name: str) -> Account:
    """The person of this name.

    Raises:
        NotFoundError: if there is none.
    """
    match = find_account(db, name)
    if match is None:
        raise NotFoundError(f"There is no user '{name}'.", "See: touchstone users list.")
    return match


def list_accounts(db: Database) -> list[Account]:
    """All of them by name, the disabled ones last."""
    rows = db.conn.execute(f"SELECT {_COLUMNS} FROM users ORDER BY disabled, key")
    return [_account(row) for row in rows.fetchall()]


def insert_account(db: Database, name: str, role: Role, *, now: float) -> None:
    """Let a person in.

    Raises:
        NameTakenError: if the name is known already.
    """
    if find_account(db, name) is not None:
        raise NameTakenError(
            f"There is a user '{name}' already.", "Change the role: touchstone users role."
        )
    db.conn.execute(
        "INSERT INTO users (key, name, role, created_at) VALUES (?, ?, ?, ?)",
        [name_key(name), name, role.value, now],
    )


def set_role(db: Database, name: str, role: Role) -> None:
    """Give a person another role; it holds from the next click on."""
    db.conn.execute("UPDATE users SET role = ? WHERE key = ?", [role.value, name_key(name)])


def set_disabled(db: Database, name: str, *, disabled: bool) -> None:
    """Shut a person out, or let one in again; whoever is shut out loses the token, too."""
    db.conn.execute(
        "UPDATE users SET disabled = :disabled, token_digest ="
        " CASE WHEN :disabled THEN NULL ELSE token_digest END WHERE key = :key",
        {"disabled": disabled, "key": name_key(name)},
    )


def set_signed_in(db: Database, name: str, *, at: float) -> None:
    """Note that a session of a person began."""
    db.conn.execute("UPDATE users SET signed_in_at = ? WHERE key = ?", [at, name_key(name)])


def set_signed_out(db: Database, name: str, *, at: float) -> None:
    """End the sessions of a person that were begun until then."""
    db.conn.execute("UPDATE users SET signed_out_at = ? WHERE key = ?", [at, name_key(name)])


def set_token(db: Database, name: str, token: str) -> None:
    """Keep the digest of the token of a person; an earlier one is worth nothing any more."""
    db.conn.execute(
        "UPDATE users SET token_digest = ? WHERE key = ?", [_digest(token), name_key(name)]
    )


def account_of_token(db: Database, token: str) -> Account | None:
    """Whose token this is; None: nobody's.

    Why an unsalted digest: a token is random and long, so that none can be guessed from it.
    """
    row = db.conn.execute(
        f"SELECT {_COLUMNS} FROM users WHERE token_digest = ?", [_digest(token)]
    ).fetchone()
    return _account(row) if row else None


def create(db: Database) -> None:
    """The table with the triggers of the record; part of a migration."""
    db.conn.execute(
        "CREATE TABLE users (key TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL,"
        " disabled INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL,"
        " signed_in_at REAL NOT NULL DEFAULT 0, signed_out_at REAL NOT NULL DEFAULT 0,"
        " token_digest TEXT UNIQUE) STRICT"
    )
    record.create_for_users(db)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _account(row: Any) -> Account:
    return Account(row[0], Role(row[1]), bool(row[2]), row[3], row[4], row[5], bool(row[6]))
