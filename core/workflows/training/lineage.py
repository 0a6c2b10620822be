"""What the model that a run starts from has learned from, where it would judge the run."""

from collections.abc import Collection

import numpy as np

from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.train import TrainConfig
from core.domain.models import Model
from core.domain.splits import Subset
from core.domain.training import TrainingRun
from core.errors import ConfigError, NotFoundError, TrainingError
from core.models.learned import Contents, contents_of, read_learned
from core.store import models
from core.store.database import connect
from core.worker.training.start import (
    learned_before,
    learned_by_network,
    learned_of_run,
    run_of_model,
)
from core.workspace import Workspace

_JUDGING = (Subset.VALIDATION, Subset.TEST)


def find_start_model(workspace: Workspace, train: TrainConfig) -> Model:
    """The model that a run is to start from.

    Raises:
        NotFoundError: if there is none of this name or id.
        ConfigError: if it is of another network.
    """
    with connect(workspace) as db:
        model = models.find_model(db, train.start_model)
    if model.network != train.network:
        raise ConfigError(
            f"The model '{model.name}' is of the network {model.network}, not {train.network}.",
            f"Choose the network {model.network}, or another model to start from.",
        )
    return model


def refuse_learned_before(workspace: Workspace, run: TrainingRun) -> None:
    """Raise where a run would be judged by images from which its start model has learned.

    Raises:
        TrainingError: in this case.
    """
    if not run.train.start_model:
        return
    with connect(workspace) as db:
        start = models.find_model(db, run.train.start_model)
    learned = learned_by_network(workspace, start)
    if learned is not None and (told := _judging_among(workspace, run, learned, _JUDGING)):
        raise TrainingError(
            f"The network of '{start.name}' has learned from {told} of this run, which would prove "
            "nothing.",
            "Choose the split on which it was trained, or start from the pretrained network.",
        )
    keeps_head = recipe_is_trained(run.train.recipe) and not run.train.start_from_head
    known = _learned_by_head(workspace, start) if keeps_head else contents_of([])
    if told := _judging_among(workspace, run, known, _JUDGING):
        raise TrainingError(
            f"The last layer of '{start.name}' has learned from {told} of this run, which would "
            "prove nothing.",
            "Start from the solved head: that keeps its network, and solves the last layer anew.",
        )


def learned_before_in_words(workspace: Workspace, model: Model, subset: Subset) -> str:
    """How many images of a subset the start of a model has learned from; empty for none.

    Only models of earlier versions can have any: their runs were not refused.
    """
    run = run_of_model(workspace, model)
    if run is None or not run.train.start_model:
        return ""
    if read_learned(models.exported_bundle(workspace, model)) is not None:
        return ""
    known = learned_before(workspace, run)
    try:
        with connect(workspace) as db:
            start = models.find_model(db, run.train.start_model)
        head = _learned_by_head(workspace, start)
    except NotFoundError:
        head = contents_of([])
    every = head if known is None else np.union1d(known, head)
    return _judging_among(workspace, run, every, [subset])


def _learned_by_head(workspace: Workspace, model: Model) -> Contents:
    run = run_of_model(workspace, model)
    if run is None:
        return contents_of([])
    refitted = [Subset.VALIDATION] if model.validation_cross_validated else []
    with connect(workspace) as db:
        return learned_of_run(db, run, [Subset.TRAIN, *refitted])


def _judging_among(
    workspace: Workspace, run: TrainingRun, learned: Contents, subsets: Collection[Subset]
) -> str:
    """How many images that judge a run are among these, in words; empty for none.

    Images that are also among those it trains on are not meant: a leak of the split itself, which
    is found elsewhere.
    """
    with connect(workspace) as db:
        own = learned_of_run(db, run)
        judging = {subset: learned_of_run(db, run, [subset]) for subset in subsets}
    told = []
    for subset, contents in judging.items():
        known = np.setdiff1d(np.intersect1d(contents, learned), own)
        if len(known):
            told.append(f"{len(known):,} of {len(contents):,} {subset.value} images")
    return " and ".join(told)
