"""Single calls in helper processes: with a deadline, a few at a time, with bounded memory.

For what a person waits for. A file may lie on a network drive that does not answer, and decoding
may take gigabytes: neither may happen to the process that serves everybody. Work on many files is
done by `core/data/pixels/isolated_pool.py`.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from loky import ProcessPoolExecutor
from loky.process_executor import ShutdownExecutorError

from core.data.pixels.isolated_pool import limit_process
from core.errors import UnreadableImageError

Result = TypeVar("Result")

WORKERS = 2
TIMEOUT_S = 20.0
MEMORY_BYTES = 3 * 1024**3  # address space of each helper, the libraries included
SILENT_S = 30.0  # a folder that did not answer is not asked again for so long
_IDLE_S = 60
_ATTEMPTS = 3  # a call may be lost with the process of another one

_slots = threading.BoundedSemaphore(WORKERS)
_guard = threading.Lock()
_executors: list[ProcessPoolExecutor] = []  # at most one
_silent_until: dict[Path, float] = {}


def call_apart(path: Path, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call an importable function that reads this file; waits at most `TIMEOUT_S` for a result.

    Raises:
        UnreadableImageError: if the folder of the file does not answer, or the process ended.
        TouchstoneError: what the function raised.
    """
    _refuse_silent(path)
    for _ in range(_ATTEMPTS):
        with _slots:
            _refuse_silent(path)  # it may have fallen silent while this call waited
            executor = _executor()
            try:
                result: Result = executor.submit(function, *arguments).result(timeout=TIMEOUT_S)
                return result
            except FutureTimeoutError as err:
                _silent_until[path.parent] = time.monotonic() + SILENT_S
                _discard(executor)
                raise _silent(path) from err
            except (BrokenProcessPool, ShutdownExecutorError, CancelledError):
                _discard(executor)
    raise UnreadableImageError(
        f"Reading {path.name} ended the process that read it.",
        "The file is damaged, or needs more memory than it may have. Export it again.",
    )


def shut_down() -> None:
    """End the helper processes of this process; the next call starts new ones."""
    for executor in [*_executors]:
        _discard(executor)


def _executor() -> ProcessPoolExecutor:
    with _guard:
        if not _executors:
            _executors.append(
                ProcessPoolExecutor(
                    WORKERS, timeout=_IDLE_S, initializer=limit_process, initargs=(MEMORY_BYTES, 0)
                )
            )
        return _executors[0]


def _discard(executor: ProcessPoolExecutor) -> None:
    with _guard:
        if executor in _executors:
            _executors.remove(executor)
    # Why not waited for: a process that reads from a dead drive may not even be killed.
    executor.shutdown(wait=False, kill_workers=True)


def _refuse_silent(path: Path) -> None:
    if time.monotonic() < _silent_until.get(path.parent, 0.0):
        raise _silent(path)


def _silent(path: Path) -> UnreadableImageError:
    return UnreadableImageError(
        f"{path.name} could not be read within {TIMEOUT_S:.0f} s.",
        "Its network drive may not answer. Check the drive, then reload the page.",
    )
