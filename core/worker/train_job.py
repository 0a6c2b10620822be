"""The training job: pixels, then a solved head or fine-tuning, then confidences and the model."""

import gc
import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.pixels.preprocess import normalization_constants
from core.domain.configs import Recipe
from core.domain.ids import new_id, utc_now
from core.domain.jobs import JobStatus, Phase
from core.domain.models import Model
from core.domain.splits import Subset
from core.domain.training import PenaltyPoint, chosen_penalty
from core.errors import TrainingError
from core.evaluation.measures.classification import macro_f1
from core.inference.predictor import Predictor
from core.inference.runtime import chunks
from core.models.build import PixelFeatures, head_name
from core.models.bundle import ModelCard, Tensors, write_bundle
from core.store import models, predictions, runs
from core.store.database import connect, transaction
from core.training import recipes
from core.training.checkpoints import CheckpointFolder
from core.training.engine import Examples, FitState, fit, has_epochs_left, new_state
from core.training.linear_head import HeadTask, cross_validated, fit_head, penalty_path
from core.worker.features import dataset_features, pretrained
from core.worker.session import JobSession, StopRequested
from core.worker.training_data import TrainingData, load_training_data

_USUAL_POINTS = 9  # of a penalty path


@dataclass(frozen=True)
class TrainedModel:
    """Tensors of the model file, the name of its head in them, and confidences to store [N, C].

    `validation_cross_validated`: those of the validation images are not of this very model.
    `stopped_at`: the best epoch so far, from 0, of a run that was ended before its last one.
    """

    tensors: Tensors
    head: str
    probabilities: dict[Subset, NDArray[np.float32]]
    validation_cross_validated: bool = False
    stopped_at: int | None = None


def run(session: JobSession) -> None:
    """Train what the job's run asks for, from its last checkpoint if there is one."""
    material = load_training_data(session)
    match material.run.train.recipe:
        case Recipe.QUICK:
            trained = _quick(session, material)
        case Recipe.FULL:
            trained = _full(session, material)
        case _:
            assert_never(material.run.train.recipe)
    _store(session, material, trained)


def _quick(session: JobSession, material: TrainingData) -> TrainedModel:
    """Features once, then the exact solution of a linear head."""
    module = _pretrained(session, material)
    quick = _solved(session, material, module)
    head = head_name(module.network)
    predictor = _predictor(session, material, quick.tensors, head)
    probabilities = {
        subset: predictor.probabilities_of_features(quick.features[positions])
        for subset, positions in material.subsets.items()
    }
    if quick.validation is not None:
        probabilities[Subset.VALIDATION] = quick.validation
    return TrainedModel(quick.tensors, head, probabilities, quick.validation is not None)


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


def _full(session: JobSession, material: TrainingData) -> TrainedModel:
    """All weights, on augmented pixels from the cache."""
    module = _pretrained(session, material)
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
    predictor = _predictor(session, material, tensors, head)
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
        StopRequested: if a stop was requested; the checkpoint is saved then.
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
    for metrics in fit(
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
        session.epoch(metrics)
    session.flush_epochs()
    if state.stopped:
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


def _pretrained(session: JobSession, material: TrainingData) -> PixelFeatures:
    return pretrained(session, material.network, material.run.preprocess, material.class_count)


def _predictor(
    session: JobSession, material: TrainingData, tensors: Tensors, head: str
) -> Predictor:
    session.report(Phase.PREPARING_MODEL, 0, 0)
    card = _card(material, head, "")
    device = str(material.device)
    return Predictor(card, tensors, runtimes=session.workspace.runtimes, device=device)


def _card(material: TrainingData, head: str, name: str) -> ModelCard:
    training = material.run
    mean, std = normalization_constants(
        training.preprocess, material.network.mean, material.network.std
    )
    return ModelCard(
        name=name or training.name,
        class_names=material.dataset.class_names,
        preprocess=training.preprocess,
        network=material.network.name,
        head=head,
        mean=mean,
        std=std,
        origin={
            "dataset": material.dataset.name,
            "dataset_digest": material.dataset.digest,
            "run": training.id,
            "recipe": training.train.recipe.value,
            "seed": str(training.train.seed),
        },
    )


def _store(session: JobSession, material: TrainingData, trained: TrainedModel) -> None:
    """Model, probabilities and the end of the job: all in one transaction.

    A run that was stopped keeps its checkpoints, to be resumed. It then makes a second model, so
    that rules, seals and reports of the first one still hold.
    """
    session.report(Phase.SAVING, 0, 0)
    validation = trained.probabilities[Subset.VALIDATION]
    targets = material.targets[material.subsets[Subset.VALIDATION]]
    training, dataset = material.run, material.dataset
    with connect(session.workspace) as db, transaction(db):
        epoch = "" if trained.stopped_at is None else f" epoch {trained.stopped_at + 1}"
        name = models.free_model_name(db, f"{training.name}{epoch}")
        content = write_bundle(_card(material, trained.head, name), trained.tensors)
        model = Model(
            id=new_id("model"),
            name=name,
            run_id=training.id,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            split_id=training.split_id,
            class_names=dataset.class_names,
            network=material.network.name,
            preprocess=training.preprocess,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=utc_now(),
            val_macro_f1=macro_f1(validation.argmax(1), targets, material.class_count)
            if len(validation)
            else None,
            version=training.version,
            fold=training.fold,
            validation_cross_validated=trained.validation_cross_validated,
        )
        models.insert_model(db, model, content)
        for subset, matrix in trained.probabilities.items():
            ids = material.sample_ids[material.subsets[subset]]
            predictions.insert_predictions(db, model.id, dataset.id, subset, ids, matrix)
        used = sum(len(positions) for positions in material.subsets.values())
        result: dict[str, object] = {
            "model_id": model.id,
            "images": used,
            "times": _times(session),
        }
        if trained.stopped_at is not None:
            result["stopped_at"] = trained.stopped_at
        session.finish(db, JobStatus.COMPLETED, result=result)
    if trained.stopped_at is None:  # there is nothing to resume any more
        shutil.rmtree(session.workspace.run_folder(training.id), ignore_errors=True)


def _times(session: JobSession) -> dict[str, list[float]]:
    """Phase -> its units and seconds, from which later runs are estimated."""
    return {phase: [time.units, time.seconds] for phase, time in session.times().items()}
