"""Results of models as the pages read them: computed once, shared by all sessions.

The keys hold everything that the numbers depend on, so that an edit of the dataset is seen at once.
What takes a second with very many pictures is begun ahead, while people look at something else.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Timer
from typing import Generic, TypeVar

import streamlit as st

from core.domain import Model, Subset
from core.errors import ConfigError
from core.evaluation.calibration import Temperature
from core.evaluation.decisions import OperatingPoint
from core.evaluation.metrics import EvaluationReport
from core.workflows import decisions, evaluation
from core.workflows.evaluation import Judgement
from core.workspace import Workspace

Result = TypeVar("Result")
State = tuple[object, ...]
Columns = dict[str, list[str | None]]

# Before anything is begun ahead: a click that follows at once must not be slowed by it.
QUIET_S = 1.5
_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")


class Ahead(Generic[Result]):
    """A value that is computed in a thread of its own, soon, or at once when it is asked for."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._lock = Lock()
        self._future: Future[Result] | None = None
        self._timer = Timer(QUIET_S, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def value(self, words: str) -> Result:
        """The value; says these words while it is waited for."""
        self._timer.cancel()
        future = self._begin()
        if future.done():
            return future.result()
        with st.spinner(words):
            return future.result()

    def _begin(self) -> Future[Result]:
        with self._lock:
            if self._future is None:
                self._future = _pool.submit(self._function)
            return self._future


def judgement(workspace: Workspace, model: Model, subset: Subset) -> Judgement:
    """A model on a subset, with today's labels; its arrays are shared and read-only."""
    return _judgement(workspace, model.id, subset.value, decisions.state_of(workspace, model))


def report(workspace: Workspace, model: Model, subset: Subset) -> EvaluationReport:
    """All numbers, also those that take a second or two with very many pictures."""
    return _report_ahead(workspace, model, subset).value("Computing all measures …")


def temperature(workspace: Workspace, model: Model) -> Temperature | None:
    """The calibration fitted on validation, or None."""
    found = _temperature(workspace, model.id, decisions.state_of(workspace, model))
    return found.value("Fitting the calibration …")


def saved_point(workspace: Workspace, model: Model) -> OperatingPoint | None:
    """The decision rule kept with a model; None for none, or one that `rule_problem` tells of."""
    if rule_problem(workspace, model) is not None:
        return None
    rule = decisions.saved_rule(workspace, model.id)
    return rule.point if rule else None


def rule_problem(workspace: Workspace, model: Model) -> ConfigError | None:
    """Why the decision rule kept with a model cannot be used, or None."""
    try:
        decisions.saved_rule(workspace, model.id)
    except ConfigError as err:
        return err
    return None


def columns(workspace: Workspace, model: Model, subset: Subset) -> Columns:
    """What the pictures can be sliced by."""
    return _columns_ahead(workspace, model, subset).value("Reading the properties …")


def prepare(workspace: Workspace, model: Model, subset: Subset) -> None:
    """Begin what the other tabs need, in a thread of its own."""
    _temperature(workspace, model.id, decisions.state_of(workspace, model))
    _columns_ahead(workspace, model, subset)
    _report_ahead(workspace, model, subset)


def _report_ahead(workspace: Workspace, model: Model, subset: Subset) -> Ahead[EvaluationReport]:
    found = judgement(workspace, model, subset)
    return _report(found, model.id, subset.value, decisions.state_of(workspace, model))


def _columns_ahead(workspace: Workspace, model: Model, subset: Subset) -> Ahead[Columns]:
    found = judgement(workspace, model, subset)
    return _columns(workspace, found, model.id, subset.value,
                    decisions.state_of(workspace, model))  # fmt: skip


@st.cache_resource(max_entries=6, show_spinner="Reading the results …")
def _judgement(_workspace: Workspace, model_id: str, subset: str, state: State) -> Judgement:
    return evaluation.judge(_workspace, model_id, Subset(subset))


@st.cache_resource(max_entries=6, show_spinner=False)
def _report(_found: Judgement, model_id: str, subset: str, state: State) -> Ahead[EvaluationReport]:
    return Ahead(lambda: evaluation.report_of(_found.judged))


@st.cache_resource(max_entries=12, show_spinner=False)
def _temperature(_workspace: Workspace, model_id: str, state: State) -> Ahead[Temperature | None]:
    return Ahead(lambda: evaluation.temperature_of(_workspace, model_id))


@st.cache_resource(max_entries=4, show_spinner=False)
def _columns(
    _workspace: Workspace, _found: Judgement, model_id: str, subset: str, state: State
) -> Ahead[Columns]:
    return Ahead(lambda: evaluation.slice_columns(_workspace, _found.judged.dataset, _found.judged))
