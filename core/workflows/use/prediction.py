"""Actions that use a model: predict images, explain one, predict a folder."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.data.importing.walk import FolderImages, images_in, source_roots
from core.data.pixels.images import MAX_FILE_BYTES
from core.domain.ids import new_id
from core.domain.jobs import Job, JobKind, JobStatus
from core.domain.models import ColourMap, HeatmapMethod, Model, PartDecision, Prediction
from core.errors import ConfigError, ImportSourceError, NotFoundError
from core.evaluation.decisions.part_decisions import PartTally
from core.evaluation.decisions.rule import DecisionRule, rule_to_json
from core.files import (
    Cell,
    CsvDelimiter,
    atomic_write,
    csv_lines,
    read_csv,
    read_user_file,
    write_csv,
)
from core.inference import service
from core.inference.explaining.changes import WhatIf
from core.inference.prediction_table import UNFAMILIAR, columns_of, prediction_rows
from core.inference.predictor import ranked
from core.store import models
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workflows.results.thresholds import saved_rule
from core.workflows.use import parts
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace, allowed_import_path

Result = TypeVar("Result")
# Runs a function of `core.inference.service`: here, or in the app's inference process.
Call = Callable[..., Any]


def call_directly(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run an inference function in this process."""
    return function(*arguments)


def predict(
    workspace: Workspace,
    model: Model,
    sources: Sequence[Path | bytes],
    names: Sequence[str],
    *,
    call: Call = call_directly,
) -> list[Prediction]:
    """One prediction per image, in order; unreadable images have an error instead.

    If the model has saved thresholds, each prediction has their decision.
    """
    bundle = exported_bundle(workspace, model)
    result: list[Prediction] = call(
        service.predict, bundle, workspace.runtimes, list(sources), list(names)
    )
    return decided(workspace, model, result)


def decided(workspace: Workspace, model: Model, items: Sequence[Prediction]) -> list[Prediction]:
    """The predictions with the decisions of the thresholds that the model has now."""
    rule = saved_rule(workspace, model.id)
    return [rule.decided(item) if rule else replace(item, decision=None) for item in items]


def explained(
    workspace: Workspace,
    model: Model,
    image: Path,
    class_name: str | None,
    *,
    method: HeatmapMethod,
    colours: ColourMap = ColourMap.HEAT,
) -> tuple[Prediction, bytes]:
    """What a model says of an image, and a PNG with the heatmap of a class; None: the predicted.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    index = None if class_name is None else model.class_names.index(class_name)
    bundle = exported_bundle(workspace, model)
    return service.explained(bundle, workspace.runtimes, image, str(image), index, method, colours)


def heat(
    workspace: Workspace,
    model: Model,
    source: Path | bytes,
    class_index: int,
    *,
    method: HeatmapMethod,
    call: Call = call_directly,
) -> bytes:
    """The heatmap of one class, as a PNG of one channel in the square that the network sees.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    bundle = exported_bundle(workspace, model)
    result: bytes = call(service.heat, bundle, workspace.runtimes, source, class_index, method)
    return result


def what_if(
    workspace: Workspace,
    model: Model,
    source: Path | bytes,
    asked: WhatIf,
    *,
    call: Call = call_directly,
) -> tuple[Prediction, bytes]:
    """What a model says and decides of a changed image, and what it sees of it, as a PNG.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    bundle = exported_bundle(workspace, model)
    said, seen = call(service.what_if, bundle, workspace.runtimes, source, asked)
    return decided(workspace, model, [said])[0], seen


def network_input(
    workspace: Workspace, model: Model, source: Path | bytes, *, call: Call = call_directly
) -> bytes:
    """The preprocessed image as a PNG: exactly the pixels that the network gets.

    Raises:
        UnreadableImageError: if the image cannot be decoded.
    """
    bundle = exported_bundle(workspace, model)
    result: bytes = call(service.network_input, bundle, workspace.runtimes, source)
    return result


def image_files(paths: Iterable[Path]) -> FolderImages:
    """These files, with folders replaced by the images below them, as an import would take them.

    Raises:
        ImportSourceError: if a folder cannot be read.
    """
    parts = [images_in(path) if path.is_dir() else FolderImages((path,)) for path in paths]
    return FolderImages(
        tuple(path for part in parts for path in part.paths),
        tuple(item for part in parts for item in part.skipped),
        sum(part.hidden for part in parts),
    )


def start_batch(
    workspace: Workspace,
    model: Model,
    folder: Path,
    *,
    delimiter: CsvDelimiter = CsvDelimiter.COMMA,
    part_by: str | None = None,
    part_table: Path | None = None,
) -> Job:
    """Queue the prediction of all images of a folder into one CSV file.

    One that ended early goes on with the images that are left, and with those that have changed.

    Args:
        workspace: where the model lives.
        model: that classifies.
        folder: on this machine; paths in the table begin with it as it is given.
        delimiter: of the CSV file.
        part_by: what tells the part of an image (`core/data/part_ids.py`); None: nothing.
        part_table: the table with the column that `part_by` names.

    Raises:
        ImportSourceError: if it is not a folder that Touchstone may read.
        ConfigError: if `part_by` cannot be used.
    """
    path = allowed_import_path(folder)
    if not path.is_dir():
        raise ImportSourceError(
            f"{folder} is not a folder.", "Enter the path of a folder on the server."
        )
    payload: dict[str, object] = {
        "folder": str(path),
        "model_id": model.id,
        "bundle": str(exported_bundle(workspace, model)),
        "delimiter": delimiter.value,
    }
    shown = str(folder.expanduser())
    if shown != str(path):
        payload["shown"] = shown
    if part_by is not None:
        payload["part_by"] = parts.told_by(part_by, part_table).option
    if part_table is not None:
        payload["part_table"] = str(part_table.absolute())
    rule = saved_rule(workspace, model.id)
    if rule is not None:
        payload["rule"] = rule_to_json(rule)
    unfinished = (
        job for job in batches(workspace) if job.payload == payload and is_unfinished(job)
    )
    batch_id = next((job.subject_id for job in unfinished), None) or new_id("batch")
    return job_actions.submit(workspace, JobKind.PREDICT, batch_id, payload)


def batches(workspace: Workspace) -> list[Job]:
    """The newest attempt of every batch, newest first."""
    return list(job_actions.latest_of_kind(workspace, JobKind.PREDICT).values())


def is_unfinished(job: Job) -> bool:
    """Whether a batch is at work, or can be resumed."""
    return job.status is not JobStatus.COMPLETED


def resume_batch(workspace: Workspace, job: Job) -> Job:
    """Go on with a batch that ended early.

    Raises:
        NotFoundError: if its model is gone.
    """
    with connect(workspace) as db:
        model = models.find_model(db, str(job.payload["model_id"]))
    exported_bundle(workspace, model)  # what can be made again may have been deleted
    return job_actions.submit(workspace, JobKind.PREDICT, job.subject_id, job.payload)


def batch_table(workspace: Workspace, job: Job) -> Path:
    """The CSV file of a completed batch."""
    return workspace.batch_table(job.subject_id)


def batch_rows(workspace: Workspace, job: Job, *, limit: int) -> dict[str, list[str]]:
    """The first rows of a completed batch, by column; the confidences of all classes are left out.

    Args:
        workspace: where the batch was made.
        job: completed, of this or an earlier version.
        limit: at most so many rows.
    """
    delimiter = CsvDelimiter(job.payload.get("delimiter", CsvDelimiter.COMMA))
    header, *rows = islice(read_csv(batch_table(workspace, job), delimiter=delimiter), limit + 1)
    names = columns_of(header)
    return {name: [row[column] for row in rows] for column, name in enumerate(names)}


def refuse_unwritable(target: Path) -> None:
    """Refuse a table that cannot be written, before hours of work.

    Raises:
        ConfigError: if its folder does not exist or may not be written.
    """
    folder = target.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or target.is_dir():
        raise ConfigError(f"{target} cannot be written.", "Choose a file in a folder that exists.")


def copy_table(workspace: Workspace, job: Job, target: Path) -> None:
    """Copy the table of a completed batch; an older file is replaced.

    Raises:
        ConfigError: if the file cannot be written.
    """
    try:
        with atomic_write(target) as partial:
            shutil.copyfile(batch_table(workspace, job), partial)
    except OSError as err:
        raise ConfigError(
            f"{target} cannot be written: {err.strerror or err}.", "Choose a folder that exists."
        ) from err


def batch_predictions(workspace: Workspace, job: Job, model: Model) -> Iterator[Prediction]:
    """All predictions of a completed batch of this model, in the order of its table."""
    delimiter = CsvDelimiter(job.payload.get("delimiter", CsvDelimiter.COMMA))
    rows = read_csv(batch_table(workspace, job), delimiter=delimiter)
    columns = columns_of(next(rows))
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        values = [float(cell) for cell in row[len(columns) :] if cell]
        yield Prediction(
            cells["path"],
            ranked(model.class_names, np.array(values, np.float32)) if values else (),
            error=cells["error"] or None,
            decision=PartDecision(cells["decision"]) if cells.get("decision") else None,
            part=cells.get("part") or None,
            unfamiliar=float(cells[UNFAMILIAR]) if cells.get(UNFAMILIAR) else None,
        )


def name_in_folder(job: Job, path: str) -> str:
    """The path of a row of a batch, below the folder that was classified."""
    shown = str(job.payload.get("shown", job.payload["folder"]))
    return path.removeprefix(shown).lstrip("/\\")


def folder_image(job: Job, name: str) -> bytes:
    """The file of an image of a batch, as it is now.

    Args:
        job: of the batch.
        name: of `name_in_folder`.

    Raises:
        NotFoundError: if it cannot be read any more.
    """
    folder = Path(job.payload["folder"])
    try:
        file, roots = folder / name, source_roots(folder)
        return read_user_file(file, most_bytes=MAX_FILE_BYTES, roots=roots)
    except (OSError, ValueError) as err:
        raise NotFoundError(
            f"{name} cannot be read any more.", "It was moved, renamed or deleted since."
        ) from err


def as_csv(
    predictions: Sequence[Prediction],
    class_names: Sequence[str],
    *,
    rule: DecisionRule | None = None,
    delimiter: CsvDelimiter = CsvDelimiter.COMMA,
) -> bytes:
    """Predictions as a CSV file, one row per image; `rule` decides on parts."""
    return b"".join(csv_lines(_rows(predictions, class_names, rule), delimiter=delimiter))


def save_csv(
    predictions: Sequence[Prediction],
    class_names: Sequence[str],
    target: Path,
    *,
    rule: DecisionRule | None = None,
    delimiter: CsvDelimiter = CsvDelimiter.COMMA,
) -> None:
    """Write predictions to a CSV file, one row per image; `rule` decides on parts.

    An older file is replaced.

    Raises:
        ConfigError: if the file cannot be written.
    """
    try:
        write_csv(target, _rows(predictions, class_names, rule), delimiter=delimiter)
    except OSError as err:
        raise ConfigError(
            f"{target} cannot be written: {err.strerror or err}.", "Choose a folder that exists."
        ) from err


def _rows(
    predictions: Sequence[Prediction], class_names: Sequence[str], rule: DecisionRule | None
) -> Iterator[Sequence[Cell]]:
    tally = PartTally(rule)
    for item in predictions:
        tally.add(item)
    decision = tally.decision_of if any(item.part is not None for item in predictions) else None
    return prediction_rows(
        predictions,
        class_names,
        with_decision=any(item.decision for item in predictions),
        with_unfamiliar=any(item.unfamiliar is not None for item in predictions),
        part_decision=decision,
    )
