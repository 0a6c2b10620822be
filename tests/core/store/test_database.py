import hashlib
import shutil
import subprocess
import sys
import threading

import pytest
from sqlite_utils import Database

from core.domain.configs.administration import AuthMode, SignIn
from core.domain.keeping.people import Account, Role, as_program
from core.domain.splits import (
    Grouping,
    GroupKind,
    LeakCertificate,
    OrderBy,
    SplitMethod,
    SplitStrategy,
)
from core.errors import NotAllowedError, NotFoundError, WorkspaceError
from core.store import database, datasets, runs, splits, versions
from core.store.database import connect, opened_once, sqlite3, sqlite_warning, transaction
from core.store.people import guard as people
from core.store.schema import migrations as schema
from core.store.schema import statements
from core.workspace import Workspace


def test_every_connection_keeps_the_rules(workspace):
    with connect(workspace) as db:
        asked = {
            name: db.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10000,
    }


def test_migrations_run_once_when_many_processes_start_together(workspace):
    code = (
        "import sys\nfrom pathlib import Path\nfrom core.workspace import Workspace\n"
        "from core.store.database import connect\n"
        "with connect(Workspace(Path(sys.argv[1]))) as db:\n"
        "    print(len(list(db.query('SELECT * FROM _sqlite_migrations'))))\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.root)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == [
        str(schema.SCHEMA_VERSION)
    ] * 6


def test_threads_that_open_a_new_workspace_together_all_succeed(workspace):
    errors: list[BaseException] = []

    def work(number):
        try:
            for i in range(10):
                with connect(workspace) as db, transaction(db):
                    _insert_dataset(db, f"ds-{number}-{i}")
        except BaseException as err:
            errors.append(err)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with connect(workspace) as db:
        assert len(datasets.list_datasets(db)) == 80


def test_a_new_file_that_somebody_writes_to_is_waited_for(workspace):
    # SQLite refuses the switch to the write-ahead log at once while another one writes.
    holder = sqlite3.connect(str(workspace.database), check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, holder.close)
    release.start()
    with connect(workspace) as db:
        assert datasets.list_datasets(db) == []
    release.join()


def test_a_writer_that_never_ends_is_called_busy(workspace, monkeypatch):
    monkeypatch.setattr(database, "_patience_s", 0.1)
    said = []

    def write():
        try:
            with connect(workspace) as db, transaction(db):
                pass
        except WorkspaceError as err:
            said.append(err.message)

    with connect(workspace) as db, transaction(db):
        waiting = threading.Thread(target=write)
        waiting.start()
        waiting.join()
    assert said == ["The database is busy with another write."]


def test_a_newer_database_is_refused_without_a_write(workspace):
    with connect(workspace) as db:
        db.conn.execute("PRAGMA user_version=99")
    before = hashlib.sha256(workspace.database.read_bytes()).hexdigest()
    with pytest.raises(WorkspaceError, match="newer Touchstone"), connect(workspace):
        pass
    assert hashlib.sha256(workspace.database.read_bytes()).hexdigest() == before


def test_a_file_that_is_no_database_is_refused_and_kept(workspace):
    workspace.database.write_bytes(b"these are somebody's notes" * 100)
    with pytest.raises(WorkspaceError, match="cannot be read"), connect(workspace):
        pass
    assert workspace.database.read_bytes().startswith(b"these are")


def test_an_error_inside_a_transaction_leaves_no_trace(workspace):
    def insert_and_fail():
        with connect(workspace) as db, transaction(db):
            _insert_dataset(db, "ds-1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        insert_and_fail()
    with connect(workspace) as db:
        with pytest.raises(NotFoundError):
            datasets.find_dataset(db, "ds-1")
        with transaction(db):  # the connection is usable again
            _insert_dataset(db, "ds-1")


def test_a_half_done_migration_changes_nothing(workspace, monkeypatch):
    monkeypatch.setattr(statements, "FIRST", statements.FIRST + "CREATE NONSENSE;")
    with pytest.raises(WorkspaceError), connect(workspace):
        pass
    monkeypatch.undo()
    with connect(workspace) as db:
        assert datasets.list_datasets(db) == []


def test_a_locked_database_is_called_busy(workspace):
    def write_impatiently():
        with connect(workspace) as db:
            db.conn.execute("PRAGMA busy_timeout=100")
            with transaction(db):
                pass

    with connect(workspace):
        pass
    holder = sqlite3.connect(str(workspace.database))
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(WorkspaceError, match="busy"):
            write_impatiently()
    finally:
        holder.close()


def test_another_database_at_the_same_path_is_migrated_again(tmp_path):
    workspace = Workspace(tmp_path / "ws").create()
    with connect(workspace):
        pass
    for file in workspace.root.glob("workspace.db*"):
        file.unlink()
    with connect(workspace) as db:
        assert datasets.list_datasets(db) == []


def test_connections_that_follow_each_other_are_one_where_a_page_asks_for_it(workspace):
    with opened_once():
        with connect(workspace) as outer, connect(workspace) as first:
            assert first.conn is not outer.conn  # which would be in the middle of its transaction
        assert _is_closed(outer.conn)
        assert _connection(workspace) is first.conn
        others = []
        thread = threading.Thread(target=lambda: others.append(_connection(workspace)))
        thread.start()
        thread.join()
        assert others[0] is not first.conn
        with pytest.raises(ValueError, match="stop"), connect(workspace) as broken:
            raise ValueError("stop")
        assert broken.conn is first.conn
        with connect(workspace) as third:  # nobody knows in what state the other one is
            assert third.conn is not first.conn
        with connect(workspace) as open_ended:
            open_ended.conn.execute("BEGIN")
        assert _is_closed(open_ended.conn)
    assert _is_closed(third.conn)
    assert _connection(workspace) is not _connection(workspace)


def test_a_connection_is_not_used_again_for_a_file_that_took_its_place(workspace):
    with connect(workspace):
        pass
    copy = workspace.database.with_name("copy.db")
    shutil.copy(workspace.database, copy)
    with opened_once():
        first = _connection(workspace)
        copy.replace(workspace.database)
        assert _connection(workspace) is not first
        assert _is_closed(first)


def test_a_connection_that_is_used_again_is_guarded_by_who_acts_then(workspace, monkeypatch):
    viewer = Account("vera", Role.VIEWER, disabled=False, created_at=0.0)
    monkeypatch.setattr(people, "entered", lambda *_, **__: viewer)
    sign_in = SignIn(AuthMode.OIDC)
    monkeypatch.setattr(people, "sign_in_of", lambda _: sign_in)
    with opened_once():
        first = _connection(workspace)
        with as_program():
            assert _delete_datasets(workspace) is first
        with pytest.raises(NotAllowedError):
            _delete_datasets(workspace)
        assert _is_closed(first)


def _delete_datasets(workspace):
    with connect(workspace) as db, transaction(db):
        db.conn.execute("DELETE FROM datasets")
    return db.conn


def _connection(workspace):
    with connect(workspace) as db:
        return db.conn


def _is_closed(connection):
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
    return True


def test_the_sqlite_library_in_use_is_safe_or_named():
    safe = sqlite3.sqlite_version_info >= (3, 51, 3)
    assert (sqlite_warning() is None) == safe


def _insert_dataset(db, key):
    db.conn.execute(
        "INSERT INTO datasets (id, name, class_names, source, digest, sample_count, created_at,"
        " skipped, note) VALUES (?, ?, '[]', '', '', 0, 0.0, '[]', '')",
        [key, key],
    )


def test_a_workspace_of_the_first_schema_is_brought_along_with_a_backup(workspace):
    old = sqlite3.connect(str(workspace.database))
    old.executescript(
        statements.FIRST
        + "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT,"
        " applied_at TEXT);"
        "INSERT INTO _sqlite_migrations VALUES (1, 'touchstone', 'create_tables', '2026');"
        "INSERT INTO datasets VALUES ('ds-1', 'a', '[]', '', '', 0, 0.0, '[]', '', NULL);"
        "INSERT INTO splits VALUES ('split-1', 'ds-1', 's', 'stratified', 1, 1, 0, 0, 'd', 0.0);"
        "PRAGMA user_version=1;"
    )
    old.close()
    with connect(workspace) as db:
        assert splits.find_split(db, "ds-1", "s").certificate is None
        assert [v.number for v in versions.list_versions(db, "ds-1")] == [1]
    assert workspace.database.with_name(
        f"workspace.db.before-schema-{schema.SCHEMA_VERSION}"
    ).exists()


def test_a_migration_that_is_added_counts_in_the_version_of_the_schema(workspace):
    # The version was a number beside the migrations, which one could forget to raise.
    with connect(workspace) as db:
        applied = [migration.name for migration in schema.migrations.applied(db)]
        version = db.conn.execute("PRAGMA user_version").fetchone()[0]
    assert version == schema.SCHEMA_VERSION == len(applied) == len(schema.migrations._migrations)


FIELDS = {
    "stratified": SplitStrategy(),
    "grouped by auto": SplitStrategy(grouping=Grouping(GroupKind.LOOK_ALIKES)),
    "grouped by attribute:lot, 2": SplitStrategy(grouping=Grouping(GroupKind.ATTRIBUTE, "lot, 2")),
    "ordered by date, grouped by regex:(?P<group>a, grouped by b)": SplitStrategy(
        grouping=Grouping(GroupKind.PATTERN, "(?P<group>a, grouped by b)"), order_by=OrderBy.DATE
    ),
    "counts 60/20/20 per class, grouped by folder": SplitStrategy(
        SplitMethod.COUNTS, Grouping(GroupKind.FOLDER), counts=(60, 20, 20), per_class=True
    ),
    "counts 60/20/0": SplitStrategy(SplitMethod.COUNTS, counts=(60, 20, 0)),
    "3 folds, ordered by name, grouped by column": SplitStrategy(
        SplitMethod.FOLDS, Grouping(GroupKind.COLUMN), OrderBy.NAME
    ),
    "as delivered": SplitStrategy(SplitMethod.PROVIDED),
}
CERTIFICATE = (
    '{"groups_across": 1, "exact_across": 0, "near_across": null, "strategy": "grouped by auto",'
    ' "seed": 7, "digest": "d", "checked_at": 3.0, "kept_out": 2}'
)


@pytest.fixture
def before_fields(workspace):
    """A workspace of the sixth schema: strategies are sentences, folds are told by names."""
    db = Database(sqlite3.connect(str(workspace.database)))
    schema.migrations.apply(db, stop_before="add_strategy_fields")
    with db.conn:
        _insert_dataset(db, "ds-1")
        for number, words in enumerate(FIELDS):
            db.conn.execute(
                "INSERT INTO splits (id, dataset_id, name, strategy, seed, train, validation, test,"
                " digest, created_at, certificate, folds)"
                " VALUES (?, 'ds-1', ?, ?, 7, .6, .2, .2, 'd', 0.0, ?, ?)",
                [f"split-{number}", words, words, CERTIFICATE if number == 1 else None, 0],
            )
        for key, name, at, fold in (
            ("run-a", "CV: A; x fold 1 of 2", 1.0, 0),
            ("run-b", "CV: A; x fold 2 of 2", 1.0, 1),
            ("run-c", "CV: A; x fold 2 of 2", 2.0, 1),
            ("run-d", "plain fold 1 of 2", 1.0, None),
        ):
            db.conn.execute(
                "INSERT INTO runs (id, name, dataset_id, split_id, preprocess, augment, train,"
                " created_at, version, fold)"
                " VALUES (?, ?, 'ds-1', 'split-0', '{}', '{}', '{}', ?, 1, ?)",
                [key, name, at, fold],
            )
        db.conn.execute("PRAGMA user_version=6")
    db.conn.close()
    return workspace


def test_sentences_of_older_splits_become_fields_and_are_backed_up(before_fields):
    with connect(before_fields) as db:
        fields = {s.name: s.strategy for s in splits.list_splits(db, "ds-1")}
        certificate = splits.split_by_id(db, "split-1").certificate
    assert fields == FIELDS
    assert certificate == LeakCertificate(1, 0, None, 7, "d", checked_at=3.0, kept_out=2)
    backup = before_fields.database.with_name(f"workspace.db.before-schema-{schema.SCHEMA_VERSION}")
    rows = sqlite3.connect(str(backup)).execute("SELECT strategy FROM splits").fetchall()
    assert {words for (words,) in rows} == set(FIELDS)


def test_older_runs_that_were_started_together_get_a_common_id(before_fields):
    with connect(before_fields) as db:
        found = {run.id: run for run in runs.list_runs(db)}
    ids = {key: run.cross_validation_id for key, run in found.items()}
    assert ids == {"run-a": "cv-a", "run-b": "cv-a", "run-c": None, "run-d": None}
    assert [found[key].given_name for key in sorted(found)] == ["CV: A; x"] * 3 + [""]
    assert [found[key].folds for key in sorted(found)] == [2, 2, 2, 0]
