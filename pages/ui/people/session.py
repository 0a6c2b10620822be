"""Who uses a page: the guard has checked it, and says it in two headers of the live connection."""

from urllib.parse import unquote

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.administration import sign_in_of
from core.domain.configs.administration import AuthMode
from core.domain.keeping.people import NOBODY, Actor, Standing

USER_HEADER = "x-touchstone-user"
SINCE_HEADER = "x-touchstone-since"
ENTERED_NAME = "person_name"  # in the state of the session, where nobody signs in


def actor() -> Actor:
    """Who acts in the page that runs in this thread, also in a part of it and in callbacks."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return NOBODY
    if sign_in_of().mode is AuthMode.OFF:
        return Actor(entered_name(), Standing.PROGRAM)
    headers = st.context.headers
    name = unquote(headers.get(USER_HEADER) or "")
    since = headers.get(SINCE_HEADER) or "0"
    return Actor(name, Standing.ACCOUNT, float(since)) if name else NOBODY


def entered_name() -> str:
    """Who uses this session, as entered; '' where nobody said."""
    return str(st.session_state.get(ENTERED_NAME, ""))
