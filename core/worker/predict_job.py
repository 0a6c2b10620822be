"""The batch prediction job: a whole folder through a model, into one table."""

import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.importing.walk import images_in, source_roots
from core.data.pixels.images import MAX_FILE_BYTES
from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.jobs import JobStatus, Phase
from core.domain.models import Prediction
from core.errors import UnreadableImageError
from core.evaluation.decisions.rule import rule_from_json
from core.files import CsvDelimiter, read_user_file, write_csv
from core.inference.prediction_table import prediction_rows
from core.inference.predictor import Predictor
from core.store.database import connect, transaction
from core.worker.progress import Work
from core.worker.session import JobSession

_MAX_SKIPPED = 1000


def run(session: JobSession) -> None:
    """Predict every image below the job's folder; unreadable ones get a row with the reason."""
    payload = session.job.payload
    session.report(Phase.LOADING_MODEL, 0, 0)
    predictor = Predictor.open(Path(payload["bundle"]), runtimes=session.workspace.runtimes)
    found = images_in(Path(payload["folder"]))
    predictions = _Predictions(session, predictor, list(found.paths))
    rows = prediction_rows(
        predictions, predictor.card.class_names, with_decision=predictions.rule is not None
    )
    table = session.workspace.batch_table(session.job.subject_id)
    write_csv(table, rows, delimiter=CsvDelimiter(payload.get("delimiter", CsvDelimiter.COMMA)))
    with connect(session.workspace) as db, transaction(db):
        session.finish(
            db,
            JobStatus.COMPLETED,
            result={
                "table": table.name,
                "n": predictions.total,
                "failed": predictions.failed,
                "hidden": found.hidden,
                "skipped": [[item.path, item.reason] for item in found.skipped[:_MAX_SKIPPED]],
                "skipped_count": len(found.skipped),
            },
        )


class _Predictions:
    """The predictions of a batch in the order of its files; counts those that failed."""

    def __init__(self, session: JobSession, predictor: Predictor, paths: list[Path]) -> None:
        self._session, self._predictor, self._paths = session, predictor, paths
        text = session.job.payload.get("rule")
        self.rule = rule_from_json(text) if text else None
        self.total = len(paths)
        session.expect(Work(images=self.total))
        self.failed = 0

    def __iter__(self) -> Iterator[Prediction]:
        # Why in other processes: one image that crashes its reader must not end the batch.
        roots = source_roots(Path(self._session.job.payload["folder"]))
        load = partial(_pixels, config=self._predictor.card.preprocess, roots=roots)
        decoded = run_isolated(load, self._paths)
        inputs = ((str(self._paths[position]), pixels) for position, pixels in decoded)
        for done, item in enumerate(self._predictor.judge(inputs), start=1):
            self.failed += item.error is not None
            yield self.rule.decided(item) if self.rule else item
            self._session.report(Phase.CLASSIFYING, done, self.total)


def _pixels(path: Path, config: PreprocessConfig, roots: Sequence[Path]) -> NDArray[np.uint8]:
    """An image below the folder; a link that was put there since does not lead outside."""
    try:
        content = io.BytesIO(read_user_file(path, most_bytes=MAX_FILE_BYTES, roots=roots))
    except OSError as err:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {err.strerror}.", "Check that it is an image file."
        ) from err
    return load_pixels(content, config, name=path.name)
