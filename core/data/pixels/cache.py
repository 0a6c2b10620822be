"""Arrays on disk with the state of each row, so that nothing is computed twice.

A cache is a folder with `rows.npy` (memory-mapped, one row per sample) and `state.npy` (one byte
per row). Rows are written before their state, so a killed computation continues where it stopped.
"""

import json
import shutil
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
_Arrays = tuple[
    "np.memmap[tuple[int, ...], np.dtype[np.generic]]",
    "np.memmap[tuple[int, ...], np.dtype[np.uint8]]",
]


@dataclass(frozen=True)
class RowCache:
    """A memory-mapped array [N, …] and the state of its rows."""

    folder: Path
    rows: "np.memmap[tuple[int, ...], np.dtype[np.generic]]"
    state: "np.memmap[tuple[int, ...], np.dtype[np.uint8]]"

    @property
    def missing(self) -> NDArray[np.intp]:
        """Positions that are not computed yet; failed ones are retried only after reopening."""
        return np.flatnonzero(self.state == MISSING)

    @property
    def ready(self) -> NDArray[np.bool_]:
        """[N], True if the row can be used."""
        return np.asarray(self.state == READY)

    def mark(self, positions: Sequence[int] | NDArray[np.intp], state: int) -> None:
        """Record that rows are ready or failed, after their content was flushed."""
        self.rows.flush()
        self.state[positions] = state
        self.state.flush()


def open_row_cache(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> RowCache:
    """The cache in `folder`; a new one if there is none.

    Raises:
        WorkspaceError: if there is not enough disk space.
    """
    opened = _open(folder, shape, dtype) or _made(folder, shape, dtype)
    rows, state = opened
    state[state == FAILED] = MISSING
    return RowCache(folder, rows, state)


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
) -> dict[int, str]:
    """Compute the missing rows in other processes.

    Args:
        cache: to fill.
        paths: the images, in row order.
        config: how they become pixels.
        on_progress: called with done, total; may raise to stop, nothing is lost.
        wanted: positions that are needed; None: all.

    Returns:
        Position -> reason for images that could not be read; their rows stay unusable.
    """
    todo = cache.missing if wanted is None else np.intersect1d(cache.missing, wanted)
    total = len(paths) if wanted is None else len(wanted)
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
    """The arrays of a folder, or None if they are missing, truncated or of another shape."""
    try:
        for name in ("rows.npy", "state.npy"):
            open_memmap(folder / name, mode="r")  # "r+" would extend a truncated file
        rows = open_memmap(folder / "rows.npy", mode="r+")
        state = open_memmap(folder / "state.npy", mode="r+")
    except (OSError, ValueError, EOFError):
        return None
    fits = rows.shape == shape and rows.dtype == np.dtype(dtype) and state.shape == shape[:1]
    return (rows, state) if fits else None


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
        open_memmap(unfinished / "state.npy", mode="w+", dtype=np.uint8, shape=(shape[0],))
        (unfinished / "about.json").write_text(json.dumps({"shape": shape, "bytes": needed}))
