"""Exports: names that are safe anywhere, all images there, nothing that runs."""

import csv
import hashlib
import io
import zipfile
from dataclasses import replace

import pytest

from core.data import exports
from core.domain.datasets import Sample, Verdict
from core.domain.splits import Subset
from core.errors import ConfigError
from core.files import csv_lines


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("größe falsch.png", "größe falsch.png"),
        ("a/b\\c:d*?.png", "a_b_c_d__.png"),
        ("..", "_"),
        (".hidden", "_.hidden"),
        ("con", "_con"),
        ("LPT1.png", "_LPT1.png"),
        ("name. ", "name"),
        ("", "_"),
        ("x" * 300 + ".png", "x" * 146 + ".png"),
    ],
)
def test_a_file_name_is_one_that_every_system_takes(name, safe):
    assert exports.safe_file_name(name) == safe


NAMES = ("crack", "Crack", "a/b", "=cmd()")


@pytest.fixture
def items(tmp_path):
    """Eight images: names that collide, a class that is no folder name, one file gone."""
    samples, sources = [], []
    for number in range(8):
        source = tmp_path / "in" / f"{number}.png"
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(b"image %d" % number)
        samples.append(
            Sample(
                number,
                str(source),
                hashlib.sha256(b"image %d" % number).hexdigest(),
                None if number == 7 else number % 4,
                8,
                8,
                "L",
                9,
                group="+lot" if number == 1 else None,
                name=("x/Part.png", "y/part.PNG")[number // 4],
            )
        )
        sources.append(source)
    sources[2].unlink()
    return samples, sources


def test_places_differ_on_systems_that_know_no_capital_letters(items):
    found = exports.export_items(*items, NAMES)
    assert [item.place for item in found] == [
        "crack/Part.png",
        "Crack (2)/Part.png",
        "a_b/Part.png",
        "=cmd()/Part.png",
        "crack/part (2).PNG",
        "Crack (2)/part (2).PNG",
        "a_b/part (2).PNG",
        "no label/part.PNG",
    ]


def test_a_split_gives_upper_folders_and_leaves_out_what_it_has_not(items):
    found = exports.export_items(*items, NAMES, {0: (Subset.TRAIN, None), 4: (Subset.TEST, None)})
    assert [item.place for item in found] == ["train/crack/Part.png", "test/crack/part.PNG"]


def test_a_zip_is_made_in_blocks_and_names_what_is_gone(items):
    found = exports.export_items(*items, NAMES)
    blocks = list(exports.zip_blocks(found))
    assert len(blocks) > len(found)
    with zipfile.ZipFile(io.BytesIO(b"".join(blocks))) as archive:
        assert archive.testzip() is None
        assert archive.read("crack/part (2).PNG") == b"image 4"
        assert archive.read(exports.MISSING_LIST) == b"x/Part.png"
        assert len(archive.namelist()) == 7 + 2


def test_a_folder_is_written_once_and_never_over_another(items, tmp_path):
    found = exports.export_items(*items, NAMES)
    assert exports.write_folder(found, tmp_path / "out") == ["x/Part.png"]
    assert (tmp_path / "out/Crack (2)/Part.png").read_bytes() == b"image 1"
    with pytest.raises(ConfigError, match="not empty"):
        exports.write_folder(found, tmp_path / "out")


def _table(items):
    return b"".join(csv_lines(exports.table_rows(items))).decode("utf-8-sig")


def test_cells_of_the_table_never_run(items):
    found = exports.export_items(*items, NAMES)
    rows = list(csv.reader(io.StringIO(_table(found))))
    assert rows[0] == ["path", "label", "group", "split", "verdict", "name", "sha256"]
    assert rows[2][2] == "'+lot"
    assert rows[4][:2] == ["'=cmd()/Part.png", "'=cmd()"]


def test_the_table_says_fold_verdict_and_what_was_imported(items):
    samples, sources = items
    samples = [
        replace(s, attributes={"camera": f"c{s.id}", "Name": "-1"} if s.id < 2 else {})
        for s in samples
    ]
    places = {0: (Subset.VALIDATION, 0), 1: (Subset.TRAIN, 1), 4: (Subset.TEST, None)}
    verdicts = (Verdict.NOK, Verdict.OK, None, None)
    found = exports.export_items(samples, sources, NAMES, places, verdicts=verdicts)
    header, *rows = csv.reader(io.StringIO(_table(found)))
    assert header == [
        "path",
        "label",
        "group",
        "split",
        "fold",
        "verdict",
        "name",
        "sha256",
        "camera",
        "Name (2)",
    ]
    assert [row[3:6] for row in rows] == [
        ["validation", "1", "NOK"],
        ["train", "2", "OK"],
        ["test", "", "NOK"],
    ]
    assert [row[8:] for row in rows] == [["c0", "'-1"], ["c1", "'-1"], ["", ""]]
