"""The batch prediction job: a whole folder through a model, into one table."""

import csv
import os
from pathlib import Path

from core.data.exports import safe_cell
from core.data.images import pictures_below
from core.domain import JobStatus, Prediction
from core.inference.predictor import Predictor
from core.store.database import connect, transaction
from core.worker.session import JobSession, StopRequested


def run(session: JobSession) -> None:
    """Predict every picture below the job's folder; unreadable ones get a row with the reason."""
    folder = Path(session.job.payload["folder"])
    session.report("Loading the model", 0, 0)
    predictor = Predictor.open(
        Path(session.job.payload["bundle"]), runtimes=session.workspace.cache / "runtimes"
    )
    paths = pictures_below(folder)
    target = result_table(session)
    partial = target.with_suffix(".partial")
    try:
        _write_table(session, predictor, paths, partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    os.replace(partial, target)  # noqa: PTH105 - replaces on Windows too
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED, result={"table": target.name, "n": len(paths)})


def _write_table(session: JobSession, predictor: Predictor, paths: list[Path], table: Path) -> None:
    # Why backslashreplace: a file name may hold bytes that are no text.
    with table.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        names = predictor.card.class_names
        writer.writerow(["path", "class", "confidence", "error", *map(safe_cell, names)])
        predictions = predictor.predict(paths, should_stop=session.should_stop)
        for done, item in enumerate(predictions, start=1):
            writer.writerow(_row(item, names))
            session.progress("Classifying", done, len(paths))
    if session.should_stop():
        raise StopRequested


def result_table(session: JobSession) -> Path:
    """The CSV file of a batch."""
    return session.workspace.results / f"{session.job.subject_id}.csv"


def _row(item: Prediction, class_names: tuple[str, ...]) -> list[object]:
    confidences = dict(item.confidences)
    return [safe_cell(item.path), safe_cell(item.class_name), item.confidence,
            safe_cell(item.error), *(confidences.get(name) for name in class_names)]  # fmt: skip
