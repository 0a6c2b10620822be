"""Fixes of findings: exclude, keep one, relabel, same or different parts, ignore; with undo.

A fix is an edit of the dataset that also closes the findings it resolves, or a decision to ignore.
Look-alikes that are ignored no longer belong together: no split keeps them on one side, and no
certificate counts them. Unlike "different parts" this is no version of the dataset.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import assert_never

from core.domain.datasets import DatasetVersion, Sample, SampleState, SampleStatus
from core.domain.findings import Certainty, Finding, FindingKind, FindingStatus, Fix
from core.domain.parts import PartAnswer
from core.errors import ConfigError, NotFoundError
from core.store import datasets, quality, versions
from core.store.database import connect, transaction
from core.words import count
from core.workflows.data import edits
from core.workflows.data.edit_plans import joining_parts
from core.workflows.data.versions import class_moves
from core.workspace import Workspace

_OF_LOOK_ALIKES = (Fix.GROUP, Fix.DIFFERENT, Fix.KEEP_ONE, Fix.EXCLUDE, Fix.IGNORE)
# Fixes for each kind of finding, the most advisable first.
FIXES: Mapping[FindingKind, tuple[Fix, ...]] = {
    FindingKind.LABEL_CONFLICT: (Fix.RELABEL, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.FORMAT_LEAK: (Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.EXACT_DUPLICATE: (Fix.KEEP_ONE, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.NEAR_DUPLICATE: _OF_LOOK_ALIKES,
    FindingKind.SUBSET_LEAK: _OF_LOOK_ALIKES,
    FindingKind.SUSPECT_LABEL: (Fix.RELABEL, Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.OUTLIER: (Fix.EXCLUDE, Fix.IGNORE),
    FindingKind.UNFAMILIAR: (Fix.EXCLUDE, Fix.IGNORE),
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
    match how:
        case Fix.IGNORE:
            return _ignored(workspace, dataset_id, findings)
        case Fix.DIFFERENT:
            return _separated(workspace, dataset_id, findings)
        case Fix.EXCLUDE | Fix.KEEP_ONE | Fix.RELABEL | Fix.GROUP:
            return _edited(workspace, dataset_id, findings, how, label)
        case _:
            assert_never(how)


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
        findings = [f for f in findings if f.certainty is Certainty.SURE]
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


def answer(
    workspace: Workspace, dataset_id: str, sample_ids: Sequence[int], given: PartAnswer
) -> AppliedFix:
    """Say whether some images show one part, or each another one.

    Raises:
        ConfigError: if there are no two images, or it is known already.
        NotFoundError: if one is not in the dataset.
    """
    samples = _samples(workspace, dataset_id, sample_ids)
    if any(i not in samples for i in sample_ids):
        raise NotFoundError("This image is no longer in the dataset.", "Reload the page.")
    if len(samples) < 2:
        raise ConfigError("One image alone has no look-alike.", "Choose at least two images.")
    match given:
        case PartAnswer.SAME:
            own = [[samples[i] for i in dict.fromkeys(sample_ids)]]
            planned = joining_parts(workspace, dataset_id, own)
            return _stored(workspace, dataset_id, planned, Fix.GROUP, [])
        case PartAnswer.DIFFERENT:
            return _told(edits.separate(workspace, dataset_id, [sample_ids]))
        case _:
            assert_never(given)


def answer_one_against_others(
    workspace: Workspace, dataset_id: str, sample_id: int, others: Sequence[int]
) -> AppliedFix:
    """Say that one image shows another part than all of some others.

    Raises:
        ConfigError: if there are no others, or one of them is known to show the same part.
        NotFoundError: if one is not in the dataset.
    """
    pairs = [(sample_id, other) for other in others if other != sample_id]
    summary = f"Different parts: 1 image and {count(len(pairs), 'look-alike')}"
    return _told(edits.separate(workspace, dataset_id, pairs, summary=summary))


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
                "Undo the later changes first, or restore an earlier version on the History page.",
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
    ids = tuple(f.id for f in findings)
    if all(f.kind is FindingKind.SUSPECT_LABEL for f in findings):
        images = len({i for f in findings for i in f.sample_ids})
        labels = "label" if images == 1 else "labels"
        return AppliedFix(f"Kept the {labels} of {count(images, 'image')}", ids)
    return AppliedFix(f"Ignored {count(len(findings), 'finding')}", ids)


def _separated(workspace: Workspace, dataset_id: str, findings: Sequence[Finding]) -> AppliedFix:
    samples = _samples(workspace, dataset_id, [i for f in findings for i in f.sample_ids])
    used = [[samples[i] for i in f.sample_ids if i in samples] for f in findings]
    sets = [
        ids for own in used for ids in _unlike([s for s in own if s.status is SampleStatus.USED])
    ]
    if not sets:
        raise ConfigError(
            "These images are known to show the same part.",
            "Give them other parts on the Images page, or undo that answer.",
        )
    ids = [f.id for f in findings]
    return _told(edits.separate(workspace, dataset_id, sets, finding_ids=ids), ids)


def _unlike(samples: Sequence[Sample]) -> list[list[int]]:
    """Sets of images that can show different parts: equal files and known parts stay together."""
    known: dict[str, list[int]] = {}
    for sample in samples:
        known.setdefault(sample.group or sample.sha256, []).append(sample.id)
    if len(known) == len(samples):
        return [[s.id for s in samples]] if len(samples) > 1 else []
    return [[a, b] for one, two in combinations(known.values(), 2) for a in one for b in two]


def _told(made: DatasetVersion, finding_ids: Sequence[int] = ()) -> AppliedFix:
    return AppliedFix(made.summary, tuple(finding_ids), made.number)


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
        case Fix.IGNORE | Fix.DIFFERENT:
            raise ValueError("this fix changes no image")
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
            return joining_parts(workspace, dataset_id, sets)
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
        case Fix.IGNORE | Fix.DIFFERENT:
            raise ValueError("this fix changes no image")
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


def _is_settled(finding: Finding, states: Mapping[int, SampleState]) -> bool:
    """Whether a finding is resolved once its images are in these states."""
    known = (states[i] for i in finding.sample_ids if i in states)
    left = [state for state in known if state.status is SampleStatus.USED]
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
            | FindingKind.UNFAMILIAR
            | FindingKind.CLASS_TOO_SMALL
            | FindingKind.CLASS_IMBALANCE
            | FindingKind.UNREADABLE
        ):
            return False
        case _:
            assert_never(finding.kind)
