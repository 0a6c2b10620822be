"""What the pages show of models, computed once and shared by all sessions.

An entry is found by everything that its numbers depend on, so that an edit of the dataset shows at
once. What takes seconds with very many images is computed in a thread of its own, begun while
people look at something else.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from threading import Lock, RLock, Timer
from typing import Generic, TypeVar

from core.domain.keeping.people import PROGRAM, acting_as
from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.splits import Subset
from core.evaluation.report import EvaluationReport
from core.workflows.results import evaluation
from core.workflows.results.evaluation import CalibrationComparison
from core.workflows.results.judging import JudgedSet
from core.workflows.results.memory import Memory, Recent
from core.workflows.results.thresholds import state_of
from core.workspace import Workspace

Result = TypeVar("Result")
SliceColumns = dict[str, list[str | None]]

# Seconds without a click before anything is begun ahead: the next click must not be slowed by it.
QUIET_S = 1.5
_MOST_JUDGED = 6
_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")


class LazyResult(Generic[Result]):
    """A value that is computed in a thread of its own, once it is begun or asked for."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function: Callable[[], Result] | None = function
        self._lock = Lock()
        self._future: Future[Result] | None = None

    def begin(self) -> Future[Result]:
        """Compute it, if nobody has yet; the future of a dropped value is cancelled."""
        with self._lock:
            if self._future is None and self._function is not None:
                self._future = _pool.submit(_by_program, self._function)
                self._function = None  # what it holds is freed when the value is there
            if self._future is None:  # dropped
                self._future = Future()
                self._future.cancel()
            return self._future

    def drop(self) -> None:
        """Nobody will ask any more; what has not begun is not computed."""
        with self._lock:
            self._function = None
            if self._future is not None:
                self._future.cancel()


def _by_program(function: Callable[[], Result]) -> Result:
    """Compute what all sessions share; who asked for it first does not matter."""
    with acting_as(PROGRAM):
        return function()


@dataclass(frozen=True)
class ShelfEntry:
    """A model on a subset at one state of its dataset; the state changes with every edit."""

    state: tuple[object, ...]
    judged: JudgedSet
    report: LazyResult[EvaluationReport]
    columns: LazyResult[SliceColumns]
    calibration: LazyResult[CalibrationComparison]

    def begin_all(self) -> None:
        """Compute everything, the quickest first."""
        self.calibration.begin()
        self.columns.begin()
        self.report.begin()

    def drop(self) -> None:
        """Compute nothing any more."""
        self.report.drop()
        self.columns.drop()
        self.calibration.drop()


class Shelf:
    """The newest state of the models that were judged last; safe to share between threads."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.memory = workspace, Memory()
        self._lock = RLock()
        self._entries: Recent[ShelfEntry] = Recent(_MOST_JUDGED)

    def find(
        self,
        model: Model,
        subset: Subset,
        reading: Callable[[], AbstractContextManager[object]] = nullcontext,
        counting: Counting = Counting.AUTO,
    ) -> ShelfEntry:
        """A model on a subset, with today's labels.

        Args:
            model: whose predictions.
            subset: which images.
            reading: entered while the predictions are read, where they are not at hand.
            counting: what counts as one decision.

        Raises:
            ConfigError: if a stored probability is not a number.
            NotFoundError: if nothing is stored.
            SealedError: if the test set is sealed and was not opened for this model.
        """
        key, state = (model.id, subset, counting), state_of(self.workspace, model)
        with self._lock:
            if key in self._entries and self._entries[key].state == state:
                return self._entries[key]
            # Why first: nobody asks for an older state, and the new one can use its memory.
            older = self._entries.pop(key, None)
            if older is not None:
                older.drop()
            del older
            with reading():
                judged = evaluation.judge(self.workspace, model.id, subset, self.memory)
            self._entries[key] = self._entry(state, judged.counted_by(counting))
            return self._entries[key]

    def _entry(self, state: tuple[object, ...], judged: JudgedSet) -> ShelfEntry:
        workspace = self.workspace
        return ShelfEntry(
            state,
            judged,
            LazyResult(lambda: evaluation.report_of(judged)),
            LazyResult(lambda: evaluation.slice_columns(workspace, judged.dataset, judged)),
            LazyResult(lambda: evaluation.compare_calibration(workspace, judged, self.memory)),
        )


class Prefetch:
    """Computes an entry whole, unless it is cancelled within the quiet time."""

    def __init__(self, entry: ShelfEntry, *, quiet_s: float = QUIET_S) -> None:
        self._entry = entry
        self._timer = Timer(quiet_s, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def _begin(self) -> None:
        # Why suppressed: the server may be stopped within the quiet time; no thread starts then.
        with suppress(RuntimeError):
            self._entry.begin_all()

    def cancel(self) -> None:
        """Begin nothing; what has begun goes on."""
        self._timer.cancel()
