"""What the record says in words: every action, every shape, and never raw JSON."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Channels, Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_to_json
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Verdict
from core.domain.findings import (
    Finding,
    FindingKind,
    FindingStatus,
    QualityCheck,
    Severity,
    look_alike_finding,
)
from core.domain.record import RecordedAction, RecordRow
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule, rule_to_json
from core.evaluation.release.criteria import KeptCriteria, ReleaseCriteria, criteria_to_json
from core.store import quality
from core.store.database import connect
from core.store.keeping import record as rows_of
from core.workflows.data import datasets
from core.workflows.keeping import record
from core.workflows.keeping.record_values import in_full
from core.workflows.keeping.record_words import in_words
from core.workspace import Workspace
from tests.made import add_model, make_dataset

Action = RecordedAction
DIGEST = "54af4901f03f739fee6b6e3ab141cf266581258aa1c5103ae2f1bb00c3e9b754"
NAMES = {"split-k2": "60/20/20 seed 42", "ds-1": "Pills", "run-7": "Pills quick"}
PIXELS = config_to_json(PreprocessConfig())
GRAY = config_to_json(PreprocessConfig(image_size_px=320, channels=Channels.GRAY))


def _rule(accept_below: float | None, reject_from: float | None) -> str:
    point = OperatingPoint(accept_below, reject_from)
    verdicts = (Verdict.OK, Verdict.NOK)
    return rule_to_json(DecisionRule(point, ("good", "hole"), verdicts, "by hand", 0.95, 1.0))


def _criteria(**asked: float) -> str:
    return criteria_to_json(KeptCriteria(ReleaseCriteria(**asked, golden_must_pass=False), 1.0))


def _training(train: TrainConfig) -> str:
    return json.dumps(
        {
            "dataset": "ds-1",
            "split": "split-k2",
            "train": config_to_json(train),
            "augment": config_to_json(AugmentConfig()),
            "preprocess": PIXELS,
        }
    )


MADE = json.dumps({"sha256": DIGEST, "run": "run-7", "network": "tf_efficientnet_lite0"})
SEALED = json.dumps(
    {"criteria": _criteria(max_overkill=0.1), "threshold": _rule(0.5, 0.5), "test images": DIGEST}
)
QUICK = "quick, EfficientNet-Lite0, split 60/20/20 seed 42"
PROVEN = ", proven with 95% confidence"
# Action -> old, new, words; the shapes are those that the triggers and `record.add` write.
SAID: dict[RecordedAction, tuple[str | None, str | None, str]] = {
    Action.BEGAN: (None, "0 datasets, 1 models", "0 datasets, 1 models"),
    Action.DATASET_IMPORTED: (
        None,
        json.dumps({"images": 1300, "digest": DIGEST, "from": "/srv/pills"}),
        "1,300 images, from /srv/pills",
    ),
    Action.DATASET_EDITED: (
        None,
        json.dumps({"version": 3, "images": 1, "digest": DIGEST}),
        "version 3, 1 image",
    ),
    Action.DATASET_RENAMED: ("Pill", "Pills", "Pill → Pills"),
    Action.DATASET_MOVED: ("/a", "/b", "/a → /b"),
    Action.DATASET_DELETED: (json.dumps({"images": 300, "digest": DIGEST}), None, "300 images"),
    Action.PIXELS_SET: (PIXELS, GRAY, "image size 224 → 320, channels color → gray"),
    Action.FINDING_SETTLED: (
        None,
        json.dumps({"finding": DIGEST[:24], "status": "cured"}),
        "fixed: a finding that is gone (54af4901…)",
    ),
    Action.PARTS_ANSWERED: (
        None,
        json.dumps({"answer": "same-part", "images": "[4, 9]"}),
        "2 images of the same part",
    ),
    Action.MARKED: (None, "limit_sample", "limit sample"),
    Action.UNMARKED: ("golden", None, "golden sample"),
    Action.SPLIT_MADE: (
        None,
        json.dumps({"dataset": "ds-1", "seed": 42, "digest": DIGEST}),
        "dataset Pills, seed 42",
    ),
    Action.SPLIT_SEALED: (None, DIGEST, "images and labels 54af4901…"),
    Action.SPLIT_DELETED: (DIGEST, None, "images and labels 54af4901…"),
    Action.TRAINING_STARTED: (None, _training(TrainConfig()), QUICK),
    Action.RUN_DELETED: (None, None, ""),
    Action.MODEL_MADE: (None, MADE, "EfficientNet-Lite0, sha256 54af4901…, run Pills quick"),
    Action.MODEL_RENAMED: ("first", '{"a": 1}', 'first → {"a": 1}'),  # people may call it so
    Action.MODEL_DELETED: (json.dumps({"sha256": DIGEST}), None, "sha256 54af4901…"),
    Action.MODEL_STAGED: ("candidate", "released", "candidate → released"),
    Action.MODEL_NOTED: ("old", "", "text removed"),
    Action.THRESHOLD_SAVED: (
        _rule(0.5, 0.5),
        _rule(0.2, 0.62),
        "reject from 50.0% → accept below 20.0%, reject from 62.0%",
    ),
    Action.CRITERIA_SET: (
        _criteria(max_escape=0.01, max_overkill=0.1),
        _criteria(max_escape=0.02, max_overkill=0.1),
        f"escape rate at most 1%{PROVEN} → escape rate at most 2%{PROVEN}",
    ),
    Action.TEST_SEALED: (
        None,
        SEALED,
        "false reject rate at most 10%; reject from 50.0%; test images 54af4901…",
    ),
    Action.TEST_OPENED: (None, None, ""),
    Action.RESULTS_VIEWED: (None, "page view", "page view"),
    Action.USE_DESCRIBED: (None, "Caps of line 4\nonly", "Caps of line 4 only"),
    Action.REPORT_MADE: (
        None,
        json.dumps({"report": "report-x", "form": "short", "against": "present"}),
        "short report, compared with present",
    ),
    Action.EXPORTED: (None, "onnx", "onnx"),
    Action.BACKUP_BEGUN: (None, "backup-20261130-100000", "backup-20261130-100000"),
    Action.BACKED_UP: (None, "backup-20261130-100000", "backup-20261130-100000"),
    Action.BACKUP_FAILED: (None, "backup-20261130-100000", "backup-20261130-100000"),
    Action.CACHE_CLEARED: (None, "pixels, features", "pixels, features"),
    Action.RESTORED: (None, "dataset", "dataset"),
    Action.DELETED_FOR_GOOD: ("run", None, "run"),
    Action.USER_ADDED: (None, "viewer", "viewer"),
    Action.ROLE_SET: ("viewer", "admin", "viewer → admin"),
    Action.USER_DISABLED: (None, None, ""),
    Action.USER_ENABLED: (None, None, ""),
    Action.TOKEN_MADE: (None, None, ""),
    Action.SIGNED_IN: (None, None, ""),
    Action.SIGNED_OUT: (None, None, ""),
    Action.ENTRY_REFUSED: (None, None, ""),
    Action.REFUSED: (None, "viewer", "viewer may not change data"),
}


def _row(action: str, old: str | None = None, new: str | None = None) -> RecordRow:
    subject = "data" if action == Action.REFUSED else "x-1"
    return RecordRow(7, 1.0, "Kim", action, subject, "a name", old, new, "", "c" * 64)


@pytest.mark.parametrize("action", RecordedAction)
def test_every_action_has_words(action: RecordedAction) -> None:
    assert action in SAID, "Say in `record_words.py` what it holds, and here what that reads like."
    old, new, words = SAID[action]
    assert in_words(_row(action, old, new), NAMES) == words


def test_the_shapes_of_this_test_are_those_that_the_triggers_write(workspace: Workspace) -> None:
    with connect(workspace) as db:
        triggers = db.conn.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%json_object(%'"
        ).fetchall()
    compared = 0
    for (statement,) in triggers:
        action = next(item for item in Action if f", '{item}'," in statement)
        written = re.findall(r"json_object\((.*?)\)(?:,|;)", statement)
        assert len(written) == 1, statement
        keys = re.findall(r"'([^']+)', (?:NEW|OLD)\.", written[0])
        old, new, _ = SAID[action]
        assert list(json.loads(new or old or "")) == keys, action
        compared += 1
    assert compared >= 11


@pytest.mark.parametrize(
    ("action", "old", "new", "words"),
    [
        # Shapes that differ from those of today, and first values.
        (Action.PIXELS_SET, None, GRAY, "image size 320, channels gray"),
        (Action.PIXELS_SET, None, PIXELS, "the usual settings"),
        (Action.THRESHOLD_SAVED, None, _rule(None, None), "verdict of the predicted class"),
        (Action.THRESHOLD_SAVED, _rule(0.5, 0.5), _rule(0.5, 0.5), "reject from 50.0%, as before"),
        (Action.CRITERIA_SET, None, _criteria(max_overkill=0.1), "false reject rate at most 10%"),
        (
            Action.CRITERIA_SET,
            _criteria(max_overkill=0.1, min_macro_f1=0.9),
            _criteria(max_overkill=0.1),
            "dropped: macro F1 at least 0.9",
        ),
        (Action.PARTS_ANSWERED, None, '{"answer": "unsure", "images": "[1]"}', None),
        (Action.MODEL_MADE, None, '{"sha256": "abc"}', "sha256 abc"),
        (Action.MODEL_MADE, None, "{}", ""),
        (Action.RESULTS_VIEWED, None, '{"kind": "report"}', "kind: report"),
        (Action.THRESHOLD_SAVED, None, '{"limit": 0.5, "by": null}', "limit: 0.5, by: –"),
        (Action.CRITERIA_SET, None, '{"max_escape": "many"}', "escape rate at most: many"),
        (
            Action.TRAINING_STARTED,
            None,
            '{"train": "{\\"network\\": \\"x\\"}"}',
            "train, network: x",
        ),
        (Action.MARKED, None, "favourite", "value: favourite"),
        ("something new", '{"a": [1, 2], "b": {"c": true}}', None, "a: 1, 2, b, c: yes"),
        ("something new", '{"a": 1}', '{"a": 2, "b": 3}', "a: 1 → 2, b: – → 3"),
        ("something new", None, None, ""),
    ],
)
def test_other_shapes_are_listed_as_keys_and_values(
    action: str, old: str | None, new: str | None, words: str | None
) -> None:
    said = in_words(_row(action, old, new), {})
    assert "{" not in said
    assert '"' not in said
    assert words is None or said == words


ODD = [
    "",
    "null",
    "[]",
    "{}",
    "[[1], {}]",
    "{",
    "not JSON",
    '{"a": NaN}',
    '{"set_at": 1e300, "saved_at": "x", "earlier": 4}',
    '{"train": "[1]", "criteria": "{}", "threshold": "[]", "answer": [], "status": {}, "run": 5}',
    '{"images": null, "version": {}, "network": [], "recipe": 1, "accept_below": []}',
    "[" * 5000 + "]" * 5000,
    '{"a":' * 400 + "1" + "}" * 400,
]


@pytest.mark.parametrize("action", [*RecordedAction, "of another version"])
def test_no_value_is_an_error(action: str) -> None:
    for old in (None, *ODD):
        for new in (None, *ODD):
            row = _row(action, old, new)
            assert len(in_words(row, NAMES)) <= 301
            assert all(isinstance(text, str) for pair in in_full(row, NAMES) for text in pair)


def test_everything_is_there_in_full_with_names_and_the_whole_digest() -> None:
    train = TrainConfig(recipe=Recipe.FULL, epochs=30)
    row = _row(Action.TRAINING_STARTED, None, _training(train))
    assert in_words(row, NAMES).startswith("full, EfficientNet-Lite0, 30 epochs, split 60/20/20")
    said = dict(in_full(row, NAMES))
    assert said["split"] == "60/20/20 seed 42 (split-k2)"
    assert said["train, learning rate"] == "0.01"
    assert said["preprocess, image size"] == "224"
    assert (said["row"], said["chain"]) == ("7", "c" * 64)
    assert dict(in_full(_row(Action.MODEL_MADE, None, MADE), NAMES))["SHA-256"] == DIGEST
    changed = _row(Action.CRITERIA_SET, _criteria(max_escape=0.01), _criteria(max_escape=0.02))
    assert ("escape rate at most", "0.01 → 0.02") in in_full(changed, {})


def test_a_search_finds_values_and_rows_name_things_that_are_deleted(workspace: Workspace) -> None:
    made = make_dataset(workspace)
    add_model(made, "first")
    with connect(workspace) as db, db.conn:
        new = json.dumps({"split": "split-1", "train": json.dumps({"network": "Prüfnetz 50%"})})
        rows_of.add(db, Action.TRAINING_STARTED, "run-1", "r", new=new)
        db.conn.execute("DELETE FROM splits")
    for words in ("prüfnetz 50%", "Prüfnetz", "split-1", "NETWORK"):
        rows, _ = record.entries(workspace, text=words)
        assert "training started" in [row.action for row in rows], words
    assert record.entries(workspace, text="Prüfnetz 50_")[0] == []
    rows, _ = record.entries(workspace, text="Prüfnetz")
    assert record.names_in(workspace, rows) == {"split-1": "s"}


def test_a_finding_is_named_by_what_it_is_also_when_it_is_gone(
    workspace: Workspace, tmp_path: Path
) -> None:
    # The record said "finding c7b9ecda…", which nobody can look up.
    make_dataset(workspace)
    ids = [sample.id for sample in datasets.samples(workspace, "ds-1", limit=5)[0]]
    shown = {
        Finding(FindingKind.OUTLIER, Severity.NOTE, "", (ids[1],)): "unusual image, 00001.png",
        look_alike_finding((ids[0], ids[2])): "group of look-alikes, 00000.png, 00002.png",
        look_alike_finding(tuple(ids)): "group of look-alikes, 00000.png, 00001.png and 3 more",
        Finding(FindingKind.CLASS_TOO_SMALL, Severity.NOTE, "", (ids[3],)): "small class, scratch",
        Finding(FindingKind.CLASS_IMBALANCE, Severity.NOTE, ""): "imbalance",
    }
    with connect(workspace) as db, db.conn:
        quality.save_check(db, QualityCheck("ds-1", 1.0, (), 0, 0), list(shown))
        for finding in shown:
            quality.decide_finding(db, "ds-1", finding, FindingStatus.IGNORED)

    rows, _ = record.entries(workspace, actions=[Action.FINDING_SETTLED])
    names = record.names_in(workspace, rows)
    assert [in_words(row, names) for row in reversed(rows)] == [
        f"ignored: {words}" for words in shown.values()
    ]
    keys = [finding.key for finding in shown]
    assert dict(in_full(rows[-1], names))["finding"] == f"unusual image, 00001.png ({keys[0]})"

    with connect(workspace) as db, db.conn:  # a newer check finds one of them again
        quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), list(shown)[:1])
    names = record.names_in(workspace, rows)
    assert in_words(rows[-1], names) == "ignored: unusual image, 00001.png"
    assert in_words(rows[0], names) == "ignored: imbalance"

    # What programs read stays as it was recorded, with what the finding is about.
    options = ["--json", "--workspace", str(workspace.root)]
    printed = json.loads(CliRunner().invoke(app, ["record", *options]).stdout)["rows"]
    record.export(workspace, tmp_path / "record.csv")
    written = (tmp_path / "record.csv").read_text(encoding="utf-8-sig")
    told = [json.loads(row["new"]) for row in printed if row["action"] == "finding settled"]
    assert [item["finding"] for item in reversed(told)] == keys
    assert told[-1] == {
        "finding": keys[0],
        "status": "ignored",
        "kind": "outlier",
        "images": ["00001.png"],
        "image_count": 1,
        "class": "hole",
    }
    assert all(key in written for key in keys)
    assert "unusual image" not in written
