"""Actions on the quality of a dataset: start the check, read its results."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from core.data.quality.label_errors import LEAST_AGREEMENT
from core.domain.datasets import Sample
from core.domain.findings import Finding, FindingKind, FindingStatus, QualityCheck
from core.domain.jobs import Job, JobKind
from core.domain.parts import AnsweredImages
from core.store import datasets, look_alikes, quality
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workflows.data.versions import class_moves
from core.workspace import Workspace

TYPICAL_AT_MOST = 2000  # images of a class among which a typical one is looked for


def job_subject(dataset_id: str) -> str:
    """The subject id of the check of a dataset."""
    return f"quality-{dataset_id}"


def start_check(workspace: Workspace, dataset_id: str) -> Job:
    """Queue the check of a dataset, unless it is already running.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
    return job_actions.submit(
        workspace, JobKind.QUALITY, job_subject(dataset.id), {"dataset_id": dataset.id}
    )


def last_check(workspace: Workspace, dataset_id: str) -> QualityCheck | None:
    """The last check, or None if there was none yet."""
    with connect(workspace) as db:
        return quality.load_check(db, dataset_id)


def finding_counts(
    workspace: Workspace, dataset_id: str, status: FindingStatus = FindingStatus.OPEN
) -> dict[FindingKind, int]:
    """Findings of one status per kind, most harmful kinds first."""
    with connect(workspace) as db:
        return quality.count_findings(db, dataset_id, status)


def findings(
    workspace: Workspace,
    dataset_id: str,
    kind: FindingKind,
    *,
    status: FindingStatus = FindingStatus.OPEN,
    limit: int = -1,
    offset: int = 0,
) -> list[Finding]:
    """A page of the findings of one kind and status."""
    with connect(workspace) as db:
        return quality.list_findings(
            db, dataset_id, kind=kind, status=status, limit=limit, offset=offset
        )


def find_finding(workspace: Workspace, finding_id: int) -> Finding:
    """One finding of the last check.

    Raises:
        NotFoundError: if it is gone: a newer check replaced it.
    """
    with connect(workspace) as db:
        return quality.find_finding(db, finding_id)


def worst_finding(workspace: Workspace, dataset_id: str) -> Finding | None:
    """The open finding that does the most harm; None where at most notes are open."""
    with connect(workspace) as db:
        return quality.worst_open_finding(db, dataset_id)


def to_settle(workspace: Workspace, dataset_id: str) -> int:
    """Open findings that wait for an answer: no statistics, and no labels that may be right."""
    with connect(workspace) as db:
        counts = quality.count_findings(db, dataset_id)
        unsure = quality.count_unsure(db, dataset_id)
    return sum(n for kind, n in counts.items() if not kind.is_statistic) - unsure


def typical_images(
    workspace: Workspace, dataset_id: str, wanted: Sequence[tuple[int, int]]
) -> dict[int, int]:
    """For each image the most similar one of those whose label the check confirms.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id.
        wanted: sample id, and the class index that the other image shall have.

    Returns:
        Sample id -> sample id; without images that no check has seen, or without such a class.
    """
    with connect(workspace) as db:
        places = quality.places_on_map(db, [sample_id for sample_id, _ in wanted])
        labels = {label for sample_id, label in wanted if sample_id in places}
        known = {
            label: quality.typical_images(db, dataset_id, label, limit=TYPICAL_AT_MOST)
            for label in labels
        }
    nearest = {}
    for sample_id, label in wanted:
        x, y = places.get(sample_id, (0.0, 0.0))
        others = [item for item in known.get(label, ()) if item[0] != sample_id]
        if sample_id in places and others:
            nearest[sample_id] = min(others, key=lambda item: math.hypot(item[1] - x, item[2] - y))[
                0
            ]
    return nearest


def agreement(workspace: Workspace, dataset_id: str) -> float | None:
    """Fraction of labels confirmed by a model trained without them; None: not checked."""
    counts = _confirmed(workspace, dataset_id)
    every = sum(total for _, total in counts.values())
    return sum(own for own, _ in counts.values()) / every if every else None


def agreement_by_class(workspace: Workspace, dataset_id: str) -> dict[str, float]:
    """The same for the labels of each class that was judged, by class name of today."""
    with connect(workspace) as db:
        names = datasets.find_dataset(db, dataset_id).class_names
    counts = _confirmed(workspace, dataset_id)
    return {names[label]: own / total for label, (own, total) in sorted(counts.items())}


def labels_were_checked(workspace: Workspace, dataset_id: str) -> bool | None:
    """Whether images tell labels apart well enough to find wrong ones; None: nothing was tried."""
    with connect(workspace) as db:
        counts = quality.suggestions(db, dataset_id)
    if not counts:
        return None
    size = 1 + max(max(pair) for pair in counts)
    table = np.zeros((size, size))
    for pair, images in counts.items():
        table[pair] = images
    table /= table.sum()
    agreed, chance = np.trace(table), table.sum(axis=0) @ table.sum(axis=1)
    return bool(agreed - chance > LEAST_AGREEMENT * (1 - chance))


def proposed_labels(
    workspace: Workspace, dataset_id: str, findings: Sequence[Finding]
) -> dict[int, str]:
    """Finding id -> name of the class it proposes; without those whose class is gone."""
    with connect(workspace) as db:
        check = quality.load_check(db, dataset_id)
        names = datasets.find_dataset(db, dataset_id).class_names
    moves = class_moves(workspace, dataset_id, check.version if check else 1)
    targets = {f.id: moves.get(f.suggested) for f in findings if f.suggested is not None}
    return {i: names[label] for i, label in targets.items() if label is not None}


def _confirmed(workspace: Workspace, dataset_id: str) -> dict[int, tuple[int, int]]:
    """Class index -> labels confirmed, and labels judged."""
    with connect(workspace) as db:
        check = quality.load_check(db, dataset_id)
        counts = quality.suggestions(db, dataset_id)
    if check is None or not counts:
        return {}
    moves = class_moves(workspace, dataset_id, check.version)
    totals: dict[int, tuple[int, int]] = {}
    for (label, suggested), images in counts.items():
        own, every = totals.get(label, (0, 0))
        totals[label] = own + images * (moves.get(suggested) == label), every + images
    return totals


def part_answers(workspace: Workspace, dataset_id: str) -> list[AnsweredImages]:
    """What people answered about look-alikes and holds today, oldest first."""
    with connect(workspace) as db:
        return look_alikes.list_answers(db, dataset_id)


def ignored_look_alikes(workspace: Workspace, dataset_id: str) -> int:
    """How many findings of look-alikes were ignored: these count nowhere."""
    with connect(workspace) as db:
        return len(look_alikes.ignored_look_alikes(db, dataset_id))


def open_pairs(workspace: Workspace, finding: Finding, dataset_id: str) -> list[tuple[int, int]]:
    """The pairs of look-alikes that hold a finding together, by sample ids."""
    check = last_check(workspace, dataset_id)
    own = set(finding.sample_ids)
    return [pair for pair in (check.near_pairs if check else ()) if own.issuperset(pair)]


def names_of(workspace: Workspace, sample_ids: Iterable[int]) -> dict[int, str]:
    """Sample id -> name of the image, of images that are excluded too."""
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, list(dict.fromkeys(sample_ids)))
    return {sample.id: sample.name or sample.path for sample in samples}


def images_of_findings(
    workspace: Workspace, check: QualityCheck, kind: FindingKind
) -> tuple[tuple[str, ...], list[tuple[Finding, Sample]]]:
    """Class names of today, and each finding about one image with its sample."""
    of_kind = findings(workspace, check.dataset_id, kind)
    with connect(workspace) as db:
        names = datasets.find_dataset(db, check.dataset_id).class_names
        samples = {s.id: s for s in datasets.samples_by_id(db, [f.sample_ids[0] for f in of_kind])}
    return names, [(f, samples[f.sample_ids[0]]) for f in of_kind if f.sample_ids[0] in samples]
