"""One trial: the training job of its run, measured and cut short, without a model."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import EpochDetails, EpochMetrics
from core.evaluation.measures.classification import macro_f1
from core.training.cross_validation import group_folds
from core.training.linear_head import HeadTask
from core.worker.session import JobSession
from core.worker.training.data import TrainingData, load_training_data
from core.worker.training.job import trained


class Measured(Exception):
    """The trial has its score; the rest of the training would only make a model."""


@dataclass
class TrialSession(JobSession):
    """The session of the search's job, acting for the run of one trial.

    `on_epoch` is called with each line of the curve; it may raise to prune. `on_progress` gets
    (phase, done, total). `deadline` is the time at which the budget of the search ends.
    """

    on_epoch: Callable[[EpochMetrics], None] = lambda _: None
    on_progress: Callable[[str, int, int], None] = lambda *_: None
    deadline: float = float("inf")
    measured: list[EpochMetrics] = field(default_factory=list)
    fold: int = 0

    def progress(self, phase: str, done: int, total: int) -> None:
        """Progress within the trial, told to the search; ends the trial once it is measured."""
        if phase == Phase.PREPARING_MODEL and self.measured:
            raise Measured
        self.on_progress(phase, done, total)

    def should_stop(self) -> bool:
        """Whether the search is to stop, or its time is over and an epoch is done."""
        return super().should_stop() or (bool(self.measured) and time.time() >= self.deadline)

    def accept_stop(self) -> bool:
        """A trial is never made a model; only the end of the time keeps what it has."""
        if super().should_stop():
            return False
        raise Measured

    def epoch(self, metrics: EpochMetrics, details: EpochDetails | None = None) -> None:
        """Keep a line of the curve; the search hears of it."""
        super().epoch(metrics, details)
        self.flush_epochs()
        self.measured.append(metrics)
        if self.fold == 0:
            self.on_epoch(metrics)


def score_of(session: TrialSession, *, folds: int) -> float:
    """The best validation macro F1 of a trial, in [0, 1]; the mean over its folds.

    Raises:
        StopRequested: if the search is to stop.
    """
    material = load_training_data(session)
    scores = []
    parts = divided(material, folds)
    for number, part in enumerate(parts):
        if len(parts) > 1:  # each fold starts anew, also after a kill
            session.measured.clear()
            shutil.rmtree(session.workspace.run_folder(part.run.id), ignore_errors=True)
        session.fold = number
        try:
            probabilities = trained(session, part).probabilities[Subset.VALIDATION]
        except Measured:
            scores.append(max(e.val_macro_f1 for e in session.measured))
            continue
        targets = part.targets[part.subsets[Subset.VALIDATION]]
        scores.append(macro_f1(probabilities.argmax(1), targets, part.class_count))
    return float(np.mean(scores))


def divided(material: TrainingData, folds: int) -> list[TrainingData]:
    """The data as the split has it, or once for each fold of its training and validation images.

    Test images take no part.
    """
    train, validation = (material.subsets[s] for s in (Subset.TRAIN, Subset.VALIDATION))
    held_out: list[NDArray[np.intp]] = []
    both = np.concatenate([train, validation])
    if folds:
        held_out = group_folds(
            HeadTask(
                np.zeros((len(both), 1), np.float32),
                material.targets[both],
                material.groups[both],
                material.class_count,
                material.run.train.class_weights,
                0.0,
                material.run.train.seed,
            )
        )[:folds]
    if not held_out:
        return [replace(material, subsets={Subset.TRAIN: train, Subset.VALIDATION: validation})]
    every = np.arange(len(both))
    return [
        replace(
            material,
            subsets={
                Subset.TRAIN: both[np.setdiff1d(every, rows)],
                Subset.VALIDATION: both[np.sort(rows)],
            },
        )
        for rows in held_out
    ]
