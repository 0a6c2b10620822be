"""Images as a person sees them: everything known about one, its views, statistics of all."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.pixels import thumbnails
from core.data.pixels.thumbnails import thumbnail, view
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, DatasetVersion, Sample
from core.domain.depth import levels_from_key
from core.domain.findings import FeatureInsight, Finding
from core.domain.keeping.people import as_program
from core.domain.splits import Split, Subset
from core.errors import NotFoundError
from core.store import datasets, properties, quality, splits
from core.store.database import connect
from core.worker.depth import measured_dataset, mixed_in_words
from core.worker.files.checks import known_file
from core.workflows import files
from core.workflows.data import versions
from core.workflows.data.versions import Change
from core.workspace import Workspace

MAP_POINTS = 20_000
SIZES = 500
BINS = 32
CLASSES_APART = 8
NO_SCALE = "own"


@dataclass(frozen=True)
class ImageFacts:
    """An image with the facts from its dataset, splits, quality check and edits.

    `insight` is None if the image was relabeled since the check; `suggested` is the name of the
    class that it looks like, if this class still exists; `history` is newest first.
    """

    sample: Sample
    dataset: Dataset
    subsets: tuple[tuple[Split, Subset], ...]
    findings: tuple[Finding, ...]
    insight: FeatureInsight | None
    suggested: str | None
    history: tuple[tuple[DatasetVersion, Change], ...]

    @property
    def class_name(self) -> str | None:
        """The name of its class; None without a label."""
        return None if self.sample.label is None else self.dataset.class_names[self.sample.label]


@dataclass(frozen=True)
class Statistics:
    """Numbers for small charts, of bounded size for every dataset.

    `sizes`: (width, height, images), most frequent first, and `size_count` different sizes in all;
    `brightness`, `sharpness`: per class the counts in bins over `*_edges` (bins + 1 values);
    empty if not measured. Sharpness is logarithmic (base 10).
    """

    sizes: tuple[tuple[int, int, int], ...]
    size_count: int
    brightness: Mapping[str, tuple[int, ...]]
    brightness_edges: tuple[float, ...]
    sharpness: Mapping[str, tuple[int, ...]]
    sharpness_edges: tuple[float, ...]


@dataclass(frozen=True)
class ImageMap:
    """Places of images in a plane, similar images close together; bounded in number."""

    points: tuple[tuple[int, int | None, float, float], ...]  # sample id, label, x, y
    total: int


def image_file(workspace: Workspace, sample_id: int) -> Path:
    """The file of an image.

    Raises:
        NotFoundError: if there is no such image, or its file is missing.
        FilesChangedError: if its file has another content than when it was imported.
    """
    return files.usable_path(workspace, _sample_and_dataset(workspace, sample_id)[0])


def thumbnail_file(workspace: Workspace, sample_id: int) -> tuple[Path, bool]:
    """The WebP thumbnail of an image on the scale of its dataset; created on first use.

    Returns:
        The file, and whether it never changes: the dataset has no images with more than 8 bits.

    Raises:
        NotFoundError: if there is no such image, or its file is missing.
        FilesChangedError: if its file has another content than when it was imported.
        UnreadableImageError: if its file can no longer be decoded.
    """
    sample, dataset = _sample_and_dataset(workspace, sample_id)
    path = thumbnail(known_file(workspace, sample), workspace.thumbnails, levels=dataset.levels)
    return path, dataset.depth is not None and not dataset.depth.images


def view_file(workspace: Workspace, sample_id: int, reading: str = "") -> Path:
    """The whole image as WebP or PNG, exactly as it is read; created on first use.

    Args:
        workspace: where the image is.
        sample_id: of the image.
        reading: the key of gray levels, `NO_SCALE` for models without, "" for those of the dataset.

    Raises:
        NotFoundError: if there is no such image, or its file is missing.
        FilesChangedError: if its file has another content than when it was imported.
        UnreadableImageError: if its file can no longer be decoded.
        ConfigError: if the levels make no sense.
    """
    sample, dataset = _sample_and_dataset(workspace, sample_id)
    levels = dataset.levels
    if reading:
        levels = None if reading == NO_SCALE else levels_from_key(reading)
    return view(known_file(workspace, sample), workspace.views, levels=levels)


def network_preview(
    workspace: Workspace, sample: Sample, config: PreprocessConfig, size_px: int
) -> tuple[bytes, bytes]:
    """An image, and what the network gets of it, as PNG; see `thumbnails.network_preview`."""
    return thumbnails.network_preview(known_file(workspace, sample), config, size_px)


def measured(workspace: Workspace, dataset: Dataset) -> Dataset:
    """The dataset with its depth, which is measured now if it was imported before this was done."""
    if dataset.depth is not None:
        return dataset
    with as_program(), connect(workspace) as db:  # whoever looks may not change data
        return measured_dataset(workspace, db, dataset.id)


def mixed_scales_in_words(dataset: Dataset) -> str | None:
    """Why no scale suits all images of a dataset, and what to do; None where one does."""
    return mixed_in_words(dataset.depth) if dataset.depth else None


def scale_in_words(dataset: Dataset) -> str | None:
    """What becomes black and white in images with more than 8 bits; None if there are none."""
    levels, deep = dataset.levels, dataset.depth
    if levels is None or deep is None or not deep.images:
        return None
    if dataset.saved_levels is not None:
        origin = "set on the Preprocess page"
    elif deep.scale_bits is not None:
        origin = f"{deep.scale_bits} bits"
    else:
        origin = "measured on the images"
    return (
        f"Images with more than 8 bits share one scale: {levels.black:,.10g} is black, "
        f"{levels.white:,.10g} is white ({origin})."
    )


def _sample_and_dataset(workspace: Workspace, sample_id: int) -> tuple[Sample, Dataset]:
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [sample_id])
        dataset = datasets.dataset_of_sample(db, sample_id)
    if not samples or dataset is None:
        raise _no_image(sample_id)
    return samples[0], dataset


def _no_image(sample_id: int) -> NotFoundError:
    return NotFoundError(
        f"There is no image {sample_id}.",
        "The link may be wrong, or its dataset was deleted. The bin on Health keeps deleted "
        "datasets for a while.",
    )


def image_map(workspace: Workspace, dataset_id: str, *, limit: int = MAP_POINTS) -> ImageMap:
    """The map of the last quality check; without points if there is none."""
    with connect(workspace) as db:
        points, total = properties.map_points(db, dataset_id, limit=limit)
    return ImageMap(tuple(points), total)


def statistics(workspace: Workspace, dataset: Dataset) -> Statistics:
    """Distributions of size, brightness and sharpness over the images in use."""
    with connect(workspace) as db:
        rows = properties.measures(db, dataset.id)
    sizes = Counter((width, height) for _, width, height, _, _ in rows)
    bright = [(label, value) for label, _, _, value, _ in rows if value is not None]
    sharp = [(label, math.log10(max(v, 1e-3))) for label, _, _, _, v in rows if v is not None]
    brightness, brightness_edges = _histograms(bright, dataset.class_names, (0.0, 1.0))
    sharpness, sharpness_edges = _histograms(sharp, dataset.class_names, None)
    return Statistics(
        tuple((*size, count) for size, count in sizes.most_common(SIZES)),
        len(sizes),
        brightness,
        brightness_edges,
        sharpness,
        sharpness_edges,
    )


def _histograms(
    values: Sequence[tuple[int | None, float]],
    class_names: Sequence[str],
    limits: tuple[float, float] | None,
) -> tuple[dict[str, tuple[int, ...]], tuple[float, ...]]:
    """Counts in equal bins, per class if there are few, otherwise of all images."""
    if not values:
        return {}, ()
    labels = np.array([-1 if label is None else label for label, _ in values])
    numbers = np.array([value for _, value in values])
    edges = np.histogram_bin_edges(numbers, BINS, limits)
    if len(class_names) > CLASSES_APART:
        parts = {"all classes": np.ones(len(numbers), bool)}
    else:
        parts = {name: labels == i for i, name in enumerate(class_names)}
    counts = {
        name: tuple(np.histogram(numbers[part], edges)[0].tolist())
        for name, part in parts.items()
        if part.any()
    }
    return counts, tuple(edges.tolist())


def facts_of(workspace: Workspace, sample_id: int) -> ImageFacts:
    """Everything that is known about an image.

    Raises:
        NotFoundError: if there is no such image.
    """
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [sample_id])
        dataset = datasets.dataset_of_sample(db, sample_id)
        if not samples or dataset is None:
            raise _no_image(sample_id)
        members = splits.subsets_of_sample(db, sample_id)
        known = {split.id: split for split in splits.list_splits(db, dataset.id)}
        findings = quality.findings_of_sample(db, dataset.id, sample_id)
        insight = quality.insight_of(db, sample_id)
        check = quality.load_check(db, dataset.id)
    history = versions.sample_history(workspace, dataset.id, sample_id)
    if check is None or _relabelled_since(check.version, history):
        insight = None  # it is about a former label of the image
    suggested = None
    if insight is not None and insight.suggested is not None and check is not None:
        place = versions.class_moves(workspace, dataset.id, check.version).get(insight.suggested)
        suggested = None if place is None else dataset.class_names[place]
    return ImageFacts(
        sample=samples[0],
        dataset=dataset,
        subsets=tuple((known[i], subset) for i, subset in members.items() if i in known),
        findings=tuple(findings),
        insight=insight,
        suggested=suggested,
        history=tuple(history),
    )


def _relabelled_since(number: int, history: Sequence[tuple[DatasetVersion, Change]]) -> bool:
    """Whether the changes since a version, newest first, have led to another label."""
    since = [change for version, change in history if version.number > number]
    return bool(since) and since[0].label_after != since[-1].label_before
