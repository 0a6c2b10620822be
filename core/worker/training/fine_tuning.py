"""The recipes that train step by step: full with all weights, staged with the upper stages."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.domain.configs.choices import Detail
from core.domain.configs.written import class_factors
from core.domain.jobs import JobStatus, Phase
from core.domain.splits import Subset
from core.domain.training import CheckpointKind
from core.errors import TrainingError
from core.inference.predictor import Predictor
from core.inference.runtime import chunks
from core.models.build import PixelFeatures, build_network, head_name
from core.models.bundle import Tensors
from core.models.kept_epochs import KeptEpochs, read_checkpoint
from core.store import runs
from core.store.database import connect
from core.training import recipes
from core.training.checkpoints import CheckpointFolder
from core.training.engine import Examples, fit
from core.training.evaluation import epoch_details
from core.training.loop.ranks import Ranks
from core.training.loop.setup import Setup, repeat_exactly
from core.training.loop.state import FitState, has_epochs_left, kept_weights, new_state
from core.training.stages import stage_parameters, stages_to_store
from core.worker.features import pretrained
from core.worker.session import JobSession, StopRequested
from core.worker.training.data import TrainingData
from core.worker.training.group import processes_of, together
from core.worker.training.lower_stages import stored_maps
from core.worker.training.model import TrainedModel, predictor_of, unfamiliar_by
from core.worker.training.precision import keep_precision, measured_precision
from core.worker.training.record import begin_record, end_record, note_setup
from core.worker.training.solved_start import known_detail, started


@dataclass
class Task:
    """A network to train, and the examples of each subset."""

    module: PixelFeatures
    model: torch.nn.Module
    examples: Callable[[Subset], Examples]


def full(session: JobSession, material: TrainingData) -> TrainedModel:
    """All weights, on augmented pixels from the cache."""
    repeat_exactly(material.device, wanted=material.run.train.deterministic)
    saved = _saved_state(session, material)
    module = started(session, material, goes_on=saved.state is not None)
    return _trained(session, material, whole_task(material, module), saved)


def staged(session: JobSession, material: TrainingData) -> TrainedModel:
    """The upper stages, on stored outputs of the lower ones.

    Raises:
        ConfigError: if the network cannot be divided there.
    """
    repeat_exactly(material.device, wanted=material.run.train.deterministic)
    saved = _saved_state(session, material)
    module = started(session, material, goes_on=saved.state is not None)
    return _trained(session, material, upper_task(session, material, module), saved)


def whole_task(material: TrainingData, module: PixelFeatures) -> Task:
    """The whole network on augmented pixels."""
    model = recipes.whole_classifier(module, material.run.train, material.device)

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

    return Task(module, model, examples)


def upper_task(session: JobSession, material: TrainingData, module: PixelFeatures) -> Task:
    """The upper stages on stored outputs of the lower ones, which are computed where missing.

    Raises:
        ConfigError: if the network cannot be divided there.
    """
    config = material.run.train
    count = stages_to_store(module.network, config.frozen_stages)
    cache, versions = stored_maps(session, material, module, count)
    model = recipes.upper_classifier(module, count, config, material.device)

    def examples(subset: Subset) -> Examples:
        positions = material.subsets[subset]
        return recipes.MapExamples(
            cache.rows,  # type: ignore[arg-type]
            positions,
            material.targets[positions],
            len(material.cache.state),
            versions,
        )

    return Task(module, model, examples)


@dataclass
class _Saved:
    """The checkpoints of a run, and the newest intact one."""

    folder: CheckpointFolder
    state: dict[str, Any] | None


def _saved_state(session: JobSession, material: TrainingData) -> _Saved:
    place = session.workspace.checkpoints(material.run.id)
    folder = CheckpointFolder(place, before_save=session.flush_epochs)
    state = folder.load()
    if folder.damaged:
        session.warn(_damage_in_words(len(folder.damaged), has_older=state is not None))
    if state:
        for name in ("model", "best_weights"):
            state[name] = _as_named_today(state[name])
    return _Saved(folder, state)


def _as_named_today(weights: dict[str, Any]) -> dict[str, Any]:
    """Weights by the names of this version; an earlier one kept constants among them."""
    constants = ("features.mean", "features.std")
    return {k.removeprefix("features."): v for k, v in weights.items() if k not in constants}


def _trained(
    session: JobSession, material: TrainingData, task: Task, saved: _Saved
) -> TrainedModel:
    """Train, and compute the confidences of the kept epoch as they will be predicted."""
    config = material.run.train
    state = _fit(session, material, task, saved)
    finishes = bool(session.job.payload.get("finish")) or state.stopped
    epoch, weights = (
        (state.best_epoch, state.best_weights) if finishes else kept_weights(state, config)
    )
    stopped_at = epoch if has_epochs_left(state, config) else None
    if stopped_at is None:
        _keep_ends(session, material, task, state)
    task.model.load_state_dict(weights)
    head, detail = head_name(task.module.network), task.module.detail
    tensors = recipes.numpy_state(task.module.network)
    end_record(session, material, tensors, state)
    task.model, task.module, state = None, None, None  # type: ignore[assignment]
    gc.collect()
    return _finished(session, material, tensors, head, detail, stopped_at=stopped_at)


def of_checkpoint(session: JobSession, material: TrainingData, key: str) -> TrainedModel:
    """What becomes a model of a kept epoch; the run itself stays as it is.

    Raises:
        NotFoundError: if the run does not keep it.
        TrainingError: if its file is damaged.
    """
    folder = session.workspace.kept_epochs(material.run.id)
    checkpoint, tensors = read_checkpoint(
        folder, key, lambda: pretrained(session, material.network).tensors
    )
    session.report(Phase.LOADING_NETWORK, 0, 0)
    head = head_name(build_network(material.network.name, material.class_count))
    can_go_on = session.job.payload.get("run_was") != JobStatus.COMPLETED
    stopped_at = checkpoint.epoch if can_go_on else None
    detail = known_detail(session, material)
    made = _finished(session, material, tensors, head, detail, stopped_at=stopped_at)
    return replace(made, checkpoint=checkpoint.epoch)


def _finished(
    session: JobSession,
    material: TrainingData,
    tensors: Tensors,
    head: str,
    detail: Detail,
    *,
    stopped_at: int | None,
) -> TrainedModel:
    """A network whose training is over, with its confidences as they will be predicted."""
    predictor = predictor_of(session, material, tensors, head, detail)
    features = _features(session, material, predictor)
    return TrainedModel(
        tensors,
        head,
        {s: predictor.probabilities_of_features(rows) for s, rows in features.items()},
        stopped_at=stopped_at,
        detail=detail,
        is_trained=True,
        features=features,
        unfamiliar=unfamiliar_by(
            material,
            material.subsets[Subset.TRAIN],
            features[Subset.TRAIN],
            unseen=(material.subsets[Subset.VALIDATION], features[Subset.VALIDATION]),
        ),
    )


def _keep_ends(session: JobSession, material: TrainingData, task: Task, state: FitState) -> None:
    """Keep the best and the last epoch of a run that is over, where that was asked for."""
    kept = _kept_epochs(session, material)
    kept.at_the_end(CheckpointKind.BEST, state.best_epoch, _whole(task, state.best_weights))
    kept.at_the_end(CheckpointKind.LAST, state.epoch - 1, _whole(task, state.evaluated_weights()))


def _kept_epochs(session: JobSession, material: TrainingData) -> KeptEpochs:
    return KeptEpochs(session.workspace.kept_epochs(material.run.id), material.run.train)


def _whole(task: Task, weights: dict[str, torch.Tensor]) -> Tensors:
    """All weights of the network [the model file's tensors], those that are trained as given."""
    trained = {name.removeprefix("network."): value.numpy() for name, value in weights.items()}
    return recipes.numpy_state(task.module.network) | trained


def _features(
    session: JobSession, material: TrainingData, predictor: Predictor
) -> dict[Subset, NDArray[np.float32]]:
    """The features [N, D] of each subset, as they will be computed in use."""
    features = {}
    done, total = 0, sum(len(positions) for positions in material.subsets.values())
    for subset, positions in material.subsets.items():
        rows = [np.empty((0, predictor.feature_count), np.float32)]
        for part in chunks(len(positions)):
            rows.append(predictor.features(material.cache.rows[positions[part]]))  # type: ignore[arg-type]
            done += len(rows[-1])
            session.report(Phase.EVALUATING, done, total)
        features[subset] = np.concatenate(rows)
    return features


def _fit(session: JobSession, material: TrainingData, task: Task, saved: _Saved) -> FitState:
    """Run the loop, write the curve, and give the state with the best weights.

    Raises:
        StopRequested: if a pause was requested, or a stop before the first epoch was completed;
            the checkpoint is saved then.
        TrainingError: if a model of the best epoch was asked for, and none was completed.
    """
    config = material.run.train
    stages = stage_parameters(task.module.network)
    state = new_state(task.model, config, material.device, stages)
    if saved.state:
        state.restore(saved.state)
    _drop_newer_epochs(session, material.run.id, state)
    if session.job.payload.get("finish"):
        if not state.best_weights:
            raise TrainingError("No epoch was completed yet.", "Resume the run instead.")
        return state
    world = processes_of(
        config,
        material.device,
        gpus=torch.cuda.device_count() if material.device.type == "cuda" else 0,
        before=state.setup.processes,
    )
    threads, detail = torch.get_num_threads(), task.module.detail
    begin_record(session, material, threads=threads, processes=world, trained=detail)
    train, validation = task.examples(Subset.TRAIN), task.examples(Subset.VALIDATION)
    with together(material, state, train, validation, detail=detail, world=world) as ranks:
        _run_loop(session, material, task, state, saved, train, validation, ranks)
    session.flush_epochs()
    if state.stopped and not (state.best_weights and session.accept_stop()):
        raise StopRequested
    return state


def _run_loop(
    session: JobSession,
    material: TrainingData,
    task: Task,
    state: FitState,
    saved: _Saved,
    train: Examples,
    validation: Examples,
    ranks: Ranks,
) -> None:
    """Train, and write curve and checkpoints as they come."""
    config = material.run.train
    positions = material.subsets[Subset.VALIDATION]
    targets, sample_ids = material.targets[positions], material.sample_ids[positions]
    kept = _kept_epochs(session, material)
    kept.drop_from(state.epoch)
    if config.start_from_head and not state.is_started:  # `fit` begins with epoch -1
        session.progress(Phase.EVALUATING_START, 0, 0)
    for epoch in fit(
        state,
        train,
        validation,
        config,
        class_count=material.class_count,
        device=material.device,
        checkpoints=saved.folder,
        should_stop=session.should_stop,
        on_step=lambda done, total: session.progress(Phase.TRAINING, done, total),
        factors=class_factors(config.class_penalties, material.dataset.class_names),
        on_plan=lambda steps, seconds: _note_plan(session, material, steps, seconds),
        on_setup=lambda setup: _note_setup(session, material, setup),
        warn=session.warn,
        known_precision=measured_precision(session, material),
        ranks=ranks,
    ):
        session.epoch(
            epoch.metrics, epoch_details(epoch, targets, sample_ids, material.class_count)
        )
        kept.after_epoch(epoch.metrics.epoch, lambda: _whole(task, state.evaluated_weights()))


def _note_plan(session: JobSession, material: TrainingData, steps: int, seconds: float) -> None:
    """Say before the first step how long the training will take, by a few that had no effect."""
    note_setup(session, material, {"expected_training_s": round(seconds, 1)})
    session.expect_seconds(Phase.TRAINING, seconds)
    session.progress(Phase.TRAINING, 0, steps)


def _note_setup(session: JobSession, material: TrainingData, setup: Setup) -> None:
    config = material.run.train
    note_setup(session, material, setup.described(config.precision, material.device))
    keep_precision(session, material, setup.precision)


def _damage_in_words(count: int, *, has_older: bool) -> str:
    start = "from an older one" if has_older else "from the beginning"
    if count == 1:
        return f"A damaged checkpoint was skipped; training continues {start}."
    return f"{count} damaged checkpoints were skipped; training continues {start}."


def _drop_newer_epochs(session: JobSession, run_id: str, state: FitState) -> None:
    with connect(session.workspace) as db:
        runs.drop_epochs_from(db, run_id, state.epoch, job_id=session.job.id, owner=session.owner)
