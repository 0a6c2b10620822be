"""Rows of training runs and their learning curves."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from sqlite_utils import Database

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.configs.train import TrainConfig
from core.domain.training import EpochMetrics, PenaltyPoint, TrainingRun
from core.errors import NotFoundError
from core.store.database import transaction

_EPOCH_NAMES = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_accuracy",
    "val_macro_f1",
    "learning_rate",
    "duration_s",
)
_EPOCH_COLUMNS = ", ".join((*_EPOCH_NAMES, "is_best"))


def insert_run(db: Database, run: TrainingRun) -> None:
    """Store a run."""
    db.conn.execute(
        "INSERT INTO runs (id, name, dataset_id, split_id, preprocess, augment, train, created_at,"
        " version, fold, folds, given_name, cross_validation_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            run.id,
            run.name,
            run.dataset_id,
            run.split_id,
            config_to_json(run.preprocess),
            config_to_json(run.augment),
            config_to_json(run.train),
            run.created_at,
            run.version,
            run.fold,
            run.folds,
            run.given_name,
            run.cross_validation_id,
        ],
    )


def list_runs(db: Database, dataset_id: str | None = None) -> list[TrainingRun]:
    """All runs, or those of one dataset, newest first."""
    rows = db.query(
        "SELECT * FROM runs WHERE :id IS NULL OR dataset_id = :id ORDER BY created_at DESC",
        {"id": dataset_id},
    )
    return [_run(row) for row in rows]


def find_run(db: Database, name_or_id: str) -> TrainingRun:
    """The run of this id, else the newest of this name, in upper or lower case.

    Raises:
        NotFoundError: if there is none.
    """
    rows = list(
        db.query(
            "SELECT * FROM runs WHERE id = :key OR name_key(name) = name_key(:key)"
            " ORDER BY id = :key DESC, name = :key DESC, created_at DESC",
            {"key": name_or_id},
        )
    )
    if not rows:
        raise NotFoundError(f"There is no run '{name_or_id}'.", "See the list of runs.")
    return _run(rows[0])


def delete_run(db: Database, run_id: str) -> None:
    """Remove a run with its curve and jobs; its model stays."""
    with transaction(db):
        db.conn.execute("DELETE FROM jobs WHERE subject_id = ?", [run_id])
        db.conn.execute("DELETE FROM runs WHERE id = ?", [run_id])


def save_epochs(
    db: Database, run_id: str, epochs: Sequence[EpochMetrics], *, job_id: str, owner: str
) -> bool:
    """Write lines of the curve; a line of the same epoch is replaced.

    Returns:
        Whether they were written: not when the job is no longer this owner's.
    """
    with transaction(db):
        cursor = db.conn.executemany(
            f"INSERT OR REPLACE INTO epochs (run_id, {_EPOCH_COLUMNS})"
            " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?"
            " WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND status = 'running')",
            [(run_id, *_epoch_values(item), job_id, owner) for item in epochs],
        )
    return bool(cursor.rowcount)


def drop_epochs_from(db: Database, run_id: str, epoch: int, *, job_id: str, owner: str) -> None:
    """Remove lines from `epoch` on: a resumed run writes them again."""
    db.execute(
        "DELETE FROM epochs WHERE run_id = ? AND epoch >= ?"
        " AND EXISTS (SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND status = 'running')",
        [run_id, epoch, job_id, owner],
    )


def epochs_of(db: Database, run_id: str) -> list[EpochMetrics]:
    """The learning curve, first epoch first."""
    rows = db.conn.execute(
        f"SELECT {_EPOCH_COLUMNS} FROM epochs WHERE run_id = ? ORDER BY epoch", [run_id]
    ).fetchall()
    return [
        EpochMetrics(
            **dict(zip(_EPOCH_NAMES, _numbers(row[:-1]), strict=True)), is_best=bool(row[-1])
        )
        for row in rows
    ]


def save_penalty_path(
    db: Database, run_id: str, path: Sequence[PenaltyPoint], *, job_id: str, owner: str
) -> None:
    """Replace the penalty path, and epochs of an earlier version; only by the job's owner."""
    ours = "EXISTS (SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND status = 'running')"
    with transaction(db):
        for table in ("penalty_path", "epochs"):
            db.conn.execute(
                f"DELETE FROM {table} WHERE run_id = ? AND {ours}", [run_id, job_id, owner]
            )
        db.conn.executemany(
            "INSERT INTO penalty_path (run_id, penalty, log_loss, standard_error)"
            f" SELECT ?, ?, ?, ? WHERE {ours}",
            [(run_id, *astuple(point), job_id, owner) for point in path],
        )


def penalty_path_of(db: Database, run_id: str) -> list[PenaltyPoint]:
    """The penalty path, strongest penalty first; empty for runs that have none."""
    rows = db.conn.execute(
        "SELECT penalty, log_loss, standard_error FROM penalty_path WHERE run_id = ?"
        " ORDER BY penalty DESC",
        [run_id],
    ).fetchall()
    return [PenaltyPoint(*row) for row in rows]


def models_of_runs(db: Database) -> dict[str, tuple[str, ...]]:
    """Run id -> ids of its models, oldest first."""
    made: dict[str, tuple[str, ...]] = {}
    rows = db.query("SELECT id, run_id FROM models WHERE run_id IS NOT NULL ORDER BY created_at")
    for row in rows:
        made[row["run_id"]] = (*made.get(row["run_id"], ()), row["id"])
    return made


def with_epochs(db: Database) -> frozenset[str]:
    """The ids of the runs that have epochs."""
    return frozenset(row["run_id"] for row in db.query("SELECT DISTINCT run_id FROM epochs"))


def best_scores(db: Database) -> dict[str, float]:
    """Run id -> validation macro F1: of its best epoch so far, else of the model it made."""
    rows = db.query(
        "SELECT run_id, max(val_macro_f1) AS best FROM epochs GROUP BY run_id UNION ALL"
        " SELECT run_id, max(val_macro_f1) FROM models WHERE run_id NOT IN"
        " (SELECT run_id FROM epochs) GROUP BY run_id"
    )
    return {row["run_id"]: row["best"] for row in rows if row["best"] is not None}


def _epoch_values(item: EpochMetrics) -> tuple[Any, ...]:
    return tuple(int(v) if isinstance(v, bool) else v for v in astuple(item))


def _numbers(row: Sequence[float | None]) -> list[Any]:
    # Why: SQLite stores NaN as NULL; a diverged loss must come back as NaN, not as None.
    return [float("nan") if value is None else value for value in row]


def _run(row: dict[str, Any]) -> TrainingRun:
    return TrainingRun(
        id=row["id"],
        name=row["name"],
        dataset_id=row["dataset_id"],
        split_id=row["split_id"],
        preprocess=config_from_json(PreprocessConfig, row["preprocess"]),
        augment=config_from_json(AugmentConfig, row["augment"]),
        train=config_from_json(TrainConfig, row["train"]),
        created_at=row["created_at"],
        version=row["version"],
        fold=row["fold"],
        folds=row["folds"],
        given_name=row["given_name"],
        cross_validation_id=row["cross_validation_id"],
    )
