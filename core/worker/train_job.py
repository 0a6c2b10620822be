"""The training job: pixels, then features or fine-tuning, then probabilities and the model."""

import gc
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.pixels.cache import RowCache
from core.data.pixels.preprocess import normalization_constants
from core.domain.configs import Recipe
from core.domain.datasets import Dataset
from core.domain.ids import new_id, utc_now
from core.domain.jobs import JobStatus
from core.domain.models import Model
from core.domain.splits import Subset
from core.domain.training import TrainingRun
from core.errors import TrainingError
from core.evaluation.measures.classification import macro_f1
from core.inference.predictor import Predictor
from core.inference.runtime import chunks
from core.models.build import PixelFeatures, head_name
from core.models.bundle import ModelCard, Tensors, write_bundle
from core.models.catalog import Network, find_network
from core.store import datasets, models, predictions, runs, splits, versions
from core.store.database import connect, transaction
from core.training import recipes
from core.training.checkpoints import CheckpointFolder
from core.training.engine import Examples, FitState, fit, new_state
from core.worker.features import (
    dataset_features,
    dataset_pixels,
    device_title,
    pretrained,
    reporter,
    resolve_device,
)
from core.worker.session import JobSession, StopRequested

NO_LABEL = -1


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from: rows of the pixel cache with labels and subsets.

    Shapes: `sample_ids`, `targets` [N]; `subsets` maps each subset to positions in them. Images
    that the run's version does not use are in no subset.
    """

    run: TrainingRun
    dataset: Dataset
    network: Network
    device: torch.device
    cache: RowCache
    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    subsets: dict[Subset, NDArray[np.intp]]

    @property
    def class_count(self) -> int:
        """Number of classes C."""
        return len(self.dataset.class_names)


def run(session: JobSession) -> None:
    """Train what the job's run asks for, from its last checkpoint if there is one."""
    material = _material(session)
    match material.run.train.recipe:
        case Recipe.QUICK:
            tensors, head, probabilities = _quick(session, material)
        case Recipe.FULL:
            tensors, head, probabilities = _full(session, material)
        case _:
            assert_never(material.run.train.recipe)
    _store(session, material, tensors, head, probabilities)


def _material(session: JobSession) -> TrainingData:
    with connect(session.workspace) as db:
        training = runs.find_run(db, session.job.subject_id)
        dataset = datasets.find_dataset(db, training.dataset_id)
        version = versions.find_version(db, dataset.id, training.version)
        members = splits.split_members(db, training.split_id, fold=training.fold)
        every = datasets.every_sample(db, dataset.id)
        label_of = {
            s.id: s.label
            for s in versions.samples_at(db, dataset.id, training.version)
            if s.label is not None
        }
    # Why: the run is about the version that was chosen, whatever was edited while it waited.
    dataset = replace(dataset, class_names=version.class_names, digest=version.digest)
    device = resolve_device(training.train.device)
    session.set_device(device_title(device))
    wanted = np.array([i for i, s in enumerate(every) if s.id in label_of], np.intp)
    cache, failures = dataset_pixels(session, dataset.id, every, wanted, training.preprocess)
    if failures:
        example = every[next(iter(failures))].path
        session.warn(
            f"{len(failures):,} of {len(wanted):,} images can no longer be read and were left out, "
            f"for example {example}."
        )
    in_subset = np.array([members.get(s.id, "") if s.id in label_of else "" for s in every])
    material = TrainingData(
        training,
        dataset,
        find_network(training.train.network),
        device,
        cache,
        np.array([s.id for s in every], np.int64),
        np.array([label_of.get(s.id, NO_LABEL) for s in every], np.int64),
        {subset: np.flatnonzero((in_subset == subset.value) & cache.ready) for subset in Subset},
    )
    _refuse_empty(material, members)
    return material


def _quick(
    session: JobSession, material: TrainingData
) -> tuple[Tensors, str, dict[Subset, NDArray[np.float32]]]:
    """Features once, then a linear head in seconds."""
    module = _pretrained(session, material)
    wanted = np.sort(np.concatenate(list(material.subsets.values())))
    bank = dataset_features(
        session,
        material.cache,
        wanted,
        material.network,
        material.run.preprocess,
        module,
        material.device,
    )
    train = bank[material.subsets[Subset.TRAIN]]
    standard = recipes.Standardization.of(train)
    model = recipes.new_linear_head(bank.shape[1], material.class_count)

    def examples(subset: Subset) -> Examples:
        positions = material.subsets[subset]
        return recipes.FeatureExamples(
            standard.applied(bank[positions]), material.targets[positions]
        )

    # Why the CPU: the head is so small that a GPU would only wait.
    with _one_thread():
        best = _fit(session, material, model, examples, torch.device("cpu"))
    head = head_name(module.network)
    tensors = recipes.with_head(module, standard.folded(best))
    predictor = _predictor(session, material, tensors, head)
    probabilities = {
        subset: predictor.probabilities_of_features(bank[positions])
        for subset, positions in material.subsets.items()
    }
    return tensors, head, probabilities


@contextmanager
def _one_thread() -> Iterator[None]:
    # Why: steps of a few microseconds lose more by waking threads than they win, above all on a
    # machine that is busy with something else.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _full(
    session: JobSession, material: TrainingData
) -> tuple[Tensors, str, dict[Subset, NDArray[np.float32]]]:
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

    best = _fit(session, material, model, examples, material.device)
    model.load_state_dict(best)
    head = head_name(module.network)
    tensors = recipes.numpy_state(module.network)
    del model, module
    gc.collect()
    predictor = _predictor(session, material, tensors, head)
    probabilities = {}
    for subset, positions in material.subsets.items():
        report = reporter(session, f"Evaluating ({subset})")
        rows = [np.empty((0, material.class_count), np.float32)]
        for part in chunks(len(positions)):
            rows.append(predictor.probabilities(material.cache.rows[positions[part]]))  # type: ignore[arg-type]
            report(part.stop, len(positions))
        probabilities[subset] = np.concatenate(rows)
    return tensors, head, probabilities


def _fit(
    session: JobSession,
    material: TrainingData,
    model: torch.nn.Module,
    examples: Callable[[Subset], Examples],
    device: torch.device,
) -> recipes.State:
    """Run the loop, write the curve, and give the best weights.

    Raises:
        StopRequested: if a stop was requested; the checkpoint is saved then.
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
    if session.job.payload.get("finish") and state.best_weights:
        return state.best_weights
    for metrics in fit(
        state,
        examples(Subset.TRAIN),
        examples(Subset.VALIDATION),
        config,
        class_count=material.class_count,
        device=device,
        checkpoints=checkpoints,
        should_stop=session.should_stop,
        on_step=lambda done, total: session.progress("Training", done, total),
    ):
        session.epoch(metrics)
    session.flush_epochs()
    if state.stopped:
        raise StopRequested
    return state.best_weights


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
    session.report("Saving the model", 0, 0)
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


def _store(
    session: JobSession,
    material: TrainingData,
    tensors: Tensors,
    head: str,
    probabilities: dict[Subset, NDArray[np.float32]],
) -> None:
    """Model, probabilities and the end of the job: all in one transaction."""
    scores = {
        subset: macro_f1(
            matrix.argmax(1), material.targets[material.subsets[subset]], material.class_count
        )
        for subset, matrix in probabilities.items()
        if len(matrix)
    }
    training, dataset = material.run, material.dataset
    with connect(session.workspace) as db, transaction(db):
        if splits.find_split(db, dataset.id, training.split_id).sealed:
            scores.pop(Subset.TEST, None)  # nobody may see it before the test is opened
        name = models.free_model_name(db, training.name)
        content = write_bundle(_card(material, head, name), tensors)
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
            val_macro_f1=scores.get(Subset.VALIDATION),
            test_macro_f1=scores.get(Subset.TEST),
            version=training.version,
            fold=training.fold,
        )
        models.insert_model(db, model, content)
        for subset, matrix in probabilities.items():
            ids = material.sample_ids[material.subsets[subset]]
            predictions.insert_predictions(db, model.id, dataset.id, subset, ids, matrix)
        session.finish(db, JobStatus.COMPLETED, result={"model_id": model.id})
    # Why: there is nothing to resume any more.
    shutil.rmtree(session.workspace.run_folder(training.id), ignore_errors=True)


def _refuse_empty(material: TrainingData, members: Mapping[int, Subset]) -> None:
    for subset in (Subset.TRAIN, Subset.VALIDATION):
        if len(material.subsets[subset]) == 0:
            is_empty = subset not in members.values()
            raise TrainingError(
                f"The split has no {subset} images."
                if is_empty
                else f"None of the {subset} images can be read or has a label.",
                "Make a split with images in this subset."
                if is_empty
                else "Check that the images are still where they were imported from.",
            )
