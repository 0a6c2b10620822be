"""The start of staged and full: the head that the quick recipe would solve."""

import numpy as np

from core.domain.configs.choices import Detail
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import PenaltyPoint, chosen_penalty
from core.models.build import PixelFeatures
from core.training import recipes
from core.training.cross_validation import penalty_path
from core.training.linear_head import fit_head
from core.worker.features import FeatureSource, dataset_features, pretrained
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.levels import head_task, stop_check

_USUAL_POINTS = 9


def start_from_head(session: JobSession, data: TrainingData, module: PixelFeatures) -> float:
    """Solve the last layer on the training images and put it into the network; gives its penalty.

    Raises:
        StopRequested: if a stop was requested.
    """
    positions = data.subsets[Subset.TRAIN]
    wanted = np.sort(np.concatenate([positions, data.subsets[Subset.VALIDATION]]))
    backbone = pretrained(session, data.network)
    session.report(Phase.PREPARING_NETWORK, 0, 0)
    source = FeatureSource(
        backbone,
        data.run.preprocess,
        Detail.WHOLE,
        data.device_name,
        session.workspace.runtimes,
    )
    config = data.run.train
    task = head_task(data, dataset_features(session, data.cache, wanted, source)).only(positions)
    check = stop_check(session)
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
