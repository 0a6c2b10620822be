"""What people say of new images: confirmed and corrected ones become a new version of a dataset."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from core.data.importing.rules import (
    NO_COLUMN,
    CombinedLabels,
    Delimiter,
    ImportRules,
    TableRules,
)
from core.domain.datasets import Dataset, LabelSource
from core.domain.jobs import Job
from core.domain.keeping.people import Right, under
from core.domain.models import Model
from core.errors import ConfigError, NotFoundError
from core.store import datasets as rows
from core.store.database import connect
from core.workflows.data import datasets, uploads
from core.workflows.use.models import remove_file
from core.workspace import Workspace

DEFECTIVE = "defective"


@dataclass(frozen=True)
class ConfirmedImage:
    """A new image, the class that a person gave it, and the part that it shows if known."""

    name: str
    content: bytes
    class_name: str
    part: str | None = None


def offered(dataset: Dataset) -> tuple[str, ...]:
    """The classes of a dataset; one of good images alone may get its first defects."""
    return (*dataset.class_names, *((DEFECTIVE,) if len(dataset.class_names) == 1 else ()))


def classes_to_answer(workspace: Workspace, model: Model) -> tuple[str, ...]:
    """What a person may say that a new image shows: the classes of the dataset of a model."""
    try:
        with connect(workspace) as db:
            return offered(rows.find_dataset(db, model.dataset_id or ""))
    except NotFoundError:
        return () if model.is_detector else model.class_names


def add_to_dataset(workspace: Workspace, dataset: Dataset, images: Sequence[ConfirmedImage]) -> Job:
    """Queue the import of confirmed images as the next version of a dataset.

    Images that it has already are left out. No split changes: a sealed test set stays as it is,
    and a refit places new images around it.

    Raises:
        ConfigError: if there is no image, or a class is none of the dataset; one of good images
            alone gets new classes.
        WorkspaceError: if there is no space for them.
    """
    # Why not of one class: its first defects need a name that it does not have yet.
    known = set(dataset.class_names) if len(dataset.class_names) > 1 else None
    strangers = set() if known is None else {image.class_name for image in images} - known
    if not images or strangers:
        named = ", ".join(sorted(strangers))
        raise ConfigError(
            f"'{dataset.name}' has no class '{named}'." if strangers else "No image has a class.",
            "Choose the class of each image among those of the dataset.",
        )
    uploads.refuse_over_quota(workspace, sum(len(image.content) for image in images))
    folder = uploads.new_upload_folder(workspace)
    try:
        rows = [(_stored(folder, image), image.class_name, image.part or "") for image in images]
        with under(Right.FEEDBACK):
            return datasets.start_adding(
                workspace,
                folder,
                dataset.id,
                _rules(rows),
                consume=True,
                shown_source="feedback on new images",
            )
    except BaseException:
        remove_file(folder)
        raise


def _stored(folder: Path, image: ConfirmedImage) -> str:
    """The name of the stored file, below the folder."""
    name = PurePath(image.name.replace("\\", "/")).name.replace(":", "_")
    return uploads.store_upload(folder, name, image.content).name


def _rules(rows: Sequence[tuple[str, str, str]]) -> ImportRules:
    """Labels and parts by a table: a class may have a name that is no name of a folder."""
    text = io.StringIO()
    csv.writer(text).writerows([("path", "label", "part"), *rows])
    table = TableRules(
        text.getvalue(),
        Delimiter.COMMA,
        header=True,
        path_column="path",
        label_column="label",
        group_column="part" if any(part for *_, part in rows) else NO_COLUMN,
        split_column=NO_COLUMN,
    )
    return ImportRules(labels=LabelSource.TABLE, table=table, combined=CombinedLabels.KEEP)
