"""Arrays on disk with the state of each row, so that nothing is computed twice.

A cache is a folder with `rows.npy` (memory-mapped, one row per sample), `checksums.npy` (CRC-32 of
each row) and `state.npy` (one byte per row). Rows are written before their checksum, and these
before their state, so a killed computation continues where it stopped. A job compares the rows that
it needs with their checksums once: what was damaged on disk is computed again.
"""

import json
import shutil
import tokenize
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_to_json
from core.errors import TouchstoneError
from core.files import atomic_folder, require_space

MISSING, READY, FAILED = 0, 1, 2
_FILES = ("rows.npy", "checksums.npy", "state.npy")
# What NumPy raises for a file that is missing, cut, or whose first bytes are damaged.
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    tokenize.TokenError,
    TypeError,
    OverflowError,
    MemoryError,
)
_COMPARED_BYTES = 64_000_000  # between two reports of progress
_Arrays = tuple[
    "np.memmap[tuple[int, ...], np.dtype[np.generic]]",
    "np.memmap[tuple[int, ...], np.dtype[np.uint32]]",
    "np.memmap[tuple[int, ...], np.dtype[np.uint8]]",
]


@dataclass(frozen=True)
class RowCache:
    """A memory-mapped array [N, …], the CRC-32 of each row, and the state of its rows.

    `repair` computes those of some rows anew that the disk has damaged; None: it was done.
    """

    folder: Path
    rows: "np.memmap[tuple[int, ...], np.dtype[np.generic]]"
    checksums: "np.memmap[tuple[int, ...], np.dtype[np.uint32]]"
    state: "np.memmap[tuple[int, ...], np.dtype[np.uint8]]"
    repair: Callable[[NDArray[np.intp]], None] | None = None

    def intact(self, positions: NDArray[np.intp]) -> NDArray[np.generic]:
        """These rows, as they were once computed."""
        if self.repair is not None:
            self.repair(positions)
        return np.asarray(self.rows[positions])

    @property
    def ready(self) -> NDArray[np.bool_]:
        """[N], True if the row can be used."""
        return np.asarray(self.state == READY)

    def todo(
        self, wanted: NDArray[np.intp] | None, on_progress: Callable[[int, int], None]
    ) -> NDArray[np.intp]:
        """Those of the wanted positions that have to be computed: never done, or damaged since.

        Failed ones are tried again only after reopening.

        Args:
            wanted: positions; None: all.
            on_progress: called with the ready rows and all; may raise to stop.
        """
        wanted = np.arange(len(self.state)) if wanted is None else wanted
        ready = wanted[self.state[wanted] == READY]
        at_once = max(1, _COMPARED_BYTES // max(1, self.rows[:1].nbytes))
        for start in range(0, len(ready), at_once):
            on_progress(len(ready), len(wanted))
            part = ready[start : start + at_once]
            damaged = part[self._computed_checksums(part) != self.checksums[part]]
            if len(damaged):
                self.mark(damaged, MISSING)
        return self.missing(wanted)

    def missing(self, wanted: NDArray[np.intp] | None) -> NDArray[np.intp]:
        """Those of the wanted positions that were never computed; None: of all."""
        wanted = np.arange(len(self.state)) if wanted is None else wanted
        missing: NDArray[np.intp] = wanted[self.state[wanted] == MISSING]
        return missing

    def mark(self, positions: Sequence[int] | NDArray[np.intp], state: int) -> None:
        """Record that rows are ready or failed, after their content was flushed."""
        self.rows.flush()
        if state == READY:
            self.checksums[positions] = self._computed_checksums(positions)
            self.checksums.flush()
        self.state[positions] = state
        self.state.flush()

    def _computed_checksums(
        self, positions: Sequence[int] | NDArray[np.intp]
    ) -> NDArray[np.uint32]:
        rows = np.asarray(self.rows)  # one row of a memory map takes longer to make than to sum
        return np.fromiter((zlib.crc32(rows[i]) for i in positions), np.uint32, len(positions))


def open_row_cache(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> RowCache:
    """The cache in `folder`; a new one if there is none.

    Raises:
        WorkspaceError: if there is not enough disk space.
    """
    rows, checksums, state = _open(folder, shape, dtype) or _made(folder, shape, dtype)
    state[(state != MISSING) & (state != READY)] = MISSING  # failed, or damaged to what is no state
    return RowCache(folder, rows, checksums, state)


def pixel_cache(
    folder: Path, paths: Sequence[Path], config: PreprocessConfig, *, key: str
) -> RowCache:
    """The uint8 pixel cache [N, S, S, 3] of these images, shared by all runs with this config.

    Args:
        folder: of all pixel caches.
        paths: the images, in sample order.
        config: how they become pixels.
        key: names images and order, for example the dataset's id and digest.
    """
    side = config.image_size_px
    cache = open_row_cache(folder / f"{key}-{config.digest}", (len(paths), side, side, 3), np.uint8)
    (cache.folder / "config.json").write_text(config_to_json(config))
    return cache


def fill_pixels(
    cache: RowCache,
    paths: Sequence[Path],
    config: PreprocessConfig,
    *,
    on_progress: Callable[[int, int], None],
    wanted: NDArray[np.intp] | None = None,
    compare: bool = True,
) -> dict[int, str]:
    """Compute the rows that are missing or damaged in other processes.

    Args:
        cache: to fill.
        paths: the images, in row order.
        config: how they become pixels.
        on_progress: called with done, total; may raise to stop, nothing is lost.
        wanted: positions that are needed; None: all.
        compare: look for damaged rows, which reads all that are there.

    Returns:
        Position -> reason for images that could not be read; their rows stay unusable.
    """
    total = len(paths) if wanted is None else len(wanted)
    todo = np.sort(cache.todo(wanted, on_progress) if compare else cache.missing(wanted))
    failures: dict[int, str] = {}
    done: list[int] = []
    on_progress(total - len(todo), total)
    work = partial(_write_row, cache.folder / "rows.npy", config)
    for number, outcome in run_isolated(work, [(int(i), paths[i]) for i in todo]):
        position = int(todo[number])
        if isinstance(outcome, TouchstoneError):
            failures[position] = outcome.message
            cache.mark([position], FAILED)
        else:
            done.append(position)
        if len(done) >= 512 or number + 1 == len(todo):
            cache.mark(done, READY)
            done.clear()
        on_progress(total - len(todo) + number + 1, total)
    return failures


def _write_row(rows_path: Path, config: PreprocessConfig, item: tuple[int, Path]) -> None:
    position, path = item
    rows = open_memmap(rows_path, mode="r+")
    rows[position] = load_pixels(path, config)


def _open(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> "_Arrays | None":
    """The arrays of a folder; None if one is missing, truncated or of another shape.

    Earlier versions wrote no checksums: their caches are made anew.
    """
    try:
        for name in _FILES:
            open_memmap(folder / name, mode="r")  # "r+" would extend a truncated file
        rows, checksums, state = (open_memmap(folder / name, mode="r+") for name in _FILES)
    except _UNREADABLE:
        return None
    kinds = [(a.shape, a.dtype) for a in (rows, checksums, state)]
    one_each = shape[:1]
    fits = kinds == [
        (shape, np.dtype(dtype)),
        (one_each, np.dtype(np.uint32)),
        (one_each, np.dtype(np.uint8)),
    ]
    return (rows, checksums, state) if fits else None


def _made(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> "_Arrays":
    """The arrays of a new cache, or those that another process has just made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Why a lock next to the folder of all caches: inside, it would be taken for a cache.
    with FileLock(folder.parent.with_name(f"{folder.parent.name}.lock")):
        opened = _open(folder, shape, dtype)
        if opened is None:
            _create(folder, shape, dtype)
            opened = _open(folder, shape, dtype)
            assert opened is not None
    return opened


def _create(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # whatever is there cannot be used
    needed = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    require_space(folder.parent, needed, f"The cache of {shape[0]:,} images")
    with atomic_folder(folder) as unfinished:
        open_memmap(unfinished / "rows.npy", mode="w+", dtype=np.dtype(dtype), shape=shape)
        for name, kind in (("checksums.npy", np.uint32), ("state.npy", np.uint8)):
            open_memmap(unfinished / name, mode="w+", dtype=kind, shape=shape[:1])
        (unfinished / "about.json").write_text(json.dumps({"shape": shape, "bytes": needed}))
