"""The command line as a program: help, version, exit codes, output in pipes and consoles."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.app import CONTENTS, app, load_command
from core.domain.jobs import JobStatus
from core.workflows.training import runs
from core.workflows.use import models
from tests.conftest import copy_of
from tests.made import add_model, make_dataset

COMMANDS = [entry.name for entries in CONTENTS.values() for entry in entries]


def _program(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "core.cli", *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_groups_the_commands_by_the_five_words_and_gives_examples():
    shown = CliRunner().invoke(app, ["-h"]).stdout
    places = [shown.index(f"─ {word} ─") for word in CONTENTS]
    assert places == sorted(places)
    assert "touchstone import ./images --name Pills" in shown
    assert list(CONTENTS) == ["Data", "Training", "Results", "Sign-off", "Use", "Workspace"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_short_help_option_and_a_variable_for_each_option(name):
    assert CliRunner().invoke(app, [name, "-h"]).exit_code == 0
    for option in load_command(name).params:
        if option.param_type_name == "option":
            assert option.envvar


def test_the_table_of_contents_lists_every_command_of_every_module():
    import importlib

    from typer.main import get_group

    import core.cli

    folder = Path(core.cli.__file__).parent
    modules = [
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if any(words in path.read_text("utf-8") for words in ("@app.command", "app.add_typer("))
    ]
    defined = {
        name: module
        for module in modules
        for name in get_group(importlib.import_module(f"core.cli.{module}").app).commands
    }
    listed = {entry.name: entry.module for entries in CONTENTS.values() for entry in entries}
    assert defined == listed


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant():
    answer = CliRunner().invoke(app, ["evalaute"])
    assert answer.exit_code == 2
    assert "evaluate" in answer.stderr


def test_help_imports_nothing_that_takes_seconds():
    # All commands were imported to list them: pandas, NumPy and the database, a second in all.
    code = (
        "import sys\n"
        "from core.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('numpy', 'pandas', 'torch', 'streamlit', 'sqlite_utils', 'scipy', 'PIL')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stderr.strip() == "[]"


def test_the_version_is_printed_and_completion_is_offered():
    assert _program("--version").stdout.startswith(b"touchstone")
    shown = _program(
        _TOUCHSTONE_COMPLETE="complete_bash", COMP_WORDS="touchstone tr", COMP_CWORD="1"
    )
    assert shown.stdout.decode().split() == ["train"]
    shown = _program(
        _TOUCHSTONE_COMPLETE="complete_bash", COMP_WORDS="touchstone train --weight", COMP_CWORD="2"
    )
    assert shown.stdout.decode().split() == ["--weight-decay"]


def test_an_option_can_come_from_a_variable(workspace):
    answer = _program(
        "plan",
        TOUCHSTONE_PLAN_RATE="0.01",
        TOUCHSTONE_PLAN_JSON="1",
        TOUCHSTONE_WORKSPACE=str(workspace.root),
    )
    assert json.loads(answer.stdout)["needed"] == 299


def test_a_variable_that_names_the_version_of_an_image_changes_nothing():
    # A variable for each option of the program itself would have taken this one for --version.
    assert b"Usage" in _program("-h", TOUCHSTONE_VERSION="1.2").stdout


def test_predict_fails_where_every_image_fails_and_lists_failures_where_some_do(trained, tmp_path):
    # A missing or broken file alone ended with exit code 0.
    (tmp_path / "broken.png").write_bytes(b"broken")
    (tmp_path / "empty").mkdir()
    image = trained.images / "stripes" / "002.png"

    def predict(*paths):
        options = ["--workspace", str(trained.workspace.root), "--json"]
        answer = CliRunner().invoke(app, ["predict", "Marks quick", *map(str, paths), *options])
        return answer.exit_code, json.loads(answer.stdout)["predictions"]

    code, items = predict(tmp_path / "broken.png", tmp_path / "none.png")
    assert (code, [set(item) for item in items]) == (1, [{"path", "error"}] * 2)
    code, items = predict(tmp_path / "none.png", image)
    assert (code, ["error" in item for item in items]) == (0, [True, False])
    assert predict(tmp_path / "empty") == (1, [])


def test_a_table_is_not_cut_in_a_pipe(workspace):
    name = "a very long name of a model " * 6
    add_model(make_dataset(workspace), name.strip())
    shown = _program("models", "--workspace", workspace.root, COLUMNS="40").stdout.decode()
    assert name.strip() in shown


def test_names_are_printed_on_a_console_of_few_characters(workspace):
    # The first "–" ended in a UnicodeEncodeError.
    add_model(make_dataset(workspace), "größe 割")
    for encoding, seen in (("ascii", b"gr\\xf6\\xdfe \\u5272"), ("cp1252", b"gr\xf6\xdfe \\u5272")):
        answer = _program("models", "--workspace", workspace.root, PYTHONIOENCODING=encoding)
        assert answer.returncode == 0, answer.stderr
        assert seen in answer.stdout
        assert b"Traceback" not in answer.stderr
        assert _program("-h", PYTHONIOENCODING=encoding).returncode == 0


def test_an_unexpected_error_is_one_line_that_names_the_log(workspace, monkeypatch):
    def broken(workspace):
        raise RuntimeError("the disk\nspoke")

    monkeypatch.setattr(models, "list_models", broken)
    options = ["--workspace", str(workspace.root)]
    answer = CliRunner().invoke(app, ["models", *options])
    log = workspace.logs / "command-line.log"
    assert answer.exit_code == 1
    said, hint = answer.stderr.splitlines()
    incident = re.fullmatch(
        r"Error: Something went wrong \(incident (\w+)\): RuntimeError: the disk spoke", said
    )[1]
    assert hint == f"The details are in {log}."
    assert f"incident {incident}\nTraceback" in log.read_text()
    as_json = CliRunner().invoke(app, ["models", *options, "--json"])
    assert as_json.exit_code == 1
    assert set(json.loads(as_json.stdout)) == {"error", "hint", "incident"}


def test_a_reader_that_leaves_early_is_no_error(trained):
    models = f"{sys.executable} -m core.cli models --workspace '{trained.workspace.root}'"
    answer = subprocess.run(
        ["bash", "-c", f"{models} | true"], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in answer.stderr


def _running(workspace, known):
    """The view of a new run once it trains."""
    for _ in range(600):
        for view in runs.list_runs(workspace):
            if view.run.id not in known and view.job and view.job.phase == "Training":
                return view
        time.sleep(0.1)
    raise AssertionError("no training began")


def _ended(workspace, run_id):
    for _ in range(600):
        view = runs.find_run(workspace, run_id)
        if not view.status.is_active:
            return view.status
        time.sleep(0.1)
    raise AssertionError("the training did not end")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_pauses_the_training_and_ends_with_130(trained, tmp_path):
    # It ended with 1, as a failure does.
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    known = {view.run.id for view in runs.list_runs(workspace)}
    options = ("--recipe", "full", "--epochs", "1000", "--device", "cpu", "--image-size", "32")
    options += ("--json", "--workspace", str(workspace.root))
    program = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "train", "Marks", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Why: what a shell starts in the background ignores Ctrl+C, and so would this program.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    view = _running(workspace, known)
    program.send_signal(signal.SIGINT)
    answer, _ = program.communicate(timeout=60)
    assert program.returncode == 130
    assert json.loads(answer) == {"error": "Stopped by Ctrl+C.", "hint": ""}
    assert runs.find_run(workspace, view.run.id).status is JobStatus.PAUSED


def test_networks_says_what_is_on_this_machine(workspace, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (workspace.weights / "resnet50.safetensors").write_bytes(b"x")
    answer = CliRunner().invoke(app, ["networks", "--workspace", str(workspace.root), "--json"])
    networks = {n["name"]: n for n in json.loads(answer.stdout)["networks"]}
    lite = networks["tf_efficientnet_lite0"]
    assert (lite["availability"], lite["source"]) == ("on this machine", "installed package")
    assert (lite["license"], lite["parameters_m"], lite["image_size_px"]) == (
        "Apache-2.0",
        4.7,
        224,
    )
    assert networks["resnet50"]["source"] == "weights folder"
    assert networks["convnext_tiny"]["source"] is None


def test_a_report_with_its_table_is_made_by_the_program_itself(trained, tmp_path):
    # The program kept pandas away for good, so that the table of a report could not be written;
    # commands that are called in a test process found it there.
    copy = copy_of(trained.workspace, tmp_path / "copy")
    target, table = tmp_path / "report.html", tmp_path / "report.csv"
    ran = _program(
        *("report", trained.model.id, "--out", target, "--csv", table, "--short"),
        TOUCHSTONE_WORKSPACE=str(copy.root),
    )
    assert ran.returncode == 0, ran.stdout.decode() + ran.stderr.decode()
    assert target.stat().st_size > 10_000
    assert "other_class" in table.read_text(encoding="utf-8-sig").splitlines()[0]
