"""From a folder or ZIP file to samples: list, label, check, read.

Two steps: `plan_import` reads names only and is fast, so that the user sees what would happen;
`read_images` decodes every file and returns the samples to store.
"""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.data.importing.inspection import Inspected, inspect_file
from core.data.importing.plan import (
    Candidate,
    ImportPlan,
    refuse_empty_import,
    refuse_lost_classes,
    refuse_open_questions,
)
from core.data.importing.planner import plan_names
from core.data.importing.rules import ImportRules
from core.data.importing.walk import SourceNames, list_names, source_roots
from core.data.pixels.isolated_pool import run_isolated
from core.domain.datasets import Sample, Skipped, content_digest
from core.domain.depth import DatasetDepth, GrayLevels, depth_of_images
from core.domain.splits import Subset
from core.errors import ImportSourceError, TouchstoneError


@dataclass(frozen=True)
class ImportedImages:
    """The result of an import: samples (without ids), classes, and skipped files.

    `subsets` is the subset of each sample in the split that came with the source; empty if none
    came. `depth` is about the images with more than 8 bits, whose brightness and sharpness are
    measured on the scale of `read_images`. `several_pages` names the files with further pages,
    which are not imported.
    """

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    digest: str
    subsets: tuple[Subset | None, ...] = ()
    ok_classes: tuple[str, ...] = ()
    depth: DatasetDepth = field(default_factory=DatasetDepth)
    several_pages: tuple[str, ...] = ()


class Listing:
    """The file names of a source, collected by a thread so that a page can show progress."""

    def __init__(self, source: Path, *, zip_encoding: str | None = None) -> None:
        """Start at once; see `list_names`."""
        self.source = source
        self.zip_encoding = zip_encoding
        self.count = 0
        self._names: SourceNames | None = None
        self._error: Exception | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether the listing is complete, after waiting for at most this time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Give up soon."""
        self._stopped = True

    def names(self) -> SourceNames:
        """The names; waits until the listing is complete.

        Raises:
            ImportSourceError: see `list_names`.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._names is not None
        return self._names

    def _run(self) -> None:
        try:
            self._names = list_names(
                self.source, zip_encoding=self.zip_encoding, on_progress=self._note
            )
        except Exception as err:  # handed to whoever asks for the names
            self._error = err

    def _note(self, count: int) -> None:
        self.count = count
        if self._stopped:
            raise ImportSourceError("The search for images was canceled.")


def plan_import(
    source: Path, rules: ImportRules, *, adding: bool = False, known_classes: Sequence[str] = ()
) -> ImportPlan:
    """Read the names in a folder or ZIP file and decide what each file would become.

    Args:
        source: a folder, or a `.zip` file.
        rules: where classes come from, and what is kept.
        adding: the images are added to a dataset; see `plan_names`.
        known_classes: of this dataset; see `plan_names`.

    Raises:
        ImportSourceError: if the source cannot be read, the result would not be a dataset, or a
            choice is left that only a person can make.
        ConfigError: if the rules are contradictory.
    """
    names = list_names(source, zip_encoding=rules.zip_encoding or None)
    plan = plan_names(names, rules, adding=adding, known_classes=known_classes)
    refuse_empty_import(source.name, plan)
    refuse_open_questions(plan)
    return plan


def read_images(
    folder: Path,
    plan: ImportPlan,
    *,
    class_names: Sequence[str] = (),
    levels_of: Callable[[DatasetDepth], GrayLevels | None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportedImages:
    """Decode all candidates in other processes; unreadable files are skipped with a reason.

    Args:
        folder: where the images are.
        plan: what each image becomes.
        class_names: of the dataset to which the images are added; new classes are appended.
        levels_of: the scale for images with more than 8 bits, given what they are; None: their own.
        on_progress: called with the numbers done and in total; may raise to stop.

    Raises:
        ImportSourceError: if no image can be read, or of several classes only one.
    """
    read: list[tuple[Candidate, str, Inspected]] = []
    skipped = list(plan.skipped)
    root = os.path.join(folder, "")  # noqa: PTH118 - as text, see inspect_file
    paths = [root + item.path.replace("/", os.sep) for item in plan.candidates]
    # Why again: a link may have been put there since the names were listed.
    read_file = partial(inspect_file, roots=source_roots(folder))
    for position, outcome in run_isolated(read_file, paths):
        candidate = plan.candidates[position]
        if isinstance(outcome, TouchstoneError):
            skipped.append(Skipped(candidate.path, outcome.message))
        else:
            read.append((candidate, paths[position], outcome))
        if on_progress:
            on_progress(position + 1, len(paths))
    labels = {candidate.label for candidate, _, _ in read}
    names = (*class_names, *sorted(labels - set(class_names)))
    refuse_lost_classes(folder.name, len(plan.class_counts), names, skipped)
    index = {name: i for i, name in enumerate(names)}
    deep = [(file.facts.deep, item.path) for item, _, file in read if file.facts.deep]
    depth = depth_of_images([known for known, _ in deep], [path for _, path in deep])
    scale = depth.levels if levels_of is None else levels_of(depth)
    samples = tuple(
        _sample_of(file, item, path, index[item.label], scale) for item, path, file in read
    )
    return ImportedImages(
        samples,
        names,
        tuple(skipped),
        content_digest((file.sha256, item.label) for item, _, file in read),
        subsets=tuple(item.subset for item, _, _ in read) if plan.subset_counts else (),
        ok_classes=tuple(name for name in plan.ok_classes if name in names),
        depth=depth,
        several_pages=tuple(item.path for item, _, file in read if file.facts.has_more_pages),
    )


def _sample_of(
    file: Inspected, candidate: Candidate, path: str, label: int, scale: GrayLevels | None
) -> Sample:
    facts, deep = file.facts, file.facts.deep
    brightness, sharpness = deep.measures(scale) if deep else (facts.brightness, facts.sharpness)
    return Sample(
        id=0,
        path=path,
        sha256=file.sha256,
        label=label,
        width=facts.width,
        height=facts.height,
        mode=facts.mode,
        file_size=file.file_size,
        group=candidate.group,
        name=candidate.path,
        format=facts.format,
        modified_at=file.modified_at,
        file_time=file.modified_at,
        brightness=brightness,
        sharpness=sharpness,
        attributes=dict(candidate.attributes),
        gray_mean=deep.mean if deep else None,
    )
