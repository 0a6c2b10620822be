"""Test planner and Sign-off, without a browser."""

from pathlib import Path

import pytest

from core.domain.findings import Finding, FindingKind, QualityCheck, Severity
from core.domain.models import ModelStage
from core.domain.signoff import AccessKind, MarkKind, Seal
from core.domain.splits import Subset
from core.domain.stages.states import ReadVerdict, StepAction
from core.errors import ConfigError
from core.evaluation.decisions.outcome import single_threshold
from core.evaluation.release.criteria import ReleaseCriteria
from core.evaluation.release.words import GOLDEN_RIGHT, REVIEWS_NOT_LIMITED
from core.store import judgement, quality, splits
from core.store import models as model_rows
from core.store.database import connect, transaction
from core.store.stages.verdicts import save_verdict
from core.workflows.data import datasets, edits
from core.workflows.results import access, judging
from core.workflows.results.comparison import PREDICTED_CLASS
from core.workflows.results.thresholds import ThresholdChoice, basis_of, load_basis, save_rule
from core.workflows.signoff import release, sealing
from core.workflows.signoff.report import Form
from core.workflows.signoff.verdicts import missed_of
from core.workflows.stages import stages_of
from core.workflows.use import models
from core.workspace import Workspace
from tests.made import NAMES, Made, add_model, make_dataset
from tests.ui.conftest import OpenPage
from tests.ui.shown_tables import tables
from tests.ui.test_data_pages import open_tab


@pytest.fixture
def made(workspace: Workspace) -> Made:
    made = make_dataset(workspace)
    add_model(made, "new", seed=5, skill=4.0)
    add_model(made, "present", seed=1, skill=2.0)
    return made


def _said(app) -> str:  # type: ignore[no-untyped-def]
    kinds = (
        *(app.subheader, app.markdown, app.caption, app.info, app.warning, app.success, app.error),
    )
    return " ".join(item.value for kind in kinds for item in kind).replace("\\", "")


def _recorded(made: Made) -> list[tuple[str, str]]:
    with connect(made.workspace) as db:
        return [(view.kind.value, view.purpose) for view in judgement.openings_of(db, "split-1")]


def test_the_planner_says_what_is_needed_and_what_the_present_sets_prove(
    open_page: OpenPage, made: Made
) -> None:
    app = open_page("signoff/plan.py", made.workspace, model="model-new")
    assert "299 defective parts" in _said(app)
    assert "100 defective images without an escape prove a rate below 2.96%" in _said(app)
    assert "199 images" in _said(app)
    assert "5.82% with 50 parts" in _said(app)
    (best,) = [t.proto.body for t in app.get("html") if "not viewed" in t.proto.body]
    assert "<td>defective</td><td>100 images</td><td>not viewed</td><td>2.96%</td>" in best
    # Once sealed the test was counted no more, until it was too late to plan: when it was opened.
    with connect(made.workspace) as db, transaction(db):
        splits.seal_split(db, "split-1")
    app.run()
    assert not app.exception
    (sealed,) = [t.proto.body for t in app.get("html") if "not viewed" in t.proto.body]
    assert sealed == best
    assert _recorded(made) == []


def test_the_planner_starts_with_the_criteria_and_counts_the_errors_of_the_test(
    open_page: OpenPage, made: Made
) -> None:
    # It began with 1% and 5%, and ignored the escape by which the model had failed.
    release.set_criteria(
        made.workspace, "parts", ReleaseCriteria(max_escape=0.1, max_overkill=0.2, confidence=0.9)
    )
    access.record_view(made.workspace, models.find_model(made.workspace, "new"), "Evaluate page")
    app = open_page("signoff/plan.py", made.workspace, model="model-new")
    assert not app.exception
    asked = [app.number_input(key=key).value for key in ("plan_escape", "plan_overkill")]
    assert (asked, app.selectbox(key="confidence").value) == ([10.0, 20.0], 0.9)
    judged = judging.judged_set(made.workspace, "new", Subset.TEST)
    outcome = basis_of(judged).outcome(PREDICTED_CLASS)
    assert f"100 defective images with {outcome.escape.k} escape" in _said(app)
    app.number_input(key="plan_escape").set_value(3.0).run()
    assert app.number_input(key="plan_escape").value == 3.0
    # Another dataset or other criteria begin anew; what a link says stays.
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.2))
    assert app.run().number_input(key="plan_escape").value == 20.0
    linked = open_page("signoff/plan.py", made.workspace, model="model-new", plan_escape="7")
    assert linked.number_input(key="plan_escape").value == 7.0


def test_the_planner_says_how_many_parts_prove_an_automatic_share(
    open_page: OpenPage, made: Made
) -> None:
    app = open_page("signoff/plan.py", made.workspace, model="model-new")
    app.number_input(key="plan_automatic").set_value(90.0).run()
    assert "parts with at most" in _said(app)
    assert "more than 90% of the parts" in _said(app)
    # The stricter claim counts: 60 of 1,000 parts leave 94%.
    app.number_input(key="plan_reviews").set_value(60.0).run()
    assert "more than 94% of the parts" in _said(app)
    app.number_input(key="plan_reviews").set_value(1000.0).run()
    assert "must be fewer than the parts per shift" in _said(app)


def test_criteria_of_a_first_model_are_set_on_the_sign_off_page(
    open_page: OpenPage, workspace: Workspace
) -> None:
    # They could be set on the Compare page only, which asks for two models.
    add_model(make_dataset(workspace), "first")
    app = open_page("signoff/signoff.py", workspace)
    assert not [button for button in app.button if button.key == "seal"]
    app.number_input(key="criteria_escape").set_value(7.0)
    app.button(key="set_criteria").click().run()
    assert not app.exception
    kept = release.criteria_of(workspace, "parts")
    assert kept is not None
    assert kept.criteria.max_escape == 0.07
    assert not app.button(key="seal").disabled
    assert "Plan :gray[optional]" in _said(app)
    # Without verdicts it was sealed, opened and failed for lack of data: another model was advised.
    edits.set_verdicts(workspace, "parts", dict.fromkeys(NAMES))
    app.run()
    assert not [button for button in app.button if button.key == "seal"]
    assert "Seal** :gray[blocked]" in _said(app)
    assert "no verdicts say which classes are OK" in _said(app)
    (link,) = [item for item in app.get("page_link") if item.proto.label == "Set the verdicts"]
    assert "tab=Classes" in link.proto.query_string
    model = models.find_model(workspace, "first")
    access.record_view(workspace, model, "Evaluate page")
    app.run()
    assert "Criteria cannot be judged" in app.error[0].value
    assert "train another model" not in _said(app)
    assert stages_of(workspace, datasets.find_dataset(workspace, "parts")).next_step.action is (
        StepAction.READ_VERDICT
    )


def test_a_reload_keeps_criteria_that_are_typed_and_setting_them_forgets_the_draft(
    open_page: OpenPage, made: Made
) -> None:
    # A form sent nothing before its button: the browser reloaded, and all that was typed was gone.
    app = open_page("signoff/signoff.py", made.workspace)
    app.number_input(key="criteria_escape").set_value(7.0).run()
    app.checkbox(key="criteria_new").check().run()
    app.checkbox(key="criteria_golden").uncheck().run()
    draft = app.query_params["criteria"]
    app = open_page("signoff/signoff.py", made.workspace, criteria=draft)
    assert app.number_input(key="criteria_escape").value == 7.0
    assert app.checkbox(key="criteria_new").value
    assert not app.checkbox(key="criteria_golden").value
    assert app.number_input(key="criteria_overkill").value is None
    app.button(key="set_criteria").click().run()
    kept = release.criteria_of(made.workspace, "parts")
    assert kept is not None
    assert kept.criteria == ReleaseCriteria(
        max_escape=0.07, no_new_escapes=True, golden_must_pass=False
    )
    assert "criteria" not in app.query_params
    # An emptied field, and the draft over the criteria before: it is as old as they are.
    app.number_input(key="criteria_escape").set_value(None).run()
    emptied = app.query_params["criteria"]
    app = open_page("signoff/signoff.py", made.workspace, criteria=emptied)
    assert app.number_input(key="criteria_escape").value is None
    assert app.checkbox(key="criteria_new").value
    app = open_page("signoff/signoff.py", made.workspace, criteria=draft)
    assert app.number_input(key="criteria_escape").value == 7.0
    assert "criteria" not in app.query_params


@pytest.mark.parametrize(
    "draft",
    [
        "of=another@0.0,escape=7.0",  # of another dataset
        "of=parts@0.0,escape=seven,overkill=nan,golden=maybe,colour=red",
        "escape=7.0",
        ",=,",
    ],
)
def test_criteria_of_a_broken_link_or_of_another_dataset_are_passed_over(
    open_page: OpenPage, made: Made, draft: str
) -> None:
    app = open_page("signoff/signoff.py", made.workspace, criteria=draft)
    assert not app.exception
    assert app.number_input(key="criteria_escape").value is None
    assert app.number_input(key="criteria_overkill").value is None
    assert app.checkbox(key="criteria_golden").value
    assert "criteria" not in app.query_params


def test_golden_samples_are_held_by_a_seal_and_it_says_where_there_are_none(
    open_page: OpenPage, made: Made
) -> None:
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.5))
    app = open_page("signoff/signoff.py", made.workspace, model="model-new")
    # It was in force, ticked in the form, and missing here.
    assert f"{GOLDEN_RIGHT} (none is marked yet)" in _held(app)
    with connect(made.workspace) as db, transaction(db):
        judgement.set_mark(db, made.ids[Subset.TEST][:1].tolist(), MarkKind.GOLDEN, on=True)
    app.run()
    assert GOLDEN_RIGHT in _held(app)
    assert "none is marked" not in _held(app)
    # Split had said "test set sealed", and this step asked to seal the test set once more.
    assert "The test set is sealed already" not in _said(app)
    with connect(made.workspace) as db, transaction(db):
        splits.seal_split(db, "split-1")
    app.run()
    assert "The test set is sealed already; this also fixes criteria and threshold" in _said(app)
    assert app.button(key="seal").label == "Seal the test"


def test_a_void_seal_shows_what_was_sealed_beside_what_holds_now_and_the_way_back(
    open_page: OpenPage, workspace: Workspace, tmp_path: Path
) -> None:
    # "What is sealed" listed the edited limit, above a green "Criteria met.".
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "images")
    add_model(made, "first", skill=12.0)
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.1))
    sealing.seal_test(workspace, "first")
    sealing.open_test(workspace, "first", "release 1")
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.12))
    app = open_page("signoff/signoff.py", workspace)
    lists = [item.value for item in app.markdown if "- false reject rate" in item.value]
    assert ["at most 10%" in lists[0], "at most 12%" in lists[1]] == [True, True]
    assert not app.success
    assert "No proof" in _said(app)
    assert "Seal :gray[void]" in _said(app)
    app.button(key="restore_criteria").click().run()
    assert not app.exception
    assert "Criteria met" in app.success[0].value


def test_a_release_names_the_model_that_it_retires_and_only_if_there_is_one(
    open_page: OpenPage, made: Made
) -> None:
    # "The released model of the same dataset is retired", where none had been released.
    with connect(made.workspace) as db, transaction(db):
        judgement.insert_seal(db, Seal("model-new", "split-1", 1.0, "", "", "d", opened_at=2.0))
        save_verdict(db, ReadVerdict("model-new", (), "", "", 3.0))
    app = open_page("use/models.py", made.workspace)
    app.button(key="release_model-new").click().run()
    assert "becomes the model that Predict offers first" in _said(app)
    assert "is retired" not in _said(app)
    with connect(made.workspace) as db, transaction(db):
        model_rows.set_stage(db, "model-present", ModelStage.RELEASED)
    app.button(key="release_model-new").click().run()
    assert "present, which is released now, is retired" in _said(app)


def test_what_is_sealed_is_said_once_and_its_editor_is_closed(
    open_page: OpenPage, workspace: Workspace, tmp_path: Path
) -> None:
    # The editor stood open after sealing, and a rule without reviews was told to limit them.
    made = make_dataset(workspace, per_subset=24, images=tmp_path / "images")
    add_model(made, "first", skill=12.0)
    release.set_criteria(workspace, "parts", ReleaseCriteria(max_overkill=0.1))
    app = open_page("signoff/signoff.py", workspace)
    assert REVIEWS_NOT_LIMITED in _said(app)  # no rule is saved
    choice = ThresholdChoice(single_threshold(0.5), "by hand")
    save_rule(workspace, load_basis(workspace, "first"), choice)
    app.button(key="seal").click().run()
    assert not app.exception
    assert "A change needs a new seal" in _said(app)
    assert REVIEWS_NOT_LIMITED not in _said(app)
    (editor,) = [item for item in app.expander if item.label == "Edit release criteria"]
    assert not editor.proto.expanded
    # Whose seal a change takes was said of the open model at most, and of no other.
    assert "Other criteria void the sealed test of 'first'" in _said(app)
    classes = open_tab(open_page("data/datasets.py", workspace), "Classes")
    assert "A change of verdicts or classes voids the sealed test of 'first'" in _said(classes)
    # The note of a correction, with its undo, names what it voided.
    made_version = edits.exclude(workspace, "ds-1", [int(made.ids[Subset.TEST][0])])
    judged_page = open_page("results/evaluate.py", workspace, model="model-first")
    judged_page.session_state["my_edits"] = {("ds-1", made_version.number)}
    judged_page.run()
    assert "Void now**: the sealed test of 'first'." in _said(judged_page)
    judged_page.button(key="undo").click().run()
    assert "Void now" not in _said(judged_page)
    edits.exclude(workspace, "ds-1", [int(made.ids[Subset.TEST][0])])
    history = open_page("data/versions.py", workspace)
    history.button(key="undo").click().run()
    assert "This restores the sealed test of 'first'" in history.toast[0].value
    sealing.open_test(workspace, "first", "release 1")
    app = open_page("signoff/signoff.py", workspace)
    assert REVIEWS_NOT_LIMITED not in _said(app)
    assert not [item for item in app.markdown if "- false reject rate" in item.value]
    assert "False reject rate: 0% (0 of 12)" in _said(app)


def test_a_serious_finding_stays_beside_the_verdict(open_page: OpenPage, made: Made) -> None:
    # It stood on the page until the test was opened, and was gone when the verdict came.
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    with connect(made.workspace) as db, transaction(db):
        serious = Finding(FindingKind.FORMAT_LEAK, Severity.SERIOUS, "All .png show cracks.")
        quality.save_check(db, QualityCheck("ds-1", 2.0, (), 0, 0), [serious])
    access.record_view(made.workspace, models.find_model(made.workspace, "new"), "Evaluate page")
    app = open_page("signoff/signoff.py", made.workspace, model="model-new")
    assert "Criteria met" in _said(app)
    assert "All .png show cracks" in _said(app)


def _held(app) -> str:  # type: ignore[no-untyped-def]
    """The criteria that a seal will hold."""
    return next(item.value for item in app.markdown if "escape rate" in item.value)


def test_images_taken_out_after_a_look_are_said_beside_the_verdict(
    open_page: OpenPage, made: Made
) -> None:
    # Excluding the suspect ones after the test had made escapes of 50% into 18%, and nobody said.
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    model = models.find_model(made.workspace, "new")
    access.record_view(made.workspace, model, "Evaluate page")
    app = open_page("signoff/signoff.py", made.workspace, model=model.id)
    assert "Golden samples: none is marked" in _said(app)
    assert "has changed since" not in _said(app)
    edits.exclude(made.workspace, "ds-1", made.ids[Subset.TEST][:7].tolist())
    app.run()
    assert not app.exception
    assert "has changed since" in _said(app)
    assert "7 images removed" in _said(app)


def test_a_failed_sign_off_says_why_and_what_to_do_and_is_recorded_once(
    open_page: OpenPage, made: Made
) -> None:
    model = models.find_model(made.workspace, "new")
    access.record_view(made.workspace, model, "Evaluate page", kind=AccessKind.PAGE_VIEW)
    app = open_page("signoff/signoff.py", made.workspace, model=model.id)
    assert "there is no verdict" in _said(app)
    assert [kind for kind, _ in _recorded(made)] == ["page view"]
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.001))
    app.run()
    assert not app.exception
    assert "Criteria not met" in app.error[0].value
    assert "What to do" in _said(app)
    assert "train another model" in _said(app)
    # The escapes were counted, and nothing led to their images.
    (link,) = [item for item in app.get("page_link") if item.proto.label == "See the escapes"]
    assert {"subset=test", "kind=escape"} <= set(link.proto.query_string.split("&"))
    assert [kind for kind, _ in _recorded(made)] == ["page view", "decision"]
    views = next(item.label for item in app.expander if item.label.startswith("Views"))
    counted = "Views of the test results: 1 decision and 1 page view of earlier versions"
    assert views == counted  # it was counted from the next load on
    # Who relabeled an image and looked again had decided once more, it said.
    image = int(made.ids[Subset.TEST][0])
    edits.relabel(made.workspace, "ds-1", {image: int(made.targets[Subset.TEST][0]) + 1})
    app.run()
    assert "Criteria not met" in app.error[0].value
    assert next(e.label for e in app.expander if e.label.startswith("Views")) == counted
    edits.undo(made.workspace, "ds-1")
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    app.run()
    assert "seal before anybody views its results" in _said(app)


def test_a_test_that_was_opened_for_another_model_says_what_that_costs(
    open_page: OpenPage, made: Made
) -> None:
    # It stood in a folded table at the end of the page.
    app = open_page("signoff/signoff.py", made.workspace, model="model-new")
    assert "weakens its proof" not in _said(app)
    first = models.find_model(made.workspace, "present")
    access.open_results(made.workspace, [first], "release 1")
    app.run()
    assert (
        "These test images were opened once for “present”**: each further model that is chosen by "
        "this test weakens its proof." in _said(app)
    )
    access.open_results(made.workspace, [models.find_model(made.workspace, "new")], "release 2")
    app = open_page("signoff/signoff.py", made.workspace, model=first.id)
    assert "weakens its proof" not in _said(app)  # the other one came later


def test_a_test_of_too_few_parts_asks_for_new_ones_of_a_fixed_number(
    open_page: OpenPage, made: Made
) -> None:
    # "Test more parts" let people add parts to those of the test until it passed.
    judged = judging.judged_set(made.workspace, "model-new", Subset.TEST)

    def only_lacks_proof(limit: float) -> bool:
        release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=limit))
        gate = release.check_release(made.workspace, None, judged)
        assert gate is not None
        missed = missed_of(gate.gate)
        return bool(missed) and all(item.only_unproven for item in missed)

    assert any(only_lacks_proof(percent / 100) for percent in range(1, 60))
    model = models.find_model(made.workspace, "new")
    access.record_view(made.workspace, model, "Evaluate page")
    app = open_page("signoff/signoff.py", made.workspace, model=model.id)
    assert "Test new parts, none of these, and fix their number beforehand." in _said(app)
    assert "Plan the test" in [item.proto.label for item in app.get("page_link")]


def test_a_report_before_sealing_asks_once_with_a_purpose(open_page: OpenPage, made: Made) -> None:
    # It was made at once, and a sealed test of the model was gone.
    app = open_page("signoff/signoff.py", made.workspace, model="model-new")
    app.segmented_control(key="form").set_value(Form.SHORT).run()
    app.button(key="make_report").click().run()
    assert "A purpose is required" in _said(app)
    assert _recorded(made) == []
    app.selectbox(key="purpose_make_report").set_value("Customer or audit")
    app.text_input(key="person_make_report").set_value("Kim")
    app.button(key="make_report").click().run()
    assert not app.exception
    assert [kind for kind, _ in _recorded(made)] == ["opening", "report"]
    with connect(made.workspace) as db:
        assert {view.person for view in judgement.openings_of(db, "split-1")} == {"Kim"}
    # Its links were gone for good after a reload or another page.
    later = open_page("signoff/signoff.py", made.workspace, model="model-new")
    assert "Short" in _said(later)
    assert "by Kim" in _said(later)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"max_escape": 1.0}, "An escape rate of at most 100% is met by every model"),
        ({"max_escape": 0.0}, "can never be proven"),
        ({"max_overkill": 1.0}, "A false reject rate of at most 100% is met"),
        ({"min_recall": 0.0}, "A recall of at least 0% is met"),
    ],
)
def test_a_criterion_that_asks_nothing_is_refused(made: Made, asked, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=words):
        release.set_criteria(made.workspace, "parts", ReleaseCriteria(**asked))
    assert release.criteria_of(made.workspace, "parts") is None


def test_the_record_is_read_filtered_and_verified_on_its_page(
    open_page: OpenPage, made: Made
) -> None:
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.5))
    app = open_page("signoff/record.py", made.workspace)
    (table,) = tables(app)
    assert "release criteria set" in table["action"]
    # It was raw JSON, cut off at the edge; now words, which open into all values.
    assert "escape rate at most 50%, proven with 95% confidence" in " ".join(table["details"])
    assert not [words for words in table["details"] if "{" in words or '"' in words]
    (body,) = [item.proto.body for item in app.get("html") if "<dl" in item.proto.body]
    assert "{" not in body
    assert "<dt>escape rate at most</dt><dd>0.5</dd>" in body
    app.text_input(key="search_record").set_value("max_escape").run()
    assert "release criteria set" in tables(app)[0]["action"]
    app.text_input(key="search_record").set_value("no such person").run()
    assert "Nothing in the record matches" in app.info[0].value
    app.button(key="verify_record").click().run()
    assert not app.exception
    assert "Everything is as it was recorded" in app.success[0].value
