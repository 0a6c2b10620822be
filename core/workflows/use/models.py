"""Actions on models: list, rename, delete, download, upload."""

import contextlib
import hashlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database

from core.domain.ids import new_id, utc_now
from core.domain.keeping.bin import BinKind, Binned
from core.domain.models import Belongings, Model, ModelFormat
from core.domain.record import RecordedAction
from core.errors import ConfigError, ModelFileError
from core.evaluation.decisions.outcome import has_both
from core.evaluation.decisions.rule import DecisionRule, rule_from_json, rule_to_json
from core.files import atomic_write, read_user_file
from core.models.bundle import (
    MAX_MODEL_BYTES,
    ModelCard,
    read_card,
    read_tensors,
    shared_ranges,
    with_rule,
)
from core.store import batches, jobs, judgement, models
from core.store.database import connect, transaction
from core.workflows.data.datasets import MAX_NAME, checked_name
from core.workflows.keeping import bin as bins
from core.workflows.keeping import record
from core.workflows.results.thresholds import saved_rule
from core.workspace import Workspace

_FILES_AT_HAND, _IDLE_AFTER_S = 8, 3600.0


def list_models(workspace: Workspace) -> list[Model]:
    """All models, newest first."""
    with connect(workspace) as db:
        return models.list_models(db)


def belongings_of_all(workspace: Workspace) -> dict[str, Belongings]:
    """Model id -> what is stored with it; this is no view of its test results."""
    with connect(workspace) as db:
        return models.belongings_of_all(db)


def find_model(workspace: Workspace, name_or_id: str) -> Model:
    """The model of this id or name.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        return models.find_model(db, name_or_id)


def rename_model(workspace: Workspace, model_id: str, name: str) -> None:
    """Rename a model.

    Raises:
        NameTakenError: if it is taken.
    """
    with connect(workspace) as db:
        models.rename_model(db, model_id, checked_name(name))


def delete_model(workspace: Workspace, name_or_id: str) -> Binned:
    """Put a model with its weights and results into the bin.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        model = models.find_model(db, name_or_id)

    def delete(db: Database) -> None:
        models.delete_model(db, model.id)
        batches.delete_images_by(db, model.id)

    item = bins.put(workspace, BinKind.MODEL, model.id, delete=delete)
    for path in models.bundle_path(workspace, model).parent.glob(f"{model.sha256}*.safetensors"):
        path.unlink(missing_ok=True)
    return item


def exported_bundle(workspace: Workspace, model: Model) -> Path:
    """The model as a file, written from the database on first use, with its checksum verified.

    Raises:
        ModelFileError: if the stored weights are damaged.
    """
    is_new = not models.bundle_path(workspace, model).exists()
    path = models.exported_bundle(workspace, model)
    if is_new:
        _drop_idle_files(workspace, now=utc_now())
    return path


def _drop_idle_files(workspace: Workspace, *, now: float) -> None:
    """Keep the files of a few models at hand; each can be written again from the database."""
    files = (workspace.cache / "models").glob("*.safetensors")
    older = sorted(files, key=_last_use, reverse=True)[_FILES_AT_HAND:]
    idle = [path for path in older if now - _last_use(path) > _IDLE_AFTER_S]
    if not idle:
        return
    with connect(workspace) as db:
        if jobs.active_jobs(db):  # one may be waiting with the path of such a file
            return
    for path in idle:
        with contextlib.suppress(OSError):  # open in another program, on Windows
            path.unlink()


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # deleted meanwhile
        return math.inf


def model_file(workspace: Workspace, model: Model) -> Path:
    """The model as a file to hand over: with the decision rule that it has now.

    Raises:
        ModelFileError: if the stored weights are damaged.
    """
    rule = saved_rule(workspace, model.id)
    bundle = exported_bundle(workspace, model)
    if rule is None:
        return bundle
    text = rule_to_json(rule)
    name = f"{model.sha256}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.safetensors"
    target = bundle.with_name(name)
    content = with_rule(bundle.read_bytes(), text)
    if not target.exists() or target.read_bytes() != content:  # damaged since
        with atomic_write(target) as partial:
            partial.write_bytes(content)
    return target


def note_download(workspace: Workspace, model: Model) -> None:
    """Record who took a model file along."""
    record.note(
        workspace, RecordedAction.EXPORTED, model.id, model.name, new=ModelFormat.BUNDLE.value
    )


def rule_of_file(card: ModelCard) -> DecisionRule | None:
    """The decision rule inside a model file; None if it has none.

    Raises:
        ModelFileError: if it cannot be read, or is for other classes.
    """
    if not card.rule:
        return None
    try:
        rule = rule_from_json(card.rule)
    except ConfigError as err:
        raise ModelFileError(
            f"The decision rule inside the file of model '{card.name}' cannot be read.",
            "The model may come from a newer version of Touchstone.",
        ) from err
    if rule.class_names != card.class_names or not has_both(rule.verdicts):
        raise ModelFileError(
            f"The decision rule inside the file of model '{card.name}' is not for its classes.",
            "Download the model again from where it was made.",
        )
    return rule


def upload_model(workspace: Workspace, path: Path, *, check: Callable[[Path, Path], None]) -> Model:
    """Store a model file that was downloaded from Touchstone, with the decision rule inside it.

    Args:
        workspace: where it will live.
        path: the file.
        check: loads it strictly (needs torch; the app passes it to the inference process).

    Raises:
        ModelFileError: if it is not a model file, or damaged.
    """
    card = read_card(path)
    rule = rule_of_file(card)
    check(path, workspace.runtimes)
    read_tensors(path)
    content = read_user_file(path, most_bytes=MAX_MODEL_BYTES)
    if rule is not None:  # it stands in the database; without it the file is that of the origin
        content = with_rule(content, "")
    with connect(workspace) as db, transaction(db):
        model = Model(
            id=new_id("model"),
            name=models.free_model_name(db, checked_name(card.name[:MAX_NAME])),
            run_id=None,
            dataset_id=None,
            dataset_name=card.origin.get("dataset", ""),
            split_id=None,
            class_names=card.class_names,
            network=card.network,
            preprocess=card.preprocess,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            created_at=utc_now(),
            is_detector=card.is_detector,
        )
        models.insert_model(db, model, content, shared_ranges(content))
        if rule is not None:
            judgement.save_operating_point(db, model.id, card.rule)
    return model


def remove_file(path: Path) -> None:
    """Remove an uploaded file or folder."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
