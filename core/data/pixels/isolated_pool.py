"""Work on many files in other processes, so that one bad file cannot stop all the others.

A reader may crash its process, hang, or request absurd amounts of memory. Files are processed in
chunks; if a chunk is lost, its files are tried again one by one, and only the culprit fails.
"""

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, TypeVar

from loky import ProcessPoolExecutor

from core.errors import TouchstoneError, UnreadableImageError

Item = TypeVar("Item")
Result = TypeVar("Result")
PoolResult = tuple[int, Result | TouchstoneError]
_Worked = tuple[list[Result | TouchstoneError], float]  # of a chunk, and the seconds it took

CHUNK_ITEMS = 64
CHUNK_S = 0.1  # how long a chunk should take: short enough to show progress and to share the work
ITEM_TIMEOUT_S = 30.0
CHUNK_TIMEOUT_ITEMS = 4  # a chunk may take as long as this many hanging items
MEMORY_LIMIT_BYTES = 6 * 1024**3


def worker_count() -> int:
    """Processes to use: one per core."""
    return max(1, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


def run_isolated(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    item_timeout_s: float = ITEM_TIMEOUT_S,
) -> Iterator[PoolResult[Result]]:
    """Apply a function of an importable module to every item; yields (position, result) in order.

    A TouchstoneError of one item takes the place of its result; any other error, a crash and a hang
    become one.
    """
    with isolated(function, workers=workers, item_timeout_s=item_timeout_s) as run:
        yield from run(items)


@contextlib.contextmanager
def isolated(
    function: Callable[[Item], Result],
    *,
    workers: int | None = None,
    item_timeout_s: float = ITEM_TIMEOUT_S,
) -> Iterator[Callable[[Sequence[Item]], Iterator[PoolResult[Result]]]]:
    """What `run_isolated` does, again and again by the same processes."""
    pool = _Pool(function, workers or worker_count(), item_timeout_s)
    with contextlib.closing(pool):
        yield pool.run


def next_size(done: int, seconds: float) -> int:
    """Items of the next chunk, given the size and time of the last; at most twice as many."""
    fitting = CHUNK_S * done / max(seconds, 1e-9)
    return int(min(max(1, fitting), 2 * done, CHUNK_ITEMS))


def serve_parent(nice: int = 10) -> None:
    """Set up a helper process: low priority, and end when the parent process ends."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(nice)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


class _Pool(Generic[Item, Result]):
    def __init__(
        self, function: Callable[[Item], Result], workers: int, item_timeout_s: float
    ) -> None:
        self.function = function
        self.workers = workers
        self.item_timeout_s = item_timeout_s
        self.executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.workers, timeout=60, initializer=limit_process)

    def close(self) -> None:
        self.executor.shutdown(wait=True, kill_workers=True)

    def run(self, items: Sequence[Item]) -> Iterator[PoolResult[Result]]:
        waiting = 0  # everything from here on has not been submitted yet
        size = 1  # of the next chunk; adapts to the time of the items
        flying: deque[tuple[int, Sequence[Item], Future[_Worked[Result]]]] = deque()
        while waiting < len(items) or flying:
            while waiting < len(items) and len(flying) < 3 * self.workers:
                chunk = items[waiting : waiting + size]
                flying.append((waiting, chunk, self._submit(chunk)))
                waiting += len(chunk)
            start, chunk, future = flying.popleft()
            try:
                results, seconds = future.result(timeout=CHUNK_TIMEOUT_ITEMS * self.item_timeout_s)
            except (BrokenProcessPool, FutureTimeoutError):
                # Why: the other submitted chunks died with the pool and are submitted again.
                waiting = start + len(chunk)
                flying.clear()
                self._restart()
                results = [self._alone(item) for item in chunk]
            else:
                size = next_size(len(chunk), seconds)
            yield from enumerate(results, start=start)

    def _submit(self, chunk: Sequence[Item]) -> "Future[_Worked[Result]]":
        return self.executor.submit(_apply, self.function, list(chunk))  # type: ignore[no-any-return]

    def _alone(self, item: Item) -> Result | TouchstoneError:
        try:
            return self._submit([item]).result(timeout=self.item_timeout_s)[0][0]
        except FutureTimeoutError:
            reason = f"took more than {self.item_timeout_s:.0f} s"
        except BrokenProcessPool:
            reason = "crashed the decoder"
        self._restart()
        return UnreadableImageError(
            f"Reading this file {reason}.", "The file is damaged. Export it again."
        )

    def _restart(self) -> None:
        self.executor.shutdown(wait=True, kill_workers=True)
        self.executor = self._start()


def limit_process(memory_bytes: int = MEMORY_LIMIT_BYTES, nice: int = 10) -> None:
    """Set up a helper process that decodes: as `serve_parent`, with bounded memory."""
    serve_parent(nice)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # POSIX only

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _apply(function: Callable[[Item], Result], chunk: list[Item]) -> "_Worked[Result]":
    started = time.perf_counter()
    results: list[Result | TouchstoneError] = []
    for item in chunk:
        try:
            results.append(function(item))
        except TouchstoneError as err:
            results.append(err)
        except MemoryError:
            results.append(
                UnreadableImageError(
                    "Reading this file needs more memory than there is.",
                    "Reduce it, or divide it into several images.",
                )
            )
        except Exception as err:  # one odd file must not end the work on all others
            results.append(
                UnreadableImageError(
                    f"Reading this file failed: {type(err).__name__}: {err}.",
                    "The file may be damaged. Export it again.",
                )
            )
    return results, time.perf_counter() - started


def _end_with_parent(parent: int) -> None:
    # Why: a parent that was killed cannot shut its children down. (Windows keeps the old id.)
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
