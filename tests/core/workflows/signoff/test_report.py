import csv
import dataclasses
import html
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.domain.jobs import JobStatus
from core.domain.splits import Subset
from core.errors import ConfigError, FilesChangedError, NotFoundError, SealedError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule, rule_to_json
from core.evaluation.release.criteria import ReleaseCriteria
from core.evaluation.release.words import REVIEWS_NOT_LIMITED
from core.reporting import values
from core.reporting.draft import from_json, to_json
from core.store import judgement, quality
from core.store.database import connect, transaction
from core.workflows import jobs
from core.workflows.data import edits
from core.workflows.results import access, judging, thresholds
from core.workflows.signoff import release, report, sealing
from core.workflows.signoff.report import Form
from core.workflows.signoff.report_material import gather
from core.workflows.signoff.report_mistakes import mistakes
from core.workflows.signoff.report_values import report_values
from core.workflows.use import models
from core.workspace import Workspace
from tests.conftest import Trained, copy_of
from tests.made import NAMES, add_model, made_probabilities, make_dataset
from tests.recompute_report import Numbers, mismatches, read_report

HOSTILE = (
    "<script>alert(1)</script>",
    '=HYPERLINK("http://evil.example")',
    "*b* [x](http://y) &\"'",
)
RULES = (
    None,
    OperatingPoint(0.4, 0.4),
    OperatingPoint(0.2, 0.7),
    OperatingPoint(None, None, (0.6, 0.5, 0.5)),
)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    workspace = Workspace(root / "workspace").create()
    made = make_dataset(workspace, per_subset=120, groups=True, images=root / "pictures")
    add_model(made, "a", skill=2.0)
    add_model(made, "b", seed=1, skill=2.5)
    return made


@pytest.fixture
def made(made_once, tmp_path):
    """A copy of the workspace; the images are those of all."""
    return dataclasses.replace(made_once, workspace=copy_of(made_once.workspace, tmp_path / "made"))


def _rule(made, model, point):
    """Stored without a check: earlier versions also kept rules that decide nothing."""
    judged = judging.judged_set(made.workspace, model, Subset.TEST)
    rule = DecisionRule(point, judged.class_names, judged.verdicts, "a test", 0.95, 1.0)
    with connect(made.workspace) as db, transaction(db):
        judgement.save_operating_point(db, judged.model.id, rule_to_json(rule))


def _files(made, model="b", form=Form.FULL, **options):
    options = {"max_images": 0, **options}
    ticket = report.make_report(made.workspace, model, form, **options)
    assert ticket.job is None
    return [report.report_file(made.workspace, ticket.id, e) for e in ("html", "csv")]


@pytest.mark.parametrize(
    ("point", "form"), list(zip(RULES, [Form.SHORT, Form.FULL] * 2, strict=True))
)
def test_every_number_of_a_report_follows_from_its_table(made, point, form):
    if point is not None:
        _rule(made, "b", point)
        _rule(made, "a", OperatingPoint(0.5, 0.5))
    page, table = _files(made, form=form, against="a")
    assert mismatches(page, table) == []
    assert len(read_report(page).found) > (60 if form is Form.SHORT else 120)


@pytest.mark.parametrize(
    ("images", "kind", "point"),
    [
        (1, "right", None),
        (1, "one class", OperatingPoint(0.0, 0.0)),
        (3, "wrong", None),
        (3, "chance", OperatingPoint(0.0, 0.0)),
        (6, "one class", None),
        (6, "right", OperatingPoint(0.0, 0.0)),
        (6, "chance", None),
    ],
)
def test_numbers_of_tiny_and_poor_models_follow_from_the_table(workspace, images, kind, point):
    # Draws of few parts jump, kappa and Matthews have no value where one class is said always.
    made = make_dataset(workspace, per_subset=images, groups=images == 6)
    targets = made.targets[Subset.TEST]
    said = {
        "right": np.eye(3, dtype=np.float32)[targets],
        "wrong": np.eye(3, dtype=np.float32)[(targets + 1) % 3],
        "one class": np.tile(np.array([[0.1, 0.1, 0.8]], np.float32), (images, 1)),
        "chance": made_probabilities(targets, seed=images, skill=0.0),
    }
    add_model(made, "b", given={Subset.TEST: said[kind]})
    add_model(made, "a", skill=0.5)
    if point is not None:
        _rule(made, "b", point)
    assert mismatches(*_files(made, against="a")) == []


def test_where_everything_is_rejected_the_worst_case_is_still_said(made):
    # Nothing delivered has no PPM; its bound was dropped with it.
    _rule(made, "b", OperatingPoint(0.0, 0.0))
    files = _files(made)
    found = read_report(files[0]).found
    assert (found["overkill"], found["escape"]) == (1.0, 0.0)
    assert (found["line.0.01.ppm"], found["line.0.01.ppm.high"]) == (None, 1e6)
    assert "1,000,000 PPM" in files[0].read_text()
    assert mismatches(*files) == []


def test_ppm_of_the_own_line_follows_from_the_table_too(made):
    line = Scenario(0.0123, 500, Costs(9, 1), person_escape=0.15, person_overkill=0.05)
    basis = thresholds.load_basis(made.workspace, "b")
    choice = thresholds.ThresholdChoice(OperatingPoint(0.2, 0.7), "a test")
    thresholds.save_rule(made.workspace, basis, choice, scenario=line)
    for form in Form:
        files = _files(made, form=form)
        assert read_report(files[0]).found["line.0.0123.ppm"] > 0
        assert mismatches(*files) == []


@pytest.mark.parametrize(
    ("left", "words", "unknown"),
    [(0, "no defective images", "escapes"), (1, "no good images", "false rejects")],
)
def test_one_kind_of_part_alone_leaves_the_other_unknown(workspace, left, words, unknown):
    made = make_dataset(workspace, per_subset=12)
    add_model(made, "b")
    targets = made.targets[Subset.TEST]
    edits.exclude(workspace, "parts", made.ids[Subset.TEST][(targets > 0) != left].tolist())
    files = _files(made)
    text = files[0].read_text()
    assert text.count(words) == 2
    assert "below <data" not in text.split(f"nothing is known about {unknown}")[0][-200:]
    assert mismatches(*files) == []


def test_the_check_of_the_numbers_notices_a_drawn_bound_that_is_wrong(made):
    page, table = _files(made)
    low = read_report(page).found["kappa.low"]
    page.write_text(page.read_text().replace(f'value="{low!r}"', f'value="{low - 0.05!r}"', 1))
    assert [line.split(":")[0] for line in mismatches(page, table)] == ["kappa.low"]


def test_a_table_of_classes_counts_one_thing(made):
    # Precision and recall counted parts, F1 and confusions images, and nothing said which.
    text = _files(made)[0].read_text()
    section = text.split("<h3>Classes by parts, lowest recall first</h3>")[1]
    heading, rows = section.split("</table>")[0].split("</thead>")
    assert '<th class="number">parts</th>' in heading
    names = set(re.findall('data-measure="([^"]*)"', rows))
    assert {name.split(".")[-1] for name in names} <= {
        *("recall", "precision", "f1", "n", "low", "high")
    }
    assert "Macro F1 (images)" in text
    assert "Accuracy (parts)" in text


def test_a_report_that_compares_is_a_view_of_both_models(made):
    # The other model's results are in the report and its table, and nobody had counted that.
    _files(made, against="a")
    for model in ("a", "b"):
        (view,) = sealing.sign_off(made.workspace, model).own_openings
        assert view.purpose == "Test report (full)"


@pytest.mark.parametrize("form", list(Form))
def test_a_gate_says_what_it_does_not_limit_and_what_is_not_applicable(made, form):
    asked = ReleaseCriteria(max_overkill=0.99, no_new_escapes=True, golden_must_pass=False)
    release.set_criteria(made.workspace, "parts", asked)
    text = html.unescape(_files(made, form=form)[0].read_text())
    assert "Release criteria met, but the test was not sealed" in text
    assert REVIEWS_NOT_LIMITED in text
    assert "not applicable: no model to compare with" in text
    limited = dataclasses.replace(asked, min_automatic=0.5)
    release.set_criteria(made.workspace, "parts", limited)
    page, table = _files(made, form=form)
    text = html.unescape(page.read_text())
    assert REVIEWS_NOT_LIMITED not in text
    assert "automatic share at least 50%, proven with 95% confidence" in text
    assert mismatches(page, table) == []
    assert read_report(page).found["automatic.lower"] < 1


def test_the_check_of_the_numbers_notices_a_wrong_one(made):
    page, table = _files(made)
    text = page.read_text()
    value = read_report(page).found["accuracy"]
    page.write_text(text.replace(f'value="{value!r}"', 'value="0.999"', 1))
    assert any(line.startswith("accuracy:") for line in mismatches(page, table))
    rows = table.read_text().splitlines()
    table.write_text("\n".join(rows[:-1]))
    assert len(mismatches(page, table)) > 5


def test_without_verdicts_the_report_says_so_and_its_numbers_hold(workspace, tmp_path):
    made = make_dataset(workspace, per_subset=40, verdicts=(None, None, None))
    add_model(made, "b")
    page, table = _files(made)
    assert mismatches(page, table) == []
    assert "the classes are not marked OK and NOK" in page.read_text()
    assert not [name for name in read_report(page).found if name.startswith(("escape", "zone"))]


def test_classes_without_images_have_no_data(workspace):
    made = make_dataset(workspace, per_subset=40)
    rest = [
        int(i)
        for i, t in zip(made.ids[Subset.TEST], made.targets[Subset.TEST], strict=True)
        if t == 2
    ]
    add_model(made, "b")
    edits.exclude(workspace, "parts", rest)
    page, table = _files(made)
    assert mismatches(page, table) == []
    assert read_report(page).found["class.2.recall"] is None
    assert "No test image of " in page.read_text()


def test_names_of_users_are_shown_literally_and_never_run(workspace, tmp_path):
    made = make_dataset(workspace, per_subset=40)
    for old, new in zip(NAMES, HOSTILE, strict=True):
        edits.rename_class(workspace, "parts", old, new)
    add_model(made, "b", class_names=HOSTILE)
    models.rename_model(workspace, "model-b", "<img src=x onerror=alert(1)> {{ 7*7 }}")
    sealing.save_intended_use(workspace, "model-b", "<b>bold</b> & {{ config }}")
    page, table = _files(made, "model-b")
    text = page.read_text()
    assert "<script" not in text.lower()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;img src=x onerror=alert(1)&gt; {{ 7*7 }}" in text
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; {{ config }}" in text
    assert not re.search(r"(?:src|href)=[\"']?(?!data:)", text.replace("&lt;img src=x", ""))
    assert mismatches(page, table) == []


def test_cells_of_the_table_are_safe_in_a_spreadsheet(workspace):
    made = make_dataset(workspace, per_subset=12)
    edits.rename_class(workspace, "parts", "hole", "=1+1")
    add_model(made, "b", class_names=("good", "=1+1", "scratch"))
    _, table = _files(made)
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + 24
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "@")]


def test_probabilities_keep_every_digit(made):
    _, table = _files(made)
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row["subset"] == "test"]
    kept = np.array([[row[f"p:{name}"] for name in NAMES] for row in rows], np.float32)
    stored = judging.judged_set(made.workspace, "b", Subset.TEST).probabilities
    assert (kept == stored).all()


@pytest.mark.parametrize("form", list(Form))
def test_every_limit_of_the_proof_is_said_once(made, form):
    # The last one stood there twice.
    text = _files(made, form=form)[0].read_text()
    section = re.search(r"Limits of this proof</h2>(.*?)</ul>", text, re.DOTALL)
    said = re.findall("<li>(.*?)</li>", section[1], re.DOTALL)
    assert len(said) == len(set(said)) > 3
    assert "The labels are assumed to be correct" in said[-1]


def test_the_report_says_how_each_bound_was_made(made):
    # It used to call all of them exact.
    text = _files(made)[0].read_text()
    assert "All bounds are exact" not in text
    assert "Bounds of rates are exact (Clopper-Pearson)" in text
    for words in (
        "the wider of two: resampled parts (bootstrap)",
        "a t interval between parts",
        "as many decisions as explain the variance",
        "Newcombe",
    ):
        assert (words in text) is (words != "Newcombe")
    assert "Newcombe" in _files(made, against="a")[0].read_text()


def test_without_verdicts_the_first_page_says_how_the_bounds_of_macro_f1_were_made(workspace):
    made = make_dataset(workspace, per_subset=40, verdicts=(None, None, None))
    add_model(made, "b")
    text = _files(made, form=Form.SHORT)[0].read_text()
    assert "The interval of the macro F1 is the wider of two: resampled images" in text


def test_bounds_of_losses_stay_where_losses_can_be(workspace):
    # A t interval of few images reached below 0.
    made = make_dataset(workspace, per_subset=4)
    sure = np.full((4, 3), 0.001, np.float32)
    sure[np.arange(4), made.targets[Subset.TEST]] = 0.998
    unsure = sure.copy()
    unsure[0] = (0.4, 0.3, 0.3)
    add_model(made, "good", given={Subset.TEST: unsure})
    wrong = np.roll(unsure, 1, axis=1)
    add_model(made, "bad", given={Subset.TEST: wrong})
    pages = [_files(made, name) for name in ("good", "bad")]
    good, bad = (read_report(page).found for page, _ in pages)
    assert (good["log_loss.low"], good["brier.low"], bad["brier.high"]) == (0.0, 0.0, 2.0)
    assert [mismatches(*files) for files in pages] == [[], []]


def test_a_report_is_a_look_and_shows_every_look_before_it(made):
    access.record_view(made.workspace, models.find_model(made.workspace, "a"), "Evaluate page")
    page, _ = _files(made)
    text = page.read_text()
    assert "Evaluate page" in text
    assert "Test report (full)" in text
    assert "for any model (2)" in text
    assert "also viewed for 1 other model" in text


def test_a_closed_test_set_has_no_report_and_is_not_counted(made):
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.5))
    sealing.seal_test(made.workspace, "b")
    with pytest.raises(SealedError):
        _files(made)
    assert sealing.sign_off(made.workspace, "b").accesses == ()


def _title(page: Path) -> str:
    found = re.search(r'class="verdict (\w+)">\s*<strong>(.*?)</strong>', page.read_text())
    assert found
    return f"{found[1]}: {found[2]}"


def test_the_verdict_says_what_was_proven(made):
    assert _title(_files(made)[0]) == "open: No release criteria were set"
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    page = _files(made)[0]
    assert _title(page) == "open: Release criteria met, but the test was not sealed"
    assert "none is marked: nothing to check" in page.read_text()
    add_model(made, "c", seed=5, skill=2.5)
    sealing.seal_test(made.workspace, "c")
    sealing.open_test(made.workspace, "c", "release")
    page = _files(made, "c")[0]
    assert _title(page) == "pass: Release criteria met"
    assert "were read again for this report and are unchanged" in " ".join(page.read_text().split())
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(min_macro_f1=0.9999))
    assert _title(_files(made, "c")[0]).startswith("void: Seal void")
    assert _title(_files(made, "b")[0]) == "block: Release criteria not met"


def test_a_changed_image_file_is_asked_about_or_voids_the_seal(workspace, tmp_path):
    made = make_dataset(workspace, per_subset=100, images=tmp_path / "pictures")
    add_model(made, "b")
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    changed = next((tmp_path / "pictures").rglob("00250.png"))
    as_imported = changed.read_bytes()
    changed.write_bytes(b"other")
    with pytest.raises(FilesChangedError, match=r"00250\.png"):
        _files(made)
    changed.write_bytes(as_imported)
    sealing.seal_test(made.workspace, "b")
    sealing.open_test(made.workspace, "b", "release")
    for alter in (lambda: changed.write_bytes(b"other"), changed.unlink):
        alter()
        page = _files(made, form=Form.SHORT)[0]
        assert _title(page).startswith("void")
        assert "00250.png" in page.read_text()


def test_wishes_that_cannot_be_met_are_answered_in_words(made):
    with pytest.raises(ConfigError, match="no report in 'xx'"):
        report.make_report(made.workspace, "b", language="xx")
    with pytest.raises(NotFoundError):
        report.make_report(made.workspace, "b", against="nobody")
    with pytest.raises(NotFoundError):
        report.report_file(made.workspace, "../../etc/passwd")


def test_the_worker_adds_a_heatmap_to_every_mistake(trained: Trained, tmp_path):
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    right = judging.judged_set(workspace, trained.model.id, Subset.TEST)
    wrong = {int(right.sample_ids[i]): 1 - int(right.targets[i]) for i in (0, 1)}
    edits.relabel(workspace, trained.dataset.id, wrong)
    ticket = report.make_report(workspace, trained.model.id)
    assert ticket.job is not None
    ended = jobs.wait(workspace, ticket.job.id, on_change=lambda _: None)
    assert ended.status is JobStatus.COMPLETED
    page = report.report_file(workspace, ticket.id).read_text()
    assert page.count('alt="heatmap of the predicted class"') == page.count('alt="test image"')
    assert page.count('alt="heatmap of the predicted class"') >= 2
    assert not report.report_file(workspace, ticket.id, "json").exists()
    table = report.report_file(workspace, ticket.id, "csv")
    assert mismatches(report.report_file(workspace, ticket.id), table) == []
    out = tmp_path / "one.html"
    options = ("--max-images", "1", "--workspace", str(workspace.root))
    answer = CliRunner().invoke(app, ["report", "Marks quick", "--out", str(out), *options])
    assert answer.exit_code == 0, answer.output
    assert out.read_text().count('alt="heatmap of the predicted class"') == 1
    assert "Shown here: 1, the most serious." in out.read_text()


def test_the_report_says_how_many_mistakes_there_are_and_how_many_are_shown(made):
    judged = judging.judged_set(made.workspace, "b", Subset.TEST)
    wrong = int((judged.probabilities.argmax(axis=1) != judged.targets).sum())
    assert wrong > 8
    full, short = (_files(made, form=form)[0].read_text() for form in (Form.FULL, Form.SHORT))
    assert f"{wrong} test images were judged wrong" in full
    assert "Shown here: none." in full
    assert full.count('class="picture"') == 0
    assert f"Most serious mistakes (8 of {wrong})" in short
    assert short.count('class="picture"') == 8


def test_the_reader_of_numbers_finds_values_and_rule():
    numbers = Numbers()
    numbers.feed(
        '<p data-rule="{&#34;a&#34;: 1}"><data data-measure="x.y" value="0.5">50%</data>'
        '<data data-measure="z" value="">no data</data></p>'
    )
    assert numbers.found == {"x.y": 0.5, "z": None}
    assert numbers.rule == {"a": 1}


PUNCTUATION = (
    ("type: A; deep", "a, b", "a | b"),
    ("100% good", 'the "good" one', "x (1 of 2); at least 3"),
    ("recall of good", "escape", "New escapes: 1"),
)


@pytest.mark.parametrize("names", PUNCTUATION)
def test_the_report_shows_the_rate_of_a_class_whatever_it_is_called(workspace, names):
    # A class called "type: A; deep" made the report print "A" in place of "95% (19 of 20)".
    made = make_dataset(workspace, per_subset=40)
    for old, new in zip(NAMES, names, strict=True):
        edits.rename_class(workspace, "parts", old, new)
    add_model(made, "b", class_names=names)
    release.set_criteria(workspace, "parts", ReleaseCriteria(min_recall=0.5))
    judged = judging.judged_set(workspace, "b", Subset.TEST)
    text = html.unescape(_files(made)[0].read_text())
    for index, name in enumerate(names):
        own = judged.targets == index
        right = int((judged.probabilities.argmax(axis=1)[own] == index).sum())
        cells = f'recall of {name} at least 50%</td><td class="name">'
        assert text.count(f"{cells}{100 * right / own.sum():.3g}% ({right} of {own.sum()})") == 1


def test_new_escapes_are_said_by_their_number(made):
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(no_new_escapes=True))
    alone = _files(made)[0].read_text()
    assert "no new escapes compared with the current model" in alone
    assert ">not applicable: no model to compare with</td>" in alone
    page = _files(made, against="a")[0]
    compared = page.read_text()
    found = read_report(page).found["compare.escapes.only_first"]
    expected = "none" if not found else f"{found:.0f} defective part"
    assert expected in compared


def test_the_values_of_a_report_survive_the_way_to_the_worker(made):
    _rule(made, "b", OperatingPoint(0.2, 0.7))
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.5))
    judged, other = (judging.judged_set(made.workspace, m, Subset.TEST) for m in ("b", "a"))
    material = gather(made.workspace, judged, other)
    values = report_values(made.workspace, material, Form.FULL, mistakes(material)[:3], "en")
    assert from_json(to_json(values)) == values
    with pytest.raises((ValueError, KeyError)):
        from_json("{}")


def test_every_value_of_a_report_is_shown_by_a_template():
    # A value that was gathered and forgotten in the templates was noticed by nobody.
    folder = Path(values.__file__).parent
    drawn_from = [folder / "render.py", *(folder / "templates").glob("*.html")]
    shown = " ".join(path.read_text(encoding="utf-8") for path in drawn_from)
    forgotten = [
        field.name
        for field in dataclasses.fields(values.ReportValues)
        if not re.search(rf"\breport\.{field.name}\b", shown)
    ]
    assert not forgotten


def test_a_serious_finding_stands_among_what_a_test_does_not_show(made):
    # The report counted findings by kind; what the worst one says was nowhere.
    with connect(made.workspace) as db, transaction(db):
        serious = Finding(FindingKind.FORMAT_LEAK, Severity.SERIOUS, "All .png show cracks.")
        quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), [serious])
    for form in Form:
        page, _ = _files(made, form=form)
        assert "All .png show cracks." in page.read_text("utf-8")
