"""Opening the workspace database: connection rules, transactions, bringing older files along."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

# Why from there: it is pysqlite3 where that is installed, with exceptions of its own; the other
# files of this room import it from here.
from sqlite_utils.utils import sqlite3 as sqlite3  # type: ignore[attr-defined]

from core.domain.keeping.people import as_program
from core.domain.names import name_key
from core.errors import NotAllowedError, TouchstoneError, WorkspaceError
from core.files import atomic_write
from core.store.keeping import record
from core.store.people import guard as people
from core.store.schema.migrations import SCHEMA_VERSION, migrations
from core.workspace import Workspace, disk_is_full, give_reserve_up

OLDEST_SAFE_SQLITE = (3, 51, 3)
BUSY_TIMEOUT_S = 10.0
_RETRY_S = 0.02
_patience_s = BUSY_TIMEOUT_S


def wait_longer(seconds: float) -> None:
    """Let this process wait so long for a busy database; for workers, which nobody waits for."""
    global _patience_s
    _patience_s = seconds


@contextmanager
def connect(workspace: Workspace) -> Iterator[Database]:
    """One short-lived connection with the schema in place; never shared across threads.

    It belongs to whoever acts (`core/domain/keeping/people.py`), and writes what that person may.

    Raises:
        NotAllowedError: if that person may not enter, or not write this.
        WorkspaceError: if the file is no database, is newer than this program, stays locked, or the
            disk is full or read-only.
    """
    guard = None
    try:
        db = _taken(workspace) or _opened(workspace)
        file = _identity(workspace.database)
        try:
            guard = people.let_in(db, workspace)
            yield db
        except BaseException:
            db.conn.close()
            raise
        _give_back(db, workspace, file)
    except NotAllowedError:
        _record_refusal(workspace, guard)
        raise
    except sqlite3.DatabaseError as err:
        if guard is not None and guard.refused is not None:
            _record_refusal(workspace, guard)
            raise guard.error() from err
        if disk_is_full(workspace):
            give_reserve_up(workspace)  # what is deleted next needs space too
        raise _translated(err, workspace) from err


@contextmanager
def opened_once() -> Iterator[None]:
    """Within it, connections of this thread that follow each other are one and the same.

    To open one takes over a millisecond, as SQLite reads the whole schema, and a page needs dozens.
    """
    _kept.files = {}
    try:
        yield
    finally:
        kept, _kept.files = _kept.files, None
        for db, _ in kept.values():
            db.conn.close()


_File = tuple[int, int] | None  # device and number of a file
_Files = dict[Path, tuple[Database, _File]]
_kept = threading.local()


def _taken(workspace: Workspace) -> Database | None:
    """The connection that this thread keeps, unless it is in use or its file was replaced."""
    files: _Files = getattr(_kept, "files", None) or {}
    db, file = files.pop(workspace.database, (None, None))
    if db is not None and file != _identity(workspace.database):
        db.conn.close()
        return None
    return db


def _give_back(db: Database, workspace: Workspace, file: _File) -> None:
    """Keep a connection for the next one of this thread, or close it."""
    files: _Files | None = getattr(_kept, "files", None)
    if files is None or workspace.database in files or db.conn.in_transaction:
        db.conn.close()
        return
    people.let_out(db)
    files[workspace.database] = db, file


def _identity(path: Path) -> _File:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _record_refusal(workspace: Workspace, guard: people.WriteGuard | None) -> None:
    """Record what a guard refused; the refusal itself holds whether that works or not."""
    if guard is None or guard.refused is None:
        return
    try:
        with as_program(), connect(workspace) as db, transaction(db):
            people.record_refusal(db, guard)
    except TouchstoneError as err:
        logging.getLogger("touchstone").warning("a refusal was not recorded: %s", err)


def _opened(workspace: Workspace) -> Database:
    try:
        return _opened_once(workspace)
    except sqlite3.OperationalError:
        # Why: on a full disk SQLite cannot even read, so that nothing could be deleted.
        if not (disk_is_full(workspace) and give_reserve_up(workspace)):
            raise
        return _opened_once(workspace)


def _opened_once(workspace: Workspace) -> Database:
    if not workspace.database.exists():
        with contextlib.suppress(OSError):  # SQLite says what is wrong
            workspace.database.touch(mode=0o600)
    connection = sqlite3.connect(str(workspace.database), timeout=_patience_s)
    try:
        db = Database(connection)
        _configure(db)
        _migrate(db, workspace.database)
    except BaseException:
        connection.close()
        raise
    return db


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """All or nothing; takes the write lock at once.

    Why not `db.atomic()`: it begins deferred and fails at its first write when another process
    wrote since its first read.
    """
    with _turn():
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            db.conn.execute("ROLLBACK")
            raise
        db.conn.execute("COMMIT")


_writer = threading.RLock()


@contextmanager
def _turn() -> Iterator[None]:
    """One writer of this process after the other.

    Why: SQLite wakes its waiters by chance, so that on a slow disk one of several users can wait
    until its time is up although the others come through.
    """
    if not _writer.acquire(timeout=_patience_s):
        raise sqlite3.OperationalError("database is locked")
    try:
        yield
    finally:
        _writer.release()


def sqlite_warning() -> str | None:
    """A sentence when the SQLite library in use is older than the fix of the WAL-reset bug."""
    if sqlite3.sqlite_version_info >= OLDEST_SAFE_SQLITE:
        return None
    return (
        f"SQLite {sqlite3.sqlite_version} is in use; versions before 3.51.3 can damage a database "
        "in rare cases. Install the package pysqlite3 0.6.1 or newer."
    )


def _configure(db: Database) -> None:
    # Why: SQLite itself ignores the case of ASCII letters only, and "é" has two spellings.
    db.conn.create_function("name_key", 1, lambda text: text and name_key(text), deterministic=True)
    for name, arguments, function, deterministic in record.functions():
        db.conn.create_function(name, arguments, function, deterministic=deterministic)
    db.conn.execute(f"PRAGMA busy_timeout={_patience_s * 1000:.0f}")
    _use_wal(db)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        db.conn.execute(f"PRAGMA {pragma}")


def _use_wal(db: Database) -> None:
    """Switch a new file to the write-ahead log; nothing to do for one that has it."""
    deadline = time.monotonic() + _patience_s
    while True:
        try:
            db.conn.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as err:
            # Why: SQLite refuses at once, without waiting, where two connections switch together.
            if "locked" not in str(err) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


def _migrate(db: Database, path: Path) -> None:
    # Why ask the file each time: it costs microseconds, and a remembered answer would be wrong for
    # a file that was replaced.
    version = db.conn.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise WorkspaceError(
            f"{path} was written by a newer Touchstone (schema {version}, this is "
            f"{SCHEMA_VERSION}).",
            "Update Touchstone, or choose another workspace. Nothing was changed.",
        )
    _back_up(db, path)
    with transaction(db):
        migrations.apply(db)
        db.conn.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _back_up(db: Database, path: Path) -> None:
    if not db.table_names():
        return
    backup = path.with_name(f"{path.name}.before-schema-{SCHEMA_VERSION}")
    if not backup.exists():
        with atomic_write(backup) as partial:
            copy_into(db, partial)


def copy_into(db: Database, target: Path) -> None:
    """A copy of the database as of one moment, in a new file; readers and writers go on."""
    db.conn.execute("VACUUM INTO ?", [str(target)])


def _translated(err: Exception, workspace: Workspace) -> WorkspaceError:
    text, path = str(err).lower(), workspace.database
    if "locked" in text:
        return WorkspaceError(
            "The database is busy with another write.", "Nothing was lost; try again in a moment."
        )
    if "full" in text or disk_is_full(workspace):
        return WorkspaceError(
            f"The disk of {path.parent} is full.",
            "Nothing that was stored is lost. Delete what you no longer need on this disk, such as "
            "datasets or runs, and try again.",
        )
    if "readonly" in text or "unable to open" in text or not os.access(path.parent, os.W_OK):
        return WorkspaceError(
            f"The workspace {path.parent} cannot be written: the disk is read-only, or the files "
            "belong to another user.",
            "Mount the disk writable or correct the permissions, or choose another workspace.",
        )
    if "not a database" in text or "malformed" in text:
        return WorkspaceError(
            f"{path} cannot be read: {err}.",
            "Restore it from a backup, or choose another workspace.",
        )
    return WorkspaceError(f"The database {path} refused a request: {err}.", "See the log file.")
