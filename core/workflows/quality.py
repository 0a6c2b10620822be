"""Actions on the quality of a dataset: start the check, read what it found."""

from core.domain import Finding, FindingKind, Job, JobKind, QualityCheck
from core.store import datasets, quality
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workspace import Workspace


def job_subject(dataset_id: str) -> str:
    """What the check of a dataset is called among the jobs."""
    return f"quality-{dataset_id}"


def start_check(workspace: Workspace, dataset_id: str) -> Job:
    """Queue the check of a dataset; asking twice while it runs has one effect.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
    return job_actions.submit(
        workspace, JobKind.QUALITY, job_subject(dataset.id), {"dataset_id": dataset.id}
    )


def last_check(workspace: Workspace, dataset_id: str) -> QualityCheck | None:
    """The look-alikes that were found, or None where nobody has looked yet."""
    with connect(workspace) as db:
        return quality.load_check(db, dataset_id)


def finding_counts(workspace: Workspace, dataset_id: str) -> dict[FindingKind, int]:
    """Findings per kind, most harmful kinds first."""
    with connect(workspace) as db:
        return quality.count_findings(db, dataset_id)


def findings(
    workspace: Workspace, dataset_id: str, kind: FindingKind, *, limit: int = -1, offset: int = 0
) -> list[Finding]:
    """A page of the findings of one kind."""
    with connect(workspace) as db:
        return quality.list_findings(db, dataset_id, kind=kind, limit=limit, offset=offset)


def report_as_dict(workspace: Workspace, check: QualityCheck) -> dict[str, object]:
    """A check as plain values, for JSON."""
    counts = finding_counts(workspace, check.dataset_id)
    leaks = findings(workspace, check.dataset_id, FindingKind.FORMAT_LEAK)
    return {
        "findings": {kind.value: count for kind, count in counts.items()},
        "groups": {"count": check.groups, "samples": check.grouped_samples},
        "near_duplicates": len(check.near_pairs),
        "label_conflicts": counts.get(FindingKind.LABEL_CONFLICT, 0),
        "format_leaks": [
            {"message": leak.message, "samples": len(leak.sample_ids)} for leak in leaks
        ],
        "estimate": {"random": check.random_accuracy, "grouped": check.grouped_accuracy},
    }
