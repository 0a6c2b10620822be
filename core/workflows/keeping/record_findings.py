"""The quality findings that rows of the record are about, in words."""

from collections.abc import Iterable, Mapping

from sqlite_utils import Database

from core.domain.datasets import Dataset, Sample
from core.domain.findings import NAMED_IMAGES, Finding, FindingKind, first_images
from core.domain.record import RecordedAction, RecordRow
from core.store import datasets, quality
from core.workflows.keeping.record_values import items_of, values_of

_OF_A_CLASS = (FindingKind.CLASS_TOO_SMALL, FindingKind.FORMAT_LEAK)


def findings_in_words(db: Database, rows: Iterable[RecordRow]) -> dict[str, str]:
    """Key of a finding -> what it is and of which images or class; keys of gone ones are missing.

    Such as "likely mislabeled image, good/0012.png"; "small class, crack".
    """
    dataset_ids = {
        str(values_of(row.new).get("finding")): row.subject
        for row in rows
        if row.action == RecordedAction.FINDING_SETTLED
    }
    if not dataset_ids:
        return {}
    findings = quality.findings_of_keys(db, ((owner, key) for key, owner in dataset_ids.items()))
    shown = {i for finding in findings.values() for i in finding.sample_ids[:NAMED_IMAGES]}
    samples = {sample.id: sample for sample in datasets.samples_by_id(db, sorted(shown))}
    by_id = {dataset.id: dataset for dataset in datasets.list_datasets(db)}
    return {
        key: _in_words(finding, samples, by_id[dataset_ids[key]])
        for key, finding in findings.items()
    }


def settled_in_words(values: Mapping[str, object]) -> str:
    """What a row says of its finding by itself; empty where an earlier version wrote the row."""
    kind = str(values.get("kind"))
    if kind not in set(FindingKind):
        return ""
    images = [str(name) for name in items_of(values.get("images"))]
    return _words(FindingKind(kind), images, values.get("image_count"), values.get("class"))


def _in_words(finding: Finding, samples: Mapping[int, Sample], dataset: Dataset) -> str:
    images = [samples[i] for i in finding.sample_ids[:NAMED_IMAGES] if i in samples]
    label = images[0].label if images else None
    class_name = None if label is None else dataset.class_names[label]
    names = [image.name for image in images]
    return _words(finding.kind, names, len(finding.sample_ids), class_name)


def _words(kind: FindingKind, images: list[str], image_count: object, class_name: object) -> str:
    if not images:
        return kind.words
    if kind in _OF_A_CLASS and class_name is not None:
        return f"{kind.words}, {class_name}"
    total = image_count if isinstance(image_count, int) else len(images)
    return f"{kind.words}, {first_images(images, total)}"
