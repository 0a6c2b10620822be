"""A watched folder: each image one answer, whatever happens to files, folder and program."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from core.errors import ConfigError
from core.files import CsvDelimiter, read_csv
from core.workflows.use.watching import WatchedFolder, newest_rows, watching


@pytest.fixture
def line(trained, tmp_path):
    """An incoming folder, and where answers and answered images go."""
    (tmp_path / "in").mkdir()
    return WatchedFolder(tmp_path / "in", tmp_path / "answers.csv", tmp_path / "in" / "done", 1.0)


def _paths(watched):
    return [row[3] for row in read_csv(watched.table)][1:]


def test_each_complete_image_gets_one_row_and_is_moved_and_a_bad_one_stops_nothing(trained, line):
    image = trained.images / "stripes" / "000.png"
    shutil.copy(image, line.folder / "a.png")
    (line.folder / "broken.png").write_bytes(b"no image")
    growing = line.folder / "growing.png"
    growing.write_bytes(image.read_bytes()[:200])
    with watching(trained.workspace, trained.model, line) as watch:
        assert list(watch.step(0.0)) == []  # whether a file is complete shows later
        growing.write_bytes(image.read_bytes())
        first = {item.path: item for item in watch.step(1.5)}
        assert sorted(first) == [str(line.folder / name) for name in ("a.png", "broken.png")]
        assert first[str(line.folder / "a.png")].class_name == "stripes"
        assert first[str(line.folder / "broken.png")].error
        assert watch.pending == 1
        (second,) = watch.step(3.0)
        assert (second.path, second.class_name) == (str(growing), "stripes")
        shutil.copy(image, line.folder / "a.png")  # the next part has the same name
        assert list(watch.step(4.0)) == []
        assert [item.path for item in watch.step(5.5)] == [str(line.folder / "a.png")]
        shutil.move(line.folder, away := line.folder.with_name("share gone"))
        assert list(watch.step(6.0)) == []
        assert watch.problem
        shutil.move(away, line.folder)
        assert list(watch.step(8.0)) == []
        assert not watch.problem
    done = sorted(path.name for path in line.move_to.iterdir())
    assert done == ["a 2.png", "a.png", "broken.png", "growing.png"]
    assert len(_paths(line)) == 4
    newest = newest_rows(line.table, delimiter=CsvDelimiter.COMMA, limit=2)
    assert newest["class"] == ["stripes", "stripes"]
    assert newest["path"][0].endswith("a.png")


def test_a_watch_that_was_killed_goes_on_after_its_last_whole_row(trained, line):
    # Killed between a row and the move, or within a row: no second row, and none is lost.
    for number in range(2):
        shutil.copy(trained.images / "stripes" / f"00{number}.png", line.folder)
    with watching(trained.workspace, trained.model, line) as watch:
        list(watch.step(0.0))
        assert len(list(watch.step(2.0))) == 2
    shutil.move(line.move_to / "000.png", line.folder / "000.png")
    shutil.move(line.move_to / "001.png", line.folder / "001.png")
    content = line.table.read_bytes()
    line.table.write_bytes(content[:-9])
    with watching(trained.workspace, trained.model, line) as watch:
        list(watch.step(0.0))
        assert [item.path for item in watch.step(2.0)] == [str(line.folder / "001.png")]
    assert sorted(_paths(line)) == [str(line.folder / f"00{n}.png") for n in range(2)]
    assert not (line.folder / "000.png").exists()
    line.table.write_text("other,columns\r\n1,2\r\n")
    with (
        pytest.raises(ConfigError, match="other columns"),
        watching(trained.workspace, trained.model, line),
    ):
        pass


def test_the_command_answers_line_by_line_and_ends_on_a_signal(trained, line):
    shutil.copy(trained.images / "stripes" / "000.png", line.folder / "a.png")
    place = ["--workspace", str(trained.workspace.root), "--json", "--settle", "0.1"]
    command = [sys.executable, "-m", "core.cli", "watch", trained.model.id, str(line.folder)]
    command += ["--out", str(line.table), "--every", "0.1", *place]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert json.loads(process.stdout.readline())["class_name"] == "stripes"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
    assert len(_paths(line)) == 1
