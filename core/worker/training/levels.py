"""Which detail level a quick run uses: told, or compared by cross-validation on its images.

The cheapest level comes first, and others are tried only while images are left that the best so far
gets wrong. What counts is the loss that the head minimizes, judged by cross-validation: a level is
taken unless odds of two to one are against it, or, if it needs more passes of the network, once
they are for it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.cache import RowCache
from core.domain.configs.choices import Detail, HeadKind
from core.domain.configs.written import class_factors
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import DetailTrial, PenaltyPoint, chosen_penalty
from core.errors import ConfigError
from core.models.backbone import Backbone
from core.store import runs
from core.store.database import connect
from core.training.cross_validation import JudgedPoint, judged_at, judged_path
from core.training.linear_head import HeadTask, image_weights
from core.training.pixel_views import pixel_views, put_together
from core.training.trials import Gain, gain_of, macro_recall, worth_more
from core.worker.features import (
    FeatureSource,
    Report,
    dataset_features,
    dataset_pixels,
    reporter,
)
from core.worker.progress import comparing_passes
from core.worker.session import JobSession, StopRequested
from core.worker.training.data import TrainingData

_USUAL_POINTS = 9  # of a penalty path
_TIMED_ROWS = 8


@dataclass(frozen=True)
class ChosenLevel:
    """A detail level with the features [N, D] of all images, its last layer and its penalty.

    `evidence`: how it judges the images that a model learns from, if something was compared.
    """

    detail: Detail
    features: NDArray[np.float32]
    penalty: float
    evidence: JudgedPoint | None = None
    head: HeadKind = HeadKind.LINEAR
    trials: tuple[DetailTrial, ...] = ()
    path: tuple[PenaltyPoint, ...] = ()


def choose_level(
    session: JobSession,
    data: TrainingData,
    backbone: Backbone,
    among: Sequence[Detail],
) -> ChosenLevel:
    """The best of some levels, the cheapest first; every comparison is stored as it comes.

    Raises:
        StopRequested: if a stop was requested.
    """
    session.report(Phase.PREPARING_NETWORK, 0, 0)
    search = _Search(session, data, backbone, stores=True)
    search.try_level(among[0], data.cache, reporter(session, Phase.FEATURES), Phase.PENALTY)
    search.try_dearer(among, Phase.COMPARING)
    return search.best


def level_of_quick(session: JobSession, data: TrainingData, backbone: Backbone) -> ChosenLevel:
    """The best of all levels of the run's detail, with nothing stored: after a training.

    Raises:
        StopRequested: if a stop was requested.
    """
    levels, phase = data.run.train.detail.levels, Phase.COMPARING_QUICK
    session.report(phase, 0, 0)
    search = _Search(session, data, backbone, stores=False)
    search.try_level(levels[0], data.cache, _no_report, phase)
    search.try_dearer(levels, phase)
    return search.best


def store_trials(session: JobSession, data: TrainingData, trials: Sequence[DetailTrial]) -> None:
    """Replace what the run compared."""
    with connect(session.workspace) as db:
        runs.save_detail_trials(db, data.run.id, trials, job_id=session.job.id, owner=session.owner)


def _pixels(
    session: JobSession, data: TrainingData, detail: Detail, report: Report
) -> RowCache | None:
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
        report=report,
        lazily=True,
    )
    return cache if cache.ready[wanted].all() else None


def _part_of_comparison(
    session: JobSession,
    data: TrainingData,
    detail: Detail,
    compared: Sequence[Detail],
    phase: Phase,
    *,
    reading: bool = False,
) -> Report:
    """Reports a share of the comparison, whose units are passes of the network over all images."""
    images = len(data.every_used)
    earlier = compared[: compared.index(detail)]
    for_pixels = comparing_passes(detail) - detail.views
    before = sum(map(comparing_passes, earlier)) + (0 if reading else for_pixels)
    passes = for_pixels if reading else detail.views
    total_units = images * sum(map(comparing_passes, compared))

    def report(done: int, total: int) -> None:
        share = done / total if total else 1.0
        session.report(phase, round((before + passes * share) * images), total_units)

    return report


def _no_report(_done: int, _total: int) -> None:
    """Of what is there already."""


class _Search:
    """The levels tried so far, and the best of them."""

    def __init__(
        self, session: JobSession, data: TrainingData, backbone: Backbone, *, stores: bool
    ) -> None:
        self._session, self._data, self._backbone = session, data, backbone
        self._stores = stores
        self._trials: list[DetailTrial] = []
        self._judged: JudgedPoint | None = None
        self._path: list[PenaltyPoint] = []
        self._best: ChosenLevel | None = None
        self._evidence: dict[Detail, JudgedPoint | None] = {}

    @property
    def best(self) -> ChosenLevel:
        """The level chosen so far."""
        assert self._best is not None
        return replace(
            self._best,
            evidence=self._evidence.get(self._best.detail),
            trials=tuple(self._trials),
            path=tuple(self._path),
        )

    @property
    def may_improve(self) -> bool:
        """Whether another level could bring anything."""
        judged = self._judged
        return judged is not None and worth_more(judged, self._train_task.targets)

    def try_dearer(self, levels: Sequence[Detail], phase: Phase) -> None:
        """Try all but the first of some levels, as long as another could bring anything."""
        session, data, compared = self._session, self._data, levels[1:]
        for detail in compared:
            if not self.may_improve:
                break
            part = partial(_part_of_comparison, session, data, detail, compared, phase)
            cache = _pixels(session, data, detail, part(reading=True))
            if cache is not None:
                self.try_level(detail, cache, part(), phase)

    def try_level(self, detail: Detail, cache: RowCache, report: Report, phase: Phase) -> None:
        """Compute the features of a level, judge it, and keep it if it is the best so far."""
        data = self._data
        source = self._source(detail)
        features = self._features(detail, source, cache, report)
        self._train_task = head_task(data, features).only(data.subsets[Subset.TRAIN])
        path, judged = self._search_penalty(phase)
        penalty = chosen_penalty(data.run.train, path)
        point = next((item for item in judged if item.point.penalty == penalty), None)
        level = ChosenLevel(detail, features, penalty)
        is_better = self._note(level, point, image_ms(source, cache))
        if self._best is None or is_better:
            self._best, self._judged, self._path = level, point, path
        self._store()

    def _source(self, detail: Detail) -> FeatureSource:
        return self._stages if detail is Detail.STAGES else self._new_source(detail)

    @cached_property
    def _stages(self) -> FeatureSource:
        """Kept: other levels use it as well, and each source compiles its network anew."""
        return self._new_source(Detail.STAGES)

    def _new_source(self, detail: Detail) -> FeatureSource:
        preprocess = self._data.run.preprocess.at_detail(detail)
        runtimes = self._session.workspace.runtimes
        return FeatureSource(self._backbone, preprocess, detail, self._data.device_name, runtimes)

    def _features(
        self, detail: Detail, source: FeatureSource, cache: RowCache, report: Report
    ) -> NDArray[np.float32]:
        """The features of all images; levels share passes of the network where they can."""
        session, wanted = self._session, self._data.every_used
        if detail is Detail.WHOLE and Detail.STAGES in self._data.run.train.detail.levels:
            # Why whatever is cached: the same run gives the same bits, whatever ran before it.
            stages, rows = self._source(Detail.STAGES), some_rows(cache)
            width = begins_with(stages.features(rows), source.features(rows))
            if width:
                both = dataset_features(session, cache, wanted, stages, report=report)
                return both[:, :width]
        if views := pixel_views(detail):
            stages = self._source(Detail.STAGES)  # the plain ones are there after a comparison
            seen = [
                dataset_features(
                    session, cache, wanted, stages, report=_share(report, i, len(views)), view=view
                )
                for i, view in enumerate(views)
            ]
            return put_together(detail, seen)
        return dataset_features(session, cache, wanted, source, report=report)

    def _gain(self, level: ChosenLevel) -> Gain | None:
        """What a level brings against the best so far; None for the first."""
        if self._best is None:
            return None
        before, after = self._evidence_of(self._best), self._evidence_of(level)
        if before is None or after is None:
            return None
        task = head_task(self._data, level.features).only(compared_rows(self._data))
        return gain_of(before.losses, after.losses, task.groups, image_weights(task))

    def _evidence_of(self, level: ChosenLevel) -> JudgedPoint | None:
        if level.detail not in self._evidence:
            task = head_task(self._data, level.features).only(compared_rows(self._data))
            check = stop_check(self._session)
            self._evidence[level.detail] = judged_at(task, level.penalty, on_step=check)
        return self._evidence[level.detail]

    def _search_penalty(self, phase: Phase) -> tuple[list[PenaltyPoint], list[JudgedPoint]]:
        """The penalty path, and how each point of it judged; no path of a penalty that was told."""
        session, train = self._session, self._data.run.train
        judged: list[JudgedPoint] = []
        if phase is Phase.PENALTY:
            session.report(phase, 0, _USUAL_POINTS)
            # Why: an earlier attempt left its points; a version that trained in epochs left those.
            self._store_path([])
        if train.penalty > 0:
            check = stop_check(session)
            if not train.detail.compares:
                return [], []
            told = judged_at(self._train_task, train.penalty, on_step=check)
            return [], [told] if told else []
        for item in judged_path(self._train_task, on_step=stop_check(session)):
            judged.append(item)
            if phase is Phase.PENALTY:
                self._store_path([j.point for j in judged])
                session.report(phase, len(judged), max(_USUAL_POINTS, len(judged) + 1))
        return [item.point for item in judged], judged

    def _note(self, level: ChosenLevel, judged: JudgedPoint | None, took_ms: float) -> bool:
        """Write down what a level brought; whether it is better than the best so far."""
        if judged is None:  # too few images to judge by, or nothing to compare
            return False
        task, gain, best = self._train_task, self._gain(level), self._best
        is_better = best is None or (
            gain is not None and gain.pays(slower=level.detail.views > best.detail.views)
        )
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
        self._store_path(self._path)
        if self._stores:
            store_trials(self._session, self._data, self._trials)

    def _store_path(self, path: list[PenaltyPoint]) -> None:
        if not self._stores:
            return
        session, run_id = self._session, self._data.run.id
        with connect(session.workspace) as db:
            runs.save_penalty_path(db, run_id, path, job_id=session.job.id, owner=session.owner)


def compared_rows(data: TrainingData) -> NDArray[np.intp]:
    """The images that levels and heads are compared on: all that a quick model learns from."""
    # Why not the training images alone: too few groups are among them to tell levels apart.
    subsets = data.subsets
    if not data.run.refits:
        return subsets[Subset.TRAIN]
    return np.concatenate([subsets[Subset.TRAIN], subsets[Subset.VALIDATION]])


def head_task(
    data: TrainingData,
    features: NDArray[np.float32],
    rows: NDArray[np.intp] | slice = slice(None),
) -> HeadTask:
    """Images of a run, by default all, as a task for its head; the features are of them alone."""
    config = data.run.train
    return HeadTask(
        features,
        data.targets[rows],
        data.groups[rows],
        data.class_count,
        config.class_weights,
        config.label_smoothing,
        config.seed,
        class_factors(config.class_penalties, data.dataset.class_names),
    )


def some_rows(cache: RowCache) -> NDArray[np.uint8]:
    """The pixels of the first readable images."""
    return np.asarray(cache.rows[np.flatnonzero(cache.ready)[:_TIMED_ROWS]], np.uint8)


def _share(report: Report, part: int, parts: int) -> Report:
    """Reports one of several equal parts of the work."""
    return lambda done, total: report(part * total + done, parts * total)


def begins_with(wide: NDArray[np.float32], narrow: NDArray[np.float32]) -> int:
    """The width of the second features if the first begin with them, else 0.

    True of networks that end with the mean of their last maps, and not of those that do more to it.
    """
    width = narrow.shape[1]
    tolerance = 1e-4 * float(np.abs(narrow).max(initial=0.0))
    is_equal = wide.shape[1] > width and np.allclose(wide[:, :width], narrow, 0, tolerance)
    return width if is_equal else 0


def image_ms(source: FeatureSource, cache: RowCache) -> float:
    """Milliseconds of the network for one image, several running side by side."""
    rows = some_rows(cache)
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
