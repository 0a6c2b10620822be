"""Results of models as pages read them: one shelf for all sessions, and words while one waits."""

from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.report import EvaluationReport
from core.workflows.results import thresholds
from core.workflows.results.evaluation import CalibrationComparison
from core.workflows.results.judging import JudgedSet
from core.workflows.results.memory import Memory
from core.workflows.results.shelf import (
    LazyResult,
    Prefetch,
    Result,
    Shelf,
    ShelfEntry,
    SliceColumns,
)
from core.workflows.training import record
from core.workspace import Workspace
from pages.ui import counting, text


@st.cache_resource
def _shelf_of(root: str) -> Shelf:
    return Shelf(Workspace(Path(root)))


def memory(workspace: Workspace) -> Memory:
    """What was read of datasets and models, shared by all sessions."""
    return _shelf_of(str(workspace.root)).memory


def _entry(workspace: Workspace, model: Model, subset: Subset) -> ShelfEntry:
    shelf = _shelf_of(str(workspace.root))
    return shelf.find(
        model,
        subset,
        reading=lambda: st.spinner("Reading the results …"),
        counting=counting.chosen(),
    )


def _value(lazy: LazyResult[Result], words: str) -> Result:
    """The value; shows these words while it is computed."""
    future = lazy.begin()
    try:
        if future.done():
            return future.result()
        with st.spinner(words):
            return future.result()
    except CancelledError:  # somebody edited the dataset: there is a newer state to show
        st.rerun()


def judgement(workspace: Workspace, model: Model, subset: Subset) -> JudgedSet:
    """A model on a subset, with today's labels; its arrays are shared and read-only."""
    return _entry(workspace, model, subset).judged


def judgement_aside(workspace: Workspace, model: Model, subset: Subset) -> JudgedSet:
    """Like `judgement`, for what is answered beside the pages: without words while one waits."""
    return _shelf_of(str(workspace.root)).find(model, subset).judged


def report(workspace: Workspace, model: Model, subset: Subset) -> EvaluationReport:
    """All numbers, also those that take a second or two with very many images."""
    return _value(_entry(workspace, model, subset).report, "Computing all measures …")


def calibration(workspace: Workspace, model: Model, subset: Subset) -> CalibrationComparison:
    """How well confidences match the share that is right, before and after calibration."""
    return _value(_entry(workspace, model, subset).calibration, "Fitting the calibration …")


def about_validation(workspace: Workspace, shown: Sequence[Model]) -> None:
    """Says for each model where results on validation images are not those on new images."""
    for model in shown:
        if sentences := record.validation_in_words(workspace, model):
            st.caption(f"{text.plain(model.name)} · {' '.join(sentences)}")


def columns(workspace: Workspace, model: Model, subset: Subset) -> SliceColumns:
    """What the images can be sliced by."""
    return _value(_entry(workspace, model, subset).columns, "Reading the properties …")


def saved_point(workspace: Workspace, model: Model) -> OperatingPoint | None:
    """The decision rule saved with a model; None for none, or one that `rule_problem` reports."""
    if rule_problem(workspace, model) is not None:
        return None
    rule = thresholds.saved_rule(workspace, model.id)
    return rule.point if rule else None


def rule_problem(workspace: Workspace, model: Model) -> ConfigError | None:
    """Why the decision rule saved with a model cannot be used, or None."""
    try:
        thresholds.saved_rule(workspace, model.id)
    except ConfigError as err:
        return err
    return None


def prepare(workspace: Workspace, model: Model, subset: Subset) -> None:
    """Compute what the other tabs need, once this session has left the page alone for a while."""
    cancel_prefetch()
    st.session_state.prefetch = Prefetch(_entry(workspace, model, subset))


def cancel_prefetch() -> None:
    """Do not compute what was to be prepared; the next `prepare` asks for it again."""
    earlier: Prefetch | None = st.session_state.get("prefetch")
    if earlier is not None:
        earlier.cancel()
