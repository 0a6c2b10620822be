"""Rows of models; the weights are chunks beside their metadata, checked by sha256.

A chunk is bytes of this model alone, and then a piece, which other models may have too. A piece is
stored once under its digest, and stays while a model needs it, one in the bin included.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json, config_to_json
from core.domain.models import Belongings, Model, ModelStage
from core.domain.names import name_key
from core.errors import ModelFileError, NameTakenError, NotFoundError
from core.files import atomic_write
from core.store.database import connect, sqlite3
from core.words import listed
from core.workspace import Workspace

CHUNK_BYTES = 4 * 1024 * 1024
_MOST_ALIKE = 5  # names that a hint lists
# Exported files, by path and inode, that had the right content when this process first used them.
# Why kept: they are asked for at every prediction, and reading a large one takes 0.1 s.
_SOUND: set[tuple[Path, int]] = set()


def insert_model(
    db: Database, model: Model, content: bytes, shared: Sequence[tuple[int, int]] = ()
) -> None:
    """Store a model with its file; call inside a transaction.

    Args:
        db: the workspace's database.
        model: to store.
        content: of its file.
        shared: start and end of what other models may have too, in order.

    Raises:
        NameTakenError: if another model has this name.
    """
    try:
        db.conn.execute(
            "INSERT INTO models (id, name, run_id, dataset_id, dataset_name, split_id, class_names,"
            " network, preprocess, size_bytes, sha256, created_at, val_macro_f1, version, fold,"
            " validation_cross_validated, is_detector)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                model.id,
                model.name,
                model.run_id,
                model.dataset_id,
                model.dataset_name,
                model.split_id,
                json.dumps(model.class_names),
                model.network,
                config_to_json(model.preprocess),
                model.size_bytes,
                model.sha256,
                model.created_at,
                model.val_macro_f1,
                model.version,
                model.fold,
                int(model.validation_cross_validated),
                int(model.is_detector),
            ],
        )
    except sqlite3.IntegrityError as err:
        raise _name_taken(model.name) from err
    for position, (own, piece) in enumerate(_divided(content, shared)):
        digest = _keep_piece(db, piece) if piece else None
        db.conn.execute(
            "INSERT INTO model_chunks (model_id, position, data, piece) VALUES (?, ?, ?, ?)",
            [model.id, position, own, digest],
        )


def _divided(content: bytes, shared: Sequence[tuple[int, int]]) -> Iterator[tuple[bytes, bytes]]:
    """The own bytes and the piece of each chunk; one of both may be empty."""
    at = 0
    for start, end in (*shared, (len(content), len(content))):
        while start - at > CHUNK_BYTES:
            yield content[at : at + CHUNK_BYTES], b""
            at += CHUNK_BYTES
        if end > at:
            yield content[at:start], content[start:end]
        at = end


def _keep_piece(db: Database, piece: bytes) -> str:
    digest = hashlib.sha256(piece).hexdigest()
    # Why compared: a model that is stored mends what was damaged for all others.
    db.conn.execute(
        "INSERT INTO model_pieces VALUES (?, ?) ON CONFLICT (digest) DO UPDATE"
        " SET data = excluded.data WHERE data <> excluded.data",
        [digest, piece],
    )
    return digest


def drop_pieces(db: Database, *, binned: AbstractSet[str]) -> None:
    """Delete the pieces that no model needs any more; call inside a transaction.

    Args:
        db: the workspace's database.
        binned: digests of those that models in the bin need.
    """
    idle = db.conn.execute(
        "SELECT digest FROM model_pieces EXCEPT SELECT piece FROM model_chunks"
    ).fetchall()
    db.conn.executemany(
        "DELETE FROM model_pieces WHERE digest = ?", [row for row in idle if row[0] not in binned]
    )


def damaged_pieces(db: Database) -> Iterator[tuple[str, list[str]]]:
    """Digest of each piece that is missing or altered, and the names of the models with it."""
    rows = db.conn.execute(
        "SELECT c.piece, p.data FROM (SELECT DISTINCT piece FROM model_chunks) c"
        " LEFT JOIN model_pieces p ON p.digest = c.piece WHERE c.piece IS NOT NULL"
    )
    damaged = [name for name, data in rows if not _is_sound(name, data)]
    for digest in damaged:
        names = db.conn.execute(
            "SELECT DISTINCT m.name FROM model_chunks c JOIN models m ON m.id = c.model_id"
            " WHERE c.piece = ? ORDER BY m.created_at",
            [digest],
        ).fetchall()
        yield digest, [row[0] for row in names]


def _is_sound(digest: str, data: bytes | None) -> bool:
    return data is not None and hashlib.sha256(data).hexdigest() == digest


def list_models(db: Database) -> list[Model]:
    """All models, newest first."""
    return [_model(row) for row in db.query("SELECT * FROM models ORDER BY created_at DESC")]


Named = tuple[str, str, str, str | None, str | None, str | None, int, int]


def names_of_all(db: Database) -> list[Named]:
    """What there is from dataset to model, newest first.

    Returns:
        Level, id, name, ids of dataset, split and model that it is or belongs to, version, and
        whether it is released. The columns with long texts are left alone: this is read at every
        page change.
    """
    rows = db.execute(
        "SELECT 'dataset', id, name, id, NULL, NULL,"
        " (SELECT max(number) FROM dataset_versions WHERE dataset_id = datasets.id), 0, created_at"
        " FROM datasets"
        " UNION ALL SELECT 'split', id, name, dataset_id, id, NULL, 0, 0, created_at FROM splits"
        " UNION ALL SELECT 'run', id, name, dataset_id, split_id,"
        " (SELECT id FROM models WHERE run_id = runs.id ORDER BY created_at DESC LIMIT 1), 0,"
        " 0, created_at FROM runs WHERE NOT is_trial"
        " UNION ALL SELECT 'model', id, name, dataset_id, split_id, id, 0,"
        " stage = 'released', created_at FROM models ORDER BY 9 DESC"
    )
    return [(level, *rest) for level, *rest, _ in rows]


def belongings_of_all(db: Database) -> dict[str, Belongings]:
    """Model id -> what is stored with it; no results are read."""
    rows = db.query(
        "SELECT m.id, EXISTS (SELECT 1 FROM seals s WHERE s.model_id = m.id) AS sealed,"
        " EXISTS (SELECT 1 FROM operating_points o WHERE o.model_id = m.id) AS has_rule,"
        " (SELECT coalesce(sum(length(p.sample_ids)), 0) / 8 FROM predictions p"
        " WHERE p.model_id = m.id) AS results FROM models m"
    )
    return {
        row["id"]: Belongings(row["results"], bool(row["has_rule"]), bool(row["sealed"]))
        for row in rows
    }


def find_model(db: Database, name_or_id: str) -> Model:
    """The model of this id or name, in upper or lower case.

    Raises:
        NotFoundError: if there is none.
    """
    rows = list(
        db.query(
            "SELECT * FROM models WHERE id = :key OR name_key(name) = name_key(:key)"
            " ORDER BY id = :key DESC, name = :key COLLATE BINARY DESC",
            {"key": name_or_id},
        )
    )
    if not rows:
        raise NotFoundError(f"There is no model '{name_or_id}'.", _names_alike(db, name_or_id))
    return _model(rows[0])


def _names_alike(db: Database, beginning: str) -> str:
    """Which models have names that begin like this, such as those of folds; or where all are."""
    key = name_key(beginning)
    names = [row["name"] for row in db.query("SELECT name FROM models ORDER BY created_at")]
    alike = [f"'{name}'" for name in names if key and name_key(name).startswith(key)]
    if not alike:
        return "The list of models shows their names."
    return f"Names that begin alike: {listed(alike, _MOST_ALIKE)}."


def free_model_name(db: Database, name: str) -> str:
    """The name, or `name 2`, `name 3` … if it is taken."""
    taken = {name_key(row["name"]) for row in db.query("SELECT name FROM models")}
    if name_key(name) not in taken:
        return name
    number = 2
    while name_key(f"{name} {number}") in taken:
        number += 1
    return f"{name} {number}"


def model_chunks(db: Database, model: Model) -> Iterator[bytes]:
    """The model file, chunk by chunk.

    Raises:
        ModelFileError: if something that it shares with other models is missing or altered; at the
            end, if the content has changed.
    """
    digest = hashlib.sha256()
    for own, name, shared in db.conn.execute(
        "SELECT c.data, c.piece, p.data FROM model_chunks c"
        " LEFT JOIN model_pieces p ON p.digest = c.piece WHERE c.model_id = ? ORDER BY c.position",
        [model.id],
    ):
        if name is not None and not _is_sound(name, shared):
            raise _damaged_piece(model, name, is_missing=shared is None)
        for part in (own, shared or b""):
            digest.update(part)
            yield part
    if digest.hexdigest() != model.sha256:
        raise ModelFileError(
            f"The stored weights of model '{model.name}' are damaged: the checksum differs.",
            "Restore the workspace from a backup, or train the model again.",
        )


def is_whole(db: Database, model: Model) -> bool:
    """Whether the stored file of a model is, byte for byte, the one that its hash is of."""
    try:
        for _ in model_chunks(db, model):
            pass
    except ModelFileError:
        return False
    return True


def _damaged_piece(model: Model, digest: str, *, is_missing: bool) -> ModelFileError:
    state = "missing" if is_missing else "damaged"
    return ModelFileError(
        f"Weights that model '{model.name}' shares with other models are {state}: {digest[:12]}.",
        "Restore the workspace from a backup, or train its run again: that stores them anew for "
        "all models. `touchstone verify` names those models.",
    )


def bundle_path(workspace: Workspace, model: Model) -> Path:
    """The path of the exported file of a model."""
    return workspace.cache / "models" / f"{model.sha256}.safetensors"


def exported_bundle(workspace: Workspace, model: Model) -> Path:
    """The model as a file, written from the database on first use, with its checksum verified.

    A file that was damaged since is written again; each process looks once.

    Raises:
        ModelFileError: if the stored weights are damaged.
    """
    target = bundle_path(workspace, model)
    if _is_exported(target, model.sha256):
        with contextlib.suppress(OSError):  # the files used longest ago are dropped
            os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with connect(workspace) as db, atomic_write(target) as partial, partial.open("wb") as file:
        file.writelines(model_chunks(db, model))
    return target


def _is_exported(target: Path, sha256: str) -> bool:
    try:
        with target.open("rb") as file:
            known = (target, os.fstat(file.fileno()).st_ino)
            if known not in _SOUND:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    return False
                _SOUND.add(known)
    except FileNotFoundError:
        return False
    return True


def judges_of(db: Database, dataset_id: str) -> list[Model]:
    """Models that can say something of new images of a dataset: the released one, then the newest.

    At most a few; none that is retired or of a fold.
    """
    rows = db.query(
        "SELECT * FROM models WHERE dataset_id = ? AND stage <> ? AND fold IS NULL"
        " ORDER BY stage = ? DESC, created_at DESC LIMIT 5",
        [dataset_id, ModelStage.RETIRED.value, ModelStage.RELEASED.value],
    )
    return [_model(row) for row in rows]


def rename_model(db: Database, model_id: str, name: str) -> None:
    """Give a model another name.

    Raises:
        NameTakenError: if another model has this name.
    """
    others = "SELECT 1 FROM models WHERE id <> ? AND name_key(name) = name_key(?)"
    if list(db.query(others, [model_id, name])):
        raise _name_taken(name)
    db.execute("UPDATE models SET name = ? WHERE id = ?", [name, model_id])


def set_stage(db: Database, model_id: str, stage: ModelStage) -> None:
    """Set what a model is for."""
    db.execute("UPDATE models SET stage = ? WHERE id = ?", [stage.value, model_id])


def set_note(db: Database, model_id: str, note: str) -> None:
    """Replace what is written about a model."""
    db.execute("UPDATE models SET note = ? WHERE id = ?", [note, model_id])


def released_beside(db: Database, model: Model) -> list[Model]:
    """The other released models of the dataset of a model; none where it has no dataset."""
    rows = db.query(
        "SELECT * FROM models WHERE stage = ? AND dataset_id = ? AND id <> ?",
        [ModelStage.RELEASED.value, model.dataset_id, model.id],
    )
    return [_model(row) for row in rows]


def delete_model(db: Database, model_id: str) -> None:
    """Remove a model, its weights and its predictions."""
    db.execute("DELETE FROM models WHERE id = ?", [model_id])


def _name_taken(name: str) -> NameTakenError:
    return NameTakenError(f"A model named '{name}' already exists.", "Choose another name.")


def _model(row: dict[str, Any]) -> Model:
    return Model(
        id=row["id"],
        name=row["name"],
        run_id=row["run_id"],
        dataset_id=row["dataset_id"],
        dataset_name=row["dataset_name"],
        split_id=row["split_id"],
        class_names=tuple(json.loads(row["class_names"])),
        network=row["network"],
        preprocess=config_from_json(PreprocessConfig, row["preprocess"]),
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        created_at=row["created_at"],
        val_macro_f1=row["val_macro_f1"],
        version=row["version"],
        fold=row["fold"],
        validation_cross_validated=bool(row["validation_cross_validated"]),
        is_detector=bool(row["is_detector"]),
        stage=ModelStage(row["stage"]),
        note=row["note"],
    )
