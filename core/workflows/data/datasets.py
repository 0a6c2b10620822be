"""Actions on datasets: import, find images, rename, delete."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.importing.listing import plan_import
from core.data.importing.rules import ImportRules, rules_as_dict
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import (
    Dataset,
    LabelSource,
    Orientation,
    Sample,
    SampleFilter,
    SampleOrder,
)
from core.domain.ids import new_id
from core.domain.jobs import Job, JobKind
from core.domain.keeping.bin import BinKind, Binned
from core.domain.names import normal_name
from core.domain.splits import Subset
from core.errors import ConfigError, NameTakenError, NotFoundError, WorkspaceError
from core.store import datasets, jobs, properties, runs
from core.store.database import connect, transaction
from core.words import count
from core.workflows import jobs as job_actions
from core.workflows.keeping import bin as bins
from core.workspace import Workspace, allowed_import_path

MAX_NAME = 100


def start_import(
    workspace: Workspace,
    source: Path,
    name: str,
    rules: ImportRules | LabelSource,
    *,
    consume: bool = False,
    shown_source: str | None = None,
) -> Job:
    """Queue the import of a folder or ZIP file as a new dataset.

    Args:
        workspace: where the dataset will live.
        source: folder or `.zip` on this machine.
        name: of the new dataset.
        rules: where classes come from and what is kept; a label source alone leaves the rest open.
        consume: the source is an upload: its images move into the workspace.
        shown_source: what to show as the source, if the path means nothing to the user.

    Raises:
        NameTakenError: if the name is taken.
        ImportSourceError: if the source cannot be imported.
    """
    clean = checked_name(name)
    with connect(workspace) as db:
        if datasets.dataset_name_taken(db, clean):
            raise NameTakenError(
                f"A dataset named '{clean}' already exists.",
                "Choose another name, or delete the existing dataset first.",
            )
    payload = _import_payload(workspace, source, rules, consume=consume, shown_source=shown_source)
    return job_actions.submit(
        workspace, JobKind.IMPORT, new_id("ds"), {**payload, "name": clean, "into": None}
    )


def start_adding(
    workspace: Workspace,
    source: Path,
    dataset: str,
    rules: ImportRules | LabelSource,
    *,
    keep_duplicates: bool = False,
    consume: bool = False,
    shown_source: str | None = None,
) -> Job:
    """Queue the import of more images into a dataset, as its next version.

    Its classes keep their positions and verdicts, new ones are appended; a split that comes with
    the images is not kept, since a split covers a whole version.

    Args:
        workspace: where the dataset lives.
        source: folder or `.zip` on this machine.
        dataset: name or id.
        rules: see `start_import`.
        keep_duplicates: also add images that the dataset already has, byte for byte.
        consume: see `start_import`.
        shown_source: see `start_import`.

    Raises:
        NotFoundError: if there is no such dataset.
        ImportSourceError: if the source cannot be imported.
    """
    target = find_dataset(workspace, dataset)
    payload = _import_payload(
        workspace, source, rules, consume=consume, shown_source=shown_source, into=target
    )
    more = {"name": target.name, "into": target.id, "keep_duplicates": keep_duplicates}
    return job_actions.submit(workspace, JobKind.IMPORT, new_id("add"), {**payload, **more})


def _import_payload(
    workspace: Workspace,
    source: Path,
    rules: ImportRules | LabelSource,
    *,
    consume: bool,
    shown_source: str | None,
    into: Dataset | None = None,
) -> dict[str, object]:
    """What the worker needs; raises early if the source cannot be imported."""
    path = allowed_import_path(source, uploads=workspace.uploads)
    all_rules = rules if isinstance(rules, ImportRules) else ImportRules(rules)
    known = () if into is None else into.class_names
    plan_import(path, all_rules, adding=into is not None, known_classes=known)
    return {
        "source": str(path),
        "rules": rules_as_dict(all_rules),
        "consume": consume,
        "shown_source": shown_source or str(path),
    }


def checked_name(name: str) -> str:
    """A name without control characters and outer blanks.

    Raises:
        ConfigError: if it is empty or too long.
    """
    clean = normal_name(name)
    if not 0 < len(clean) <= MAX_NAME:
        raise ConfigError(
            "The name is empty or too long.", f"Enter a name of 1 to {MAX_NAME} characters."
        )
    return clean


def list_datasets(workspace: Workspace) -> list[Dataset]:
    """All datasets, newest first."""
    with connect(workspace) as db:
        return datasets.list_datasets(db)


def find_dataset(workspace: Workspace, name_or_id: str) -> Dataset:
    """The dataset of this id or name.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        return datasets.find_dataset(db, name_or_id)


def class_counts(workspace: Workspace, dataset: Dataset) -> dict[str, int]:
    """Images per class, in class order."""
    with connect(workspace) as db:
        return datasets.class_counts(db, dataset)


def samples(
    workspace: Workspace,
    dataset_id: str,
    *,
    label: int | None = None,
    split_id: str | None = None,
    subset: Subset | None = None,
    text: str = "",
    limit: int = -1,
    offset: int = 0,
) -> tuple[list[Sample], int]:
    """A page of samples by class, subset and part of the name, and their total number."""
    chosen = SampleFilter(label=label, split_id=split_id, subset=subset, text=text)
    return find_images(workspace, dataset_id, chosen, limit=limit, offset=offset)


def find_images(
    workspace: Workspace,
    dataset_id: str,
    chosen: SampleFilter,
    *,
    order: SampleOrder = SampleOrder.IMPORT,
    descending: bool = False,
    limit: int = -1,
    offset: int = 0,
) -> tuple[list[Sample], int]:
    """A page of the samples that match a filter, sorted, and their total number."""
    with connect(workspace) as db:
        total = datasets.count_samples(db, dataset_id, chosen)
        page = datasets.samples_of(
            db, dataset_id, chosen, order=order, descending=descending, limit=limit, offset=offset
        )
    return page, total


def count_images(workspace: Workspace, dataset_id: str, chosen: SampleFilter) -> int:
    """Number of samples that match a filter."""
    with connect(workspace) as db:
        return datasets.count_samples(db, dataset_id, chosen)


def find_samples(workspace: Workspace, ids: Iterable[int]) -> list[Sample]:
    """The samples with these ids, in this order."""
    with connect(workspace) as db:
        return datasets.samples_by_id(db, list(ids))


def ids_of_names(workspace: Workspace, dataset_id: str, names: Iterable[str]) -> dict[str, int]:
    """Name (path below the source) -> sample id, of images in use or excluded.

    Raises:
        NotFoundError: if there is no such image, or more than one.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        ids_by_name = datasets.ids_of_names(db, dataset.id, list(dict.fromkeys(names)))
    for name, ids in ids_by_name.items():
        if len(ids) != 1:
            raise NotFoundError(
                f"This dataset has {count(len(ids), 'image')} with the name '{name}'."
                if ids
                else f"This dataset has no image with the name '{name}'.",
                "Give the path below the imported folder, as in an exported table.",
            )
    return {name: ids[0] for name, ids in ids_by_name.items()}


def rename_dataset(workspace: Workspace, dataset_id: str, name: str) -> None:
    """Give a dataset another name.

    Raises:
        NameTakenError: if it is taken.
    """
    with connect(workspace) as db:
        datasets.rename_dataset(db, dataset_id, checked_name(name))


@dataclass(frozen=True)
class DeletedWith:
    """What goes with a dataset, in numbers; its models stay, without their results."""

    splits: int
    runs: int
    searches: int
    models: int
    marked_images: int
    uploaded: bool  # its images are in the workspace only


def deleted_with(workspace: Workspace, dataset_id: str) -> DeletedWith:
    """What deleting a dataset would take along.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        counts = datasets.count_dependents(db, dataset.id)
    folder = workspace.uploads / dataset.id
    return DeletedWith(*counts, uploaded=folder.is_dir())


def delete_dataset(workspace: Workspace, dataset_id: str) -> Binned:
    """Put a dataset with its splits, runs and searches into the bin; models and own files stay.

    Raises:
        NotFoundError: if there is none.
        WorkspaceError: if a job is using it.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        users = runs.ids_using(db, dataset_id=dataset.id)
        if any(job.subject_id in users for job in jobs.active_jobs(db)):
            raise WorkspaceError(
                f"A run or search is using the dataset '{dataset.name}'.", "Stop it first."
            )
    item = bins.put(
        workspace,
        BinKind.DATASET,
        dataset.id,
        folders=[
            workspace.uploads / dataset.id,
            *(workspace.run_folder(run_id) for run_id in users),
        ],
        delete=lambda db: datasets.delete_dataset(db, dataset.id),
    )
    for caches in (workspace.pixels, workspace.features):
        for folder in caches.glob(f"{dataset.id}-*"):
            shutil.rmtree(folder, ignore_errors=True)
    return item


def saved_preprocess(workspace: Workspace, dataset_id: str) -> PreprocessConfig | None:
    """The preprocessing chosen for a dataset, if any."""
    with connect(workspace) as db:
        return properties.saved_preprocess(db, dataset_id)


def save_preprocess(workspace: Workspace, dataset_id: str, config: PreprocessConfig | None) -> None:
    """Save the preprocessing for runs on this dataset; None: that of the network.

    Gray levels as measured are not saved: images that are added later may change them.
    """
    with connect(workspace) as db, transaction(db):
        depth = datasets.find_dataset(db, dataset_id).depth
        if config is not None and depth is not None and config.levels == depth.levels:
            config = replace(config, black_level=0.0, white_level=0.0)
        properties.save_preprocess(db, dataset_id, config)


def orientation_of(workspace: Workspace, dataset_id: str) -> Orientation:
    """What was answered about a dataset.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    with connect(workspace) as db:
        return properties.saved_orientation(db, datasets.find_dataset(db, dataset_id).id)


def save_orientation(workspace: Workspace, dataset_id: str, answers: Orientation) -> None:
    """Keep the answers; runs that exist keep the settings that they have.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    with connect(workspace) as db, transaction(db):
        properties.save_orientation(db, datasets.find_dataset(db, dataset_id).id, answers)
