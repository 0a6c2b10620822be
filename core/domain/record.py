"""The record of changes: what happened to which thing, by whom, and how rows are chained."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

GENESIS = "0" * 64  # what the first row is chained to


class RecordedAction(StrEnum):
    """What can stand in the record."""

    BEGAN = "record began"
    DATASET_IMPORTED = "dataset imported"
    DATASET_EDITED = "dataset edited"
    DATASET_RENAMED = "dataset renamed"
    DATASET_MOVED = "image folder moved"
    DATASET_DELETED = "dataset deleted"
    PIXELS_SET = "preprocessing set"
    FINDING_SETTLED = "finding settled"
    PARTS_ANSWERED = "look-alikes answered"
    MARKED = "image marked"
    UNMARKED = "mark removed"
    SPLIT_MADE = "split made"
    SPLIT_SEALED = "test images sealed"
    SPLIT_DELETED = "split deleted"
    TRAINING_STARTED = "training started"
    RUN_DELETED = "run deleted"
    MODEL_MADE = "model made"
    MODEL_RENAMED = "model renamed"
    MODEL_DELETED = "model deleted"
    MODEL_STAGED = "model stage set"
    MODEL_NOTED = "model note written"
    THRESHOLD_SAVED = "threshold saved"
    CRITERIA_SET = "release criteria set"
    TEST_SEALED = "test sealed"
    TEST_OPENED = "sealed test opened"
    RESULTS_VIEWED = "test results viewed"
    USE_DESCRIBED = "intended use described"
    REPORT_MADE = "report made"
    EXPORTED = "exported"
    BACKUP_BEGUN = "backup begun"
    BACKED_UP = "backed up"
    BACKUP_FAILED = "backup failed"
    CACHE_CLEARED = "caches cleared"
    RESTORED = "restored"
    DELETED_FOR_GOOD = "deleted for good"
    USER_ADDED = "user added"
    ROLE_SET = "role set"
    USER_DISABLED = "user disabled"
    USER_ENABLED = "user enabled"
    TOKEN_MADE = "token made"
    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    ENTRY_REFUSED = "entry refused"
    REFUSED = "refused"


@dataclass(frozen=True)
class RecordRow:
    """One row of the record.

    `subject` is an id, `name` what people call it; `old` and `new` are texts, often JSON, None
    where there was nothing. `at` is in seconds since 1970, UTC. `digest` chains the row to the one
    before it: it is that of `chained(previous digest, …)`.
    """

    number: int
    at: float
    person: str
    action: str
    subject: str
    name: str
    old: str | None
    new: str | None
    reason: str
    digest: str

    def expected_digest(self, previous: str) -> str:
        """What `digest` must be after a row with the digest `previous`."""
        return chained(
            previous,
            self.number,
            self.at,
            self.person,
            self.action,
            self.subject,
            self.name,
            self.old,
            self.new,
            self.reason,
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
    SHARED_WEIGHTS = "missing or altered weights of several models"
    MODEL = "altered model"
    FILE = "changed or missing image file"


@dataclass(frozen=True)
class Alteration:
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


def chained(previous: str | None, *values: object) -> str:
    """SHA-256 in hexadecimal of a row and of the digest before it.

    Args:
        previous: digest of the row before; None or empty: there is none.
        values: of the row, in the order of its columns.
    """
    row = json.dumps([previous or GENESIS, *values], ensure_ascii=True)
    return hashlib.sha256(row.encode()).hexdigest()


def in_utc(at: float) -> str:
    """Seconds since 1970 as `2026-11-29 14:03:07`, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
