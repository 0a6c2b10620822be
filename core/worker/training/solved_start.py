"""Staged and full start from what quick would make, and end with it unless more training paid."""

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import Detail, KeptEpoch, Recipe
from core.domain.configs.train import TrainConfig
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import chosen_detail
from core.models.build import PixelFeatures
from core.store import runs
from core.store.database import connect
from core.training import recipes
from core.training.linear_head import Floats, fit_head, image_weights
from core.training.stages import stages_to_store
from core.training.trials import gain_of
from core.worker.features import pretrained
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.levels import (
    ChosenLevel,
    choose_level,
    head_task,
    level_of_quick,
    stop_check,
    store_trials,
)
from core.worker.training.model import TrainedModel, network_of
from core.worker.training.quick import solved_model
from core.worker.training.record import TRAINED_DETAIL, note_setup
from core.worker.training.start import start_detail

_LEAST_CONFIDENCE = 1e-30


def started(session: JobSession, data: TrainingData, *, goes_on: bool) -> PixelFeatures:
    """The network to start from, with the solved head where one was asked for.

    A run that goes on needs none, and an own model as start brings its head along.

    Raises:
        StopRequested: if a stop was requested.
    """
    config = data.run.train
    if goes_on or config.start_model or not config.start_from_head:
        return network_of(session, data, known_detail(session, data))
    among = [level for level in config.detail.levels if level.trains]
    level = choose_level(session, data, pretrained(session, data.network), among)
    module = network_of(session, data, level.detail)
    _solve(session, data, module, level)
    return module


def known_detail(session: JobSession, data: TrainingData) -> Detail:
    """The detail level on which a run that has begun, or that compares none, is trained."""
    if data.run.train.start_model:
        return start_detail(session, data.run)
    with connect(session.workspace) as db:
        record, trials = runs.record_of(db, data.run.id), runs.detail_trials_of(db, data.run.id)
    if TRAINED_DETAIL in record:
        return Detail(record[TRAINED_DETAIL])
    return chosen_detail(data.run.train, trials)  # of a run that an earlier version began


def _solve(
    session: JobSession, data: TrainingData, module: PixelFeatures, level: ChosenLevel
) -> None:
    """Put the solved head into a network; what a staged run stores no maps for has no weight."""
    features = level.features
    if data.run.train.recipe is Recipe.STAGED:
        count = stages_to_store(module.network, data.run.train.frozen_stages)
        features = np.ascontiguousarray(features[:, : recipes.upper_width(module, count)])
    task = head_task(data, features).only(data.subsets[Subset.TRAIN])
    session.report(Phase.FITTING, 0, 0)
    head = fit_head(task, level.penalty, on_step=stop_check(session))
    missing = level.features.shape[1] - features.shape[1]
    recipes.set_head(module, np.pad(head.weight, ((0, 0), (0, missing))), head.bias)


def better_of(session: JobSession, material: TrainingData, made: TrainedModel) -> TrainedModel:
    """A trained model, or what quick makes of the same images unless training paid.

    Quick compares all levels, of which a network is trained on some only. Both models are judged
    on the validation images, of which neither has learned: the trained one is kept where it is
    better with 95% confidence. Why not by the better figure: the best of many epochs looks better
    than it is, and the quick model learns from the validation images as well once it is chosen.

    Raises:
        StopRequested: if a stop was requested.
    """
    if made.stopped_at is not None or not _starts_from_quick(material.run.train):
        return made
    backbone = pretrained(session, material.network)
    level = level_of_quick(session, material, backbone)
    if not level.path and material.run.train.penalty == 0:  # too few images to judge any by
        return made
    train, validation = (material.subsets[s] for s in (Subset.TRAIN, Subset.VALIDATION))
    task = head_task(material, level.features)
    head = fit_head(task.only(train), level.penalty, on_step=stop_check(session))
    judged = task.only(validation)
    before = _losses(head.probabilities(judged.features), judged.targets)
    after = _losses(made.probabilities[Subset.VALIDATION], judged.targets)
    weights = image_weights(judged)
    if gain_of(before, after, judged.groups, weights).is_proven:
        return made
    losses = {"start_log_loss": _mean(before, weights), "trained_log_loss": _mean(after, weights)}
    note_setup(session, material, {"start_kept": True, **losses})
    store_trials(session, material, level.trials)
    session.warn(
        "Training further brought no gain that the validation images prove: their log loss is "
        f"{losses['trained_log_loss']:.3f}, and {losses['start_log_loss']:.3f} of the model that "
        "quick makes of the same images, which was kept."
    )
    refits = material.run.train.refit and material.run.fold is None
    return solved_model(session, material, backbone, level, refits=refits)


def _starts_from_quick(config: TrainConfig) -> bool:
    is_best_kept = config.kept_epoch is KeptEpoch.BEST
    return config.start_from_head and not config.start_model and is_best_kept


def _losses(confidences: NDArray[np.float32], targets: NDArray[np.int64]) -> Floats:
    of_target = confidences[np.arange(len(targets)), targets].astype(np.float64)
    return -np.log(np.maximum(of_target, _LEAST_CONFIDENCE))


def _mean(losses: Floats, weights: Floats) -> float:
    return float((losses * weights).sum())
