"""How an edit becomes a version: planned and stored in one transaction, with its summary."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlite_utils import Database

from core.data.quality.similarity import connected
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
from core.domain.parts import AnsweredImages, PartAnswer
from core.errors import ConfigError, NotFoundError
from core.store import datasets, look_alikes, quality, versions
from core.store.database import connect, transaction
from core.words import count, listed
from core.workspace import Workspace

LISTED = 8  # names in a summary
_OWN_NAME = "look-alikes "  # begins the names of parts that nobody has named


@dataclass(frozen=True)
class Edit:
    """A planned change: new states by sample id, new classes if they change, and answers.

    `answers` are those about images that look alike.
    """

    action: EditAction
    summary: str
    states: Mapping[int, SampleState]
    class_names: tuple[str, ...] | None = None
    class_verdicts: tuple[Verdict | None, ...] | None = None
    answers: tuple[AnsweredImages, ...] = ()


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
        if unchanged is not None and not edit.states and not edit.answers:
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
        look_alikes.insert_answers(db, dataset.id, version.number, edit.answers)
        for finding_id in dict.fromkeys(finding_ids):
            finding = quality.find_finding(db, finding_id)
            quality.decide_finding(
                db, dataset.id, finding, FindingStatus.FIXED, version=version.number
            )
        if edit.answers:
            _follow_answers(db, dataset.id, version.number)
    return version


def _follow_answers(db: Database, dataset_id: str, version: int) -> None:
    """Close and replace the findings that answers made untrue."""
    for finding in quality.no_longer_alike(db, dataset_id):
        quality.decide_finding(db, dataset_id, finding, FindingStatus.FIXED, version=version)
    quality.refresh_look_alikes(db, dataset_id)


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
        name = next(iter(different))
        if name.startswith(_OWN_NAME):  # which nobody has given, and which says nothing
            return f"Confirmed that {count(len(names), 'image')} show one part"
        return f"Assigned {count(len(names), 'image')} to the part '{name}'"
    return f"Assigned {count(len(names), 'image')} to {count(len(different), 'part')}"


def confirmed(
    db: Database, dataset: Dataset, groups: Mapping[int, str | None]
) -> tuple[AnsweredImages, ...]:
    """What new groups (sample id -> group) say of look-alikes that were answered before.

    Empty where nobody has answered: the groups themselves say enough.
    """
    if not look_alikes.list_answers(db, dataset.id):
        return ()
    today = {i: state.group for i, state in versions.states_today(db, dataset.id).items()}
    members: dict[str, list[int]] = {}
    for sample_id, group in (today | dict(groups)).items():
        if group is not None:
            members.setdefault(group, []).append(sample_id)
    named = {group for group in groups.values() if group is not None}
    return tuple(
        AnsweredImages(PartAnswer.SAME, tuple(sorted(members[group]))) for group in sorted(named)
    )


def separating(
    db: Database, dataset: Dataset, sets: Sequence[Sequence[int]], summary: str | None
) -> Edit:
    """The edit that says of each set of images that no two of them show the same part.

    Raises:
        ConfigError: if two of them were given the same part, or have equal bytes.
    """
    samples = {s.id: s for s in samples_in(db, dataset, [i for ids in sets for i in ids])}
    for ids in sets:
        own = [samples[i] for i in dict.fromkeys(ids)]
        _refuse_certain([s.group for s in own], "belong to the same part")
        _refuse_certain([s.sha256 for s in own], "are the same file, byte for byte")
    answers = tuple(
        AnsweredImages(PartAnswer.DIFFERENT, tuple(sorted(set(ids))))
        for ids in sets
        if len(set(ids)) > 1
    )
    shown = len({i for given in answers for i in given.sample_ids})
    words = summary or f"Different parts: {count(shown, 'image')} that look alike"
    return Edit(EditAction.SEPARATE, words, {}, answers=answers)


def _refuse_certain(values: Sequence[str | None], what: str) -> None:
    known = [value for value in values if value]
    if len(known) > len(set(known)):
        raise ConfigError(
            f"Two of these images {what}.",
            "Give them other parts on the Images page, or answer for the other images.",
        )


def joining_parts(
    workspace: Workspace, dataset_id: str, sets: Sequence[Sequence[Sample]]
) -> dict[int, SampleState]:
    """Sample id -> its state when each set of images is one part; parts among them are joined."""
    joined = _joined_groups(sets)
    names = {group for used in sets for group in {s.group for s in used} if group is not None}
    moved = {name for name in names if joined[name] != name}
    with connect(workspace) as db:
        every = datasets.every_sample(db, dataset_id) if moved else []
    states = {s.id: replace(s.state, group=joined[s.group]) for s in every if s.group in moved}
    for used in sets:
        states |= {s.id: replace(s.state, group=joined[s.group or _own_name(s)]) for s in used}
    return states


def _joined_groups(sets: Sequence[Sequence[Sample]]) -> dict[str, str]:
    """Name of a group, or of an image without one -> the joined group."""
    names = sorted({s.group or _own_name(s) for used in sets for s in used})
    position = {name: i for i, name in enumerate(names)}
    links = [
        (position[used[0].group or _own_name(used[0])], position[s.group or _own_name(s)])
        for used in sets
        for s in used[1:]
    ]
    numbers = connected(len(names), np.array(links, np.int64).reshape(-1, 2)).tolist()
    given = {s.group for used in sets for s in used}
    chosen: dict[int, str] = {}
    # Why given names first: a group that a user has named keeps its name.
    for name in sorted(names, key=lambda name: (name not in given, len(name), name)):
        chosen.setdefault(numbers[position[name]], name)
    return {name: chosen[numbers[position[name]]] for name in names}


def _own_name(sample: Sample) -> str:
    return f"{_OWN_NAME}{sample.id}"
