"""Properties of files besides their pixels that tell the classes apart.

The size of a compressed file follows from its picture, and no network sees it: by itself it is only
a note. It counts as much as any other property where a class was also saved in another way.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath, PurePosixPath

import numpy as np

from core.data.pixels.saved import SavedAs
from core.domain.datasets import Sample
from core.domain.findings import Finding, FindingKind, Severity
from core.domain.names import normal_name
from core.words import joined

_LEAK_AT_LEAST = 10
_LEAK_PURITY = 0.95
_LEAK_CHANCE = 1e-3  # after correction for the number of values tried
_SIZE_BINS = 10

# Name of a property, and its value of a sample; None: unknown.
Property = tuple[str, Callable[[Sample], str | None]]


@dataclass(frozen=True)
class _Leak:
    """Images that share these properties, nearly all of one class; positions of samples."""

    images: tuple[int, ...]
    shared: tuple[str, ...]


def file_property_leaks(
    samples: Sequence[Sample],
    class_names: Sequence[str],
    known_folders: Collection[str],
    saved_as: Callable[[Sample], SavedAs],
) -> Iterator[Finding]:
    """Properties that nearly only one class has: serious ones, and file sizes as notes.

    Args:
        samples: of one dataset.
        class_names: by class index.
        known_folders: names of folders that are the source of the labels.
        saved_as: how a file was saved; asked only where sizes tell classes apart, as it reads.
    """
    labelled = [i for i, s in enumerate(samples) if s.label is not None]
    sizes = _leaking_sizes(samples, labelled)
    properties = list(_properties([samples[i] for i in labelled], known_folders))
    if sizes:
        properties += _ways_of_saving(samples, labelled, saved_as)
    leaks = _leaks(samples, labelled, properties)
    for leak in leaks:
        yield _serious(samples, class_names, leak)
    # Why: the PNG files of one class may also have their own size; one finding is enough.
    told = [set(leak.images) for leak in leaks]
    for images in sizes:
        if not any(set(images) <= others for others in told):
            yield _size_note(samples, class_names, images)


def _serious(samples: Sequence[Sample], class_names: Sequence[str], leak: _Leak) -> Finding:
    return Finding(
        FindingKind.FORMAT_LEAK,
        Severity.SERIOUS,
        f"{_how_many(samples, leak.images)} with {joined(list(leak.shared))} have the class "
        f"'{_class_of(samples, class_names, leak.images)}'. A model can learn this instead of the "
        "defect.",
        tuple(samples[i].id for i in leak.images),
    )


def _size_note(
    samples: Sequence[Sample], class_names: Sequence[str], images: Sequence[int]
) -> Finding:
    sizes = [samples[i].file_size for i in images]
    least, most = min(sizes), max(sizes)
    span = f"{least:,} to {most:,}" if least < most else f"{least:,}"
    return Finding(
        FindingKind.FORMAT_LEAK,
        Severity.NOTE,
        f"{_how_many(samples, images)} with a file size of {span} bytes have the class "
        f"'{_class_of(samples, class_names, images)}'. A model sees pixels, not file sizes. It "
        "matters only if this class was saved with another quality or by another program.",
        tuple(samples[i].id for i in images),
    )


def _how_many(samples: Sequence[Sample], images: Sequence[int]) -> str:
    _, hits = _commonest(samples, images)
    share = "All" if hits == len(images) else f"{hits:,} of"
    return f"{share} {len(images):,} images"


def _class_of(samples: Sequence[Sample], class_names: Sequence[str], images: Sequence[int]) -> str:
    label, _ = _commonest(samples, images)
    return class_names[label or 0]


def _commonest(samples: Sequence[Sample], images: Sequence[int]) -> tuple[int | None, int]:
    return Counter(samples[i].label for i in images).most_common(1)[0]


def _leaks(
    samples: Sequence[Sample], labelled: Sequence[int], properties: Sequence[Property]
) -> list[_Leak]:
    totals = Counter(samples[i].label for i in labelled)
    shared_by: dict[tuple[int, ...], list[str]] = defaultdict(list)  # members -> shared properties
    for name, value_of in properties:
        by_value: dict[str, list[int]] = defaultdict(list)
        for i in labelled:
            value = value_of(samples[i])
            if value is not None:
                by_value[value].append(i)
        for value, members in sorted(by_value.items()):
            if len(by_value) > 1 and _predicts_class(samples, members, totals, len(by_value)):
                shared_by[tuple(members)].append(f"{name} {value}")
    return [
        _Leak(images, tuple(shared))
        for images, shared in shared_by.items()
        if not any(set(images) < set(others) for others in shared_by)
    ]


def _leaking_sizes(samples: Sequence[Sample], labelled: Sequence[int]) -> list[tuple[int, ...]]:
    """Images in a range of file sizes that are of nearly one class; neighboring ranges joined."""
    sizes = [samples[i].file_size for i in labelled]
    edges = np.unique(np.quantile(sizes or [0], np.linspace(0, 1, _SIZE_BINS + 1)))
    if len(edges) <= _SIZE_BINS // 2:
        return []
    places = np.clip(np.searchsorted(edges, sizes, side="right"), 1, len(edges) - 1).tolist()
    ranges: list[list[int]] = []
    last: int | None = None  # the class of the range before; None: it has several
    for place in sorted(set(places)):
        members = [i for i, own in zip(labelled, places, strict=True) if own == place]
        label, hits = _commonest(samples, members)
        label = label if hits >= _LEAK_PURITY * len(members) else None
        if ranges and label is not None and label == last:
            ranges[-1] += members
        else:
            ranges.append(members)
        last = label
    totals = Counter(samples[i].label for i in labelled)
    tried = len(edges) * (len(edges) - 1) // 2  # so many ranges can be joined of neighbors
    return [
        tuple(sorted(members))
        for members in ranges
        if _predicts_class(samples, members, totals, tried)
    ]


def _predicts_class(
    samples: Sequence[Sample], members: Sequence[int], totals: Mapping[int | None, int], tried: int
) -> bool:
    """Whether nearly all of these images have the same class, and not by chance."""
    from scipy.stats import binom

    label, hits = _commonest(samples, members)
    if len(members) < _LEAK_AT_LEAST or hits < _LEAK_PURITY * len(members):
        return False
    share = totals[label] / sum(totals.values())
    return bool(binom.sf(hits - 1, len(members), share) * tried <= _LEAK_CHANCE)


def _properties(samples: Sequence[Sample], known_folders: Collection[str]) -> Iterator[Property]:
    """Properties of files besides their pixels and their size."""
    yield "file extension", lambda s: PurePosixPath(s.path).suffix.lower() or "none"
    yield "file format", lambda s: s.format
    yield "image size", lambda s: f"{s.width} × {s.height}"
    yield "color mode", lambda s: "gray" if s.mode == "L" else "color"
    yield from _folder_levels(samples, known_folders)


def _ways_of_saving(
    samples: Sequence[Sample], labelled: Sequence[int], saved_as: Callable[[Sample], SavedAs]
) -> Iterator[Property]:
    saved = {samples[i].id: saved_as(samples[i]) for i in labelled}
    yield "JPEG quality", lambda s: _text(saved[s.id].jpeg_quality)
    if any(way.program for way in saved.values()):
        yield "program", lambda s: saved[s.id].program or "not named"


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _folder_levels(samples: Sequence[Sample], known_folders: Collection[str]) -> Iterator[Property]:
    """Folder levels below the source, without the level of the class folders."""
    classes = {normal_name(name).casefold() for name in known_folders}
    parents = {PurePath(s.name).parent.parts for s in samples if not PurePath(s.name).is_absolute()}
    for level in range(max((len(parts) for parts in parents), default=0)):
        names = {normal_name(parts[level]).casefold() for parts in parents if len(parts) > level}
        if len(names) > 1 and not names & classes:
            yield "folder", partial(_folder_at, level)


def _folder_at(level: int, sample: Sample) -> str | None:
    parts = PurePosixPath(sample.name).parent.parts
    return parts[level] if len(parts) > level else None
