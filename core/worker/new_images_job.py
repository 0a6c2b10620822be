"""The job after an import into a dataset with a model: which new images are unlike what it knows.

The import itself does not wait for it, and its end changes nothing that was imported.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.datasets import Dataset, Sample, good_classes
from core.domain.findings import Finding, FindingKind, Severity
from core.domain.jobs import JobStatus, Phase
from core.domain.models import Model
from core.errors import NotFoundError, TouchstoneError
from core.inference.predictor import Predictor
from core.inference.unfamiliar import read_unfamiliar
from core.store import datasets, models, quality, versions
from core.store.database import connect, transaction
from core.words import decimal
from core.worker.progress import Work
from core.worker.session import JobSession

MOST_NAMED = 200  # more are counted; whoever imports another product does not need them all


def run(session: JobSession) -> None:
    """Compare the images that a version added with what the first model of the payload knows."""
    payload = session.job.payload
    dataset_id = str(payload["dataset_id"])
    session.report(Phase.LOADING_MODEL, 0, 0)
    model = _judge(session, payload["model_ids"])
    if model is None:
        with connect(session.workspace) as db, transaction(db):
            session.finish(db, JobStatus.COMPLETED, result={"dataset_id": dataset_id})
        return
    with connect(session.workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        added = versions.added_by(db, dataset.id, int(payload["version"]))
    judged = _concerning(model, dataset, added)
    scores = _scores(session, model, judged)
    readable = np.isfinite(scores)
    unlike = [i for i in np.argsort(-scores, kind="stable").tolist() if scores[i] > 1]
    new = [i for i in unlike if not _is_known(model, dataset, judged[i])]
    known = [i for i in unlike if _is_known(model, dataset, judged[i])]
    session.report(Phase.FINDINGS, 0, 0)
    findings = [_finding(model, judged[i], float(scores[i])) for i in known[:MOST_NAMED]]
    with connect(session.workspace) as db, transaction(db):
        quality.save_unfamiliar(db, dataset.id, findings)
        session.finish(
            db,
            JobStatus.COMPLETED,
            result={
                "dataset_id": dataset.id,
                "model_id": model.id,
                "model_name": model.name,
                "is_detector": model.is_detector,
                "compared": int(readable.sum()),
                "unreadable": int((~readable).sum()),
                "unfamiliar": len(unlike),
                "of_new_classes": len(new),
                "most": [[judged[i].id, round(float(scores[i]), 4)] for i in unlike[:MOST_NAMED]],
            },
        )


def _judge(session: JobSession, model_ids: Sequence[str]) -> Model | None:
    """The first of these models that tells unfamiliar images and is there still."""
    for model_id in model_ids:
        try:
            with connect(session.workspace) as db:
                model = models.find_model(db, model_id)
        except NotFoundError:
            continue
        bundle = models.exported_bundle(session.workspace, model)
        if model.is_detector or read_unfamiliar(bundle) is not None:
            return model
    return None


def _concerning(model: Model, dataset: Dataset, added: list[Sample]) -> list[Sample]:
    """The images of which the model may say so: a detector is meant to find defects unlike."""
    if not model.is_detector:
        return added
    good = good_classes(dataset.verdicts)
    return [sample for sample in added if sample.label in good]


def _is_known(model: Model, dataset: Dataset, sample: Sample) -> bool:
    """Whether the class of an image is one that the model learned."""
    if model.is_detector or sample.label is None:
        return True
    return dataset.class_names[sample.label] in model.class_names


def _scores(session: JobSession, model: Model, samples: Sequence[Sample]) -> NDArray[np.float64]:
    """The score [N] of each image; minus infinity for those that cannot be read."""
    session.expect(Work(images=len(samples)))
    scores = np.full(len(samples), -np.inf)
    if not samples:
        return scores
    bundle = models.exported_bundle(session.workspace, model)
    predictor = Predictor.open(bundle, runtimes=session.workspace.runtimes)
    paths = [session.workspace.resolve(sample.path) for sample in samples]

    def decoded() -> Iterator[tuple[str, NDArray[np.uint8] | TouchstoneError]]:
        load = partial(load_pixels, config=predictor.card.preprocess)
        for position, pixels in run_isolated(load, paths):
            yield str(position), pixels

    for done, item in enumerate(predictor.judge(decoded()), start=1):
        if item.unfamiliar is not None:
            scores[int(item.path)] = item.unfamiliar
        session.report(Phase.CLASSIFYING, done, len(samples))
    return scores


def _finding(model: Model, sample: Sample, score: float) -> Finding:
    known = "the good images" if model.is_detector else "the training images"
    return Finding(
        FindingKind.UNFAMILIAR,
        Severity.NOTE,
        f"Unlike {known} of the model {model.name}: score {decimal(score, 2)}, the limit is 1.",
        (sample.id,),
        score=score,
    )
