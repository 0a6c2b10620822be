"""From a trained network to a stored model."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.preprocess import normalization_constants
from core.domain.configs.choices import Detail
from core.domain.ids import new_id, utc_now
from core.domain.jobs import JobStatus, Phase
from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.measures.classification import macro_f1
from core.inference.detector import Detector
from core.inference.predictor import Predictor
from core.inference.runtime import chunks
from core.inference.unfamiliar import Unfamiliar, Unlearned, fit_unfamiliar
from core.models.bundle import ModelCard, Tensors, shared_ranges, write_bundle
from core.models.learned import Contents, content_digest, contents_of, learned_as_tensors
from core.store import models, predictions
from core.store.database import connect, transaction
from core.worker.features import dataset_pixels
from core.worker.session import JobSession
from core.worker.training.data import TrainingData
from core.worker.training.record import AGREEMENT, note_setup
from core.worker.training.start import learned_before, load_start_model
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.models.build import PixelFeatures

_MOST_COMPARED, _COMPARED_AT_ONCE = 256, 16  # images


@dataclass(frozen=True)
class TrainedModel:
    """Tensors of the model file, the name of its head in them, and confidences to store [N, C].

    `validation_cross_validated`: those of the validation images are not of this very model.
    `stopped_at`: the best epoch so far, from 0, of a run that was ended before its last one.
    `checkpoint`: the epoch, from 0, of which the model was made after the run had ended.
    `detail`: what its features are made from; `hidden_layer`: its head has one.
    `features`: of a trained network, those of the images of each subset [n, D].
    `unfamiliar`: what tells unfamiliar images, or None.
    `detector`: what a model knows that has only seen good images; `class_names` [C] and `targets`
    [N] are then its own, else those of the dataset.
    `is_trained`: its network learned from the training images, and not its head alone.
    """

    tensors: Tensors
    head: str
    probabilities: dict[Subset, NDArray[np.float32]]
    validation_cross_validated: bool = False
    stopped_at: int | None = None
    checkpoint: int | None = None
    detail: Detail = Detail.WHOLE
    hidden_layer: bool = False
    features: Mapping[Subset, NDArray[np.float32]] = field(default_factory=dict)
    unfamiliar: Unfamiliar | None = None
    detector: Detector | None = None
    class_names: tuple[str, ...] = ()
    targets: NDArray[np.int64] | None = None
    is_trained: bool = False

    @property
    def beside(self) -> Tensors:
        """What the model file holds besides the weights."""
        parts = (part for part in (self.unfamiliar, self.detector) if part is not None)
        return {name: values for part in parts for name, values in part.as_tensors().items()}


def unfamiliar_by(
    material: TrainingData,
    learned: NDArray[np.intp],
    features: NDArray[np.float32],
    *,
    unseen: tuple[NDArray[np.intp], NDArray[np.float32]] | None = None,
) -> Unfamiliar | None:
    """What tells images that are unlike those that a run learned from; None if not asked for.

    Args:
        material: of the run.
        learned: positions [N] of the images that the head was fitted on.
        features: their features [N, D].
        unseen: positions [M] and features [M, D] of images from which the network did not learn,
            where it learned.
    """
    config = material.run.train
    if config.unfamiliar_rate == 0:
        return None
    judges = None
    if unseen is not None:
        rows, unseen_features = unseen
        judges = Unlearned(unseen_features, material.groups[rows], material.parts[rows])
    digests = np.array([content_digest(material.every[i].sha256) for i in learned], np.uint64)
    return fit_unfamiliar(
        features,
        material.groups[learned],
        material.targets[learned],
        digests,
        config.unfamiliar_rate,
        parts=material.parts[learned],
        unseen=judges,
        seed=config.seed,
    )


def network_of(session: JobSession, material: TrainingData, detail: Detail) -> "PixelFeatures":
    """The network that a run starts from: pretrained with an empty head, or an own model."""
    from core.models.weights import pretrained_state
    from core.training import recipes

    session.report(Phase.LOADING_NETWORK, 0, 0)
    run = material.run
    state = pretrained_state(material.network, session.workspace.weights)
    features = recipes.pretrained_features(
        material.network, run.preprocess, state, material.class_count, detail
    )
    if run.train.start_model:
        load_start_model(session, run, material.dataset.class_names, features.network)
    return features


def predictor_of(
    session: JobSession,
    material: TrainingData,
    tensors: Tensors,
    head: str,
    detail: Detail = Detail.WHOLE,
) -> Predictor:
    """The trained network as it will be used, on the device of the run."""
    session.report(Phase.PREPARING_MODEL, 0, 0)
    card = model_card(material, head, "", detail)
    return Predictor(
        card, tensors, runtimes=session.workspace.runtimes, device=material.device_name
    )


def model_card(
    material: TrainingData, head: str, name: str, detail: Detail = Detail.WHOLE
) -> ModelCard:
    """What the model file says about itself; `head` names its last layer."""
    training = material.run
    preprocess = training.preprocess.at_detail(detail)
    mean, std = normalization_constants(preprocess, material.network.mean, material.network.std)
    return ModelCard(
        name=name or training.name,
        class_names=material.dataset.class_names,
        preprocess=preprocess,
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
        detail=detail,
    )


def note_agreement(session: JobSession, data: TrainingData, trained: TrainedModel) -> None:
    """Compare what a GPU computed with the runtime that will predict, on images it has not learned.

    The record of a run keeps the largest difference of a confidence, and how many decisions differ;
    of a checkpoint, a warning tells the latter. On a CPU both are the same runtime, and there is
    nothing to compare.

    Raises:
        StopRequested: if a stop was requested.
    """
    rows = data.subsets[Subset.TEST]
    if data.device_name == "cpu" or not len(rows):
        return
    at = np.unique(np.linspace(0, len(rows) - 1, _MOST_COMPARED).astype(np.intp))
    card = _card_of(data, trained, "")
    predictor = Predictor(
        card,
        trained.tensors,
        runtimes=session.workspace.runtimes,
        unfamiliar=trained.unfamiliar,
        detector=trained.detector,
    )
    parts = [np.empty((0, len(card.class_names)), np.float32)]
    # Why not those of the data: the level that was chosen may take larger ones.
    cache, _ = dataset_pixels(
        session,
        data.dataset.id,
        data.every,
        rows[at],
        card.preprocess,
        report=lambda _done, _total: None,
        lazily=True,
    )
    for part in chunks(len(at), _COMPARED_AT_ONCE):
        session.report(Phase.PREPARING_MODEL, part.start, len(at))
        pixels = np.asarray(cache.intact(rows[at[part]]), np.uint8)
        parts.append(predictor.probabilities(pixels))
    predicted, stored = np.concatenate(parts), trained.probabilities[Subset.TEST][at]
    differ = int((predicted.argmax(1) != stored.argmax(1)).sum())
    agreement = {
        "images": len(at),
        "largest_difference": float(np.abs(predicted - stored).max()),
        "other_decisions": differ,
    }
    if trained.checkpoint is None:  # else it is about another model than that of the run
        note_setup(session, data, {AGREEMENT: agreement})
    if differ:
        session.warn(
            f"{differ} of {len(at)} test images get another class from the processor, which "
            "predicts, than from the GPU, whose results are stored. Train on the CPU for results "
            "that are exactly those of use."
        )


def store_model(session: JobSession, material: TrainingData, trained: TrainedModel) -> None:
    """Model, probabilities and the end of the job: all in one transaction.

    A run that was stopped keeps its states, to be resumed. It then makes a second model, so that
    rules, seals and reports of the first one still hold; so does a checkpoint.
    """
    session.report(Phase.SAVING, 0, 0)
    training, dataset = material.run, material.dataset
    with connect(session.workspace) as db, transaction(db):
        name = models.free_model_name(db, f"{training.name}{_epoch_in_words(trained)}")
        card = _card_of(material, trained, name)
        learned = learned_as_tensors(_learned(session, material, trained))
        content = write_bundle(card, trained.tensors | trained.beside | learned)
        model = Model(
            id=new_id("model"),
            name=name,
            run_id=training.id,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            split_id=training.split_id,
            class_names=card.class_names,
            network=material.network.name,
            preprocess=card.preprocess,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=utc_now(),
            val_macro_f1=_validation_f1(material, trained),
            version=training.version,
            fold=training.fold,
            validation_cross_validated=trained.validation_cross_validated,
            is_detector=trained.detector is not None,
        )
        models.insert_model(db, model, content, shared_ranges(content))
        for subset, matrix in trained.probabilities.items():
            ids = material.sample_ids[material.subsets[subset]]
            predictions.insert_predictions(db, model.id, dataset.id, subset, ids, matrix)
        result: dict[str, object] = {"model_id": model.id}
        if trained.checkpoint is None:
            used = sum(len(positions) for positions in material.subsets.values())
            result |= {"images": used, "times": _times(session)}
        if trained.stopped_at is not None:
            result["stopped_at"] = trained.stopped_at
        session.finish(db, JobStatus.COMPLETED, result=result)
    if trained.stopped_at is None and trained.checkpoint is None:
        _forget_states(session.workspace, training.id)


def _card_of(material: TrainingData, trained: TrainedModel, name: str) -> ModelCard:
    card = model_card(material, trained.head, name, trained.detail)
    return replace(
        card,
        class_names=trained.class_names or card.class_names,
        hidden_layer=trained.hidden_layer,
    )


def _learned(session: JobSession, material: TrainingData, trained: TrainedModel) -> Contents | None:
    """What the network of a model has learned from, with that of its start; None: not known."""
    own = material.subsets[Subset.TRAIN] if trained.is_trained else ()
    before = learned_before(session.workspace, material.run)
    if before is None:
        return None
    return np.union1d(before, contents_of([material.every[i].sha256 for i in own]))


def _epoch_in_words(trained: TrainedModel) -> str:
    epoch = trained.checkpoint if trained.stopped_at is None else trained.stopped_at
    return "" if epoch is None else f" epoch {epoch + 1}"


def _forget_states(workspace: Workspace, run_id: str) -> None:
    """There is nothing to resume any more; the kept epochs stay."""
    folder, kept = workspace.run_folder(run_id), workspace.kept_epochs(run_id)
    if not kept.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        # Why folders only: the model that a run started from says what a kept epoch needs.
        if path.is_dir() and path != kept:
            shutil.rmtree(path, ignore_errors=True)


def _validation_f1(material: TrainingData, trained: TrainedModel) -> float | None:
    """Macro F1 on validation; None without images, or without defects for a detector to find."""
    rows = material.subsets[Subset.VALIDATION]
    every = material.targets if trained.targets is None else trained.targets
    targets = every[rows]
    if not len(rows) or (trained.detector is not None and not targets.any()):
        return None
    count = len(trained.class_names) or material.class_count
    return macro_f1(trained.probabilities[Subset.VALIDATION].argmax(1), targets, count)


def _times(session: JobSession) -> dict[str, list[float]]:
    """Phase -> its units and seconds, from which later runs are estimated."""
    return {phase: [time.units, time.seconds] for phase, time in session.times().items()}
