"""The recipe for lines without defects: places of good images are remembered. Free of torch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import worker_count
from core.domain.configs.choices import Detail
from core.domain.datasets import good_classes, names_of_detector
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.errors import TrainingError
from core.inference.detector import Detector, fit_detector, mean_of_places
from core.inference.predictor import probabilities_of_scores
from core.inference.unfamiliar import Unfamiliar
from core.training.linear_head import one_thread
from core.worker.features import FeatureSource
from core.worker.session import JobSession
from core.worker.training.data import NO_LABEL, TrainingData
from core.worker.training.levels import stop_check
from core.worker.training.model import TrainedModel, unfamiliar_by
from core.worker.training.record import begin_record, end_record
from core.worker.training.start import start_backbone

_MOST_LEARNED = 1000  # images whose places are held in memory
_AT_ONCE = 64


def good_only(session: JobSession, material: TrainingData) -> TrainedModel:
    """Places of the good images that the run learns from; all of its images are judged by them.

    Raises:
        StopRequested: if a stop was requested.
        TrainingError: if there are too few good images.
    """
    begin_record(session, material, threads=worker_count())
    backbone = start_backbone(session, material)
    session.report(Phase.PREPARING_NETWORK, 0, 0)
    preprocess = material.run.preprocess.at_detail(Detail.PLACES)
    runtimes = session.workspace.runtimes
    source = FeatureSource(backbone, preprocess, Detail.PLACES, material.device_name, runtimes)
    task = _Task(session, material, source)
    targets = good_or_not(material)
    detector, scores, nearest = task.fitted(targets)
    tensors = backbone.without_head()
    end_record(session, material, tensors)
    good = good_classes(material.dataset.verdicts)
    return TrainedModel(
        tensors,
        backbone.head,
        {s: probabilities_of_scores(scores[at]) for s, at in material.subsets.items()},
        material.run.refits,
        detail=Detail.PLACES,
        unfamiliar=nearest,
        detector=detector,
        class_names=names_of_detector(material.dataset.class_names, good),
        targets=targets,
    )


def good_or_not(material: TrainingData) -> NDArray[np.int64]:
    """The class [N] of each image for a detector: good 0, anything else 1, without a label -1."""
    good = np.isin(material.targets, good_classes(material.dataset.verdicts))
    targets: NDArray[np.int64] = np.where(good, 0, 1)
    return np.where(material.targets == NO_LABEL, NO_LABEL, targets)


class _Task:
    """The images of a run, and what gives the features of their places."""

    def __init__(self, session: JobSession, material: TrainingData, source: FeatureSource) -> None:
        self._session, self._material, self._source = session, material, source
        self._check = stop_check(session)

    def fitted(
        self, targets: NDArray[np.int64]
    ) -> tuple[Detector, NDArray[np.float64], Unfamiliar | None]:
        """The detector, the score [N] of each image, and what finds the nearest good ones.

        Images that it has learned from are judged by places of others; those in no subset have 0.
        """
        config, data = self._material.run.train, self._material
        learned = self._learned(targets)
        with one_thread():
            places = self._features(learned)
            detector, cross_validated = fit_detector(
                places,
                data.groups[learned],
                config.unfamiliar_rate,
                parts=data.parts[learned],
                seed=config.seed,
                on_fold=self._on_fold,
            )
            scores = np.zeros(len(targets))
            scores[learned] = cross_validated
            others = np.setdiff1d(data.every_used, learned)
            done = 0
            for rows, features in self._in_portions(others):
                scores[rows] = detector.scores(features)
                done += len(rows)
                self._session.report(Phase.EVALUATING, done, len(others))
            nearest = unfamiliar_by(data, learned, mean_of_places(places))
        return detector, scores, nearest

    def _learned(self, targets: NDArray[np.int64]) -> NDArray[np.intp]:
        """Positions of the good images to learn from, at most as many as memory holds."""
        data = self._material
        subsets = [Subset.TRAIN, *([Subset.VALIDATION] if data.run.refits else [])]
        rows = np.concatenate([data.subsets[subset] for subset in subsets])
        good: NDArray[np.intp] = rows[targets[rows] == 0]
        if not len(good):
            raise TrainingError(
                "There are no good training images.", "Mark the classes of good parts as OK."
            )
        random = np.random.default_rng(data.run.train.seed)
        return good[np.sort(random.permutation(len(good))[:_MOST_LEARNED])]

    def _features(self, rows: NDArray[np.intp]) -> NDArray[np.float16]:
        """Features [N, P, C] of these images, in half precision."""
        result: NDArray[np.float16] | None = None
        done = 0
        for portion, features in self._in_portions(rows):
            if result is None:
                result = np.empty((len(rows), *features.shape[1:]), np.float16)
            result[done : done + len(portion)] = features
            done += len(portion)
            self._session.report(Phase.FEATURES, done, len(rows))
        assert result is not None
        return result

    def _in_portions(
        self, rows: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        for start in range(0, len(rows), _AT_ONCE):
            self._check()
            portion = rows[start : start + _AT_ONCE]
            yield portion, self._source.features(np.asarray(self._material.cache.rows[portion]))

    def _on_fold(self, done: int, total: int) -> None:
        self._check()
        self._session.report(Phase.CROSS_VALIDATING, done, total)
