"""Fixes of findings: exclude, keep one, relabel, group, ignore; each can be undone.

A fix is an edit of the dataset that also closes the findings it settles, or a decision to ignore.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from core.data.quality.similarity import connected
from core.domain.datasets import Sample, SampleState, SampleStatus
from core.domain.findings import Finding, FindingKind, FindingStatus, Fix, Severity
from core.errors import ConfigError, NotFoundError
from core.store import datasets, quality, versions
from core.store.database import connect, transaction
from core.workflows.data import edits
from core.workflows.data.versions import class_moves
from core.workspace import Workspace

# What helps against what; the most advisable first.
CURES: Mapping[FindingKind, tuple[Fix, ...]] = {
    FindingKind.LABEL_CONFLICT: (Fix.RELABEL, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.FORMAT_LEAK: (Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.EXACT_DUPLICATE: (Fix.KEEP_ONE, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.NEAR_DUPLICATE: (Fix.GROUP, Fix.KEEP_ONE, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.SUBSET_LEAK: (Fix.GROUP, Fix.KEEP_ONE, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.SUSPECT_LABEL: (Fix.RELABEL, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.OUTLIER: (Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.CLASS_TOO_SMALL: (Fix.IGNORE,),
    FindingKind.CLASS_IMBALANCE: (Fix.IGNORE,),
    FindingKind.UNREADABLE: (Fix.EXCLUDE, Fix.IGNORE),
}
# Why not all: whole classes would go, or every conflict would need a class of its own.
# Why not to exclude all that look alike: where most parts were photographed several times, one
# click would leave hardly an image. Keeping one of each serves the same purpose.
CURES_FOR_ALL: Mapping[FindingKind, tuple[Fix, ...]] = {
    **CURES,
    **{
        kind: tuple(how for how in CURES[kind] if how is not Fix.EXCLUDE)
        for kind in (
            FindingKind.EXACT_DUPLICATE,
            FindingKind.NEAR_DUPLICATE,
            FindingKind.SUBSET_LEAK,
        )
    },
    FindingKind.LABEL_CONFLICT: (Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.FORMAT_LEAK: (Fix.IGNORE,),
}
_OF_SEVERAL = {
    FindingKind.LABEL_CONFLICT,
    FindingKind.EXACT_DUPLICATE,
    FindingKind.NEAR_DUPLICATE,
    FindingKind.SUBSET_LEAK,
}


@dataclass(frozen=True)
class AppliedFix:
    """What was done, and how to take it back.

    `version` is the edit that was made; None where findings were only ignored.
    """

    words: str
    finding_ids: tuple[int, ...]
    version: int | None = None


def fix(
    workspace: Workspace,
    dataset_id: str,
    finding_ids: Sequence[int],
    how: Fix,
    *,
    label: int | None = None,
) -> AppliedFix:
    """Fix findings of one kind in one edit; findings that it settles besides are closed, too.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id.
        finding_ids: of the last check.
        how: one of `CURES` of their kind.
        label: for `RELABEL`, the class index; None takes what each finding suggests.

    Raises:
        ConfigError: if the fix does not fit, no class is suggested, or nothing is left to do.
        NotFoundError: if a finding is gone: a newer check replaced it.
    """
    with connect(workspace) as db:
        found = [quality.find_finding(db, i) for i in finding_ids]
        own = {f.id for f in quality.list_findings(db, dataset_id, status=None)}
    if not found or not {f.id for f in found} <= own:
        raise NotFoundError("There is no such finding in this dataset.", "Reload and look again.")
    for finding in found:
        if how not in CURES[finding.kind]:
            raise ConfigError(f"'{how}' is no fix of this finding.", "Choose one that is offered.")
    if how is Fix.IGNORE:
        return _ignored(workspace, dataset_id, found)
    return _edited(workspace, dataset_id, found, how, label)


def fix_all(workspace: Workspace, dataset_id: str, kind: FindingKind, how: Fix) -> AppliedFix:
    """Fix every open finding of a kind in one edit; relabelling takes the sure ones only.

    Raises:
        ConfigError: if this kind cannot be fixed in one go like this, or nothing is left to do.
    """
    if how not in CURES_FOR_ALL[kind]:
        raise ConfigError(f"'{how}' cannot be done for all of these.", "Go through them singly.")
    with connect(workspace) as db:
        found = quality.list_findings(db, dataset_id, kind=kind)
    if how is Fix.RELABEL:
        found = [f for f in found if f.severity is Severity.WARNING]
    if not found:
        raise ConfigError("There is no open finding of this kind.", "Nothing needs to be done.")
    return fix(workspace, dataset_id, [f.id for f in found], how)


def exclude_images(workspace: Workspace, dataset_id: str, sample_ids: Sequence[int]) -> AppliedFix:
    """Leave single images out; findings of which nothing is left are closed.

    Raises:
        ConfigError: if they are out already, or none would be left.
        NotFoundError: if one is not in the dataset.
    """
    samples = _samples(workspace, dataset_id, sample_ids)
    if any(i not in samples for i in sample_ids):
        raise NotFoundError("This image is not in the dataset (any more).", "Reload the page.")
    planned = {i: replace(samples[i].state, status=SampleStatus.EXCLUDED) for i in sample_ids}
    return _stored(workspace, dataset_id, planned, Fix.EXCLUDE, [])


def undo(workspace: Workspace, dataset_id: str, done: AppliedFix) -> None:
    """Take a fix back; its findings are open again.

    Raises:
        ConfigError: if the dataset was edited since: then the list of versions must be used.
    """
    if done.version is None:
        reopen(workspace, dataset_id, done.finding_ids)
        return
    with connect(workspace) as db, transaction(db):
        last = versions.undoable(versions.list_versions(db, dataset_id))
        if last is None or last.number != done.version:
            raise ConfigError(
                "The dataset was changed after this.",
                "Take the later changes back first, or go back in its list of versions.",
            )
        versions.undo(db, datasets.find_dataset(db, dataset_id))


def reopen(workspace: Workspace, dataset_id: str, finding_ids: Iterable[int]) -> None:
    """Take back that findings were ignored.

    Raises:
        NotFoundError: if one is gone: a newer check replaced it.
    """
    with connect(workspace) as db, transaction(db):
        for finding_id in finding_ids:
            finding = quality.find_finding(db, finding_id)
            quality.decide_finding(db, dataset_id, finding, FindingStatus.OPEN)


def best_of(samples: Sequence[Sample]) -> Sample:
    """The image to keep: the largest, then the sharpest, then the one imported first."""
    return max(samples, key=lambda s: (s.width * s.height, s.sharpness or 0, -s.id))


def _ignored(workspace: Workspace, dataset_id: str, found: Sequence[Finding]) -> AppliedFix:
    with connect(workspace) as db, transaction(db):
        for finding in found:
            quality.decide_finding(db, dataset_id, finding, FindingStatus.IGNORED)
    return AppliedFix(f"Ignored {_findings(len(found))}", tuple(f.id for f in found))


def _edited(
    workspace: Workspace, dataset_id: str, found: Sequence[Finding], how: Fix, label: int | None
) -> AppliedFix:
    samples = _samples(workspace, dataset_id, [i for f in found for i in f.sample_ids])
    planned = _planned(workspace, dataset_id, found, how, label, samples)
    return _stored(workspace, dataset_id, planned, how, [f.id for f in found])


def _samples(workspace: Workspace, dataset_id: str, ids: Iterable[int]) -> dict[int, Sample]:
    """The samples of these ids that are in the dataset, excluded ones included."""
    with connect(workspace) as db:
        found = datasets.samples_by_id(db, list(dict.fromkeys(ids)), dataset_id=dataset_id)
    return {s.id: s for s in found}


def _stored(
    workspace: Workspace,
    dataset_id: str,
    planned: Mapping[int, SampleState],
    how: Fix,
    own: Sequence[int],
) -> AppliedFix:
    """Make the edit; it closes its own findings and those of which nothing is left."""
    before = _samples(workspace, dataset_id, planned)
    changed = {i: state for i, state in planned.items() if state != before[i].state}
    closed = (*own, *_settled_by(workspace, dataset_id, changed, set(own)))
    match how:
        case Fix.RELABEL:
            labels = {i: state.label for i, state in changed.items() if state.label is not None}
            made = edits.relabel(workspace, dataset_id, labels, finding_ids=closed)
        case Fix.GROUP:
            groups = {i: state.group for i, state in changed.items()}
            made = edits.set_group(workspace, dataset_id, groups, finding_ids=closed)
        case Fix.EXCLUDE | Fix.KEEP_ONE:
            made = edits.exclude(workspace, dataset_id, list(changed), finding_ids=closed)
        case Fix.IGNORE:
            raise ValueError("ignoring a finding edits nothing")
        case _:
            assert_never(how)
    return AppliedFix(made.summary, closed, made.number)


def _settled_by(
    workspace: Workspace, dataset_id: str, changed: Mapping[int, SampleState], own: set[int]
) -> list[int]:
    """Open findings besides the own ones of which a change leaves nothing."""
    with connect(workspace) as db:
        others = [
            f
            for f in quality.list_findings(db, dataset_id)
            if f.id not in own and any(i in changed for i in f.sample_ids)
        ]
    concerned = _samples(workspace, dataset_id, [i for f in others for i in f.sample_ids])
    after = {i: s.state for i, s in concerned.items()} | dict(changed)
    return [f.id for f in others if _is_settled(f, after)]


def _planned(
    workspace: Workspace,
    dataset_id: str,
    found: Sequence[Finding],
    how: Fix,
    label: int | None,
    samples: Mapping[int, Sample],
) -> dict[int, SampleState]:
    """Sample id -> its state after the fix, for the images in use."""
    moves = _moves(workspace, dataset_id) if how is Fix.RELABEL and label is None else {}
    planned: dict[int, SampleState] = {}
    sets = [
        [
            samples[i]
            for i in finding.sample_ids
            if i in samples and samples[i].status is SampleStatus.USED
        ]
        for finding in found
    ]
    match how:
        case Fix.GROUP:
            return _grouped(workspace, dataset_id, sets)
        case Fix.RELABEL:
            for finding, used in zip(found, sets, strict=True):
                target = moves.get(_suggestion(finding)) if label is None else label
                if target is not None:
                    planned |= {s.id: replace(s.state, label=target) for s in used}
        case Fix.EXCLUDE:
            planned = _excluded(s for used in sets for s in used)
        case Fix.KEEP_ONE:
            for used in filter(None, sets):
                kept = best_of(used)
                planned |= _excluded(s for s in used if s is not kept)
        case Fix.IGNORE:
            raise ValueError("ignoring a finding changes no image")
        case _:
            assert_never(how)
    return planned


def _excluded(samples: Iterable[Sample]) -> dict[int, SampleState]:
    return {s.id: replace(s.state, status=SampleStatus.EXCLUDED) for s in samples}


def _suggestion(finding: Finding) -> int:
    if finding.suggested is None:
        raise ConfigError(
            f"Nothing suggests a class for this finding: {finding.message}",
            "Say which class its images belong to, or leave them out.",
        )
    return finding.suggested


def _moves(workspace: Workspace, dataset_id: str) -> dict[int, int]:
    """Class index at the time of the check -> today's: classes may have been merged since."""
    with connect(workspace) as db:
        check = quality.load_check(db, dataset_id)
    return class_moves(workspace, dataset_id, check.version if check else 1)


def _grouped(
    workspace: Workspace, dataset_id: str, sets: Sequence[Sequence[Sample]]
) -> dict[int, SampleState]:
    """One group for each set of images; groups that some of them have are joined, as a whole."""
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
    """Name of a group, or of an image without one -> the group it belongs to by these sets."""
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
    # Why given names first: a group that people named keeps its name.
    for name in sorted(names, key=lambda name: (name not in given, len(name), name)):
        chosen.setdefault(numbers[position[name]], name)
    return {name: chosen[numbers[position[name]]] for name in names}


def _own_name(sample: Sample) -> str:
    return f"look-alikes {sample.id}"


def _is_settled(finding: Finding, states: Mapping[int, SampleState]) -> bool:
    """Whether nothing is left of a finding once its images are in these states."""
    left = [
        states[i]
        for i in finding.sample_ids
        if i in states and states[i].status is SampleStatus.USED
    ]
    if len(left) < (2 if finding.kind in _OF_SEVERAL else 1):
        return True
    match finding.kind:
        case FindingKind.LABEL_CONFLICT:
            return len({state.label for state in left}) == 1
        case FindingKind.NEAR_DUPLICATE:
            return left[0].group is not None and len({state.group for state in left}) == 1
        case (
            FindingKind.FORMAT_LEAK
            | FindingKind.EXACT_DUPLICATE
            | FindingKind.SUBSET_LEAK
            | FindingKind.SUSPECT_LABEL
            | FindingKind.OUTLIER
            | FindingKind.CLASS_TOO_SMALL
            | FindingKind.CLASS_IMBALANCE
            | FindingKind.UNREADABLE
        ):
            return False
        case _:
            assert_never(finding.kind)


def _findings(count: int) -> str:
    return "1 finding" if count == 1 else f"{count:,} findings"
