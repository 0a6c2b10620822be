"""The registry: a release needs a passed sealed test, there is one, and all of it is recorded."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.domain.models import ModelStage, ModelStanding, PartDecision, Prediction
from core.domain.record import RecordedAction
from core.domain.signoff import Seal
from core.domain.stages.states import MissedCriterion, MissedKind, ReadVerdict
from core.errors import ConfigError, NotFoundError
from core.store import judgement, quality
from core.store.database import connect, transaction
from core.store.stages.verdicts import save_verdict
from core.workflows.data import datasets
from core.workflows.inventory import Level, inventory
from core.workflows.keeping.record import entries
from core.workflows.stages import standings
from core.workflows.use import history, registry
from core.workflows.use.serving import released_names
from pages.ui.shell.choice import resolve
from tests.made import add_model, make_dataset

RELEASED, RETIRED, CANDIDATE = ModelStage.RELEASED, ModelStage.RETIRED, ModelStage.CANDIDATE


@pytest.fixture
def two(workspace):
    made = make_dataset(workspace, per_subset=8)
    return [add_model(made, name, seed=seed) for seed, name in enumerate(("old", "new"))]


def _passes(workspace, model):
    seal = Seal(model.id, "split-1", 1.0, "", "", "digest", opened_at=2.0)
    with connect(workspace) as db, transaction(db):
        judgement.insert_seal(db, seal)
        save_verdict(db, ReadVerdict(model.id, (), "", "", 3.0))


def test_a_release_needs_the_gate_and_retires_the_one_before(workspace, two):
    old, new = two
    with pytest.raises(ConfigError, match="not passed yet") as refused:
        registry.set_stage(workspace, "old", RELEASED)
    assert "touchstone seal" in refused.value.hint
    with pytest.raises(NotFoundError, match="No model is released"):
        released_names(workspace)
    for model in two:
        _passes(workspace, model)
        registry.set_stage(workspace, model.name, RELEASED, "line 3")
    assert released_names(workspace) == [new.id]
    rows, _ = entries(workspace, actions=[RecordedAction.MODEL_STAGED])
    assert [(row.name, row.old, row.new, row.reason) for row in rows] == [
        ("new", "candidate", "released", "line 3"),
        ("old", "released", "retired", "Replaced by new."),
        ("old", "candidate", "released", "line 3"),
    ]
    registry.set_stage(workspace, "old", RELEASED)  # back to the one before
    # Predict offers it first, though the other is newer; Results go on with the newest.
    for uses_models, expected in ((True, old.id), (False, new.id)):
        chosen = resolve(inventory(workspace), {}, {}, free_model=uses_models)
        assert chosen.at(Level.MODEL).id == expected
    assert [item.name for item in chosen.models] == ["old", "new"]


def test_a_model_from_elsewhere_is_released_with_a_reason_only(workspace, two):
    with connect(workspace) as db, transaction(db):
        db.conn.execute("UPDATE models SET dataset_id = NULL, version = NULL WHERE name = 'old'")
    with pytest.raises(ConfigError, match="not signed off here"):
        registry.set_stage(workspace, "old", RELEASED)
    assert registry.set_stage(workspace, "old", RELEASED, "plant 2").stage is RELEASED


def test_a_verdict_outlives_the_dataset_of_its_test(workspace, two):
    # A model that had failed became "no test here", to be released with any reason.
    old, new = two
    missed = (MissedCriterion(MissedKind.ESCAPE),)
    with connect(workspace) as db, transaction(db):
        save_verdict(db, ReadVerdict(old.id, missed, "", "", 3.0))
    datasets.delete_dataset(workspace, "ds-1")
    assert standings(workspace) == {
        old.id: ModelStanding.BLOCKED,
        new.id: ModelStanding.TEST_GONE,
    }
    with pytest.raises(ConfigError, match="missed release criteria"):
        registry.set_stage(workspace, "old", RELEASED, "plant 2")
    with pytest.raises(ConfigError, match="Its test went with its dataset"):
        registry.set_stage(workspace, "new", RELEASED)
    _passes(workspace, new)
    assert standings(workspace)[new.id] is ModelStanding.PASSED
    with pytest.raises(ConfigError, match="its dataset was deleted since"):
        registry.set_stage(workspace, "new", RELEASED)
    assert registry.set_stage(workspace, "new", RELEASED, "images archived").stage is RELEASED


def test_a_release_against_a_serious_finding_needs_a_reason_that_is_recorded(workspace, two):
    # The verdict was green and the dialog silent, whatever the quality check had said.
    _passes(workspace, two[0])
    with connect(workspace) as db, transaction(db):
        check = QualityCheck(str(two[0].dataset_id), 2.0, (), 0, 0)
        serious = Finding(FindingKind.FORMAT_LEAK, Severity.SERIOUS, "All .png show cracks.")
        quality.save_check(db, check, [serious])
    assert registry.doubts_about(workspace, two[0]) == ("Open finding: All .png show cracks.",)
    with pytest.raises(ConfigError, match=r"needs a reason\. Open finding: All \.png"):
        registry.set_stage(workspace, "old", RELEASED, " ")
    registry.set_stage(workspace, "old", RELEASED, "the line writes PNG only")
    rows, _ = entries(workspace, actions=[RecordedAction.MODEL_STAGED])
    assert [(row.new, row.reason) for row in rows] == [("released", "the line writes PNG only")]


def test_stage_and_notes_by_the_command_line(workspace, two):
    def run(*words):
        line = ["models", *words, "--workspace", str(workspace.root), "--json"]
        answer = CliRunner().invoke(app, line)
        return answer.exit_code, json.loads(answer.stdout)

    assert run("notes", "old", "for the left camera")[1]["note"] == "for the left camera"
    code, staged = run("stage", "old", "retired", "--reason", "camera is gone")
    assert (code, staged["stage"]) == (0, "retired")
    assert run("stage", "old", "candidate")[1]["stage"] == "candidate"
    assert run("stage", "new", "released")[0] == 1
    _, listed = run()
    assert {m["name"]: (m["stage"], m["note"]) for m in listed["models"]} == {
        "new": ("candidate", ""),
        "old": ("candidate", "for the left camera"),
    }
    rows, _ = entries(workspace, actions=[RecordedAction.MODEL_NOTED])
    assert [(row.old, row.new) for row in rows] == [(None, "for the left camera")]


def test_single_images_are_remembered_and_found_by_any_of_their_words(workspace, two):
    items = [
        Prediction("left 7%.png", (("hole", 0.9), ("good", 0.1)), decision=PartDecision.REJECT),
        Prediction("right.png", (("good", 0.8), ("hole", 0.2)), part="7", unfamiliar=0.4),
        Prediction("text.png", error="It is no image."),
    ]
    for model in two:
        history.remember(workspace, model, items)
    found, total = history.search(workspace, limit=2)
    assert ([past.item.path for past in found], total) == (["text.png", "right.png"], 6)
    for text, count in (("HOLE", 2), ("7%", 2), ("reject", 2), ("old", 3), ("text", 2), ("q", 0)):
        assert history.search(workspace, text)[1] == count, text
    (past, _), _ = history.search(workspace, "right")
    assert (past.model_name, past.item) == ("new", replace(items[1], confidences=(("good", 0.8),)))
    lines = history.as_csv(found).decode("utf-8-sig").splitlines()
    assert lines[0].split(",") == list(history.COLUMNS)
    assert len(lines) == 3
    assert (history.forget(workspace), history.search(workspace)[1]) == (6, 0)
