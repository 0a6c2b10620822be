"""`touchstone import` as scripts call it, for each form that real sets have."""

import json

import numpy as np
import pytest
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
