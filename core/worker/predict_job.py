"""The batch prediction job: a whole folder through a model, into one table."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from core.data.importing.walk import images_in
from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.jobs import JobStatus, Phase
from core.domain.models import Prediction
from core.evaluation.decisions.rule import rule_from_json
from core.files import CsvDelimiter, write_csv
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
        load = partial(load_pixels, config=self._predictor.card.preprocess)
        decoded = run_isolated(load, self._paths)
        inputs = ((str(self._paths[position]), pixels) for position, pixels in decoded)
        for done, item in enumerate(self._predictor.judge(inputs), start=1):
            self.failed += item.error is not None
            yield self.rule.decided(item) if self.rule else item
            self._session.report(Phase.CLASSIFYING, done, self.total)
