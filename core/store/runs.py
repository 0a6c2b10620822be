"""Rows of training runs and their learning curves."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import Any

from sqlite_utils import Database

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Detail, HeadKind
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.configs.train import TrainConfig
from core.domain.training import (
    DetailTrial,
    EpochDetails,
    EpochMetrics,
    HardImage,
    HeadTrial,
    PenaltyPoint,
    RunDetails,
    TrainingRun,
)
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
    "is_best",
    "val_macro_recall",
    "val_log_loss",
    "train_accuracy",
    "images_per_second",
    "memory_mb",
    "seconds_waiting_for_data",
)
_NUMBERS = 7  # of an epoch; what follows is a flag, then what was not always measured
_EPOCH_COLUMNS = ", ".join(_EPOCH_NAMES)
_OURS = "EXISTS (SELECT 1 FROM jobs WHERE id = ? AND owner = ? AND status = 'running')"


def insert_run(db: Database, run: TrainingRun, *, is_trial: bool = False) -> None:
    """Store a run; a trial belongs to a search or finder, and is not listed."""
    db.conn.execute(
        "INSERT INTO runs (id, name, dataset_id, split_id, preprocess, augment, train, created_at,"
        " version, fold, folds, given_name, cross_validation_id, is_trial)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            is_trial,
        ],
    )


def list_runs(db: Database, dataset_id: str | None = None) -> list[TrainingRun]:
    """All runs, or those of one dataset, newest first."""
    rows = db.query(
        "SELECT * FROM runs WHERE NOT is_trial AND (:id IS NULL OR dataset_id = :id)"
        " ORDER BY created_at DESC",
        {"id": dataset_id},
    )
    return [_run(row) for row in rows]


def names_taken(db: Database, beginning: str) -> list[str]:
    """The rest of each name with this beginning: of runs and models, and of those in the bin."""
    rows = db.execute(
        "SELECT substr(name, length(:start) + 1) FROM (SELECT name FROM runs"
        " UNION SELECT given_name FROM runs UNION SELECT name FROM models"
        " UNION SELECT name FROM bin) WHERE substr(name, 1, length(:start)) = :start",
        {"start": beginning},
    )
    return [rest for (rest,) in rows]


def ids_using(db: Database, *, dataset_id: str = "", split_id: str = "") -> set[str]:
    """Ids of the runs on a dataset or a split, those of trials too, and of the searches on it."""
    asked = [dataset_id, split_id]
    rows = db.conn.execute(
        "SELECT id FROM runs WHERE dataset_id = ? OR split_id = ?"
        " UNION ALL SELECT id FROM searches WHERE dataset_id = ? OR split_id = ?",
        asked * 2,
    )
    return {row[0] for row in rows}


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
    """Remove a run with its curve and jobs; its model stays. Call inside a transaction."""
    db.conn.execute("DELETE FROM jobs WHERE subject_id = ?", [run_id])
    db.conn.execute("DELETE FROM runs WHERE id = ?", [run_id])


def save_epochs(
    db: Database,
    run_id: str,
    epochs: Sequence[EpochMetrics],
    details: Sequence[EpochDetails] = (),
    *,
    job_id: str,
    owner: str,
) -> bool:
    """Write lines of the curve; a line of the same epoch is replaced.

    Details are kept of the newest and of the best epoch only.

    Returns:
        Whether they were written: not when the job is no longer this owner's.
    """
    places = ", ".join("?" for _ in _EPOCH_NAMES)
    with transaction(db):
        cursor = db.conn.executemany(
            f"INSERT OR REPLACE INTO epochs (run_id, {_EPOCH_COLUMNS})"
            f" SELECT ?, {places} WHERE {_OURS}",
            [(run_id, *_epoch_values(item), job_id, owner) for item in epochs],
        )
        db.conn.executemany(
            "INSERT OR REPLACE INTO epoch_details (run_id, epoch, class_count, confusion, hardest)"
            f" SELECT ?, ?, ?, ?, ? WHERE {_OURS}",
            [(run_id, *_details_values(item), job_id, owner) for item in details],
        )
        db.conn.execute(
            "DELETE FROM epoch_details WHERE run_id = :run AND epoch NOT IN ("
            " SELECT max(epoch) FROM epochs WHERE run_id = :run UNION"
            " SELECT coalesce(max(epoch), -2) FROM epochs WHERE run_id = :run AND is_best)",
            {"run": run_id},
        )
    return bool(cursor.rowcount)


def drop_epochs_from(db: Database, run_id: str, epoch: int, *, job_id: str, owner: str) -> None:
    """Remove lines and details from `epoch` on: a resumed run writes them again."""
    with transaction(db):
        for table in ("epochs", "epoch_details"):
            db.conn.execute(
                f"DELETE FROM {table} WHERE run_id = ? AND epoch >= ? AND {_OURS}",
                [run_id, epoch, job_id, owner],
            )


def epochs_of(db: Database, run_id: str) -> list[EpochMetrics]:
    """The learning curve, first epoch first."""
    rows = db.conn.execute(
        f"SELECT {_EPOCH_COLUMNS} FROM epochs WHERE run_id = ? ORDER BY epoch", [run_id]
    ).fetchall()
    return [
        EpochMetrics(*[*_numbers(row[:_NUMBERS]), bool(row[_NUMBERS]), *row[_NUMBERS + 1 :]])
        for row in rows
    ]


def details_of(db: Database, run_id: str) -> RunDetails:
    """Confusion and hardest images of the newest and of the best epoch; of older runs none."""
    rows = db.query("SELECT * FROM epoch_details WHERE run_id = ? ORDER BY epoch", [run_id])
    details = {row["epoch"]: _details(row) for row in rows}
    (newest, best), *_ = db.conn.execute(
        "SELECT max(epoch), max(CASE WHEN is_best THEN epoch END) FROM epochs WHERE run_id = ?",
        [run_id],
    ).fetchall()
    return RunDetails(details.get(newest), details.get(best))


def save_record(
    db: Database, run_id: str, record: dict[str, Any], *, job_id: str, owner: str
) -> None:
    """Keep how and on what a run was computed; JSON values, replaced by each attempt."""
    db.execute(
        f"INSERT OR REPLACE INTO run_records (run_id, record) SELECT ?, ? WHERE {_OURS}",
        [run_id, json.dumps(record, sort_keys=True), job_id, owner],
    )


def record_of(db: Database, run_id: str) -> dict[str, Any]:
    """How and on what a run was computed; empty for runs of earlier versions."""
    rows = list(db.query("SELECT record FROM run_records WHERE run_id = ?", [run_id]))
    record: dict[str, Any] = json.loads(rows[0]["record"]) if rows else {}
    return record


def save_penalty_path(
    db: Database, run_id: str, path: Sequence[PenaltyPoint], *, job_id: str, owner: str
) -> None:
    """Replace the penalty path, and epochs of an earlier version; only by the job's owner."""
    with transaction(db):
        for table in ("penalty_path", "epochs", "epoch_details"):
            db.conn.execute(
                f"DELETE FROM {table} WHERE run_id = ? AND {_OURS}", [run_id, job_id, owner]
            )
        db.conn.executemany(
            "INSERT INTO penalty_path (run_id, penalty, log_loss, standard_error)"
            f" SELECT ?, ?, ?, ? WHERE {_OURS}",
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


def save_detail_trials(
    db: Database, run_id: str, trials: Sequence[DetailTrial], *, job_id: str, owner: str
) -> None:
    """Replace the detail levels that a run compared; only by the job's owner."""
    _save_trials(db, "detail_trials", run_id, trials, (job_id, owner))


def detail_trials_of(db: Database, run_id: str) -> list[DetailTrial]:
    """The detail levels that a run compared, in the order of the comparison."""
    rows = _trials(db, "detail_trials", run_id)
    return [DetailTrial(**{**row, "detail": Detail(row["detail"])}) for row in rows]


def save_head_trials(
    db: Database, run_id: str, trials: Sequence[HeadTrial], *, job_id: str, owner: str
) -> None:
    """Replace the last layers that a run compared; only by the job's owner."""
    _save_trials(db, "head_trials", run_id, trials, (job_id, owner))


def head_trials_of(db: Database, run_id: str) -> list[HeadTrial]:
    """The last layers that a run compared, in the order of the comparison."""
    rows = _trials(db, "head_trials", run_id)
    return [HeadTrial(**{**row, "head": HeadKind(row["head"])}) for row in rows]


def _save_trials(
    db: Database,
    table: str,
    run_id: str,
    trials: Sequence[DetailTrial | HeadTrial],
    owned: tuple[str, str],
) -> None:
    """Columns are called as the fields of the trials; `owned`: job and owner."""
    with transaction(db):
        db.conn.execute(f"DELETE FROM {table} WHERE run_id = ? AND {_OURS}", [run_id, *owned])
        for position, trial in enumerate(trials):
            values = {"run_id": run_id, "position": position, **asdict(trial)}
            places = ", ".join("?" * len(values))
            db.conn.execute(
                f"INSERT INTO {table} ({', '.join(values)}) SELECT {places} WHERE {_OURS}",
                [*values.values(), *owned],
            )


def _trials(db: Database, table: str, run_id: str) -> list[dict[str, Any]]:
    """The fields of the trials of a run, in their order."""
    rows = db.query(f"SELECT * FROM {table} WHERE run_id = ? ORDER BY position", [run_id])
    left_out = ("run_id", "position")
    return [
        {**{k: v for k, v in row.items() if k not in left_out}, "is_chosen": bool(row["is_chosen"])}
        for row in rows
    ]


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
    """Run id -> validation macro F1: of the model it made, else of its best epoch so far.

    The model may be another than the epoch's: with a last layer solved anew, or that of quick.
    """
    rows = db.query(
        "SELECT run_id, max(val_macro_f1) AS best FROM models WHERE run_id IS NOT NULL"
        " GROUP BY run_id UNION ALL SELECT run_id, max(val_macro_f1) FROM epochs WHERE run_id"
        " NOT IN (SELECT run_id FROM models WHERE run_id IS NOT NULL) GROUP BY run_id"
    )
    return {row["run_id"]: row["best"] for row in rows if row["best"] is not None}


def _epoch_values(item: EpochMetrics) -> tuple[Any, ...]:
    return tuple(int(v) if isinstance(v, bool) else v for v in astuple(item))


def _details_values(item: EpochDetails) -> tuple[Any, ...]:
    cells = [
        (i, j, n) for i, row in enumerate(item.confusion) for j, n in enumerate(row) if n
    ]  # only the cells with images: there may be a thousand classes
    hardest = [astuple(image) for image in item.hardest]
    return item.epoch, len(item.confusion), json.dumps(cells), json.dumps(hardest)


def _details(row: dict[str, Any]) -> EpochDetails:
    confusion = [[0] * row["class_count"] for _ in range(row["class_count"])]
    for true, predicted, images in json.loads(row["confusion"]):
        confusion[true][predicted] = images
    hardest = tuple(HardImage(*values) for values in json.loads(row["hardest"]))
    return EpochDetails(row["epoch"], tuple(tuple(line) for line in confusion), hardest)


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
