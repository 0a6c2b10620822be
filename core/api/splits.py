"""The JSON of splits and of their certificates."""

import json

from core.api.values import JsonObject
from core.data.quality.similarity import LOOK_ALIKES
from core.data.small_classes import class_gaps
from core.domain.datasets import Dataset
from core.domain.splits import Split
from core.workflows.data import certificates, datasets
from core.workflows.data.split_words import strategy_text
from core.workspace import Workspace


def split_as_json(workspace: Workspace, dataset: Dataset, split: Split) -> JsonObject:
    """A split with today's counts of its sides and classes, and what leaks between them."""
    certificate = split.certificate
    assert certificate is not None
    counts = certificates.side_counts(workspace, dataset, split)
    return {
        "split_id": split.id,
        "name": split.name,
        "strategy": strategy_text(split),
        "counts": certificates.counts_by_name(counts),
        "class_gaps": [
            {"class": gap.class_name, "images": gap.images, "missing": list(gap.missing)}
            for gap in class_gaps(counts)
        ],
        "certificate": {
            "groups_across": certificate.groups_across,
            "exact_across": certificate.exact_across,
            "near_across": certificate.near_across,
        },
        "folds": split.folds,
        "sealed": split.sealed,
        "kept_out": certificate.kept_out,
        "digest": split.digest,
        "dataset_version": split.version,
    }


def certificate_as_json(workspace: Workspace, split: Split) -> JsonObject:
    """All that a certificate says; counts are those of the day the split was made."""
    dataset = datasets.find_dataset(workspace, split.dataset_id)
    version, counts = certificates.counts_when_made(workspace, split)
    certificate = split.certificate
    return {
        "dataset": dataset.name,
        "dataset_version": split.version,
        "dataset_digest": version.digest,
        "split": split.name,
        "split_id": split.id,
        "split_digest": split.digest,
        "strategy": strategy_text(split),
        "seed": split.seed,
        "folds": split.folds,
        "test_sealed": split.sealed,
        "counts": certificates.counts_by_name(counts),
        "groups_across": certificate.groups_across if certificate else None,
        "exact_across": certificate.exact_across if certificate else None,
        "near_across": certificate.near_across if certificate else None,
        "kept_out": certificate.kept_out if certificate else 0,
        "clean": bool(certificate and certificate.is_clean),
        "made_at": split.created_at,
        "look_alikes_checked_at": certificate.checked_at if certificate else None,
        "look_alikes_are": LOOK_ALIKES,
    }


def certificate_text(workspace: Workspace, split: Split) -> str:
    """The certificate as JSON text, to copy into a report."""
    return json.dumps(certificate_as_json(workspace, split), indent=2, ensure_ascii=False)
