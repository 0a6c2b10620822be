"""Operating point and comparison, without a browser."""

import json
import time
from typing import Any

import numpy as np
import pytest

from core.domain.datasets import Verdict
from core.domain.record import RecordedAction
from core.domain.splits import Subset
from core.errors import OvertakenError
from core.evaluation.decisions.outcome import OperatingPoint, single_threshold
from core.evaluation.release.criteria import ReleaseCriteria
from core.store import judgement
from core.store.database import connect
from core.words import NO_PROOF
from core.workflows.data import edits
from core.workflows.keeping import record
from core.workflows.results import comparison, thresholds
from core.workflows.results.comparison import RuleChoice
from core.workflows.results.safer_threshold import safer
from core.workflows.results.thresholds import ThresholdChoice
from core.workflows.signoff import release
from core.workspace import Workspace
from pages.ui import components, threshold_form
from tests.made import Made, add_model, make_dataset
from tests.ui.conftest import OpenPage, show_test_results


@pytest.fixture
def made(workspace: Workspace) -> Made:
    made = make_dataset(workspace)
    add_model(made, "new", seed=5, skill=4.0)
    add_model(made, "present", seed=1, skill=2.0)
    return made


def _metrics(app) -> list[tuple[str, str]]:  # type: ignore[no-untyped-def]
    return [(metric.label, metric.value) for metric in app.metric]


def _said(app) -> str:  # type: ignore[no-untyped-def]
    kinds = (
        *(app.subheader, app.markdown, app.caption, app.info, app.warning, app.success, app.error),
    )
    return " ".join(item.value for kind in kinds for item in kind).replace("\\", "")


def _input(app, label: str):  # type: ignore[no-untyped-def]
    return next(item for item in app.number_input if item.label == label)


def _rule(app):  # type: ignore[no-untyped-def]
    return next(item for item in app.segmented_control if item.label == "Threshold type")


def test_every_stop_of_the_slider_reads_differently() -> None:
    words = [threshold_form.as_limit(stop) for stop in threshold_form.STOPS]
    assert len(set(words)) == len(words)


def _answer(app) -> str:  # type: ignore[no-untyped-def]
    """The line that says what the threshold does."""
    return app.subheader[0].value.replace("\\", "")


def _rejected(made: Made, threshold: float, subset: Subset = Subset.VALIDATION) -> str:
    basis = thresholds.load_basis(made.workspace, "new", subset)
    overkill = basis.outcome(single_threshold(threshold)).overkill
    return f"{overkill.k:,} of {overkill.n:,} good images"


def _recorded(made: Made) -> list[tuple[str, str]]:
    with connect(made.workspace) as db:
        return [(view.kind.value, view.purpose) for view in judgement.openings_of(db, "split-1")]


def test_the_threshold_moves_validation_and_the_saved_rule_is_judged_on_test(
    open_page: OpenPage, made: Made
) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    assert not app.exception
    assert _rejected(made, 0.5) in _answer(app)
    _input(app, "Reject from, %").set_value(5.0).run()
    # A threshold that is tuned while one looks at the test proves nothing there.
    assert _rejected(made, 0.05) in _answer(app)
    assert "Validation, a forecast with 95% confidence: at most" in _said(app)
    # Results said that validation proves nothing, and this page "proven".
    assert NO_PROOF in _said(app)

    app.session_state["person_name"] = "Kim"
    app.button(key="save_rule").click().run()
    # Callbacks run in a thread of their own, before the frame: nobody stood in the record.
    (row,), _ = record.entries(made.workspace, actions=[RecordedAction.THRESHOLD_SAVED])
    assert row.person == "Kim"
    assert "The test results of new have not been viewed" in _said(app)
    assert _recorded(made) == []
    show_test_results(app)
    assert _rejected(made, 0.05, Subset.TEST) in _answer(app)
    assert _rejected(made, 0.05) in _said(app)
    saved = thresholds.saved_rule(made.workspace, "new")
    assert saved is not None
    assert (saved.point, saved.chosen_by) == (single_threshold(0.05), "by hand")
    assert app.button(key="save_rule").disabled


@pytest.mark.parametrize(
    ("link", "titles"),
    [
        ({}, {"Decisions for good and defective parts", "Escapes against false rejects"}),
        (
            {"chart": "Confidences"},
            {
                "Decisions for good and defective parts",
                "Good and defective parts by NOK confidence",
            },
        ),
        ({"tab": "PPM and money"}, {"Cost by threshold"}),
    ],
)
def test_saved_charts_are_named_after_model_and_subset(
    open_page: OpenPage,
    made: Made,
    monkeypatch: pytest.MonkeyPatch,
    link: dict[str, str],
    titles: set[str],
) -> None:
    # Files of two models had one name, "touchstone-cost-by-threshold.csv".
    drawn: list[dict[str, str]] = []
    draw = components._chart

    def kept(**given: Any) -> object:
        drawn.append(json.loads(given["data"]["figure"])["layout"]["meta"])
        return draw(**given)

    monkeypatch.setattr(components, "_chart", kept)
    app = open_page("results/operating_point.py", made.workspace, model="model-new", **link)
    assert not app.exception
    assert {meta["title"] for meta in drawn} == titles
    assert {meta["of"] for meta in drawn} == {"new validation"}


def test_a_threshold_that_another_tab_saved_is_not_replaced_without_asking(
    open_page: OpenPage, made: Made
) -> None:
    # Tab B saved 70%; tab A still said "None saved" and saved 30% over it, silently.
    first, other = (
        open_page("results/operating_point.py", made.workspace, model="model-new") for _ in "ab"
    )

    def kept() -> float | None:
        saved = thresholds.saved_rule(made.workspace, "new")
        return saved.point.reject_from if saved else None

    _input(first, "Reject from, %").set_value(30.0).run()
    _input(other, "Reject from, %").set_value(70.0).run()
    other.button(key="save_rule").click().run()
    assert "None saved" in _said(first)
    first.button(key="save_rule").click().run()
    assert kept() == 0.7
    assert "Not saved: another threshold was saved meanwhile (just now)" in _said(first)
    assert "Reject at 70.0% NOK confidence" in _said(first)
    first.button(key="keep_saved").click().run()
    assert _input(first, "Reject from, %").value == 70
    assert "Not saved" not in _said(first)
    assert first.button(key="save_rule").label == "Saved"

    _input(first, "Reject from, %").set_value(30.0).run()
    other.run()
    _input(other, "Reject from, %").set_value(60.0).run()
    other.button(key="save_rule").click().run()
    assert kept() == 0.6
    first.button(key="save_rule").click().run()
    assert kept() == 0.6
    first.button(key="replace_saved").click().run()
    assert kept() == 0.3
    assert "Not saved" not in _said(first)
    assert not first.exception
    # It is a question about a rule; where a third one came since, it is asked again.
    basis = thresholds.load_basis(made.workspace, "new")
    choice = ThresholdChoice(single_threshold(0.9), "by hand")
    with pytest.raises(OvertakenError):
        thresholds.save_rule(made.workspace, basis, choice, seen=None)


def test_a_threshold_that_is_not_saved_is_named_beside_what_holds_today(
    open_page: OpenPage, made: Made
) -> None:
    # An unnamed draft at 50% stood beside "None saved", with other numbers than Evaluate's.
    basis = thresholds.load_basis(made.workspace, "new")
    by_class = basis.outcome(OperatingPoint()).escape
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    assert _answer(app).startswith("At 50% (not saved): ")
    assert f"Today: {by_class.k:,} of {by_class.n:,} defective images" in _said(app)
    assert "by the predicted class." in _said(app)
    app.button(key="save_rule").click().run()
    assert "not saved" not in _answer(app)
    assert "Today:" not in _said(app)
    _input(app, "Reject from, %").set_value(5.0).run()
    at_half = basis.outcome(single_threshold(0.5)).overkill
    assert _answer(app).startswith("At 5% (not saved): ")
    assert f"{at_half.k:,} of {at_half.n:,} good images" in _said(app)
    assert "by the saved threshold." in _said(app)


def test_a_purpose_is_asked_for_and_every_rule_judged_on_test_is_a_decision(
    open_page: OpenPage, made: Made
) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    _input(app, "Reject from, %").set_value(5.0).run()
    assert app.button(key="save_for_test").label == "Save threshold"  # shows no result yet
    app.button(key="save_for_test").click().run()
    app.button(key="show_test").click().run()
    assert "A purpose is required" in _said(app)
    assert _recorded(made) == []
    show_test_results(app, "Decide about a release")
    app.run()
    _input(app, "Reject from, %").set_value(6.0).run()
    kinds = ["opening", "decision"]
    assert [kind for kind, _ in _recorded(made)] == kinds
    assert _recorded(made)[0][1] == "Decide about a release"
    assert app.button(key="save_for_test").label == "Save to see the test result"
    app.button(key="save_for_test").click().run()
    app.run()
    kinds.append("decision")
    assert [kind for kind, _ in _recorded(made)] == kinds
    assert app.button(key="next_signoff").proto.type == "primary"
    assert app.button(key="save_rule").proto.type == "secondary"
    # Looking again decides nothing, and changes nothing: the tab of the costs brought its usual
    # line along, and "Save threshold" back.
    again = open_page("results/operating_point.py", made.workspace, model="model-new")
    again.session_state["tab"] = "PPM and money"
    again.run()
    assert again.number_input
    assert again.button(key="save_rule").label == "Saved"
    assert [kind for kind, _ in _recorded(made)] == kinds


def test_a_link_keeps_the_threshold_and_the_line(open_page: OpenPage, made: Made) -> None:
    # A reload forgot what was not saved yet.
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    app.session_state["tab"] = "PPM and money"
    app.run()
    app.number_input(key="line_model-new_rate").set_value(7.0).run()
    app.session_state["tab"] = "Threshold"
    app.run()
    _rule(app).set_value(threshold_form.TWO).run()
    _input(app, "Reject from, %").set_value(95.5).run()
    link = dict(app.query_params)
    assert link["reject"] == "95.5"
    assert link["line"].startswith("7,1000,")

    again = open_page("results/operating_point.py", made.workspace, **link)
    assert _input(again, "Reject from, %").value == 95.5
    assert _input(again, "Accept below, %").value == float(link["accept"])
    again.session_state["tab"] = "PPM and money"
    again.run()
    assert again.number_input(key="line_model-new_rate").value == 7.0
    # Nonsense is left out, and the link of one model says nothing about another one.
    for wrong in ({"reject": "x"}, {"reject": "90", "accept": "95"}, {"classes": "1,2"}):
        odd = open_page("results/operating_point.py", made.workspace, model="model-new", **wrong)
        assert not odd.exception
        assert _input(odd, "Reject from, %").value == 50.0


def test_money_is_counted_on_the_images_that_the_cheapest_rule_is_chosen_on(
    open_page: OpenPage, made: Made
) -> None:
    # The rule on the screen was priced on test and the cheapest one on validation.
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    app.session_state["tab"] = "PPM and money"
    app.run()
    app.button(key="use_cheapest").click().run()
    (cost,) = [value for label, value in _metrics(app) if label == "Cost per 1,000"]
    basis = thresholds.load_basis(made.workspace, "new")
    least = thresholds.choose(
        basis, thresholds.ThresholdGoal(scenario=threshold_form.DEFAULT_LINE)
    ).least
    assert least is not None
    assert cost == f"{least.least_cost_per_1000:,.0f}"


def test_limits_that_cross_are_refused_and_nothing_changes(open_page: OpenPage, made: Made) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    _rule(app).set_value(threshold_form.TWO).run()
    _input(app, "Accept below, %").set_value(90.0).run()
    assert "rejected from" in app.warning[0].value
    assert _input(app, "Accept below, %").value < _input(app, "Reject from, %").value


def test_a_rule_is_chosen_by_a_limit_on_escapes(open_page: OpenPage, made: Made) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    app.session_state["max_escape"] = 0.0
    app.button(key="choose_for_me").click().run()
    app.button(key="choose").click().run()
    assert not app.exception
    assert "Fewest false rejects on validation with escapes at most 0% (0 of 100)" in _said(app)
    assert _answer(app).startswith("At 67.1% (not saved): 0 of 100 defective")
    # "few escapes" raised a threshold from 50% to 52.5% that counted the same.
    basis = thresholds.load_basis(made.workspace, "new")
    goal = thresholds.ThresholdGoal(max_escape=0.0)
    choice = thresholds.choose(basis, goal)
    chosen = choice.point.accept_below or 0.0
    scores = np.concatenate([basis.scores.ok, basis.scores.nok])
    lower = single_threshold((float(scores[scores < chosen].max()) + chosen) / 2)
    higher = single_threshold((float(scores[scores > chosen].min()) + chosen) / 2)
    for present, is_kept in ((lower, True), (higher, False), (single_threshold(0.0), False)):
        assert safer(basis, goal, choice, present).is_kept is is_kept


def test_classes_can_have_their_own_thresholds(open_page: OpenPage, made: Made) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    _rule(app).set_value(threshold_form.CLASSES).run()
    assert not app.exception
    assert "The verdict of the predicted class decides" in _said(app)
    # What they are chosen for is shown with its bound, in parts.
    assert "Wrong class, automatic" in _said(app)


@pytest.mark.parametrize(
    ("tab", "words"),
    [("PPM and money", "Cheapest threshold"), ("Guarantee", "Other guarantees")],
)
def test_the_other_tabs_show_their_numbers(
    tab: str, words: str, open_page: OpenPage, made: Made
) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    app.session_state["tab"] = tab
    app.run()
    assert not app.exception
    assert not app.error
    assert words in _said(app)


def test_the_line_is_kept_with_the_rule(open_page: OpenPage, made: Made) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    app.session_state["tab"] = "PPM and money"
    app.run()
    app.number_input(key="line_model-new_rate").set_value(7.0).run()
    app.button(key="use_cheapest").click().run()
    app.button(key="save_rule").click().run()
    saved = thresholds.saved_rule(made.workspace, "new")
    assert saved is not None
    assert saved.scenario is not None
    assert saved.scenario.defect_rate == 0.07
    assert saved.chosen_by == "least cost"


def test_a_guarantee_that_is_impossible_says_what_is_needed(
    open_page: OpenPage, made: Made
) -> None:
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    app.session_state["tab"] = "Guarantee"
    app.run()
    app.number_input(key="promise_escape").set_value(0.1).run()
    assert "2,995" in app.warning[0].value.replace("\\", "")


def test_a_sealed_test_set_stays_closed_on_every_page(
    open_page: OpenPage, workspace: Workspace
) -> None:
    made = make_dataset(workspace, sealed=True)
    add_model(made, "a", seed=1)
    add_model(made, "b", seed=2)
    for file in ("results/operating_point.py", "results/compare.py"):
        app = open_page(file, workspace)
        assert not app.exception
        assert not app.error
        assert "sealed" in _said(app)
    with connect(workspace) as db:
        assert not judgement.openings_of(db, "split-1")


def test_missing_verdicts_lead_to_the_datasets_page(
    open_page: OpenPage, workspace: Workspace
) -> None:
    made = make_dataset(workspace, verdicts=(None, None, None))
    add_model(made, "a", seed=1)
    app = open_page("results/operating_point.py", workspace)
    assert "Which classes are good?" in _said(app)
    # The link opened the gallery; the verdicts are under Classes.
    links = {item.proto.label: item.proto.query_string for item in app.get("page_link")}
    assert links["Set the verdicts"].endswith("tab=Classes&back=decide")
    partly = Verdict.OK
    with connect(workspace) as db, db.conn:
        db.conn.execute(
            "UPDATE datasets SET class_verdicts = ?, version = version + 1",
            [f'["{partly}", null, null]'],
        )
    app = open_page("results/operating_point.py", workspace)
    assert "every class with a verdict is OK" in _said(app)


def _compare(open_page: OpenPage, made: Made, against: str = "model-present"):  # type: ignore[no-untyped-def]
    return open_page("results/compare.py", made.workspace, model="model-new", against=against)


def test_the_comparison_tells_the_better_model_and_the_gate_its_verdict(
    open_page: OpenPage, made: Made
) -> None:
    app = _compare(open_page, made)
    assert not app.exception
    assert "The test results of present and new have not been viewed" in _said(app)
    assert "of the validation set of both models" in _said(app)
    assert "release criteria" not in _said(app)
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    app.run()
    assert "No verdict yet" in _said(app)
    assert not app.success
    show_test_results(app)
    assert "of the test set of both models" in _said(app)
    assert "new is better at naming the class" in _answer(app)
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_escape=0.001))
    app.run()
    assert "BLOCK" in app.error[0].value
    release.set_criteria(made.workspace, "parts", ReleaseCriteria(max_overkill=0.9))
    app.run()
    assert "PASS" in app.success[0].value
    assert "changed 2 times" in _said(app)
    # Two openings, and the comparison once, however often the page was drawn.
    assert [kind for kind, _ in _recorded(made)] == ["opening", "opening", "decision"]


def test_no_model_is_better_where_only_the_thresholds_differ(
    open_page: OpenPage, made: Made
) -> None:
    # A copy of a model with another threshold was called better.
    add_model(made, "copy", seed=5, skill=4.0)
    for name, at in (("copy", 0.01), ("new", 0.9)):
        basis = thresholds.load_basis(made.workspace, name)
        choice = ThresholdChoice(single_threshold(at), "by hand")
        thresholds.save_rule(made.workspace, basis, choice)
    app = _compare(open_page, made, against="model-copy")
    assert "only the decision rules differ" in _answer(app)
    assert "No verdict on escapes and false rejects" in app.warning[0].value
    app.selectbox(key="compare_rule").set_value(RuleChoice.CURRENT).run()
    assert not app.exception
    assert not app.warning
    assert "No difference" in _answer(app)


def test_models_tested_on_other_images_are_not_offered(open_page: OpenPage, made: Made) -> None:
    made.ids[Subset.TEST] = made.ids[Subset.TRAIN]
    made.ids[Subset.VALIDATION] = made.ids[Subset.TRAIN]
    add_model(made, "elsewhere", seed=3)
    app = _compare(open_page, made)
    offered = next(box for box in app.selectbox if box.label == "Compared with").options
    assert "elsewhere" not in offered
    assert "Not listed: 1 model tested on other images" in _said(app)


def test_criteria_are_set_on_the_page(open_page: OpenPage, made: Made) -> None:
    app = open_page(
        "results/compare.py", made.workspace, model="model-new", against="model-present"
    )
    # The browser swallowed 900 and said nothing at the button.
    app.number_input(key="criteria_escape").set_value(900.0)
    app.button(key="set_criteria").click().run()
    assert "An escape rate of 900% is not possible" in app.error[0].value
    app.number_input(key="criteria_escape").set_value(7.0)
    app.number_input(key="criteria_automatic").set_value(90.0)
    app.number_input(key="criteria_reviews").set_value(60.0)
    app.checkbox(key="criteria_new").check()
    app.button(key="set_criteria").click().run()
    assert "needs the parts per shift" in app.error[0].value
    app.number_input(key="criteria_volume").set_value(1000.0)
    app.number_input(key="criteria_defect_rate").set_value(1.0)
    app.button(key="set_criteria").click().run()
    kept = release.criteria_of(made.workspace, "parts")
    assert kept is not None
    assert kept.criteria == ReleaseCriteria(
        max_escape=0.07,
        no_new_escapes=True,
        min_automatic=0.9,
        max_reviews=60,
        parts_per_shift=1000,
        defect_rate=0.01,
    )
    assert "of 1,000 parts at a defect rate of 1%" in _said(app)
    # A field with a value of its own cannot be emptied in a browser: 7 sprang back.
    assert not app.number_input(key="criteria_escape").proto.HasField("default")
    assert app.number_input(key="criteria_escape").value == 7.0
    app.number_input(key="criteria_escape").set_value(None)
    app.button(key="set_criteria").click().run()
    assert not app.exception
    kept = release.criteria_of(made.workspace, "parts")
    assert kept is not None
    assert kept.criteria.max_escape is None
    assert kept.criteria.min_automatic == 0.9


def test_what_is_wrong_with_one_model_names_that_model(open_page: OpenPage, made: Made) -> None:
    # "The split of this model leaks" stood above the verdict of the other one.
    edits.exclude(made.workspace, "ds-1", made.ids[Subset.VALIDATION][:2].tolist())
    app = open_page(
        "results/compare.py", made.workspace, model="model-new", against="model-present"
    )
    warnings = [item.value.replace("\\", "") for item in app.warning]
    assert [words.split(" · ")[0] for words in warnings] == ["**present**", "**new**"]
    assert all("2 predicted images are left out" in words for words in warnings)


def test_a_slider_move_at_100000_images_and_100_classes_is_quick() -> None:
    from tests.core.workflows.results.test_thresholds import large_judged

    one, two = large_judged(1), large_judged(2)
    basis = thresholds.basis_of(one)
    point = single_threshold(0.3)
    started = time.perf_counter()
    basis.outcome(point)
    basis.images(point, Verdict.NOK, thresholds.Decision.ACCEPT)
    thresholds.choose(basis, thresholds.ThresholdGoal(max_escape=0.01))
    assert time.perf_counter() - started < 1.0
    started = time.perf_counter()
    found = comparison.compare_judged(one, two, None, None)
    assert time.perf_counter() - started < 2.0
    assert len(found.sample_ids) == 100_000


def test_a_saved_rule_starts_the_page(open_page: OpenPage, made: Made) -> None:
    basis = thresholds.load_basis(made.workspace, "new")
    thresholds.save_rule(made.workspace, basis, ThresholdChoice(single_threshold(0.125), "by hand"))
    app = open_page("results/operating_point.py", made.workspace, model="model-new")
    assert _input(app, "Reject from, %").value == 12.5
