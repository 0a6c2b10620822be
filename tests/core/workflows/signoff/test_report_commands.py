"""What a report prints as commands is run, in an empty workspace: it must make the same again."""

import html
import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import recipe_defaults
from core.domain.datasets import Verdict
from core.domain.models import Model
from core.domain.splits import Grouping, GroupKind, OrderBy, SplitStrategy, Subset
from core.domain.training import TrainingRun
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import OperatingPoint, single_threshold
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import models, predictions, runs
from core.store import splits as split_rows
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import datasets, demo, edits, quality, splits, uploads
from core.workflows.results import evaluation, thresholds
from core.workflows.signoff import release, report, sealing
from core.workspace import Workspace
from tests.conftest import QUICK, copy_of, save_image
from tests.core.workflows.data.test_quality import write_parts
from tests.made import add_model, make_dataset
from tests.recompute_report import read_report

FULL = recipe_defaults(Recipe.FULL, QUICK.network)


def _printed(workspace, model, **options):
    """The lines of the report, remarks and commands."""
    ticket = report.make_report(workspace, model, max_images=0, **options)
    page = report.report_file(workspace, ticket.id).read_text()
    (lines,) = re.findall(r'<pre class="mono">(.*?)</pre>', page, re.DOTALL)
    return html.unescape(lines).splitlines()


def _remarks(lines):
    return "\n".join(line for line in lines if line.startswith("#"))


def _run(lines, root, until=None):
    """Run what is printed, as a person would paste it."""
    workspace = Workspace(root).create()
    for line in lines:
        if line.startswith("#"):
            continue
        program, verb, *rest = shlex.split(line)
        assert program == "touchstone"
        if verb == until:
            break
        answer = CliRunner().invoke(app, [verb, "--workspace", str(root), *rest])
        assert answer.exit_code == 0, f"{line}: {answer.output}"
    return workspace


def _imported(workspace, source, rules=None, **options):
    job = datasets.start_import(
        workspace, source, "My parts", rules or uploads.import_rules(), **options
    )
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    return datasets.find_dataset(workspace, "My parts")


def _judged(workspace, dataset, split, run=None, name="m"):
    """A model with made probabilities for the validation and test images of a split."""
    model = Model(
        f"model-{name}",
        name,
        run and run.id,
        dataset.id,
        dataset.name,
        split.id,
        dataset.class_names,
        "n",
        PreprocessConfig(),
        1,
        f"sha {name}",
        1.0,
        version=dataset.version,
        fold=run and run.fold,
    )
    with connect(workspace) as db, transaction(db):
        members = split_rows.split_members(db, split.id)
        models.insert_model(db, model, b"x")
        for subset in (Subset.VALIDATION, Subset.TEST):
            ids = np.array([i for i, of in members.items() if of is subset], np.int64)
            random = np.random.default_rng(len(ids))
            rows = random.dirichlet(np.ones(len(dataset.class_names)), len(ids))
            predictions.insert_predictions(
                db, model.id, dataset.id, subset, ids, rows.astype(np.float32)
            )
    return model


def _stored_run(workspace, dataset, split, **changed):
    run = TrainingRun(
        "run-m", "m", dataset.id, split.id, PreprocessConfig(), AugmentConfig(), QUICK, 1.0
    )
    run = replace(run, **changed)
    with connect(workspace) as db, transaction(db):
        runs.insert_run(db, run)
    return run


def _split_of(workspace, name="S"):
    return splits.find_split(workspace, datasets.list_datasets(workspace)[0].id, name)


@pytest.fixture(scope="module")
def imported_parts(tmp_path_factory):
    """Sixteen parts photographed three times each, in a workspace of its own."""
    root = tmp_path_factory.mktemp("imported")
    workspace = Workspace(root / "workspace").create()
    return workspace, _imported(workspace, write_parts(root / "parts"))


@pytest.fixture
def parts(imported_parts, workspace):
    """They in the workspace of the test."""
    shutil.rmtree(workspace.root)
    copy_of(imported_parts[0], workspace.root)
    return imported_parts[1]


def _check(workspace, dataset):
    job = quality.start_check(workspace, dataset.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)


WISHES = {
    "counts": {"counts": (20, 12, 12), "seed": 7},
    "counts per class": {"counts": (9, 6, 6), "per_class": True, "order_by": OrderBy.NAME},
    "pattern": {"group_by": r"regex:part(?P<group>\d+)_", "fractions": (0.55, 0.2, 0.25)},
    "folds": {"folds": 3, "fractions": (0.6, 0.2, 0.25), "group_by": r"regex:(?P<group>part\d)"},
    "thirds": {"fractions": (1 / 3, 1 / 3, 1 / 3)},
}


def test_the_printed_split_gives_the_same_split(workspace, parts, tmp_path):
    # All but "grouped by" alone was left out: counts, folds and orders gave another split.
    lines = []
    for number, (name, wish) in enumerate(WISHES.items()):
        split = splits.create_split(workspace, parts.id, name=name, **wish)
        _judged(workspace, parts, split, name=name)
        printed = [line for line in _printed(workspace, name) if not line.startswith("#")]
        assert printed[0].startswith("touchstone import")
        lines += [line for line in printed[bool(number) :] if "touchstone report" not in line]
    again = _run(lines, tmp_path / "again")
    for name in WISHES:
        first = splits.find_split(workspace, parts.id, name)
        repeated = _split_of(again, name)
        assert (repeated.digest, repeated.strategy) == (first.digest, first.strategy)


def test_by_name_and_look_alikes_and_a_later_split_that_keeps_its_sealed_test_set(
    workspace, parts, tmp_path
):
    job = quality.start_check(workspace, parts.id)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    first = splits.create_split(
        workspace, parts.id, name="first", order_by=OrderBy.NAME, group_by="auto", seal=True
    )
    split = splits.create_split(workspace, parts.id, name="S", seed=5)
    _judged(workspace, parts, split)
    release.set_criteria(workspace, parts.id, ReleaseCriteria(min_macro_f1=0.1))
    sealing.seal_test(workspace, "m")
    sealing.open_test(workspace, "m", "release 1")
    lines = _printed(workspace, "m")
    again = _run(lines, tmp_path / "again", until="seal")
    assert [_split_of(again, name).digest for name in ("first", "S")] == [
        first.digest,
        split.digest,
    ]
    assert _split_of(again, "first").strategy == SplitStrategy(
        grouping=Grouping(GroupKind.LOOK_ALIKES), order_by=OrderBy.NAME
    )
    assert _split_of(again).sealed
    assert "touchstone open-test m --purpose 'release 1'" in lines
    assert "touchstone criteria 'My parts' --min-macro-f1 0.1" in lines


def _tree(root, names):
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3))
        save_image(root / name, pixels)
    return root


def _lots(root):
    names = [f"lot {i % 4}/{c} x/{i}.png" for c in ("ok", "bad", "odd") for i in range(12)]
    return _tree(root, names)


@pytest.mark.parametrize(
    "rules",
    [
        {"pattern": r"^(?P<group>lot \d)/(?P<label>\w+) x/", "leave_out": ["odd"]},
        {"level": -1, "ok_classes": ["odd x"]},
        {"level": 2, "ok_classes": [], "keep_split": False, "keep_companions": True},
        {"one_class": "all parts"},
    ],
    ids=["pattern", "level from below", "level and switches", "one class"],
)
def test_the_printed_import_reads_classes_as_the_first_one_did(workspace, tmp_path, rules):
    dataset = _imported(workspace, _lots(tmp_path / "s"), uploads.import_rules(**rules))
    split = splits.create_split(
        workspace, dataset.id, name="S", group_by="column" if "pattern" in rules else None
    )
    _judged(workspace, dataset, split)
    lines = _printed(workspace, "m")
    again = datasets.list_datasets(_run(lines, tmp_path / "again", until="report"))[0]
    assert (again.digest, again.class_names) == (dataset.digest, dataset.class_names)
    assert again.verdicts == dataset.verdicts
    assert _split_of(Workspace(tmp_path / "again")).digest == split.digest


def test_a_label_table_is_asked_for_by_its_content(workspace, tmp_path, monkeypatch):
    root = _tree(tmp_path / "s", [f"{i}.png" for i in range(24)])
    table = tmp_path / "t.txt"
    table.write_text("".join(f"{i}.png {i % 2} lot{i // 4}\n" for i in range(24)))
    rules = uploads.import_rules(
        table=table,
        delimiter="blanks",
        header=False,
        class_map=['0="good, clean"', "1=crack"],
        columns={"path": "1", "label": "2", "group": "3", "split": ""},
    )
    dataset = _imported(workspace, root, rules)
    split = splits.create_split(workspace, dataset.id, name="S", group_by="column")
    _judged(workspace, dataset, split)
    lines = _printed(workspace, "m")
    assert "labels.csv stands for the label table of the import" in _remarks(lines)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text(table.read_text())
    again = _run(lines, tmp_path / "again", until="report")
    assert datasets.list_datasets(again)[0].digest == dataset.digest
    assert _split_of(again).digest == split.digest


def test_a_split_that_came_with_the_images_needs_no_command(workspace, tmp_path):
    names = [f"{s}/{c}/{i}.png" for s in ("train", "val", "test") for c in "ab" for i in range(4)]
    dataset = _imported(workspace, _tree(tmp_path / "s", names))
    split = splits.find_split(workspace, dataset.id, None)
    _judged(workspace, dataset, split)
    lines = _printed(workspace, "m")
    assert "came with the images; the import keeps it" in _remarks(lines)
    assert not [line for line in lines if line.startswith("touchstone split")]
    again = _run(lines, tmp_path / "again", until="report")
    assert _split_of(again, None).digest == split.digest


def test_an_upload_is_named_as_what_has_to_be_there_again(workspace, tmp_path, monkeypatch):
    upload = uploads.new_upload_folder(workspace)
    _lots(upload)
    dataset = _imported(workspace, upload, consume=True, shown_source="36 files")
    split = splits.create_split(workspace, dataset.id, name="S")
    _judged(workspace, dataset, split)
    lines = _printed(workspace, "m")
    assert "came through the browser (36 files)" in _remarks(lines)
    monkeypatch.chdir(tmp_path)
    _lots(tmp_path / "pictures")
    assert _split_of(_run(lines, tmp_path / "again", until="report")).digest == split.digest


def test_the_demo_is_drawn_again_under_its_own_name(workspace, tmp_path):
    dataset = _imported(workspace, _lots(tmp_path / "s"), shown_source=demo.DEMO_SOURCE)
    _judged(workspace, dataset, splits.create_split(workspace, dataset.id, name="S"))
    lines = [line for line in _printed(workspace, "m") if not line.startswith("#")]
    assert lines[0] == "touchstone demo"
    assert lines[2].startswith("touchstone split 'Pill demo' --name S")


def test_edits_are_counted_and_named_for_no_line_repeats_them(workspace, tmp_path):
    dataset = _imported(workspace, _lots(tmp_path / "s"))
    images, _ = datasets.samples(workspace, dataset.id)
    edits.set_verdicts(workspace, dataset.id, {"ok x": Verdict.OK, "bad x": None, "odd x": None})
    split = splits.create_split(workspace, dataset.id, name="S")
    _judged(workspace, datasets.find_dataset(workspace, dataset.id), split)
    unedited = _printed(workspace, "m")
    assert "edit" not in _remarks(unedited)
    assert "touchstone classes 'My parts' --ok 'ok x'" in unedited
    again = datasets.list_datasets(_run(unedited, tmp_path / "again", until="report"))[0]
    # A class that its name makes NOK at the import has no verdict any more.
    assert again.verdicts == (None, None, Verdict.OK)
    edits.relabel(workspace, dataset.id, {images[0].id: 1})
    edits.exclude(workspace, dataset.id, [images[1].id])
    said = _remarks(_printed(workspace, "m"))
    assert "2 edits were made after the import" in said
    assert len(re.findall(r"^# version \d: ", said, re.MULTILINE)) == 2


def test_what_is_not_stored_is_said(workspace):
    made = make_dataset(workspace)
    add_model(made, "b")
    said = _remarks(_printed(workspace, "b"))
    assert "How the classes were read is not stored" in said
    assert "How the model was trained is not stored any more" in said


@pytest.mark.parametrize(
    ("point", "words"),
    [
        (OperatingPoint(0.2, 0.7), "no option for two limits (0.2 and 0.7)"),
        (OperatingPoint(None, None, (0.6, 0.5, 0.55)), "good 60.0%, hole 50.0%, scratch 55.0%"),
        (OperatingPoint(), "no option to save that the verdict of the predicted class decides"),
    ],
)
def test_a_rule_that_no_option_can_set_is_said_in_words(workspace, point, words):
    made = make_dataset(workspace)
    add_model(made, "b")
    basis = thresholds.load_basis(workspace, "b")
    thresholds.save_rule(workspace, basis, thresholds.ThresholdChoice(point, "by hand"))
    lines = _printed(workspace, "b")
    assert words in _remarks(lines)
    assert not [line for line in lines if line.startswith("touchstone threshold")]


@pytest.mark.parametrize(("train", "acts"), [(QUICK, False), (FULL, True)], ids=["quick", "full"])
def test_a_report_lists_only_settings_that_acted(workspace, parts, train, acts):
    # The report of a quick run listed flips and crops, which that recipe never makes.
    split = splits.create_split(workspace, parts.id, name="S", folds=3, fractions=(0.6, 0.2, 0.2))
    run = _stored_run(workspace, parts, split, train=train, fold=1, name="m fold 2 of 3")
    _judged(workspace, parts, split, run)
    ticket = report.make_report(workspace, "m", max_images=0)
    text = html.unescape(report.report_file(workspace, ticket.id).read_text())
    settings = text.split("Settings that acted on this run</h3>")[1].split("</table>")[0]
    for title in ("Flip horizontal", "Random crop", "Probability"):
        assert (f"<th>{title}</th>" in settings) is acts
    for title in ("Recipe", "Network", "Seed", "Image size"):
        assert f"<th>{title}</th>" in settings
    # The numbers of the classes were those of fold 1, whichever fold the model had.
    with connect(workspace) as db:
        members = split_rows.split_members(db, split.id, fold=1)
    classes = text.split("Class (images)</th>")[1].split("</table>")[0]
    numbers = [int(n) for n in re.findall(r'<td class="number">(\d+)</td>', classes)]
    for column, subset in enumerate((Subset.TRAIN, Subset.VALIDATION)):
        assert sum(numbers[column::3]) == sum(of is subset for of in members.values())


def test_every_setting_of_a_training_and_its_fold_are_printed(workspace, parts, tmp_path):
    split = splits.create_split(workspace, parts.id, name="S", folds=3, fractions=(0.6, 0.2, 0.2))
    run = _stored_run(
        workspace,
        parts,
        split,
        name="CV fold 2 of 3",
        fold=1,
        given_name="CV",
        train=replace(FULL, batch_size=16, seed=5, patience=9, device="cpu"),
        augment=AugmentConfig(rotate_quarter=True, flip_vertical=False, probability=0.25),
        preprocess=PreprocessConfig(image_size_px=160, roi_left=0.25),
    )
    _judged(workspace, parts, split, run)
    lines = _printed(workspace, "m")
    (train,) = [line for line in lines if line.startswith("touchstone train")]
    # Most settings had no option; the report apologized for them in a remark.
    assert train == (
        "touchstone train 'My parts' --split S --fold 2 --name CV --recipe full "
        "--patience 9 --batch-size 16 --seed 5 --device cpu --augment-probability 0.25 "
        "--flip-horizontal --no-flip-vertical --rotate-quarter --image-size 160 --roi-left 0.25"
    )
    assert "No option" not in _remarks(lines)
    assert "touchstone report 'CV fold 2 of 3' --out report.html --csv report.csv" in lines


def test_a_line_break_in_a_name_starts_no_command(workspace, tmp_path):
    dataset = _imported(
        workspace, _lots(tmp_path / "s"), shown_source="x.zip\ntouchstone demo", consume=True
    )
    split = splits.create_split(workspace, dataset.id, name="S")
    _judged(workspace, dataset, split)
    assert "touchstone demo" not in _printed(workspace, "m")


def test_all_printed_commands_together_make_the_same_report(trained, tmp_path, monkeypatch):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    with connect(workspace) as db:
        db.conn.execute("DELETE FROM openings")  # other tests have looked
        db.conn.commit()
    edits.set_verdicts(
        workspace, trained.dataset.id, {"stripes": Verdict.NOK, "blue disc": Verdict.OK}
    )
    criteria = ReleaseCriteria(max_overkill=0.9, golden_must_pass=False, confidence=0.9)
    release.set_criteria(workspace, trained.dataset.id, criteria)
    basis = thresholds.load_basis(workspace, "Marks quick")
    line = Scenario(0.02, 500.0, Costs(50.0, 2.0, 0.5))
    choice = thresholds.ThresholdChoice(single_threshold(1 / 3), "by hand")
    thresholds.save_rule(workspace, basis, choice, scenario=line)
    sealing.seal_test(workspace, "Marks quick")
    sealing.open_test(workspace, "Marks quick", "for the customer's audit")
    lines = _printed(workspace, "Marks quick")
    assert _remarks(lines) == ""
    monkeypatch.chdir(tmp_path)
    again = _run(lines, tmp_path / "again")
    made, first = read_report(tmp_path / "report.html"), _first_report(workspace)
    assert made.found == first.found
    assert made.rule == first.rule
    digests = [sealing.sign_off(place, "Marks quick").digest for place in (workspace, again)]
    assert digests[0] == digests[1]
    scores = [
        evaluation.evaluation_report(place, "Marks quick", Subset.TEST).macro_f1
        for place in (workspace, again)
    ]
    assert scores[0] == scores[1]


def _first_report(workspace):
    (page,) = workspace.results.glob("report-*.html")
    return read_report(page)
