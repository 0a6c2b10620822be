"""Viewing test results in pages: the first view is announced, and opened with a purpose."""

from collections.abc import Callable, Sequence

import streamlit as st

from core.domain.keeping.people import Right, Standing, name_for_record, who
from core.domain.models import Model
from core.errors import ConfigError
from core.words import joined
from core.workflows.results import access
from core.workflows.results.access import MAX_PERSON
from core.workspace import Workspace
from pages.ui import errors, text
from pages.ui.people import rights, session
from pages.ui.places import Place

PURPOSES = (
    "Understand the errors",
    "Choose between models",
    "Decide about a release",
    "Customer or audit",
)
COST = (
    "Recorded with time and purpose, once for all. "
    "A sealed test of this model is then no longer possible."
)
_ERROR = "purpose_error"


def not_viewed(workspace: Workspace, models: Sequence[Model]) -> list[Model]:
    """The models whose test results nobody has viewed."""
    return [model for model in models if not access.is_viewed(workspace, model)]


def person() -> str:
    """Who uses this session: signed in, or as entered; '' where nobody said."""
    return name_for_record(session.entered_name())


def purpose_form(label: str, done: Callable[[str, str], None], *, key: str, icon: str) -> None:
    """Ask once why test results are viewed, and by whom; `done(purpose, person)` records it."""
    if st.session_state.get(f"{_ERROR}_{key}"):
        errors.show(st.session_state.pop(f"{_ERROR}_{key}"))
    with st.form(f"form_{key}", border=False):
        st.selectbox(
            "Purpose",
            PURPOSES,
            index=None,
            key=f"purpose_{key}",
            accept_new_options=True,
            placeholder="Choose or write why",
            help="Why the results are viewed. Stands in the record and in the report.",
        )
        if who().standing is not Standing.ACCOUNT:
            st.text_input(
                "Your name (optional)",
                person(),
                key=f"person_{key}",
                max_chars=MAX_PERSON,
                help="Stands in the record. Filled in for you until you close this browser tab.",
            )
        st.form_submit_button(
            label,
            icon=icon,
            key=key,
            type="primary",
            on_click=_submitted,
            args=(done, key),
            **rights.only(Right.SIGN_OFF),
        )


def _submitted(done: Callable[[str, str], None], key: str) -> None:
    name = str(st.session_state.get(f"person_{key}") or "")
    st.session_state[session.ENTERED_NAME] = name
    try:
        purpose = access.required_purpose(str(st.session_state[f"purpose_{key}"] or ""))
    except ConfigError as err:
        st.session_state[f"{_ERROR}_{key}"] = err
        return
    done(purpose, name)


def ask(
    workspace: Workspace,
    models: Sequence[Model],
    *,
    more: str = "",
    then: Callable[[], None] | None = None,
) -> None:
    """Say what a first view means; sealing first is the main way, viewing asks for a purpose.

    Args:
        workspace: where the models live.
        models: those whose test results nobody has viewed.
        more: a further sentence, about what is shown instead.
        then: done after the view was recorded, before the page is drawn again.
    """
    names = joined([text.plain(model.name) for model in models])

    def show(purpose: str, name: str) -> None:
        access.open_results(workspace, models, purpose, person=name)
        st.toast("Recorded; see Sign-off.", icon=":material/visibility:")
        if then is not None:
            then()

    with st.container(border=True, horizontal=True, vertical_alignment="center", key="first_view"):
        st.markdown(
            f":material/visibility_off: **The test results of {names} have not been viewed.** "
            f"Seal the test first if they should prove anything. {more}",
            width="stretch",
        )
        with st.container(horizontal=True, width="content"):
            if st.button("Seal first", type="primary", icon=":material/lock:", key="seal_first"):
                st.switch_page(Place.SIGN_OFF, query_params={"model": models[0].id})
            with st.popover("Show test results", icon=":material/visibility:", key="ask_test"):
                st.markdown(COST)
                purpose_form("Show them", show, key="show_test", icon=":material/visibility:")
