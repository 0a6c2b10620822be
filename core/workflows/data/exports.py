"""Exports of a dataset: class folders, a ZIP file or a table; with or without a split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.data import exports
from core.data.exports import ExportItem
from core.domain.datasets import Dataset, DatasetVersion
from core.domain.splits import Split
from core.errors import ConfigError
from core.files import CsvDelimiter, atomic_write, csv_lines
from core.store import datasets, splits, versions
from core.store.database import connect
from core.workspace import Workspace


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
        samples, sources, at.class_names, places, verdicts=at.class_verdicts
    )
    return Export(dataset, at, chosen, tuple(items))


def write_export(
    export: Export, target: Path, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> list[str]:
    """Write an export to a new folder, or to a new file that ends in .zip or .csv.

    Returns:
        The names of images whose files are missing.

    Raises:
        ConfigError: if the target already exists or cannot be written.
    """
    kind = target.suffix.lower()
    if kind not in (".zip", ".csv"):
        return exports.write_folder(export.items, target, delimiter=delimiter)
    make_blocks = zip_export if kind == ".zip" else csv_export
    if target.exists():
        raise ConfigError(f"{target} already exists.", "Choose another name.")
    try:
        with atomic_write(target) as partial, partial.open("wb") as file:
            file.writelines(make_blocks(export, delimiter=delimiter))
    except OSError as err:
        raise ConfigError(
            f"{target} cannot be written: {err.strerror or err}.", "Choose a folder that exists."
        ) from err
    if kind == ".csv":
        return []
    return [item.name for item in export.items if not item.source.is_file()]


def zip_export(export: Export, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA) -> Iterator[bytes]:
    """A ZIP of the images and their table, block by block."""
    return exports.zip_blocks(export.items, delimiter=delimiter)


def csv_export(export: Export, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA) -> Iterator[bytes]:
    """A table of the images, line by line."""
    return csv_lines(exports.table_rows(export.items), delimiter=delimiter)
