"""Files are compared by size and time, and read only where those leave a doubt."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from core.data.file_checks import Reading, file_state, file_states
from core.domain.files import FileState, KnownFile


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"good")
    digest = hashlib.sha256(b"good").hexdigest()
    return KnownFile(str(path), 4, digest, path.stat().st_mtime)


def _write(known, content, *, seconds_later):
    Path(known.path).write_bytes(content)
    os.utime(known.path, (0, known.time + seconds_later))


def test_a_file_of_the_same_size_and_time_is_not_read(known, monkeypatch):
    _write(known, b"evil", seconds_later=0)  # nobody can see that without reading it
    assert file_state(known).state is FileState.SAME
    assert file_state(known, Reading.ALWAYS).state is FileState.CHANGED
    _write(known, b"evil", seconds_later=1)
    assert file_state(known).state is FileState.CHANGED
    assert file_state(known, Reading.NEVER).state is FileState.SAME


def test_a_copied_file_is_read_once_and_its_new_time_given_to_remember(known):
    _write(known, b"good", seconds_later=7)
    result = file_state(known)
    assert result == file_state(KnownFile(known.path, 4, known.sha256, None))
    assert (result.state, result.time) == (FileState.SAME, Path(known.path).stat().st_mtime)
    assert file_state(KnownFile(known.path, 4, known.sha256, result.time)).time is None


def test_what_is_no_file_of_the_size_is_told_apart(known, tmp_path):
    _write(known, b"bigger", seconds_later=0)
    assert file_state(known).state is FileState.CHANGED
    Path(known.path).unlink()
    assert file_state(known).state is FileState.MISSING
    os.mkfifo(known.path)  # reading it would wait for ever
    assert file_state(known).state is FileState.MISSING
    nothing = KnownFile("a\0b", 1, "", None)
    assert file_state(nothing).state is FileState.MISSING


def test_many_files_are_compared_in_order_with_progress(tmp_path):
    files = []
    for number in range(700):
        path = tmp_path / f"{number}"
        if number % 7:
            path.write_bytes(b"x")
        time_known = path.stat().st_mtime if number % 7 else 0.0
        files.append(KnownFile(str(path), 1, "not read", time_known))
    said = []
    states = [r.state for r in file_states(files, on_progress=lambda *at: said.append(at))]
    assert states == [FileState.SAME if i % 7 else FileState.MISSING for i in range(700)]
    assert said[-1] == (700, 700)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(file_states(files, on_progress=stop))


def test_many_looks_take_seconds(known):
    files = [known] * 20_000
    start = time.monotonic()
    assert all(r.state is FileState.SAME for r in file_states(files, on_progress=lambda *_: None))
    assert time.monotonic() - start < 20  # about 0.2 s on an idle machine
