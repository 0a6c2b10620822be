"""Findings as what their component shows: sections of cards, each with a pair of images.

Everything here is plain values; `findings.js` reads them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from core.domain.datasets import Dataset, Sample, SampleStatus
from core.domain.findings import Certainty, Finding, FindingKind, FindingStatus, Fix, QualityCheck
from core.domain.splits import Subset
from core.workflows.data import datasets, fixes, quality, splits
from core.workspace import Workspace
from pages.data.findings.words import (
    CERTAINTY_LABELS,
    FINDING_WORDS,
    FIX_WORDS,
    FixOption,
    choices_for,
)
from pages.ui import image_words, routes

CARDS = 6  # of each kind, while all kinds are shown: a row of the widest screen
PAGE = 24  # of one kind
_READ = 48  # images of a finding that are looked at to choose its pair
_PAIRS = 160
_OF_ONE = {
    FindingKind.SUSPECT_LABEL,
    FindingKind.OUTLIER,
    FindingKind.UNFAMILIAR,
    FindingKind.UNREADABLE,
}
_COMPARED_WITH_THEIR_CLASS = {FindingKind.OUTLIER, FindingKind.UNFAMILIAR}
_BUTTONS = 2  # of a card; what else can be done is in its menu
# Why apart: taking images out is the last thing to try, unless they are of no use at all.
_LAST = {Fix.EXCLUDE}
_ANSWERED_BY_PAIR = {FindingKind.NEAR_DUPLICATE, FindingKind.SUBSET_LEAK}

Json = dict[str, object]
Pair = tuple[int, int | None]


@dataclass(frozen=True)
class FindingsChoice:
    """Which findings of a dataset are shown: of one status, of one kind or of all, and the page."""

    status: FindingStatus = FindingStatus.OPEN
    kind: FindingKind | None = None
    page: int = 1


@dataclass(frozen=True)
class _Known:
    """What the cards of one section need to know about their images."""

    dataset: Dataset
    samples: Mapping[int, Sample]
    near: Mapping[int, tuple[tuple[int, int], ...]]  # finding id -> pairs of look-alikes
    typical: Mapping[int, int]  # sample id -> an image to compare it with
    subsets: Sequence[Mapping[int, Subset]]  # of each split, newest first


def sections(
    workspace: Workspace, dataset: Dataset, check: QualityCheck, choice: FindingsChoice
) -> list[Json]:
    """One section for each kind of finding, the most harmful first."""
    counts = quality.finding_counts(workspace, dataset.id, choice.status)
    return [
        _section(workspace, dataset, check, choice, kind, count)
        for kind, count in counts.items()
        if choice.kind in (None, kind)
    ]


def _section(
    workspace: Workspace,
    dataset: Dataset,
    check: QualityCheck,
    choice: FindingsChoice,
    kind: FindingKind,
    count: int,
) -> Json:
    limit = PAGE if choice.kind else CARDS
    offset = (choice.page - 1) * limit if choice.kind else 0
    findings = quality.findings(
        workspace, dataset.id, kind, status=choice.status, limit=limit, offset=offset
    )
    known = _known(workspace, dataset, check, findings, choice.status)
    words = FINDING_WORDS[kind]
    is_open = choice.status is FindingStatus.OPEN
    return {
        "kind": kind.value,
        "title": words.title,
        "why": words.why,
        "count": count,
        "offer_all": choice.kind is None,
        "bulk": _bulk(kind, findings) if is_open and count > 1 else [],
        "items": [_item(finding, known) for finding in findings],
    }


def _known(
    workspace: Workspace,
    dataset: Dataset,
    check: QualityCheck,
    findings: Sequence[Finding],
    status: FindingStatus,
) -> _Known:
    ids = [i for finding in findings for i in finding.sample_ids[:_READ]]
    samples = {
        s.id: s
        for s in datasets.find_samples(workspace, ids)
        # Excluded images are shown with what fixed them; elsewhere nothing is left to do.
        if status is FindingStatus.FIXED or s.status is SampleStatus.USED
    }
    compared = _compared(workspace, dataset, findings, samples)
    typical = quality.typical_images(workspace, dataset.id, compared)
    samples |= {s.id: s for s in datasets.find_samples(workspace, typical.values())}
    leaks = [f for f in findings if f.kind is FindingKind.SUBSET_LEAK]
    leaked = [i for f in leaks for i in f.sample_ids[:_READ]]
    subsets = splits.subsets_of(workspace, dataset.id, leaked) if leaked else []
    return _Known(dataset, samples, _near_pairs(check, findings, samples), typical, subsets)


def _compared(
    workspace: Workspace,
    dataset: Dataset,
    findings: Sequence[Finding],
    samples: Mapping[int, Sample],
) -> list[tuple[int, int]]:
    """Image and class index: which class shows what the image should or does not look like."""
    names = {name: index for index, name in enumerate(dataset.class_names)}
    suspects = [f for f in findings if f.kind is FindingKind.SUSPECT_LABEL]
    proposed = quality.proposed_labels(workspace, dataset.id, suspects) if suspects else {}
    wanted = [(f.sample_ids[0], names[proposed[f.id]]) for f in suspects if f.id in proposed]
    for finding in findings:
        if finding.kind in _COMPARED_WITH_THEIR_CLASS:
            sample = samples.get(finding.sample_ids[0])
            if sample is not None and sample.label is not None:
                wanted.append((sample.id, sample.label))
    return wanted


def _near_pairs(
    check: QualityCheck, findings: Sequence[Finding], samples: Mapping[int, Sample]
) -> dict[int, tuple[tuple[int, int], ...]]:
    """The pairs of look-alikes of each finding, in one pass over all pairs of the check."""
    several = [f for f in findings if f.kind not in _OF_ONE and len(f.sample_ids) > 2]
    owner = {i: f.id for f in several for i in f.sample_ids[:_READ] if i in samples}
    pairs: dict[int, list[tuple[int, int]]] = {f.id: [] for f in several}
    for one, two in check.near_pairs if owner else ():
        finding_id = owner.get(one)
        if finding_id is not None and finding_id == owner.get(two):
            pairs[finding_id].append((one, two))
    return {finding_id: tuple(own[:_PAIRS]) for finding_id, own in pairs.items()}


def _bulk(kind: FindingKind, findings: Sequence[Finding]) -> list[Json]:
    sure = any(f.certainty is Certainty.SURE for f in findings)
    return [
        {
            "words": FIX_WORDS[how].label_for_all,
            "help": FIX_WORDS[how].help,
            "request": {"do": "all", "kind": kind.value, "how": how.value},
        }
        for how in fixes.FIXES_FOR_ALL[kind]
        if how is not Fix.RELABEL or sure
    ]


def _item(finding: Finding, known: _Known) -> Json:
    images = [known.samples[i] for i in finding.sample_ids if i in known.samples]
    pairs = _pairs(finding, images, known)
    subsets = _leaking_subsets(finding, known)
    main, menu = _actions(finding, known.dataset, images)
    shown = {i for pair in pairs for i in pair if i is not None}
    is_open = finding.status is FindingStatus.OPEN
    return {
        "key": str(finding.id),
        "title": _title(finding, images, known, subsets),
        "hint": finding.message,
        "remedy": FINDING_WORDS[finding.kind].remedy if is_open else "",
        "note": CERTAINTY_LABELS[finding.certainty] if finding.certainty else "",
        "more": max(0, len(finding.sample_ids) - 2) if pairs else 0,
        "pairs": pairs,
        "pictures": {
            str(i): _picture(known.samples[i], _label(finding, known, i, subsets)) for i in shown
        },
        "apart": [i for i in shown if i in finding.sample_ids]
        if is_open and finding.kind not in _OF_ONE
        else [],
        "pair_actions": is_open and finding.kind in _ANSWERED_BY_PAIR and len(images) > 2,
        "actions": main,
        "menu": menu,
    }


def _picture(sample: Sample, label: str) -> Json:
    return {
        "id": sample.id,
        "thumb": routes.thumbnail_url(sample.id, sample.sha256),
        "full": routes.image_url(sample.id, sample.sha256),
        "label": label,
        "name": sample.name or sample.path,
    }


def _label(finding: Finding, known: _Known, sample_id: int, subsets: Mapping[int, Subset]) -> str:
    """What the finding is about, of one of its images."""
    own = image_words.class_name(known.samples[sample_id], known.dataset.class_names)
    if sample_id not in finding.sample_ids:
        return f"typical {own}"
    return subsets[sample_id].value if sample_id in subsets else own


def _pairs(finding: Finding, images: Sequence[Sample], known: _Known) -> list[Pair]:
    """Two images at a time, the pair that shows the finding best first."""
    if not images:
        return []
    if finding.kind in _OF_ONE:
        return [(images[0].id, known.typical.get(images[0].id))]
    if len(images) == 1:
        return [(images[0].id, None)]
    first = _telling_pair(finding, images, known)
    alike = known.near.get(finding.id) or tuple(
        (images[0].id, other.id) for other in images[1:_PAIRS]
    )
    rest: list[Pair] = [pair for pair in alike if set(pair) != set(first)]
    return [first, *rest] if len(images) > 2 else [first]


def _telling_pair(finding: Finding, images: Sequence[Sample], known: _Known) -> tuple[int, int]:
    """Images with different labels or in different subsets, where the finding is about that."""
    pairs = known.near.get(finding.id, ())
    ids = [s.id for s in images]
    told = _differing(finding, images, known)
    for one, two in (*pairs, *((a, b) for a in ids for b in ids if a < b)):
        if told.get(one) != told.get(two):
            return one, two
    return pairs[0] if pairs else (ids[0], ids[1])


def _differing(finding: Finding, images: Sequence[Sample], known: _Known) -> Mapping[int, object]:
    """Sample id -> in what two images of a pair should differ."""
    match finding.kind:
        case FindingKind.LABEL_CONFLICT:
            return {s.id: s.label for s in images}
        case FindingKind.SUBSET_LEAK:
            return _leaking_subsets(finding, known)
        case (
            FindingKind.FORMAT_LEAK
            | FindingKind.SUSPECT_LABEL
            | FindingKind.EXACT_DUPLICATE
            | FindingKind.NEAR_DUPLICATE
            | FindingKind.UNREADABLE
            | FindingKind.OUTLIER
            | FindingKind.UNFAMILIAR
            | FindingKind.CLASS_TOO_SMALL
            | FindingKind.CLASS_IMBALANCE
        ):
            return {}
        case _:
            assert_never(finding.kind)


def _leaking_subsets(finding: Finding, known: _Known) -> Mapping[int, Subset]:
    """The subsets of its images in the newest split in which they are in more than one."""
    if finding.kind is not FindingKind.SUBSET_LEAK:
        return {}
    for members in known.subsets:
        own = {i: members[i] for i in finding.sample_ids if i in members}
        if len(set(own.values())) > 1:
            return own
    return {}


def _title(
    finding: Finding,
    images: Sequence[Sample],
    known: _Known,
    subsets: Mapping[int, Subset],
) -> str:
    """The finding in a few words; its message says it in full."""
    total = len(finding.sample_ids)
    names = known.dataset.class_names
    match finding.kind:
        case FindingKind.SUBSET_LEAK:
            places = len(set(subsets.values()))
            return f"{total} images in {places} subsets" if places else finding.message
        case FindingKind.LABEL_CONFLICT:
            labels = sorted({image_words.class_name(s, names) for s in images})
            return f"{total} images: {' or '.join(labels)}?"
        case FindingKind.SUSPECT_LABEL:
            other = known.samples.get(known.typical.get(finding.sample_ids[0], 0))
            if not images or other is None:
                return finding.message
            return f"{image_words.class_name(other, names)}?"
        case FindingKind.EXACT_DUPLICATE:
            return f"{total} identical files"
        case FindingKind.NEAR_DUPLICATE:
            return f"{total} look-alikes"
        case (
            FindingKind.FORMAT_LEAK
            | FindingKind.UNREADABLE
            | FindingKind.OUTLIER
            | FindingKind.UNFAMILIAR
            | FindingKind.CLASS_TOO_SMALL
            | FindingKind.CLASS_IMBALANCE
        ):
            return finding.message
        case _:
            assert_never(finding.kind)


def _actions(
    finding: Finding, dataset: Dataset, images: Sequence[Sample]
) -> tuple[list[Json], list[Json]]:
    """Buttons of a card, and its menu."""
    match finding.status:
        case FindingStatus.FIXED:
            return [], []
        case FindingStatus.IGNORED:
            request: Json = {"do": "reopen", "finding": finding.id}
            help_text = "Moves the finding back to the open ones."
            return [{"words": "Reopen", "key": "o", "help": help_text, "request": request}], []
        case FindingStatus.OPEN:
            options = choices_for(finding, dataset, images)
            if finding.kind not in (*_COMPARED_WITH_THEIR_CLASS, FindingKind.UNREADABLE):
                options.sort(key=lambda option: option.how in _LAST)
            listed = list(_options_as_json(finding, options))
            shown = min(_BUTTONS, max(1, sum(option.how not in _LAST for option in options)))
            return listed[:shown], listed[shown:]
        case _:
            assert_never(finding.status)


def _options_as_json(finding: Finding, options: Sequence[FixOption]) -> Iterator[Json]:
    labels = [option.label for option in options if option.label is not None]
    for option in options:
        words = FIX_WORDS[option.how]
        # The classes of a conflict have the keys 1, 2 and 3.
        key = words.key if option.label is None else str(labels.index(option.label) + 1)
        yield {
            "words": option.words,
            "key": key if len(key) == 1 else "",
            "help": words.help,
            "request": {
                "do": "fix",
                "finding": finding.id,
                "how": option.how.value,
                "label": option.label,
            },
        }
