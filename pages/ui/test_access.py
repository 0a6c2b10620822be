"""Viewing test results in pages: recorded once per session; a first view is announced."""

from collections.abc import Callable, Hashable, Sequence

import streamlit as st

from core.domain.models import Model
from core.words import joined
from core.workflows.results import access
from core.workflows.results.access import ResultsAccess, View
from core.workspace import Workspace
from pages.ui import text
from pages.ui.places import Place

NOT_VIEWED = (
    "**The test results of {names} have not been viewed yet.** Viewing is recorded, and "
    "no sealed test is possible afterwards. To release a model, seal the test set first."
)


def recorded_views() -> set[View]:
    """The views that this browser session has recorded."""
    recorded: set[View] = st.session_state.setdefault("recorded_views", set())
    return recorded


def view(
    workspace: Workspace,
    model: Model,
    purpose: str,
    *,
    of: Hashable = None,
    first: bool = False,
) -> ResultsAccess:
    """Whether the test results of a model are shown now; records the view once per session.

    Arguments as of `core.workflows.results.access.view_test_results`.
    """
    return access.view_test_results(
        workspace, model, purpose, recorded=recorded_views(), of=of, first=first
    )


def not_viewed(workspace: Workspace, models: Sequence[Model]) -> list[Model]:
    """The models whose test results nobody has viewed."""
    return [model for model in models if not access.is_viewed(workspace, model)]


def ask(
    workspace: Workspace,
    models: Sequence[Model],
    purpose: str,
    *,
    of: Hashable = None,
    more: str = "",
    then: Callable[[], None] | None = None,
) -> None:
    """Say what a first view means, and offer it beside the sealed way.

    Args:
        workspace: where the models live.
        models: those whose test results nobody has viewed.
        purpose: where they are shown, for the record.
        of: what is viewed apart from the numbers.
        more: a further sentence, about what is shown instead.
        then: done after the view was recorded, before the page is drawn again.
    """
    names = joined([text.plain(model.name) for model in models])

    def show() -> None:
        for model in models:
            view(workspace, model, purpose, of=of, first=True)
        st.toast(
            "Recorded as a view of the test results; see Sign-off.", icon=":material/visibility:"
        )
        if then is not None:
            then()

    with st.container(border=True, key="first_view"):
        st.markdown(f":material/visibility_off: {NOT_VIEWED.format(names=names)} {more}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Show the test results",
                icon=":material/visibility:",
                key="show_test",
                on_click=show,
                help="Recorded with time and purpose in the list on the Sign-off page.",
            )
            st.page_link(
                Place.SIGN_OFF,
                label="Seal the test first",
                icon=":material/lock:",
                query_params={"model": models[0].id},
            )
