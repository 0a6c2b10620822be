"""The explain job: how focused the heatmaps of many images are, for sorting them."""

import time
from pathlib import Path

from core.data.pixels.preprocess import load_pixels
from core.domain.files import FileState
from core.domain.jobs import JobStatus, Phase
from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.inference.heatmaps import Explainer, focus
from core.inference.predictor import Predictor
from core.store import datasets, predictions
from core.store.database import connect, transaction
from core.words import count
from core.worker.files.checks import state_of_file
from core.worker.progress import Work
from core.worker.session import JobSession

_SAVE_S = 1.0


def run(session: JobSession) -> None:
    """Explain the images of the payload (sample id, path, class index) and store the results."""
    payload = session.job.payload
    session.report(Phase.LOADING_MODEL, 0, 0)
    predictor = Predictor.open(Path(payload["bundle"]), runtimes=session.workspace.runtimes)
    explainer, images = Explainer(predictor), payload["pictures"]
    session.expect(Work(images=len(images)))
    with connect(session.workspace) as db:
        samples = {s.id: s for s in datasets.samples_by_id(db, [item[0] for item in images])}
    changed = 0
    unsaved: dict[int, float | None] = {}
    saved_at = time.monotonic()
    for done, (sample_id, path, class_index) in enumerate(images, start=1):
        # Why: a heatmap of another content says nothing about what was judged.
        state = state_of_file(session.workspace, samples[sample_id])
        changed += state is FileState.CHANGED
        is_usable = state is FileState.SAME
        unsaved[sample_id] = (
            _focus(predictor, explainer, Path(path), class_index) if is_usable else None
        )
        if time.monotonic() - saved_at >= _SAVE_S or done == len(images):
            _save(session, payload["model_id"], unsaved)
            unsaved, saved_at = {}, time.monotonic()
        session.report(Phase.HEATMAPS, done, len(images))
    if changed:
        session.warn(
            f"{count(changed, 'image')} without a heatmap: the file has another content than when "
            "it was imported. Check the files on the Images page."
        )
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED)


def _focus(
    predictor: Predictor, explainer: Explainer, path: Path, class_index: int
) -> float | None:
    """None if the image can no longer be read, or needs too much memory."""
    try:
        pixels = load_pixels(path, predictor.card.preprocess)
        return focus(explainer.heatmap(pixels, class_index, HeatmapMethod.GRAD_CAM))
    except (TouchstoneError, MemoryError):
        return None


def _save(session: JobSession, model_id: str, focus_by_id: dict[int, float | None]) -> None:
    with connect(session.workspace) as db, transaction(db):
        predictions.save_focus(db, model_id, focus_by_id)
