"""The quick recipe: features once, then the exact solution of a linear head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import PenaltyPoint, chosen_penalty
from core.models.build import PixelFeatures, head_name
from core.models.bundle import Tensors
from core.store import runs
from core.store.database import connect
from core.training import recipes
from core.training.linear_head import HeadTask, cross_validated, fit_head, penalty_path
from core.worker.features import dataset_features
from core.worker.session import JobSession, StopRequested
from core.worker.training.data import TrainingData
from core.worker.training.model import TrainedModel, network_of, predictor_of

_USUAL_POINTS = 9  # of a penalty path


def quick(session: JobSession, material: TrainingData) -> TrainedModel:
    """Features once, then the exact solution of a linear head."""
    module = network_of(session, material)
    solved = _solved(session, material, module)
    head = head_name(module.network)
    predictor = predictor_of(session, material, solved.tensors, head)
    probabilities = {
        subset: predictor.probabilities_of_features(solved.features[positions])
        for subset, positions in material.subsets.items()
    }
    if solved.validation is not None:
        probabilities[Subset.VALIDATION] = solved.validation
    return TrainedModel(solved.tensors, head, probabilities, solved.validation is not None)


@dataclass(frozen=True)
class _QuickModel:
    """Weights of the whole network, the features [N, D] of all images, and what validates it.

    `validation` are the cross-validated confidences of the validation images of a model that was
    refitted on them; None: it has not seen them.
    """

    tensors: Tensors
    features: NDArray[np.float32]
    validation: NDArray[np.float32] | None


def _solved(session: JobSession, data: TrainingData, module: PixelFeatures) -> _QuickModel:
    """Choose the penalty on the training images, then fit the released head.

    Raises:
        StopRequested: if a stop was requested.
    """
    features = _features(session, data, module)
    task = _task(data, features)
    train, validation = (data.subsets[s] for s in (Subset.TRAIN, Subset.VALIDATION))
    penalty = _choose_penalty(session, data, task.only(train))
    check = _stop_check(session)
    session.report(Phase.FITTING, 0, 0)
    if not data.run.refits:
        head = fit_head(task.only(train), penalty, on_step=check)
        judged = None
    else:
        both = np.concatenate([train, validation])
        head = fit_head(task.only(both), penalty, on_step=check)
        session.report(Phase.CROSS_VALIDATING, 0, 0)
        rows = np.arange(len(train), len(both))
        judged = cross_validated(task.only(both), penalty, rows, on_step=check)
    state = {"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)}
    return _QuickModel(recipes.with_head(module, state), features, judged)


def _features(
    session: JobSession, data: TrainingData, module: PixelFeatures
) -> NDArray[np.float32]:
    wanted = np.sort(np.concatenate(list(data.subsets.values())))
    return dataset_features(
        session, data.cache, wanted, data.network, data.run.preprocess, module, data.device
    )


def _task(data: TrainingData, features: NDArray[np.float32]) -> HeadTask:
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


def _choose_penalty(session: JobSession, data: TrainingData, task: HeadTask) -> float:
    """The penalty of the run; every point of its path is stored as it comes."""
    path: list[PenaltyPoint] = []
    session.report(Phase.PENALTY, 0, _USUAL_POINTS)
    # Why: an earlier attempt left its points; a version that trained in epochs left those.
    _store_path(session, data.run.id, path)
    if data.run.train.penalty == 0:
        for point in penalty_path(task, on_step=_stop_check(session)):
            path.append(point)
            _store_path(session, data.run.id, path)
            session.report(Phase.PENALTY, len(path), max(_USUAL_POINTS, len(path) + 1))
    return chosen_penalty(data.run.train, path)


def _store_path(session: JobSession, run_id: str, path: Sequence[PenaltyPoint]) -> None:
    with connect(session.workspace) as db:
        runs.save_penalty_path(db, run_id, path, job_id=session.job.id, owner=session.owner)


def _stop_check(session: JobSession) -> Callable[[], None]:
    def check() -> None:
        if session.should_stop():
            raise StopRequested

    return check
