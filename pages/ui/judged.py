"""Results of models as the pages read them: computed once, shared by all sessions.

The keys hold everything that the numbers depend on, so that an edit of the dataset is seen at once.
What takes a second with very many images is begun ahead, while people look at something else.
"""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, RLock, Timer
from typing import Any, Generic, TypeVar

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.measures.classification import EvaluationReport
from core.workflows.results import evaluation, thresholds
from core.workflows.results.evaluation import CalibrationComparison, Judgement
from core.workflows.results.memory import Memory, Recent
from core.workspace import Workspace

Result = TypeVar("Result")
State = tuple[object, ...]
SliceColumns = dict[str, list[str | None]]

# Without a click, before anything is begun ahead: the next click must not be slowed by it.
QUIET_S = 1.5
_MOST_JUDGED = 6
_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")


class LazyResult(Generic[Result]):
    """A value that is computed in a thread of its own, once it is begun or asked for."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function: Callable[[], Result] | None = function
        self._lock = Lock()
        self._future: Future[Result] | None = None

    def value(self, words: str) -> Result:
        """The value; says these words while it is waited for."""
        future = self.begin()
        try:
            if future.done():
                return future.result()
            with st.spinner(words):
                return future.result()
        except CancelledError:  # somebody edited meanwhile: there is a newer state to show
            st.rerun()

    def drop(self) -> None:
        """Nobody will ask any more; what has not begun is not computed."""
        with self._lock:
            self._function = None
            if self._future is not None:
                self._future.cancel()

    def begin(self) -> Future[Result]:
        """Compute it, if nobody has yet."""
        with self._lock:
            if self._future is None and self._function is not None:
                self._future = _pool.submit(self._function)
                self._function = None  # what it holds shall go when the value is there
            if self._future is None:  # dropped
                self._future = Future()
                self._future.cancel()
            return self._future


@dataclass(frozen=True)
class _Judged:
    """A model on a subset at one state of its dataset, and what tabs need further."""

    state: State
    judgement: Judgement
    report: LazyResult[EvaluationReport]
    columns: LazyResult[SliceColumns]
    calibration: LazyResult[CalibrationComparison]


class _Shelf:
    """The newest state of what was judged last; shared by all sessions."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.memory = workspace, Memory()
        self._lock = RLock()
        self._judged: Recent[_Judged] = Recent(_MOST_JUDGED)

    def find(self, model: Model, subset: Subset) -> _Judged:
        """A model on a subset, with today's labels."""
        key, state = (model.id, subset), thresholds.state_of(self.workspace, model)
        with self._lock:
            if key in self._judged and self._judged[key].state == state:
                return self._judged[key]
            # Why first: nobody asks for an older state, and the new one can use its memory.
            old = self._judged.pop(key, None)
            for ahead in (old.report, old.columns, old.calibration) if old else ():
                ahead.drop()
            del old
            with st.spinner("Reading the results …"):
                found = evaluation.judge(self.workspace, model.id, subset, self.memory)
            self._judged[key] = _Judged(
                state,
                found,
                LazyResult(lambda: evaluation.report_of(found.judged)),
                LazyResult(
                    lambda: evaluation.slice_columns(
                        self.workspace, found.judged.dataset, found.judged
                    )
                ),
                LazyResult(
                    lambda: evaluation.compare_calibration(
                        self.workspace, found.judged, self.memory
                    )
                ),
            )
            return self._judged[key]


@st.cache_resource
def _shelf_of(root: str) -> _Shelf:
    return _Shelf(Workspace(Path(root)))


def _shelf(workspace: Workspace) -> _Shelf:
    return _shelf_of(str(workspace.root))


def judgement(workspace: Workspace, model: Model, subset: Subset) -> Judgement:
    """A model on a subset, with today's labels; its arrays are shared and read-only."""
    return _shelf(workspace).find(model, subset).judgement


def report(workspace: Workspace, model: Model, subset: Subset) -> EvaluationReport:
    """All numbers, also those that take a second or two with very many images."""
    return _shelf(workspace).find(model, subset).report.value("Computing all measures …")


def calibration(workspace: Workspace, model: Model, subset: Subset) -> CalibrationComparison:
    """How honest the confidences are, before and after calibration."""
    return _shelf(workspace).find(model, subset).calibration.value("Fitting the calibration …")


def saved_point(workspace: Workspace, model: Model) -> OperatingPoint | None:
    """The decision rule kept with a model; None for none, or one that `rule_problem` tells of."""
    if rule_problem(workspace, model) is not None:
        return None
    rule = thresholds.saved_rule(workspace, model.id)
    return rule.point if rule else None


def rule_problem(workspace: Workspace, model: Model) -> ConfigError | None:
    """Why the decision rule kept with a model cannot be used, or None."""
    try:
        thresholds.saved_rule(workspace, model.id)
    except ConfigError as err:
        return err
    return None


def columns(workspace: Workspace, model: Model, subset: Subset) -> SliceColumns:
    """What the images can be sliced by."""
    return _shelf(workspace).find(model, subset).columns.value("Reading the properties …")


def prepare(workspace: Workspace, model: Model, subset: Subset) -> None:
    """Begin what the other tabs need, once this session has left the page alone for a while."""
    found = _shelf(workspace).find(model, subset)
    soon: list[LazyResult[Any]] = [found.calibration, found.columns, found.report]
    cancel_prefetch()
    timer = Timer(QUIET_S, lambda: [item.begin() for item in soon])
    timer.daemon = True
    timer.start()
    st.session_state.begins_ahead = timer


def cancel_prefetch() -> None:
    """Do not begin what was to be prepared; the next `prepare` asks for it again."""
    before: Timer | None = st.session_state.get("begins_ahead")
    if before is not None:
        before.cancel()
