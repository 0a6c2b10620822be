"""The JSON of release criteria, their check, and sealed tests."""

import json

from core.api.values import JsonObject
from core.evaluation.release.check import NewEscapes
from core.evaluation.release.criteria import KeptCriteria, criteria_to_json
from core.evaluation.release.words import (
    check_in_words,
    measure_key,
    not_applicable_in_words,
    reasons_in_words,
    remarks_in_words,
)
from core.workflows.signoff.release import GateReport
from core.workflows.signoff.seal_changes import SignOff


def release_as_json(report: GateReport) -> JsonObject:
    """Pass or block with the reasons."""
    verdict = report.gate
    return {
        "verdict": verdict.outcome.value,
        "reasons": reasons_in_words(verdict),
        "checks": [
            {
                "measure": measure_key(check.criterion),
                "kind": check.criterion.kind.value,
                "class_name": check.criterion.class_name,
                "limit": check.criterion.limit,
                "at_most": check.criterion.at_most,
                "proven": check.criterion.proven,
                "parts_per_shift": check.criterion.parts_per_shift,
                "defect_rate": check.criterion.defect_rate,
                "passed": check.passed,
                "outcome": check.outcome.value,
                "result": check.result.value,
                "value": check.value,
                "bound": check.bound,
                "reason": check_in_words(check),
            }
            for check in verdict.checks
        ],
        "golden": dict(verdict.golden),
        "golden_outcome": verdict.golden_outcome.value,
        "new_escapes": _new_escapes_as_json(verdict.new_escapes),
        "limits_reviews": verdict.limits_reviews,
        "remarks": [*not_applicable_in_words(verdict), *remarks_in_words(verdict)],
        "subset": report.subset.value,
        "criteria": criteria_as_json(report.kept),
    }


def _new_escapes_as_json(new: NewEscapes | None) -> JsonObject | None:
    if new is None:
        return None
    return {
        "outcome": new.outcome.value,
        "count": new.count,
        "unit": new.unit.value,
        "compared": new.compared,
        "not_compared": new.not_compared,
    }


def criteria_as_json(kept: KeptCriteria) -> JsonObject:
    """Criteria with their history."""
    values: JsonObject = json.loads(criteria_to_json(kept))
    return values


def sign_off_as_json(standing: SignOff) -> JsonObject:
    """Where a sealed test stands."""
    seal = standing.seal
    return {
        "model_id": standing.model.id,
        "split_id": standing.split.id,
        "pictures": standing.images,
        "test_digest": standing.digest,
        "unit": standing.unit.value,
        "sealed_unit": seal.unit or None if seal else None,
        "sealed_at": seal.created_at if seal else None,
        "opened_at": seal.opened_at if seal else None,
        "is_void": standing.is_void,
        "changes": list(standing.changes),
        "openings": [
            {
                "model": o.model_name,
                "kind": o.kind.value,
                "person": o.person,
                "purpose": o.purpose,
                "opened_at": o.opened_at,
            }
            for o in standing.accesses
        ],
    }
