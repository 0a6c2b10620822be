"""What a model says of images that an import added, as commands tell it."""

from core.api.new_images import new_images_as_json
from core.api.values import JsonObject
from core.cli.output import note
from core.cli.session import Session, follow
from core.domain.jobs import Job
from core.errors import TouchstoneError
from core.words import decimal
from core.workflows.use import alike, new_images

_WAITED_FOR = 2000  # images: seconds on an ordinary CPU
_NAMED = 5


def told_of_new_images(opened: Session, imported: Job) -> JsonObject | None:
    """Which added images are unlike what a model of the dataset knows, said on standard error.

    None: there is no model that tells, or it is not known yet. The import stands in any case.
    """
    job = new_images.comparison_of(opened.workspace, imported.subject_id)
    if job is None:
        return None
    if job.status.is_active and int(imported.result["added"]) > _WAITED_FOR:
        note("A model of this dataset compares the new images now; Quality shows what it finds.")
        return None
    try:
        job = follow(opened, job)
    except TouchstoneError as err:
        note(f"The new images were not compared with the model: {err.message}")
        return None
    found = new_images.new_images(opened.workspace, job)
    if found is None:
        return None
    note(new_images.in_words(found))
    for item in found.most[:_NAMED]:
        note(f"{item.sample.name or item.sample.path}: score {decimal(item.score, 2)}")
    if found.limit is not None and found.unfamiliar:
        note(alike.limit_in_words(found.limit, is_detector=found.is_detector))
    return new_images_as_json(found)
