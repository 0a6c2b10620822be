"""The JSON of datasets and their versions."""

from core.api.values import JsonObject
from core.domain.datasets import Dataset, DatasetVersion, Orientation
from core.workflows.data import datasets
from core.workflows.data.versions import VersionComparison
from core.workspace import Workspace


def dataset_as_json(dataset: Dataset) -> JsonObject:
    """A dataset as the list shows it."""
    return {
        "dataset_id": dataset.id,
        "name": dataset.name,
        "samples": dataset.sample_count,
        "classes": list(dataset.class_names),
        "gray_levels": None
        if dataset.levels is None
        else {"black": dataset.levels.black, "white": dataset.levels.white},
    }


def imported_as_json(workspace: Workspace, dataset: Dataset) -> JsonObject:
    """A dataset with the images of each class and the files that were left out."""
    return {
        **dataset_as_json(dataset),
        "classes": datasets.class_counts(workspace, dataset),
        "skipped": [{"path": item.path, "reason": item.reason} for item in dataset.skipped],
    }


def orientation_as_json(dataset_id: str, answers: Orientation) -> JsonObject:
    """Whether flipped and turned parts are the same part; None where it was not answered."""
    return {
        "dataset_id": dataset_id,
        "flip_horizontal": answers.flip_horizontal,
        "flip_vertical": answers.flip_vertical,
        "any_rotation": answers.rotate_quarter,
    }


def classes_as_json(workspace: Workspace, dataset: Dataset) -> JsonObject:
    """Images and verdict of each class; classes without a verdict have none."""
    verdicts = zip(dataset.class_names, dataset.verdicts, strict=True)
    return {
        "dataset_id": dataset.id,
        "version": dataset.version,
        "classes": datasets.class_counts(workspace, dataset),
        "verdicts": {name: verdict.value for name, verdict in verdicts if verdict},
    }


def version_as_json(version: DatasetVersion) -> JsonObject:
    """A version as the list shows it."""
    return {
        "version": version.number,
        "action": version.action.value,
        "summary": version.summary,
        "samples": version.sample_count,
        "classes": list(version.class_names),
        "digest": version.digest,
        "undoes": version.undoes,
    }


def version_comparison_as_json(comparison: VersionComparison) -> JsonObject:
    """How many images changed in which way between two versions."""
    return {
        "older": comparison.older.number,
        "newer": comparison.newer.number,
        **{kind.value: count for kind, count in comparison.counts.items()},
        "classes_before": list(comparison.classes_before),
        "classes_after": list(comparison.classes_after),
    }
