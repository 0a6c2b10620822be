"""Editing from the command line, as a script would."""

import csv
import json
import zipfile
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.splits import Subset
from core.evaluation.release.criteria import ReleaseCriteria
from core.workflows.data import datasets
from core.workflows.signoff import release, sealing
from tests.conftest import save_image, write_class_folders
from tests.core.workflows.data.test_look_alikes import save_check
from tests.made import add_model, make_dataset

GOOD, WRONG, BROKEN = "gut", "größe falsch", "割れ"


@pytest.fixture
def call(workspace):
    def call(*arguments, code=0):
        options = ["--workspace", str(workspace.root), "--json"]
        outcome = CliRunner().invoke(app, [*map(str, arguments), *options])
        assert outcome.exit_code == code, outcome.output
        return json.loads(outcome.stdout)

    return call


def test_labels_classes_and_versions_as_a_script_would(call, tmp_path):
    call("import", write_class_folders(tmp_path / "set"), "--name", "Set")
    first = call("versions", "Set")["versions"][0]
    name = "gut/pic 0 é.png"
    assert call("relabel", "Set", f"{name}={WRONG}")["version"] == 2
    assert call("exclude", "Set", "gut/pic 1 é.png")["samples"] == 17
    assert call("restore", "Set", "gut/pic 1 é.png")["samples"] == 18
    answer = call(
        "classes",
        "Set",
        "--rename",
        f"{BROKEN}=crack",
        "--merge",
        f"{WRONG},crack=bad",
        "--ok",
        GOOD,
        "--nok",
        "bad",
    )
    assert answer["classes"] == {GOOD: 5, "bad": 13}
    assert answer["verdicts"] == {GOOD: "OK", "bad": "NOK"}
    # "gut" was OK since the import and "bad" inherits NOK: saying so again changes nothing.
    changed = call("versions", "Set", "--compare", "1:6")
    assert (changed["relabelled"], changed["added"], changed["removed"]) == (13, 0, 0)
    assert call("undo", "Set")["undoes"] == 6
    assert call("versions", "Set", "--go-back", "1")["digest"] == first["digest"]


@pytest.mark.parametrize("command", ["relabel", "exclude"])
def test_an_edit_says_whose_sealed_test_it_voids(call, workspace, tmp_path, command):
    # The pages said it; who edited by a command learned it from the sign-off later on.
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "images")
    add_model(made, "first", skill=12.0)
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.1))
    sealing.seal_test(workspace, "first")
    ids = [int(made.ids[subset][0]) for subset in (Subset.TRAIN, Subset.TEST)]
    samples = {sample.id: sample for sample in datasets.find_samples(workspace, ids)}
    train, test = (samples[number].name for number in ids)
    assert call("exclude", "parts", train)["voids"] == []
    names = datasets.find_dataset(workspace, "parts").class_names
    other = names[(samples[ids[1]].label + 1) % len(names)]
    edit = test if command == "exclude" else f"{test}={other}"
    assert call(command, "parts", edit)["voids"] == ["first"]
    assert call("undo", "parts")["restores"] == ["first"]
    assert call("undo", "parts")["restores"] == []
    said = CliRunner().invoke(app, [command, "parts", edit, "--workspace", str(workspace.root)])
    assert "This voids the sealed test of 'first'" in " ".join(said.output.split())


def test_names_with_commas_and_equal_signs(call, tmp_path):
    # Merging split every name at its comma, and a path was parted at the last equal sign.
    pixels = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3))
    for name, image in zip(("a,b/x=1.png", "=ok/y.png", "c/z.png"), pixels, strict=True):
        save_image(tmp_path / "set" / name, image)
    call("import", tmp_path / "set", "--name", "Set")
    call("relabel", "Set", "a,b/x=1.png==ok")
    assert call("classes", "Set")["classes"] == {"=ok": 2, "a,b": 0, "c": 1}
    call("relabel", "Set", "a,b/x=1.png=a,b")
    renamed = call("classes", "Set", "--rename", '"=ok"=fine')
    assert renamed["classes"] == {"a,b": 1, "c": 1, "fine": 1}
    merged = call("classes", "Set", "--merge", '"a,b", c="d, e=f"')
    assert merged["classes"] == {"d, e=f": 2, "fine": 1}
    assert "quotation mark" in call("classes", "Set", "--rename", 'fine="x', code=1)["error"]


def test_a_dataset_is_exported_with_a_split_and_can_be_imported_again(call, tmp_path):
    call("import", write_class_folders(tmp_path / "set"), "--name", "Set")
    call("split", "Set", "--name", "mine")
    written = call("export", "Set", "--to", tmp_path / "out.zip", "--split", "mine")
    assert (written["pictures"], written["missing"]) == (18, [])
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert tops == {"train", "validation", "test", "labels.csv"}
    call("export", "Set", "--to", tmp_path / "folder")
    again = call("import", tmp_path / "folder", "--name", "Again")
    assert again["classes"] == {GOOD: 6, WRONG: 6, BROKEN: 6}
    assert call("versions", "Again")["versions"][0]["digest"] == written["digest"]


def test_an_exported_table_gives_back_the_same_classes_and_paths(call, tmp_path):
    # Cells that begin like a formula are quoted; the quote used to become part of class and path.
    classes = ("-crack", "=ok", "@dent")
    for number, name in enumerate(classes * 4):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3))
        save_image(tmp_path / "set" / name / f"+{number}.png", pixels)
    lines = [
        f"{name}/+{number}.png;{name};c{number % 2}" for number, name in enumerate(classes * 4)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["path;label;camera", *lines]))
    call("import", tmp_path / "set", "--name", "Set", "--table", tmp_path / "t.csv", "--ok", "=ok")
    call("split", "Set", "--kfold", "2", "--name", "folds")
    call("export", "Set", "--to", tmp_path / "out")
    table = tmp_path / "out" / "labels.csv"
    again = call("import", tmp_path / "out", "--name", "Again", "--table", table, "--ok", "=ok")
    assert again["classes"] == dict.fromkeys(classes, 4)
    assert [item["path"] for item in again["skipped"]] == ["labels.csv"]
    assert "split" not in again
    call("export", "Again", "--to", tmp_path / "again.csv")
    first, second = (
        list(csv.DictReader(path.open(encoding="utf-8-sig", newline="")))
        for path in (table, tmp_path / "again.csv")
    )
    assert [{**row, "name": ""} for row in first] == [{**row, "name": ""} for row in second]
    assert {(row["verdict"], row["label"]) for row in first} == {
        ("NOK", "'-crack"),
        ("OK", "'=ok"),
        ("NOK", "'@dent"),
    }
    assert {row["camera"] for row in first} == {"c0", "c1"}
    call("export", "Set", "--to", tmp_path / "folds.csv", "--split", "folds")
    rows = list(csv.DictReader((tmp_path / "folds.csv").open(encoding="utf-8-sig", newline="")))
    assert {(row["split"], row["fold"]) for row in rows} == {("validation", "1"), ("train", "2")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("relabel", "Set", "gut/pic 0 é.png"), "has the wrong form"),
        (("relabel", "Set", "none.png=gut"), "no image with the name 'none.png'"),
        (("relabel", "Set", "gut/pic 0 é.png=none"), "no class 'none'"),
        (("exclude", "Set", "none.png"), "no image with the name 'none.png'"),
        (("classes", "Set", "--rename", "gut"), "has the wrong form"),
        (("versions", "Set", "--compare", "1-2"), "does not name two"),
        (("versions", "Set", "--go-back", "9"), "no version 9"),
        (("undo", "Set"), "no change to undo"),
        (("export", "Set", "--to", "x.csv", "--version", "4"), "no version 4"),
        (("export", "Set", "--to", "x.csv", "--split", "none"), "no split 'none'"),
    ],
)
def test_what_cannot_be_done_is_an_error_object(call, tmp_path, arguments, words):
    call("import", write_class_folders(tmp_path / "set", 2), "--name", "Set")
    assert words in call(*arguments, code=1)["error"]


def test_look_alikes_are_listed_answered_and_counted_as_a_script_would(call, workspace):
    made = make_dataset(workspace, per_subset=40)
    add_model(made, "m", skill=1.5)
    test = made.ids[Subset.TEST].tolist()
    save_check(made, [*pairwise(test[:6]), (test[10], test[11])])
    names = [f"{i - 1:05d}.png" for i in test]
    assert call("parts", "parts")["proposed"] == [names[:6], names[10:12]]
    plain = call("evaluate", "m", "--subset", "test")
    assert (plain["unit"], plain["independent"], plain["counting"]) == ("pictures", 40, "auto")
    assert [item["accuracy"]["n"] for item in plain["both_ways"]] == [40, 34]
    assert call("evaluate", "m", "--count", "parts")["independent"] == 34
    assert call("threshold", "m", "--at", "0.5", "--count", "parts")["counting"] == "parts"

    answered = call("parts", "parts", names[2], names[3], "--as", "different-parts")
    assert answered["version"] == 2
    assert answered["proposed"] == [names[:3], names[3:6], names[10:12]]
    call("parts", "parts", "--all", "--as", "same-part")
    confirmed = call("evaluate", "m")
    assert (confirmed["unit"], confirmed["independent"]) == ("parts", 35)
    assert confirmed["both_ways"] is None
    assert call("undo", "parts")["undoes"] == 3
    assert call("undo", "parts")["undoes"] == 2
    assert call("parts", "parts")["proposed"] == [names[:6], names[10:12]]

    assert "at least two" in call("parts", "parts", "--as", "same-part", code=1)["hint"]
    assert "--as" in call("parts", "parts", names[0], code=1)["hint"]
    assert call("parts", "parts", names[0], "--as", "same-part", code=1)["error"]
