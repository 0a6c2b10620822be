"""A line about a quality check that is missing or has open findings, where that matters next."""

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.findings import Finding, Severity
from core.domain.stages.states import Stage, StageReason
from core.workflows import stages
from core.workflows.data import quality
from core.workspace import Workspace
from pages.ui import stage_words, text
from pages.ui.places import Place

_UNCHECKED = (StageReason.NEVER_CHECKED, StageReason.CHECK_OUTDATED)


def show(workspace: Workspace, dataset: Dataset, why: str) -> None:
    """Say what was not checked, and why it matters here, and name the worst open finding."""
    state = stages.stages_of(workspace, dataset).states[Stage.CHECKED]
    if state.reason in _UNCHECKED:
        reason = text.plain(stage_words.reason_in_words(state))
        _line(dataset, f"{reason} :gray[{why}]", "Check the images", "unchecked")
    finding = quality.worst_finding(workspace, dataset.id)
    if finding is not None:
        _worst(workspace, dataset, finding)


def show_serious(workspace: Workspace, dataset: Dataset) -> Finding | None:
    """Name the worst open finding where it is one that results cannot be trusted with."""
    finding = quality.worst_finding(workspace, dataset.id)
    if finding is None or finding.severity is not Severity.SERIOUS:
        return None
    _worst(workspace, dataset, finding)
    return finding


def _worst(workspace: Workspace, dataset: Dataset, finding: Finding) -> None:
    _line(dataset, _in_words(workspace, finding, dataset), "See the findings", "worst")


def _in_words(workspace: Workspace, finding: Finding, dataset: Dataset) -> str:
    waiting = quality.to_settle(workspace, dataset.id)
    is_one = waiting < 2 or finding.kind.is_statistic  # which wait for no answer
    which = "Open finding" if is_one else f"Worst of {waiting} open findings"
    return f"{which}: {text.plain(finding.message)}"


def _line(dataset: Dataset, words: str, link: str, name: str) -> None:
    """One row, as long as the window is wide enough (`frame.css`)."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"finding_line_{name}"
    ):
        st.markdown(f":orange[:material/warning:] {words}", width="stretch")
        st.page_link(
            Place.QUALITY,
            label=link,
            icon=Place.QUALITY.icon,
            query_params={"dataset": dataset.id},
        )
