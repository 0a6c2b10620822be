"""The Evaluate page over made-up probabilities: what it says, and what a click changes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, EditAction, Sample, SampleState, SampleStatus, Verdict
from core.domain.models import HeatmapMethod, Model
from core.domain.splits import Split, SplitStrategy, Subset
from core.evaluation.decisions.outcome import Outcome
from core.evaluation.decisions.views import Headline
from core.evaluation.measures.class_rates import ClassRates
from core.evaluation.measures.intervals import rate
from core.evaluation.measures.parts import Unit
from core.evaluation.measures.views import Order
from core.inference.explaining.border import BorderTest
from core.inference.explaining.grades import (
    ClassHeat,
    HeatmapGrades,
    MethodGrade,
    grades_to_json,
)
from core.store import datasets, judgement, models, predictions, splits, versions
from core.store.database import connect, transaction
from core.workflows.data import edits
from core.workflows.data.quick_edits import QuickAction, QuickEdit, quick_edits
from core.workflows.results import access, evaluation, thresholds
from core.workspace import Workspace
from pages.results import evaluate_verdict
from tests.made import add_model, make_dataset
from tests.ui.conftest import OpenPage, show_test_results

NAMES = ("good", "crack", "dent")
# True class and predicted class of every image.
TRUE_AND_SAID = [(0, 0)] * 12 + [(0, 1)] + [(1, 1)] * 8 + [(1, 0)] * 2 + [(2, 2)] * 5
VERDICTS = (Verdict.OK, Verdict.NOK, Verdict.NOK)


def make_model(
    workspace: Workspace,
    pairs: list[tuple[int, int]],
    *,
    verdicts: tuple[Verdict | None, ...] = VERDICTS,
    names: tuple[str, ...] = NAMES,
    name: str = "m",
    probabilities: np.ndarray | None = None,
    **properties: object,
) -> str:
    """A model with stored probabilities of validation and test; nothing was really trained."""
    key = f"{name}-1"
    samples = [
        Sample(
            0,
            f"/p/{n}.png",
            f"{name}{n}",
            true,
            8,
            8,
            "L",
            9,
            name=f"f{n % 2}/{n}.png",
            format="PNG",
            **properties,
        )
        for n, (true, _) in enumerate(pairs)
    ]
    if probabilities is None:
        probabilities = np.full((len(pairs), len(names)), 0.1 / (len(names) - 1), np.float32)
        probabilities[np.arange(len(pairs)), [said for _, said in pairs]] = 0.9
    dataset = Dataset(f"ds-{key}", name, names, "/p", "d", len(pairs), 1.0, class_verdicts=verdicts)
    split = Split(f"split-{key}", dataset.id, "s", SplitStrategy(), 1, (0.5, 0.25, 0.25), "d", 1.0)
    model = Model(
        f"model-{key}",
        name,
        None,
        dataset.id,
        name,
        split.id,
        names,
        "n",
        PreprocessConfig(),
        1,
        "sha",
        1.0,
        version=1,
    )
    with connect(workspace) as db, transaction(db):
        datasets.insert_dataset(db, dataset, samples)
        ids = [s.id for s in datasets.samples_of(db, dataset.id)]
        splits.insert_split(db, split, dict.fromkeys(ids, Subset.TEST))
        models.insert_model(db, model, b"x")
        for subset in (Subset.VALIDATION, Subset.TEST):
            predictions.insert_predictions(
                db, model.id, dataset.id, subset, np.array(ids, np.int64), probabilities
            )
    return model.id


@pytest.fixture
def judged(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    # No process that loads networks: the weights here are made up.
    monkeypatch.setattr("pages.ui.inference.warm_up", lambda *_: None)
    make_model(workspace, TRUE_AND_SAID)
    look(workspace, "m")
    return workspace


def look(workspace: Workspace, model: str) -> None:
    """Somebody has looked at the test results before."""
    with connect(workspace) as db:
        found = models.find_model(db, model)
    access.record_view(workspace, found, "before")


def open_tab(app: AppTest, name: str) -> AppTest:
    app.query_params["tab"] = name
    return app.run()


def verdict(app: AppTest) -> str:
    """The first sentence of the page; empty where no results are shown."""
    return app.header[0].value.replace("\\", "") if app.header else ""


def reasons(app: AppTest) -> str:
    """What stands behind "Why?"."""
    return next((m.value for m in app.markdown if m.value.startswith("- ")), "").replace("\\", "")


def chips(app: AppTest, name: str) -> list[str]:
    """The chips of a filter with their counts."""
    options = next((p.options for p in app.pills if p.key == f"chip_{name}"), [])
    return [option.replace("\\", "") for option in options]


def numbers(
    right: int, n: int, escapes: tuple[int, int, int] | None = None, unit: Unit = Unit.IMAGES
) -> Headline:
    """A headline; escapes are defective parts (accepted, in review, rejected)."""
    return Headline(n, unit, rate(right, n), escapes and Outcome((5, 0, 1), escapes))


CRACK = ClassRates("crack", rate(8, 9), rate(8, 10))


@pytest.mark.parametrize(
    ("headline", "subset", "leaks", "words"),
    [
        (
            numbers(29, 44, (7, 0, 7), Unit.PARTS),
            Subset.TEST,
            False,
            # Exact bounds: 50.08% two-sided below, 73.61% one-sided above.
            "29 of 44 parts right, at least 50% proven; 7 of 14 defects escape (at most 73.7%)",
        ),
        (
            numbers(55, 60, (4, 3, 33)),
            Subset.VALIDATION,
            False,
            "55 of 60 validation images right (81% to 98%); "
            "4 of 40 defects escape (up to 21.5%), 3 to review",
        ),
        (
            numbers(60, 60, (0, 0, 40)),
            Subset.TEST,
            False,
            # Threshold, Sign-off and report say 7.22% too; this page alone said 8%.
            "All 60 images right, at least 94% proven; none of 40 defects escapes (at most 7.22%)",
        ),
        (
            # Parts of a leaking split were trained on: nothing is proven by them.
            numbers(60, 60, (0, 0, 40)),
            Subset.TEST,
            True,
            "All 60 images right (94% to 100%); none of 40 defects escapes (up to 7.22%)",
        ),
        (
            numbers(1, 1, (0, 0, 1)),
            Subset.TEST,
            False,
            "The only image is right, at least 2% proven; "
            "the only defect does not escape (at most 95%)",
        ),
        (
            numbers(6, 9, (0, 0, 0)),
            Subset.TEST,
            False,
            "6 of 9 images right, at least 29% proven; "
            "no defect among them, so escapes are unknown",
        ),
        (
            numbers(0, 6),
            Subset.TEST,
            False,
            "None of 6 images right, at most 46%; weakest class crack: 8 of 10",
        ),
        (
            numbers(298, 300, (1, 0, 9)),
            Subset.TRAIN,
            False,
            "298 of 300 train images right; it was trained on them, so this proves nothing",
        ),
        (
            numbers(99_000, 100_000),
            Subset.TEST,
            False,
            "99,000 of 100,000 images right, at least 98.93% proven; weakest class crack: 8 of 10",
        ),
    ],
)
def test_the_verdict_never_says_more_than_the_interval(
    headline: Headline, subset: Subset, leaks: bool, words: str
) -> None:
    assert evaluate_verdict.sentence(headline, subset, CRACK, is_leaking=leaks) == words


def test_the_verdict_is_the_first_sentence_and_its_intervals_are_drawn(
    open_page: OpenPage, judged: Workspace
) -> None:
    app = open_page("results/evaluate.py", judged)
    assert not app.exception
    assert verdict(app) == (
        "25 of 28 images right, at least 71% proven; 2 of 15 defects escape (at most 36.4%)"
    )
    drawn = "".join(item.proto.body for item in app.get("html"))
    assert "aria-label='Right 89%: 25 of 28, 71% to 98% with 95% confidence'" in drawn
    assert "aria-label='False rejects 7.7%: 1 of 13, at most 31.7% with 95% confidence'" in drawn


def test_chips_filter_and_count_together_with_the_cell_and_stay_in_the_link(
    open_page: OpenPage, judged: Workspace
) -> None:
    app = open_page("results/evaluate.py", judged)
    assert [h.value.replace("\\", "") for h in app.subheader] == ["All errors (3)"]
    assert chips(app, "kind") == ["escapes (2)", "false rejects (1)"]
    assert chips(app, "class") == ["good (1)", "crack (2)"]
    assert not chips(app, "zone")  # no threshold is saved
    app.pills(key="chip_kind").set_value("escape").run()
    assert app.query_params["kind"] == "escape"
    assert app.subheader[0].value.replace("\\", "") == "All errors (2 of 3)"
    # The other chips count what is left; one that would leave out nothing is not shown.
    assert chips(app, "class") == []
    app.query_params["cell"] = "0-1"
    app.run()
    assert app.subheader[0].value.replace("\\", "") == "good → crack (0 of 1)"
    app.button(key="clear_cell").click().run()
    assert app.subheader[0].value.replace("\\", "") == "All errors (3)"
    assert not {"kind", "cell"} & set(app.query_params)


def test_zones_are_chips_where_a_threshold_is_saved(open_page: OpenPage, judged: Workspace) -> None:
    save_threshold(judged)
    app = open_page("results/evaluate.py", judged, zone="reject")
    assert not app.exception
    assert chips(app, "zone") == ["accepted (2)", "rejected (1)"]
    assert app.pills(key="chip_zone").value == "reject"
    assert app.subheader[0].value.replace("\\", "") == "All errors (1 of 3)"


def save_threshold(workspace: Workspace) -> None:
    basis = thresholds.load_basis(workspace, "m")
    goal = thresholds.ThresholdGoal(max_escape=0.2)
    thresholds.save_rule(workspace, basis, thresholds.choose(basis, goal))


def test_a_class_of_the_table_filters_and_what_is_in_the_link_survives_a_reload(
    open_page: OpenPage, judged: Workspace
) -> None:
    link = {"tab": "Classes", "class": "crack", "order": "name", "view": "% of true"}
    app = open_page("results/evaluate.py", judged, **link)
    assert not app.exception
    assert app.subheader[0].value == "crack"
    options = [option.replace("\\", "") for option in app.pills[0].options]
    assert options == ["mistaken for good (2)", "good mistaken for it (1)"]
    app = open_tab(app, "Overview")
    assert app.selectbox(key="matrix_view").value == "% of true"
    assert app.pills(key="chip_class").value == "crack"
    assert app.subheader[0].value.replace("\\", "") == "All errors (2 of 3)"


def test_without_verdicts_it_says_how_to_give_them(
    open_page: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.ui.inference.warm_up", lambda *_: None)
    make_model(workspace, TRUE_AND_SAID, verdicts=(None,) * 3)
    app = open_page("results/evaluate.py", workspace)
    assert "weakest class crack: 8 of 10" in verdict(app)
    assert "touchstone classes DATASET --ok NAME" in reasons(app)
    assert app.button(key="to_classes").label == "Mark OK and NOK classes"


@pytest.mark.parametrize(
    "tab", ["Classes", "Errors", "Confidence", "Slices", "Measures", "Heatmaps", "Robustness"]
)
def test_every_tab_opens(tab: str, open_page: OpenPage, judged: Workspace) -> None:
    app = open_tab(open_page("results/evaluate.py", judged), tab)
    assert not app.exception
    assert not app.error


def test_what_was_measured_of_heatmaps_and_robustness_is_shown(
    open_page: OpenPage, judged: Workspace
) -> None:
    border = BorderTest(
        (0.0, 0.0, 0.25, 0.25), 0.4, won=9, planted=10, gain=0.7, lost=3, covered=10
    )
    grades = HeatmapGrades(
        (
            MethodGrade(HeatmapMethod.GRAD_CAM, hits=4, tried=36, chance=0.14, images=12),
            MethodGrade(HeatmapMethod.OCCLUSION, hits=31, tried=36, chance=0.14, images=12),
        ),
        (ClassHeat("crack", 10, (1.0,) * 784, border),),
        40,
    )
    sweep = {
        "seen": [10, 10, 10],
        "right": [10, 9, 10],
        "changes": [{"change": "noise", "level": 32.0, "right": [10, 0, 1]}],
    }
    with connect(judged) as db, transaction(db):
        predictions.save_study(db, "model-m-1", "heatmaps", grades_to_json(grades), now=1.0)
        predictions.save_study(db, "model-m-1", "robustness", json.dumps(sweep), now=1.0)
    app = open_tab(open_page("results/evaluate.py", judged), "Heatmaps")
    assert not app.exception
    table = app.dataframe[0].value
    assert table["Method"].tolist() == ["Occlusion", "Grad-CAM"]
    # The tab had no heatmaps and did not say where they are.
    assert any("Recommended for this model: **Occlusion**" in m.value for m in app.markdown)
    assert table["Found"].tolist() == ["31 of 36", "4 of 36"]
    assert "upper left corner" in app.warning[0].value
    planted_only = replace(grades, methods=(MethodGrade(HeatmapMethod.GRAD_CAM, 31, 36, 0.1),))
    with connect(judged) as db, transaction(db):  # as of a model that only knows good images
        predictions.save_study(db, "model-m-1", "heatmaps", grades_to_json(planted_only), now=2.0)
    app.run()
    assert list(app.dataframe[0].value) == ["Method", "Found", "Chance", "Time", "Verdict"]
    app.button(key="to_heatmaps").click().run()
    assert app.session_state.tab == "Overview"
    app = open_tab(app, "Robustness")
    assert not app.exception
    assert any("noise 32" in item.value for item in app.caption)


@pytest.mark.parametrize(
    "view", ["% of true", "% of predicted", "OK / NOK", "decision", "confused pairs", "table"]
)
def test_every_view_of_the_matrix_opens(view: str, open_page: OpenPage, judged: Workspace) -> None:
    save_threshold(judged)
    app = open_page("results/evaluate.py", judged)
    app.selectbox(key="matrix_view").set_value(view).run()
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="matrix_view").value == view
    assert app.button(key="to_signoff").label == "Sign off"


def test_the_decision_view_needs_a_saved_operating_point(
    open_page: OpenPage, judged: Workspace
) -> None:
    app = open_page("results/evaluate.py", judged)
    assert "Confusion matrix: decision" not in app.selectbox(key="matrix_view").options
    assert "Confusion matrix: OK / NOK" in app.selectbox(key="matrix_view").options


def test_a_decision_rule_that_cannot_be_read_does_not_hide_the_numbers(
    open_page: OpenPage, judged: Workspace
) -> None:
    with connect(judged) as db:
        judgement.save_operating_point(db, "model-m-1", "{}")
    app = open_page("results/evaluate.py", judged)
    assert not app.error
    assert any("cannot be read" in item.value for item in app.warning)
    assert "2 of 15 defects escape" in verdict(app)


def test_the_headline_says_that_it_counts_parts_and_the_matrix_images(
    open_page: OpenPage, judged: Workspace
) -> None:
    # The headline used to contradict the matrix beside it: one counted parts, one images.
    found = evaluation.judge(judged, "m", Subset.TEST)
    good = found.sample_ids[found.targets == 0].tolist()
    edits.set_group(judged, found.dataset.id, dict.fromkeys(good, "part A"))
    app = open_page("results/evaluate.py", judged)
    assert not app.exception
    # 13 images of part A, one of them wrong, and 15 parts of one image, two wrong.
    assert verdict(app).startswith("13 of 16 parts right")
    assert "By image: 89.3% correct; the matrix counts images." in reasons(app)


def test_a_relabel_in_the_image_dialog_changes_the_counts_and_can_be_undone(
    open_page: OpenPage, judged: Workspace
) -> None:
    found = evaluation.judge(judged, "m", Subset.TEST)
    (position,) = np.flatnonzero((found.targets == 0) & (found.predicted == 1))
    app = open_page("results/evaluate.py", judged)
    press = QuickEdit(QuickAction.RELABEL, (int(found.sample_ids[position]),), NAMES[1])
    answer = quick_edits(judged, "ds-m-1", [press])
    app.session_state["my_edits"] = {("ds-m-1", answer.version)}
    app.run()
    assert verdict(app).startswith("26 of 28 images right")
    assert datasets_version(judged) == 2
    app.button(key="undo").click().run()
    assert verdict(app).startswith("25 of 28 images right")
    assert datasets_version(judged) == 3
    assert not [b for b in app.button if b.key == "undo"]


def datasets_version(workspace: Workspace) -> int:
    with connect(workspace) as db:
        return datasets.find_dataset(db, "m").version


def test_images_are_sorted_by_their_heatmaps_and_a_region_can_be_typed(
    open_page: OpenPage, judged: Workspace
) -> None:
    found = evaluation.judge(judged, "m", Subset.TEST)
    wrong = found.sample_ids[~found.right].tolist()
    with connect(judged) as db, transaction(db):
        predictions.save_focus(db, "model-m-1", dict(zip(wrong, (0.75, 0.25, None), strict=True)))
    app = open_tab(open_page("results/evaluate.py", judged), "Errors")
    order = next(item for item in app.selectbox if item.label == "Sort by")
    order.set_value(Order.FOCUS).run()
    assert not app.exception
    assert app.query_params["sort"] == "focus"
    with connect(judged) as db:
        assert not db.execute("SELECT 1 FROM jobs").fetchall()  # all of them are known
    with connect(judged) as db, transaction(db):
        left = bytes([255, 0, 255, 0])  # 2 x 2 cells
        predictions.save_heats(db, "model-m-1", dict.fromkeys(wrong, left))
    order.set_value(Order.REGION).run()
    assert any("Average heatmap of 3 images" in item.value for item in app.caption)
    typed = {item.label: item for item in app.number_input}
    typed["Right (%)"].set_value(25).run()
    assert not app.exception
    assert app.query_params["region"] == "0-0-25-100"
    assert any(
        "**50%** of the average heat of 3 images is in this region, 25% of the area" in item.value
        for item in app.caption
    )
    next(item for item in app.button if item.label == "Clear").click().run()
    assert "region" not in app.query_params


def test_somebody_elses_edit_is_not_offered_for_undo(
    open_page: OpenPage, judged: Workspace
) -> None:
    edits.relabel(judged, "m", {1: 1})
    app = open_page("results/evaluate.py", judged)
    assert not [b for b in app.button if b.key == "undo"]


def test_a_sealed_test_set_stays_closed_and_validation_is_shown(
    open_page: OpenPage, judged: Workspace
) -> None:
    make_model(judged, TRUE_AND_SAID, name="new")
    with connect(judged) as db:
        splits.seal_split(db, "split-new-1")
    app = open_page("results/evaluate.py", judged, model="model-new-1")
    assert not app.error
    assert any("sealed" in item.value for item in app.caption)
    assert app.segmented_control(key="subset").options == ["validation"]
    with connect(judged) as db:
        assert not judgement.openings_of(db, "split-new-1")


def test_a_page_load_is_no_view(open_page: OpenPage, judged: Workspace) -> None:
    # 60 of the 62 views in the record of one model were page loads.
    for _ in range(2):
        open_page("results/evaluate.py", judged).run()
    with connect(judged) as db:
        assert [view.purpose for view in judgement.openings_of(db, "split-m-1")] == ["before"]


def test_before_the_first_look_validation_is_shown_and_the_test_is_offered(
    open_page: OpenPage, judged: Workspace
) -> None:
    # The first look makes a sealed test impossible: nobody was told before.
    make_model(judged, TRUE_AND_SAID, name="new")

    def looks() -> list[str]:
        with connect(judged) as db:
            return [o.purpose for o in judgement.openings_of(db, "split-new-1")]

    app = open_page("results/evaluate.py", judged, model="model-new-1")
    assert app.segmented_control(key="subset").value is Subset.VALIDATION
    assert "validation images right" in verdict(app)
    app.segmented_control(key="subset").set_value(Subset.TEST).run()
    assert verdict(app) == ""
    assert looks() == []
    show_test_results(app)
    assert app.segmented_control(key="subset").value is Subset.TEST
    assert "proven" in verdict(app)
    assert looks() == ["Understand the errors"]
    assert not [b for b in app.button if b.key == "show_test"]


def test_no_list_shows_a_test_result_whether_it_was_viewed_or_not(
    open_page: OpenPage, judged: Workspace
) -> None:
    # Lists showed it to everybody once one person had viewed it, and counted nothing.
    with connect(judged) as db, db.conn:
        db.conn.execute("UPDATE models SET test_macro_f1 = 0.875, val_macro_f1 = 0.625")
        model = models.list_models(db)[0]
    access.record_view(judged, model, "Evaluate page")
    for file in ("home.py", "use/models.py"):
        app = open_page(file, judged)
        assert not app.exception
        shown = [
            str(item.value) for kind in ("markdown", "caption", "metric") for item in app.get(kind)
        ]
        shown += [table.value.to_csv() for table in app.dataframe]
        shown += [item.proto.label for item in app.get("page_link")]
        said = " ".join(shown).replace("\\", "")
        assert "0.875" not in said
        assert "0.625" in said


def test_probabilities_that_are_no_numbers_are_said_in_words(
    open_page: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.ui.inference.warm_up", lambda *_: None)
    broken = np.full((4, 3), np.nan, np.float32)
    make_model(workspace, [(0, 0)] * 4, probabilities=broken)
    app = open_page("results/evaluate.py", workspace)
    assert not app.exception
    assert "not numbers" in app.error[0].value


@pytest.mark.parametrize("tab", ["Overview", "Classes", "Confidence", "Measures", "Slices"])
def test_one_class_only_is_no_data_for_the_others_and_never_an_error(
    tab: str, open_page: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.ui.inference.warm_up", lambda *_: None)
    make_model(workspace, [(0, 0)] * 6)
    app = open_tab(open_page("results/evaluate.py", workspace), tab)
    assert not app.exception
    assert not app.error
    assert verdict(app).endswith("no defect among them, so escapes are unknown")


def test_classes_that_changed_since_the_training_are_said(
    open_page: OpenPage, judged: Workspace
) -> None:
    states = {i: SampleState(0, None, SampleStatus.USED) for i in range(14, 29)}
    with connect(judged) as db, transaction(db):
        dataset = datasets.find_dataset(db, "m")
        versions.apply_edit(
            db,
            dataset,
            EditAction.MERGE_CLASSES,
            "merged",
            states,
            class_names=("part", "other"),
            class_verdicts=(None, None),
        )
    app = open_page("results/evaluate.py", judged)
    assert not app.exception
    assert any("version 1" in item.value for item in app.warning)


def test_a_second_model_is_shown_beside_the_first(open_page: OpenPage, judged: Workspace) -> None:
    make_model(judged, [(0, 0)] * 5 + [(1, 0)], name="other")
    app = open_page("results/evaluate.py", judged, model="model-m-1", **{"with": "model-other-1"})
    assert not app.exception
    # The test results of the other one are asked for, the first one's stay in sight.
    assert verdict(app).startswith("25 of 28 images right")
    show_test_results(app)
    assert [h.value.partition(":")[0] for h in app.subheader][:2] == ["m", "other"]
    assert any("different splits" in item.value for item in app.warning)


def test_a_model_of_another_dataset_is_not_offered_beside(
    open_page: OpenPage, judged: Workspace
) -> None:
    # "Compare with" stood there for the one model of a dataset, with those of others.
    make_model(judged, [(0, 0)] * 5 + [(1, 0)], name="other")
    app = open_page("results/evaluate.py", judged, model="model-m-1")
    assert not app.exception
    assert not [item for item in app.multiselect if item.key == "others"]


def test_any_top_k_error_can_be_asked_for(open_page: OpenPage, judged: Workspace) -> None:
    app = open_tab(open_page("results/evaluate.py", judged), "Measures")
    app.number_input(key="top_k").set_value(3).run()
    assert not app.exception
    table = app.dataframe[0].value
    assert table[table["measure"] == "Top-3 error"]["value"].tolist() == ["0.000"]


def test_four_models_stand_side_by_side(open_page: OpenPage, judged: Workspace) -> None:
    for name in ("b", "c", "d"):
        make_model(judged, [(0, 0)] * 5 + [(1, 0)], name=name)
        look(judged, name)
    beside = ",".join(f"model-{name}-1" for name in ("b", "c", "d"))
    app = open_page("results/evaluate.py", judged, model="model-m-1", **{"with": beside})
    assert not app.exception
    assert [h.value.partition(":")[0] for h in app.subheader][:4] == ["m", "b", "c", "d"]
    assert app.multiselect(key="others").value == [f"model-{name}-1" for name in ("b", "c", "d")]


def test_hostile_class_names_are_shown_literally(
    open_page: OpenPage, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.ui.inference.warm_up", lambda *_: None)
    hostile = ("<script>x</script> [a](javascript:b)", "$y$ :red[z]")
    make_model(workspace, [(0, 0), (1, 0), (1, 1)], names=hostile, verdicts=(None, None))
    for tab in ("Overview", "Classes", "Errors"):
        app = open_tab(open_page("results/evaluate.py", workspace, cell="1-0"), tab)
        assert not app.exception
        texts = [i.value for i in (*app.markdown, *app.caption, *app.header, *app.subheader)]
        assert all("<script>" not in value and "[a](" not in value for value in texts)


def test_training_images_have_no_intervals_and_copies_are_said_beside_the_matrix(
    open_page: OpenPage, workspace: Workspace
) -> None:
    # "All 179 train images right" stood over a matrix of 180, with bounds that bound nothing.
    made = make_dataset(workspace)
    model = add_model(made, "m", subsets=tuple(Subset))
    first, second = made.ids[Subset.TRAIN][:2]
    with connect(workspace) as db, transaction(db):
        db.conn.execute(
            "UPDATE samples SET sha256 = (SELECT sha256 FROM samples WHERE id = ?) WHERE id = ?",
            [int(first), int(second)],
        )
    app = open_page("results/evaluate.py", workspace, model=model.id, subset="train")
    assert not app.exception
    assert "199 train images right" in app.header[0].value or " of 199 " in app.header[0].value
    said = " ".join(item.value for item in app.caption)
    assert "1 copy of a file counted once, but each in the matrix" in said
    assert "95% confidence" not in " ".join(item.body for item in app.get("html"))
    app = open_page("results/evaluate.py", workspace, model=model.id, subset="validation")
    assert "copy of a file" not in " ".join(item.value for item in app.caption)
    assert "95% confidence" in " ".join(item.body for item in app.get("html"))
