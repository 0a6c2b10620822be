"""Actions on splits: make, seal, list, delete."""

from collections.abc import Sequence
from dataclasses import replace

from core.data.small_classes import ClassGap, class_gaps
from core.data.split_request import USUAL_FRACTIONS, Counts, Fractions, SplitRequest
from core.domain.datasets import Dataset, Sample
from core.domain.findings import QualityCheck
from core.domain.ids import new_id, utc_now
from core.domain.keeping.bin import BinKind, Binned
from core.domain.names import name_key
from core.domain.splits import (
    Grouping,
    GroupKind,
    OrderBy,
    SmallClasses,
    Split,
    SplitSide,
    Subset,
    grouping_of,
)
from core.errors import SplitError, WorkspaceError
from core.store import datasets, jobs, runs, searches, splits
from core.store.database import connect, transaction
from core.words import count
from core.workflows.data.certificates import (
    check_covering,
    side_counts,
)
from core.workflows.data.datasets import checked_name
from core.workflows.data.split_plans import SplitPlan, ids_in_test, plan_split
from core.workflows.data.split_words import usual_name
from core.workflows.keeping import bin as bins
from core.workspace import Workspace

FLATTERY = 0.02  # a random split that promises this much more accuracy is warned of


def store_split(
    workspace: Workspace, plan: SplitPlan, *, name: str | None = None, seal: bool = False
) -> Split:
    """Keep a planned split; existing ones are never touched.

    Args:
        workspace: where the dataset lives.
        plan: what `plan_split` gave.
        name: of the split; else it is named by the request.
        seal: lock its test set for later splits of this version.

    Raises:
        SplitError: if the dataset changed since, or there is no test set to seal.
        NameTakenError: if the dataset has a split of this name.
    """
    request, dataset = plan.request, plan.dataset
    if seal and Subset.TEST not in plan.division.subsets.values():
        raise SplitError("There are no test images to seal.", "Give the test set a share.")
    with connect(workspace) as db, transaction(db):
        _refuse_changed(
            plan,
            datasets.find_dataset(db, dataset.id),
            splits.sealed_split(db, dataset.id, dataset.version),
        )
        taken = {name_key(split.name) for split in splits.list_splits(db, dataset.id)}
        split = Split(
            id=new_id("split"),
            dataset_id=dataset.id,
            name=checked_name(name) if name else _free_name(request, taken),
            strategy=request.strategy,
            seed=request.seed,
            fractions=plan.shares,
            digest=plan.certificate.digest,
            created_at=utc_now(),
            certificate=plan.certificate,
            version=dataset.version,
            folds=request.folds,
            sealed=seal or plan.sealed_by is not None,
        )
        splits.insert_split(db, split, plan.division.subsets, plan.division.folds)
    return split


def create_split(
    workspace: Workspace,
    dataset_id: str,
    *,
    fractions: Fractions = USUAL_FRACTIONS,
    seed: int = 42,
    name: str | None = None,
    group_by: str | None = None,
    order_by: OrderBy | None = None,
    counts: Counts | None = None,
    per_class: bool = False,
    folds: int = 0,
    seal: bool = False,
    keep_test: str = "",
    small_classes: SmallClasses = SmallClasses.TRAIN,
) -> Split:
    """Plan a split and keep it, with its leak certificate.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        fractions: train, validation, test; with folds only the share of test counts.
        seed: the same seed gives the same split.
        name: of the split; else it is named by fractions and seed.
        group_by: what must stay on one side: `auto` (the look-alikes of the last quality check),
            `folder` (the folder below the class folder), `column` (the stored group),
            `attribute:NAME` (a further table column) or `regex:PATTERN` (its named group `group`,
            searched in the path below the source); None keeps only equal files together.
        order_by: the oldest train and the newest test; None: by chance.
        counts: images of train, validation, test instead of fractions.
        per_class: `counts` holds for every class.
        folds: 0, or the number of folds.
        seal: lock its test set for later splits of this version.
        keep_test: name or id of a split whose test set is kept, such as one that came with the
            images; only the other images are divided.
        small_classes: what becomes of a class with too few images for every subset.

    Raises:
        SplitError: if every class is too small, the request is not possible, or no groups exist.
        NameTakenError: if the dataset has a split of this name.
    """
    grouping = grouping_of(group_by) if group_by is not None else None
    request = SplitRequest(
        fractions,
        seed,
        grouping,
        order_by,
        counts,
        per_class,
        folds,
        keep_test=keep_test,
        small_classes=small_classes,
    )
    plan = plan_split(workspace, dataset_id, request)
    return store_split(workspace, plan, name=name, seal=seal)


def needs_check(workspace: Workspace, dataset_id: str) -> bool:
    """Whether some images of today are not covered by the last quality check."""
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        samples = [s for s in datasets.samples_of(db, dataset.id) if s.label is not None]
        return check_covering(db, dataset.id, samples)[0] is None


def seal_test(workspace: Workspace, split_id: str) -> Split:
    """Lock the test set of a split: later splits of this version of the dataset keep it.

    There is no way back; another version of the dataset is free again.

    Raises:
        SplitError: if it has no test images, belongs to an earlier version, or another test set
            of this version is sealed.
    """
    with connect(workspace) as db, transaction(db):
        split = splits.split_by_id(db, split_id)
        version = datasets.find_dataset(db, split.dataset_id).version
        test = ids_in_test(splits.split_members(db, split.id))
        if not test:
            raise SplitError(
                f"The split '{split.name}' has no test images to seal.",
                "Make a split with a test set.",
            )
        if split.version != version:
            raise SplitError(
                f"The split '{split.name}' was made for version {split.version} of the dataset; "
                f"today it is version {version}.",
                "Make a new split like this one and seal that.",
            )
        other = splits.sealed_split(db, split.dataset_id, version)
        if other and ids_in_test(splits.split_members(db, other.id)) != test:
            raise SplitError(
                f"The test set of '{other.name}' is sealed for this version already, and this one "
                "is another.",
                "Make a new split: it keeps the sealed test set.",
            )
        splits.seal_split(db, split.id)
    return replace(split, sealed=True)


def sealed_split(workspace: Workspace, dataset: Dataset) -> Split | None:
    """The split whose test set is sealed for this version of the dataset, if there is one."""
    with connect(workspace) as db:
        return splits.sealed_split(db, dataset.id, dataset.version)


def groupings(workspace: Workspace, dataset_id: str) -> list[Grouping]:
    """The groupings that can work for a dataset, besides patterns; the best first."""
    with connect(workspace) as db:
        grouped, names = splits.grouping_facts(db, dataset_id)
    return [
        Grouping(GroupKind.LOOK_ALIKES),
        Grouping(GroupKind.FOLDER),
        *([Grouping(GroupKind.COLUMN)] if grouped else []),
        *(Grouping(GroupKind.ATTRIBUTE, name) for name in names),
    ]


def flattery_warning(check: QualityCheck | None) -> str | None:
    """What to say when a random split is chosen, or None where nothing speaks against it."""
    if check is None:
        return (
            "This dataset has not been checked for look-alikes: if parts were photographed several "
            "times, results on a random split are too good. Run the quality check."
        )
    if check.groups == 0:
        return None
    each = "each group shows" if check.groups > 1 else "they show"
    share = (
        f"{check.grouped_samples:,} images form {count(check.groups, 'group')} of look-alikes. If "
        f"{each} one part, a random split would test on parts that it trained on"
    )
    gap = flattery(check)
    if gap is None:
        return f"{share} and make results look better than they are."
    if gap < FLATTERY:
        return f"{share}, which makes little difference here."
    return f"{share} and make results look better than they are, by about {100 * gap:.0f} points."


def why_not_random(check: QualityCheck | None) -> str | None:
    """By how much a random split would have lied, in one line; None where it would not have."""
    gap = flattery(check) if check is not None and check.groups else None
    if check is None or gap is None or gap < FLATTERY:
        return None
    return (
        f"A random split would have overstated accuracy by about {100 * gap:.0f} points: "
        f"{check.grouped_samples:,} images look alike."
    )


def flattery(check: QualityCheck) -> float | None:
    """How much more accuracy a random split promises than one that keeps look-alikes together.

    In [-1, 1], measured with the nearest neighbor of each image; None: not measured.
    """
    if check.random_accuracy is None or check.grouped_accuracy is None:
        return None
    return check.random_accuracy - check.grouped_accuracy


def list_splits(workspace: Workspace, dataset_id: str) -> list[Split]:
    """The splits of a dataset, newest first."""
    with connect(workspace) as db:
        return splits.list_splits(db, dataset_id)


def find_split(workspace: Workspace, dataset_id: str, name_or_id: str | None) -> Split:
    """A split by name or id; the newest where none is named.

    Raises:
        SplitError: if the dataset has none yet; with the reason where the usual one is impossible.
        NotFoundError: if it has none of this name.
    """
    with connect(workspace) as db:
        if name_or_id is not None:
            return splits.find_split(db, dataset_id, name_or_id)
        existing = splits.list_splits(db, dataset_id)
    if not existing:
        raise _not_split(workspace, dataset_id)
    return existing[0]


def _not_split(workspace: Workspace, dataset_id: str) -> SplitError:
    """That there is no split yet, and what to do: make one, or make one possible."""
    words = "This dataset has not been split yet"
    try:
        plan_split(workspace, dataset_id, SplitRequest())
    except SplitError as err:
        # Why not "make a split first": that was refused, or will be, with these words.
        return SplitError(f"{words}, and the usual split is not possible. {err.message}", err.hint)
    return SplitError(
        f"{words}.",
        "Make a split first: it decides which images train the model and which judge it.",
    )


def subset_counts(
    workspace: Workspace, dataset: Dataset, split_id: str
) -> dict[Subset, dict[str, int]]:
    """Images per subset and class; of a split with folds, fold 1 is validation."""
    with connect(workspace) as db:
        found = splits.place_class_counts(db, split_id)
    counts = {subset: dict.fromkeys(dataset.class_names, 0) for subset in Subset}
    for (subset, _), labels in found.items():
        for label, n in labels.items():
            counts[subset][dataset.class_names[label]] += n
    return counts


def gaps(workspace: Workspace, dataset: Dataset, split: Split) -> list[ClassGap]:
    """The classes that subsets of a split lack, by the images and labels of today."""
    return class_gaps(side_counts(workspace, dataset, split))


def images_of_side(
    workspace: Workspace,
    split: Split,
    side: SplitSide,
    *,
    label: int | None = None,
    limit: int = -1,
    offset: int = 0,
) -> tuple[list[Sample], int]:
    """A page of the images of a side, and how many there are in all."""
    fold = side.fold
    subset = side.subset if fold is None else None
    with connect(workspace) as db:
        ids, total = splits.samples_in_place(
            db, split.id, subset=subset, fold=fold, label=label, limit=limit, offset=offset
        )
        return datasets.samples_by_id(db, ids), total


def subsets_of(
    workspace: Workspace, dataset_id: str, sample_ids: Sequence[int]
) -> list[dict[int, Subset]]:
    """For each split, newest first: the subsets of some images; without images it does not use."""
    with connect(workspace) as db:
        return list(splits.subsets_of_samples(db, dataset_id, sample_ids).values())


def use_count(workspace: Workspace, split_id: str) -> tuple[int, int]:
    """How many runs and searches used a split; they are deleted with it."""
    with connect(workspace) as db:
        return (
            sum(run.split_id == split_id for run in runs.list_runs(db)),
            sum(search.split_id == split_id for search in searches.list_searches(db)),
        )


def delete_split(workspace: Workspace, split_id: str) -> Binned:
    """Put a split and the runs and searches that used it into the bin; models stay.

    Raises:
        WorkspaceError: if a training is using it.
    """
    with connect(workspace) as db:
        users = runs.ids_using(db, split_id=split_id)
        if any(job.subject_id in users for job in jobs.active_jobs(db)):
            raise WorkspaceError("A training or search is using this split.", "Stop it first.")
    return bins.put(
        workspace,
        BinKind.SPLIT,
        split_id,
        folders=[workspace.run_folder(run_id) for run_id in users],
        delete=lambda db: splits.delete_split(db, split_id),
    )


def _refuse_changed(plan: SplitPlan, dataset: Dataset, sealed_by: Split | None) -> None:
    same_seal = (sealed_by and sealed_by.id) == (plan.sealed_by and plan.sealed_by.id)
    if dataset.version != plan.dataset.version or not same_seal:
        raise SplitError(
            "The dataset changed while this split was being made.", "Make the split again."
        )


def _free_name(request: SplitRequest, taken: set[str]) -> str:
    base = usual_name(request)
    name, number = base, 2
    while name_key(name) in taken:
        name, number = f"{base} ({number})", number + 1
    return name
