"""Stored probabilities: one matrix per model and subset, the raw material of every report."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain import Subset


@dataclass(frozen=True)
class SubsetPredictions:
    """Probabilities of one subset, row by row beside the true class of each sample.

    Shapes: `sample_ids` [N] int64, `targets` [N] int64 in [0, C), `probabilities` [N, C] float32,
    rows sum to 1.
    """

    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float32]


def insert_predictions(
    db: Database,
    model_id: str,
    dataset_id: str,
    subset: Subset,
    sample_ids: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> None:
    """Store a matrix [N, C]; replaces one of the same model and subset."""
    db.conn.execute(
        "INSERT OR REPLACE INTO predictions (model_id, subset, dataset_id, sample_ids,"
        " probabilities) VALUES (?, ?, ?, ?, ?)",
        [
            model_id,
            subset.value,
            dataset_id,
            np.ascontiguousarray(sample_ids, dtype="<i8").tobytes(),
            np.ascontiguousarray(probabilities, dtype="<f4").tobytes(),
        ],
    )


def predicted_subsets(db: Database, model_id: str) -> list[Subset]:
    """Subsets with stored probabilities, in the order of `Subset`."""
    rows = db.query("SELECT subset FROM predictions WHERE model_id = ?", [model_id])
    stored = {row["subset"] for row in rows}
    return [subset for subset in Subset if subset.value in stored]


def load_predictions(db: Database, model_id: str, subset: Subset) -> SubsetPredictions | None:
    """The matrix with today's labels; samples that left the dataset are left out."""
    rows = list(
        db.query(
            "SELECT sample_ids, probabilities, dataset_id FROM predictions"
            " WHERE model_id = ? AND subset = ?",
            [model_id, subset.value],
        )
    )
    if not rows:
        return None
    sample_ids = np.frombuffer(rows[0]["sample_ids"], dtype="<i8").astype(np.int64)
    matrix = np.frombuffer(rows[0]["probabilities"], dtype="<f4").astype(np.float32)
    matrix = matrix.reshape(len(sample_ids), -1)
    targets = _targets(db, rows[0]["dataset_id"], sample_ids)
    known = targets >= 0
    return SubsetPredictions(sample_ids[known], targets[known], matrix[known])


def _targets(db: Database, dataset_id: str, sample_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    labels = dict(
        db.conn.execute(
            "SELECT id, label FROM samples WHERE dataset_id = ? AND label IS NOT NULL",
            [dataset_id],
        ).fetchall()
    )
    return np.array([labels.get(int(i), -1) for i in sample_ids], dtype=np.int64)
