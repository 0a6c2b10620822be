"""The import job: unpack if needed, read every image, store the dataset in one transaction."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from sqlite_utils import Database

from core.data.demo_set import DEMO_IMAGES, write_demo_images
from core.data.importing import plan_words
from core.data.importing.archives import unpack
from core.data.importing.listing import ImportedImages, plan_import, read_images
from core.data.importing.plan import ImportPlan
from core.data.importing.provided_split import delivered_split
from core.data.importing.rules import rules_from_dict
from core.domain.datasets import Dataset, Sample, Skipped, Verdict
from core.domain.depth import DatasetDepth, GrayLevels, joined_depth
from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus, Phase
from core.domain.splits import Subset
from core.files import require_space
from core.store import datasets, jobs, models, properties, splits, versions
from core.store.database import connect, transaction
from core.words import count
from core.worker.depth import measured_dataset, mixed_in_words
from core.worker.launcher import start_worker
from core.worker.progress import Work
from core.worker.session import JobSession
from core.workspace import Workspace

ABANDONED_AFTER_S = 24 * 3600.0
_MAX_SKIPPED = 1000  # when adding images; a new dataset stores all skipped files


def run(session: JobSession) -> None:
    """Import a new dataset, or more images for an existing one, as stated in the payload.

    Either everything is stored or nothing. An upload is removed in any case: nothing else refers to
    it.
    """
    try:
        _import(session, Path(session.job.payload["source"]))
    finally:
        _consume(session.job)


def sweep(workspace: Workspace, db: Database) -> None:
    """Remove what killed imports left behind; call it while holding the lane."""
    latest = jobs.latest_jobs(db, JobKind.IMPORT)
    for job in latest.values():
        if not job.status.is_active:
            _consume(job)
    _remove_abandoned(workspace)
    stored = {dataset.id for dataset in datasets.list_datasets(db)}
    at_work = {job.subject_id for job in jobs.active_jobs(db)}
    done = {subject for subject, job in latest.items() if job.status is JobStatus.COMPLETED}
    for folder in _private_folders(workspace):
        if folder.name.removesuffix(".partial") in at_work:
            continue  # of an import that an older version queued in another lane
        if folder.name not in (stored if folder.name.startswith("ds-") else done):
            shutil.rmtree(folder, ignore_errors=True)


def _private_folders(workspace: Workspace) -> Iterator[Path]:
    """Folders of unpacked images: of whole datasets, and of images added to one."""
    yield from workspace.uploads.glob("ds-*")
    yield from workspace.uploads.glob("add-*")
    yield from workspace.uploads.glob("ds-*/add-*")


def _remove_abandoned(workspace: Workspace) -> None:
    """Remove uploads that were not imported within a day."""
    for kind in ("zip-*", "upload-*", ".*.partial"):
        for place in workspace.uploads.glob(kind):
            with contextlib.suppress(FileNotFoundError):  # imported or discarded in between
                if utc_now() - place.stat().st_mtime > ABANDONED_AFTER_S:
                    _remove(place)


def _import(session: JobSession, source: Path) -> None:
    payload = session.job.payload
    draws = bool(payload.get("draw"))
    if draws:
        session.expect(Work(images=DEMO_IMAGES, draws=True))
        write_demo_images(source, on_progress=partial(session.report, Phase.DRAWING_IMAGES))
    session.report(Phase.LISTING, 0, 0)
    into = payload.get("into")
    rules, class_names = rules_from_dict(payload["rules"]), _class_names(session, into)
    plan = plan_import(source, rules, adding=into is not None, known_classes=class_names)
    session.expect(Work(images=len(plan.candidates), draws=draws))
    folder = _folder(session, source, rules.zip_encoding)
    try:
        images = read_images(
            folder,
            plan,
            class_names=class_names,
            levels_of=partial(_levels, session, into),
            on_progress=lambda *at: session.report(Phase.READING, *at),
        )
        _say_scale(session, images)
        if images.several_pages:
            session.warn(plan_words.several_pages(images.several_pages))
        session.report(Phase.STORING, 0, 0)
        kept = _kept(session, folder)
        _store(session, plan, images, folder, kept)
    except BaseException:
        if folder != source:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _levels(session: JobSession, into: str | None, depth: DatasetDepth) -> GrayLevels | None:
    """The scale of the dataset as it will be with the new images."""
    if into is None or not depth.images:
        return depth.levels
    with connect(session.workspace) as db:
        dataset = measured_dataset(session.workspace, db, into)
    joined = joined_depth(dataset.depth or DatasetDepth(), depth)
    return replace(dataset, depth=joined).levels


def _say_scale(session: JobSession, images: ImportedImages) -> None:
    if mixed := mixed_in_words(images.depth):
        session.warn(mixed)


def _class_names(session: JobSession, into: str | None) -> tuple[str, ...]:
    if into is None:
        return ()
    with connect(session.workspace) as db:
        return datasets.find_dataset(db, into).class_names


def _folder(session: JobSession, source: Path, zip_encoding: str) -> Path:
    """The folder of the images: the source, or a private folder for archives and uploads."""
    if not session.job.payload["consume"] and source.is_dir():
        return source
    target = session.workspace.uploads / f"{session.job.subject_id}.partial"
    shutil.rmtree(target, ignore_errors=True)
    try:
        _fill(session, source, target, zip_encoding)
    except BaseException:
        # Why at once: half an archive may be what fills the disk.
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def _fill(session: JobSession, source: Path, target: Path, zip_encoding: str) -> None:
    if source.is_dir():
        held = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        require_space(session.workspace.uploads, held, "Copying the uploaded images")
        shutil.copytree(source, target)
    else:
        target.mkdir(parents=True)
        progress = partial(session.report, Phase.UNPACKING)
        unpack(source, target, encoding=zip_encoding or None, on_progress=progress)


def _kept(session: JobSession, folder: Path) -> Path:
    """The final folder of the images; a private folder loses its suffix `.partial`."""
    if folder.suffix != ".partial" or folder.parent != session.workspace.uploads:
        return folder
    final = _final_place(session)
    shutil.rmtree(final, ignore_errors=True)  # from an attempt that died before storing its row
    final.parent.mkdir(exist_ok=True)
    folder.replace(final)
    return final


def _final_place(session: JobSession) -> Path:
    into = session.job.payload.get("into")
    uploads = session.workspace.uploads
    return (uploads / into if into else uploads) / session.job.subject_id


def _store(
    session: JobSession, plan: ImportPlan, images: ImportedImages, folder: Path, kept: Path
) -> None:
    dated = not _is_upload_of_files(session.job)

    def stored(sample: Sample) -> Sample:
        place = kept / Path(sample.path).relative_to(folder)
        return replace(
            sample,
            path=session.workspace.stored(place),
            modified_at=sample.modified_at if dated else None,
        )

    placed = replace(images, samples=tuple(stored(s) for s in images.samples))
    store = _append if session.job.payload.get("into") else _create
    decisions = [asdict(decision) for decision in plan.decisions]
    try:
        with connect(session.workspace) as db, transaction(db):
            result = store(session, db, placed)
            session.finish(db, JobStatus.COMPLETED, result={**result, "decisions": decisions})
            is_followed = _queue_comparison(session.job, db, result)
    except BaseException:
        if kept == _final_place(session):
            shutil.rmtree(kept, ignore_errors=True)
        raise
    if is_followed:
        start_worker(session.workspace, JobKind.NEW_IMAGES.lane)


def _queue_comparison(job: Job, db: Database, result: Mapping[str, object]) -> bool:
    """Queue the comparison of added images with what a model of the dataset knows, if it has one.

    Why a job of its own: what a network says must neither delay an import nor make it fail.
    """
    into = job.payload.get("into")
    judges = models.judges_of(db, into) if into and result["added"] else []
    if not judges:
        return False
    payload = {
        "dataset_id": result["dataset_id"],
        "version": result["version"],
        "model_ids": [model.id for model in judges],
        "import": job.subject_id,
    }
    subject = comparison_subject(job.subject_id)
    return jobs.enqueue(db, JobKind.NEW_IMAGES, subject, payload, now=utc_now()) is not None


def comparison_subject(import_subject: str) -> str:
    """What the comparison of the images of an import is filed under."""
    return f"new-{import_subject}"


def _create(session: JobSession, db: Database, images: ImportedImages) -> dict[str, object]:
    """Store a new dataset, with the split that came with it."""
    payload = session.job.payload
    dataset = Dataset(
        id=session.job.subject_id,
        name=payload["name"],
        class_names=images.class_names,
        source=payload["shown_source"],
        digest=images.digest,
        sample_count=len(images.samples),
        created_at=utc_now(),
        skipped=images.skipped,
        note=payload.get("note", ""),
        class_verdicts=_verdicts(images),
        depth=images.depth,
    )
    datasets.insert_dataset(db, dataset, images.samples)
    if not any(images.subsets):
        return {"dataset_id": dataset.id, "added": len(images.samples)}
    samples = versions.samples_at(db, dataset.id)  # in the order of import, with their ids
    subsets: dict[int, Subset] = {
        sample.id: subset
        for sample, subset in zip(samples, images.subsets, strict=True)
        if subset is not None
    }
    split = delivered_split(dataset.id, samples, subsets)
    splits.insert_split(db, split, subsets)
    return {"dataset_id": dataset.id, "added": len(samples), "split_id": split.id}


def _append(session: JobSession, db: Database, images: ImportedImages) -> dict[str, object]:
    """Add images to a dataset as its next version; images that it already has are left out."""
    payload = session.job.payload
    dataset = datasets.find_dataset(db, payload["into"])
    images = _with_classes_of(dataset, images)
    known = {} if payload.get("keep_duplicates") else properties.labels_by_content(db, dataset.id)
    new = [sample for sample in images.samples if sample.sha256 not in known]
    old = [sample for sample in images.samples if sample.sha256 in known]
    skipped = [*images.skipped, *(_already_there(s, known[s.sha256], dataset) for s in old)]
    used = {sample.label for sample in new}
    names = [
        n for i, n in enumerate(images.class_names) if i < len(dataset.class_names) or i in used
    ]
    index = {images.class_names.index(name): i for i, name in enumerate(names)}
    version = dataset.version
    if new:
        labelled = [replace(s, label=index[s.label]) for s in new if s.label is not None]
        summary = f"Added {count(len(new), 'image')} from {payload['shown_source']}"
        if images.depth.images:
            depth = joined_depth(dataset.depth or DatasetDepth(), images.depth)
            properties.save_depth(db, dataset.id, depth)
        made = versions.add_samples(db, dataset, labelled, summary, class_names=names)
        version = made.number
    return {
        "dataset_id": dataset.id,
        "version": version,
        "added": len(new),
        "already_there": len(old),
        "new_classes": names[len(dataset.class_names) :],
        "skipped": [[item.path, item.reason] for item in skipped[:_MAX_SKIPPED]],
        "skipped_count": len(skipped),
    }


def _with_classes_of(dataset: Dataset, images: ImportedImages) -> ImportedImages:
    """The images with the classes of today, which may have changed while they were read."""
    known = dataset.class_names
    names = (*known, *(name for name in images.class_names if name not in known))
    samples = tuple(
        replace(s, label=names.index(images.class_names[s.label]))
        for s in images.samples
        if s.label is not None
    )
    return replace(images, samples=samples, class_names=names)


def _already_there(sample: Sample, label: int | None, dataset: Dataset) -> Skipped:
    if label is None:
        return Skipped(sample.name, "The dataset already has this image.")
    name = dataset.class_names[label]
    return Skipped(sample.name, f"The dataset already has this image, with the class '{name}'.")


def _verdicts(images: ImportedImages) -> tuple[Verdict | None, ...]:
    if not images.ok_classes:
        return ()
    return tuple(
        Verdict.OK if name in images.ok_classes else Verdict.NOK for name in images.class_names
    )


def _is_upload_of_files(job: Job) -> bool:
    """Whether the files were uploaded one by one; browsers do not send their dates."""
    return bool(job.payload["consume"]) and Path(job.payload["source"]).is_dir()


def _consume(job: Job) -> None:
    source = Path(job.payload["source"])
    if job.payload["consume"]:
        _remove(source)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
