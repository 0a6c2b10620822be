"""Doctor, caches and daily backups: what is wrong is found, and what is needed is not cleared."""

import json
import re
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.administration import FILE
from core.cli.app import app
from core.domain.configs.administration import BackupPlan
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.keeping.people import PROGRAM, acting_as
from core.domain.record import Alteration, Fault, RecordedAction
from core.errors import ConfigError, WorkspaceError
from core.store import jobs as job_rows
from core.store.database import connect
from core.worker.launcher import lane_lock
from core.workflows import jobs
from core.workflows.keeping import backup, health, health_words, record, schedule, space
from core.workflows.keeping.health import Component, HealthFinding, Trouble
from core.workflows.keeping.space import CacheKind, Disk, SpaceKind
from core.workspace import Workspace
from tests.made import make_dataset, set_limits

PROJECT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone(timedelta(hours=1)))
DISK = Disk(500_000_000_000, 400_000_000_000, ())


def _troubles(workspace: Workspace, disk: Disk = DISK) -> dict[Trouble, HealthFinding]:
    with acting_as(PROGRAM):  # as the account that owns the files
        return {item.trouble: item for item in health.examine(workspace, disk).findings}


def _plan(workspace: Workspace, folder: Path) -> None:
    (workspace.root / FILE).write_text(f"[backup]\nfolder = '{folder}'\nkeep = 2\n")


def test_the_lowest_versions_are_those_of_the_package() -> None:
    about = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = {}
    for line in about["dependencies"]:
        found = re.match(r"([\w-]+)\s*(?:>=|==)([\d.]+?)(?:\.\*)?(?:;|$)", line)
        if found:
            floors[found[1]] = found[2]
    assert health.LOWEST.items() <= floors.items()
    assert f">={health.LOWEST_PYTHON}," in about["requires-python"]
    assert not Component("a", "2.9.1+cpu", "2.10").is_new_enough
    assert Component("a", "2.10.0+cpu", "2.10").is_new_enough
    assert not Component("a", "", "2.10").is_new_enough


def test_a_new_workspace_is_well_and_what_is_wrong_is_found(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert not _troubles(workspace)
    make_dataset(workspace)
    assert _troubles(workspace).keys() == {Trouble.NO_BACKUP}
    set_limits(workspace.root, queued_jobs=0)
    low = replace(DISK, free_bytes=3_000_000_000)
    expected = {Trouble.NO_BACKUP, Trouble.SETTING, Trouble.DISK_LOW}
    assert _troubles(workspace, low).keys() == expected
    full = _troubles(workspace, replace(DISK, free_bytes=900_000_000))
    assert "900.0 MB are free" in health_words.what(full[Trouble.DISK_FULL])
    with connect(workspace) as db:
        job_rows.enqueue(db, JobKind.TRAIN, "run-1", {}, now=1.0, lane="nobody")
        db.execute("UPDATE jobs SET status = 'running', owner = 'w', heartbeat_at = 1.0")
    with lane_lock(workspace, "nobody"):  # its worker is alive, and says nothing
        assert _troubles(workspace)[Trouble.SILENT_WORKER].subject == "nobody"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorkspaceError, match="could not be written"):
        backup.back_up(workspace, tmp_path / "file")
    failed = _troubles(workspace)[Trouble.BACKUP_FAILED]
    assert "could not be written" in health_words.what(failed)
    backup.back_up(workspace, tmp_path / "backups")
    assert Trouble.BACKUP_FAILED not in _troubles(workspace)


def test_what_signing_in_needs_is_asked_for_without_a_secret_being_shown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Only whoever wanted to sign in saw that the secrets were missing.
    monkeypatch.setenv("HOME", str(tmp_path))  # Streamlit's own file of secrets lies there
    assert not _troubles(workspace)
    (workspace.root / FILE).write_text('[auth]\nmode = "oidc"\n')
    missing = _troubles(workspace)[Trouble.NO_SIGN_IN_FILE]
    assert "secrets.toml is missing" in health_words.what(missing)
    workspace.sign_in_secrets.write_text("[auth]\nclient_secret = hush")
    unreadable = health_words.what(_troubles(workspace)[Trouble.SIGN_IN_FILE])
    assert "no valid TOML" in unreadable
    assert "hush" not in unreadable
    given = ["[auth]", 'redirect_uri = "https://t/oauth2callback"', 'cookie_secret = "hush"']
    provider = ["[auth.default]", 'client_id = "t"', 'client_secret = "hush"']
    workspace.sign_in_secrets.write_text("\n".join([*given, *provider]))
    partly = health_words.what(_troubles(workspace)[Trouble.SIGN_IN_VALUES])
    assert partly.endswith("secrets.toml lacks server_metadata_url.")
    address = 'server_metadata_url = "https://p/.well-known/openid-configuration"'
    workspace.sign_in_secrets.write_text("\n".join([*given, *provider, address]))
    assert _troubles(workspace).keys() <= {Trouble.SIGN_IN_PACKAGE}
    workspace.sign_in_secrets.unlink()
    workspace.sign_in_secrets.mkdir()
    assert Trouble.SIGN_IN_FILE in _troubles(workspace)


def test_each_trouble_says_what_to_do() -> None:
    for trouble in Trouble:
        item = HealthFinding(trouble, "torch", "2.9", "2.10", 7.0)
        assert health_words.what(item)
        assert len(health_words.advice(item)) > 20
        assert trouble.is_serious in (True, False)


def test_a_late_backup_is_missed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plan(workspace, tmp_path / "backups")
    backup.back_up(workspace, tmp_path / "backups")
    assert Trouble.BACKUP_LATE not in _troubles(workspace)
    monkeypatch.setattr(health, "utc_now", lambda: utc_now() + 2 * 86_400)
    late = _troubles(workspace)[Trouble.BACKUP_LATE]
    assert "48 h 00 min ago" in health_words.what(late)


def _job(at: datetime, status: JobStatus, error: str | None = None) -> Job:
    kind, subject = JobKind.BACKUP, schedule.SUBJECT
    return Job("job-1", kind, subject, status, 1, {}, at.timestamp(), error=error)


def test_a_daily_backup_is_due_once_a_day_from_its_hour_on() -> None:
    plan = BackupPlan(folder="/backups", hour=2)
    done = JobStatus.COMPLETED
    assert not schedule.is_due(BackupPlan(), None, NOW)  # no folder is set
    assert schedule.is_due(plan, None, NOW)
    assert not schedule.is_due(plan, _job(NOW - timedelta(hours=9), done), NOW)  # at 3
    assert schedule.is_due(plan, _job(NOW - timedelta(hours=11), done), NOW)  # at 1
    early = NOW.replace(hour=1)
    assert not schedule.is_due(plan, _job(early - timedelta(hours=22), done), early)
    assert schedule.is_due(plan, _job(early - timedelta(hours=24), done), early)
    failed = _job(NOW - timedelta(minutes=30), JobStatus.FAILED, "no disk")
    assert not schedule.is_due(plan, failed, NOW)
    assert schedule.is_due(plan, failed, NOW + timedelta(hours=1))
    assert not schedule.is_due(plan, _job(NOW - timedelta(days=2), JobStatus.QUEUED), NOW)


def test_a_backup_is_made_by_a_worker_into_the_folder_that_is_set(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="No folder is set"):
        schedule.start_backup(workspace)
    make_dataset(workspace)
    _plan(workspace, tmp_path / "backups")
    job = schedule.start_if_due(workspace, NOW)
    assert job is not None
    ended = jobs.wait(workspace, job.id, on_change=lambda _: None)
    made = backup.list_backups(tmp_path / "backups")
    assert [item.folder.name for item in made] == [ended.result["name"]]
    actions = [row.action for row in record.entries(workspace, limit=2)[0]]
    assert actions == [RecordedAction.BACKED_UP, RecordedAction.BACKUP_BEGUN]
    again = backup.restore(made[0].folder, tmp_path / "again")
    assert schedule.plan_of(again).keep == 2  # the settings went along
    last = jobs.latest(again, schedule.SUBJECT)
    assert last is not None
    assert last.status is JobStatus.INTERRUPTED


def test_the_disk_is_accounted_for_and_caches_are_cleared_only_while_no_job_needs_them(
    workspace: Workspace,
) -> None:
    make_dataset(workspace)
    for path, size in (
        (workspace.uploads / "ds-1" / "a.png", 50_000),
        (workspace.uploads / "zip-9.zip", 20_000),
        (workspace.pixels / "ds-1-abc" / "rows.npy", 90_000),
        (workspace.thumbnails / "ab" / "t.webp", 30_000),
        (workspace.run_folder("run-9") / "state", 10_000),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(250)) * (size // 250))
    uses = {(use.kind, use.name): use for use in space.disk_use(workspace).uses}
    parts = uses[SpaceKind.DATASET, "parts"]
    assert 50_000 <= parts.size_bytes < 60_000
    assert 90_000 <= parts.cached_bytes < 100_000
    assert 20_000 <= uses[SpaceKind.WAITING, ""].size_bytes < 30_000
    assert 10_000 <= uses[SpaceKind.RUN, "run-9"].size_bytes < 20_000
    assert uses[SpaceKind.CACHE, "previews"].size_bytes >= 30_000
    with lane_lock(workspace, JobKind.TRAIN.lane), pytest.raises(WorkspaceError, match="A job"):
        space.clear(workspace, [CacheKind.PIXELS])
    assert (workspace.pixels / "ds-1-abc").exists()
    freed = space.clear(workspace, [CacheKind.PIXELS, CacheKind.PREVIEWS])
    assert 120_000 <= freed < 140_000
    assert not workspace.pixels.exists()
    assert (workspace.uploads / "ds-1" / "a.png").exists()
    newest = record.entries(workspace, limit=1)[0][0]
    assert (newest.action, newest.new) == (RecordedAction.CACHE_CLEARED, "pixels, previews")


def test_doctor_prints_everything_as_json_and_fails_where_something_is_serious(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = CliRunner().invoke(app, ["doctor", "--json", "--workspace", str(workspace.root)])
    answer = json.loads(ran.stdout)
    assert (ran.exit_code, answer["well"], answer["integrity"]) == (0, True, [])
    assert {item["name"] for item in answer["programs"]} >= {"python", "sqlite", "torch"}
    altered = [Alteration(Fault.ALTERED_ROW, "row 3")]
    monkeypatch.setattr(record, "verify", lambda _: altered)
    ran = CliRunner().invoke(app, ["doctor", "--workspace", str(workspace.root)])
    assert ran.exit_code == 1
    assert "Problem: Altered outside of Touchstone: altered row of the record, row 3." in ran.stdout
