"""A line about a quality check that is missing or has open findings, where that matters next."""

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.stages.states import Stage, StageReason
from core.workflows import stages
from core.workspace import Workspace
from pages.ui import stage_words, text
from pages.ui.places import Place

_MATTERS = (
    StageReason.NEVER_CHECKED,
    StageReason.CHECK_OUTDATED,
    StageReason.SERIOUS_FINDINGS,
    StageReason.OPEN_FINDINGS,
)


def show(workspace: Workspace, dataset: Dataset, why: str) -> None:
    """Say what is open and why it should be settled now; nothing where all is settled."""
    state = stages.stages_of(workspace, dataset).states[Stage.CHECKED]
    if state.reason not in _MATTERS:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="open_findings"):
        words = text.plain(stage_words.reason_in_words(state))
        st.markdown(f":orange[:material/warning:] {words} :gray[{why}]", width="content")
        st.page_link(
            Place.QUALITY,
            label="Quality",
            icon=Place.QUALITY.icon,
            query_params={"dataset": dataset.id},
        )
