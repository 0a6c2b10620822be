"""Who acts, which role has which right, and for what a job or a table needs one.

`MAY` is the one table of what a role may do. Nothing here matters while signing in is off: then
everybody may do everything, and a name only stands in the record.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from core.domain.jobs import JobKind

MAX_USER_NAME = 200


class Role(StrEnum):
    """What a person is for Touchstone; each one may do what those before it may."""

    VIEWER = "viewer"
    INSPECTOR = "inspector"
    ENGINEER = "engineer"
    ADMIN = "admin"


class Right(StrEnum):
    """What may be done beyond reading, which everybody may who is signed in."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    DATA = "data"
    TRAIN = "train"
    SIGN_OFF = "sign-off"
    DELETE = "delete"
    ADMINISTER = "administer"

    @property
    def words(self) -> str:
        """What it allows, in words that follow "may not"."""
        match self:
            case Right.PREDICT:
                return "classify images"
            case Right.FEEDBACK:
                return "give feedback or mark images"
            case Right.DATA:
                return "change data"
            case Right.TRAIN:
                return "train or change models"
            case Right.SIGN_OFF:
                return "decide on thresholds, tests and releases"
            case Right.DELETE:
                return "delete for good"
            case Right.ADMINISTER:
                return "administer users, backups and caches"
            case _:
                assert_never(self)


_INSPECTS = frozenset({Right.PREDICT, Right.FEEDBACK})
_BUILDS = _INSPECTS | {Right.DATA, Right.TRAIN, Right.SIGN_OFF}
MAY: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset(),
    Role.INSPECTOR: _INSPECTS,
    Role.ENGINEER: _BUILDS,
    Role.ADMIN: frozenset(Right),
}


def roles_with(right: Right) -> list[Role]:
    """The roles that have a right, the smallest first."""
    return [role for role in Role if right in MAY[role]]


def right_to_queue(kind: JobKind) -> Right:
    """What somebody needs to queue a job of a kind, and to stop or move one."""
    match kind:
        case JobKind.IMPORT | JobKind.FILES | JobKind.QUALITY | JobKind.NEW_IMAGES:
            return Right.DATA
        case JobKind.TRAIN | JobKind.SEARCH | JobKind.RATE:
            return Right.TRAIN
        case JobKind.PREDICT:
            return Right.PREDICT
        case JobKind.REPORT | JobKind.EXPLAIN | JobKind.GRADE | JobKind.ROBUSTNESS:
            return Right.SIGN_OFF
        case JobKind.BACKUP:
            return Right.ADMINISTER
        case _:
            assert_never(kind)


@dataclass(frozen=True)
class Account:
    """A person who may sign in; times are seconds since 1970, 0 where it never happened.

    What was begun before `signed_out_at` is over.
    """

    name: str
    role: Role
    disabled: bool
    created_at: float
    signed_in_at: float = 0.0
    signed_out_at: float = 0.0
    has_token: bool = False


class Standing(StrEnum):
    """On what authority somebody acts, while signing in is on."""

    NOBODY = "nobody"  # not signed in: nothing is shown or stored
    ACCOUNT = "account"  # a person of the users table: what its role may do
    PROGRAM = "program"  # the program itself, and the account that owns the files: everything


@dataclass(frozen=True)
class Actor:
    """Who acts; `since` is when the session began, in seconds since 1970."""

    name: str = ""
    standing: Standing = Standing.NOBODY
    since: float = 0.0


NOBODY = Actor()
PROGRAM = Actor("", Standing.PROGRAM)
_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
_under: ContextVar[Right | None] = ContextVar("under", default=None)
_usual: Callable[[], Actor] = lambda: NOBODY  # noqa: E731


def who() -> Actor:
    """Who acts in this thread or task: as said there, else as this process tells."""
    return _acting.get() or _usual()


def name_for_record(entered: str) -> str:
    """Who is named: the person who is signed in; else the name that somebody entered."""
    actor = who()
    return actor.name if actor.standing is Standing.ACCOUNT else entered


def usually(tell: Callable[[], Actor]) -> None:
    """Say who acts in this process where nothing else is said, in whatever thread.

    Why not a value of the thread: pages run again, in parts, and for callbacks in new threads.
    """
    global _usual
    _usual = tell


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Somebody acts inside of this block."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


@contextmanager
def as_program() -> Iterator[None]:
    """What the program does by itself, whoever looks on; the record still names that person."""
    with acting_as(Actor(who().name, Standing.PROGRAM)):
        yield


@contextmanager
def under(right: Right) -> Iterator[None]:
    """Jobs that are queued inside need this right instead of that of their kind."""
    token = _under.set(right)
    try:
        yield
    finally:
        _under.reset(token)


def needed_to_queue(kind: JobKind) -> Right:
    """As `right_to_queue`, unless something else was said with `under`."""
    return _under.get() or right_to_queue(kind)
