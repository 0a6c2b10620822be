"""F28, short form: what a server does for days leaves no file, thread or handle behind."""

import gc
import threading
from pathlib import Path

import pytest

from core.domain.record import RecordedAction
from core.files import read_user_file
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.inventory import inventory
from core.workflows.keeping import backup, record
from tests.made import make_dataset

_WAL_BYTES = 8_000_000  # SQLite copies its log back at 4 MB


def _handles():
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def _a_day(workspace, folder):
    for number in range(10):
        record.note(workspace, RecordedAction.EXPORTED, new="x" * 20_000)
        inventory(workspace)
        datasets.samples(workspace, "ds-1", limit=20, offset=number)
        jobs.active(workspace)
        with pytest.raises(OSError, match="limit"):
            read_user_file(workspace.database, most_bytes=10)
    backup.back_up(workspace, folder, keep=2)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="handles are counted on Linux")
def test_handles_threads_and_files_stay_as_many(workspace, tmp_path):
    make_dataset(workspace, per_subset=10)
    _a_day(workspace, tmp_path / "backups")
    before = _handles(), threading.active_count()
    for _ in range(2):
        _a_day(workspace, tmp_path / "backups")
    assert (_handles(), threading.active_count()) == before
    log = workspace.database.with_name("workspace.db-wal")
    assert not log.exists() or log.stat().st_size < _WAL_BYTES
    assert len(backup.list_backups(tmp_path / "backups")) <= 2
    everything = [*workspace.root.rglob("*"), *tmp_path.rglob("*")]
    assert not [path for path in everything if path.name.endswith(".partial")]
    assert record.verify(workspace) == []
