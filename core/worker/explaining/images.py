"""The images that a model is measured with: those of the payload, as they were imported."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.files import FileState
from core.domain.jobs import Phase
from core.errors import TouchstoneError
from core.store import datasets
from core.store.database import connect
from core.words import count
from core.worker.files.checks import state_of_file
from core.worker.session import JobSession


def readable_images(
    session: JobSession, config: PreprocessConfig
) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Pixels [S, S, 3] and class index of each; what changed or cannot be read is counted."""
    images = session.job.payload["images"]
    with connect(session.workspace) as db:
        samples = {s.id: s for s in datasets.samples_by_id(db, [item[0] for item in images])}
    left_out = 0
    for done, (sample_id, path, label) in enumerate(images, start=1):
        session.report(Phase.READING, done, len(images))
        try:
            if state_of_file(session.workspace, samples[sample_id]) is not FileState.SAME:
                left_out += 1
                continue
            pixels = load_pixels(Path(path), config)
        except (TouchstoneError, MemoryError, KeyError):
            left_out += 1
            continue
        yield pixels, label
    if left_out:
        session.warn(
            f"{count(left_out, 'image')} left out: the file is gone, cannot be read, or has "
            "another content than when it was imported."
        )
