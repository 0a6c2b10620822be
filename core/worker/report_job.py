"""The report job: a heatmap for each mistake, then the report is drawn."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from core.data.file_checks import sha256_of
from core.data.pixels.kept import is_intact, save_webp, webp_content
from core.data.pixels.preprocess import load_pixels
from core.domain.jobs import JobStatus, Phase
from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.files import atomic_write
from core.inference.heatmaps import Explainer
from core.inference.overlay import overlay
from core.inference.predictor import Predictor
from core.reporting.draft import from_json
from core.reporting.render import render
from core.reporting.text import webp_uri
from core.reporting.values import MistakeImage
from core.store.database import connect, transaction
from core.worker.session import JobSession

HEATMAP_PX = 224


def run(session: JobSession) -> None:
    """Add the heatmaps to the draft that the payload names and write the report beside it."""
    payload = session.job.payload
    draft = session.workspace.results / str(payload["draft"])
    report = from_json(draft.read_text(encoding="utf-8"))
    session.report(Phase.LOADING_MODEL, 0, 0)
    predictor = Predictor.open(Path(payload["bundle"]), runtimes=session.workspace.runtimes)
    shown = _with_heatmaps(session, predictor, report.mistakes.shown)
    report = replace(report, mistakes=replace(report.mistakes, shown=shown))
    session.report(Phase.WRITING, 0, 0)
    target = draft.with_suffix(".html")
    with atomic_write(target) as partial:
        partial.write_text(render(report), encoding="utf-8")
    draft.unlink()
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED, result={"report": target.name})


def _with_heatmaps(
    session: JobSession, predictor: Predictor, shown: Sequence[MistakeImage]
) -> tuple[MistakeImage, ...]:
    payload = session.job.payload
    explainer = Explainer(predictor)
    images = list(shown)
    for done, (path, class_index, sha256) in enumerate(payload["pictures"], start=1):
        kept = _kept(session, f"{payload['model'][:16]}-{class_index}-{sha256}")
        # Why compared: a heatmap of another content says nothing about what was judged.
        if not is_intact(kept) and sha256_of(Path(path)) == sha256:
            _explain(predictor, explainer, Path(path), int(class_index), kept)
        if is_intact(kept):
            uri = webp_uri(webp_content(kept))
            images[done - 1] = replace(images[done - 1], heatmap=uri)
        session.report(Phase.DRAWING, done, len(images))
    return tuple(images)


def _kept(session: JobSession, name: str) -> Path:
    """The file of a heatmap, kept so that the next report of this model is fast."""
    return session.workspace.cache / "heatmaps" / f"{name}.webp"


def _explain(
    predictor: Predictor, explainer: Explainer, path: Path, class_index: int, target: Path
) -> None:
    """Write the heatmap of one image; nothing if it can no longer be read."""
    try:
        pixels = load_pixels(path, predictor.card.preprocess)
        heatmap = explainer.heatmap(pixels, class_index, HeatmapMethod.GRAD_CAM)
    except (TouchstoneError, MemoryError):
        return
    image = overlay(pixels, heatmap)
    image.thumbnail((HEATMAP_PX, HEATMAP_PX), Image.Resampling.BICUBIC)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as partial:
        save_webp(image, partial, quality=80, method=2)
