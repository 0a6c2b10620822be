"""The import job: unpack where needed, read every picture, store the data set in one piece."""

import shutil
from dataclasses import replace
from pathlib import Path

from sqlite_utils import Database

from core.data.archives import unpack
from core.data.importers import ImportedPictures, plan_import, read_pictures
from core.domain import Dataset, Job, JobKind, JobStatus, LabelSource, Sample, utc_now
from core.store import datasets, jobs
from core.store.database import connect, transaction
from core.worker.session import JobSession
from core.workspace import Workspace

FORGOTTEN_AFTER_S = 24 * 3600.0


def run(session: JobSession) -> None:
    """Import what the job's payload names; either the whole data set is stored or nothing.

    An upload is consumed in any case: nothing else refers to it.
    """
    try:
        _import(session, Path(session.job.payload["source"]))
    finally:
        _consume(session.job)


def sweep(workspace: Workspace, db: Database) -> None:
    """Remove what killed imports have left; call while holding the lane, so that none is alive."""
    for job in jobs.latest_jobs(db, JobKind.IMPORT).values():
        if not job.status.is_active:
            _consume(job)
    _remove_forgotten(workspace)
    stored = {dataset.id for dataset in datasets.list_datasets(db)}
    for folder in workspace.uploads.glob("ds-*"):
        if folder.name not in stored:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_forgotten(workspace: Workspace) -> None:
    """Uploads that nobody imported within a day."""
    for kind in ("zip-*", "upload-*"):
        for place in workspace.uploads.glob(kind):
            if utc_now() - place.stat().st_mtime > FORGOTTEN_AFTER_S:
                _remove(place)


def _import(session: JobSession, source: Path) -> None:
    asked = session.job.payload
    session.report("Looking at the files", 0, 0)
    plan = plan_import(
        source, LabelSource(asked["labels"]), table=asked["table"], leave_out=asked["leave_out"]
    )
    folder = _folder(session, source)
    try:
        pictures = read_pictures(
            folder, plan, on_progress=lambda *at: session.report("Reading pictures", *at)
        )
        kept = _kept(session, folder)
        _store(session, pictures, folder, kept)
    except BaseException:
        if folder != source:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _folder(session: JobSession, source: Path) -> Path:
    """Where the pictures are: the source itself, or a private folder for archives and uploads."""
    if not session.job.payload["consume"] and source.is_dir():
        return source
    target = session.workspace.uploads / f"{session.job.subject_id}.partial"
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir(parents=True)
        unpack(source, target, on_progress=lambda *at: session.report("Unpacking", *at))
    return target


def _kept(session: JobSession, folder: Path) -> Path:
    """The final place of the pictures; a private folder loses its mark of being unfinished."""
    if folder.suffix != ".partial" or folder.parent != session.workspace.uploads:
        return folder
    final = folder.with_suffix("")
    shutil.rmtree(final, ignore_errors=True)  # left by an attempt that died before its row
    folder.replace(final)
    return final


def _store(session: JobSession, pictures: ImportedPictures, folder: Path, kept: Path) -> None:
    asked = session.job.payload
    dataset = Dataset(
        id=session.job.subject_id,
        name=asked["name"],
        class_names=pictures.class_names,
        source=asked["shown_source"],
        digest=pictures.digest,
        sample_count=len(pictures.samples),
        created_at=utc_now(),
        skipped=pictures.skipped,
        note=asked.get("note", ""),
    )

    def stored(sample: Sample) -> Sample:
        below = Path(sample.path).relative_to(folder)
        place = session.workspace.stored(kept / below)
        return replace(sample, path=place, name=below.as_posix())

    try:
        with connect(session.workspace) as db, transaction(db):
            datasets.insert_dataset(db, dataset, (stored(s) for s in pictures.samples))
            session.finish(db, JobStatus.COMPLETED, result={"dataset_id": dataset.id})
    except BaseException:
        if kept.parent == session.workspace.uploads:
            shutil.rmtree(kept, ignore_errors=True)
        raise


def _consume(job: Job) -> None:
    source = Path(job.payload["source"])
    if job.payload["consume"]:
        _remove(source)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
