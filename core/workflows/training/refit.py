"""More images or a new class in seconds: kept features, the last layer solved again.

The result does not depend on the order in which images came: new ones are placed by their content,
and the last layer has one exact solution.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.data.split import groups_of_equal_files, split_digest
from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.choices import DetailChoice, HeadChoice, Recipe
from core.domain.datasets import Dataset, Sample
from core.domain.ids import new_id, utc_now
from core.domain.models import Model
from core.domain.names import name_key
from core.domain.splits import GroupKind, Split, SplitMethod, Subset
from core.domain.training import TrainingRun, chosen_detail, chosen_head, chosen_penalty
from core.errors import SplitError, TouchstoneError, TrainingError
from core.store import datasets, quality, splits, versions
from core.store.database import connect, transaction
from core.words import count, joined
from core.workflows.data.certificates import (
    SplitDrift,
    certified,
    class_folders,
    drift,
    found_groups,
    named_groups,
)
from core.workflows.training import last_layers, runs
from core.workflows.training.control import refuse_continuing
from core.workflows.training.runs import RunView
from core.workflows.use import models
from core.workspace import Workspace


@dataclass(frozen=True)
class News:
    """What a dataset has that a run has not seen; `classes` are the names of new ones."""

    version: int
    images: SplitDrift
    classes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether a refit would give the same model."""
        return self.images.is_empty and not self.classes


def news_in_words(news: News) -> str:
    """Such as `12 new images, 1 image relabeled; new class crack`."""
    parts = [
        (len(news.images.added), count(len(news.images.added), "new image")),
        (len(news.images.relabelled), f"{count(len(news.images.relabelled), 'image')} relabeled"),
        (len(news.images.left), f"{count(len(news.images.left), 'image')} left out"),
    ]
    words = ", ".join(text for number, text in parts if number)
    kind = "class" if len(news.classes) == 1 else "classes"
    named = f"new {kind} {joined(news.classes)}" if news.classes else ""
    return "; ".join(part for part in (words, named) if part)


def run_of_model(workspace: Workspace, name_or_id: str) -> TrainingRun:
    """The run that made a model.

    Raises:
        NotFoundError: if there is no such model, or its run was deleted.
        TrainingError: if it was not made by a run of this workspace.
    """
    model = models.find_model(workspace, name_or_id)
    if model.run_id is None:
        raise TrainingError(
            f"The model '{model.name}' has no run in this workspace.",
            "Refit a model that was trained here.",
        )
    return runs.find_run(workspace, model.run_id).run


def refuse_refitting(run: TrainingRun) -> None:
    """Raise for one fold of a cross-validation.

    Raises:
        TrainingError: in this case.
    """
    if run.fold is not None:
        raise TrainingError(
            f"The run '{run.name}' is one fold of a cross-validation.",
            "Refit a run on a split without folds.",
        )


def news_of(workspace: Workspace, run: TrainingRun) -> News:
    """What came since the split of a run was made."""
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, run.dataset_id)
        split = splits.split_by_id(db, run.split_id)
        known = versions.find_version(db, dataset.id, run.version).class_names
    new = tuple(name for name in dataset.class_names if name not in known)
    return News(dataset.version, drift(workspace, dataset, split), new)


def refittable_news(workspace: Workspace, run: TrainingRun) -> str:
    """What a refit of a run would learn, in words; empty where it cannot, or nothing is new."""
    try:
        refuse_refitting(run)
        return news_in_words(news_of(workspace, run))
    except TouchstoneError:
        return ""


def news_of_model(workspace: Workspace, model: Model) -> str:
    """The same for a model; its run is asked only where the dataset has another version today."""
    if model.run_id is None or model.dataset_id is None:
        return ""
    with connect(workspace) as db:
        if datasets.find_dataset(db, model.dataset_id).version == model.version:
            return ""
    return refittable_news(workspace, runs.find_run(workspace, model.run_id).run)


def refit(workspace: Workspace, run_id: str) -> RunView:
    """Solve the last layer of a quick run again, or remember good images, as they are today.

    A run of epochs trains on from its newest model. The split is extended: images keep their
    subset, a sealed or provided test set stays as it is. Settings, detail level, kind of last layer
    and penalty stay those of the run.

    Args:
        workspace: where the run lives.
        run_id: its id or name.

    Raises:
        TrainingError: if nothing is new, the run cannot be refitted, or it has made no model.
        SplitError: if a new class cannot be trained.
    """
    view = runs.find_run(workspace, run_id)
    run = view.run
    refuse_refitting(run)
    if recipe_is_trained(run.train.recipe):
        refuse_continuing(view)
    news = news_of(workspace, run)
    if news.is_empty:
        raise TrainingError(
            f"Nothing is new since the run '{run.name}'.", "Import images or edit labels first."
        )
    split_id = run.split_id
    if news.images.added:
        split_id = extended_split(workspace, split_id).id
    train = run.train
    if recipe_is_trained(train.recipe):
        train = replace(train, start_model=str(view.model_id))
    elif train.recipe is Recipe.QUICK:
        path, tried = runs.penalty_path(workspace, run.id), runs.detail_trials(workspace, run.id)
        detail = DetailChoice(chosen_detail(train, tried).value)
        head = HeadChoice(chosen_head(train, last_layers.head_trials(workspace, run.id)).value)
        train = replace(train, penalty=chosen_penalty(train, path), detail=detail, head=head)
    return runs.start_training(
        workspace,
        run.dataset_id,
        train,
        split=split_id,
        preprocess=run.preprocess,
        augment=run.augment,
        name=f"{_base_name(run.name)} · version {news.version}"[:100],
    )


def extended_split(workspace: Workspace, split_id: str) -> Split:
    """A split of the dataset as it is today, in which no image changes its subset.

    New images follow their group, if it has a subset. Other groups are placed by a hash of their
    content, in the shares of the split; the test set grows only where it was not sealed and did
    not come with the images. A class that would have no training images gets one group of them.

    Raises:
        SplitError: if the split has folds.
    """
    with connect(workspace) as db:
        split = splits.split_by_id(db, split_id)
        dataset = datasets.find_dataset(db, split.dataset_id)
        if split.folds:
            raise SplitError(
                f"The split '{split.name}' has folds.", "Refit on a split without folds."
            )
        samples = [s for s in datasets.samples_of(db, dataset.id) if s.label is not None]
        members = splits.split_members(db, split.id)
        then = {s.id for s in versions.samples_at(db, dataset.id, split.version)}
        check = quality.load_check(db, dataset.id)
        groups: Mapping[int, Hashable] = groups_of_equal_files(samples)
        grouping = split.strategy.grouping
        if grouping is not None and grouping.kind is not GroupKind.LOOK_ALIKES:
            groups = named_groups(samples, grouping, class_folders(db, dataset))
        elif check is not None:
            groups = found_groups(samples, check)
        taken = {name_key(other.name) for other in splits.list_splits(db, dataset.id)}
    # Why: what the first split left out on purpose stays out; only what came later is placed.
    open_ = [s for s in samples if s.id in members or s.id not in then]
    subsets = placed(open_, members, groups, _shares(split), split.seed)
    extended = Split(
        id=new_id("split"),
        dataset_id=dataset.id,
        name=_free(f"{_base_name(split.name)} · version {dataset.version}", taken),
        strategy=split.strategy,
        seed=split.seed,
        fractions=split.fractions,
        digest=split_digest(subsets, open_, {}),
        created_at=utc_now(),
        version=dataset.version,
        sealed=split.sealed,
    )
    with connect(workspace) as db, transaction(db):
        _refuse_changed(datasets.find_dataset(db, dataset.id), dataset)
        splits.insert_split(db, extended, subsets)
    return certified(workspace, extended)


def placed(
    samples: Sequence[Sample],
    members: Mapping[int, Subset],
    groups: Mapping[int, Hashable],
    shares: Mapping[Subset, float],
    seed: int,
) -> dict[int, Subset]:
    """Sample id -> subset: as before, as its group, else by the content of its group.

    Args:
        samples: with labels, those to place.
        members: who is where already.
        groups: sample id -> group; a group is never divided.
        shares: of the subsets that may grow; at least training.
        seed: of the split.
    """
    by_group: dict[Hashable, list[Sample]] = {}
    for sample in samples:
        by_group.setdefault(groups[sample.id], []).append(sample)
    subset_of: dict[Hashable, Subset] = {}
    fresh: list[tuple[str, Hashable]] = []
    for group, own in by_group.items():
        known = {members[s.id] for s in own if s.id in members}
        if known:
            subset_of[group] = max(known, key=list(Subset).index)  # the strictest: test, if any
            continue
        key = "".join(sorted(s.sha256 for s in own))
        fresh.append((hashlib.sha256(f"{seed} {key}".encode()).hexdigest(), group))
    for digest, group in sorted(fresh, key=lambda item: item[0]):
        subset_of[group] = _drawn(int(digest[:13], 16) / 16**13, shares)
    for group in _needed_for_training(by_group, subset_of, sorted(fresh, key=lambda i: i[0])):
        subset_of[group] = Subset.TRAIN
    kept_test = {Subset.TEST} - set(shares)
    return {
        s.id: members.get(s.id, subset_of[group])
        for group, own in by_group.items()
        for s in own
        # Why: a new image of a part in a fixed test set may neither join it nor train.
        if s.id in members or subset_of[group] not in kept_test
    }


def _drawn(chance: float, shares: Mapping[Subset, float]) -> Subset:
    total, reached = sum(shares.values()), 0.0
    for subset, share in shares.items():
        reached += share / total
        if chance < reached:
            return subset
    return Subset.TRAIN


def _needed_for_training(
    by_group: Mapping[Hashable, Sequence[Sample]],
    subset_of: Mapping[Hashable, Subset],
    fresh: Sequence[tuple[str, Hashable]],
) -> list[Hashable]:
    """For each class that nothing trains, its first new group by hash."""
    trained = {
        s.label for group, own in by_group.items() if subset_of[group] is Subset.TRAIN for s in own
    }
    chosen: list[Hashable] = []
    for _, group in fresh:
        missing = {s.label for s in by_group[group]} - trained
        if missing:
            chosen.append(group)
            trained |= missing
    return chosen


def _shares(split: Split) -> dict[Subset, float]:
    """The shares of the subsets that may grow."""
    train, validation, test = split.fractions
    shares = {Subset.TRAIN: train or 1.0, Subset.VALIDATION: validation}
    is_fixed = (
        split.sealed or split.strategy.keep_test or split.strategy.method is SplitMethod.PROVIDED
    )
    return shares if is_fixed else {**shares, Subset.TEST: test}


def _base_name(name: str) -> str:
    return name.partition(" · version ")[0]


def _free(base: str, taken: set[str]) -> str:
    name, number = base, 2
    while name_key(name) in taken:
        name, number = f"{base} ({number})", number + 1
    return name


def _refuse_changed(now: Dataset, then: Dataset) -> None:
    if now.version != then.version:
        raise SplitError("The dataset changed while its split was extended.", "Refit again.")
