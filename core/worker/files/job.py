"""The files job: compare the files of a dataset, take or leave out changed ones, follow a move."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import assert_never

from core.data.importing.inspection import Inspected, inspect_file
from core.data.pixels.isolated_pool import run_isolated
from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    Sample,
    SampleState,
    SampleStatus,
)
from core.domain.depth import (
    DatasetDepth,
    DeepImage,
    GrayLevels,
    depth_of_images,
    joined_depth,
)
from core.domain.files import ChangedFiles
from core.domain.jobs import JobStatus, Phase
from core.errors import ConfigError, TouchstoneError
from core.store import datasets, properties, versions
from core.store.database import connect, transaction
from core.words import count
from core.worker.depth import measured_dataset
from core.worker.files.checks import CheckedSamples, compare_files, remember
from core.worker.files.relocation import relocate
from core.worker.progress import Work
from core.worker.session import JobSession


def run(session: JobSession) -> None:
    """Do what the payload asks: follow a move, else check the files and act on the answer."""
    payload = session.job.payload
    with connect(session.workspace) as db:
        dataset = datasets.find_dataset(db, payload["dataset_id"])
        every = datasets.every_sample(db, dataset.id)
    if payload.get("folder"):
        _finish(session, relocate(session, dataset, every))
        return
    used = [s for s in every if s.status is SampleStatus.USED]
    session.expect(Work(images=len(used)))
    report = partial(session.report, Phase.CHECKING_FILES)
    checked = compare_files(session.workspace, used, report)
    answer = payload.get("answer")
    result = _counts(checked)
    if answer and not checked.is_clean:
        result |= _answer(session, dataset, checked, ChangedFiles(answer))
    else:
        remember(session.workspace, dataset.id, checked, {s.id for s in used})
    _finish(session, {"dataset_id": dataset.id, **result})


def _finish(session: JobSession, result: dict[str, object]) -> None:
    with connect(session.workspace) as db, transaction(db):
        session.finish(db, JobStatus.COMPLETED, result=result)


def _counts(checked: CheckedSamples) -> dict[str, object]:
    return {
        "images": checked.total,
        "changed": [s.name for s in checked.changed],
        "missing": [s.name for s in checked.missing],
    }


def _answer(
    session: JobSession, dataset: Dataset, checked: CheckedSamples, answer: ChangedFiles
) -> dict[str, object]:
    """Make the version that was asked for."""
    new: list[Sample] = []
    match answer:
        case ChangedFiles.NEW_VERSION:
            new = _new_content(session, dataset, checked.changed)
        case ChangedFiles.LEAVE_OUT:
            pass
        case _:
            assert_never(answer)
    taken = {s.path for s in new}
    leaving = {
        s.id: replace(
            s.state,
            # Why absent and not excluded: nobody can bring back a content that is gone.
            status=SampleStatus.ABSENT if s.path in taken else SampleStatus.EXCLUDED,
        )
        for s in (*checked.changed, *checked.missing)
    }
    excluded = len(leaving) - len(new)
    version = _stored(session, dataset, leaving, new, _summary(len(new), excluded))
    return {"version": version.number, "replaced": len(new), "left_out": excluded}


def _new_content(session: JobSession, dataset: Dataset, samples: Sequence[Sample]) -> list[Sample]:
    """The samples with the content that their files have now; unreadable ones are left out."""
    paths = [str(session.workspace.resolve(s.path)) for s in samples]
    read: list[tuple[Sample, Inspected]] = []
    roots = {root for path in paths for root in session.workspace.roots_of(Path(path))}
    read_file = partial(inspect_file, roots=tuple(roots))
    for position, outcome in run_isolated(read_file, paths):
        if isinstance(outcome, TouchstoneError):
            session.warn(f"{samples[position].name} is left out. {outcome.message}")
        else:
            read.append((samples[position], outcome))
        session.report(Phase.READING_CHANGED, position + 1, len(paths))
    levels = _widened(session, dataset, [file.facts.deep for _, file in read if file.facts.deep])
    return [_with_content(sample, file, levels) for sample, file in read]


def _widened(session: JobSession, dataset: Dataset, deep: Sequence[DeepImage]) -> GrayLevels | None:
    """The scale of the dataset, now that these images with more than 8 bits belong to it."""
    if not deep:
        return dataset.levels
    with connect(session.workspace) as db:
        known = measured_dataset(session.workspace, db, dataset.id).depth or DatasetDepth()
        with transaction(db):
            properties.save_depth(db, dataset.id, joined_depth(known, depth_of_images(deep)))
        return datasets.find_dataset(db, dataset.id).levels


def _with_content(sample: Sample, file: Inspected, levels: GrayLevels | None) -> Sample:
    facts, deep = file.facts, file.facts.deep
    brightness, sharpness = deep.measures(levels) if deep else (facts.brightness, facts.sharpness)
    return replace(
        sample,
        id=0,
        sha256=file.sha256,
        width=facts.width,
        height=facts.height,
        mode=facts.mode,
        file_size=file.file_size,
        format=facts.format,
        modified_at=None if sample.modified_at is None else file.modified_at,
        brightness=brightness,
        sharpness=sharpness,
        gray_mean=deep.mean if deep else None,
        file_time=file.modified_at,
    )


def _summary(replaced: int, excluded: int) -> str:
    parts = []
    if replaced:
        parts.append(f"Took the new content of {count(replaced, 'image')}")
    if excluded:
        left = "left out" if parts else "Left out"
        parts.append(f"{left} {count(excluded, 'image')} whose files are missing or changed")
    return ", ".join(parts)


def _stored(
    session: JobSession,
    dataset: Dataset,
    leaving: Mapping[int, SampleState],
    new: Sequence[Sample],
    summary: str,
) -> DatasetVersion:
    with connect(session.workspace) as db, transaction(db):
        now = datasets.find_dataset(db, dataset.id)
        if now.version != dataset.version:
            raise ConfigError("The dataset changed while its files were checked.", "Start again.")
        if now.sample_count <= len(leaving) - len(new):
            raise ConfigError(
                "No image would be left.",
                "If the folder was moved, say where it is now; else delete the dataset.",
            )
        made = versions.replace_samples(db, now, leaving, new, summary)
    remember(session.workspace, dataset.id, CheckedSamples(0, (), ()), set(leaving))
    return made
