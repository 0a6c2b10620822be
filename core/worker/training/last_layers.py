"""Which kind of last layer a quick run uses: told, or compared on the features of its detail level.

The linear head comes first; another one takes its place only where that is proven better.
"""

import time
from dataclasses import replace

import numpy as np

from core.domain.configs.choices import HeadKind
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import HeadTrial, PenaltyPoint, chosen_penalty
from core.inference.heads import Head, HiddenLayer
from core.store import runs
from core.store.database import connect
from core.training.cross_validation import JudgedPoint
from core.training.heads import HIDDEN_UNITS, judged_kind, kind_path
from core.training.linear_head import HeadTask
from core.training.trials import is_better_head, macro_recall, worth_more
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.levels import ChosenLevel, compared_rows, head_task, stop_check

FEWEST_FOR_MLP = 200  # images to learn from, below which a hidden layer is not tried by itself
_TIMED = 200  # images


def choose_last_layer(session: JobSession, data: TrainingData, level: ChosenLevel) -> ChosenLevel:
    """The level with the head of the run; every comparison is stored as it comes.

    Raises:
        StopRequested: if a stop was requested.
    """
    train = data.run.train
    kinds = train.head.kinds
    # Why not with a given penalty: it suits one kind of head, and that is the linear one.
    if kinds == (HeadKind.LINEAR,) or (len(kinds) > 1 and train.penalty > 0):
        return level
    search = _Search(session, data, level)
    if len(kinds) == 1:
        return search.told(kinds[0])
    return search.compared(kinds[1:])


class _Search:
    """The heads tried so far on one level, and the best of them."""

    def __init__(self, session: JobSession, data: TrainingData, level: ChosenLevel) -> None:
        self._session, self._data, self._best = session, data, level
        task = head_task(data, level.features)
        self._train = task.only(data.subsets[Subset.TRAIN])
        self._task = task.only(compared_rows(data))
        self._check = stop_check(session)
        self._trials: list[HeadTrial] = []

    def told(self, kind: HeadKind) -> ChosenLevel:
        """The head that was asked for, with the penalty that suits it."""
        penalty, path = self._penalty(kind)
        self._store(path)
        return replace(self._best, head=kind, penalty=penalty, evidence=None)

    def compared(self, others: tuple[HeadKind, ...]) -> ChosenLevel:
        """The linear head, or another one that is proven better."""
        best = self._best.evidence or self._judged(HeadKind.LINEAR, self._best.penalty)
        if best is None:  # too few images to judge by
            return self._best
        self._best = replace(self._best, evidence=best)
        self._note(HeadKind.LINEAR, best, self._best.penalty)
        for kind in others:
            is_large = kind is not HeadKind.MLP or len(self._task.targets) >= FEWEST_FOR_MLP
            if is_large and worth_more(best, self._task.targets):
                best = self._try(kind, best)
        self._store(None)
        return self._best

    def _try(self, kind: HeadKind, best: JudgedPoint) -> JudgedPoint:
        """The better one of a kind of head and the best so far."""
        penalty, path = self._penalty(kind)
        judged = self._judged(kind, penalty)
        if judged is None:
            return best
        gain, is_better = is_better_head(judged, best, self._task)
        self._note(kind, judged, penalty)
        self._trials[-1] = replace(
            self._trials[-1], gain=gain.mean, gain_error=gain.standard_error, is_chosen=is_better
        )
        if not is_better:
            return best
        self._trials[:-1] = [replace(trial, is_chosen=False) for trial in self._trials[:-1]]
        self._best = replace(self._best, head=kind, penalty=penalty, evidence=judged)
        if path:
            self._store(path)
        return judged

    def _penalty(self, kind: HeadKind) -> tuple[float, list[PenaltyPoint]]:
        """The penalty of a kind, and how it was chosen on the training images."""
        train, path = self._data.run.train, []
        if train.penalty == 0:
            for judged in kind_path(kind, self._train, on_step=self._check):
                path.append(judged.point)
                self._session.report(Phase.FITTING, 0, 0)
        return chosen_penalty(train, path), path

    def _judged(self, kind: HeadKind, penalty: float) -> JudgedPoint | None:
        return judged_kind(kind, self._task, penalty, on_step=self._check)

    def _note(self, kind: HeadKind, judged: JudgedPoint, penalty: float) -> None:
        self._trials.append(
            HeadTrial(
                kind,
                penalty,
                judged.point.log_loss,
                judged.point.standard_error,
                macro_recall(judged.predicted, self._task.targets),
                None,
                None,
                _image_ms(kind, self._task),
                is_chosen=kind is HeadKind.LINEAR,
            )
        )

    def _store(self, path: list[PenaltyPoint] | None) -> None:
        """Keep the trials, and the path of the chosen head where it is not that of the level."""
        session, run_id = self._session, self._data.run.id
        job_id, owner = session.job.id, session.owner
        with connect(session.workspace) as db:
            if path is not None:
                runs.save_penalty_path(db, run_id, path, job_id=job_id, owner=owner)
            runs.save_head_trials(db, run_id, self._trials, job_id=job_id, owner=owner)


def _image_ms(kind: HeadKind, task: HeadTask) -> float:
    """Milliseconds of a head for one image that comes alone."""
    classes, width = task.class_count, task.features.shape[1]
    bias = np.zeros(classes, np.float32)
    if kind is HeadKind.MLP:
        hidden = HiddenLayer(
            np.zeros((HIDDEN_UNITS, width), np.float32), np.zeros(HIDDEN_UNITS, np.float32)
        )
        head = Head(np.zeros((classes, HIDDEN_UNITS), np.float32), bias, hidden)
    else:
        head = Head(np.zeros((classes, width), np.float32), bias)
    started = time.perf_counter()
    for row in range(_TIMED):
        head.logits(task.features[row % len(task.features)][None])
    return (time.perf_counter() - started) * 1000 / _TIMED
