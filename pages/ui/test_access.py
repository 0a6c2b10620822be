"""The first look at test results: said before it happens, since nobody can take it back."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.domain.models import Model
from core.workflows.results import judging
from core.workspace import Workspace
from pages.ui import text
from pages.ui.places import Place

UNSEEN = (
    "**Nobody has looked at the test results of {names} yet.** If it may be released: fix criteria "
    "and operating point first and open the test on Sign-off, for only that proves something. "
    "A look now is counted, and rules a sealed test of this model out."
)


def unseen(workspace: Workspace, models: Sequence[Model]) -> list[Model]:
    """The models whose test results nobody has looked at."""
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
    """Say what a first look means, and offer it beside the sealed way.

    Args:
        workspace: where the models live.
        models: those that nobody has looked at.
        purpose: recorded when the look is taken.
        key: tells several such questions of a page apart.
        more: a further sentence, about what is seen instead.
        then: done after the look was counted, before the page is drawn again.
    """
    names = ", ".join(text.plain(model.name) for model in models)

    def look() -> None:
        for model in models:
            judging.count_look(workspace, model, purpose)
        st.toast(
            "Counted as a look at the test results; see Sign-off.", icon=":material/visibility:"
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
                on_click=look,
                help="Counted, with time and purpose, in the list on Sign-off.",
            )
            st.page_link(
                Place.SIGN_OFF,
                label="Seal the test first",
                icon=":material/lock:",
                query_params={"model": models[0].id},
            )
