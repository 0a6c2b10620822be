"""The batch prediction job: a whole folder through a model, into one table."""

import csv
import os
from functools import partial
from pathlib import Path

from core.data.exports import safe_cell
from core.data.pixels.images import images_below
from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.jobs import JobStatus
from core.domain.models import Prediction
from core.evaluation.decisions.rule import rule_from_json
from core.inference.predictor import Predictor
from core.store.database import connect, transaction
from core.worker.session import JobSession


def run(session: JobSession) -> None:
    """Predict every image below the job's folder; unreadable ones get a row with the reason."""
    folder = Path(session.job.payload["folder"])
    session.report("Loading the model", 0, 0)
    predictor = Predictor.open(
        Path(session.job.payload["bundle"]), runtimes=session.workspace.cache / "runtimes"
    )
    paths = images_below(folder)
    target = result_table(session)
    unfinished = target.with_suffix(".partial")
    try:
        failed = _write_table(session, predictor, paths, unfinished)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    os.replace(unfinished, target)  # noqa: PTH105 - replaces on Windows too
    with connect(session.workspace) as db, transaction(db):
        session.finish(
            db,
            JobStatus.COMPLETED,
            result={"table": target.name, "n": len(paths), "failed": failed},
        )


def _write_table(session: JobSession, predictor: Predictor, paths: list[Path], table: Path) -> int:
    """Write all rows; gives how many images could not be read."""
    failed = 0
    # Why backslashreplace: a file name may hold bytes that are no text.
    with table.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        names = predictor.card.class_names
        text = session.job.payload.get("rule")
        rule = rule_from_json(text) if text else None
        extra = ["decision"] if rule else []
        writer.writerow(["path", "class", "confidence", *extra, "error", *map(safe_cell, names)])
        # Why in other processes: one image that crashes its reader must not end the batch.
        decoded = run_isolated(partial(load_pixels, config=predictor.card.preprocess), paths)
        inputs = ((str(paths[position]), pixels) for position, pixels in decoded)
        for done, item in enumerate(predictor.judge(inputs), start=1):
            failed += item.error is not None
            writer.writerow(_row(rule.decided(item) if rule else item, names, extra))
            session.report("Classifying", done, len(paths))
    return failed


def result_table(session: JobSession) -> Path:
    """The CSV file of a batch."""
    return session.workspace.results / f"{session.job.subject_id}.csv"


def _row(item: Prediction, class_names: tuple[str, ...], extra: list[str]) -> list[object]:
    confidences = dict(item.confidences)
    return [
        safe_cell(item.path),
        safe_cell(item.class_name),
        item.confidence,
        *(item.decision for _ in extra),
        safe_cell(item.error),
        *(confidences.get(name) for name in class_names),
    ]
