"""The quality findings that rows of the record are about, in words, as far as they still exist."""

from collections.abc import Iterable, Mapping

from sqlite_utils import Database

from core.domain.datasets import Dataset, Sample
from core.domain.findings import Finding, FindingKind
from core.domain.record import RecordedAction, RecordRow
from core.store import datasets, quality
from core.workflows.keeping.record_values import values_of

_NAMED = 2  # images of a finding that are named
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
    shown = {i for finding in findings.values() for i in finding.sample_ids[:_NAMED]}
    samples = {sample.id: sample for sample in datasets.samples_by_id(db, sorted(shown))}
    by_id = {dataset.id: dataset for dataset in datasets.list_datasets(db)}
    return {
        key: _in_words(finding, samples, by_id[dataset_ids[key]])
        for key, finding in findings.items()
    }


def _in_words(finding: Finding, samples: Mapping[int, Sample], dataset: Dataset) -> str:
    images = [samples[i] for i in finding.sample_ids[:_NAMED] if i in samples]
    if not images:
        return finding.kind.words
    label = images[0].label
    if finding.kind in _OF_A_CLASS and label is not None:
        return f"{finding.kind.words}, {dataset.class_names[label]}"
    rest = len(finding.sample_ids) - len(images)
    more = f" and {rest:,} more" if rest else ""
    return f"{finding.kind.words}, {', '.join(image.name for image in images)}{more}"
