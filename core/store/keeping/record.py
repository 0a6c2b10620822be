"""The record: rows that triggers write in the same transaction as the change, and never change.

Why triggers: no code that writes can forget the record, and none can write it without the change.
They need functions of the connection (`functions`), so other programs can read a workspace but not
write to what is recorded.
"""

import json
from collections.abc import Callable, Iterator

from sqlite_utils import Database

from core.domain.ids import utc_now
from core.domain.keeping.people import who
from core.domain.record import RecordedAction, RecordRow, chained

_COLUMNS = "number, at, person, action, subject, name, old, new, reason"

_TABLE = """
CREATE TABLE record (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, person TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, name TEXT NOT NULL, old TEXT, new TEXT, reason TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;
CREATE INDEX record_by_subject ON record (subject);
CREATE TRIGGER record_chain AFTER INSERT ON record BEGIN
    UPDATE record SET digest = record_digest(
        (SELECT digest FROM record WHERE number = NEW.number - 1), NEW.number, NEW.at, NEW.person,
        NEW.action, NEW.subject, NEW.name, NEW.old, NEW.new, NEW.reason) WHERE number = NEW.number;
END;
CREATE TRIGGER record_is_not_changed BEFORE UPDATE ON record WHEN OLD.digest <> '' BEGIN
    SELECT RAISE(ABORT, 'the record cannot be changed');
END;
CREATE TRIGGER record_is_not_deleted BEFORE DELETE ON record BEGIN
    SELECT RAISE(ABORT, 'the record cannot be changed');
END
"""

_DATASET = "(SELECT name FROM datasets WHERE id = {row}.dataset_id)"
_MODEL = "coalesce((SELECT name FROM models WHERE id = {row}.model_id), '')"
_SAMPLE = "coalesce((SELECT name FROM samples WHERE id = {row}.sample_id), '')"
_BEFORE = "(SELECT {column} FROM {table} WHERE {key} = NEW.{key})"


def _trigger(
    action: RecordedAction,
    event: str,
    *,
    subject: str,
    name: str,
    old: str = "NULL",
    new: str = "NULL",
    reason: str = "''",
    person: str = "''",
) -> str:
    """One trigger; `event` is such as `AFTER INSERT ON splits`, the rest are SQL expressions."""
    return (
        f"CREATE TRIGGER record_{action.name.lower()} {event} BEGIN"
        " INSERT INTO record (at, person, action, subject, name, old, new, reason, digest) VALUES"
        f" (record_now(), coalesce(nullif({person}, ''), record_person()), '{action}',"
        f" CAST({subject} AS TEXT), coalesce({name}, ''), {old}, {new}, {reason}, ''); END"
    )


def _replaced(action: RecordedAction, table: str, key: str, column: str, name: str) -> str:
    """A value that replaces the one before; read before the old row is gone."""
    return _trigger(
        action,
        f"BEFORE INSERT ON {table}",
        subject=f"NEW.{key}",
        name=name,
        old=_BEFORE.format(column=column, table=table, key=key),
        new=f"NEW.{column}",
    )


# What a settled finding is about: a newer check replaces it, and its row here must still tell. The
# names of its first two images, how many it has, and the class of the first.
_SETTLED = """coalesce((
    SELECT json_object('finding', NEW.key, 'status', NEW.status, 'kind', f.kind,
        'images', (SELECT json_group_array(name) FROM (SELECT s.name FROM json_each(f.sample_ids) j
            JOIN samples s ON s.id = j.value ORDER BY j.key LIMIT 2)),
        'image_count', json_array_length(f.sample_ids),
        'class', (SELECT json_extract(d.class_names, '$[' || s.label || ']') FROM samples s
            JOIN datasets d ON d.id = s.dataset_id WHERE s.id = f.sample_ids ->> 0))
    FROM findings f WHERE f.dataset_id = NEW.dataset_id AND f.key = NEW.key LIMIT 1
), json_object('finding', NEW.key, 'status', NEW.status))"""
_VERSION = "json_object('version', NEW.number, 'images', NEW.sample_count, 'digest', NEW.digest)"


# Where the row in force must be what was recorded last: action, table, key, column.
IN_FORCE = (
    (RecordedAction.THRESHOLD_SAVED, "operating_points", "model_id", "settings"),
    (RecordedAction.CRITERIA_SET, "criteria", "dataset_id", "settings"),
    (RecordedAction.USE_DESCRIBED, "intended_uses", "model_id", "text"),
)


def _triggers() -> Iterator[str]:
    action = RecordedAction
    yield _trigger(
        action.DATASET_IMPORTED,
        "AFTER INSERT ON datasets",
        subject="NEW.id",
        name="NEW.name",
        new="json_object('images', NEW.sample_count, 'digest', NEW.digest, 'from', NEW.source)",
    )
    yield _trigger(
        action.DATASET_EDITED,
        "AFTER INSERT ON dataset_versions WHEN NEW.number > 1",
        subject="NEW.dataset_id",
        name=_DATASET.format(row="NEW"),
        new=_VERSION,
        reason="NEW.summary",
    )
    for recorded, column in (
        (action.DATASET_RENAMED, "name"),
        (action.DATASET_MOVED, "source"),
        (action.PIXELS_SET, "preprocess"),
    ):
        yield _trigger(
            recorded,
            f"AFTER UPDATE OF {column} ON datasets WHEN OLD.{column} IS NOT NEW.{column}",
            subject="NEW.id",
            name="NEW.name",
            old=f"OLD.{column}",
            new=f"NEW.{column}",
        )
    yield _trigger(
        action.DATASET_DELETED,
        "AFTER DELETE ON datasets",
        subject="OLD.id",
        name="OLD.name",
        old="json_object('images', OLD.sample_count, 'digest', OLD.digest)",
    )
    yield _trigger(
        action.FINDING_SETTLED,
        "AFTER INSERT ON finding_decisions",
        subject="NEW.dataset_id",
        name=_DATASET.format(row="NEW"),
        new=_SETTLED,
    )
    yield _trigger(
        action.PARTS_ANSWERED,
        "AFTER INSERT ON part_answers",
        subject="NEW.dataset_id",
        name=_DATASET.format(row="NEW"),
        new="json_object('answer', NEW.answer, 'images', NEW.sample_ids)",
    )
    yield _trigger(
        action.MARKED,
        "AFTER INSERT ON marks",
        subject="NEW.sample_id",
        name=_SAMPLE.format(row="NEW"),
        new="NEW.kind",
    )
    yield _trigger(
        action.UNMARKED,
        "AFTER DELETE ON marks",
        subject="OLD.sample_id",
        name=_SAMPLE.format(row="OLD"),
        old="OLD.kind",
    )
    yield _trigger(
        action.SPLIT_MADE,
        "AFTER INSERT ON splits",
        subject="NEW.id",
        name="NEW.name",
        new="json_object('dataset', NEW.dataset_id, 'seed', NEW.seed, 'digest', NEW.digest)",
    )
    yield _trigger(
        action.SPLIT_SEALED,
        "AFTER UPDATE OF sealed ON splits WHEN NEW.sealed AND NOT OLD.sealed",
        subject="NEW.id",
        name="NEW.name",
        new="NEW.digest",
    )
    yield _trigger(
        action.SPLIT_DELETED,
        "AFTER DELETE ON splits",
        subject="OLD.id",
        name="OLD.name",
        old="OLD.digest",
    )
    yield _trigger(
        action.TRAINING_STARTED,
        "AFTER INSERT ON runs",
        subject="NEW.id",
        name="NEW.name",
        new="json_object('dataset', NEW.dataset_id, 'split', NEW.split_id, 'train', NEW.train,"
        " 'augment', NEW.augment, 'preprocess', NEW.preprocess)",
    )
    yield _trigger(action.RUN_DELETED, "AFTER DELETE ON runs", subject="OLD.id", name="OLD.name")
    yield _trigger(
        action.MODEL_MADE,
        "AFTER INSERT ON models",
        subject="NEW.id",
        name="NEW.name",
        new="json_object('sha256', NEW.sha256, 'run', NEW.run_id, 'network', NEW.network)",
    )
    yield _trigger(
        action.MODEL_RENAMED,
        "AFTER UPDATE OF name ON models WHEN OLD.name IS NOT NEW.name",
        subject="NEW.id",
        name="NEW.name",
        old="OLD.name",
        new="NEW.name",
    )
    yield _trigger(
        action.MODEL_DELETED,
        "AFTER DELETE ON models",
        subject="OLD.id",
        name="OLD.name",
        old="json_object('sha256', OLD.sha256)",
    )
    model = _MODEL.format(row="NEW")
    for recorded, table, key, column in IN_FORCE:
        name = model if key == "model_id" else _DATASET.format(row="NEW")
        yield _replaced(recorded, table, key, column, name)
    yield _trigger(
        action.TEST_SEALED,
        "AFTER INSERT ON seals",
        subject="NEW.model_id",
        name=model,
        new="json_object('criteria', NEW.criteria, 'threshold', NEW.operating_point,"
        " 'test images', NEW.test_digest)",
    )
    yield _trigger(
        action.TEST_OPENED,
        "AFTER UPDATE OF opened_at ON seals WHEN OLD.opened_at IS NULL"
        " AND NEW.opened_at IS NOT NULL",
        subject="NEW.model_id",
        name=model,
    )
    yield _trigger(
        action.RESULTS_VIEWED,
        "AFTER INSERT ON openings",
        subject="NEW.model_id",
        name="NEW.model_name",
        new="NEW.kind",
        reason="NEW.purpose",
        person="NEW.person",
    )
    yield _trigger(
        action.REPORT_MADE,
        "AFTER INSERT ON reports",
        subject="NEW.model_id",
        name=model,
        new="json_object('report', NEW.id, 'form', NEW.form, 'against', NEW.against)",
        person="NEW.person",
    )


def _user_triggers() -> Iterator[str]:
    """What happens to the people who may sign in; their table came later than the record."""
    action = RecordedAction
    yield _trigger(
        action.USER_ADDED,
        "AFTER INSERT ON users",
        subject="NEW.name",
        name="NEW.name",
        new="NEW.role",
    )
    yield _trigger(
        action.ROLE_SET,
        "AFTER UPDATE OF role ON users WHEN NEW.role <> OLD.role",
        subject="NEW.name",
        name="NEW.name",
        old="OLD.role",
        new="NEW.role",
    )
    for recorded, column, when in (
        (action.USER_DISABLED, "disabled", "NEW.disabled AND NOT OLD.disabled"),
        (action.USER_ENABLED, "disabled", "OLD.disabled AND NOT NEW.disabled"),
        (action.TOKEN_MADE, "token_digest", "NEW.token_digest IS NOT NULL"),
        (action.SIGNED_IN, "signed_in_at", "NEW.signed_in_at > OLD.signed_in_at"),
        (action.SIGNED_OUT, "signed_out_at", "NEW.signed_out_at > OLD.signed_out_at"),
    ):
        yield _trigger(
            recorded,
            f"AFTER UPDATE OF {column} ON users WHEN {when}",
            subject="NEW.name",
            name="NEW.name",
        )


def create_for_users(db: Database) -> None:
    """The triggers on the table of people; part of a migration."""
    for statement in _user_triggers():
        db.conn.execute(statement)


def create(db: Database) -> None:
    """The table and its triggers, and the first row; part of a migration."""
    for statement in (*_statements(_TABLE), *_triggers()):
        db.conn.execute(statement)
    counted = {
        table: db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("datasets", "splits", "runs", "models")
    }
    add(db, RecordedAction.BEGAN, new=", ".join(f"{n} {table}" for table, n in counted.items()))


def tell_settled_findings(db: Database) -> None:
    """What a settled finding is about stands in its row; part of a migration."""
    own = next(item for item in _triggers() if f"'{RecordedAction.FINDING_SETTLED}'" in item)
    db.conn.execute(f"DROP TRIGGER {own.split()[2]}")
    db.conn.execute(own)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; those between BEGIN and END belong together."""
    statement = ""
    for part in script.split(";"):
        statement += part
        if "BEGIN" in statement and not statement.rstrip().endswith("END"):
            statement += ";"
            continue
        yield statement
        statement = ""


def trigger_names() -> set[str]:
    """The triggers that keep the record."""
    named = ("record_chain", "record_is_not_changed", "record_is_not_deleted")
    every = (*_triggers(), *_user_triggers())
    return {*named, *(statement.split()[2] for statement in every)}


def functions() -> Iterator[tuple[str, int, Callable[..., str | float], bool]]:
    """What the triggers call: name, number of arguments (-1: any), function, deterministic."""
    yield "record_digest", -1, chained, True
    yield "record_now", 0, utc_now, False
    yield "record_person", 0, lambda: who().name, False


def add(
    db: Database,
    action: RecordedAction,
    subject: str = "",
    name: str = "",
    *,
    old: str | None = None,
    new: str | None = None,
    reason: str = "",
) -> None:
    """Record what changes no row, such as an export; call inside a transaction."""
    db.conn.execute(
        "INSERT INTO record (at, person, action, subject, name, old, new, reason, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')",
        [utc_now(), who().name, action.value, subject, name, old, new, reason],
    )


def every(db: Database, after: int = 0) -> Iterator[RecordRow]:
    """All rows from the oldest on, or those after a number."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS}, digest FROM record WHERE number > ? ORDER BY number", [after]
    )
    return (RecordRow(*row) for row in rows)


def newest(
    db: Database, *, text: str = "", actions: tuple[str, ...] = (), limit: int, offset: int = 0
) -> tuple[list[RecordRow], int]:
    """A page of the record, newest first, and how many rows match.

    Args:
        db: the workspace's database.
        text: part of a person, name, id, reason, or old or new value, in upper or lower case.
        actions: only these; empty: all.
        limit: rows of the page.
        offset: rows before it.
    """
    once = json.dumps(text)[1:-1]  # within JSON, an ü is written otherwise
    forms = {"text": text, "once": once, "twice": json.dumps(once)[1:-1]}
    columns = ("person", "name", "subject", "reason", "old", "new")
    likes = [f"{column} LIKE :text ESCAPE '!'" for column in columns]
    likes += [f"{c} LIKE :{form} ESCAPE '!'" for c in ("old", "new") for form in ("once", "twice")]
    where = f"({' OR '.join(likes)})"
    asked: dict[str, object] = {name: _like(form) for name, form in forms.items()}
    asked |= {"limit": limit, "offset": offset}
    if actions:
        names = [f":a{i}" for i in range(len(actions))]
        where += f" AND action IN ({', '.join(names)})"
        asked |= {name[1:]: value for name, value in zip(names, actions, strict=True)}
    total = db.conn.execute(f"SELECT count(*) FROM record WHERE {where}", asked).fetchone()[0]
    rows = db.conn.execute(
        f"SELECT {_COLUMNS}, digest FROM record WHERE {where}"
        " ORDER BY number DESC LIMIT :limit OFFSET :offset",
        asked,
    )
    return [RecordRow(*row) for row in rows.fetchall()], int(total)


def _like(text: str) -> str:
    """A pattern for what holds this text, whose escape is an exclamation mark."""
    return f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def newest_of(db: Database, action: RecordedAction) -> RecordRow | None:
    """The newest row of one action."""
    rows, _ = newest(db, actions=(action.value,), limit=1)
    return rows[0] if rows else None


def head(db: Database) -> RecordRow | None:
    """The newest row."""
    rows, _ = newest(db, limit=1)
    return rows[0] if rows else None
