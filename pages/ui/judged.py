"""Results of models as the pages read them: computed once, shared by all sessions.

The keys hold everything that the numbers depend on, so that an edit of the dataset is seen at once.
"""

import streamlit as st

from core.domain import Model, Subset
from core.errors import ConfigError
from core.evaluation.calibration import Temperature
from core.evaluation.decisions import OperatingPoint
from core.evaluation.metrics import EvaluationReport
from core.workflows import decisions, evaluation
from core.workflows.evaluation import Judgement
from core.workspace import Workspace

State = tuple[object, ...]


def judgement(workspace: Workspace, model: Model, subset: Subset) -> Judgement:
    """A model on a subset, with today's labels; its arrays are shared and read-only."""
    return _judgement(workspace, model.id, subset.value, decisions.state_of(workspace, model))


def report(workspace: Workspace, model: Model, subset: Subset) -> EvaluationReport:
    """All numbers, also those that take a second with many pictures."""
    found = judgement(workspace, model, subset)
    return _report(found, model.id, subset.value, decisions.state_of(workspace, model))


def temperature(workspace: Workspace, model: Model) -> Temperature | None:
    """The calibration fitted on validation, or None."""
    return _temperature(workspace, model.id, decisions.state_of(workspace, model))


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


def columns(workspace: Workspace, model: Model, subset: Subset) -> dict[str, list[str | None]]:
    """What the pictures can be sliced by."""
    found = judgement(workspace, model, subset)
    return _columns(workspace, found, model.id, subset.value,
                    decisions.state_of(workspace, model))  # fmt: skip


@st.cache_resource(max_entries=6, show_spinner="Reading the results …")
def _judgement(_workspace: Workspace, model_id: str, subset: str, state: State) -> Judgement:
    return evaluation.judge(_workspace, model_id, Subset(subset))


@st.cache_resource(max_entries=6, show_spinner="Computing all measures …")
def _report(_found: Judgement, model_id: str, subset: str, state: State) -> EvaluationReport:
    return evaluation.report_of(_found.judged)


@st.cache_resource(max_entries=12, show_spinner="Fitting the calibration …")
def _temperature(_workspace: Workspace, model_id: str, state: State) -> Temperature | None:
    return evaluation.temperature_of(_workspace, model_id)


@st.cache_resource(max_entries=4, show_spinner="Reading the properties of the pictures …")
def _columns(
    _workspace: Workspace, _found: Judgement, model_id: str, subset: str, state: State
) -> dict[str, list[str | None]]:
    return evaluation.slice_columns(_workspace, _found.judged.dataset, _found.judged)
