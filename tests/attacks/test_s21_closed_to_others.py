"""S21: other accounts of the machine cannot read a workspace, an older one neither."""

import os
import stat

import pytest

from core.store.database import connect
from core.workspace import open_workspace


@pytest.mark.skipif(os.name != "posix", reason="this system has no such modes")
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
