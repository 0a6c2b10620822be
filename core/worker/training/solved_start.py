"""The start of staged and full: the head that the quick recipe would solve."""

from collections.abc import Callable

import numpy as np

from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import PenaltyPoint, chosen_penalty
from core.models.build import PixelFeatures
from core.training import recipes
from core.training.linear_head import HeadTask, fit_head, penalty_path
from core.worker.features import dataset_features
from core.worker.session import JobSession, StopRequested
from core.worker.training.data import TrainingData

_USUAL_POINTS = 9


def start_from_head(session: JobSession, data: TrainingData, module: PixelFeatures) -> float:
    """Solve the last layer on the training images and put it into the network; gives its penalty.

    Raises:
        StopRequested: if a stop was requested.
    """
    positions = data.subsets[Subset.TRAIN]
    wanted = np.sort(np.concatenate([positions, data.subsets[Subset.VALIDATION]]))
    features = dataset_features(
        session, data.cache, wanted, data.network, data.run.preprocess, module, data.device
    )
    config = data.run.train
    task = HeadTask(
        features,
        data.targets,
        data.groups,
        data.class_count,
        config.class_weights,
        config.label_smoothing,
        config.seed,
    ).only(positions)
    check = _stop_check(session)
    path: list[PenaltyPoint] = []
    session.report(Phase.PENALTY, 0, _USUAL_POINTS)
    if config.penalty == 0:
        for point in penalty_path(task, on_step=check):
            path.append(point)
            session.report(Phase.PENALTY, len(path), max(_USUAL_POINTS, len(path) + 1))
    penalty = chosen_penalty(config, path)
    session.report(Phase.FITTING, 0, 0)
    head = fit_head(task, penalty, on_step=check)
    recipes.set_head(module, head.weight, head.bias)
    return penalty


def _stop_check(session: JobSession) -> Callable[[], None]:
    def check() -> None:
        if session.should_stop():
            raise StopRequested

    return check
