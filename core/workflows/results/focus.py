"""How focused the heatmaps of images are: computed by the worker, kept, used to sort them."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.preprocess import placement
from core.domain.jobs import Job, JobKind
from core.domain.models import Model
from core.errors import NotFoundError
from core.inference.overlay import overlaid
from core.store import datasets, predictions
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workflows.data import image_facts
from core.workflows.results.judging import JudgedSet
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace

# About as many as are explained in a minute; further ones are not the first to look at.
MOST_EXPLAINED = 500

# Left, top, right and bottom, as fractions of what the network sees.
Region = tuple[float, float, float, float]
WHOLE: Region = (0, 0, 1, 1)


def job_subject(model_id: str) -> str:
    """What the explain jobs of a model are filed under."""
    return f"focus-{model_id}"


def focus_values(workspace: Workspace, judged: JudgedSet) -> NDArray[np.float64]:
    """[N]: focus of the heatmap of the predicted class; -1 unreadable, NaN not explained yet."""
    with connect(workspace) as db:
        known = predictions.focus_of(db, judged.model.id)
    values = np.full(len(judged.sample_ids), np.nan)
    if known:
        for position, sample_id in enumerate(judged.sample_ids.tolist()):
            if sample_id in known:
                value = known[sample_id]
                values[position] = -1.0 if value is None else value
    return values


def region_shares(workspace: Workspace, judged: JudgedSet, region: Region) -> NDArray[np.float64]:
    """[N]: share of the predicted class' heat in a region; -1 unreadable, NaN not known yet."""
    with connect(workspace) as db:
        known = predictions.heats_of(db, judged.model.id)
        unreadable = {k for k, v in predictions.focus_of(db, judged.model.id).items() if v is None}
    shares = np.full(len(judged.sample_ids), np.nan)
    for position, sample_id in enumerate(judged.sample_ids.tolist()):
        cells = known.get(sample_id)
        if cells is not None:
            shares[position] = share_inside(cells, region)
        elif sample_id in unreadable:
            shares[position] = -1.0
    return shares


def heated_ids(workspace: Workspace, model: Model) -> set[int]:
    """The images whose heatmaps are kept."""
    with connect(workspace) as db:
        return predictions.heated_samples(db, model.id)


@dataclass(frozen=True)
class AverageHeat:
    """The mean of the kept heatmaps of images, in each of which all heat counts the same.

    `cells` [h, h] are 1 at the hottest place; without any heatmap there is one cell of 0.
    """

    cells: NDArray[np.float64]
    images: int


def average_heat(
    workspace: Workspace, judged: JudgedSet, positions: NDArray[np.int64]
) -> AverageHeat:
    """Where the network looks on average in the images at these positions."""
    with connect(workspace) as db:
        known = predictions.heats_of(db, judged.model.id)
    heats = [known[i] for i in judged.sample_ids[positions].tolist() if i in known]
    total = np.zeros_like(heats[0], np.float64) if heats else np.zeros((1, 1))
    for cells in heats:
        total += cells / max(int(cells.sum()), 1)
    return AverageHeat(total / (total.max() or 1), len(heats))


def region_on_image(model: Model, size: tuple[int, int], region: Region) -> Region:
    """Where a region lies on an image of width x height pixels, in fractions of the image."""
    left, top, right, bottom = placement(size, model.preprocess).square
    across = (min(1.0, max(0.0, left + x * (right - left))) for x in region[::2])
    down = (min(1.0, max(0.0, top + y * (bottom - top))) for y in region[1::2])
    (x0, x1), (y0, y1) = across, down
    return x0, y0, x1, y1


def share_inside(cells: NDArray[np.number], region: Region) -> float:
    """The share of the heat of a coarse map [h, h] that lies in a region; 0 without any heat."""
    left, top, right, bottom = region
    across, down = (_overlap(len(cells), low, high) for low, high in ((left, right), (top, bottom)))
    heat = cells.astype(np.float64)
    return float(down @ heat @ across / heat.sum()) if heat.any() else 0.0


def _overlap(count: int, low: float, high: float) -> NDArray[np.float64]:
    """[count]: how much of each of `count` equal intervals lies between two fractions."""
    edges = np.arange(count + 1) / count
    inside = np.clip(edges[1:], low, high) - np.clip(edges[:-1], low, high)
    overlap: NDArray[np.float64] = np.maximum(inside, 0) * count
    return overlap


def heated_thumbnail(workspace: Workspace, model: Model, sample_id: int) -> bytes:
    """The thumbnail of an image with its kept heatmap over it, as a PNG.

    Raises:
        NotFoundError: if there is no such image, or its heatmap was not computed.
        TouchstoneError: if its file is no longer as it was imported.
    """
    with connect(workspace) as db:
        cells = predictions.heats_of(db, model.id, sample_id).get(sample_id)
    if cells is None:
        raise NotFoundError("There is no heatmap of this image yet.", "Compute the heatmaps first.")
    sample = image_facts.facts_of(workspace, sample_id).sample
    path, _ = image_facts.thumbnail_file(workspace, sample_id)
    square = placement((sample.width, sample.height), model.preprocess).square
    with Image.open(path) as thumbnail:
        shown = overlaid(thumbnail.convert("RGB"), cells, square)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def unexplained(
    judged: JudgedSet, values: NDArray[np.float64], positions: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of the most confident images at these positions that have no heatmap yet."""
    ranked = positions[np.argsort(-judged.confidence[positions], kind="stable")][:MOST_EXPLAINED]
    return ranked[np.isnan(values[ranked])]


def start_explaining(workspace: Workspace, judged: JudgedSet, positions: NDArray[np.int64]) -> Job:
    """Queue the heatmaps of the predicted class of images at these positions.

    Raises:
        ModelFileError: if the stored weights are damaged.
    """
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, [int(judged.sample_ids[i]) for i in positions])
    predicted = dict(zip(judged.sample_ids.tolist(), judged.predicted.tolist(), strict=True))
    payload: dict[str, object] = {
        "model_id": judged.model.id,
        "bundle": str(exported_bundle(workspace, judged.model)),
        "pictures": [[s.id, str(workspace.resolve(s.path)), predicted[s.id]] for s in samples],
    }
    return job_actions.submit(workspace, JobKind.EXPLAIN, job_subject(judged.model.id), payload)
