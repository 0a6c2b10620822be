"""Which detail level a quick run uses: told, or compared by cross-validation on its images.

The cheapest level comes first, and a dearer one is tried only while images are left that the best
so far gets wrong. It must be better by more than chance: its log loss lower, image by image, by
more than one standard error.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.cache import RowCache
from core.domain.configs.choices import Detail
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import DetailTrial, PenaltyPoint, chosen_penalty
from core.errors import ConfigError
from core.models.backbone import Backbone
from core.store import runs
from core.store.database import connect
from core.training.linear_head import HeadTask, JudgedPoint, judged_at, judged_path
from core.training.trials import Gain, gain_of, macro_recall, worth_more
from core.worker.features import FeatureSource, Report, dataset_features, dataset_pixels, reporter
from core.worker.session import JobSession, StopRequested
from core.worker.training.data import TrainingData

_USUAL_POINTS = 9  # of a penalty path
_TIMED_ROWS = 16


@dataclass(frozen=True)
class ChosenLevel:
    """A detail level with the features [N, D] of all images and the penalty that suits it."""

    detail: Detail
    features: NDArray[np.float32]
    penalty: float


def choose_level(session: JobSession, data: TrainingData, backbone: Backbone) -> ChosenLevel:
    """The level of the run; every comparison is stored as it comes.

    Raises:
        StopRequested: if a stop was requested.
    """
    told = data.run.train.detail.told
    session.report(Phase.PREPARING_NETWORK, 0, 0)
    search = _Search(session, data, backbone)
    first = told or Detail.WHOLE
    search.try_level(first, data.cache, reporter(session, Phase.FEATURES), Phase.PENALTY)
    if told is None:
        _compare(session, data, search)
    return search.best


def _compare(session: JobSession, data: TrainingData, search: "_Search") -> None:
    """Try the dearer levels while they may bring something."""
    for detail in (Detail.STAGES, Detail.TILES):
        if not search.may_improve:
            return
        cache = _pixels(session, data, detail)
        if cache is not None:
            report = _part_of_comparison(session, data, detail)
            search.try_level(detail, cache, report, Phase.COMPARING)


def _pixels(session: JobSession, data: TrainingData, detail: Detail) -> RowCache | None:
    """The pixels of a level; None if they would be too many, or some cannot be read that large."""
    if detail.scale == 1:
        return data.cache
    try:
        preprocess = data.run.preprocess.at_detail(detail)
    except ConfigError:
        return None
    wanted = data.every_used
    cache, _ = dataset_pixels(
        session,
        data.dataset.id,
        data.every,
        wanted,
        preprocess,
        report=_part_of_comparison(session, data, detail, reading=True),
    )
    return cache if cache.ready[wanted].all() else None


def _part_of_comparison(
    session: JobSession, data: TrainingData, detail: Detail, *, reading: bool = False
) -> Report:
    """Reports a share of the comparison, whose units are passes of the network over all images."""
    images = len(data.every_used)
    # Stages take one pass; reading the larger pixels counts as two, the five views follow.
    before = 0 if detail is Detail.STAGES else 1 if reading else 3
    passes = 2 if reading else detail.views

    def report(done: int, total: int) -> None:
        share = done / total if total else 1.0
        session.report(Phase.COMPARING, round((before + passes * share) * images), 8 * images)

    return report


class _Search:
    """The levels tried so far, and the best of them."""

    def __init__(self, session: JobSession, data: TrainingData, backbone: Backbone) -> None:
        self._session, self._data, self._backbone = session, data, backbone
        self._trials: list[DetailTrial] = []
        self._judged: JudgedPoint | None = None
        self._path: list[PenaltyPoint] = []
        self._best: ChosenLevel | None = None
        self._evidence: JudgedPoint | None = None

    @property
    def best(self) -> ChosenLevel:
        """The level chosen so far."""
        assert self._best is not None
        return self._best

    @property
    def may_improve(self) -> bool:
        """Whether another level could bring anything."""
        judged = self._judged
        return judged is not None and worth_more(judged, self._train_task.targets)

    def try_level(self, detail: Detail, cache: RowCache, report: Report, phase: Phase) -> None:
        """Compute the features of a level, judge it, and keep it if it is the best so far."""
        session, data = self._session, self._data
        preprocess = data.run.preprocess.at_detail(detail)
        source = FeatureSource(
            self._backbone, preprocess, detail, data.device_name, session.workspace.runtimes
        )
        features = dataset_features(session, cache, data.every_used, source, report=report)
        self._train_task = head_task(data, features).only(data.subsets[Subset.TRAIN])
        path, judged = self._search_penalty(phase)
        penalty = chosen_penalty(data.run.train, path)
        point = next((item for item in judged if item.point.penalty == penalty), None)
        level = ChosenLevel(detail, features, penalty)
        is_better = self._note(level, point, image_ms(source, cache))
        if self._best is None or is_better:
            self._best, self._judged, self._path = level, point, path
        self._store()

    def _gain(self, level: ChosenLevel) -> Gain | None:
        """What a level brings against the best so far; None for the first."""
        if self._best is None:
            return None
        before = self._evidence or self._evidence_of(self._best)
        after = self._evidence_of(level)
        if before is None or after is None:
            return None
        gain = gain_of(before, after, self._data.groups[self._rows])
        self._evidence = after if gain.is_real else before
        return gain

    @property
    def _rows(self) -> NDArray[np.intp]:
        """The images that levels are compared on: all that the model learns from."""
        # Why not the training images alone: too few groups are among them to tell levels apart.
        subsets = self._data.subsets
        if not self._data.run.refits:
            return subsets[Subset.TRAIN]
        return np.concatenate([subsets[Subset.TRAIN], subsets[Subset.VALIDATION]])

    def _evidence_of(self, level: ChosenLevel) -> JudgedPoint | None:
        task = head_task(self._data, level.features).only(self._rows)
        return judged_at(task, level.penalty, on_step=stop_check(self._session))

    def _search_penalty(self, phase: Phase) -> tuple[list[PenaltyPoint], list[JudgedPoint]]:
        session, data = self._session, self._data
        judged: list[JudgedPoint] = []
        if phase is Phase.PENALTY:
            session.report(phase, 0, _USUAL_POINTS)
            # Why: an earlier attempt left its points; a version that trained in epochs left those.
            self._store_path([])
        if data.run.train.penalty == 0:
            for item in judged_path(self._train_task, on_step=stop_check(session)):
                judged.append(item)
                if phase is Phase.PENALTY:
                    self._store_path([j.point for j in judged])
                    total = max(_USUAL_POINTS, len(judged) + 1)
                    session.report(phase, len(judged), total)
        return [item.point for item in judged], judged

    def _note(self, level: ChosenLevel, judged: JudgedPoint | None, took_ms: float) -> bool:
        """Write down what a level brought; whether it is better than the best so far."""
        if judged is None:  # the penalty was given, or too few images to judge by
            return False
        task, gain = self._train_task, self._gain(level)
        is_better = self._best is None or (gain is not None and gain.is_real)
        if is_better:
            self._trials = [replace(trial, is_chosen=False) for trial in self._trials]
        self._trials.append(
            DetailTrial(
                level.detail,
                judged.point.log_loss,
                judged.point.standard_error,
                macro_recall(judged.predicted, task.targets),
                None if gain is None else gain.mean,
                None if gain is None else gain.standard_error,
                took_ms,
                is_chosen=is_better,
            )
        )
        return is_better

    def _store(self) -> None:
        session, run_id = self._session, self._data.run.id
        self._store_path(self._path)
        with connect(session.workspace) as db:
            runs.save_detail_trials(
                db, run_id, self._trials, job_id=session.job.id, owner=session.owner
            )

    def _store_path(self, path: list[PenaltyPoint]) -> None:
        session, run_id = self._session, self._data.run.id
        with connect(session.workspace) as db:
            runs.save_penalty_path(db, run_id, path, job_id=session.job.id, owner=session.owner)


def head_task(data: TrainingData, features: NDArray[np.float32]) -> HeadTask:
    """All images of a run as a task for its head."""
    config = data.run.train
    return HeadTask(
        features,
        data.targets,
        data.groups,
        data.class_count,
        config.class_weights,
        config.label_smoothing,
        config.seed,
    )


def image_ms(source: FeatureSource, cache: RowCache) -> float:
    """Milliseconds of the network for one image, several running side by side."""
    rows = np.asarray(cache.rows[np.flatnonzero(cache.ready)[:_TIMED_ROWS]])
    times = []
    for _ in range(2):  # the faster one, as other work on the machine only adds to it
        started = time.perf_counter()
        source.features(rows)
        times.append(time.perf_counter() - started)
    return min(times) * 1000 / max(1, len(rows))


def stop_check(session: JobSession) -> Callable[[], None]:
    """Raises StopRequested once a stop was requested."""

    def check() -> None:
        if session.should_stop():
            raise StopRequested

    return check
