"""The one place where every write is checked: SQLite asks it before it prepares a statement.

Each connection that is opened while signing in is on belongs to whoever acts then: see `who` in
`core/domain/keeping/people.py`. It is refused to people who may not enter, and lets the others
write what the role in their row allows, read anew each time. No page, route, command or workflow
can forget that. The program itself, its workers and the account that owns the files are let
through.
"""

import time
from weakref import WeakKeyDictionary

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3  # type: ignore[attr-defined]

from core.administration import sign_in_of
from core.domain.configs.administration import AuthMode, SignIn
from core.domain.ids import utc_now
from core.domain.keeping.people import MAY, Account, Actor, Right, Standing, roles_with, who
from core.domain.record import RecordedAction
from core.errors import NotAllowedError, NotSignedInError
from core.store.keeping import record
from core.store.people.accounts import find_account
from core.words import joined
from core.workspace import Workspace

# What is needed to write to a table; None: everybody who may enter. Whatever is missing here needs
# all rights, and a test says that it is missing.
TABLES: dict[str, Right | None] = {
    "batch_images": Right.TRAIN,
    "bin": Right.DELETE,  # deleting into it and restoring: `workflows/keeping/bin.py`
    "bin_rows": Right.DELETE,
    "criteria": Right.SIGN_OFF,
    "dataset_versions": Right.DATA,
    "datasets": Right.DATA,
    "detail_trials": Right.TRAIN,
    "epoch_details": Right.TRAIN,
    "epochs": Right.TRAIN,
    "file_checks": Right.DATA,
    "finding_decisions": Right.DATA,
    "findings": Right.DATA,
    "focus": Right.TRAIN,
    "head_trials": Right.TRAIN,
    "heats": Right.TRAIN,
    "insights": Right.DATA,
    "intended_uses": Right.SIGN_OFF,
    "jobs": Right.PREDICT,  # and that of its kind: `store/jobs.py`
    "marks": Right.FEEDBACK,
    "model_chunks": Right.TRAIN,
    "model_pieces": Right.TRAIN,
    "models": Right.TRAIN,
    "openings": None,  # whoever sees results is recorded; to open them is checked where it is done
    "operating_points": Right.SIGN_OFF,
    "part_answers": Right.DATA,
    "penalty_path": Right.TRAIN,
    "predicted_images": None,  # whoever has an image classified; to forget them is checked there
    "predictions": Right.TRAIN,
    "quality_checks": Right.DATA,
    "record": None,  # what was done or refused; triggers let nobody change it
    "reports": Right.SIGN_OFF,
    "run_records": Right.TRAIN,
    "runs": Right.TRAIN,
    "sample_changes": Right.DATA,
    "samples": Right.DATA,
    "seals": Right.SIGN_OFF,
    "searches": Right.TRAIN,
    "split_members": Right.DATA,
    "splits": Right.DATA,
    "studies": Right.TRAIN,
    "trials": Right.TRAIN,
    "users": Right.ADMINISTER,
    "verdicts": Right.SIGN_OFF,
}
GONE_FOR_GOOD = frozenset({"datasets", "splits", "runs", "models"})
_SCHEMA = "the schema"
_REPEATED_AFTER_S = 10.0
_OF_RECORD = "record_"  # how the triggers of the record are called
_WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_SCHEMA_CHANGES = (
    sqlite3.SQLITE_ALTER_TABLE,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_CREATE_TRIGGER,
    sqlite3.SQLITE_CREATE_VIEW,
    sqlite3.SQLITE_DROP_INDEX,
    sqlite3.SQLITE_DROP_TABLE,
    sqlite3.SQLITE_DROP_TRIGGER,
    sqlite3.SQLITE_DROP_VIEW,
)


class WriteGuard:
    """What SQLite asks about each statement of one connection; remembers the first refusal."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.refused: Right | None = None
        self.refused_what = ""

    def may(self, right: Right | None) -> bool:
        """Whether the person has a right."""
        return right is None or right in MAY[self.account.role]

    def refuse(self, right: Right, what: str) -> None:
        """Remember what was refused."""
        if self.refused is None:
            self.refused, self.refused_what = right, what

    def error(self) -> NotAllowedError:
        """The refusal in words."""
        assert self.refused is not None
        return refusal(self.account, self.refused)

    def __call__(
        self,
        action: int,
        table: str | None,
        column: str | None,
        schema: str | None,
        trigger: str | None,
    ) -> int:
        """Allow or deny one operation of a statement; the arguments are those of SQLite."""
        del column, schema
        if action in _WRITES:
            # Why: the record follows from the change, and is written with it.
            if trigger and trigger.startswith(_OF_RECORD):
                return int(sqlite3.SQLITE_OK)
            right = needed(table or "", deletes=action == sqlite3.SQLITE_DELETE)
        elif action in _SCHEMA_CHANGES:
            right = Right.ADMINISTER
            table = _SCHEMA
        else:
            return int(sqlite3.SQLITE_OK)
        if self.may(right):
            return int(sqlite3.SQLITE_OK)
        assert right is not None
        self.refuse(right, table or "")
        return int(sqlite3.SQLITE_DENY)


def needed(table: str, *, deletes: bool = False) -> Right | None:
    """The right to write to a table, or to delete rows of it; None: nobody needs one."""
    if deletes and table in GONE_FOR_GOOD:
        return Right.DELETE
    return TABLES.get(table, Right.ADMINISTER)


_guards: "WeakKeyDictionary[Database, WriteGuard]" = WeakKeyDictionary()


def let_in(db: Database, workspace: Workspace) -> WriteGuard | None:
    """Guard a new connection by who acts now; None: it may do everything.

    Raises:
        NotSignedInError: if nobody is signed in, or the session is over.
        NotAllowedError: if the person may not enter.
    """
    settings = sign_in_of(workspace.root)
    actor = who()
    if settings.mode is AuthMode.OFF or actor.standing is Standing.PROGRAM:
        return None
    guard = WriteGuard(entered(db, settings, actor, now=utc_now()))
    db.conn.set_authorizer(guard)
    _guards[db] = guard
    return guard


def let_out(db: Database) -> None:
    """Take the guard of a connection away, before somebody else gets it."""
    if _guards.pop(db, None) is not None:
        db.conn.set_authorizer(None)


def entered(db: Database, settings: SignIn, actor: Actor, *, now: float) -> Account:
    """The account of whoever acts, if it may enter now.

    Raises:
        NotSignedInError: if nobody is signed in, or the session is over.
        NotAllowedError: if the person may not enter.
    """
    if actor.standing is Standing.NOBODY or not actor.name:
        raise NotSignedInError("Nobody is signed in here.", "Sign in: open the start page again.")
    if settings.mode is AuthMode.CLOSED:
        raise NotAllowedError(
            "Touchstone is closed at the moment: nobody may sign in.",
            "An administrator sees why with `touchstone limits`, and changes auth.mode.",
        )
    account = find_account(db, actor.name)
    if account is None:
        raise NotAllowedError(
            f"'{actor.name}' has no account in this workspace.",
            "An administrator adds one: touchstone users add NAME --role ROLE.",
        )
    if account.disabled:
        raise NotAllowedError(
            f"The account '{account.name}' is disabled.", "Ask an administrator if that is wrong."
        )
    if is_over(account, actor.since, settings.session_hours, now=now):
        raise NotSignedInError("Your session is over.", "Reload the page and sign in again.")
    return account


def is_over(account: Account, since: float, hours: float, *, now: float) -> bool:
    """Whether a session has lasted its time, or the person has signed out since it began.

    `since` is in whole seconds where a cookie says it.
    """
    return now - since > hours * 3600 or since + 1 <= account.signed_out_at


def require(db: Database, right: Right, what: str) -> None:
    """Raise unless the person of a connection has a right; for what is no row of a table.

    Args:
        db: an open connection.
        right: that is needed.
        what: for the record.

    Raises:
        NotAllowedError: if it is missing.
    """
    guard = _guards.get(db)
    if guard is not None and not guard.may(right):
        guard.refuse(right, what)
        raise guard.error()


def refusal(account: Account, right: Right) -> NotAllowedError:
    """Such as "You are signed in as Kim (viewer) and may not change data"."""
    roles = [f"{role.value}s" for role in roles_with(right)]
    return NotAllowedError(
        f"You are signed in as {account.name} ({account.role.value}) and may not {right.words}.",
        f"This is for {joined(roles)}; ask an administrator. The attempt is recorded.",
    )


_recorded: dict[tuple[str, str, str], float] = {}


def record_refusal(db: Database, guard: WriteGuard) -> None:
    """Record what was refused; call inside a transaction of the program.

    The same once more within seconds is left out: whoever tries all day must not fill the disk.
    """
    assert guard.refused is not None
    key = guard.account.name, guard.refused.value, guard.refused_what
    if time.monotonic() - _recorded.get(key, -_REPEATED_AFTER_S) < _REPEATED_AFTER_S:
        return
    _recorded[key] = time.monotonic()
    record.add(
        db,
        RecordedAction.REFUSED,
        subject=guard.refused.value,
        name=guard.refused_what,
        new=guard.account.role.value,
    )
