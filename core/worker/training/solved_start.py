"""Staged and full start from what quick would make, and end with it unless more training paid."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import Detail, Recipe
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import chosen_detail, chosen_penalty
from core.inference.heads import Head
from core.inference.predictor import softmax
from core.models.build import PixelFeatures
from core.store import runs
from core.store.database import connect
from core.training import recipes
from core.training.cross_validation import group_folds, judged_at, judged_path
from core.training.linear_head import Floats, fit_head, image_weights
from core.training.stages import stages_to_store
from core.training.trials import gain_of
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
from core.worker.training.record import (
    REFIT_PENALTY,
    START_KEPT,
    TRAINED_DETAIL,
    end_record,
    note_setup,
)
from core.worker.training.start import start_backbone, start_detail

_LEAST_CONFIDENCE = 1e-30


def started(session: JobSession, data: TrainingData, *, goes_on: bool) -> PixelFeatures:
    """The network to start from, with the solved head where one was asked for.

    A run that goes on needs none, and without one an own model as start brings its head along.

    Raises:
        StopRequested: if a stop was requested.
    """
    config = data.run.train
    if goes_on or not config.start_from_head:
        return network_of(session, data, known_detail(session, data))
    among = [level for level in config.detail.levels if level.trains]
    level = choose_level(session, data, start_backbone(session, data), among)
    module = network_of(session, data, level.detail)
    _solve(session, data, module, level)
    return module


def known_detail(session: JobSession, data: TrainingData) -> Detail:
    """The detail level on which a run that has begun, or that compares none, is trained."""
    with connect(session.workspace) as db:
        record, trials = runs.record_of(db, data.run.id), runs.detail_trials_of(db, data.run.id)
    if TRAINED_DETAIL in record:
        return Detail(record[TRAINED_DETAIL])
    if data.run.train.start_model:
        return start_detail(session, data.run)
    return chosen_detail(data.run.train, trials)  # of a run that an earlier version began


def _solve(
    session: JobSession, data: TrainingData, module: PixelFeatures, level: ChosenLevel
) -> None:
    """Put the solved head into a network; what a staged run stores no maps for has no weight."""
    features = level.features
    if data.run.train.recipe is Recipe.STAGED:
        count = stages_to_store(module.network, data.run.train.frozen_stages)
        side = data.run.preprocess.image_size_px
        features = np.ascontiguousarray(features[:, : recipes.upper_width(module, count, side)])
    task = head_task(data, features).only(data.subsets[Subset.TRAIN])
    session.report(Phase.FITTING, 0, 0)
    head = fit_head(task, level.penalty, on_step=stop_check(session))
    missing = level.features.shape[1] - features.shape[1]
    recipes.set_head(module, np.pad(head.weight, ((0, 0), (0, missing))), head.bias)


def better_of(session: JobSession, material: TrainingData, made: TrainedModel) -> TrainedModel:
    """A trained model, or what quick makes of the same images unless training paid.

    Quick compares all levels, of which a network is trained on some only. Both models are judged
    alike on the validation images: by heads that learned from the training images, and where the
    run refits, from the other validation images, too. The trained one is kept where it is better
    with 95% confidence. Why not by the better figure: the best of many epochs looks better than it
    is.

    Raises:
        StopRequested: if a stop was requested.
    """
    if made.stopped_at is not None or not material.run.train.is_held_against_quick:
        return made
    backbone = start_backbone(session, material)
    level = level_of_quick(session, material, backbone)
    if not level.path and material.run.train.penalty == 0:  # too few images to judge any by
        return made
    made = _refitted(session, material, made)
    learned = _learned(material)
    judged = head_task(material, level.features).only(material.subsets[Subset.VALIDATION])
    quick = judged_at(
        head_task(material, level.features[learned], learned),
        level.penalty,
        on_step=stop_check(session),
        folds=_validation_folds(material, divided=made.validation_cross_validated),
    )
    assert quick is not None  # there is a fold
    before = _losses(quick.confidences[-len(judged.targets) :], judged.targets)
    after = _losses(made.probabilities[Subset.VALIDATION], judged.targets)
    weights = image_weights(judged)
    if gain_of(before, after, judged.groups, weights).is_proven:
        return made
    losses = {"start_log_loss": _mean(before, weights), "trained_log_loss": _mean(after, weights)}
    note_setup(session, material, {START_KEPT: True, **losses})
    store_trials(session, material, level.trials)
    session.warn(
        "Training further brought no gain that the validation images prove with 95% confidence: "
        f"their log loss is {losses['trained_log_loss']:.3f}, and "
        f"{losses['start_log_loss']:.3f} of the model that quick makes of the same images, which "
        "was kept."
    )
    return solved_model(session, material, backbone, level, refits=material.run.refits)


def _refitted(session: JobSession, data: TrainingData, made: TrainedModel) -> TrainedModel:
    """A trained network with a last layer solved on the training and the validation images.

    Training learns from the training images alone and ends by knowing them by heart, its last
    layer too much of all: solved anew it told 81 of 100 test images right that had been 77. Parts
    of the validation images, judged by heads of everything else, choose the penalty. The trained
    last layer stays where it judges them better with 95% confidence.
    """
    config = data.run.train
    folds = _validation_folds(data, divided=True)
    if not (data.run.refits and config.ends_refitted and len(folds) > 1):
        return made
    check, validation = stop_check(session), data.subsets[Subset.VALIDATION]
    features = np.concatenate([made.features[Subset.TRAIN], made.features[Subset.VALIDATION]])
    task = head_task(data, features, _learned(data))
    is_told = config.penalty > 0
    path = () if is_told else judged_path(task, on_step=check, folds=folds)
    penalty = chosen_penalty(config, [item.point for item in path])
    judged = judged_at(task, penalty, on_step=check, folds=folds)
    assert judged is not None  # there are folds
    confidences = judged.confidences[-len(validation) :]
    own = head_task(data, made.features[Subset.VALIDATION], validation)
    solved, trained = (
        _losses(rows, own.targets) for rows in (confidences, made.probabilities[Subset.VALIDATION])
    )
    if gain_of(solved, trained, own.groups, image_weights(own)).is_proven:
        return made
    fitted = fit_head(task, penalty, on_step=check)
    head = Head(fitted.weight, fitted.bias)
    tensors = made.tensors | head.as_tensors(made.head)
    note_setup(session, data, {REFIT_PENALTY: penalty})
    end_record(session, data, tensors)
    return replace(
        made,
        tensors=tensors,
        probabilities={s: softmax(head.logits(rows)) for s, rows in made.features.items()}
        | {Subset.VALIDATION: confidences},
        validation_cross_validated=True,
    )


def _learned(data: TrainingData) -> NDArray[np.intp]:
    """The training images, then the validation images."""
    return np.concatenate([data.subsets[Subset.TRAIN], data.subsets[Subset.VALIDATION]])


def _validation_folds(data: TrainingData, *, divided: bool) -> list[NDArray[np.intp]]:
    """Rows of `_learned` that are judged together: the validation images, or parts of them."""
    before, rows = len(data.subsets[Subset.TRAIN]), data.subsets[Subset.VALIDATION]
    if not divided:
        return [before + np.arange(len(rows))]
    nothing = np.empty((len(rows), 0), np.float32)
    return [before + fold for fold in group_folds(head_task(data, nothing, rows))]


def _losses(confidences: NDArray[np.float32], targets: NDArray[np.int64]) -> Floats:
    of_target = confidences[np.arange(len(targets)), targets].astype(np.float64)
    return -np.log(np.maximum(of_target, _LEAST_CONFIDENCE))


def _mean(losses: Floats, weights: Floats) -> float:
    return float((losses * weights).sum())
