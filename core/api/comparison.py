"""The JSON of two models compared on the same images; images by name."""

from core.api.values import JsonObject, estimate_as_json
from core.evaluation.measures.parts import Unit
from core.evaluation.release.comparison import DecisionComparison, PairedTable
from core.workflows.results.comparison import (
    ModelComparison,
    ModelSide,
    evidence,
    image_names,
    judge,
)
from core.workflows.results.comparison_verdict import answers, pair_verdict
from core.workspace import Workspace


def comparison_as_json(workspace: Workspace, comparison: ModelComparison) -> JsonObject:
    """Who is better, and which images are newly wrong or newly right."""
    classes, decisions = comparison.classes, comparison.decisions
    return {
        "first": _side_as_json(comparison.first),
        "second": _side_as_json(comparison.second),
        "subset": comparison.subset.value,
        "verdict": pair_verdict(answers(comparison)).value,
        "unit": comparison.unit.value,
        "counted": comparison.counted_in_words,
        "shared": {
            "pictures": len(comparison.sample_ids),
            "parts": comparison.part_count,
            "only_first": comparison.only_first,
            "only_second": comparison.only_second,
        },
        "classes": {
            **table_as_json(classes.table, comparison.unit),
            "new_errors": image_names(workspace, comparison, classes.new_errors),
            "fixed_errors": image_names(workspace, comparison, classes.fixed_errors),
        },
        "decisions": _decisions_as_json(workspace, comparison, decisions) if decisions else None,
    }


def _decisions_as_json(
    workspace: Workspace, comparison: ModelComparison, decisions: DecisionComparison
) -> JsonObject:
    same = comparison.has_same_rule
    images = {
        "new_escapes": decisions.new_escapes,
        "fixed_escapes": decisions.fixed_escapes,
        "new_false_rejects": decisions.new_false_rejects,
        "fixed_false_rejects": decisions.fixed_false_rejects,
    }
    return {
        "same_rule": same,
        "escapes": table_as_json(decisions.escapes, comparison.unit, same_rule=same),
        "false_rejects": table_as_json(decisions.false_rejects, comparison.unit, same_rule=same),
        **{key: image_names(workspace, comparison, at) for key, at in images.items()},
    }


def table_as_json(table: PairedTable, unit: Unit, *, same_rule: bool = True) -> JsonObject:
    """Parts or images by who is right; `difference` is second minus first."""
    return {
        "n": table.n,
        "both_right": table.both_right,
        "only_first_right": table.only_first_right,
        "only_second_right": table.only_second_right,
        "neither_right": table.neither_right,
        "p_value": table.p_value,
        "difference": estimate_as_json(table.difference),
        "evidence": judge(table, same_rule=same_rule).value,
        "in_words": evidence(table, unit, same_rule=same_rule),
    }


def _side_as_json(side: ModelSide) -> JsonObject:
    rule = side.rule.in_words if side.rule else "The verdict of the predicted class decides."
    return {"model_id": side.model.id, "name": side.model.name, "rule": rule}
