"""Actions on splits."""

import shutil

from core.data.split import split_digest, stratified_split
from core.domain import Dataset, Split, Subset, new_id, utc_now
from core.errors import SplitError, WorkspaceError
from core.store import datasets, jobs, runs, splits
from core.store.database import connect, transaction
from core.workflows.datasets import checked_name
from core.workspace import Workspace


def create_split(
    workspace: Workspace,
    dataset_id: str,
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 42,
    name: str | None = None,
) -> Split:
    """Make and keep a stratified split; existing ones are never touched.

    Raises:
        SplitError: if a class is too small or the fractions make no sense.
        NameTakenError: if the data set has a split of this name.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        samples = datasets.samples_of(db, dataset.id)
        subsets = stratified_split(samples, dataset.class_names, fractions=fractions, seed=seed)
        taken = {split.name.lower() for split in splits.list_splits(db, dataset.id)}
        split = Split(
            id=new_id("split"),
            dataset_id=dataset.id,
            name=checked_name(name) if name else _free_name(fractions, seed, taken),
            strategy="stratified",
            seed=seed,
            fractions=fractions,
            digest=split_digest(subsets, samples),
            created_at=utc_now(),
        )
        with transaction(db):
            splits.insert_split(db, split, subsets)
    return split


def list_splits(workspace: Workspace, dataset_id: str) -> list[Split]:
    """The splits of a data set, newest first."""
    with connect(workspace) as db:
        return splits.list_splits(db, dataset_id)


def find_split(workspace: Workspace, dataset_id: str, name_or_id: str | None) -> Split:
    """A split by name or id; the newest where none is named.

    Raises:
        SplitError: if the data set has none yet.
        NotFoundError: if it has none of this name.
    """
    with connect(workspace) as db:
        if name_or_id is not None:
            return splits.find_split(db, dataset_id, name_or_id)
        existing = splits.list_splits(db, dataset_id)
    if not existing:
        raise SplitError(
            "This dataset has not been split yet.",
            "Make a split first: it decides which pictures train the model and which judge it.",
        )
    return existing[0]


def subset_counts(
    workspace: Workspace, dataset: Dataset, split_id: str
) -> dict[Subset, dict[str, int]]:
    """Pictures per subset and class."""
    with connect(workspace) as db:
        return splits.subset_class_counts(db, dataset, split_id)


def delete_split(workspace: Workspace, split_id: str) -> None:
    """Remove a split and the runs that used it; models stay.

    Raises:
        WorkspaceError: if a training is using it.
    """
    with connect(workspace) as db:
        own_runs = {run.id for run in runs.list_runs(db) if run.split_id == split_id}
        if any(job.subject_id in own_runs for job in jobs.active_jobs(db)):
            raise WorkspaceError("A training is using this split.", "Stop it first.")
        splits.delete_split(db, split_id)
    for run_id in own_runs:
        shutil.rmtree(workspace.runs / run_id, ignore_errors=True)


def _free_name(fractions: tuple[float, float, float], seed: int, taken: set[str]) -> str:
    base = "/".join(f"{f * 100:g}" for f in fractions) + f" seed {seed}"
    name, number = base, 2
    while name.lower() in taken:
        name, number = f"{base} ({number})", number + 1
    return name
