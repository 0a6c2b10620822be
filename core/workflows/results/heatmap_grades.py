"""What the heatmaps of a model are worth: tested by a job on its own images, kept, read back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.domain.datasets import Sample
from core.domain.jobs import Job, JobKind
from core.domain.models import HeatmapMethod, Model
from core.domain.splits import Subset
from core.evaluation.measures.intervals import lower_bounds
from core.inference.explaining.border import MEAN_CELLS, BorderTest
from core.inference.explaining.grades import HeatmapGrades, MethodGrade, grades_from_json
from core.store import datasets, predictions, splits
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workflows.results.judging import judged_set
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace

MOST_IMAGES = 120
_FEW = 60  # below it, training images are used as well
_FEWEST_PLANTED = 8  # below it, the curves alone decide
_LIKE = 0.8  # a heatmap this much like that of a senseless model tells nothing of this one
_STUDY = "heatmaps"


class Trust(StrEnum):
    """Whether a method of heatmaps is worth looking at for a model."""

    TRUSTED = "trusted"
    CHANCE = "no_better_than_chance"
    SENSELESS = "like_random_weights"
    UNTESTED = "untested"  # too little could be planted
    IMPOSSIBLE = "impossible"  # the network does not allow it

    @property
    def is_weak(self) -> bool:
        """Whether it is not offered first."""
        return self not in (Trust.TRUSTED, Trust.UNTESTED)


@dataclass(frozen=True)
class GradedMethod:
    """A method, what was measured of it, and what that is worth."""

    grade: MethodGrade
    trust: Trust

    @property
    def method(self) -> HeatmapMethod:
        """Which one."""
        return self.grade.method

    @property
    def rate(self) -> float:
        """Share of the planted images that it found, in [0, 1]."""
        return self.grade.hits / self.grade.tried if self.grade.tried else 0.0


@dataclass(frozen=True)
class BorderFinding:
    """A class that is decided by something at the border of its images, and how that is known.

    `row` and `column` of the region count from 0 to 3, from the upper left corner.
    """

    class_name: str
    row: int
    column: int
    tested: BorderTest


@dataclass(frozen=True)
class MeanHeat:
    """The mean heat of the images of a class: [28, 28] in [0, 1]."""

    class_name: str
    images: int
    values: NDArray[np.float64]


@dataclass(frozen=True)
class HeatmapTest:
    """All that was measured of the heatmaps of a model; methods are the best ones first."""

    methods: tuple[GradedMethod, ...]
    border: tuple[BorderFinding, ...]
    mean: tuple[MeanHeat, ...]
    images: int
    tested_at: float

    def of(self, method: HeatmapMethod) -> GradedMethod | None:
        """What was measured of a method; None if it was not tested."""
        return next((item for item in self.methods if item.method is method), None)


def job_subject(model_id: str) -> str:
    """What the tests of a model are filed under."""
    return f"grade-{model_id}"


def methods_for(model: Model) -> tuple[HeatmapMethod, ...]:
    """The methods that a model allows, without those that are the same for it."""
    if model.is_detector:  # it has distances of places, and no gradients of classes
        return HeatmapMethod.GRAD_CAM, HeatmapMethod.OCCLUSION
    return tuple(HeatmapMethod)


def start_test(workspace: Workspace, model: Model, methods: Sequence[HeatmapMethod] = ()) -> Job:
    """Queue the test of the heatmaps of a model, on validation and training images.

    Without `methods`, all that the model allows.

    Raises:
        NotFoundError: if the model has no images here: it was uploaded, or its dataset deleted.
        ModelFileError: if the stored weights are damaged.
    """
    payload: dict[str, object] = {
        "model_id": model.id,
        "bundle": str(exported_bundle(workspace, model)),
        "images": images_to_test_with(workspace, model, MOST_IMAGES),
        "methods": [method.value for method in methods or methods_for(model)],
    }
    return job_actions.submit(workspace, JobKind.GRADE, job_subject(model.id), payload)


def images_to_test_with(
    workspace: Workspace, model: Model, most: int, *, few: int = _FEW
) -> list[list[object]]:
    """Sample id, path and class index of images that are no test images; classes take turns.

    Raises:
        NotFoundError: if there are none.
    """
    judged = judged_set(workspace, model.id, Subset.VALIDATION)
    labels = dict(zip(judged.sample_ids.tolist(), judged.targets.tolist(), strict=True))
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, list(labels))
        is_classifier = judged.version is None and not model.is_detector
        if len(samples) < few and model.split_id is not None and is_classifier:
            more = splits.samples_in_subset(db, model.split_id, Subset.TRAIN)
            for sample in more:
                if sample.label is not None and sample.label < len(model.class_names):
                    labels[sample.id] = sample.label
                    samples.append(sample)
    turn: Counter[int] = Counter()
    order: list[tuple[int, int, Sample]] = []
    for sample in sorted(samples, key=lambda s: s.sha256):  # a chance that is always the same
        label = labels[sample.id]
        order.append((turn[label], label, sample))
        turn[label] += 1
    order.sort(key=lambda item: item[:2])
    return [[s.id, str(workspace.resolve(s.path)), label] for _, label, s in order[:most]]


def heatmap_test(workspace: Workspace, model: Model) -> HeatmapTest | None:
    """What was measured; None if it never was."""
    with connect(workspace) as db:
        stored = predictions.study_of(db, model.id, _STUDY)
    return None if stored is None else read_test(grades_from_json(stored[0]), stored[1])


def read_test(grades: HeatmapGrades, tested_at: float) -> HeatmapTest:
    """What the measured numbers are worth."""
    methods = [GradedMethod(grade, trust_in(grade)) for grade in grades.methods]
    methods.sort(key=lambda item: (item.trust.is_weak, -item.rate))
    border, mean = [], []
    for item in grades.classes:
        values = np.array(item.mean).reshape(MEAN_CELLS, MEAN_CELLS)
        mean.append(MeanHeat(item.class_name, item.images, values))
        tested = item.border
        if tested.decides:
            column, row = round(4 * tested.box[0]), round(4 * tested.box[1])
            border.append(BorderFinding(item.class_name, row, column, tested))
    return HeatmapTest(tuple(methods), tuple(border), tuple(mean), grades.images, tested_at)


def trust_in(grade: MethodGrade) -> Trust:
    """What a grade is worth: planted images decide, and where there are few, the curves."""
    if grade.problem:
        return Trust.IMPOSSIBLE
    if grade.images and grade.likeness >= _LIKE:
        return Trust.SENSELESS
    if grade.tried >= _FEWEST_PLANTED:
        return Trust.TRUSTED if _is_above(grade.hits, grade.tried, grade.chance) else Trust.CHANCE
    if grade.images >= _FEWEST_PLANTED:
        return Trust.TRUSTED if _is_above(grade.wins, grade.images, 0.5) else Trust.CHANCE
    return Trust.UNTESTED


def _is_above(k: int, n: int, chance: float) -> bool:
    """Whether a share is above chance with 95 % confidence."""
    return float(lower_bounds(k, n)) > chance


def recommended(test: HeatmapTest | None, model: Model) -> HeatmapMethod:
    """The method that is shown first: the best without PyTorch; untested, the finer one."""
    light = [m.method for m in test.methods if not m.trust.is_weak] if test else []
    allowed = methods_for(model)
    usual = HeatmapMethod.FINE_GRAD_CAM
    finer = usual if usual in allowed else allowed[0]
    return next((method for method in light if not method.by_gradients), finer)
