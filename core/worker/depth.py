"""The scale of a dataset with more than 8 bits, measured where the import did not do it.

Light: the app imports this module too.
"""

from dataclasses import replace

from sqlite_utils import Database

from core.data.pixels.images import deep_image
from core.data.pixels.isolated_pool import run_isolated
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset
from core.domain.depth import DatasetDepth, DeepImage, depth_of_images
from core.store import datasets, properties
from core.store.database import transaction
from core.words import count
from core.workspace import Workspace

_MEASURED = 400  # images, evenly over the dataset
_DEEP_FORMATS = ("PNG", "TIFF")


def measured_dataset(workspace: Workspace, db: Database, dataset_id: str) -> Dataset:
    """A dataset whose depth is known; measured and stored now if it is not yet.

    Datasets of earlier versions are judged by some of their images. Where none of them can be read
    nothing is stored, and the next call tries again.
    """
    dataset = datasets.find_dataset(db, dataset_id)
    if dataset.depth is not None:
        return dataset
    known = properties.paths_of_formats(db, dataset.id, _DEEP_FORMATS, _MEASURED)
    chosen = [workspace.resolve(path) for path in known]
    paths = [path for path in chosen if path.is_file()]
    if chosen and not paths:
        return dataset
    outcomes = [outcome for _, outcome in run_isolated(deep_image, paths)] if paths else []
    readable = [item for item in outcomes if item is None or isinstance(item, DeepImage)]
    if paths and not readable:
        return dataset
    depth = depth_of_images([item for item in readable if item is not None])
    with transaction(db):
        properties.save_depth(db, dataset.id, depth)
    return datasets.find_dataset(db, dataset.id)


def mixed_in_words(depth: DatasetDepth) -> str | None:
    """Why no scale suits all images, and what to do; None where one does."""
    if not depth.is_mixed:
        return None
    rest = depth.floats - len(depth.float_names)
    more = f" and {rest:,} more" if depth.float_names and rest else ""
    named = f" ({', '.join(depth.float_names)}{more})" if depth.float_names else ""
    holds = "holds decimal numbers" if depth.floats == 1 else "hold decimal numbers"
    return (
        f"Of {count(depth.images, 'image')} with more than 8 bits, {depth.floats:,} {holds}{named} "
        "and the others whole numbers. No single scale suits both: the images of one kind become "
        "black, white or gray all over. Convert one kind or leave it out, and import again."
    )


def with_levels(config: PreprocessConfig, dataset: Dataset) -> PreprocessConfig:
    """The config with the gray levels of a dataset, unless it has its own."""
    if config.levels is not None or dataset.levels is None:
        return config
    levels = dataset.levels
    return replace(config, black_level=levels.black, white_level=levels.white)
