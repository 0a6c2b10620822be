"""The JSON of a decision rule: what was chosen, what it does, and what that means on the line."""

from dataclasses import asdict

from core.api.evaluation import both_ways_as_json
from core.api.values import JsonObject, estimate_as_json, rate_as_json
from core.domain.datasets import Verdict
from core.domain.models import PartDecision
from core.evaluation.decisions.costs import LeastCost, Scenario, consequences
from core.evaluation.decisions.guarantee import Guarantee, verify
from core.evaluation.decisions.outcome import OperatingPoint, Outcome
from core.evaluation.decisions.planner import PlanRow
from core.evaluation.decisions.rule import point_in_words
from core.workflows.results.thresholds import Basis, OnTest, ThresholdChoice, ThresholdGoal


def choice_as_json(
    basis: Basis, choice: ThresholdChoice, goal: ThresholdGoal, on_test: OnTest
) -> JsonObject:
    """A chosen rule, what it does on validation and test, and what that means.

    `line` stands there where the goal names a scenario, `wrong_class` where there are thresholds
    per class, `guarantee` where one was asked for.
    """
    here = basis.outcome(choice.point, goal.confidence)
    there = on_test.basis.outcome(choice.point, goal.confidence) if on_test.basis else None
    result: JsonObject = {
        "model_id": basis.judged.model.id,
        "operating_point": point_as_json(choice.point, basis.judged.class_names),
        "chosen_by": choice.chosen_by,
        "validation": outcome_as_json(here, basis.unit.value),
        "test": outcome_as_json(there, on_test.basis.unit.value)
        if on_test.basis and there
        else None,
        "test_note": on_test.reason or None,
        "notice": basis.judged.notice,
        "counting": basis.judged.counting.value,
        "counted": basis.judged.counted_in_words,
        "both_ways": both_ways_as_json(basis.judged, choice.point),
    }
    if goal.scenario is not None:
        line = _line_as_json(choice, there or here, goal.scenario, goal.confidence)
        result["line"] = {**line, "rates_from": "test" if there else "validation"}
    if choice.point.class_thresholds:
        result["wrong_class"] = _wrong_class_as_json(basis, choice, goal, on_test)
    if choice.promise is not None:
        result["guarantee"] = _guarantee_as_json(choice.promise, there)
    return result


def point_as_json(point: OperatingPoint, class_names: tuple[str, ...]) -> JsonObject:
    """The limits of a rule."""
    return {
        "accept_below": point.accept_below,
        "reject_from": point.reject_from,
        "class_thresholds": dict(zip(class_names, point.class_thresholds, strict=False)),
        "parts": point.parts.text,
        "in_words": point_in_words(point),
    }


def outcome_as_json(outcome: Outcome, unit: str) -> JsonObject:
    """What a rule does with good and defective parts; `unit` is what the rates count."""
    return {
        "escape": rate_as_json(outcome.escape),
        "overkill": rate_as_json(outcome.overkill),
        "ok_to_person": rate_as_json(outcome.ok_to_person),
        "nok_to_person": rate_as_json(outcome.nok_to_person),
        "automatic": rate_as_json(outcome.automatic),
        "matrix": {
            verdict.value: dict(zip((d.value for d in PartDecision), row, strict=True))
            for verdict, row in ((Verdict.OK, outcome.ok), (Verdict.NOK, outcome.nok))
        },
        "unit": unit,
        "confidence": outcome.confidence,
        "remarks": list(outcome.remarks),
    }


def _wrong_class_as_json(
    basis: Basis, choice: ThresholdChoice, goal: ThresholdGoal, on_test: OnTest
) -> JsonObject:
    test = on_test.basis
    return {
        "validation": rate_as_json(basis.wrong_class(choice.point, goal.confidence)),
        "test": rate_as_json(test.wrong_class(choice.point, goal.confidence)) if test else None,
    }


def _guarantee_as_json(promise: Guarantee, on_test: Outcome | None) -> JsonObject:
    return {
        "is_possible": promise.is_possible,
        "automatic": rate_as_json(promise.automatic),
        "remarks": list(promise.remarks),
        "on_test": verify(promise, on_test).value if on_test else None,
    }


def _line_as_json(
    choice: ThresholdChoice, outcome: Outcome, scenario: Scenario, confidence: float
) -> JsonObject:
    line = consequences(choice.point, outcome, scenario, confidence)
    result: JsonObject = {
        "scenario": asdict(scenario),
        "outgoing_ppm": estimate_as_json(line.outgoing_ppm),
        "true_reject_share": estimate_as_json(line.true_reject_share),
        "rejects_per_shift": estimate_as_json(line.rejects_per_shift),
        "looks_per_shift": estimate_as_json(line.looks_per_shift),
        "cost_per_1000": estimate_as_json(line.cost_per_1000),
    }
    return {**result, "flat": _flat_as_json(choice.least)} if choice.least else result


def _flat_as_json(least: LeastCost) -> JsonObject:
    return {
        "accept_below": list(least.accept_range),
        "reject_from": list(least.reject_range),
        "least_cost_per_1000": least.least_cost_per_1000,
    }


def plan_row_as_json(row: PlanRow) -> JsonObject:
    """Parts that prove a claim with so many errors among them."""
    return {"errors": row.errors, "parts": row.parts, "chance_to_pass": row.chance_to_pass}
