"""Fixes of findings: exclude, keep one, relabel, group, ignore; each can be undone.

A fix is an edit of the dataset that also closes the findings it resolves, or a decision to ignore.
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
from core.words import count
from core.workflows.data import edits
from core.workflows.data.versions import class_moves
from core.workspace import Workspace

# Fixes for each kind of finding, the most advisable first.
FIXES: Mapping[FindingKind, tuple[Fix, ...]] = {
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
# Why not all fixes: whole classes would be lost, or every conflict would need its own class.
# Why look-alikes cannot all be excluded: if most parts were photographed several times, one click
# would leave hardly any image. Keeping one of each serves the same purpose.
FIXES_FOR_ALL: Mapping[FindingKind, tuple[Fix, ...]] = {
    **FIXES,
    **{
        kind: tuple(how for how in FIXES[kind] if how is not Fix.EXCLUDE)
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
    """What was done, and how to undo it.

    `version` is the edit; None if findings were only ignored.
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
    """Fix findings of one kind in one edit; other findings that it resolves are closed as well.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id.
        finding_ids: of the last check.
        how: one of `FIXES` of their kind.
        label: for `RELABEL`, the class index; None: the suggestion of each finding.

    Raises:
        ConfigError: if the fix is not available, no class is suggested, or nothing would change.
        NotFoundError: if a finding no longer exists: a newer check replaced it.
    """
    with connect(workspace) as db:
        findings = [quality.find_finding(db, i) for i in finding_ids]
        own = {f.id for f in quality.list_findings(db, dataset_id, status=None)}
    if not findings or not {f.id for f in findings} <= own:
        raise NotFoundError("There is no such finding in this dataset.", "Reload the page.")
    for finding in findings:
        if how not in FIXES[finding.kind]:
            raise ConfigError(
                f"The fix '{how}' is not available for this finding.", "Choose another fix."
            )
    if how is Fix.IGNORE:
        return _ignored(workspace, dataset_id, findings)
    return _edited(workspace, dataset_id, findings, how, label)


def fix_all(workspace: Workspace, dataset_id: str, kind: FindingKind, how: Fix) -> AppliedFix:
    """Fix every open finding of a kind in one edit; only sure findings are relabeled.

    Raises:
        ConfigError: if the fix is not available for all findings, or there is none.
    """
    if how not in FIXES_FOR_ALL[kind]:
        raise ConfigError(
            f"The fix '{how}' is not available for all findings at once.", "Fix them one by one."
        )
    with connect(workspace) as db:
        findings = quality.list_findings(db, dataset_id, kind=kind)
    if how is Fix.RELABEL:
        findings = [f for f in findings if f.severity is Severity.WARNING]
    if not findings:
        raise ConfigError("There is no open finding of this kind.", "Nothing needs to be done.")
    return fix(workspace, dataset_id, [f.id for f in findings], how)


def exclude_images(workspace: Workspace, dataset_id: str, sample_ids: Sequence[int]) -> AppliedFix:
    """Exclude single images; findings that this resolves are closed.

    Raises:
        ConfigError: if they are already excluded, or none would be left.
        NotFoundError: if one is not in the dataset.
    """
    samples = _samples(workspace, dataset_id, sample_ids)
    if any(i not in samples for i in sample_ids):
        raise NotFoundError("This image is no longer in the dataset.", "Reload the page.")
    planned = {i: replace(samples[i].state, status=SampleStatus.EXCLUDED) for i in sample_ids}
    return _stored(workspace, dataset_id, planned, Fix.EXCLUDE, [])


def undo(workspace: Workspace, dataset_id: str, done: AppliedFix) -> None:
    """Undo a fix; its findings are open again.

    Raises:
        ConfigError: if the dataset has been edited since.
    """
    if done.version is None:
        reopen(workspace, dataset_id, done.finding_ids)
        return
    with connect(workspace) as db, transaction(db):
        last = versions.undoable(versions.list_versions(db, dataset_id))
        if last is None or last.number != done.version:
            raise ConfigError(
                "The dataset has been changed since this fix.",
                "Undo the later changes first, or restore an earlier version on the Versions page.",
            )
        versions.undo(db, datasets.find_dataset(db, dataset_id))


def reopen(workspace: Workspace, dataset_id: str, finding_ids: Iterable[int]) -> None:
    """Reopen ignored findings.

    Raises:
        NotFoundError: if one no longer exists: a newer check replaced it.
    """
    with connect(workspace) as db, transaction(db):
        for finding_id in finding_ids:
            finding = quality.find_finding(db, finding_id)
            quality.decide_finding(db, dataset_id, finding, FindingStatus.OPEN)


def best_of(samples: Sequence[Sample]) -> Sample:
    """The image to keep: the largest, then the sharpest, then the one imported first."""
    return max(samples, key=lambda s: (s.width * s.height, s.sharpness or 0, -s.id))


def _ignored(workspace: Workspace, dataset_id: str, findings: Sequence[Finding]) -> AppliedFix:
    with connect(workspace) as db, transaction(db):
        for finding in findings:
            quality.decide_finding(db, dataset_id, finding, FindingStatus.IGNORED)
    return AppliedFix(f"Ignored {count(len(findings), 'finding')}", tuple(f.id for f in findings))


def _edited(
    workspace: Workspace, dataset_id: str, findings: Sequence[Finding], how: Fix, label: int | None
) -> AppliedFix:
    samples = _samples(workspace, dataset_id, [i for f in findings for i in f.sample_ids])
    planned = _planned(workspace, dataset_id, findings, how, label, samples)
    return _stored(workspace, dataset_id, planned, how, [f.id for f in findings])


def _samples(workspace: Workspace, dataset_id: str, ids: Iterable[int]) -> dict[int, Sample]:
    """The samples with these ids that are in the dataset, including excluded ones."""
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, list(dict.fromkeys(ids)), dataset_id=dataset_id)
    return {s.id: s for s in samples}


def _stored(
    workspace: Workspace,
    dataset_id: str,
    planned: Mapping[int, SampleState],
    how: Fix,
    own: Sequence[int],
) -> AppliedFix:
    """Make the edit; it closes its own findings and others that it resolves."""
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
    """Other open findings that a change resolves."""
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
    findings: Sequence[Finding],
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
        for finding in findings
    ]
    match how:
        case Fix.GROUP:
            return _grouped(workspace, dataset_id, sets)
        case Fix.RELABEL:
            for finding, used in zip(findings, sets, strict=True):
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
            f"There is no suggested class for this finding: {finding.message}",
            "Choose the class of its images, or exclude them.",
        )
    return finding.suggested


def _moves(workspace: Workspace, dataset_id: str) -> dict[int, int]:
    """Class index at the time of the check -> index today; classes may have been merged since."""
    with connect(workspace) as db:
        check = quality.load_check(db, dataset_id)
    return class_moves(workspace, dataset_id, check.version if check else 1)


def _grouped(
    workspace: Workspace, dataset_id: str, sets: Sequence[Sequence[Sample]]
) -> dict[int, SampleState]:
    """One group for each set of images; existing groups among them are joined as a whole."""
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
    return f"look-alikes {sample.id}"


def _is_settled(finding: Finding, states: Mapping[int, SampleState]) -> bool:
    """Whether a finding is resolved once its images are in these states."""
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
