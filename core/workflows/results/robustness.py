"""How robust a model is: its accuracy as images get worse, swept by a job, kept, read back."""

import json
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from core.domain.jobs import Job, JobKind
from core.domain.models import Model
from core.evaluation.measures.intervals import Rate, rate
from core.inference.explaining.changes import ImageChange
from core.store import predictions
from core.store.database import connect
from core.words import decimal
from core.workflows import jobs as job_actions
from core.workflows.results.heatmap_grades import images_to_test_with
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace

MOST_IMAGES = 120
_STUDY = "robustness"
WORDS = {
    ImageChange.BRIGHTNESS: "Brightness (factor)",
    ImageChange.BLUR: "Blur (radius, % of the longer side)",
    ImageChange.NOISE: "Noise (deviation, gray values)",
    ImageChange.ROTATION: "Rotation (degrees)",
    ImageChange.JPEG: "JPEG quality",
}
# Where an image is as it came.
UNCHANGED = {
    ImageChange.BRIGHTNESS: 1.0,
    ImageChange.BLUR: 0.0,
    ImageChange.NOISE: 0.0,
    ImageChange.ROTATION: 0.0,
    ImageChange.JPEG: 100.0,
}


@dataclass(frozen=True)
class RobustPoint:
    """The accuracy of all images, or of those of a class, with one change of one strength."""

    level: float
    accuracy: Rate
    is_worse: bool


@dataclass(frozen=True)
class RobustCurve:
    """The accuracy against the strength of a change, in its order, the unchanged images too."""

    change: ImageChange
    points: tuple[RobustPoint, ...]

    @property
    def weakest(self) -> RobustPoint:
        """Where the accuracy is lowest."""
        return min(self.points, key=lambda point: point.accuracy.value or 0.0)


@dataclass(frozen=True)
class Robustness:
    """All curves; `class_name` is None for all images together."""

    class_name: str | None
    unchanged: Rate
    curves: tuple[RobustCurve, ...]
    tested_at: float


def job_subject(model_id: str) -> str:
    """What the sweeps of a model are filed under."""
    return f"robustness-{model_id}"


def start_sweep(workspace: Workspace, model: Model) -> Job:
    """Queue the sweep, on validation images and, where these are few, training images.

    Raises:
        NotFoundError: if the model has no images here: it was uploaded, or its dataset deleted.
        ModelFileError: if the stored weights are damaged.
    """
    payload: dict[str, object] = {
        "model_id": model.id,
        "bundle": str(exported_bundle(workspace, model)),
        "images": images_to_test_with(workspace, model, MOST_IMAGES),
    }
    return job_actions.submit(workspace, JobKind.ROBUSTNESS, job_subject(model.id), payload)


def robustness_of(
    workspace: Workspace, model: Model, class_index: int | None = None
) -> Robustness | None:
    """What was measured, for all images or those of a class; None if it never was."""
    with connect(workspace) as db:
        stored = predictions.study_of(db, model.id, _STUDY)
    if stored is None:
        return None
    counts = json.loads(stored[0])
    name = None if class_index is None else model.class_names[class_index]
    seen = _of(counts["seen"], class_index)
    before = rate(_of(counts["right"], class_index), seen)
    curves = []
    for change in ImageChange:
        levels = [item for item in counts["changes"] if item["change"] == change.value]
        points = [RobustPoint(UNCHANGED[change], before, False)]
        for item in levels:
            accuracy = rate(_of(item["right"], class_index), seen)
            points.append(RobustPoint(item["level"], accuracy, _is_below(accuracy, before)))
        points.sort(key=lambda point: point.level)
        curves.append(RobustCurve(change, tuple(points)))
    return Robustness(name, before, tuple(curves), stored[1])


def _of(counts: list[int], class_index: int | None) -> int:
    return int(np.sum(counts)) if class_index is None else int(counts[class_index])


def _is_below(accuracy: Rate, before: Rate) -> bool:
    """Whether both intervals lie apart: careful, since it is the same images."""
    if accuracy.interval is None or before.interval is None:
        return False
    return accuracy.interval.high < before.interval.low


def level_in_words(change: ImageChange, level: float) -> str:
    """Such as `brightness x 0.5`, `rotation 10°`."""
    number = decimal(level, 2).rstrip("0").rstrip(".")
    match change:
        case ImageChange.BRIGHTNESS:
            return f"brightness × {number}"
        case ImageChange.BLUR:
            return f"blur {number}%"
        case ImageChange.NOISE:
            return f"noise {number}"
        case ImageChange.ROTATION:
            return f"rotation {number}°"
        case ImageChange.JPEG:
            return f"JPEG quality {number}"
        case _:
            assert_never(change)
