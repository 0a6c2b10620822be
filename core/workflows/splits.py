"""Actions on splits."""

import shutil
from collections.abc import Mapping, Sequence

import numpy as np

from core.data.groups import groups_by_folder, groups_by_pattern
from core.data.quality import look_alike_groups
from core.data.similarity import connected, links_of_equal
from core.data.split import count_across, grouped_split, split_digest, stratified_split
from core.domain import (
    Dataset,
    LeakCertificate,
    QualityCheck,
    Sample,
    Split,
    Subset,
    new_id,
    utc_now,
)
from core.errors import SplitError, WorkspaceError
from core.store import datasets, jobs, quality, runs, splits
from core.store.database import connect, transaction
from core.workflows.datasets import checked_name
from core.workspace import Workspace

FLATTERY = 0.02  # a random split that promises this much more accuracy is called flattering


def create_split(
    workspace: Workspace,
    dataset_id: str,
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 42,
    name: str | None = None,
    group_by: str | None = None,
) -> Split:
    """Make and keep a stratified split with its leak certificate; existing ones are never touched.

    Args:
        workspace: where the data set lives.
        dataset_id: its id or name.
        fractions: train, validation, test.
        seed: the same seed gives the same split.
        name: of the split; else it is named by fractions and seed.
        group_by: what must stay on one side: `auto` (the look-alikes of the last quality check),
            `folder` (the folder below the class folder) or `regex:PATTERN` (its named group
            `group`, searched in the relative path); None keeps only equal files together.

    Raises:
        SplitError: if a class is too small, the fractions make no sense, or there are no groups.
        NameTakenError: if the data set has a split of this name.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        samples = datasets.samples_of(db, dataset.id)
        check = quality.load_check(db, dataset.id)
        groups = _groups(group_by, samples, dataset, check)
        subsets = (
            stratified_split(samples, dataset.class_names, fractions=fractions, seed=seed)
            if groups is None
            else grouped_split(samples, dataset.class_names, groups, fractions=fractions, seed=seed)
        )
        strategy = f"grouped by {group_by}" if group_by else "stratified"
        digest = split_digest(subsets, samples)
        taken = {split.name.lower() for split in splits.list_splits(db, dataset.id)}
        split = Split(
            id=new_id("split"),
            dataset_id=dataset.id,
            name=checked_name(name) if name else _free_name(fractions, seed, taken, group_by),
            strategy=strategy,
            seed=seed,
            fractions=fractions,
            digest=digest,
            created_at=utc_now(),
            version=dataset.version,
            certificate=_certificate(samples, subsets, groups, check, strategy, seed, digest),
        )
        with transaction(db):
            splits.insert_split(db, split, subsets)
    return split


def flattery_warning(check: QualityCheck | None) -> str | None:
    """What to say when a random split is chosen, or None where nothing speaks against it."""
    if check is None:
        return (
            "Nobody has looked for groups in this dataset yet: if parts were photographed several "
            "times, a random split promises more than the model can keep. Run the quality check."
        )
    if check.groups == 0:
        return None
    found = (
        f"{check.grouped_samples:,} pictures look like {check.groups:,} parts photographed several "
        "times; a random split puts pictures of one part on both sides"
    )
    if check.random_accuracy is None or check.grouped_accuracy is None:
        return f"{found}, and its result flatters."
    much = check.random_accuracy - check.grouped_accuracy >= FLATTERY
    return (
        f"{found}, {'and its result flatters' if much else 'which matters little here'}. "
        "An estimate, from the most similar training picture alone: "
        f"{check.random_accuracy:.0%} right with a random split, {check.grouped_accuracy:.0%} when "
        "groups stay together."
    )


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


def _groups(
    group_by: str | None, samples: Sequence[Sample], dataset: Dataset, check: QualityCheck | None
) -> dict[int, int] | None:
    """Sample id -> group number; equal files always share one. None: no groups were asked for."""
    if group_by is None:
        return None
    if group_by == "auto":
        if check is None:
            raise SplitError(
                "Nobody has looked for groups in this dataset yet.",
                "Run the quality check first: it finds pictures of the same part.",
            )
        return _found_groups(samples, check)
    kind, _, pattern = group_by.partition(":")
    if kind == "regex" and pattern:
        names = groups_by_pattern([s.path for s in samples], pattern)
    elif group_by == "folder":
        labels = [dataset.class_names[s.label] if s.label is not None else "" for s in samples]
        names = groups_by_folder([s.path for s in samples], labels)
    else:
        raise SplitError(
            f"Groups cannot be made by '{group_by}'.",
            "Use auto, folder, or regex: and a pattern with a named group (?P<group>…).",
        )
    links = links_of_equal(names), links_of_equal([s.sha256 for s in samples])
    return _by_id(samples, connected(len(samples), *links).tolist())


def _found_groups(samples: Sequence[Sample], check: QualityCheck) -> dict[int, int]:
    position = {s.id: i for i, s in enumerate(samples)}
    near = [(position[a], position[b]) for a, b in check.near_pairs]
    numbers = look_alike_groups(samples, np.array(near, np.int64).reshape(-1, 2))
    return _by_id(samples, numbers.tolist())


def _by_id(samples: Sequence[Sample], numbers: Sequence[int]) -> dict[int, int]:
    return {s.id: number for s, number in zip(samples, numbers, strict=True)}


def _certificate(
    samples: Sequence[Sample],
    subsets: Mapping[int, Subset],
    groups: Mapping[int, int] | None,
    check: QualityCheck | None,
    strategy: str,
    seed: int,
    digest: str,
) -> LeakCertificate:
    """Counted from the finished split, whatever made it."""
    if groups is None and check is not None:
        groups = _found_groups(samples, check)
    near_across = None if check is None else sum(
        a in subsets and b in subsets and subsets[a] is not subsets[b] for a, b in check.near_pairs
    )  # fmt: skip
    return LeakCertificate(
        groups_across=None if groups is None else count_across(subsets, groups),
        exact_across=count_across(subsets, {s.id: s.sha256 for s in samples}),
        near_across=near_across,
        strategy=strategy,
        seed=seed,
        digest=digest,
    )


def _free_name(
    fractions: tuple[float, float, float], seed: int, taken: set[str], group_by: str | None
) -> str:
    base = "/".join(f"{f * 100:g}" for f in fractions) + f" seed {seed}"
    base += f" by {group_by.partition(':')[0]}" if group_by else ""
    name, number = base, 2
    while name.lower() in taken:
        name, number = f"{base} ({number})", number + 1
    return name
