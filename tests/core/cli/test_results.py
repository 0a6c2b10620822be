"""Thresholds, plans, comparison and criteria as scripts use them."""

import json

import pytest
from typer.testing import CliRunner

from core.cli.app import app
from core.cli.session import Session
from core.store import judgement
from core.store.database import connect
from core.words import percent_at_most
from core.workflows.results import thresholds
from tests.made import add_model, make_dataset


@pytest.fixture
def made(workspace):
    made = make_dataset(workspace)
    add_model(made, "present", seed=1, skill=2.0)
    add_model(made, "new", seed=5, skill=4.0)
    return made


@pytest.fixture
def call(workspace):
    def call(*arguments, code=0):
        options = ["--workspace", str(workspace.root), "--json"]
        outcome = CliRunner().invoke(app, [*map(str, arguments), *options])
        assert outcome.exit_code == code, outcome.output
        return json.loads(outcome.stdout)

    return call


def _text(workspace, *arguments):
    outcome = CliRunner().invoke(app, [*arguments, "--workspace", str(workspace.root)])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def _views(made):
    with connect(made.workspace) as db:
        return [view.kind.value for view in judgement.openings_of(db, "split-1")]


def test_a_threshold_is_chosen_on_validation_reported_on_test_and_saved(call, made):
    found = call("threshold", "new", "--max-escape", 0.02)
    assert found["validation"]["escape"]["rate"] <= 0.02
    assert found["validation"]["escape"]["n"] == 100
    assert not found["saved"]
    assert thresholds.saved_rule(made.workspace, "new") is None
    # A trial gives nothing of the test away, or the test would be tuned on.
    assert found["test"] is None
    assert "--on-test" in found["test_note"]
    assert _views(made) == []

    shown = call("threshold", "new", "--max-escape", 0.02, "--on-test")
    assert shown["test"]["escape"]["low"] <= shown["test"]["escape"]["rate"]
    assert sum(shown["test"]["matrix"]["OK"].values()) == 100
    assert _views(made) == ["opening", "decision"]
    assert "--save" in call("threshold", "new", "--max-escape", 0.02)["test_note"]
    saved = call("threshold", "new", "--max-escape", 0.02, "--max-overkill", 0.01, "--save")
    rule = thresholds.saved_rule(made.workspace, "new")
    assert rule.point.accept_below == saved["operating_point"]["accept_below"]
    assert rule.point.reject_from == saved["operating_point"]["reject_from"]
    assert saved["test"]
    assert call("threshold", "new")["operating_point"] == saved["operating_point"]
    # Both goals lead to the same rule, and judging that again is no other decision.
    assert saved["operating_point"] == shown["operating_point"]
    assert _views(made) == ["opening", "decision"]


def test_a_limit_that_validation_keeps_but_does_not_prove_is_told_as_such(made):
    # "Reject at 2.8% ... (escapes at most 5%)" stood over 0 of 1, as if the goal were reached.
    basis = thresholds.load_basis(made.workspace, "new")
    choice = thresholds.choose(basis, thresholds.ThresholdGoal(max_escape=0.02))
    bound = percent_at_most(basis.outcome(choice.point).escape.upper())
    text = _text(made.workspace, "threshold", "new", "--max-escape", "0.02")
    assert f"2.0% (2 of 100), at most {bound}" in text
    assert (
        "The goal is met on the validation images, but not proven by them: with 95% confidence, "
        f"they prove escapes of at most {bound}. `touchstone plan` says how many parts a proof "
        "needs."
    ) in text
    both = _text(
        made.workspace, "threshold", "new", "--max-escape", "0.02", "--max-overkill", "0.02"
    )
    assert f"escapes of at most {bound} and false rejects of at most" in both
    for proven in (("--max-escape", "0.1", "--proven"), ("--at", "0.5")):
        assert "not proven" not in _text(made.workspace, "threshold", "new", *proven)


@pytest.mark.parametrize(
    "wishes",
    [
        ("--cost", "500,5,1", "--max-escape", 0.001, "--guarantee"),
        ("--class-error", 0.02, "--proven"),
        ("--at", 0.5, "--max-escape", 0.1),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(call, made, wishes):
    # All but the first of them were once dropped without a word.
    assert call("threshold", "new", *wishes, code=1)["hint"]


def test_escapes_of_evaluate_follow_the_saved_rule_and_name_it(call, made):
    # They were those of the predicted class, whatever rule was in force.
    plain = call("evaluate", "new", "--subset", "validation")["ok_nok"]
    assert plain["rule"] == "The verdict of the predicted class decides."
    saved = call("threshold", "new", "--at", 0.05, "--save")
    ruled = call("evaluate", "new", "--subset", "validation")["ok_nok"]
    assert ruled["overkill"]["rate"] == saved["validation"]["overkill"]["rate"]
    assert ruled["overkill"]["rate"] > plain["overkill"]["rate"]
    assert ruled["rule"].startswith("Reject at")
    assert "Rule: Reject at" in _text(made.workspace, "evaluate", "new", "--subset", "validation")
    given = call("evaluate", "new", "--subset", "validation", "--ok", "good")["ok_nok"]
    assert given["rule"] == plain["rule"]


def test_costs_lead_to_ppm_and_money(call, made):
    found = call("threshold", "new", "--cost", "500,5,1", "--defect-rate", 0.002)
    assert found["chosen_by"] == "least cost"
    line = found["line"]
    assert line["rates_from"] == "validation"
    again = call("threshold", "new", "--cost", "500,5,1", "--defect-rate", 0.002, "--on-test")
    assert again["line"]["rates_from"] == "test"
    assert line["scenario"]["defect_rate"] == 0.002
    assert line["outgoing_ppm"]["low"] <= line["outgoing_ppm"]["value"]
    low, high = line["flat"]["accept_below"]
    assert low <= found["operating_point"]["accept_below"] <= high
    assert "not a list of costs" in call("threshold", "new", "--cost", "cheap", code=1)["error"]


def test_rejecting_everything_has_no_ppm_but_a_worst_case(call, made):
    line = call("threshold", "new", "--at", 0, "--cost", "500,5,1")["line"]
    assert line["outgoing_ppm"] == {"value": None, "low": 0.0, "high": 1e6}


def test_a_guarantee_is_held_against_the_test(call, made):
    found = call("threshold", "new", "--max-escape", 0.05, "--guarantee", "--on-test")
    assert found["guarantee"]["is_possible"]
    assert found["guarantee"]["on_test"] in ("confirmed", "in line", "contradicted")
    impossible = call("threshold", "new", "--max-escape", 0.001, "--guarantee")
    assert "2,995" in impossible["guarantee"]["remarks"][0]
    # It was saved as "accept below 0%, reject nothing", which passes every limit on escapes.
    wishes = ("threshold", "new", "--max-escape", 0.001, "--guarantee", "--save")
    refused = call(*wishes, code=1)
    assert "This guarantee is impossible" in refused["error"]
    assert "Plan says how many" in refused["hint"]
    assert thresholds.saved_rule(made.workspace, "new") is None


def test_criteria_on_reviews_are_set_checked_and_planned(call, made):
    limits = ("--min-automatic", 0.5, "--max-reviews", 600, "--volume", 1000)
    kept = call("criteria", "parts", "--max-escape", 0.9, *limits)["criteria"]
    assert (kept["min_automatic"], kept["max_reviews"], kept["parts_per_shift"]) == (0.5, 600, 1000)
    call("threshold", "new", "--max-escape", 0.02, "--max-overkill", 0.02, "--save")
    gate = call("compare", "present", "new")["gate"]
    checks = {check["kind"]: check for check in gate["checks"]}
    share, reviews = checks["automatic share"], checks["reviews per shift"]
    assert share["bound"] < share["value"]
    assert reviews["bound"] > reviews["value"] == pytest.approx(1000 * (1 - share["value"]))
    assert reviews["bound"] == pytest.approx(1000 * (1 - share["bound"]))
    assert {share["outcome"], reviews["outcome"]} == {"met"}
    assert gate["limits_reviews"]
    planned = call("plan", "--rate", 0.01, "--reviews", 100, "--volume", 1000)["reviews"]
    assert planned == {
        "share": 0.9,
        "rows": [
            {"errors": k, "parts": n, "chance_to_pass": None}
            for k, n in ((0, 29), (1, 46), (2, 61), (3, 76))
        ],
    }
    assert "below" in call("plan", "--rate", 0.01, "--reviews", 5, code=1)["error"]


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (("--no-golden",), "require nothing"),
        (("--min-automatic", 1), "can never be proven"),
        (("--min-automatic", 0), "met by every model"),
        (("--max-reviews", 100, "--volume", 100), "met by every model"),
    ],
)
def test_criteria_that_decide_nothing_are_not_saved(call, made, limits, said):
    assert said in call("criteria", "parts", *limits, code=1)["error"]
    assert call("criteria", "parts")["criteria"] is None


def test_without_a_wish_and_without_a_saved_rule_it_says_what_to_give(call, made):
    assert "No limit" in call("threshold", "new", code=1)["error"]


def test_plans_equal_the_published_tables(call):
    assert call("plan", "--rate", 0.01)["rows"] == [
        {"errors": errors, "parts": parts, "chance_to_pass": None}
        for errors, parts in enumerate((299, 473, 628, 773))
    ]
    assert call("plan", "--rate", 0.05, "--confidence", 0.9, "--errors", 0)["needed"] == 45
    proven = call("plan", "--rate", 0.02, "--parts", 50)["proven"]
    assert proven["rate"] == pytest.approx(0.0582, abs=5e-5)
    assert "error" in call("plan", "--rate", 0, code=1)


def test_two_models_are_compared_and_the_new_one_is_held_against_the_gate(call, made):
    found = call("compare", "present", "new")
    assert found["gate"] is None
    assert found["classes"]["only_second_right"] > found["classes"]["only_first_right"]
    assert found["classes"]["p_value"] < 0.05
    assert len(found["classes"]["fixed_errors"]) == found["classes"]["only_second_right"]

    kept = call("criteria", "parts", "--max-escape", 0.001, "--no-new-escapes")["criteria"]
    assert (kept["max_escape"], kept["no_new_escapes"], kept["earlier"]) == (0.001, True, [])
    gate = call("compare", "present", "new")["gate"]
    assert gate["verdict"] == "BLOCK"
    assert gate["reasons"]
    assert gate["criteria"]["set_at"] == kept["set_at"]

    softened = call("criteria", "parts", "--max-overkill", 0.5)["criteria"]
    assert [item["max_escape"] for item in softened["earlier"]] == [0.001]
    assert call("criteria", "parts")["criteria"] == softened
    assert call("compare", "present", "new")["gate"]["verdict"] == "PASS"


def test_people_read_tables(workspace, made):
    assert "escape" in _text(workspace, "threshold", "new", "--max-escape", "0.02")
    assert "299" in _text(workspace, "plan", "--rate", "0.01", "--overkill", "0.05")
    assert "better" in _text(workspace, "compare", "present", "new")
    assert "No release criteria" in _text(workspace, "criteria", "parts")
    assert "escape rate at most 1%" in _text(workspace, "criteria", "parts", "--max-escape", "0.01")


def test_what_is_no_number_is_refused_and_never_printed(call, made):
    # nan% came out of both.
    assert "cost of nan" in call("threshold", "new", "--cost", "nan,5,1", code=1)["error"]
    assert "cost of inf" in call("threshold", "new", "--cost", "5,inf", code=1)["error"]
    line = ("--cost", "500,5,1", "--volume", "inf")
    assert "Parts per shift must be" in call("threshold", "new", *line, code=1)["error"]
    wish = ("plan", "--rate", 0.01, "--expected", 2)
    assert "true rate of 200%" in call(*wish, code=1)["error"]
    assert "cannot be planned" in call("plan", "--rate", "nan", code=1)["error"]


def test_an_answer_with_a_value_that_is_no_number_is_not_printed_as_json(workspace, capsys):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Session(workspace, as_json=True).answer({"rate": float("nan")}, lambda: None)
    assert capsys.readouterr().out == ""


def test_missing_verdicts_are_said(workspace, call):
    add_model(make_dataset(workspace, verdicts=(None, None, None)), "m")
    answer = call("threshold", "m", "--max-escape", 0.1, code=1)
    assert "no class has a verdict" in answer["error"]
    assert "touchstone classes" in answer["hint"]
