"""The explain job: the heatmaps of many images, coarse, to show and to sort them by."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.pixels.preprocess import load_pixels
from core.domain.files import FileState
from core.domain.jobs import JobStatus, Phase
from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.inference.explaining.faithful import cells
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
    unsaved: dict[int, _Heat | None] = {}
    saved_at = time.monotonic()
    for done, (sample_id, path, class_index) in enumerate(images, start=1):
        # Why: a heatmap of another content says nothing about what was judged.
        state = state_of_file(session.workspace, samples[sample_id])
        changed += state is FileState.CHANGED
        is_usable = state is FileState.SAME
        unsaved[sample_id] = (
            _heat(predictor, explainer, Path(path), class_index) if is_usable else None
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


@dataclass(frozen=True)
class _Heat:
    """What is kept of a heatmap: how focused it is, and its coarse cells, 0 to 255."""

    focus: float
    cells: bytes


def _heat(predictor: Predictor, explainer: Explainer, path: Path, class_index: int) -> _Heat | None:
    """None if the image can no longer be read, or needs too much memory."""
    try:
        pixels = load_pixels(path, predictor.card.preprocess)
        heat = explainer.heatmap(pixels, class_index, HeatmapMethod.GRAD_CAM)
        coarse = cells(heat)
        scaled = 255 * coarse / max(float(coarse.max()), 1e-12)
        return _Heat(focus(heat), (scaled + 0.5).astype(np.uint8).tobytes())
    except (TouchstoneError, MemoryError):
        return None


def _save(session: JobSession, model_id: str, heat_by_id: dict[int, _Heat | None]) -> None:
    known = {key: heat for key, heat in heat_by_id.items() if heat is not None}
    with connect(session.workspace) as db, transaction(db):
        focused = {key: heat.focus if heat else None for key, heat in heat_by_id.items()}
        predictions.save_focus(db, model_id, focused)
        predictions.save_heats(db, model_id, {key: heat.cells for key, heat in known.items()})
