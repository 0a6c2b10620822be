"""The first view of test results: announced before it happens, because it cannot be undone."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.domain.models import Model
from core.workflows.results import judging
from core.workspace import Workspace
from pages.ui import text
from pages.ui.places import Place

UNSEEN = (
    "**The test results of {names} have not been viewed yet.** Viewing now is recorded; a "
    "sealed test is then no longer possible. For a release, seal the test first."
)


def unseen(workspace: Workspace, models: Sequence[Model]) -> list[Model]:
    """The models whose test results have not been viewed."""
    return [model for model in models if not judging.has_looked(workspace, model)]


def ask(
    workspace: Workspace,
    models: Sequence[Model],
    purpose: str,
    *,
    key: str = "",
    more: str = "",
    then: Callable[[], None] | None = None,
) -> None:
    """Say what a first view means, and offer it beside a sealed test.

    Args:
        workspace: where the models live.
        models: those whose test results have not been viewed.
        purpose: recorded with the view.
        key: tells several such questions of a page apart.
        more: a further sentence, about what is seen instead.
        then: called after the view was recorded, before the page is drawn again.
    """
    names = ", ".join(text.plain(model.name) for model in models)

    def view() -> None:
        for model in models:
            judging.count_look(workspace, model, purpose)
        st.toast(
            "Recorded as a view of the test results; see Sign-off.", icon=":material/visibility:"
        )
        if then is not None:
            then()

    with st.container(border=True, key=f"first_look{key}"):
        st.markdown(f":material/visibility_off: {UNSEEN.format(names=names)} {more}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Show the test results",
                icon=":material/visibility:",
                key=f"show_test{key}",
                on_click=view,
                help="Recorded with time and purpose in the list on the Sign-off page.",
            )
            st.page_link(
                Place.SIGN_OFF,
                label="Seal the test first",
                icon=":material/lock:",
                query_params={"model": models[0].id},
            )
