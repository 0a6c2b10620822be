"""How an edit becomes a version: planned and stored in one transaction, with its summary."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlite_utils import Database

from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    EditAction,
    Sample,
    SampleState,
    SampleStatus,
    Verdict,
)
from core.domain.findings import FindingStatus
from core.errors import ConfigError, NotFoundError
from core.store import datasets, quality, versions
from core.store.database import connect, transaction
from core.words import count, listed
from core.workspace import Workspace

LISTED = 8  # names in a summary


@dataclass(frozen=True)
class Edit:
    """A planned change: new states by sample id, and new classes if they change."""

    action: EditAction
    summary: str
    states: Mapping[int, SampleState]
    class_names: tuple[str, ...] | None = None
    class_verdicts: tuple[Verdict | None, ...] | None = None


def apply_edit(
    workspace: Workspace,
    dataset_id: str,
    plan: Callable[[Database, Dataset], Edit],
    unchanged: str | None = None,
    finding_ids: Iterable[int] = (),
) -> DatasetVersion:
    """Plan and store an edit in one transaction.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        plan: makes the edit from the dataset as it is inside the transaction.
        unchanged: the sentence that refuses an edit without changes; None: it is not refused.
        finding_ids: findings that the edit fixes.

    Raises:
        ConfigError: if nothing changes.
        NotFoundError: if the dataset or a finding does not exist.
    """
    with connect(workspace) as db, transaction(db):
        dataset = datasets.find_dataset(db, dataset_id)
        edit = plan(db, dataset)
        if unchanged is not None and not edit.states:
            raise ConfigError(unchanged)
        version = versions.apply_edit(
            db,
            dataset,
            edit.action,
            edit.summary,
            edit.states,
            class_names=edit.class_names,
            class_verdicts=edit.class_verdicts,
        )
        for finding_id in dict.fromkeys(finding_ids):
            finding = quality.find_finding(db, finding_id)
            quality.decide_finding(
                db, dataset.id, finding, FindingStatus.FIXED, version=version.number
            )
    return version


def samples_in(db: Database, dataset: Dataset, ids: Iterable[int]) -> list[Sample]:
    """The samples with these ids, which must be in the dataset.

    Raises:
        NotFoundError: if one is not in the dataset, or no longer.
    """
    wanted = list(dict.fromkeys(ids))
    stored = datasets.samples_by_id(db, wanted, dataset_id=dataset.id)
    present = [s for s in stored if s.status is not SampleStatus.ABSENT]
    if len(present) < len(wanted):
        raise NotFoundError(
            f"Not in the dataset any more: {count(len(wanted) - len(present), 'image')}.",
            "Reload the page and choose again.",
        )
    return present


def relabelling(
    db: Database, dataset: Dataset, labels: Mapping[int, int], summary: str | None
) -> Edit:
    """The edit that gives samples other labels (sample id -> class index)."""
    changed = [s for s in samples_in(db, dataset, labels) if s.label != labels[s.id]]
    states = {s.id: replace(s.state, label=labels[s.id]) for s in changed}
    moves = [(s.label, labels[s.id]) for s in changed]
    return Edit(EditAction.RELABEL, summary or relabelled(moves, dataset.class_names), states)


def merging(db: Database, dataset: Dataset, merged: set[int], into: str) -> Edit:
    """Moves all labels to the new positions, including those of excluded images."""
    names, verdicts = dataset.class_names, dataset.verdicts
    place = names.index(into) if into in names else min(merged)
    kept = [i for i in range(len(names)) if i == place or i not in merged]
    moved = {i: kept.index(place if i in merged else i) for i in range(len(names))}
    given = {verdicts[i] for i in merged if verdicts[i] is not None}
    one_verdict = given.pop() if len(given) == 1 else None
    states = {
        sample_id: replace(state, label=moved[state.label])
        for sample_id, state in versions.states_today(db, dataset.id).items()
        if state.label is not None and moved[state.label] != state.label
    }
    sources = [f"'{names[i]}'" for i in sorted(merged) if names[i] != into]
    return Edit(
        EditAction.MERGE_CLASSES,
        f"Merged {listed(sources, LISTED)} into '{into}'",
        states,
        tuple(into if i == place else names[i] for i in kept),
        tuple(one_verdict if i == place else verdicts[i] for i in kept),
    )


def relabelled(moves: Sequence[tuple[int | None, int]], names: Sequence[str]) -> str:
    """`Relabeled 3 images dent → crack`, the most frequent changes first."""
    counts = Counter(moves)
    parts = [
        f"{count(number, 'image')} {'no label' if old is None else names[old]} → {names[new]}"
        for (old, new), number in counts.most_common()
    ]
    return f"Relabeled {listed(parts, 3)}"


def grouped(names: Sequence[str | None]) -> str:
    """`Assigned 3 images to the part 'x'`, from the new group of each image."""
    different = {name for name in names if name is not None}
    if not different:
        return f"Removed {count(len(names), 'image')} from their parts"
    if len(different) == 1:
        return f"Assigned {count(len(names), 'image')} to the part '{next(iter(different))}'"
    return f"Assigned {count(len(names), 'image')} to {count(len(different), 'part')}"
