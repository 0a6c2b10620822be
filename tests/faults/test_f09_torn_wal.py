"""F9: a write-ahead log cut anywhere leaves a sound database with the first of its commits."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

from core.store.database import connect
from core.workspace import Workspace

PROJECT = Path(__file__).resolve().parents[2]
CUTS = 30
COMMITS = 40
_WRITE = """
import os, sys
from pathlib import Path
from core.store.database import connect, transaction
from core.workspace import Workspace
with connect(Workspace(Path(sys.argv[1]))) as db:
    db.execute("PRAGMA wal_autocheckpoint=0")
    for number in range(int(sys.argv[2])):
        with transaction(db):
            db.execute("INSERT INTO marked_rows VALUES (?, randomblob(900))", [number])
    os._exit(0)  # as a machine without power: the log is not folded in
"""


def test_a_log_cut_at_any_byte_holds_a_prefix_of_the_commits(workspace, tmp_path):
    with connect(workspace) as db:
        db.execute("CREATE TABLE marked_rows (number INTEGER, content BLOB)")
    command = [sys.executable, "-c", _WRITE, str(workspace.root), str(COMMITS)]
    subprocess.run(command, cwd=PROJECT, check=True)
    database = workspace.database
    log = database.with_name(f"{database.name}-wal").read_bytes()
    assert len(log) > COMMITS * 900
    chance = random.Random(7)
    kept = []
    for cut in [0, len(log), *(chance.randrange(len(log)) for _ in range(CUTS))]:
        torn = Workspace(tmp_path / str(cut)).create()
        shutil.copy(database, torn.database)
        torn.database.with_name(f"{database.name}-wal").write_bytes(log[:cut])
        with connect(torn) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            numbers = [row[0] for row in db.execute("SELECT number FROM marked_rows")]
        assert numbers == list(range(len(numbers)))
        kept.append((cut, len(numbers)))
        shutil.rmtree(torn.root)
    counts = [count for _, count in sorted(kept)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, COMMITS)
