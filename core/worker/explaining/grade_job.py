"""The grade job: what each method of heatmaps is worth for a model, and what lies at the border."""

import hashlib
from pathlib import Path

import numpy as np

from core.domain.ids import utc_now
from core.domain.jobs import JobStatus, Phase
from core.domain.models import HeatmapMethod
from core.errors import TouchstoneError
from core.inference.explaining.grades import Examined, GradeStep, graded, grades_to_json
from core.inference.predictor import Predictor
from core.store import predictions
from core.store.database import connect, transaction
from core.worker.explaining.images import readable_images
from core.worker.progress import Work
from core.worker.session import JobSession

STUDY = "heatmaps"
_PHASES = {
    GradeStep.CLASSES: Phase.HEATMAPS,
    GradeStep.PLANTING: Phase.PLANTING,
    GradeStep.METHODS: Phase.GRADING,
}


def run(session: JobSession) -> None:
    """Grade the methods of the payload with its images (sample id, path, class index)."""
    payload = session.job.payload
    session.report(Phase.LOADING_MODEL, 0, 0)
    bundle = Path(payload["bundle"])
    session.expect(Work(images=len(payload["images"])))
    predictor = Predictor.open(bundle, runtimes=session.workspace.runtimes)
    examined = Examined(predictor)
    for pixels, label in readable_images(session, predictor.card.preprocess):
        examined.take(pixels, label)
    if not examined.images:
        raise TouchstoneError(
            "None of the images could be used to test heatmaps.",
            "Check the files on the Images page; the model must classify some of them rightly.",
        )
    # Why from the file: the same model is tested with the same pairs, orders and weights.
    seed = int.from_bytes(hashlib.sha256(bundle.name.encode()).digest()[:4], "little")
    grades = graded(
        examined,
        [HeatmapMethod(name) for name in payload["methods"]],
        np.random.default_rng(seed),
        lambda step, done, total: session.report(_PHASES[step], done, total),
    )
    with connect(session.workspace) as db, transaction(db):
        predictions.save_study(
            db, payload["model_id"], STUDY, grades_to_json(grades), now=utc_now()
        )
        session.finish(db, JobStatus.COMPLETED)
