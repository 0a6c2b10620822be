"""S21: other accounts of the machine read nothing, whatever the umask; an older workspace neither.

What a person exports lies where that person says, as open as that place is. The app itself answers
on 127.0.0.1 whoever asks there, unless people sign in: S18.
"""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from core.cli import session
from core.store.database import connect
from core.workflows.keeping import backup
from core.workflows.use import models
from core.workspace import open_workspace
from pages.ui import errors
from tests.made import add_model, make_dataset

pytestmark = pytest.mark.skipif(os.name != "posix", reason="this system has no such modes")


def _open_to_others(root: Path) -> list[str]:
    """Files below a folder that another account can reach and read, sockets and pipes included."""
    found = []
    for parent, folders, names in os.walk(root):
        folders[:] = [n for n in folders if (Path(parent) / n).stat().st_mode & 0o011]
        found += [n for n in names if (Path(parent) / n).lstat().st_mode & 0o044]
    return found


def test_a_workspace_that_was_open_to_all_is_closed(tmp_path):
    root = tmp_path / "workspace"
    with connect(open_workspace(root)):
        pass
    database = root / "workspace.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    root.chmod(0o755)  # as an earlier version left both
    database.chmod(0o644)
    with connect(open_workspace(root)):
        files = [*root.glob("workspace.db*")]
        assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * len(files)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_nothing_that_is_made_outside_of_exports_can_be_read_by_others(tmp_path, monkeypatch):
    # Backups, and the log of a command without a workspace, could be read by every account.
    for name in ("temp", "backups"):
        (tmp_path / name).mkdir(mode=0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    before = os.umask(0)
    try:
        workspace = open_workspace(tmp_path / "workspace")
        made = make_dataset(workspace, per_subset=2, images=workspace.uploads / "ds-1")
        models.exported_bundle(workspace, add_model(made, "first"))
        errors.log_to_file(workspace)
        made_backup = backup.back_up(workspace, tmp_path / "backups")
        backup.restore(made_backup.folder, tmp_path / "restored")
        with pytest.raises(session.typer.Exit):
            session.fail_unexpectedly(RuntimeError("boom"), as_json=True)
    finally:
        os.umask(before)
    made_files = [p for p in tmp_path.rglob("*") if p.is_file()]
    for place in ("workspace", "backups", "restored", "temp"):
        assert any(p.is_relative_to(tmp_path / place) for p in made_files), place
    assert _open_to_others(tmp_path) == []
