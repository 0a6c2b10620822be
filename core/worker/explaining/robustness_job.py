"""The robustness job: how many images of each class stay right as images get worse."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.pixels.images import read_image
from core.data.pixels.preprocess import preprocess_image
from core.domain.ids import utc_now
from core.domain.jobs import JobStatus, Phase
from core.errors import TouchstoneError
from core.inference.explaining.changes import LEVELS, changed
from core.inference.predictor import Predictor
from core.store import predictions
from core.store.database import connect, transaction
from core.worker.progress import Work
from core.worker.session import JobSession

STUDY = "robustness"
_MOST_PX = 1200


@dataclass
class _Counts:
    """Images of each class [C]: seen, and right at each strength [levels, C]."""

    seen: NDArray[np.int64]
    right: NDArray[np.int64]


def run(session: JobSession) -> None:
    """Classify the images of the payload (sample id, path, class index), changed in all ways."""
    payload = session.job.payload
    session.report(Phase.LOADING_MODEL, 0, 0)
    images = payload["images"]
    steps = [(change, level) for change, levels in LEVELS.items() for level in levels]
    session.expect(Work(images=len(images), views=1 + len(steps)))
    predictor = Predictor.open(Path(payload["bundle"]), runtimes=session.workspace.runtimes)
    classes = len(predictor.card.class_names)
    counts = _Counts(np.zeros(classes, np.int64), np.zeros((1 + len(steps), classes), np.int64))
    left_out = 0
    for done, (_, path, label) in enumerate(images, start=1):
        session.report(Phase.CHANGING_IMAGES, done, len(images))
        try:
            image = _reduced(read_image(Path(path), levels=predictor.card.preprocess.levels))
        except (TouchstoneError, MemoryError):
            left_out += 1
            continue
        pixels = np.stack(list(_versions(image, predictor)))
        counts.seen[label] += 1
        counts.right[:, label] += predictor.probabilities(pixels).argmax(1) == label
    if left_out:
        session.warn(f"{left_out} images left out: they cannot be read.")
    result = {
        "seen": counts.seen.tolist(),
        "right": counts.right[0].tolist(),
        "changes": [
            {"change": change.value, "level": level, "right": counts.right[1 + at].tolist()}
            for at, (change, level) in enumerate(steps)
        ],
    }
    with connect(session.workspace) as db, transaction(db):
        predictions.save_study(db, payload["model_id"], STUDY, json.dumps(result), now=utc_now())
        session.finish(db, JobStatus.COMPLETED)


def _reduced(image: Image.Image) -> Image.Image:
    # Why: to change five megapixels in all ways takes seconds, and the network sees few of them.
    scale = _MOST_PX / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BOX)


def _versions(image: Image.Image, predictor: Predictor) -> Iterator[NDArray[np.uint8]]:
    """The image as it is, then each change of it, as the network sees them."""
    config = predictor.card.preprocess
    yield preprocess_image(image, config)
    for change, levels in LEVELS.items():
        for level in levels:
            yield preprocess_image(changed(image, change, level), config)
