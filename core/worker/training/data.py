"""What a training run learns from: rows of the pixel cache with labels, subsets and groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, assert_never

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.data.groups import group_names
from core.data.pixels.cache import RowCache
from core.data.quality.similarity import Pairs, connected, links_of_equal
from core.domain.configs.choices import Detail, Recipe
from core.domain.configs.train import TrainConfig
from core.domain.datasets import Dataset, Sample
from core.domain.splits import Split, Subset
from core.domain.training import TrainingRun
from core.errors import SplitError, TrainingError
from core.models.brought import known_network
from core.models.catalog import Network
from core.store import datasets, quality, runs, splits, versions
from core.store.database import connect
from core.worker.features import dataset_pixels, device_title, resolve_device
from core.worker.files.checks import refuse_changed
from core.worker.progress import training_work
from core.worker.session import JobSession

if TYPE_CHECKING:
    import torch

NO_LABEL = -1


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Shapes: `sample_ids`, `targets`, `groups` [N]; `subsets` maps each subset to positions in them.
    Images that the run's version does not use are in no subset. Each subset is in the order of
    the contents, so that a model does not depend on the order in which images came. Images with
    the same number in `groups` may show one part; those with the same in `parts` do, as people
    declared or confirmed, which is what results count. `every` are the samples of all rows;
    `device_name` is as torch calls it.
    """

    run: TrainingRun
    dataset: Dataset
    network: Network
    device_name: str
    cache: RowCache
    every: Sequence[Sample]
    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    groups: NDArray[np.int64]
    parts: NDArray[np.int64]
    subsets: dict[Subset, NDArray[np.intp]]

    @property
    def device(self) -> "torch.device":
        """Where to compute; imports torch."""
        import torch

        return torch.device(self.device_name)

    @property
    def every_used(self) -> NDArray[np.intp]:
        """The positions of the images in all subsets, in order."""
        return np.sort(np.concatenate(list(self.subsets.values())))

    @property
    def class_count(self) -> int:
        """Number of classes C."""
        return len(self.dataset.class_names)


def load_training_data(session: JobSession) -> TrainingData:
    """The images of the job's run, read into the pixel cache.

    Raises:
        FilesChangedError: if files are no longer as they were imported.
        TrainingError: if a subset that is needed has no readable image.
    """
    with connect(session.workspace) as db:
        training = runs.find_run(db, session.job.subject_id)
        dataset = datasets.find_dataset(db, training.dataset_id)
        version = versions.find_version(db, dataset.id, training.version)
        members = splits.split_members(db, training.split_id, fold=training.fold)
        every = datasets.every_sample(db, dataset.id)
        used = versions.samples_at(db, dataset.id, training.version)
        label_of = {s.id: s.label for s in used if s.label is not None}
        split = splits.split_by_id(db, training.split_id)
        groups = known_groups(db, dataset, every, split)
        parts = declared_parts(db, dataset, every, split)
    wanted_samples = [s for s in every if s.id in label_of]
    train = training.train
    session.expect(training_work(len(wanted_samples), train))
    refuse_changed(session.workspace, dataset, wanted_samples, session.report)
    # Why: the run is about the version that was chosen, whatever was edited while it waited.
    dataset = replace(dataset, class_names=version.class_names, digest=version.digest)
    device = resolve_device(training.train.device)
    session.set_device(device_title(device))
    wanted = np.array([i for i, s in enumerate(every) if s.id in label_of], np.intp)
    pixels = training.preprocess.at_detail(_first_detail(train))
    cache, failures = dataset_pixels(
        session, dataset.id, every, wanted, pixels, lazily=train.recipe is Recipe.QUICK
    )
    if failures:
        example = every[next(iter(failures))].path
        session.warn(
            f"{len(failures):,} of {len(wanted):,} images can no longer be read and were left out, "
            f"for example {example}."
        )
    in_subset = np.array([members.get(s.id, "") if s.id in label_of else "" for s in every])
    targets = np.array([label_of.get(s.id, NO_LABEL) for s in every], np.int64)
    by_content = np.lexsort((targets, np.array([s.sha256 for s in every])))
    data = TrainingData(
        training,
        dataset,
        known_network(training.train.network, session.workspace.weights),
        device,
        cache,
        every,
        np.array([s.id for s in every], np.int64),
        targets,
        groups,
        parts,
        {
            subset: by_content[((in_subset == subset.value) & cache.ready)[by_content]]
            for subset in Subset
        },
    )
    _refuse_empty(data, members)
    return data


def _first_detail(train: TrainConfig) -> Detail:
    """The detail level whose pixels a run needs in any case."""
    match train.recipe:
        case Recipe.QUICK:
            return train.detail.levels[0]
        case Recipe.GOOD_ONLY:
            return Detail.PLACES
        case Recipe.STAGED | Recipe.FULL:
            return Detail.WHOLE  # every level below which a network is trained takes these pixels
        case _:
            assert_never(train.recipe)


def known_groups(
    db: Database, dataset: Dataset, every: Sequence[Sample], split: Split
) -> NDArray[np.int64]:
    """Number [N] of the group of each image, by everything that is known of what belongs together.

    Proposed look-alikes count, too: keeping images together in cross-validation does no harm.
    """
    links = _certain_links(db, dataset, every, split)
    return connected(len(every), *links, _look_alikes(db, dataset, every))


def declared_parts(
    db: Database, dataset: Dataset, every: Sequence[Sample], split: Split
) -> NDArray[np.int64]:
    """Number [N] of the part in each image, as somebody declared or confirmed it.

    Equal files are one image; every other image is a part of its own.
    """
    return connected(len(every), *_certain_links(db, dataset, every, split))


def _certain_links(
    db: Database, dataset: Dataset, every: Sequence[Sample], split: Split
) -> list[Pairs]:
    """What joins images for certain: their bytes, their stored part, the rule of the split."""
    links = [
        links_of_equal([s.sha256 for s in every]),
        links_of_equal([s.group or None for s in every]),
    ]
    grouping = split.strategy.grouping
    if grouping is not None and grouping.kind.declares_parts:
        former = (v.class_names for v in versions.list_versions(db, dataset.id))
        try:
            names = group_names(every, grouping, set(chain(dataset.class_names, *former)))
        except SplitError:  # its groups were edited away since
            names = []
        if names:
            links.append(links_of_equal(names))
    return links


def _look_alikes(db: Database, dataset: Dataset, every: Sequence[Sample]) -> Pairs:
    check = quality.load_check(db, dataset.id)
    position = {s.id: i for i, s in enumerate(every)}
    near = [
        (position[a], position[b])
        for a, b in (check.near_pairs if check else ())
        if a in position and b in position
    ]
    return np.array(near, np.int64).reshape(-1, 2)


def _refuse_empty(data: TrainingData, members: Mapping[int, Subset]) -> None:
    for subset in (Subset.TRAIN, Subset.VALIDATION):
        if len(data.subsets[subset]) == 0:
            is_empty = subset not in members.values()
            raise TrainingError(
                f"The split has no {subset} images."
                if is_empty
                else f"None of the {subset} images can be read or has a label.",
                "Make a split with images in this subset."
                if is_empty
                else "Check that the images are still where they were imported from.",
            )
