"""Rows of searches and their trials."""

import json
from collections.abc import Sequence
from typing import Any

from sqlite_utils import Database

from core.domain.configs.augment import AugmentConfig
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.configs.train import TrainConfig
from core.domain.search import Search, Trial, TrialState
from core.errors import NotFoundError


def insert_search(db: Database, search: Search) -> None:
    """Store a search."""
    db.conn.execute(
        "INSERT INTO searches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            search.id,
            search.name,
            search.dataset_id,
            search.split_id,
            search.version,
            config_to_json(search.preprocess),
            config_to_json(search.augment),
            config_to_json(search.train),
            json.dumps(search.over),
            search.minutes,
            search.trials,
            search.folds,
            search.created_at,
        ],
    )


def list_searches(db: Database, dataset_id: str | None = None) -> list[Search]:
    """All searches, or those of one dataset, newest first."""
    rows = db.query(
        "SELECT * FROM searches WHERE :id IS NULL OR dataset_id = :id ORDER BY created_at DESC",
        {"id": dataset_id},
    )
    return [_search(row) for row in rows]


def find_search(db: Database, name_or_id: str) -> Search:
    """The search of this id, else the newest of this name, in upper or lower case.

    Raises:
        NotFoundError: if there is none.
    """
    rows = list(
        db.query(
            "SELECT * FROM searches WHERE id = :key OR name_key(name) = name_key(:key)"
            " ORDER BY id = :key DESC, created_at DESC",
            {"key": name_or_id},
        )
    )
    if not rows:
        raise NotFoundError(f"There is no search '{name_or_id}'.", "See the list of searches.")
    return _search(rows[0])


def save_trial(db: Database, search_id: str, trial: Trial) -> None:
    """Add a trial, or replace the one of its number."""
    db.execute(
        "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            search_id,
            trial.number,
            trial.run_id,
            trial.state.value,
            json.dumps(trial.values),
            trial.score,
            json.dumps(trial.curve),
            trial.duration_s,
            trial.error,
        ],
    )


def trials_of(db: Database, search_id: str) -> list[Trial]:
    """The trials of a search, in their order."""
    rows = db.query("SELECT * FROM trials WHERE search_id = ? ORDER BY number", [search_id])
    return [_trial(row) for row in rows]


def delete_search(db: Database, search_id: str, run_ids: Sequence[str]) -> None:
    """Remove a search with its trials, their runs and its jobs; call inside a transaction."""
    for run_id in run_ids:
        db.conn.execute("DELETE FROM runs WHERE id = ? AND is_trial", [run_id])
    db.conn.execute("DELETE FROM jobs WHERE subject_id = ?", [search_id])
    db.conn.execute("DELETE FROM searches WHERE id = ?", [search_id])


def _search(row: dict[str, Any]) -> Search:
    return Search(
        id=row["id"],
        name=row["name"],
        dataset_id=row["dataset_id"],
        split_id=row["split_id"],
        version=row["version"],
        preprocess=config_from_json(PreprocessConfig, row["preprocess"]),
        augment=config_from_json(AugmentConfig, row["augment"]),
        train=config_from_json(TrainConfig, row["train"]),
        over=tuple(json.loads(row["over"])),
        minutes=row["minutes"],
        trials=row["trials"],
        folds=row["folds"],
        created_at=row["created_at"],
    )


def _trial(row: dict[str, Any]) -> Trial:
    return Trial(
        number=row["number"],
        run_id=row["run_id"],
        state=TrialState(row["state"]),
        values=json.loads(row["chosen"]),
        score=row["score"],
        curve=tuple(json.loads(row["curve"])),
        duration_s=row["duration_s"],
        error=row["error"],
    )
