"""From a folder or ZIP to samples: list, label, check, read.

Two steps: `plan_import` looks at names only and is quick, so that a person can see what would
happen; `read_pictures` decodes every file and gives the samples to store.
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.data import archives
from core.data.images import EXTENSIONS, FORMAT_WORDS, read_image
from core.data.labels import labeller, labels_from_table, normal_path
from core.data.pool import run_isolated
from core.domain import LabelSource, Sample, Skipped, content_digest
from core.errors import ImportSourceError, TouchstoneError, UnreadableImageError
from core.workspace import is_system_path

_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Candidate:
    """A picture to be: its path below the source, and its class."""

    path: str
    label: str


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do, before anything is stored."""

    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]

    def without(self, class_names: Iterable[str]) -> "ImportPlan":
        """The plan with some classes left out; their files are skipped."""
        dropped = set(class_names)
        kept = tuple(item for item in self.candidates if item.label not in dropped)
        left = (item for item in self.candidates if item.label in dropped)
        reasons = (Skipped(item.path, f"class '{item.label}' is left out") for item in left)
        return ImportPlan(kept, (*self.skipped, *reasons))

    @property
    def class_counts(self) -> dict[str, int]:
        """Pictures per class, by name."""
        return dict(sorted(Counter(item.label for item in self.candidates).items()))


@dataclass(frozen=True)
class ImportedPictures:
    """What an import found: samples (ids not given yet), classes, and what was skipped."""

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    digest: str


def plan_import(
    source: Path,
    labels: LabelSource,
    *,
    table: str | None = None,
    leave_out: Iterable[str] = (),
) -> ImportPlan:
    """Look at the names in a folder or ZIP file and decide what each file would become.

    Args:
        source: a folder, or a `.zip` file.
        labels: where the class comes from.
        table: the text of the label table, for `LabelSource.CSV`.
        leave_out: classes not to import.

    Raises:
        ImportSourceError: if the source cannot be read, or the result could never be a data set.
    """
    names = _names(source)
    label_of = labeller(labels, table)
    candidates, skipped = [], []
    for name in sorted(names):
        reason = _not_a_picture(PurePosixPath(name))
        label = None if reason else label_of(PurePosixPath(name))
        if reason is None and label is None:
            reason = _no_label(labels)
        if reason:
            skipped.append(Skipped(name, reason))
        elif label is not None:
            candidates.append(Candidate(name, label))
    skipped.extend(_missing(names, table) if labels is LabelSource.CSV else [])
    plan = ImportPlan(tuple(candidates), tuple(skipped)).without(leave_out)
    _refuse_hopeless(source, plan)
    return plan


def read_pictures(
    folder: Path,
    plan: ImportPlan,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportedPictures:
    """Decode every candidate below `folder` in other processes; bad ones are skipped with reason.

    Raises:
        ImportSourceError: if fewer than two classes are left.
    """
    samples: list[tuple[str, Sample]] = []
    skipped = list(plan.skipped)
    paths = [folder / item.path for item in plan.candidates]
    for position, outcome in run_isolated(inspect_file, paths):
        candidate = plan.candidates[position]
        if isinstance(outcome, TouchstoneError):
            skipped.append(Skipped(candidate.path, outcome.message))
        else:
            samples.append((candidate.label, outcome))
        if on_progress:
            on_progress(position + 1, len(paths))
    class_names = tuple(sorted({label for label, _ in samples}))
    _refuse_single_class(folder, class_names, skipped)
    index = {name: i for i, name in enumerate(class_names)}
    labelled = tuple(_labelled(sample, index[label]) for label, sample in samples)
    return ImportedPictures(
        labelled,
        class_names,
        tuple(skipped),
        content_digest((s.sha256, class_names[s.label or 0]) for s in labelled),
    )


def inspect_file(path: Path) -> Sample:
    """Decode a file completely and describe it (label and id not set).

    Raises:
        UnreadableImageError: if it is no readable picture.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be read for ever
            raise UnreadableImageError(f"{path.name} is not an ordinary file.", "Leave it out.")
        content = path.read_bytes()
    except OSError as err:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {err.strerror}.", "Check that it exists and its rights."
        ) from err
    image = read_image(io.BytesIO(content), name=path.name)
    return Sample(
        id=0,
        path=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        label=None,
        width=image.width,
        height=image.height,
        mode=image.mode,
        file_size=len(content),
    )


def _labelled(sample: Sample, label: int) -> Sample:
    return replace(sample, label=label)


def _names(source: Path) -> list[str]:
    if source.is_dir():
        names = list(_walk(source))
    elif source.suffix.lower() == ".zip" and source.is_file():
        with archives.open_archive(source) as archive:
            names = archives.file_names(archive)
    elif not source.exists():
        raise ImportSourceError(
            f"{source} does not exist.", "Check the spelling; the path is on the server's disk."
        )
    else:
        raise ImportSourceError(
            f"{source.name} is neither a folder nor a ZIP file.",
            "Choose the folder that holds your class folders.",
        )
    return [name for name in names if not _is_hidden(PurePosixPath(name))]


def _walk(root: Path) -> Iterator[str]:
    """Relative names of all files; links are followed inside the root, loops are not."""
    seen, home = set(), root.resolve()
    try:
        os.scandir(root).close()
    except OSError as err:
        raise ImportSourceError(
            f"{root} cannot be read: {err.strerror}.", "Check the rights of this folder."
        ) from err
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or not Path(real).is_relative_to(home) or is_system_path(Path(real)):
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        relative = Path(folder).relative_to(root)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink() or Path(os.path.realpath(file)).is_relative_to(home):
                yield (relative / name).as_posix()


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part.lower() in _SYSTEM_FILES for part in path.parts)


def _not_a_picture(path: PurePosixPath) -> str | None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "its file name is not valid Unicode; rename it"
    suffix = path.suffix.lower()
    if suffix in EXTENSIONS or not suffix:  # a file without extension is judged by its content
        return None
    return f"'{suffix}' is not a supported format ({FORMAT_WORDS})"


def _no_label(labels: LabelSource) -> str:
    return {
        LabelSource.LAST_FOLDER: "it is not inside a class folder",
        LabelSource.CSV: "the table has no label for it",
    }.get(labels, "its file name holds no class name")


def _missing(names: Sequence[str], table: str | None) -> list[Skipped]:
    present = {normal_path(name) for name in names}
    listed = labels_from_table(table or "")
    return [
        Skipped(path, "the table names it, but there is no such file")
        for path in listed
        if path not in present
    ]


def _refuse_hopeless(source: Path, plan: ImportPlan) -> None:
    if not plan.candidates:
        example = (
            f" For example {plan.skipped[0].path}: {plan.skipped[0].reason}."
            if plan.skipped
            else ""
        )
        raise ImportSourceError(
            f"There is no labelled picture in {source.name}.{example}",
            f"Put {FORMAT_WORDS} files into one folder per class, or choose another label source.",
        )
    _refuse_single_class(source, tuple(plan.class_counts), list(plan.skipped))


def _refuse_single_class(
    source: Path, class_names: tuple[str, ...], skipped: list[Skipped]
) -> None:
    if len(class_names) >= 2:
        return
    found = f"Only one class ('{class_names[0]}')" if class_names else "No readable picture"
    reason = (
        f" {len(skipped)} files were skipped, for example {skipped[0].path}: {skipped[0].reason}."
        if skipped
        else ""
    )
    raise ImportSourceError(
        f"{found} was found in {source.name}; a classifier needs at least two classes.{reason}",
        "Choose the folder above your class folders, or another label source.",
    )
