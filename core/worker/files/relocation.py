"""A folder of images that was moved or renamed: its dataset follows, after a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from core.data.file_checks import Reading, file_states
from core.domain.datasets import Dataset, Sample, SampleStatus
from core.domain.files import FileState, KnownFile
from core.domain.jobs import Phase
from core.errors import ConfigError, FilesChangedError
from core.store import properties
from core.store.database import connect, transaction
from core.words import count, listed
from core.worker.files.checks import CheckedSamples, named, remember
from core.worker.session import JobSession

READ_AT_MOST = 2000  # files whose content is compared; all where there are no more


@dataclass(frozen=True)
class _Moved:
    """The samples below a folder, and where their files are said to be now."""

    root: str
    folder: Path
    samples: Sequence[Sample]

    def place(self, sample: Sample) -> Path:
        """Where the file of a sample is said to be."""
        return self.folder / _posix(sample.path)[len(self.root) :].lstrip("/")


def relocate(session: JobSession, dataset: Dataset, every: Sequence[Sample]) -> dict[str, object]:
    """Re-point the samples of the payload's `root` to its `folder`, after comparing the files.

    All names and sizes are compared, and the contents of at most `READ_AT_MOST` files. The others
    are compared before they are used, where their times differ.

    Returns:
        The result of the job.

    Raises:
        ConfigError: if it is not clear which folder moved, or none of the files is there.
        FilesChangedError: if some are not as imported there, and `anyway` is not set.
    """
    payload = session.job.payload
    root = _root_that_moved(dataset, every, payload.get("root"))
    moved = _Moved(root, Path(payload["folder"]), [s for s in every if root_of(s) == root])
    present = [s for s in moved.samples if s.status is not SampleStatus.ABSENT]
    step = max(1, -(-len(present) // READ_AT_MOST))
    found, times = _compared(session, moved, present, step)
    if len(found.changed) + len(found.missing) == len(present):
        raise _not_there(moved, found)
    if not found.is_clean and not payload.get("anyway"):
        raise _not_all_there(moved, found)
    with connect(session.workspace) as db, transaction(db):
        places = {s.id: session.workspace.stored(moved.place(s)) for s in moved.samples}
        properties.save_paths(db, places)
        properties.save_file_times(db, times)
        if _posix(dataset.source) == root:
            properties.save_source(db, dataset.id, str(moved.folder))
    remember(session.workspace, dataset.id, found, {s.id for s in present})
    return {
        "dataset_id": dataset.id,
        "from": root,
        "to": str(moved.folder),
        "images": len(present),
        "contents_compared": len(range(0, len(present), step)),
        "changed": [s.name for s in found.changed],
        "missing": [s.name for s in found.missing],
    }


def root_of(sample: Sample) -> str | None:
    """The folder that a sample was imported from; None for images inside the workspace."""
    path = PurePath(sample.path)
    if not path.is_absolute():
        return None
    text = _posix(sample.path)
    if sample.name != sample.path and text.endswith(f"/{sample.name}"):
        return text[: -len(sample.name) - 1]
    return _posix(str(path.parent))  # datasets of the first schema know no names


def _root_that_moved(dataset: Dataset, every: Sequence[Sample], asked: str | None) -> str:
    roots = sorted({root for s in every if (root := root_of(s)) is not None})
    if not roots:
        raise ConfigError(
            f"The images of '{dataset.name}' are inside the workspace.",
            "They move with the workspace and need no new folder.",
        )
    if asked is not None:
        wanted = _posix(str(PurePath(asked)))
        if wanted in roots:
            return wanted
    gone = [root for root in roots if not Path(root).is_dir()]
    candidates = roots if len(roots) == 1 else gone
    if asked is None and len(candidates) == 1:
        return candidates[0]
    raise ConfigError(
        f"The images of '{dataset.name}' come from {count(len(roots), 'folder')}: "
        f"{listed(roots, 5)}.",
        "Say which of them was moved.",
    )


def _compared(
    session: JobSession, moved: _Moved, present: Sequence[Sample], step: int
) -> tuple[CheckedSamples, dict[int, float]]:
    """What is at the new place, and sample id -> time of the files whose content was compared."""
    files = [KnownFile(str(moved.place(s)), s.file_size, s.sha256, s.file_time) for s in present]
    by_state: dict[FileState, list[Sample]] = {state: [] for state in FileState}
    times: dict[int, float] = {}
    results = file_states(
        files,
        on_progress=lambda *at: session.report(Phase.COMPARING_FILES, *at),
        reading=lambda i: Reading.NEVER if i % step else Reading.ALWAYS,
    )
    for sample, result in zip(present, results, strict=True):
        by_state[result.state].append(sample)
        if result.time is not None:
            times[sample.id] = result.time
    changed, missing = by_state[FileState.CHANGED], by_state[FileState.MISSING]
    return CheckedSamples(len(present), tuple(changed), tuple(missing)), times


def _not_there(moved: _Moved, found: CheckedSamples) -> ConfigError:
    example = moved.place((*found.missing, *found.changed)[0])
    return ConfigError(
        f"None of the {count(found.total, 'image')} is in {moved.folder} as imported.",
        f"Choose the folder that was {moved.root}. For example, there is no image {example} with "
        "the same content.",
    )


def _not_all_there(moved: _Moved, found: CheckedSamples) -> FilesChangedError:
    parts = [
        f"{len(samples):,} {words}: {named(samples)}"
        for words, samples in (("changed", found.changed), ("missing", found.missing))
        if samples
    ]
    n = len(found.changed) + len(found.missing)
    return FilesChangedError(
        f"{n:,} of {count(found.total, 'image')} are not in {moved.folder} as imported "
        f"({'; '.join(parts)}).",
        "Choose another folder, or move the dataset there anyway (--anyway); you are then asked "
        "what to do with these images.",
        tuple(s.name for s in found.changed),
        tuple(s.name for s in found.missing),
    )


def _posix(path: str) -> str:
    return path.replace("\\", "/") if PurePath(path).drive else path
