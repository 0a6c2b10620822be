"""The JSON of quality checks."""

from core.api.values import JsonObject
from core.domain.findings import Certainty, FindingKind, QualityCheck
from core.workflows.data import quality
from core.workflows.data.versions import class_moves
from core.workspace import Workspace


def quality_as_json(workspace: Workspace, check: QualityCheck) -> JsonObject:
    """A quality check; lists hold open findings, and no look-alikes that people took apart."""
    counts = quality.finding_counts(workspace, check.dataset_id)
    return {
        "findings": {kind.value: count for kind, count in counts.items()},
        "groups": {"count": check.groups, "samples": check.grouped_samples},
        "near_duplicates": len(check.near_pairs),
        "label_conflicts": counts.get(FindingKind.LABEL_CONFLICT, 0),
        "format_leaks": _messages(workspace, check, FindingKind.FORMAT_LEAK),
        "subset_leaks": _messages(workspace, check, FindingKind.SUBSET_LEAK),
        "suspect_labels": _suspects(workspace, check),
        "labels_confirmed": quality.agreement_by_class(workspace, check.dataset_id),
        "outliers": _of_kind(workspace, check, FindingKind.OUTLIER),
        "unfamiliar": _of_kind(workspace, check, FindingKind.UNFAMILIAR),
        "estimate": {"random": check.random_accuracy, "grouped": check.grouped_accuracy},
    }


def parts_as_json(workspace: Workspace, dataset_id: str) -> JsonObject:
    """Look-alikes nobody has answered for, and what was answered; images by name."""
    proposed = quality.findings(workspace, dataset_id, FindingKind.NEAR_DUPLICATE)
    answers = quality.part_answers(workspace, dataset_id)
    sets = [finding.sample_ids for finding in proposed] + [given.sample_ids for given in answers]
    names = quality.names_of(workspace, [i for ids in sets for i in ids])
    return {
        "proposed": [[names[i] for i in finding.sample_ids] for finding in proposed],
        "answers": [
            {"answer": given.answer.value, "images": [names[i] for i in given.sample_ids]}
            for given in answers
        ],
        "ignored": quality.ignored_look_alikes(workspace, dataset_id),
    }


def _messages(workspace: Workspace, check: QualityCheck, kind: FindingKind) -> list[JsonObject]:
    return [
        {"message": f.message, "samples": len(f.sample_ids)}
        for f in quality.findings(workspace, check.dataset_id, kind)
    ]


def _suspects(workspace: Workspace, check: QualityCheck) -> list[JsonObject]:
    names, rows = quality.images_of_findings(workspace, check, FindingKind.SUSPECT_LABEL)
    moves = class_moves(workspace, check.dataset_id, check.version)
    return [
        {
            "path": sample.path,
            "name": sample.name,
            "label": None if sample.label is None else names[sample.label],
            "suggested": names[moves[finding.suggested]] if finding.suggested in moves else None,
            "confidence": finding.score,
            "sure": finding.certainty is Certainty.SURE,
            "certainty": finding.certainty,
            "right": finding.right,
        }
        for finding, sample in rows
    ]


def _of_kind(workspace: Workspace, check: QualityCheck, kind: FindingKind) -> list[JsonObject]:
    _, rows = quality.images_of_findings(workspace, check, kind)
    return [
        {"path": sample.path, "name": sample.name, "message": finding.message}
        for finding, sample in rows
    ]
