"""The start of staged and full: the model that the quick recipe would make, as it is solved."""

import numpy as np

from core.domain.configs.choices import Detail, Recipe
from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.domain.training import chosen_detail
from core.models.build import PixelFeatures
from core.store import runs
from core.store.database import connect
from core.training import recipes
from core.training.linear_head import fit_head
from core.training.stages import stages_to_store
from core.worker.features import pretrained
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.levels import ChosenLevel, choose_level, head_task, stop_check
from core.worker.training.model import network_of
from core.worker.training.start import start_detail


def started(session: JobSession, data: TrainingData, *, goes_on: bool) -> PixelFeatures:
    """The network to start from, with the solved head where one was asked for.

    A run that goes on needs none, and an own model as start brings its head along.

    Raises:
        StopRequested: if a stop was requested.
    """
    config = data.run.train
    if goes_on or config.start_model or not config.start_from_head:
        return network_of(session, data, known_detail(session, data))
    level = choose_level(session, data, pretrained(session, data.network))
    module = network_of(session, data, level.detail)
    _solve(session, data, module, level)
    return module


def known_detail(session: JobSession, data: TrainingData) -> Detail:
    """The detail level of a run that has begun, or that compares none."""
    if data.run.train.start_model:
        return start_detail(session, data.run)
    with connect(session.workspace) as db:
        return chosen_detail(data.run.train, runs.detail_trials_of(db, data.run.id))


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
