"""The record is written with every change, cannot be altered unseen, and survives a backup."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.domain.keeping.people import Actor, acting_as
from core.domain.models import ModelFormat
from core.domain.record import Fault, RecordedAction
from core.errors import ConfigError, WorkspaceError
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import judgement
from core.store.database import connect, sqlite3
from core.worker import backup as maker
from core.workflows.data import datasets, edits, exports
from core.workflows.keeping import backup, record
from core.workflows.results import access
from core.workflows.signoff import release
from core.workflows.use import exporting, models
from core.workspace import Workspace
from tests.made import add_model, make_dataset


@pytest.fixture
def kept(workspace: Workspace) -> Workspace:
    """A workspace in which Kim has done something of most kinds."""
    with acting_as(Actor("Kim")):
        made = make_dataset(workspace)
        model = add_model(made, "first")
        ids = [sample.id for sample in datasets.samples(workspace, "ds-1", limit=2)[0]]
        edits.exclude(workspace, "ds-1", ids)
        release.set_criteria(workspace, "ds-1", ReleaseCriteria(max_escape=0.05))
        release.set_criteria(workspace, "ds-1", ReleaseCriteria(max_escape=0.9))
        access.open_results(workspace, [model], "audit", person="Lee")
        models.rename_model(workspace, model.id, "second")
    return workspace


def _actions(workspace: Workspace) -> list[str]:
    return [row.action for row in reversed(record.entries(workspace)[0])]


def test_every_change_is_recorded_with_who_what_and_the_value_before(kept: Workspace) -> None:
    rows = {row.action: row for row in reversed(record.entries(kept)[0])}
    assert {
        RecordedAction.BEGAN,
        RecordedAction.DATASET_IMPORTED,
        RecordedAction.SPLIT_MADE,
        RecordedAction.MODEL_MADE,
        RecordedAction.DATASET_EDITED,
        RecordedAction.CRITERIA_SET,
        RecordedAction.RESULTS_VIEWED,
        RecordedAction.MODEL_RENAMED,
    } <= rows.keys()
    criteria = rows[RecordedAction.CRITERIA_SET]
    assert criteria.person == "Kim"
    assert json.loads(criteria.old or "")["max_escape"] == 0.05
    assert json.loads(criteria.new or "")["max_escape"] == 0.9
    viewed = rows[RecordedAction.RESULTS_VIEWED]
    assert (viewed.person, viewed.reason) == ("Lee", "audit")
    renamed = rows[RecordedAction.MODEL_RENAMED]
    assert (renamed.old, renamed.new) == ("first", "second")
    found, total = record.entries(kept, text="LEE")
    assert (total, found[0].action) == (1, RecordedAction.RESULTS_VIEWED)
    assert record.verify(kept) == []


def test_what_is_taken_back_is_not_recorded(kept: Workspace) -> None:
    before = _actions(kept)
    model = models.list_models(kept)[0]
    with connect(kept) as db:
        db.conn.execute("BEGIN IMMEDIATE")
        judgement.save_intended_use(db, model.id, "caps")
        db.conn.execute("ROLLBACK")
    assert _actions(kept) == before


def test_a_deleted_dataset_takes_nothing_out_of_the_record(kept: Workspace) -> None:
    datasets.delete_dataset(kept, datasets.list_datasets(kept)[0].id)
    assert {RecordedAction.DATASET_DELETED, RecordedAction.SPLIT_DELETED} <= set(_actions(kept))
    assert RecordedAction.DATASET_IMPORTED in _actions(kept)
    assert record.verify(kept) == []


def _by_hand(workspace: Workspace, *statements: str) -> None:
    """What somebody does to the file with another program, who knows how the record is kept."""
    db = sqlite3.connect(str(workspace.database))
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


_LOOSE = "DROP TRIGGER record_is_not_changed"
_FREE = "DROP TRIGGER record_is_not_deleted"


@pytest.mark.parametrize(
    ("statements", "fault", "where"),
    [
        ([_LOOSE, "UPDATE record SET person = 'Nobody' WHERE number = 3"], "ALTERED_ROW", "row 3 "),
        ([_FREE, "DELETE FROM record WHERE number = 4"], "MISSING_ROW", "row 4"),
        (["UPDATE criteria SET settings = '{}'"], "IN_FORCE", "criteria of"),
        (["UPDATE model_chunks SET data = x'00'"], "MODEL", "second"),
        ([_LOOSE], "TRIGGER", "record_is_not_changed"),
        (["INSERT INTO focus VALUES ('nobody', 1, 0.5)"], "RELATION", "focus"),
    ],
)
def test_what_is_altered_by_hand_is_named(
    kept: Workspace, statements: list[str], fault: str, where: str
) -> None:
    _by_hand(kept, *statements)
    problems = record.verify(kept)
    assert any(p.fault is Fault[fault] and where in p.where for p in problems), problems


def test_other_programs_cannot_write_what_is_recorded(kept: Workspace) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such function"):
        _by_hand(kept, "UPDATE models SET name = 'better'")


def test_the_record_cannot_be_changed_or_deleted_by_the_program_itself(kept: Workspace) -> None:
    for statement in ("UPDATE record SET reason = 'x'", "DELETE FROM record"):
        with pytest.raises(WorkspaceError, match="cannot be changed"), connect(kept) as db:
            db.conn.execute(statement)


def test_a_record_cut_off_at_its_end_is_found_by_what_was_written_down(kept: Workspace) -> None:
    anchor = record.anchor(kept)
    assert anchor is not None
    assert record.verify(kept, written_down=record.read_anchor(anchor.written)) == []
    _by_hand(
        kept,
        "DROP TRIGGER record_is_not_deleted",
        f"DELETE FROM record WHERE number = {anchor.number}",
        "CREATE TRIGGER record_is_not_deleted BEFORE DELETE ON record BEGIN SELECT 1; END",
    )
    assert record.verify(kept) == []
    assert [p.fault for p in record.verify(kept, written_down=anchor)] == [Fault.ANCHOR]
    with pytest.raises(ConfigError, match="is no anchor"):
        record.read_anchor("12")


def test_the_exported_record_has_every_row_and_no_formula(kept: Workspace, tmp_path: Path) -> None:
    models.rename_model(kept, models.list_models(kept)[0].id, "=1+1")
    assert record.export(kept, tmp_path / "record.csv") == len(_actions(kept))
    written = (tmp_path / "record.csv").read_text(encoding="utf-8")
    assert "'=1+1" in written
    assert written.count("\n") == len(_actions(kept)) + 1


def test_a_backup_restored_elsewhere_is_the_same_workspace(kept: Workspace, tmp_path: Path) -> None:
    (kept.uploads / "one").mkdir(parents=True)
    (kept.uploads / "one" / "image.png").write_bytes(b"pixels")
    made = backup.back_up(kept, tmp_path / "backups")
    again = backup.restore(made.folder, tmp_path / "elsewhere")
    assert (again.uploads / "one" / "image.png").read_bytes() == b"pixels"
    assert _actions(kept)[-2:] == [RecordedAction.BACKUP_BEGUN, RecordedAction.BACKED_UP]
    assert _actions(again) == _actions(kept)[:-1]
    assert record.verify(again) == []
    assert [m.sha256 for m in models.list_models(again)] == [
        m.sha256 for m in models.list_models(kept)
    ]


def test_a_second_backup_links_what_has_not_changed_and_old_ones_go(
    kept: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = kept.uploads / "image.png"
    image.write_bytes(b"pixels")
    for day in range(3):
        monkeypatch.setattr(maker, "utc_now", lambda day=day: 86_400.0 * day)
        last = backup.back_up(kept, tmp_path / "backups", keep=2)
    assert (last.folder / "uploads" / "image.png").stat().st_nlink == 2
    assert [b.at for b in backup.list_backups(tmp_path / "backups")] == [2 * 86_400, 86_400]


def _drop(folder: Path) -> None:
    (folder / "workspace.db").unlink()


def _flip(folder: Path) -> None:
    content = bytearray((folder / "workspace.db").read_bytes())
    content[5000] ^= 1
    (folder / "workspace.db").write_bytes(content)


def _escape(folder: Path) -> None:
    rows = json.loads((folder / maker.LIST).read_text())
    rows["files"][0][0] = "../outside.db"
    (folder / maker.LIST).write_text(json.dumps(rows))


@pytest.mark.parametrize("damage", [_drop, _flip, _escape])
def test_a_damaged_backup_restores_nothing(
    kept: Workspace, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    made = backup.back_up(kept, tmp_path / "backups")
    damage(made.folder)
    with pytest.raises(WorkspaceError):
        backup.restore(made.folder, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "outside.db").exists()


def test_no_backup_into_the_workspace_and_no_restore_over_files(
    kept: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match="inside the workspace"):
        backup.back_up(kept, kept.root / "backups")
    made = backup.back_up(kept, tmp_path / "backups")
    (tmp_path / "full").mkdir()
    shutil.copy(made.folder / maker.LIST, tmp_path / "full")
    with pytest.raises(WorkspaceError, match="not empty"):
        backup.restore(made.folder, tmp_path / "full")


def test_what_is_taken_along_is_recorded(kept: Workspace, tmp_path: Path) -> None:
    model = models.find_model(kept, "second")
    with acting_as(Actor("Kim")):
        exporting.export_model(kept, model, tmp_path / "model", ModelFormat.BUNDLE)
        models.note_download(kept, model)
        plan = exports.plan_export(kept, "ds-1")
        exports.note_export(kept, plan, "csv")
    newest, _ = record.entries(kept)
    assert [(row.person, row.action, row.name, row.new) for row in newest[:3]] == [
        ("Kim", RecordedAction.EXPORTED, plan.dataset.name, f"version {plan.version.number}, csv"),
        ("Kim", RecordedAction.EXPORTED, "second", "bundle"),
        ("Kim", RecordedAction.EXPORTED, "second", "bundle"),
    ]
