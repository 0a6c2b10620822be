"""Exports of a dataset: class folders, a ZIP file or a table; with or without a split."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from core.data import exports
from core.data.exports import ExportItem
from core.domain.datasets import Dataset, DatasetVersion
from core.domain.record import RecordedAction
from core.domain.splits import Split
from core.errors import ConfigError
from core.files import CsvDelimiter, atomic_write, csv_lines
from core.store import datasets, splits, versions
from core.store.database import connect
from core.worker.files.checks import Report
from core.workflows import files
from core.workflows.keeping import record
from core.workspace import Workspace


class ExportFormat(StrEnum):
    """A file that a dataset is exported as; the value is the ending of its name."""

    ZIP = "zip"
    CSV = "csv"

    @property
    def label(self) -> str:
        """What it is called on a button."""
        match self:
            case ExportFormat.ZIP:
                return "ZIP file"
            case ExportFormat.CSV:
                return "Table (CSV)"
            case _:
                assert_never(self)

    @property
    def media_type(self) -> str:
        """As HTTP names it."""
        match self:
            case ExportFormat.ZIP:
                return "application/zip"
            case ExportFormat.CSV:
                return "text/csv; charset=utf-8"
            case _:
                assert_never(self)

    @property
    def has_images(self) -> bool:
        """Whether it holds the image files, so that missing ones matter."""
        match self:
            case ExportFormat.ZIP:
                return True
            case ExportFormat.CSV:
                return False
            case _:
                assert_never(self)


def nobody(phase: str, done: int, total: int) -> None:
    """Tells nobody of the progress."""


def is_with_images(target: Path) -> bool:
    """Whether an export to this place would hold the image files."""
    file_format = _format_of(target)
    return file_format is None or file_format.has_images


@dataclass(frozen=True)
class Export:
    """What is exported, and its name."""

    dataset: Dataset
    version: DatasetVersion
    split: Split | None
    items: tuple[ExportItem, ...]

    @property
    def name(self) -> str:
        """A file name without ending."""
        of_split = f" {self.split.name}" if self.split else ""
        return exports.safe_file_name(f"{self.dataset.name} v{self.version.number}{of_split}")


def plan_export(
    workspace: Workspace,
    dataset_id: str,
    *,
    version: int | None = None,
    split: str | None = None,
) -> Export:
    """The images of a version (None: the newest), in the subset folders of a split if one is named.

    Raises:
        NotFoundError: if there is no such dataset, version or split.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        number = dataset.version if version is None else version
        at = versions.find_version(db, dataset.id, number)
        samples = versions.samples_at(db, dataset.id, number)
        chosen = splits.find_split(db, dataset.id, split) if split else None
        places = splits.split_places(db, chosen.id) if chosen else None
    sources = [workspace.resolve(sample.path) for sample in samples]
    items = exports.export_items(
        samples,
        sources,
        at.class_names,
        places,
        verdicts=at.class_verdicts,
        roots_of=workspace.roots_of,
    )
    return Export(dataset, at, chosen, tuple(items))


def refuse_changed(workspace: Workspace, export: Export, report: Report = nobody) -> None:
    """Raise where files of a planned export are not as they were imported.

    Raises:
        FilesChangedError: if a file has another content, or is missing.
    """
    files.refuse_changed(workspace, export.dataset.id, report, version=export.version.number)


def note_export(workspace: Workspace, export: Export, written_as: str) -> None:
    """Record who took a dataset along, of which version and in which form."""
    number = export.version.number
    record.note(
        workspace,
        RecordedAction.EXPORTED,
        export.dataset.id,
        export.dataset.name,
        new=f"version {number}, {written_as}",
    )


def write_export(
    export: Export, target: Path, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> list[str]:
    """Write an export to a new folder, or to a new file whose ending is that of a format.

    Returns:
        The names of images whose files are missing.

    Raises:
        ConfigError: if the target already exists, cannot be written, or has the ending of a file
            that no format is.
    """
    file_format = _format_of(target)
    if file_format is None:
        return exports.write_folder(export.items, target, delimiter=delimiter)
    if target.exists():
        raise ConfigError(f"{target} already exists.", "Choose another name.")
    try:
        with atomic_write(target) as partial, partial.open("wb") as file:
            file.writelines(export_blocks(export, file_format, delimiter=delimiter))
    except OSError as err:
        is_full = err.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Free some space there, or choose" if is_full else "Choose"
        raise ConfigError(
            f"{target} cannot be written: {err.strerror or err}.",
            f"{hint} {'another disk' if is_full else 'a folder that exists'}.",
        ) from err
    if not file_format.has_images:
        return []
    return [item.name for item in export.items if not item.source.is_file()]


def export_blocks(
    export: Export, file_format: ExportFormat, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> Iterator[bytes]:
    """The content of an export's file, block by block; `delimiter` is that of its table."""
    match file_format:
        case ExportFormat.ZIP:
            return exports.zip_blocks(export.items, delimiter=delimiter)
        case ExportFormat.CSV:
            return csv_lines(exports.table_rows(export.items), delimiter=delimiter)
        case _:
            assert_never(file_format)


def _format_of(target: Path) -> ExportFormat | None:
    """The format that a name asks for; None for a folder, such as `parts v1.2`."""
    ending = target.suffix.lower().removeprefix(".")
    if ending in list(ExportFormat):
        return ExportFormat(ending)
    if ending.isalpha():
        known = " or ".join(f".{file_format}" for file_format in ExportFormat)
        raise ConfigError(
            f"A dataset cannot be exported as a .{ending} file.",
            f"End the name in {known}, or name a folder.",
        )
    return None
