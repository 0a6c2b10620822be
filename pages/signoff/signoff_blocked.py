"""Why the criteria cannot be judged, and the page where that is settled."""

from typing import assert_never

import streamlit as st

from core.domain.signoff import Obstacle
from core.domain.stages.states import NextStep, Stage
from core.workflows.signoff.obstacles import action_after, obstacle_in_words
from core.workflows.signoff.seal_changes import SignOff
from pages.ui import text
from pages.ui.places import Place
from pages.ui.stage_words import link_of


def show(standing: SignOff, obstacle: Obstacle) -> None:
    """In place of the step that comes next; nothing irreversible can be done before."""
    message, _ = obstacle_in_words(obstacle)
    st.warning(
        f"**The test cannot answer the criteria**: {text.plain(message)}", icon=":material/block:"
    )
    advice(standing, obstacle)


def advice(standing: SignOff, obstacle: Obstacle) -> None:
    """What to do, with a link to the page where it is done, the same as on Home."""
    action = action_after(obstacle)
    link = link_of(
        NextStep(action, Stage.SIGNED_OFF, standing.dataset.id, model_id=standing.model.id)
    )
    with st.container(horizontal=True, vertical_alignment="center", key="settle"):
        st.markdown(f"**What to do**: {_advice(obstacle)}", width="content")
        if link.place is not Place.SIGN_OFF:  # else the form is on this page
            st.page_link(
                link.place, label=link.label, icon=link.place.icon, query_params=link.query
            )


def _advice(obstacle: Obstacle) -> str:
    match obstacle:
        case Obstacle.NOTHING_REQUIRED:
            return "set at least one limit below, or mark golden samples."
        case Obstacle.NO_VERDICTS:
            return "say which classes are good and which defective; only then can a test be sealed."
        case Obstacle.NO_DEFECTIVE:
            return "make a split with defective test images and train again, or drop the limit."
        case Obstacle.NO_GOOD:
            return "make a split with good test images and train again, or drop the limit."
        case Obstacle.EMPTY_CLASS:
            return "make a split with test images of every class and train again."
        case _:
            assert_never(obstacle)
