"""The command line as scripts see it: one JSON object, exit codes, names and ids."""

import json
import statistics
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as oracle
from typer.testing import CliRunner

from core.cli.app import app
from core.cli.using.predict import show_predictions
from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.domain.models import Prediction
from core.domain.splits import Subset
from core.store import quality
from core.store.database import connect
from core.store.judgement import openings_of
from core.workflows.data import edits
from core.workflows.results import judging
from core.workspace import Workspace
from tests.conftest import copy_of, save_image
from tests.core.workflows.data.test_quality import write_parts
from tests.made import add_model, make_dataset
from tests.recompute_report import mismatches


@pytest.fixture
def call(workspace):
    return _caller(workspace)


@pytest.fixture
def call_trained(trained):
    return _caller(trained.workspace)


def _caller(workspace):
    def call(*arguments, code=0):
        options = ["--workspace", str(workspace.root), "--json"]
        outcome = CliRunner().invoke(app, [*map(str, arguments), *options])
        assert outcome.exit_code == code, outcome.output
        return json.loads(outcome.stdout) if code != 2 else outcome.stderr

    return call


def _text(workspace, *arguments):
    outcome = CliRunner().invoke(app, [*arguments, "--workspace", str(workspace.root)])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_import_split_train_and_use_as_a_script_would(call, workspace, class_folders, tmp_path):
    (class_folders / "gut" / "broken.png").write_bytes(b"no image")
    imported = call("import", class_folders, "--name", "Teile")
    assert imported["classes"] == {"größe falsch": 6, "gut": 6, "割れ": 6}
    assert (imported["name"], imported["samples"]) == ("Teile", 18)
    assert [item["path"] for item in imported["skipped"]] == ["gut/broken.png"]
    assert "is not a JPEG" in imported["skipped"][0]["reason"]

    no_split = call("train", "Teile", code=1)
    assert "not been split" in no_split["error"]
    assert no_split["hint"]

    split = call("split", imported["dataset_id"], "--seed", "7")
    assert split["counts"] == {
        "train": {"größe falsch": 4, "gut": 4, "割れ": 4},
        "validation": {"größe falsch": 1, "gut": 1, "割れ": 1},
        "test": {"größe falsch": 1, "gut": 1, "割れ": 1},
    }
    options = ("--image-size", "64", "--device", "cpu", "--detail", "whole", "--name", "Farben")
    made = call("train", "teile", "--recipe", "quick", *options)
    assert (made["recipe"], made["epochs"], made["refit"]) == ("quick", 0, True)
    path = made["penalty_path"]
    least = min(path, key=lambda point: point["log_loss"])
    enough = least["log_loss"] + least["standard_error"]
    assert made["penalty"] == max(p["penalty"] for p in path if p["log_loss"] <= enough)
    assert made["network"] == "tf_efficientnet_lite0"
    assert made["duration_s"] > 0
    assert set(made["validation"]) == {"accuracy", "macro_f1"}
    by_name = call("evaluate", "Farben", "--subset", "validation")
    assert by_name == call("evaluate", made["model_id"], "--subset", "validation")
    assert by_name["macro_f1"] == pytest.approx(made["validation"]["macro_f1"])

    again = call("import", class_folders, "--name", "TEILE", code=1)
    assert "already exists" in again["error"]
    assert call("delete", made["run_id"])["kind"] == "run"
    assert call("delete", "Teile")["kind"] == "dataset"
    assert call("datasets") == {"datasets": []}
    # The model goes on without its dataset.
    image_path = class_folders / "gut" / "pic 1 é.png"
    assert call("predict", "Farben", image_path)["predictions"][0]["path"] == str(image_path)
    assert "error" in call("evaluate", "Farben", code=1)
    assert call("delete", "Farben")["kind"] == "model"
    assert call("models") == {"models": []}


def test_the_report_has_every_measure(call_trained):
    report = call_trained("evaluate", "Marks quick")
    assert report["n"] == 8
    assert report["class_names"] == ["blue disc", "stripes"]
    assert report["confusion_matrix"] == [[4, 0], [0, 4]]
    assert (report["accuracy"], report["top_k_error"]) == (1.0, {"1": 0.0})
    assert report["per_class"]["stripes"] == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "support": 4,
    }
    assert {report[f"macro_{name}"] for name in ("precision", "recall", "f1")} == {1.0}


def test_every_rate_of_the_report_has_its_bounds(call_trained, trained):
    report = call_trained("evaluate", "Marks quick", "--ok", "stripes", "--top-k", "1,2")
    accuracy = report["intervals"]["accuracy"]
    # Exact, two-sided 95%: 0.025 ** (1 / 8) for 8 of 8.
    assert accuracy["low"] == pytest.approx(0.6306, abs=1e-4)
    assert (accuracy["high"], accuracy["n"], accuracy["unit"]) == (1.0, 8, "pictures")
    recall = report["intervals"]["per_class"]["stripes"]["recall"]
    assert recall["low"] == pytest.approx(0.3976, abs=1e-4)
    assert (recall["k"], recall["n"]) == (4, 4)
    assert report["class_mix"] == {"blue disc": 0.5, "stripes": 0.5}
    assert [report[k] for k in ("kappa", "mcc", "balanced_accuracy")] == [1.0, 1.0, 1.0]
    assert {report[k] >= 0 for k in ("log_loss", "brier", "ece")} == {True}
    # A temperature fitted on perfect validation images ran to its bound and was recommended.
    assert (report["temperature"], report["ece_with_temperature"]) == (None, None)
    assert report["no_temperature_reason"] == "few_errors"
    assert report["validation_cross_validated"] is True
    assert report["auc"] == {
        "macro": 1.0,
        "per_class": {"blue disc": 1.0, "stripes": 1.0},
        "ok_nok": 1.0,
    }
    escape = report["ok_nok"]["escape"]
    assert (escape["k"], escape["n"], escape["rate"], escape["low"]) == (0, 4, 0.0, 0.0)
    assert escape["high"] == pytest.approx(0.6024, abs=1e-4)
    assert report["ok_nok"]["unit"] == "pictures"
    assert report["notice"] is None
    # K of all classes was dropped.
    assert report["top_k_error"] == {"1": 0.0, "2": 0.0}
    missed = report["intervals"]["top_k_error"]
    assert missed["1"]["high"] == pytest.approx(1 - 0.6306, abs=1e-4)
    assert (missed["2"]["low"], missed["2"]["high"], missed["2"]["n"]) == (0.0, 0.0, 8)
    assert (
        "must be 1 or more"
        in call_trained("evaluate", "Marks quick", "--top-k", "1,0", code=1)["error"]
    )


def test_without_verdicts_the_report_says_why_there_is_no_escape_rate(call_trained):
    report = call_trained("evaluate", "Marks quick")
    assert report["ok_nok"] is None
    assert "--ok NAME" in report["ok_nok_missing"]
    assert report["auc"]["ok_nok"] is None
    wrong = call_trained("evaluate", "Marks quick", "--ok", "gut", code=1)
    assert "no class 'gut'" in wrong["error"]
    assert "not a list" in call_trained("evaluate", "Marks quick", "--top-k", "x", code=1)["error"]


def test_test_results_are_opened_once_however_often_they_are_shown(call_trained, trained):
    # Every call was one more view, and a script that ran each night filled the record.
    call_trained("evaluate", "Marks quick", "--subset", "validation")
    for _ in range(2):
        call_trained("evaluate", "Marks quick", "--purpose", "nightly check")
    with connect(trained.workspace) as db:
        views = openings_of(db, trained.split.id)
    assert [view.kind for view in views if view.model_name == "Marks quick"].count("opening") == 1


def test_an_absent_class_has_no_data_and_one_never_predicted_no_precision_to_show(call, workspace):
    made = make_dataset(workspace, per_subset=8)
    targets = made.targets[Subset.TEST]
    said = np.eye(3, dtype=np.float32)[np.where(targets == 1, 0, targets)]
    add_model(made, "b", given={Subset.TEST: said})
    gone = made.ids[Subset.TEST][targets == 2].tolist()
    edits.exclude(workspace, "parts", gone)
    report = call("evaluate", "b")
    # Both were 0 all over, as if the class were there and had been missed.
    assert report["per_class"]["scratch"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
    }
    assert report["per_class"]["hole"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}
    assert report["intervals"]["per_class"]["hole"]["precision"] is None
    assert report["intervals"]["per_class"]["scratch"]["recall"] is None
    shown = CliRunner().invoke(app, ["evaluate", "b", "--workspace", str(workspace.root)]).stdout
    (row,) = [line for line in shown.splitlines() if "scratch" in line and "no data" in line]
    assert row.count("no data") == 3


def test_means_of_every_kind_come_with_their_bounds(call, workspace):
    made = make_dataset(workspace, per_subset=40)
    add_model(made, "b", skill=1.0)
    report = call("evaluate", "b")
    judged = judging.judged_set(workspace, "b", Subset.TEST)
    predicted = judged.probabilities.argmax(axis=1)
    for kind in ("macro", "weighted"):
        scores = oracle.precision_recall_fscore_support(
            judged.targets, predicted, average=kind, zero_division=0
        )[:3]
        found = [report[f"{kind}_{name}"] for name in ("precision", "recall", "f1")]
        assert found == pytest.approx(list(scores))
    assert report["micro_f1"] == report["weighted_recall"] == report["accuracy"]
    for name in (
        "macro_recall",
        "macro_f1",
        "weighted_precision",
        "weighted_recall",
        "weighted_f1",
        "micro_f1",
    ):
        bounds = report["intervals"][name]
        assert bounds["low"] < report[name] < bounds["high"]


def test_the_accuracy_of_parts_gives_no_bounds_of_means_over_images(call, workspace):
    add_model(make_dataset(workspace, per_subset=40, groups=True), "b", skill=1.0)
    report = call("evaluate", "b", "--top-k", "1,2")
    assert report["intervals"]["weighted_recall"] is None
    assert report["intervals"]["micro_f1"] is None
    missed = report["intervals"]["top_k_error"]["1"]
    assert (missed["unit"], missed["n"]) == ("parts", report["independent"])
    assert missed["rate"] > report["top_k_error"]["1"]


def test_a_person_reads_bounds_too(trained):
    options = ("--ok", "stripes", "--workspace", str(trained.workspace.root))
    shown = CliRunner().invoke(app, ["evaluate", "Marks quick", *options]).stdout
    assert "63% to 100%" in shown
    assert "escape: 0 of 4 defective images: 0% (0% to 61%)" in shown


def test_predictions_of_folders_and_files_go_on_past_an_unreadable_one(
    call_trained, trained, tmp_path
):
    (tmp_path / "broken.png").write_bytes(b"broken")
    found = call_trained(
        "predict",
        trained.model.id,
        tmp_path / "broken.png",
        tmp_path / "none.png",
        trained.images / "stripes",
    )["predictions"]
    assert len(found) == 22
    assert all(set(item) == {"path", "error"} for item in found[:2])
    assert all(item["class_name"] == "stripes" for item in found[2:])
    first = found[2]
    assert first["confidences"][0] == ["stripes", first["confidence"]]
    assert [name for name, _ in first["confidences"]] == ["stripes", "blue disc"]


def test_whether_an_unreadable_image_is_unfamiliar_stays_open(capsys):
    # "unfamiliar: no" stood beside files that nobody could read.
    known = Prediction("known.png", (("stripes", 0.9),), unfamiliar=0.4)
    broken = Prediction("broken.png", error="It is broken.")
    show_predictions([known, broken], [])
    rows = capsys.readouterr().out.splitlines()
    ends = {row.split()[1]: row.rstrip(" │").split()[-1] for row in rows if ".png" in row}
    assert ends == {"known.png": "no", "broken.png": "–"}


def test_an_empty_folder_is_told_in_one_sentence(trained, tmp_path):
    # An empty table stood before it.
    outcome = CliRunner().invoke(
        app,
        ["predict", trained.model.id, str(tmp_path), "--workspace", str(trained.workspace.root)],
    )
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.strip() == "There are no images here."


def test_a_heatmap_is_written_as_a_image(call_trained, trained, tmp_path):
    image_path = trained.images / "stripes" / "002.png"
    out = tmp_path / "heat.png"
    answer = call_trained(
        "heatmap", "marks quick", image_path, "--out", out, "--class", "blue disc"
    )
    assert answer["class_name"] == "blue disc"
    assert answer["confidence"] < 0.5
    with Image.open(out) as image:
        assert image.size == (192, 192)
    missing = tmp_path / "no folder" / "heat.png"
    assert (
        "cannot be written"
        in call_trained("heatmap", "marks quick", image_path, "--out", missing, code=1)["error"]
    )
    wrong = call_trained("heatmap", "marks quick", image_path, "--out", out, "--class", "x", code=1)
    assert "no class 'x'" in wrong["error"]


def test_lists_show_names_and_ids(call_trained, trained):
    (dataset,) = call_trained("datasets")["datasets"]
    (run,) = call_trained("runs")["runs"]
    (model,) = call_trained("models")["models"]
    assert (dataset["dataset_id"], dataset["name"]) == (trained.dataset.id, "Marks")
    assert (run["run_id"], run["status"], run["model_id"]) == (
        trained.run.run.id,
        "completed",
        trained.model.id,
    )
    # A list of test results would be a view that nobody records.
    assert (model["name"], model["dataset"], model["test_macro_f1"]) == (
        "Marks quick",
        "Marks",
        None,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "/no/such/folder", "--name", "x"),
        ("import", "/proc", "--name", "x"),
        ("split", "nothing"),
        ("quality", "nothing"),
        ("train", "nothing"),
        ("resume", "nothing"),
        ("evaluate", "nothing"),
        ("predict", "nothing", "a.png"),
        ("heatmap", "nothing", "a.png", "--out", "b.png"),
        ("delete", "nothing"),
    ],
)
def test_what_cannot_be_done_is_one_error_object_and_exit_code_1(call, arguments):
    answer = call(*arguments, code=1)
    assert set(answer) == {"error", "hint"}
    assert answer["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "folder"),
        ("train",),
        ("train", "x", "--recipe", "magic"),
        ("split", "x", "--seed", "many"),
        ("nonsense",),
        ("predict", "m", "a.png", "--bogus"),
    ],
)
def test_a_wrong_call_is_exit_code_2(call, arguments):
    assert call(*arguments, code=2)


def test_a_setting_out_of_range_is_refused_before_anything_starts(call_trained):
    answer = call_trained("train", "Marks", "--epochs", "0", code=1)
    assert "Epochs is 0" in answer["error"]
    answer = call_trained("train", "Marks", "--image-size", "16", code=1)
    assert "Image size is 16" in answer["error"]
    answer = call_trained("train", "Marks", "--network", "resnet50", code=1)
    assert "not on this machine" in answer["error"]
    assert len(call_trained("runs")["runs"]) == 1


def test_a_completed_run_cannot_be_resumed(call_trained):
    assert "completed" in call_trained("resume", "Marks quick", code=1)["error"]


def test_too_small_a_class_is_named(call, tmp_path):
    for name in ("good", "crack"):
        for number in range(5 if name == "good" else 2):
            save_image(tmp_path / "s" / name / f"{number}.png", [[[number * 9, 2, 3]] * 9] * 9)
    call("import", tmp_path / "s", "--name", "Small")
    # A class with two images used to refuse the whole split.
    answer = call("split", "Small")
    assert answer["counts"]["train"]["crack"] == 2
    assert [gap["class"] for gap in answer["class_gaps"]] == ["crack"]


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (1, "Class 'crack' has 1 image; the split needs at least 3."),
        (5, "Class 'crack' has images of 1 different group;"),  # the same file five times
    ],
)
def test_training_says_why_there_can_be_no_split(call, tmp_path, images, reason):
    # After a refused split it said "Make a split first", which was refused again.
    for name, shade in (("good", 40), ("crack", 200)):
        for number in range(images):
            save_image(tmp_path / "s" / name / f"{number}.png", [[[shade, 2, 3]] * 9] * 9)
    call("import", tmp_path / "s", "--name", "Few")
    refused = call("split", "Few", code=1)
    assert refused["error"].startswith(reason)
    error = call("train", "Few", "--recipe", "quick", code=1)
    assert error["error"] == (
        "This dataset has not been split yet, and the usual split is not possible. "
        + refused["error"]
    )
    assert error["hint"] == refused["hint"]


def test_a_table_gives_the_labels(call, class_folders, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path;label\ngut/pic 0 é.png;ok\ngut/pic 1 é.png;nok\n", encoding="utf-8-sig")
    answer = call("import", class_folders, "--name", "Table", "--csv", table)
    assert answer["classes"] == {"nok": 1, "ok": 1}
    assert len(answer["skipped"]) == 16
    assert (
        "cannot be read"
        in call("import", class_folders, "--name", "T2", "--csv", tmp_path / "no.csv", code=1)[
            "error"
        ]
    )


def test_an_occupied_workspace_path_is_an_error_object(tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert "cannot be used" in _caller(Workspace(tmp_path / "file"))("datasets", code=1)["error"]


def test_the_installed_command_answers_people_and_keeps_stdout_clean(trained, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "core.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    root = ("--workspace", trained.workspace.root)
    listed = run("models", *root)
    assert listed.returncode == 0
    assert "Marks quick" in listed.stdout
    failed = run("evaluate", "nothing", *root)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "There is no model 'nothing'." in failed.stderr
    copy = copy_of(trained.workspace, tmp_path / "copy").root
    again = run("import", trained.images, "--name", "Twice", "--workspace", copy, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["samples"] == 40
    assert len(again.stdout.splitlines()) == 1


def test_quality_and_a_grouped_split_as_a_script_would(call, tmp_path):
    root = write_parts(tmp_path / "parts")
    call("import", root, "--name", "Parts")
    unseen = call("split", "Parts", "--name", "unseen")
    assert unseen["certificate"] == {
        "groups_across": None,
        "exact_across": 0,
        "near_across": None,
    }
    assert "not been checked for look-alikes" in unseen["warning"]
    grouped = call("split", "Parts", "--group-by", "auto")
    assert grouped["certificate"] == {"groups_across": 0, "exact_across": 0, "near_across": 0}
    assert grouped["warning"] is None
    report = call("quality", "Parts")
    assert report["suspect_labels"] == [] or set(report["suspect_labels"][0]) == {
        "path",
        "name",
        "label",
        "suggested",
        "confidence",
        "sure",
        "certainty",
        "right",
    }
    assert report["subset_leaks"] == []
    assert isinstance(report["outliers"], list)
    assert {"findings", "groups", "near_duplicates", "label_conflicts", "format_leaks"} <= set(
        report
    )
    assert report["groups"] == {"count": 16, "samples": 49}
    assert call("split", "Parts")["certificate"]["groups_across"] > 0
    assert "regex" in call("split", "Parts", "--group-by", "nonsense", code=1)["hint"]
    fixed = call(
        "quality", "Parts", "--fix", "exact-duplicate:keep-one", "--fix", "near_duplicate:group"
    )
    assert fixed["cured"][0] == "Excluded 1 image"
    assert "near_duplicate" not in fixed["findings"]
    assert "Kinds: " in call("quality", "Parts", "--fix", "spots:paint", code=1)["hint"]


def test_folds_are_split_trained_and_read_together_as_a_script_would(call, trained, workspace):
    call("import", trained.images, "--name", "Marks")
    made = call("split", "Marks", "--kfold", "3", "--test", "0.2", "--seal", "--name", "three")
    assert (made["folds"], made["sealed"]) == (3, True)
    assert [sum(made["counts"][f"fold {i}"].values()) for i in (1, 2, 3)] == [11, 11, 10]
    assert made["counts"]["test"] == {"blue disc": 4, "stripes": 4}
    options = ("--recipe", "quick", "--image-size", "64", "--detail", "whole", "--device", "cpu")
    answer = call("train", "Marks", "--all-folds", "--name", "CV", *options)["cross_validation"]
    assert (answer["folds"], answer["folds_done"]) == (3, 3)
    assert [item["fold"] for item in answer["per_fold"]] == [1, 2, 3]
    assert [item["n"] for item in answer["per_fold"]] == [11, 11, 10]
    accuracies = [item["accuracy"] for item in answer["per_fold"]]
    assert answer["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 3)
    assert answer["accuracy"]["std"] == pytest.approx(statistics.stdev(accuracies))
    assert {run["name"] for run in call("runs")["runs"]} == {f"CV fold {i} of 3" for i in (1, 2, 3)}

    # `evaluate CV` said "There is no model 'CV'", and nothing had named the models.
    unknown = call("evaluate", "cv", code=1)
    assert unknown["hint"] == (
        "Names that begin alike: 'CV fold 1 of 3', 'CV fold 2 of 3', 'CV fold 3 of 3'."
    )
    assert call("evaluate", "none", code=1)["hint"] == "The list of models shows their names."
    table = _text(workspace, "train", "Marks", "--all-folds", "--name", "Told", *options)
    assert all(f"Told fold {i} of 3" in table for i in (1, 2, 3))

    single = call("train", "Marks", "--fold", "2", "--name", "One", *options)
    report = call("evaluate", "CV fold 2 of 3", "--subset", "validation")
    # The same fold, settings and seed make the same model, alone or among others.
    assert single["validation"]["accuracy"] == report["accuracy"]
    assert report["n"] == 11
    assert (
        "nothing to validate" in call("train", "Marks", "--fold", "1", "--refit", code=1)["error"]
    )
    assert (single["refit"], single["epochs"]) == (False, 0)
    assert "no fold 4" in call("train", "Marks", "--fold", "4", code=1)["error"]
    assert "exclude" in call("train", "Marks", "--fold", "1", "--all-folds", code=1)["error"]

    later = call("split", "Marks", "--seed", "9", "--name", "later")
    assert later["sealed"]
    assert later["counts"]["test"] == made["counts"]["test"]
    assert "no folds" in call("train", "Marks", "--all-folds", *options, code=1)["error"]


def test_counts_and_orders_as_a_script_would(call, class_folders):
    call("import", class_folders, "--name", "S")
    counted = call("split", "S", "--counts", "6,3,3")
    assert [sum(side.values()) for side in counted["counts"].values()] == [6, 3, 3]
    each = call("split", "S", "--counts", "3,1,1", "--per-class")
    assert set(each["counts"]["train"].values()) == {3}
    ordered = call("split", "S", "--order-by", "name")
    assert ordered["strategy"] == "ordered by name"
    assert "three counts" in call("split", "S", "--counts", "many", code=1)["error"]
    assert "19 images were asked for" in call("split", "S", "--counts", "9,5,5", code=1)["error"]
    assert "No image" in call("split", "S", "--group-by", "attribute:lot", code=1)["error"]
    assert call("split", "S", "--order-by", "size", code=2)


def test_a_test_is_sealed_opened_and_reported_as_a_script_would(call, workspace, tmp_path):
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "pictures")
    add_model(made, "press", skill=12.0)
    assert "no release criteria" in call("seal", "press", code=1)["error"]
    call("criteria", "parts", "--max-overkill", "0.2")
    conflict = "The same image has 2 labels."
    finding = Finding(FindingKind.LABEL_CONFLICT, Severity.SERIOUS, conflict, (1, 2))
    with connect(workspace) as db, db.conn:
        quality.save_check(db, QualityCheck("ds-1", 1.0, (), 0, 0), [finding])
    options = ["--workspace", str(workspace.root), "--json"]
    outcome = CliRunner().invoke(app, ["seal", "press", *options])
    assert f"Serious open finding: {conflict}" in outcome.stderr
    sealed = json.loads(outcome.stdout)
    assert sealed["pictures"] == 24
    page, table = tmp_path / "report.html", tmp_path / "report.csv"
    assert "sealed" in call("report", "press", "--out", page, code=1)["error"]
    opened = call("open-test", "press", "--purpose", "release 1")
    assert opened["gate"]["verdict"] == "PASS"
    assert [o["purpose"] for o in opened["openings"]] == ["release 1"]
    call("report", "press", "--out", page, "--csv", table, "--short")
    assert "Release criteria met" in page.read_text(encoding="utf-8")
    assert mismatches(page, table) == []
    assert (
        "cannot be written"
        in call("report", "press", "--out", tmp_path / "no" / "x.html", code=1)["error"]
    )
