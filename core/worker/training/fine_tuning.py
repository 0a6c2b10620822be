"""The full recipe: all weights, on augmented pixels from the cache."""

import gc
from collections.abc import Callable

import numpy as np
import torch

from core.domain.jobs import Phase
from core.domain.splits import Subset
from core.errors import TrainingError
from core.inference.runtime import chunks
from core.models.build import head_name
from core.store import runs
from core.store.database import connect
from core.training import recipes
from core.training.checkpoints import CheckpointFolder
from core.training.engine import Examples, FitState, fit, has_epochs_left, new_state
from core.training.evaluation import epoch_details
from core.worker.session import JobSession, StopRequested
from core.worker.training.data import TrainingData
from core.worker.training.model import TrainedModel, network_of, predictor_of


def full(session: JobSession, material: TrainingData) -> TrainedModel:
    """All weights, on augmented pixels from the cache."""
    module = network_of(session, material)
    model = recipes.whole_classifier(module, material.device)

    def examples(subset: Subset) -> Examples:
        positions = material.subsets[subset]
        return recipes.PixelExamples(
            material.cache.rows,  # type: ignore[arg-type]
            positions,
            material.targets[positions],
            material.run.augment,
            material.run.train.seed,
            material.device,
        )

    state = _fit(session, material, model, examples, material.device)
    model.load_state_dict(state.best_weights)
    stopped_at = state.best_epoch if has_epochs_left(state, material.run.train) else None
    head = head_name(module.network)
    tensors = recipes.numpy_state(module.network)
    del model, module, state
    gc.collect()
    predictor = predictor_of(session, material, tensors, head)
    probabilities = {}
    done, total = 0, sum(len(positions) for positions in material.subsets.values())
    for subset, positions in material.subsets.items():
        rows = [np.empty((0, material.class_count), np.float32)]
        for part in chunks(len(positions)):
            rows.append(predictor.probabilities(material.cache.rows[positions[part]]))  # type: ignore[arg-type]
            done += len(rows[-1])
            session.report(Phase.EVALUATING, done, total)
        probabilities[subset] = np.concatenate(rows)
    return TrainedModel(tensors, head, probabilities, stopped_at=stopped_at)


def _fit(
    session: JobSession,
    material: TrainingData,
    model: torch.nn.Module,
    examples: Callable[[Subset], Examples],
    device: torch.device,
) -> FitState:
    """Run the loop, write the curve, and give the state with the best weights.

    Raises:
        StopRequested: if a pause was requested, or a stop before the first epoch was completed;
            the checkpoint is saved then.
        TrainingError: if a model of the best epoch was asked for, and none was completed.
    """
    config = material.run.train
    checkpoints = CheckpointFolder(session.workspace.checkpoints(material.run.id))
    state = new_state(model, config, device)
    saved = checkpoints.load()
    if checkpoints.damaged:
        session.warn(_damage_in_words(len(checkpoints.damaged), has_older=saved is not None))
    if saved:
        state.restore(saved)
    _drop_newer_epochs(session, material.run.id, state)
    if session.job.payload.get("finish"):
        if not state.best_weights:
            raise TrainingError("No epoch was completed yet.", "Resume the run instead.")
        return state
    positions = material.subsets[Subset.VALIDATION]
    targets, sample_ids = material.targets[positions], material.sample_ids[positions]
    for epoch in fit(
        state,
        examples(Subset.TRAIN),
        examples(Subset.VALIDATION),
        config,
        class_count=material.class_count,
        device=device,
        checkpoints=checkpoints,
        should_stop=session.should_stop,
        on_step=lambda done, total: session.progress(Phase.TRAINING, done, total),
    ):
        session.epoch(
            epoch.metrics, epoch_details(epoch, targets, sample_ids, material.class_count)
        )
    session.flush_epochs()
    if state.stopped and not (state.best_weights and session.accept_stop()):
        raise StopRequested
    return state


def _damage_in_words(count: int, *, has_older: bool) -> str:
    start = "from an older one" if has_older else "from the beginning"
    if count == 1:
        return f"A damaged checkpoint was skipped; training continues {start}."
    return f"{count} damaged checkpoints were skipped; training continues {start}."


def _drop_newer_epochs(session: JobSession, run_id: str, state: FitState) -> None:
    with connect(session.workspace) as db:
        runs.drop_epochs_from(db, run_id, state.epoch, job_id=session.job.id, owner=session.owner)
