"""The decision of a saved operating point beside every new prediction."""

import csv
import json
import shutil

import pytest
from typer.testing import CliRunner

from core.api.models import prediction_as_json
from core.cli.app import app
from core.domain.datasets import Verdict
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.models import PartDecision, Prediction
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule, rule_from_json, rule_to_json
from core.files import CsvDelimiter, write_csv
from core.inference.exporting import run_example
from core.store import judgement
from core.store.database import connect
from core.workflows import jobs
from core.workflows.use import prediction
from tests.conftest import copy_of

HEADER = "path;class;confidence;unfamiliar_score;error;blue disc;stripes"


def _lines(predictions, model):
    return prediction.as_csv(predictions, model.class_names).decode("utf-8-sig").splitlines()


@pytest.fixture
def decided(trained, tmp_path):
    """A copy of the trained workspace in which "stripes" are defects."""
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    names = trained.model.class_names
    verdicts = tuple(Verdict.NOK if name == "stripes" else Verdict.OK for name in names)
    rule = DecisionRule(OperatingPoint(0.3, 0.7), names, verdicts, "by hand", 0.95, 1.0)
    with connect(workspace) as db, db.conn:
        judgement.save_operating_point(db, trained.model.id, rule_to_json(rule))
    return workspace


def test_every_readable_image_gets_its_decision(decided, trained, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    sources = [
        trained.images / "stripes" / "000.png",
        trained.images / "blue disc" / "000.png",
        broken,
    ]
    found = prediction.predict(decided, trained.model, sources, [str(s) for s in sources])
    assert [item.decision for item in found] == [PartDecision.REJECT, PartDecision.ACCEPT, None]
    assert "decision" not in prediction_as_json(found[2])
    table = list(csv.DictReader(_lines(found, trained.model)))
    assert [row["decision"] for row in table] == ["reject", "accept", ""]

    target = tmp_path / "out.csv"
    arguments = ["predict", trained.model.id, *map(str, sources), "--workspace", str(decided.root)]
    by_folder = ["--part-by", "regex:(?P<group>blue disc|stripes|broken)", "--out", str(target)]
    answer = json.loads(CliRunner().invoke(app, [*arguments, *by_folder, "--json"]).stdout)
    assert answer["predictions"][0]["decision"] == "reject"
    decided_parts = {part["part"]: part["decision"] for part in answer["parts"]}
    assert decided_parts == {"stripes": "reject", "blue disc": "accept", "broken": "to a person"}
    rows = list(csv.DictReader(target.read_text(encoding="utf-8-sig").splitlines()))
    assert {row["part"]: row["part decision"] for row in rows} == decided_parts


def test_without_an_operating_point_nothing_is_decided(trained):
    item = Prediction("a.png", (("stripes", 0.9), ("blue disc", 0.1)), decision=PartDecision.REJECT)
    found = prediction.decided(trained.workspace, trained.model, [item])
    assert found[0].decision is None
    assert "decision" not in prediction_as_json(found[0])
    assert "decision" not in _lines(found, trained.model)[0]


def test_a_folder_gets_its_decisions_too(decided, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained.images)
    target = tmp_path / "results.csv"
    arguments = ["predict", trained.model.id, ".", "--out", str(target), "--part-by", "folder"]
    place = ["--workspace", str(decided.root)]
    answer = json.loads(CliRunner().invoke(app, [*arguments, *place, "--json"]).stdout)
    here = CliRunner().invoke(app, ["predict", trained.model.id, ".", *place, "--json"])
    plain = [{k: v for k, v in item.items() if k != "part"} for item in answer["predictions"]]
    assert plain == json.loads(here.stdout)["predictions"]
    parts = [(part["part"], part["decision"], part["images"]) for part in answer["parts"]]
    assert parts == [("blue disc", "accept", 20), ("stripes", "reject", 20)]
    (job,) = prediction.batches(decided)
    assert job.result["decisions"] == {"accept": 20, "reject": 20}
    rows = prediction.batch_rows(decided, job, limit=1)
    columns = ["path", "class", "confidence", "decision", "unfamiliar_score", "part"]
    assert [*rows] == [*columns, "part decision", "error"]
    scores = prediction.batch_rows(decided, job, limit=100)["unfamiliar_score"]
    assert job.result["unfamiliar"] == sum(float(score) > 1 for score in scores) < 5
    assert target.read_bytes() == prediction.batch_table(decided, job).read_bytes()
    missing = CliRunner().invoke(app, [*arguments[:4], "no/x.csv", *place, "--json"])
    assert (missing.exit_code, "cannot be written" in missing.stdout) == (1, True)


def test_an_exported_network_decides_in_a_process_of_its_own_as_here(decided, trained, tmp_path):
    # The check runs the example of the folder, isolated from our code.
    folder = tmp_path / "for the line"
    arguments = ["export-model", trained.model.id, str(folder), "--format", "openvino", "--json"]
    place = ["--workspace", str(decided.root)]
    (tmp_path / "few").mkdir()
    for kind in ("stripes", "blue disc"):
        shutil.copy(trained.images / kind / "004.png", tmp_path / "few" / f"{kind}.png")
    (tmp_path / "few" / "broken.png").write_bytes(b"no image")
    answer = CliRunner().invoke(app, [*arguments, "--images", str(tmp_path / "few"), *place])
    check = json.loads(answer.stdout)["check"]
    assert (check["images"], check["changed"], check["unreadable"]) == (3, [], 1)
    assert check["largest_difference"] < 1e-3
    assert json.loads((folder / "check.json").read_text()) == check
    about = json.loads((folder / "touchstone.json").read_text())
    assert (about["sha256"], about["rule"]["reject_from"]) == (trained.model.sha256, 0.7)
    assert len((folder / "example.py").read_text().splitlines()) < 70
    (said,) = run_example(folder, [tmp_path / "few" / "stripes.png"])
    assert said.decision == PartDecision.REJECT
    onnx = [*arguments[:2], str(tmp_path / "onnx"), "--format", "onnx", "--json"]
    answer = CliRunner().invoke(app, [*onnx, "--images", str(tmp_path / "few"), *place])
    check = json.loads(answer.stdout)["check"]
    assert (check["images"], check["changed"]) == (3, [])
    assert check["largest_difference"] < 1e-3
    in_8_bits = [*arguments[:2], str(tmp_path / "int8"), "--format", "int8", "--json"]
    answer = CliRunner().invoke(app, [*in_8_bits, "--images", str(tmp_path / "few"), *place])
    rough = json.loads(answer.stdout)["check"]
    assert (rough["images"], rough["changed"], rough["unreadable"]) == (3, [], 1)
    assert check["largest_difference"] < rough["largest_difference"] < 0.2
    again = CliRunner().invoke(app, [*arguments, *place])
    assert (again.exit_code, "exists already" in again.stdout) == (1, True)


def test_a_class_called_error_does_not_hide_the_errors(trained, tmp_path):
    # Rows were read by title: the confidences of this class took the place of the error messages.
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    table = workspace.batch_table("batch-1")
    rows = prediction.prediction_rows(
        [Prediction("a.png", error="It is broken.")],
        ["error", "decision"],
        with_decision=False,
        with_unfamiliar=False,
    )
    write_csv(table, rows)
    job = Job("j", JobKind.PREDICT, "batch-1", JobStatus.COMPLETED, 1, {}, 0.0)
    assert prediction.batch_rows(workspace, job, limit=5) == {
        "path": ["a.png"],
        "class": [""],
        "confidence": [""],
        "error": ["It is broken."],
    }


def test_the_table_of_a_folder_has_the_delimiter_that_was_asked_for(trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    folder = trained.images / "stripes"
    semicolon = CsvDelimiter.SEMICOLON
    job = prediction.start_batch(workspace, trained.model, folder, delimiter=semicolon)
    ended = jobs.wait(workspace, job.id, on_change=lambda _: None)
    first = prediction.batch_table(workspace, ended).read_bytes().splitlines()[0]
    assert first.decode("utf-8-sig") == HEADER
    assert set(prediction.batch_rows(workspace, ended, limit=5)["class"]) == {"stripes"}


def test_the_command_line_writes_the_same_table(trained, tmp_path):
    target = tmp_path / "out.csv"
    image = str(trained.images / "stripes" / "000.png")
    arguments = ["predict", trained.model.id, image, "--workspace", str(trained.workspace.root)]
    out = ["--out", str(target), "--delimiter", "semicolon"]
    assert CliRunner().invoke(app, [*arguments, *out]).exit_code == 0
    lines = target.read_bytes().decode("utf-8-sig").splitlines()
    assert lines[0] == HEADER
    assert lines[1].startswith(f"{image};stripes;")


@pytest.mark.parametrize("names", [("type: A; deep", "a, b | c"), ('the "good" one', "100%; x: y")])
def test_decisions_of_classes_with_punctuation_stay_apart_from_their_names(names):
    rule = DecisionRule(
        OperatingPoint(0.3, 0.7), names, (Verdict.NOK, Verdict.OK), "a: b; c", 0.95, 1.0
    )
    kept = rule_from_json(rule_to_json(rule))
    items = [
        kept.decided(Prediction("a.png", tuple(zip(names, shares, strict=True))))
        for shares in ((0.9, 0.1), (0.5, 0.5), (0.1, 0.9))
    ]
    assert [item.decision for item in items] == [
        PartDecision.REJECT,
        PartDecision.REVIEW,
        PartDecision.ACCEPT,
    ]
    # The values that scripts read stay what they were, whatever people are shown.
    assert [prediction_as_json(item)["decision"] for item in items] == [
        "reject",
        "to a person",
        "accept",
    ]
    rows = list(csv.DictReader(prediction.as_csv(items, names).decode("utf-8-sig").splitlines()))
    assert [row["decision"] for row in rows] == ["reject", "to a person", "accept"]
    assert float(rows[0][names[0]]) == 0.9
