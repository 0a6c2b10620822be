"""Stored probabilities: one matrix per model and subset, the raw material of every report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain import SampleStatus, Subset
from core.store.versions import classes_kept_places, states_at


@dataclass(frozen=True)
class SubsetPredictions:
    """Probabilities of one subset, row by row beside the true class of each sample.

    Shapes: `sample_ids` [N] int64, `targets` [N] int64 in [0, C), `probabilities` [N, C] float32,
    rows sum to 1. `version` is the version of the dataset whose labels these are; None: today's.
    `left_out` counts stored rows whose sample has no label that the model knows.
    """

    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    version: int | None = None
    left_out: int = 0


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
    """The matrix with today's labels; samples that left the dataset are left out.

    Where classes of the dataset were merged or taken away since the training, the labels are those
    of the version that the model was trained on. Pictures of classes that came later are left out.
    """
    rows = list(
        db.query(
            "SELECT p.sample_ids, p.probabilities, p.dataset_id, m.class_names, m.version,"
            " d.class_names AS names_today FROM predictions p JOIN models m ON m.id = p.model_id"
            " JOIN datasets d ON d.id = p.dataset_id WHERE p.model_id = ? AND p.subset = ?",
            [model_id, subset.value],
        )
    )
    if not rows:
        return None
    row = rows[0]
    names, names_today = json.loads(row["class_names"]), json.loads(row["names_today"])
    is_same = names_today[: len(names)] == names or classes_kept_places(
        db, row["dataset_id"], row["version"], len(names)
    )
    version = None if is_same else row["version"]
    sample_ids = np.frombuffer(row["sample_ids"], dtype="<i8").astype(np.int64)
    matrix = np.frombuffer(row["probabilities"], dtype="<f4").astype(np.float32)
    matrix = matrix.reshape(len(sample_ids), -1)
    targets = _targets(db, row["dataset_id"], sample_ids, version)
    known = (targets >= 0) & (targets < len(names))
    return SubsetPredictions(
        sample_ids[known], targets[known], matrix[known], version, int((~known).sum())
    )


def _targets(
    db: Database, dataset_id: str, sample_ids: NDArray[np.int64], version: int | None
) -> NDArray[np.int64]:
    """Class index [N] of each sample, -1 where it has none or does not belong to the dataset."""
    labels = dict(
        db.conn.execute(
            "SELECT id, label FROM samples WHERE dataset_id = ? AND status = 'used'"
            " AND label IS NOT NULL",
            [dataset_id],
        ).fetchall()
    )
    if version is not None:
        for sample_id, state in states_at(db, dataset_id, version).items():
            used = state.status is SampleStatus.USED and state.label is not None
            labels[sample_id] = state.label if used else -1
    return np.array([labels.get(i, -1) for i in sample_ids.tolist()], dtype=np.int64)


def save_focus(db: Database, model_id: str, found: Mapping[int, float | None]) -> None:
    """Keep how focused heatmaps are, in [0, 1]; None: the picture cannot be read any more.

    Call inside a transaction. Samples that are gone are left out.
    """
    db.conn.executemany(
        "INSERT OR REPLACE INTO focus SELECT ?, id, ? FROM samples WHERE id = ?",
        [(model_id, value, sample_id) for sample_id, value in found.items()],
    )


def focus_of(db: Database, model_id: str) -> dict[int, float | None]:
    """Sample id -> focus of its heatmap, for the pictures that were explained."""
    rows = db.conn.execute("SELECT sample_id, value FROM focus WHERE model_id = ?", [model_id])
    return dict(rows.fetchall())
