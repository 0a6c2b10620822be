"""Stored probabilities: one matrix per model and subset, the raw material of every report."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.domain.datasets import SampleState, SampleStatus, Verdict, good_classes
from core.domain.splits import Subset
from core.store.columns import Columns
from core.store.datasets import verdicts_from_json
from core.store.versions import classes_kept_places, states_at


@dataclass(frozen=True)
class StoredMatrix:
    """The predictions of a model for the images of a subset, as stored after the training.

    Shapes: `sample_ids` [N] int64, `probabilities` [N, C] float32, rows sum to 1; both read-only.
    """

    sample_ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class SubsetPredictions:
    """Probabilities of one subset, row by row beside the true class of each sample.

    Shapes: `sample_ids` [N] int64, `targets` [N] int64 in [0, C), `probabilities` [N, C] float32,
    rows sum to 1. `kept` [stored rows] says which rows these are. `version` is the version of the
    dataset whose labels these are; None: today's. `left_out` counts stored rows whose sample has
    no label known to the model.
    """

    sample_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    kept: NDArray[np.bool_]
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
    """Subsets with stored probabilities, in the order of `Subset`; an empty subset has none."""
    rows = db.query(
        "SELECT subset FROM predictions WHERE model_id = ? AND length(sample_ids) > 0", [model_id]
    )
    stored = {row["subset"] for row in rows}
    return [subset for subset in Subset if subset.value in stored]


def predicted_samples(db: Database, model_id: str, subset: Subset) -> NDArray[np.int64]:
    """Ids [N] of the samples with stored probabilities; empty if nothing is stored."""
    row = db.conn.execute(
        "SELECT sample_ids FROM predictions WHERE model_id = ? AND subset = ?",
        [model_id, subset.value],
    ).fetchone()
    return np.frombuffer(row[0] if row else b"", dtype="<i8").astype(np.int64, copy=False)


def load_matrix(db: Database, model_id: str, subset: Subset) -> StoredMatrix | None:
    """The probabilities alone, without the images; None if nothing is stored."""
    row = db.conn.execute(
        "SELECT sample_ids, probabilities FROM predictions WHERE model_id = ? AND subset = ?",
        [model_id, subset.value],
    ).fetchone()
    if row is None or not row[0]:  # a split with folds may have no test images
        return None
    sample_ids = np.frombuffer(row[0], dtype="<i8").astype(np.int64, copy=False)
    matrix = np.frombuffer(row[1], dtype="<f4").astype(np.float32, copy=False)
    return StoredMatrix(sample_ids, matrix.reshape(len(sample_ids), -1))


def label_matrix(
    db: Database, model_id: str, subset: Subset, stored: StoredMatrix, columns: Columns
) -> SubsetPredictions | None:
    """A matrix with today's labels; samples that left the dataset are left out.

    If classes of the dataset were merged or removed since the training, the labels are those of
    the version that the model was trained on. Images of classes that were added later are left out;
    a detector needs no names of defects, and counts them as unlike the good ones.

    Args:
        db: of the workspace.
        model_id: whose matrix it is.
        subset: of which images.
        stored: from `load_matrix`.
        columns: of the dataset that the model was trained on.

    Returns:
        None if the model is gone.
    """
    row = db.conn.execute(
        "SELECT p.dataset_id, m.class_names, m.version, d.class_names, m.is_detector,"
        " d.class_verdicts FROM predictions p"
        " JOIN models m ON m.id = p.model_id JOIN datasets d ON d.id = p.dataset_id"
        " WHERE p.model_id = ? AND p.subset = ?",
        [model_id, subset.value],
    ).fetchone()
    if row is None:
        return None
    dataset_id, then, names, names_today = row[0], row[2], json.loads(row[1]), json.loads(row[3])
    if row[4]:
        return _good_or_not(stored, columns, len(names_today), verdicts_from_json(row[5]))
    is_same = names_today[: len(names)] == names or classes_kept_places(
        db, dataset_id, then, len(names)
    )
    version = None if is_same else then
    at = columns.places(stored.sample_ids)
    labels = np.where(columns.used[at] & (at >= 0), columns.labels[at], -1)
    if version is not None:
        _take_back(labels, stored.sample_ids, states_at(db, dataset_id, version))
    known = (labels >= 0) & (labels < len(names))
    if known.all():
        return SubsetPredictions(stored.sample_ids, labels, stored.probabilities, known, version)
    return SubsetPredictions(
        stored.sample_ids[known],
        labels[known],
        stored.probabilities[known],
        known,
        version,
        int((~known).sum()),
    )


def _good_or_not(
    stored: StoredMatrix, columns: Columns, class_count: int, verdicts: Sequence[Verdict | None]
) -> SubsetPredictions:
    """The matrix of a detector: what is of a good class today is 0, everything else is 1."""
    given = (*verdicts, *(None,) * (class_count - len(verdicts)))
    at = columns.places(stored.sample_ids)
    labels = np.where(columns.used[at] & (at >= 0), columns.labels[at], -1)
    known = labels >= 0
    targets = np.where(np.isin(labels, good_classes(given)), 0, 1)
    return SubsetPredictions(
        stored.sample_ids[known],
        targets[known],
        stored.probabilities[known],
        known,
        left_out=int((~known).sum()),
    )


def _take_back(
    labels: NDArray[np.int64], sample_ids: NDArray[np.int64], states: Mapping[int, SampleState]
) -> None:
    """Set the labels of an earlier version."""
    rows = {sample_id: row for row, sample_id in enumerate(sample_ids.tolist())}
    for sample_id, state in states.items():
        if sample_id in rows:
            label = state.label if state.status is SampleStatus.USED else None
            labels[rows[sample_id]] = -1 if label is None else label


def save_focus(db: Database, model_id: str, focus: Mapping[int, float | None]) -> None:
    """Store how focused heatmaps are, in [0, 1]; None: the image can no longer be read.

    Call inside a transaction. Samples that are gone are left out.
    """
    db.conn.executemany(
        "INSERT OR REPLACE INTO focus SELECT ?, id, ? FROM samples WHERE id = ?",
        [(model_id, value, sample_id) for sample_id, value in focus.items()],
    )


def focus_of(db: Database, model_id: str) -> dict[int, float | None]:
    """Sample id -> focus of its heatmap, for the images that were explained."""
    rows = db.conn.execute("SELECT sample_id, value FROM focus WHERE model_id = ?", [model_id])
    return dict(rows.fetchall())


def save_heats(db: Database, model_id: str, cells_by_id: Mapping[int, bytes]) -> None:
    """Keep coarse heatmaps: bytes 0 to 255, row by row, of as many rows as columns.

    Call inside a transaction. Samples that are gone are left out.
    """
    db.conn.executemany(
        "INSERT OR REPLACE INTO heats SELECT ?, id, ? FROM samples WHERE id = ?",
        [(model_id, cells, sample_id) for sample_id, cells in cells_by_id.items()],
    )


def heats_of(
    db: Database, model_id: str, sample_id: int | None = None
) -> dict[int, NDArray[np.uint8]]:
    """Sample id -> coarse heatmap [h, h], 0 to 255; of all explained images, or of one."""
    rows = db.conn.execute(
        "SELECT sample_id, cells FROM heats"
        " WHERE model_id = ? AND sample_id = ifnull(?, sample_id)",
        [model_id, sample_id],
    ).fetchall()
    flat = {key: np.frombuffer(cells, np.uint8) for key, cells in rows}
    return {key: cells.reshape(math.isqrt(len(cells)), -1) for key, cells in flat.items()}


def heated_samples(db: Database, model_id: str) -> set[int]:
    """Ids of the samples whose heatmaps are kept."""
    rows = db.conn.execute("SELECT sample_id FROM heats WHERE model_id = ?", [model_id])
    return {row[0] for row in rows}


def save_study(db: Database, model_id: str, kind: str, result: str, *, now: float) -> None:
    """Keep what was measured of a model, as JSON; an earlier result of this kind is replaced.

    Call inside a transaction. Nothing is kept of a model that is gone.
    """
    db.conn.execute(
        "INSERT OR REPLACE INTO studies SELECT id, ?, ?, ? FROM models WHERE id = ?",
        [kind, result, now, model_id],
    )


def study_of(db: Database, model_id: str, kind: str) -> tuple[str, float] | None:
    """The result as JSON, and when it was measured; None if it never was."""
    row = db.conn.execute(
        "SELECT result, created_at FROM studies WHERE model_id = ? AND kind = ?", [model_id, kind]
    ).fetchone()
    return (str(row[0]), float(row[1])) if row else None
