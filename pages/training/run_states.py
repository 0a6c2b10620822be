"""The states of runs as they are shown: each with a shape, a word and what one can do."""

import streamlit as st

from core.domain.training import RunState
from core.workflows.training.run_words import next_in_words, state_in_words
from pages.ui import widgets
from pages.ui.text import BadgeColour

LOOKS: dict[RunState, tuple[str, BadgeColour]] = {
    RunState.RUNNING: (":material/progress_activity:", "blue"),
    RunState.QUEUED: (":material/schedule:", "gray"),
    RunState.COMPLETED: (":material/check_circle:", "green"),
    RunState.STOPPED_WITH_MODEL: (":material/deployed_code_history:", "green"),
    RunState.PAUSED: (":material/pause_circle:", "gray"),
    RunState.STOPPED: (":material/stop_circle:", "orange"),
    RunState.INTERRUPTED: (":material/power_off:", "orange"),
    RunState.FAILED: (":material/error:", "red"),
}


def badge(state: RunState) -> None:
    """State of one run."""
    icon, colour = LOOKS[state]
    st.badge(state_in_words(state), icon=icon, color=colour)


def key_of_states(*, has_epochs: bool) -> None:
    """All states of such a run and what one can do in each, behind a small button."""
    with widgets.why("run_states", "States"):
        for state, (icon, _) in LOOKS.items():
            if has_epochs or state is not RunState.STOPPED_WITH_MODEL:
                words = next_in_words(state, has_epochs=has_epochs)
                st.markdown(f"{icon} **{state_in_words(state)}**: {words}")
