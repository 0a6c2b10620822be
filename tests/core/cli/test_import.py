"""`touchstone import` as scripts call it, for each form that real sets have."""

import json

import numpy as np
import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from core.cli.app import app
from tests.conftest import save_image


@pytest.fixture
def call(workspace):
    def call(*arguments, code=0):
        options = ["--workspace", str(workspace.root), "--json"]
        outcome = CliRunner().invoke(app, ["import", *map(str, arguments), *options])
        assert outcome.exit_code == code, outcome.output
        return json.loads(outcome.stdout) if code != 2 else outcome.stderr

    return call


def _tree(root, *names):
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3))
        save_image(root / name, pixels)
    return root


def test_a_pattern_and_a_folder_level(call, tmp_path):
    root = _tree(tmp_path / "s", "l1/ok/c/p1_1.png", "l1/nok/c/p1_2.png", "l2/ok/c/p2_1.png")
    made = call(root, "--name", "A", "--pattern", r"^l\d/(?P<label>\w+)/c/(?P<group>p\d)")
    assert made["classes"] == {"nok": 1, "ok": 2}
    assert made["verdicts"] == {"nok": "NOK", "ok": "OK"}
    levels = call(root, "--name", "B", "--level", "1", "--no-ok")
    assert (levels["classes"], levels["verdicts"]) == ({"l1": 2, "l2": 1}, {})
    wrong = call(root, "--name", "C", "--pattern", "(", code=1)
    assert "cannot be read" in wrong["error"]
    wrong = call(root, "--name", "C", "--ok", "gut", code=1)
    assert "'gut' cannot count as OK" in wrong["error"]


def test_a_table_with_every_option(call, tmp_path):
    root = _tree(tmp_path / "s", "1.png", "2.png", "3.png")
    table = tmp_path / "t.txt"
    table.write_text("1.png 0 A train\n2.png 1 A test\n3.png 1.0 B val\n")
    options = (
        "--table",
        table,
        "--delimiter",
        "blanks",
        "--no-header",
        "--path-column",
        "1",
        "--label-column",
        "2",
        "--group-column",
        "3",
        "--split-column",
        "4",
    )
    made = call(root, "--name", "A", *options, "--map", "0=good,1=crack", "--ok", "good")
    assert made["classes"] == {"crack": 2, "good": 1}
    assert made["split"]["counts"]["validation"] == {"crack": 1, "good": 0}
    assert made["split"]["certificate"] == {
        "groups_across": 1,
        "exact_across": 0,
        "near_across": None,
    }
    assert {"table", "ready_split"} <= {item["kind"] for item in made["decisions"]}
    commas = call(root, "--name", "D", *options, "--map", "0=ok, good", "--map", "1=bad")
    assert commas["classes"] == {"bad": 2, "ok, good": 1}
    binned = call(
        root,
        "--name",
        "B",
        "--csv",
        table,
        "--labels",
        "csv",
        "--bins",
        "0.5",
        "--bin-names",
        "low,high",
        "--ignore-split",
    )
    assert binned["classes"] == {"high": 2, "low": 1}
    assert "split" not in binned
    assert (
        "not a delimiter"
        in call(root, "--name", "C", "--table", table, "--delimiter", "x", code=1)["error"]
    )


def test_a_table_in_which_several_columns_could_be_the_label(call, tmp_path):
    root = _tree(tmp_path / "s", "1.png", "2.png", "3.png", "4.png")
    table = tmp_path / "t.csv"
    table.write_text("image,camera,outcome\n1.png,a,x\n2.png,a,y\n3.png,b,x\n4.png,b,y\n")
    refused = call(root, "--name", "A", "--table", table, code=1)
    assert "camera, outcome" in refused["error"]
    assert "--label-column" in refused["hint"]
    made = call(root, "--name", "A", "--table", table, "--label-column", "outcome")
    assert made["classes"] == {"x": 2, "y": 2}


def test_ready_folders_and_companions(call, tmp_path):
    names = [f"{s}/{c}/{i}.jpg" for s in ("train", "valid") for c in ("a", "b") for i in "12"]
    root = _tree(tmp_path / "s", *names, "train/a/1.png")
    made = call(root, "--name", "A")
    assert made["samples"] == 8
    assert made["split"]["strategy"] == "as delivered"
    assert made["skipped"] == [
        {"path": "train/a/1.png", "reason": "It belongs to the image train/a/1.jpg."}
    ]
    assert call(root, "--name", "B", "--companions", "--ignore-split")["samples"] == 9


def test_images_are_added_to_a_dataset(call, tmp_path):
    call(_tree(tmp_path / "s", "a/1.png", "b/2.png"), "--name", "Parts")
    more = _tree(tmp_path / "more", "a/1.png", "x/2.png", "c/3.png")
    made = call(more, "--into", "Parts")
    assert (made["added"], made["already_there"], made["version"]) == (1, 2, 2)
    assert made["classes"] == {"a": 1, "b": 1, "c": 1}
    assert made["new_classes"] == ["c"]
    assert len(made["skipped"]) == 2
    assert "no dataset" in call(more, "--into", "Nothing", code=1)["error"]
    assert "--name" in call(more, code=2)
    call(more, "--into", "Parts", "--name", "Both", code=2)
    call(more, "--name", "X", "--labels", "magic", code=2)


def test_a_split_that_comes_with_added_images_is_said_not_to_be_kept(call, tmp_path):
    call(_tree(tmp_path / "s", "a/1.png", "b/2.png"), "--name", "Parts")
    more = _tree(
        tmp_path / "more",
        *(f"{s}/{c}/{i}.png" for s in ("train", "test") for c in "ab" for i in (3, 4)),
    )
    made = call(more, "--into", "Parts")
    assert "split" not in made
    (said,) = [d["sentence"] for d in made["decisions"] if d["kind"] == "ready_split"]
    assert "It is not kept, because a split covers a whole dataset" in said


def _lots(root):
    return _tree(root, *(f"lot{n}/{i}.png" for n in (1, 2) for i in range(3)))


def test_a_table_of_another_machine_in_another_encoding(call, tmp_path):
    # Windows paths gave "no labelled image", and the labels came out as 'ãîäíûé'.
    root = _lots(tmp_path / "s")
    lines = [
        rf"D:\Фото\lot{n}\{i}.png;{'годный' if i else 'скол'}" for n in (1, 2) for i in range(3)
    ]
    table = tmp_path / "t.csv"
    table.write_bytes("\r\n".join(["путь;label", *lines]).encode("cp1251"))
    made = call(root, "--name", "A", "--table", table)
    assert made["classes"] == {"годный": 4, "скол": 2}
    said = {d["kind"]: d["sentence"] for d in made["decisions"]}
    assert "encoding: Windows-1251 (Cyrillic)" in said["table"]
    assert "6 lines of the table with other folders" in said["table_match"]
    assert (
        "not an encoding"
        in call(root, "--name", "C", "--table", table, "--encoding", "klingon", code=1)["error"]
    )


def test_a_sheet_of_a_workbook_with_a_decimal_comma(call, tmp_path):
    root = _lots(tmp_path / "s")
    book = Workbook()
    book.active.append(["nothing", "here"])
    sheet = book.create_sheet("Load")
    sheet.append(["path", "load"])
    for n in (1, 2):
        for i in range(3):
            sheet.append([f"lot{n}/{i}.png", f"1.{i}00,5" if i else "0,5"])
    book.save(tmp_path / "t.xlsx")
    options = ("--table", tmp_path / "t.xlsx", "--sheet", "load", "--bins", "1150")
    made = call(root, "--name", "A", *options, "--bin-names", "low,high")
    assert made["classes"] == {"high": 2, "low": 4}
    said = {d["kind"]: d["sentence"] for d in made["decisions"]}
    assert "Excel sheet: Load" in said["table"]
    assert "decimal comma" in said["decimal"]
    wrong = ("--decimal", "half")
    assert "decimal mark" in call(root, "--name", "B", *options, *wrong, code=1)["error"]


def test_names_with_several_labels_are_asked_about(call, tmp_path):
    root = _lots(tmp_path / "s")
    table = tmp_path / "t.csv"
    labels = ["crack|stain", "crack", "ok", "crack", "ok", "ok"]
    names = [f"lot{n}/{i}.png" for n in (1, 2) for i in range(3)]
    lines = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
    table.write_text("\n".join(["path,label", *lines]))
    refused = call(root, "--name", "A", "--table", table, code=1)
    assert "'crack|stain'" in refused["error"]
    assert "--combined" in refused["hint"]
    wrong = call(root, "--name", "A", "--table", table, "--combined", "both", code=1)
    assert "combined" in wrong["error"]
    made = call(root, "--name", "A", "--table", table, "--combined", "leave-out")
    assert made["classes"] == {"crack": 2, "ok": 3}


def test_a_class_of_every_image_is_refused_with_the_option_that_works(call, tmp_path):
    root = _tree(tmp_path / "s", *(f"{c}_{i}.png" for c in ("ok", "crack") for i in range(3)))
    refused = call(root, "--name", "A", "--labels", "file_name", code=1)
    assert "6 classes of 6 images" in refused["error"]
    assert "--labels file_name_remove_index" in refused["hint"]
    assert "2 classes, crack, ok" in refused["hint"]


def test_typed_names_are_found_in_any_case(call, tmp_path):
    made = call(_tree(tmp_path / "s", "Größe/1.png", "ok/2.png"), "--name", "Prüfung", "--ok", "OK")
    assert made["verdicts"] == {"Größe": "NOK", "ok": "OK"}
    more = _tree(tmp_path / "m", "GRÖSSE/3.png")
    save_image(more / "GRÖSSE" / "3.png", np.full((16, 16, 3), 9))
    made = call(more, "--into", "PRÜFUNG")
    assert (made["classes"], made["new_classes"]) == ({"Größe": 2, "ok": 1}, [])
    taken = call(more, "--name", "prüfung", code=1)
    assert "already exists" in taken["error"]
