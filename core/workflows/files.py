"""Actions on the files of a dataset: check them, answer for changed ones, follow a moved folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from core.data.file_checks import changed_content_error, gone_error
from core.domain.datasets import Sample
from core.domain.files import ChangedFiles, FileCheck, FileState
from core.domain.jobs import Job, JobKind
from core.errors import ConfigError, TouchstoneError
from core.store import datasets, properties, versions
from core.store.database import connect
from core.worker.files import checks
from core.worker.files.checks import Report
from core.worker.files.relocation import root_of
from core.workflows import jobs as job_actions
from core.workspace import Workspace, allowed_import_path


def job_subject(dataset_id: str) -> str:
    """What the file checks of a dataset are filed under."""
    return f"files-{dataset_id}"


def start_check(workspace: Workspace, dataset_id: str, answer: ChangedFiles | None = None) -> Job:
    """Queue a comparison of the files of a dataset with what was imported.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        answer: what to do with images whose files changed, as a new version; None: only check.

    Raises:
        NotFoundError: if there is no such dataset.
    """
    return _submit(workspace, dataset_id, {"answer": answer and answer.value})


def start_relocation(
    workspace: Workspace,
    dataset_id: str,
    folder: Path,
    *,
    root: str | None = None,
    anyway: bool = False,
) -> Job:
    """Queue the move of a dataset to the folder where its images are now.

    Args:
        workspace: where the dataset lives.
        dataset_id: its id or name.
        folder: where the images are now.
        root: the folder where they were; needed if they come from several that exist.
        anyway: also where some files are missing or changed there.

    Raises:
        NotFoundError: if there is no such dataset.
        ConfigError: if there is no such folder.
        PathNotAllowedError: if it is outside the folders this app may read.
    """
    place = allowed_import_path(folder)
    if not place.is_dir():
        raise ConfigError(f"{folder} is not a folder.", "Choose the folder that holds the images.")
    return _submit(workspace, dataset_id, {"folder": str(place), "root": root, "anyway": anyway})


def _submit(workspace: Workspace, dataset_id: str, what: dict[str, object]) -> Job:
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
    return job_actions.submit(
        workspace, JobKind.FILES, job_subject(dataset.id), {"dataset_id": dataset.id, **what}
    )


def last_check(workspace: Workspace, dataset_id: str) -> FileCheck | None:
    """What the newest comparison found of images in use today; None if there was none."""
    with connect(workspace) as db:
        return properties.load_file_check(db, dataset_id)


def source_folders(workspace: Workspace, dataset_id: str) -> list[str]:
    """The folders that images of a dataset were imported from and that are read in place."""
    with connect(workspace) as db:
        examples = properties.one_per_source(db, dataset_id)
    return sorted({root for sample in examples if (root := root_of(sample)) is not None})


def refuse_changed(
    workspace: Workspace,
    dataset_id: str,
    report: Report,
    *,
    version: int | None = None,
    only: Iterable[int] | None = None,
    missing_too: bool = True,
) -> None:
    """Raise where files of images in use are not as they were imported.

    Args:
        workspace: where the dataset lives.
        dataset_id: of the dataset.
        report: told the phase, and the numbers done and in total.
        version: whose images; None: today's.
        only: ids of samples; others are not compared.
        missing_too: also raise where files are missing.

    Raises:
        FilesChangedError: if a file has another content, or is missing.
    """
    with connect(workspace) as db:
        dataset = datasets.find_dataset(db, dataset_id)
        samples = versions.samples_at(db, dataset.id, version)
        if only is not None:
            chosen = set(only)
            samples = [s for s in samples if s.id in chosen]
        if version is not None:  # Why: an error says whether today's version uses them, too.
            samples = datasets.samples_by_id(db, [s.id for s in samples])
    checks.refuse_changed(workspace, dataset, samples, report, missing_too=missing_too)


def usable_path(workspace: Workspace, sample: Sample) -> Path:
    """The file of a sample, whose content is the one that was imported.

    Raises:
        NotFoundError: if it is missing, or may not be read.
        FilesChangedError: if it has another content.
        UnreadableImageError: if its folder does not answer.
    """
    state = checks.state_of_file(workspace, sample, apart=True)
    match state:
        case FileState.SAME:
            return workspace.resolve(sample.path)
        case FileState.MISSING:
            raise gone_error()
        case FileState.CHANGED:
            raise changed_content_error(sample.name)
        case _:
            assert_never(state)


def path_or_reason(workspace: Workspace, sample: Sample) -> tuple[Path | None, str]:
    """The file of a sample, or why it cannot be shown."""
    try:
        return usable_path(workspace, sample), ""
    except TouchstoneError as err:
        return None, str(err)
