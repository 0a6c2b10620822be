"""People: who may enter, with which role; who is here now and what that person may do."""

import secrets
import time
from dataclasses import dataclass

from core.administration import sign_in_of
from core.domain.configs.administration import AuthMode
from core.domain.ids import utc_now
from core.domain.keeping.people import (
    MAX_USER_NAME,
    MAY,
    Account,
    Actor,
    Right,
    Role,
    Standing,
    acting_as,
    as_program,
    who,
)
from core.domain.names import normal_name
from core.domain.record import RecordedAction
from core.errors import ConfigError, NotAllowedError
from core.store.database import connect, transaction
from core.store.keeping import record
from core.store.people import accounts, guard
from core.workspace import Workspace

_TOKEN_BYTES = 32
_REFUSALS_APART_S = 60.0


@dataclass(frozen=True)
class MadeToken:
    """A new token, shown once; only its digest is kept."""

    account: Account
    token: str


def is_on(workspace: Workspace) -> bool:
    """Whether people have to sign in."""
    return sign_in_of(workspace.root).mode is not AuthMode.OFF


def list_users(workspace: Workspace) -> list[Account]:
    """All people who may sign in, and those who no longer may."""
    with connect(workspace) as db:
        return accounts.list_accounts(db)


def add_user(workspace: Workspace, name: str, role: Role) -> Account:
    """Let a person in.

    Args:
        workspace: into which.
        name: as the provider or the proxy says it, such as an address of electronic mail.
        role: what the person may do.

    Raises:
        ConfigError: if that is no name.
        NameTakenError: if there is a user of this name.
        NotAllowedError: if whoever acts may not.
    """
    clean = normal_name(name)
    if not clean or len(clean) > MAX_USER_NAME:
        raise ConfigError(
            f"A user has a name of 1 to {MAX_USER_NAME} characters.",
            "Give it as the provider or the proxy says it, such as kim@example.com.",
        )
    with connect(workspace) as db, transaction(db):
        accounts.insert_account(db, clean, role, now=utc_now())
        return accounts.known_account(db, clean)


def set_role(workspace: Workspace, name: str, role: Role) -> Account:
    """Give a person another role, from the next click on.

    Raises:
        NotFoundError: if there is no such user.
        ConfigError: if nobody would be left to administer.
    """
    with connect(workspace) as db, transaction(db):
        account = accounts.known_account(db, name)
        if role is not Role.ADMIN:
            _refuse_last_admin(accounts.list_accounts(db), account)
        accounts.set_role(db, name, role)
        return accounts.known_account(db, name)


def set_disabled(workspace: Workspace, name: str, *, disabled: bool) -> Account:
    """Shut a person out from the next click on, or let one in again.

    Raises:
        NotFoundError: if there is no such user.
        ConfigError: if nobody would be left to administer.
    """
    with connect(workspace) as db, transaction(db):
        account = accounts.known_account(db, name)
        if disabled:
            _refuse_last_admin(accounts.list_accounts(db), account)
        accounts.set_disabled(db, name, disabled=disabled)
        return accounts.known_account(db, name)


def _refuse_last_admin(known: list[Account], account: Account) -> None:
    admins = [one.name for one in known if one.role is Role.ADMIN and not one.disabled]
    if admins == [account.name]:
        raise ConfigError(
            f"'{account.name}' is the only administrator.", "Make somebody else one first."
        )


def make_token(workspace: Workspace, name: str) -> MadeToken:
    """Make a token with which programs ask as this person; an earlier one stops working.

    Raises:
        NotFoundError: if there is no such user.
        ConfigError: if the account is disabled.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with connect(workspace) as db, transaction(db):
        account = accounts.known_account(db, name)
        if account.disabled:
            raise ConfigError(
                f"The account '{account.name}' is disabled.", "Enable it first: touchstone users."
            )
        accounts.set_token(db, name, token)
    return MadeToken(account, token)


def may_predict_with(workspace: Workspace, token: str) -> bool:
    """Whether a token belongs to somebody who may classify images now."""
    with as_program(), connect(workspace) as db:
        account = accounts.account_of_token(db, token)
    return account is not None and not account.disabled and Right.PREDICT in MAY[account.role]


def end_sessions(workspace: Workspace, name: str) -> None:
    """Sign a person out, everywhere.

    Raises:
        NotFoundError: if there is no such user.
        NotAllowedError: if that is somebody else, and whoever acts administers nobody.
    """
    with connect(workspace) as db:
        account = accounts.known_account(db, name)
        if account != here(workspace):
            guard.require(db, Right.ADMINISTER, "sessions of others")
    with as_program(), connect(workspace) as db, transaction(db):
        accounts.set_signed_out(db, name, at=utc_now())


def enter(workspace: Workspace, actor: Actor) -> Account:
    """Let somebody in whom a provider or a proxy has named; each new session is recorded.

    Raises:
        NotSignedInError: if the session is over.
        NotAllowedError: if the person has no account, or may not enter.
    """
    settings, now = sign_in_of(workspace.root), utc_now()
    with as_program(), connect(workspace) as db:
        account = guard.entered(db, settings, actor, now=now)
        # Why by hours for a proxy: it says who asks, but not since when.
        is_new = (
            actor.since > account.signed_in_at
            if settings.mode is AuthMode.OIDC
            else now - account.signed_in_at > settings.session_hours * 3600
        )
        if is_new:
            with acting_as(Actor(account.name, Standing.PROGRAM)), transaction(db):
                accounts.set_signed_in(db, account.name, at=actor.since or now)
    return account


_refused_at: dict[str, float] = {}


def record_refused_entry(workspace: Workspace, name: str, why: NotAllowedError) -> None:
    """Record that somebody was not let in; a name once a minute, since browsers ask again."""
    now = time.monotonic()
    if now - _refused_at.get(name, -_REFUSALS_APART_S) < _REFUSALS_APART_S:
        return
    if len(_refused_at) > 1000:  # names of strangers
        _refused_at.clear()
    _refused_at[name] = now
    with as_program(), connect(workspace) as db, transaction(db):
        record.add(db, RecordedAction.ENTRY_REFUSED, name=name[:MAX_USER_NAME], reason=why.message)


def here(workspace: Workspace) -> Account | None:
    """The account of whoever acts; None while signing in is off, and for the program itself."""
    actor = who()
    if not is_on(workspace) or actor.standing is not Standing.ACCOUNT:
        return None
    with as_program(), connect(workspace) as db:
        return accounts.find_account(db, actor.name)


def refusal(account: Account | None, right: Right) -> str | None:
    """Why an account may not, for a button that is disabled; None: it may.

    So may everybody where nobody signs in. The check that counts is made again at each write.
    """
    if account is None or right in MAY[account.role]:
        return None
    return guard.refusal(account, right).message


def require(workspace: Workspace, right: Right, what: str) -> None:
    """Raise unless whoever acts has a right; for what writes files before it stores a row.

    Args:
        workspace: in which.
        right: that is needed.
        what: for the record.

    Raises:
        NotAllowedError: if it is missing; recorded.
    """
    with connect(workspace) as db:
        guard.require(db, right, what)


def of_command_line(workspace: Workspace, system_account: str, named: str) -> Actor:
    """Who acts by commands.

    The account of the system that runs them owns the files, and can do what it likes with them:
    it may do everything, unless it is itself a user of this name, or names one to act as.

    Args:
        workspace: that is used.
        system_account: who runs the command.
        named: the user to act as; empty: nobody was named.
    """
    if named:
        return Actor(named, Standing.ACCOUNT, utc_now())
    with as_program(), connect(workspace) as db:
        known = accounts.find_account(db, system_account) if system_account else None
    if known is not None:
        return Actor(known.name, Standing.ACCOUNT, utc_now())
    return Actor(system_account, Standing.PROGRAM)
