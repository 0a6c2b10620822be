"""Whether the files of samples are as they were imported; remembered, and refused where not.

Shared by the worker and by actions of people. Does not import torch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.apart import call_apart
from core.data.file_checks import Progress, file_state, file_states
from core.domain.datasets import Dataset, Sample, SampleStatus
from core.domain.files import FileCheck, FileState, KnownFile
from core.domain.ids import utc_now
from core.domain.jobs import Phase
from core.domain.keeping.people import as_program
from core.errors import FilesChangedError
from core.store import properties
from core.store.database import connect, transaction
from core.words import count, listed
from core.workspace import Workspace

_NAMED = 3
_KEPT = 1000  # names in an error

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CheckedSamples:
    """Samples whose files were compared, of `total`: those with another content, those without."""

    total: int
    changed: tuple[Sample, ...]
    missing: tuple[Sample, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every file is as it was imported."""
        return not (self.changed or self.missing)


def known_file(workspace: Workspace, sample: Sample) -> KnownFile:
    """The file of a sample as it was imported."""
    path = workspace.resolve(sample.path)
    roots = tuple(str(root) for root in workspace.roots_of(path))
    return KnownFile(str(path), sample.file_size, sample.sha256, sample.file_time, roots)


def compare_files(
    workspace: Workspace, samples: Sequence[Sample], on_progress: Progress
) -> CheckedSamples:
    """Compare the files of samples with what was imported; files that were read are remembered."""
    files = [known_file(workspace, sample) for sample in samples]
    by_state: dict[FileState, list[Sample]] = {state: [] for state in FileState}
    times: dict[int, float] = {}
    for sample, result in zip(samples, file_states(files, on_progress=on_progress), strict=True):
        by_state[result.state].append(sample)
        if result.time is not None:
            times[sample.id] = result.time
    if times:
        with as_program(), connect(workspace) as db, transaction(db):
            properties.save_file_times(db, times)
    changed, missing = by_state[FileState.CHANGED], by_state[FileState.MISSING]
    return CheckedSamples(len(samples), tuple(changed), tuple(missing))


def state_of_file(workspace: Workspace, sample: Sample, *, apart: bool = False) -> FileState:
    """What became of the file of one sample; reads it only where its time differs.

    Args:
        workspace: where the dataset lives.
        sample: the image.
        apart: look in a helper process, which waits only so long for a network drive.

    Raises:
        UnreadableImageError: if its folder does not answer.
    """
    known = known_file(workspace, sample)
    path = Path(known.path)
    result = call_apart(path, file_state, known) if apart else file_state(known)
    if result.time is not None:
        with as_program(), connect(workspace) as db, transaction(db):
            properties.save_file_times(db, {sample.id: result.time})
    return result.state


def remember(workspace: Workspace, dataset_id: str, checked: CheckedSamples, ids: set[int]) -> None:
    """Store what a check of these samples of a dataset found, beside what is known of others."""
    with as_program(), connect(workspace) as db, transaction(db):
        known = properties.load_file_check(db, dataset_id)
        changed = {i for i in known.changed if i not in ids} if known else set()
        missing = {i for i in known.missing if i not in ids} if known else set()
        changed |= {s.id for s in checked.changed if s.status is SampleStatus.USED}
        missing |= {s.id for s in checked.missing if s.status is SampleStatus.USED}
        check = FileCheck(dataset_id, utc_now(), tuple(sorted(changed)), tuple(sorted(missing)))
        properties.save_file_check(db, check)


def refuse_changed(
    workspace: Workspace,
    dataset: Dataset,
    samples: Sequence[Sample],
    report: Report,
    *,
    missing_too: bool = True,
) -> None:
    """Raise where the files of samples are not as they were imported.

    Args:
        workspace: where the dataset lives.
        dataset: whose samples they are, as it is today.
        samples: with their status of today.
        report: told the phase, and the numbers done and in total.
        missing_too: also raise where files are missing; else only where a content would be
            mistaken for another.

    Raises:
        FilesChangedError: if a file has another content, or is missing.
    """
    checked = compare_files(workspace, samples, lambda *at: report(Phase.CHECKING_FILES, *at))
    remember(workspace, dataset.id, checked, {s.id for s in samples})
    if checked.changed or (missing_too and checked.missing):
        raise changed_error(dataset, checked)


def changed_error(dataset: Dataset, checked: CheckedSamples) -> FilesChangedError:
    """The error that names the images, and says what can be done."""
    n = len(checked.changed) + len(checked.missing)
    parts = [
        f"{len(samples):,} {words}: {named(samples)}"
        for words, samples in (("changed", checked.changed), ("missing", checked.missing))
        if samples
    ]
    verb = "is" if n == 1 else "are"
    return FilesChangedError(
        f"{n:,} of {count(checked.total, 'image')} of '{dataset.name}' {verb} not as imported "
        f"({'; '.join(parts)}).",
        _hint(dataset, checked),
        tuple(s.name for s in checked.changed[:_KEPT]),
        tuple(s.name for s in checked.missing[:_KEPT]),
        dataset.id,
    )


def named(samples: Sequence[Sample]) -> str:
    """The first few names."""
    return listed([f"'{sample.name}'" for sample in samples], _NAMED)


def _hint(dataset: Dataset, checked: CheckedSamples) -> str:
    gone = [s for s in (*checked.changed, *checked.missing) if s.status is not SampleStatus.USED]
    if gone:
        return (
            "An earlier version of the dataset used them; start again with today's version, which "
            "does not."
        )
    command = f'`touchstone files "{dataset.name}" --changed'
    moved = f'If the folder was moved: `touchstone relocate "{dataset.name}" FOLDER`.'
    leave = f"{command} leave-out` leaves these images out."
    if not checked.changed:
        return f"Choose on the Images page, or on the command line: {leave} {moved}"
    choose = (
        f"Choose on the Images page, or on the command line: {command} new-version` takes the "
        f"new content as a new version of the dataset, {leave}"
    )
    return f"{choose} {moved}" if checked.missing else choose
