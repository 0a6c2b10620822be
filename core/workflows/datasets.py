"""Actions on data sets: preview, import, look, delete."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from core.data.importers import ImportPlan, plan_import
from core.data.labels import normal_name, table_text
from core.data.thumbnails import thumbnail
from core.domain import (
    Dataset,
    Job,
    JobKind,
    LabelSource,
    PreprocessConfig,
    Sample,
    SampleFilter,
    SampleOrder,
    Subset,
    new_id,
)
from core.errors import ConfigError, NameTakenError, NotFoundError, WorkspaceError
from core.store import datasets, jobs, runs
from core.store.database import connect
from core.workflows import jobs as job_actions
from core.workspace import Workspace, allowed_import_path

MAX_NAME = 100


def preview_import(
    source: Path,
    labels: LabelSource,
    *,
    table: str | None = None,
    leave_out: Iterable[str] = (),
) -> ImportPlan:
    """What an import of a folder or ZIP would do; nothing is stored.

    Raises:
        ImportSourceError: if it could not work.
    """
    return plan_import(allowed_import_path(source), labels, table=table, leave_out=leave_out)


def start_import(
    workspace: Workspace,
    source: Path,
    name: str,
    labels: LabelSource,
    *,
    table: str | None = None,
    leave_out: Iterable[str] = (),
    consume: bool = False,
    shown_source: str | None = None,
) -> Job:
    """Queue the import of a folder or ZIP file.

    Args:
        workspace: where the data set will live.
        source: folder or `.zip` on this machine.
        name: of the new data set.
        labels: where classes come from.
        table: text of the label table for `LabelSource.CSV`.
        leave_out: classes not to import.
        consume: the source is an upload: keep its pictures in the workspace, remove it afterwards.
        shown_source: what to show as source, where the path says nothing.

    Raises:
        NameTakenError: if there is such a data set already.
        ImportSourceError: if the source cannot work.
    """
    clean = checked_name(name)
    path = allowed_import_path(source)
    with connect(workspace) as db:
        if datasets.dataset_name_taken(db, clean):
            raise NameTakenError(
                f"A dataset named '{clean}' exists already.",
                "Choose another name, or delete the existing dataset first.",
            )
    dropped = sorted(leave_out)
    plan_import(path, labels, table=table, leave_out=dropped)
    payload: dict[str, object] = {
        "source": str(path),
        "name": clean,
        "labels": labels.value,
        "table": table,
        "leave_out": dropped,
        "consume": consume,
        "shown_source": shown_source or str(path),
    }
    return job_actions.submit(workspace, JobKind.IMPORT, new_id("ds"), payload)


def checked_name(name: str) -> str:
    """A name without odd characters.

    Raises:
        ConfigError: if nothing is left, or it is too long.
    """
    clean = normal_name(name)
    if not 0 < len(clean) <= MAX_NAME:
        raise ConfigError(
            "The name is empty or too long.", f"Give a name of 1 to {MAX_NAME} characters."
        )
    return clean


def read_label_table(path: Path) -> str:
    """The text of a label table on this machine.

    Raises:
        ConfigError: if the file cannot be opened.
        ImportSourceError: if it is no text.
    """
    try:
        return table_text(path.read_bytes())
    except OSError as err:
        raise ConfigError(
            f"The table {path} cannot be read: {err.strerror}.", "Give a CSV file."
        ) from err


def list_datasets(workspace: Workspace) -> list[Dataset]:
    """All data sets, newest first."""
    with connect(workspace) as db:
        return datasets.list_datasets(db)


def find_dataset(workspace: Workspace, name_or_id: str) -> Dataset:
    """The data set of this id or name.

    Raises:
        NotFoundError: if there is none.
    """
    with connect(workspace) as db:
        return datasets.find_dataset(db, name_or_id)


def class_counts(workspace: Workspace, dataset: Dataset) -> dict[str, int]:
    """Pictures per class, in class order."""
    with connect(workspace) as db:
        return datasets.class_counts(db, dataset)


def samples(
    workspace: Workspace,
    dataset_id: str,
    *,
    label: int | None = None,
    split_id: str | None = None,
    subset: Subset | None = None,
    text: str = "",
    limit: int = -1,
    offset: int = 0,
) -> tuple[list[Sample], int]:
    """A page of samples, and how many there are in all, by class, subset and part of the name."""
    chosen = SampleFilter(label=label, split_id=split_id, subset=subset, text=text)
    return find_pictures(workspace, dataset_id, chosen, limit=limit, offset=offset)


def find_pictures(
    workspace: Workspace,
    dataset_id: str,
    chosen: SampleFilter,
    *,
    order: SampleOrder = SampleOrder.IMPORT,
    descending: bool = False,
    limit: int = -1,
    offset: int = 0,
) -> tuple[list[Sample], int]:
    """A page of the samples that a filter lets through, sorted, and how many there are in all."""
    with connect(workspace) as db:
        count = datasets.count_samples(db, dataset_id, chosen)
        found = datasets.samples_of(
            db, dataset_id, chosen, order=order, descending=descending, limit=limit, offset=offset
        )
    return found, count


def find_samples(workspace: Workspace, ids: Iterable[int]) -> list[Sample]:
    """Samples of these ids, in this order."""
    with connect(workspace) as db:
        return datasets.samples_by_id(db, list(ids))


def sample_path(workspace: Workspace, sample_id: int) -> Path:
    """The file of a sample.

    Raises:
        NotFoundError: if there is no such sample, or its file is gone.
    """
    found = find_samples(workspace, [sample_id])
    path = workspace.resolve(found[0].path) if found else None
    if path is None or not path.is_file():
        raise NotFoundError(
            "This picture is not there any more.",
            "It was moved or deleted after the import; bring it back or import again.",
        )
    return path


def thumbnail_path(workspace: Workspace, sample_id: int) -> Path:
    """The small picture of a sample, made on first use.

    Raises:
        NotFoundError: if there is no such sample.
        UnreadableImageError: if its file cannot be decoded any more.
    """
    found = find_samples(workspace, [sample_id])
    if not found:
        raise NotFoundError("There is no such picture.")
    source = workspace.resolve(found[0].path)
    return thumbnail(source, found[0].sha256, workspace.cache / "thumbnails")


def rename_dataset(workspace: Workspace, dataset_id: str, name: str) -> None:
    """Give a data set another name.

    Raises:
        NameTakenError: if it is taken.
    """
    with connect(workspace) as db:
        datasets.rename_dataset(db, dataset_id, checked_name(name))


def delete_dataset(workspace: Workspace, dataset_id: str) -> None:
    """Remove a data set with its splits and runs; its models stay, files in place are not touched.

    Raises:
        NotFoundError: if there is none.
        WorkspaceError: if a job is using it.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        own_runs = {run.id for run in runs.list_runs(db, dataset.id)}
        if any(job.subject_id in own_runs for job in jobs.active_jobs(db)):
            raise WorkspaceError(
                f"A training is using the dataset '{dataset.name}'.", "Stop it first."
            )
        datasets.delete_dataset(db, dataset.id)
    shutil.rmtree(workspace.uploads / dataset.id, ignore_errors=True)
    for run_id in own_runs:
        shutil.rmtree(workspace.runs / run_id, ignore_errors=True)
    for kind in ("pixels", "features"):
        for folder in (workspace.cache / kind).glob(f"{dataset.id}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def saved_preprocess(workspace: Workspace, dataset_id: str) -> PreprocessConfig | None:
    """The preprocessing chosen for a data set, if anybody did."""
    with connect(workspace) as db:
        return datasets.saved_preprocess(db, dataset_id)


def save_preprocess(workspace: Workspace, dataset_id: str, config: PreprocessConfig | None) -> None:
    """Remember the preprocessing for trainings on this data set; None: the network's own."""
    with connect(workspace) as db:
        datasets.save_preprocess(db, dataset_id, config)


def new_upload_folder(workspace: Workspace) -> Path:
    """An empty private folder for files that come through the browser."""
    folder = workspace.uploads / new_id("upload")
    folder.mkdir()
    return folder


def store_upload(folder: Path, name: str, content: bytes | memoryview) -> Path:
    """Keep one uploaded file below `folder`; its name may contain folders, never lead outside.

    Returns:
        Where it is.

    Raises:
        ConfigError: if the name leads outside.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or ":" in parts[0]:
        raise ConfigError(f"The file name '{name}' cannot be used.", "Rename the file.")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target
