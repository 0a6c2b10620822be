"""The learning rate finder: a short ramp of the learning rate, on the data of a run.

Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks"; the suggestion is the
steepest fall of the smoothed loss, as in fastai.
"""

from collections.abc import Iterator
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from core.domain.configs.choices import Recipe
from core.domain.jobs import JobStatus, Phase
from core.domain.splits import Subset
from core.domain.training import RatePoint, suggested_rate
from core.errors import TrainingError
from core.models.build import PixelFeatures
from core.store.database import connect, transaction
from core.training.loop.state import new_state
from core.training.loop.steps import set_learning_rate
from core.worker.session import JobSession
from core.worker.training.data import TrainingData, load_training_data
from core.worker.training.fine_tuning import Task, upper_task, whole_task
from core.worker.training.solved_start import started

STEPS = 60
_LOWEST, _HIGHEST = 1e-6, 1.0
_SMOOTHING = 0.8  # share of the average that stays at each step
_CALM = 10  # steps at the lowest rates
_DIVERGED = 4.0  # times their loss: nothing is learned from going on


def run(session: JobSession) -> None:
    """Ramp the learning rate up once, and keep loss and suggestion; nothing is stored of it."""
    material = load_training_data(session)
    points: list[RatePoint] = []
    for point in ramp(session, material):
        points.append(point)
        session.report(Phase.RATES, len(points), STEPS)
        if len(points) > _CALM and point.loss > _DIVERGED * max(p.loss for p in points[:_CALM]):
            break
    suggestion = suggested_rate(points)
    if suggestion is None:
        raise TrainingError(
            "The loss is no number at any learning rate.",
            "Check the images and the normalization, or start from another network.",
        )
    result = {
        "rates": [p.rate for p in points],
        "losses": [p.loss for p in points],
        "suggested": suggestion,
    }
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED, result=result)


def ramp(session: JobSession, material: TrainingData) -> Iterator[RatePoint]:
    """The smoothed training loss of each step, with learning rates growing by one factor."""
    config, device = material.run.train, material.device
    module = started(session, material, goes_on=False)
    task = _task(session, material, module)
    model, examples = task.model, task.examples(Subset.TRAIN)
    optimizer = new_state(model, config, device).optimizer
    average = 0.0
    model.train()
    torch.manual_seed(config.seed)
    batches = _batches(len(examples.targets), config.batch_size, config.seed)
    for step, (rate, batch) in enumerate(zip(learning_rates(), batches, strict=False)):
        set_learning_rate(optimizer, rate)
        targets = torch.from_numpy(examples.targets[batch]).to(device)
        loss = torch.nn.functional.cross_entropy(
            model(examples.inputs(batch, epoch=step).to(device)), targets
        )
        if not torch.isfinite(loss):
            return
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average = _SMOOTHING * average + (1 - _SMOOTHING) * float(loss)
        yield RatePoint(rate, average / (1 - _SMOOTHING ** (step + 1)))


def _task(session: JobSession, material: TrainingData, module: PixelFeatures) -> Task:
    match material.run.train.recipe:
        case Recipe.STAGED:
            return upper_task(session, material, module)
        case Recipe.FULL:
            return whole_task(material, module)
        case Recipe.QUICK | Recipe.GOOD_ONLY:
            raise ValueError("this recipe has no learning rate")
        case _:
            assert_never(material.run.train.recipe)


def learning_rates() -> NDArray[np.float64]:
    """[STEPS], from the lowest to the highest by one factor."""
    return np.geomspace(_LOWEST, _HIGHEST, STEPS)


def _batches(n: int, size: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Random batches without end; each image once before any comes again."""
    generator = np.random.default_rng(seed)
    order = np.empty(0, np.intp)
    while True:
        while len(order) < min(size, n):
            order = np.concatenate([order, generator.permutation(n)])
        yield order[:size]
        order = order[size:]
