"""Answers for a line that can only write files: a folder is watched, each image gets one row.

The table is the memory. A row is written through to the disk before its image is moved, and names
the size and time of the file; so a watch that was killed answers nothing twice and forgets nothing.
"""

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.importing.walk import images_in, source_roots
from core.data.pixels.images import MAX_FILE_BYTES
from core.data.pixels.isolated_pool import PoolResult, isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.ids import utc_now
from core.domain.models import Model, Prediction
from core.domain.record import in_utc
from core.errors import ConfigError, ImportSourceError, UnreadableImageError
from core.evaluation.decisions.rule import DecisionRule
from core.files import Cell, CsvDelimiter, csv_lines, read_csv, read_user_file
from core.inference.prediction_table import prediction_rows
from core.inference.predictor import Predictor
from core.workflows.results.thresholds import saved_rule
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace, allowed_import_path

OWN_COLUMNS = ("time (UTC)", "bytes", "modified_ns")
_TOGETHER = 64  # images between two looks at the folder, so that new rows come steadily
FileState = tuple[int, int]  # size and modification time in nanoseconds
Decode = Callable[[Sequence[Path]], Iterator[PoolResult[NDArray[np.uint8]]]]


@dataclass(frozen=True)
class WatchedFolder:
    """What is watched, and where answers go.

    Attributes:
        folder: whose images are answered, in any depth.
        table: CSV file that gets a row per image; an earlier one is continued.
        move_to: folder that answered images are moved to, beside or below the watched one; None:
            they stay where they are.
        settle_s: how long a file must not change to be complete.
        delimiter: of the table.
    """

    folder: Path
    table: Path
    move_to: Path | None = None
    settle_s: float = 1.0
    delimiter: CsvDelimiter = CsvDelimiter.COMMA


@contextmanager
def watching(workspace: Workspace, model: Model, watched: WatchedFolder) -> "Iterator[Watch]":
    """A watch that is ready: the model is loaded, the table open.

    Raises:
        ImportSourceError: if it is not a folder that Touchstone may read.
        ConfigError: if the table cannot be written, or has other columns.
    """
    folder = allowed_import_path(watched.folder)
    if not folder.is_dir():
        raise ImportSourceError(f"{watched.folder} is not a folder.", "Give a folder.")
    watched = replace(watched, folder=folder)
    if watched.move_to is not None:
        watched = replace(watched, move_to=watched.move_to.expanduser().resolve())
        if watched.move_to == folder:
            raise ConfigError(
                "Answered images cannot be moved to the folder that is watched.",
                "Give another folder, such as one called done in it.",
            )
    predictor = Predictor.open(exported_bundle(workspace, model), runtimes=workspace.runtimes)
    rule = saved_rule(workspace, model.id)
    table = _Table(watched, predictor, rule)
    load = partial(_pixels, config=predictor.card.preprocess, roots=source_roots(folder))
    with isolated(load) as decode:
        yield Watch(watched, predictor, rule, table, decode)


@dataclass
class Watch:
    """A watched folder; `step` looks at it once.

    `pending` counts images that are there and not answered yet, `problem` says why the last look
    failed or an image could not be moved.
    """

    watched: WatchedFolder
    predictor: Predictor
    rule: DecisionRule | None
    table: "_Table"
    decode: Decode
    pending: int = 0
    problem: str = ""
    _since: dict[Path, tuple[FileState, float]] = field(default_factory=dict)

    def step(self, now: float) -> Iterator[Prediction]:
        """Answer the images that are complete; each is in the table when it is given.

        Args:
            now: seconds of a clock that only goes forward.
        """
        self.problem = ""
        try:
            states = self._states()
        except (OSError, ImportSourceError) as err:  # of a share that is gone for a while
            self.problem = str(err)
            return
        self._since = {
            path: self._since[path]
            if path in self._since and self._since[path][0] == state
            else (state, now)
            for path, state in states.items()
        }
        self.table.keep_only(states)
        todo = []
        for path, (state, since) in self._since.items():
            if self.table.has(path, state):
                self._move(path)
            elif state[0] > 0 and now - since >= self.watched.settle_s:
                todo.append(path)
        self.pending = sum(not self.table.has(p, s) for p, s in states.items())
        for item in self._answered(todo[:_TOGETHER]):
            self.pending -= 1
            yield item

    def _states(self) -> dict[Path, FileState]:
        """Size and time of every image below the folder; those that vanish meanwhile are not."""
        away = self.watched.move_to
        states = {}
        for path in images_in(self.watched.folder).paths:
            if away is not None and path.is_relative_to(away):
                continue
            with contextlib.suppress(OSError):
                states[path] = _state(path)
        return states

    def _answered(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        before = [self._since[path][0] for path in paths]
        decoded = self.decode(paths)
        named = ((str(paths[at]), pixels) for at, pixels in decoded)
        for path, state, item in zip(paths, before, self.predictor.judge(named), strict=True):
            try:
                is_same = _state(path) == state
            except OSError:
                continue  # it is gone, and with it the part that it showed
            if not is_same:  # it was still being written, and is looked at again
                continue
            decided = self.rule.decided(item) if self.rule else item
            self.table.add(decided, path, state)
            self._move(path)
            yield decided

    def _move(self, path: Path) -> None:
        """Move an answered image away, never over another one."""
        if self.watched.move_to is None:
            return
        target = self.watched.move_to / path.relative_to(self.watched.folder)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, _free(target))
        except OSError as err:
            self.problem = f"{path} cannot be moved: {err.strerror or err}."


class _Table:
    """The rows so far, and which files they are about."""

    def __init__(
        self, watched: WatchedFolder, predictor: Predictor, rule: DecisionRule | None
    ) -> None:
        self._watched, self._names = watched, predictor.card.class_names
        self._decides, self._tells = rule is not None, predictor.tells_unfamiliar
        self._states: dict[Path, FileState] = {}
        header = [*OWN_COLUMNS, *map(str, next(self._rows([])))]
        try:
            if watched.table.exists() and watched.table.stat().st_size:
                self._continue(header)
            else:
                self._append(next(csv_lines([header], delimiter=watched.delimiter)))
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigError(
                f"{watched.table} cannot be used: {err}.", "Choose a file in a folder that exists."
            ) from err

    def has(self, path: Path, state: FileState) -> bool:
        """Whether a file is answered as it is now."""
        return self._states.get(path) == state

    def keep_only(self, present: dict[Path, FileState]) -> None:
        """Forget files that are not there any more; their rows stay."""
        self._states = {path: s for path, s in self._states.items() if path in present}

    def add(self, item: Prediction, path: Path, state: FileState) -> None:
        """Write a row; it is on the disk afterwards."""
        header, row = self._rows([item])
        rows: list[list[Cell]] = [
            [*OWN_COLUMNS, *header],
            [in_utc(utc_now()), *state, *row],
        ]
        self._append(list(csv_lines(rows, delimiter=self._watched.delimiter))[1])
        self._states[path] = state

    def _rows(self, items: Sequence[Prediction]) -> Iterator[Sequence[Cell]]:
        return prediction_rows(
            items, self._names, with_decision=self._decides, with_unfamiliar=self._tells
        )

    def _continue(self, header: list[str]) -> None:
        """Go on with an earlier table; a last line that was cut off is taken away."""
        table = self._watched.table
        content = table.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(table, whole)
        rows = read_csv(table, delimiter=self._watched.delimiter)
        if next(rows, None) != header:
            raise ConfigError(
                f"{table} has other columns than the answers of this model.",
                "Choose a new file, or the model that it was written with.",
            )
        at = header.index("path")
        for row in rows:
            self._states[Path(row[at])] = (int(row[1]), int(row[2]))

    def _append(self, line: bytes) -> None:
        with self._watched.table.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def newest_rows(table: Path, *, delimiter: CsvDelimiter, limit: int) -> dict[str, list[str]]:
    """The last rows of the table of a watch, newest first, by column; no confidences of classes.

    Raises:
        ConfigError: if it is no such table.
    """
    try:
        rows = list(read_csv(table, delimiter=delimiter))
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{table} cannot be read: {err}.", "Check the path.") from err
    if not rows or tuple(rows[0][: len(OWN_COLUMNS)]) != OWN_COLUMNS:
        raise ConfigError(f"{table} is no table of a watched folder.", "Check the path.")
    shown = rows[0].index("error") + 1
    newest = islice(reversed(rows[1:]), limit)
    columns = list(zip(*newest, strict=False)) or [()] * len(rows[0])
    return {
        name: list(columns[at])
        for at, name in enumerate(rows[0][:shown])
        if name not in OWN_COLUMNS[1:]
    }


def _state(path: Path) -> FileState:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _free(target: Path) -> Path:
    """The path, or with a number where there is a file already."""
    number, free = 2, target
    while free.exists():
        free = target.with_stem(f"{target.stem} {number}")
        number += 1
    return free


def _pixels(path: Path, config: PreprocessConfig, roots: Sequence[Path]) -> NDArray[np.uint8]:
    """An image of the folder; a link that was put there does not lead outside."""
    try:
        content = io.BytesIO(read_user_file(path, most_bytes=MAX_FILE_BYTES, roots=roots))
    except OSError as err:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {err.strerror}.", "Check that it is an image file."
        ) from err
    return load_pixels(content, config, name=path.name)
