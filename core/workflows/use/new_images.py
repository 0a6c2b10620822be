"""Which images that were added to a dataset are unlike what a model of it knows."""

from dataclasses import dataclass

from core.domain.datasets import Sample, SampleStatus
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.models import UnfamiliarLimit
from core.errors import TouchstoneError
from core.store import datasets, models
from core.store.database import connect
from core.words import count
from core.worker.import_job import comparison_subject
from core.workflows import jobs
from core.workflows.use.alike import unfamiliar_limit
from core.workspace import Workspace


@dataclass(frozen=True)
class UnlikeImage:
    """An added image that is unlike what a model knows; `score` is above 1, its limit."""

    sample: Sample
    score: float


@dataclass(frozen=True)
class NewImages:
    """How many of the images that an import added are unlike what a model knows.

    `compared` counts those it may say so of (of a detector: those that are labeled good),
    `unreadable` the others among them; `of_new_classes` those of the unlike ones whose class it
    never learned. `most` has some of the unlike ones, the least familiar first. `limit` is None if
    the model is gone.
    """

    model_id: str
    model_name: str
    is_detector: bool
    compared: int
    unreadable: int
    unfamiliar: int
    of_new_classes: int
    most: tuple[UnlikeImage, ...]
    limit: UnfamiliarLimit | None


def comparison_of(workspace: Workspace, import_subject: str) -> Job | None:
    """The newest comparison of the images of an import; None: there was no model to ask."""
    return jobs.latest(workspace, comparison_subject(import_subject))


def subject_of(import_subject: str) -> str:
    """What the comparison of the images of an import is filed under."""
    return comparison_subject(import_subject)


def compare_again(workspace: Workspace, job: Job) -> Job:
    """Queue a comparison that did not complete once more."""
    return jobs.submit(workspace, JobKind.NEW_IMAGES, job.subject_id, dict(job.payload))


def new_images(workspace: Workspace, job: Job, *, most: int = 24) -> NewImages | None:
    """What a completed comparison found; None if no model of the dataset tells unfamiliar images.

    Images that were excluded since are not among `most`.
    """
    result = job.result
    if job.status is not JobStatus.COMPLETED or "model_id" not in result:
        return None
    scores = {int(sample_id): float(score) for sample_id, score in result["most"]}
    with connect(workspace) as db:
        samples = datasets.samples_by_id(db, list(scores))
    shown = [UnlikeImage(sample, scores[sample.id]) for sample in samples]
    shown = [item for item in shown if item.sample.status is SampleStatus.USED]
    return NewImages(
        model_id=result["model_id"],
        model_name=result["model_name"],
        is_detector=bool(result["is_detector"]),
        compared=int(result["compared"]),
        unreadable=int(result["unreadable"]),
        unfamiliar=int(result["unfamiliar"]),
        of_new_classes=int(result["of_new_classes"]),
        most=tuple(shown[:most]),
        limit=_limit(workspace, result["model_id"]),
    )


def _limit(workspace: Workspace, model_id: str) -> UnfamiliarLimit | None:
    try:
        with connect(workspace) as db:
            model = models.find_model(db, model_id)
        return unfamiliar_limit(workspace, model)
    except TouchstoneError:  # it was deleted, or is damaged: told where the model is used
        return None


def in_words(found: NewImages) -> str:
    """How many images are unlike what the model knows, in a sentence or two."""
    known = "the good images" if found.is_detector else "the training images"
    kind = " labeled good" if found.is_detector else ""
    compared = f"{count(found.compared, 'new image')}{kind}"
    if not found.unfamiliar:
        return f"None of {compared} is unlike {known} of the model {found.model_name}."
    verb = "is" if found.unfamiliar == 1 else "are"
    words = (
        f"{found.unfamiliar:,} of {compared} {verb} unlike {known} of the model {found.model_name}"
    )
    if found.of_new_classes:
        return f"{words}; {found.of_new_classes:,} of a class that it never learned."
    return f"{words}."
