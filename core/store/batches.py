"""Rows of batch predictions: what was classified, so that a killed batch goes on where it was.

They are kept until the table of the batch is written. Beside them, the history of single images.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain.models import PartDecision, PastPrediction, Prediction
from core.store.database import transaction

FileState = tuple[int, int]  # bytes, and nanoseconds of its last change


@dataclass(frozen=True)
class BatchImage:
    """What a model said of a file as it was then: confidences [C] by class index, or the error.

    `unfamiliar`: see `core.domain.models.Prediction`.
    """

    path: str
    state: FileState
    confidences: NDArray[np.float32]
    error: str | None = None
    unfamiliar: float | None = None


def save_images(
    db: Database, batch_id: str, images: Sequence[BatchImage], *, job_id: str, owner: str
) -> bool:
    """Keep results of a batch; an earlier one of the same file is replaced.

    Returns:
        Whether they were written: not when the job is no longer this owner's.
    """
    with transaction(db):
        cursor = db.conn.executemany(
            "INSERT OR REPLACE INTO batch_images SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS"
            " (SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND status = 'running')",
            [
                (
                    batch_id,
                    image.path,
                    *image.state,
                    image.confidences.astype("<f4").tobytes(),
                    image.error,
                    image.unfamiliar,
                    job_id,
                    owner,
                )
                for image in images
            ],
        )
    return bool(cursor.rowcount)


def states_of(db: Database, batch_id: str) -> dict[str, FileState]:
    """Path -> state of each file that is classified already."""
    rows = db.conn.execute(
        "SELECT path, size, modified_ns FROM batch_images WHERE batch_id = ?", [batch_id]
    )
    return {path: (size, modified) for path, size, modified in rows.fetchall()}


def images_of(db: Database, batch_id: str, paths: Sequence[str]) -> list[BatchImage]:
    """The results of these files, in their order; a file without one is left out."""
    rows = db.conn.execute(
        "SELECT path, size, modified_ns, confidences, error, unfamiliar FROM batch_images"
        " WHERE batch_id = ? AND path IN (SELECT value FROM json_each(?))",
        [batch_id, json.dumps(list(paths))],
    ).fetchall()
    by_path = {
        path: BatchImage(path, (size, modified), np.frombuffer(data, "<f4"), error, unfamiliar)
        for path, size, modified, data, error, unfamiliar in rows
    }
    return [by_path[path] for path in paths if path in by_path]


def delete_images(db: Database, batch_id: str) -> None:
    """Forget the results of a batch, once its table is written; inside a transaction."""
    db.conn.execute("DELETE FROM batch_images WHERE batch_id = ?", [batch_id])


def delete_images_by(db: Database, model_id: str) -> None:
    """Forget the results of the unfinished batches of a model."""
    db.execute(
        "DELETE FROM batch_images WHERE batch_id IN (SELECT subject_id FROM jobs"
        " WHERE kind = 'predict' AND json_extract(payload, '$.model_id') = ?)",
        [model_id],
    )


_HISTORY = "at, model_name, path, class_name, confidence, decision, part, unfamiliar, error"


def remember(
    db: Database, model_id: str, model_name: str, at: float, items: Iterable[Prediction], most: int
) -> None:
    """Add predictions of single images to the history, which keeps the newest `most` of them."""
    db.conn.executemany(
        f"INSERT INTO predicted_images (model_id, {_HISTORY})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                model_id,
                at,
                model_name,
                item.path,
                item.class_name,
                item.confidence,
                item.decision,
                item.part,
                item.unfamiliar,
                item.error,
            )
            for item in items
        ),
    )
    db.conn.execute(
        "DELETE FROM predicted_images WHERE number <="
        " (SELECT max(number) FROM predicted_images) - ?",
        [most],
    )


def history(
    db: Database, *, text: str, limit: int, offset: int = 0
) -> tuple[list[PastPrediction], int]:
    """A page of the history, newest first, and how many match.

    Args:
        db: of the workspace.
        text: part of a path, class, part, model or decision, in upper or lower case.
        limit: predictions of the page.
        offset: predictions before it.
    """
    like = f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    columns = ("path", "class_name", "part", "model_name", "decision")
    where = " OR ".join(f"{column} LIKE :t ESCAPE '!'" for column in columns)
    asked = {"t": like, "limit": limit, "offset": offset}
    (total,) = db.conn.execute(
        f"SELECT count(*) FROM predicted_images WHERE {where}", asked
    ).fetchone()
    rows = db.conn.execute(
        f"SELECT {_HISTORY} FROM predicted_images WHERE {where}"
        " ORDER BY number DESC LIMIT :limit OFFSET :offset",
        asked,
    )
    return [_past(*row) for row in rows.fetchall()], int(total)


def forget_history(db: Database) -> int:
    """Remove all of it; gives how many predictions there were."""
    return int(db.conn.execute("DELETE FROM predicted_images").rowcount)


def _past(
    at: float,
    model_name: str,
    path: str,
    class_name: str | None,
    confidence: float | None,
    decision: str | None,
    part: str | None,
    unfamiliar: float | None,
    error: str | None,
) -> PastPrediction:
    said = () if class_name is None else ((class_name, float(confidence or 0.0)),)
    decided = None if decision is None else PartDecision(decision)
    return PastPrediction(at, model_name, Prediction(path, said, error, decided, part, unfamiliar))
