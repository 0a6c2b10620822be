"""What each method of heatmaps is worth for one model, measured on its own images."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.inference.explaining.border import BorderTest, border_test, mean_heat
from core.inference.explaining.faithful import (
    Curves,
    curves,
    hottest_first,
    random_order,
    similarity,
)
from core.inference.explaining.planting import Planted, planted_defects, planted_images
from core.inference.heatmaps import Explainer
from core.inference.occlusion import Pixels
from core.inference.predictor import Predictor

MOST_PLANTED = 36
_MOST_PAIRS = 150
_CURVES = 12
_COMPARED = 4
_PATIENCE_S = 10.0  # for the planted images of one method, and its curves, beyond the first few
_FEWEST, _FEWEST_CURVES = 10, 4


class GradeStep(StrEnum):
    """What is being done."""

    CLASSES = "classes"
    PLANTING = "planting"
    METHODS = "methods"


# Told how far a step is: done, total.
Report = Callable[[GradeStep, int, int], None]


@dataclass(frozen=True)
class MethodGrade:
    """What was measured of one method.

    `hits` of `tried` planted images were hottest where it was planted; `chance` is the share that
    a place chosen by chance would hit. `deletion` and `insertion` are mean confidences
    (`faithful.py`), the `_random` ones those of a random order; on `wins` of `images` images the
    confidence fell sooner than by chance. `likeness` is the mean rank correlation with the
    heatmaps of a model with random last weights. Where `images` is 0, nothing but `hits` was
    measured. `problem` says why there is none of all that.
    """

    method: HeatmapMethod
    hits: int = 0
    tried: int = 0
    chance: float = 0.0
    deletion: float = 0.0
    deletion_random: float = 0.0
    insertion: float = 0.0
    insertion_random: float = 0.0
    wins: int = 0
    images: int = 0
    likeness: float = 0.0
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class ClassHeat:
    """Where a class is decided: the mean heat of its images, [28 * 28] row by row in [0, 1]."""

    class_name: str
    images: int
    mean: tuple[float, ...]
    border: BorderTest


@dataclass(frozen=True)
class HeatmapGrades:
    """All of it, for one model. `images` are those that it classifies rightly."""

    methods: tuple[MethodGrade, ...]
    classes: tuple[ClassHeat, ...]
    images: int
    pairs: int = 0


@dataclass
class Examined:
    """A model and images [S, S, 3] that it classifies rightly, by class index."""

    predictor: Predictor
    images: list[Pixels] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def classify(self, images: Pixels) -> NDArray[np.int64]:
        """Images [B, S, S, 3] to the most probable class of each [B]."""
        best: NDArray[np.int64] = self.predictor.probabilities(images).argmax(1)
        return best

    def take(self, pixels: Pixels, label: int) -> None:
        """Examine an image too, if it is classified rightly."""
        if int(self.classify(pixels[None])[0]) == label:
            pixels.flags.writeable = False
            self.images.append(pixels)
            self.labels.append(label)


def graded(
    examined: Examined,
    methods: Sequence[HeatmapMethod],
    generator: np.random.Generator,
    report: Report,
) -> HeatmapGrades:
    """Grade methods, and find what lies at the border of the images.

    Args:
        examined: the model and its images.
        methods: which ones.
        generator: chooses pairs, orders and random weights.
        report: told how far it is.
    """
    explainer = Explainer(examined.predictor)
    if examined.predictor.detector is not None:
        return _graded_detector(examined, explainer, methods, generator, report)
    try:
        classes = tuple(heat_of_classes(examined, explainer, report))
    except TouchstoneError:  # the network has no maps
        classes = ()
    planted = list(
        planted_images(
            examined.images,
            examined.labels,
            examined.classify,
            generator,
            most=MOST_PLANTED,
            most_pairs=_MOST_PAIRS,
            on_pair=lambda done: report(GradeStep.PLANTING, done, _MOST_PAIRS),
        )
    )
    order = generator.permutation(len(planted))
    planted = [planted[i] for i in order]
    shown = generator.permutation(len(examined.images))[:_CURVES].tolist()
    orders = [random_order(generator) for _ in shown]
    chance = [
        curves(examined.images[i], order, _confidence(examined, examined.labels[i]))
        for i, order in zip(shown, orders, strict=True)
    ]
    blind = Explainer(examined.predictor.with_random_head(generator))
    grades = []
    for number, method in enumerate(methods):
        report(GradeStep.METHODS, number, len(methods))
        try:
            grades.append(_grade(examined, explainer, blind, method, planted, shown, chance))
        except TouchstoneError as err:
            grades.append(MethodGrade(method, problem=err.message))
    report(GradeStep.METHODS, len(methods), len(methods))
    return HeatmapGrades(tuple(grades), classes, len(examined.images))


def _graded_detector(
    examined: Examined,
    explainer: Explainer,
    methods: Sequence[HeatmapMethod],
    generator: np.random.Generator,
    report: Report,
) -> HeatmapGrades:
    """The same of a model that only knows good images, by defects that are planted in these.

    Nothing else is measured: a removed region is itself unlike the good images, so that curves
    say nothing; there are no last weights to randomise, and one class has no border of others.
    """
    good = [p for p, label in zip(examined.images, examined.labels, strict=True) if label == 0]
    planted = list(
        planted_defects(
            good,
            examined.classify,
            generator,
            most=MOST_PLANTED,
            most_pairs=_MOST_PAIRS,
            on_pair=lambda done: report(GradeStep.PLANTING, done, _MOST_PAIRS),
        )
    )
    grades = []
    for number, method in enumerate(methods):
        report(GradeStep.METHODS, number, len(methods))
        grades.append(_grade(examined, explainer, None, method, planted, (), ()))
    report(GradeStep.METHODS, len(methods), len(methods))
    return HeatmapGrades(tuple(grades), (), len(good))


class _Patience:
    """Begins now, and counts what was computed: a busy machine gives no other grades."""

    def __init__(self) -> None:
        self._began = time.process_time()

    @property
    def is_over(self) -> bool:
        """Whether a method has had its time."""
        return time.process_time() - self._began > _PATIENCE_S


def _grade(
    examined: Examined,
    explainer: Explainer,
    blind: Explainer | None,
    method: HeatmapMethod,
    planted: Sequence[Planted],
    shown: Sequence[int],
    chance: Sequence[Curves],
) -> MethodGrade:
    """Planted images, then curves; a slow method gets fewer of both."""
    warm = examined.images[0] if examined.images else None
    if warm is not None:
        explainer.heatmap(warm, examined.labels[0], method)  # loads what the first one needs
    near: list[float] = []
    began, patience, hits = time.perf_counter(), _Patience(), 0
    for item in planted:
        if len(near) >= _FEWEST and patience.is_over:
            break
        heat = explainer.heatmap(item.pixels, item.target, method)
        near.append(float(item.near.mean()))
        hits += item.is_hit(heat)
    seconds = (time.perf_counter() - began) / max(len(near), 1)
    patience, own, likeness = _Patience(), [], []
    for position, index in enumerate(shown):
        if position >= _FEWEST_CURVES and patience.is_over:
            break
        pixels, label = examined.images[index], examined.labels[index]
        heat = explainer.heatmap(pixels, label, method)
        own.append(curves(pixels, hottest_first(heat), _confidence(examined, label)))
        if position < _COMPARED and blind is not None:
            likeness.append(similarity(heat, blind.heatmap(pixels, label, method)))
    return MethodGrade(
        method,
        hits=hits,
        tried=len(near),
        chance=_mean(near),
        deletion=_mean([c.deletion for c in own]),
        deletion_random=_mean([c.deletion for c in chance[: len(own)]]),
        insertion=_mean([c.insertion for c in own]),
        insertion_random=_mean([c.insertion for c in chance[: len(own)]]),
        wins=sum(a.deletion < b.deletion for a, b in zip(own, chance, strict=False)),
        images=len(own),
        likeness=_mean(likeness),
        seconds=round(seconds, 4),
    )


def heat_of_classes(
    examined: Examined, explainer: Explainer, report: Report
) -> Iterator[ClassHeat]:
    """The mean heat of each class and what its border does."""
    labels, done = np.asarray(examined.labels, np.int64), 0
    for label in np.unique(labels).tolist():
        own = [examined.images[i] for i in np.flatnonzero(labels == label)]
        others = [examined.images[i] for i in np.flatnonzero(labels != label)]
        heats = []
        for pixels in own:
            heats.append(explainer.heatmap(pixels, label, HeatmapMethod.GRAD_CAM))
            done += 1
            report(GradeStep.CLASSES, done, len(labels))
        mean = mean_heat(heats)
        yield ClassHeat(
            examined.predictor.card.class_names[label],
            len(own),
            tuple(round(float(value), 3) for value in mean.ravel()),
            border_test(mean, own, others, label, examined.predictor.probabilities),
        )


def _confidence(examined: Examined, label: int) -> Callable[[Pixels], NDArray[np.float64]]:
    return lambda images: examined.predictor.probabilities(images)[:, label].astype(np.float64)


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0


def grades_to_json(grades: HeatmapGrades) -> str:
    """As they are stored."""
    return json.dumps(asdict(grades))


def grades_from_json(text: str) -> HeatmapGrades:
    """What was stored; methods that this version does not know are left out."""
    stored = json.loads(text)
    known = [item for item in stored["methods"] if item["method"] in list(HeatmapMethod)]
    methods = [MethodGrade(**{**item, "method": HeatmapMethod(item["method"])}) for item in known]
    classes = [
        ClassHeat(
            item["class_name"],
            item["images"],
            tuple(item["mean"]),
            BorderTest(**{**item["border"], "box": tuple(item["border"]["box"])}),
        )
        for item in stored["classes"]
    ]
    return HeatmapGrades(tuple(methods), tuple(classes), stored["images"])
