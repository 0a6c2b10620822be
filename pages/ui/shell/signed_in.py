"""Who is signed in, with which role, and the way out."""

import streamlit as st

from core.administration import sign_in_of
from core.domain.configs.administration import AuthMode
from core.workflows.keeping import people
from core.workspace import Workspace
from pages.ui.people import rights


def show(workspace: Workspace) -> None:
    """Name and role below the menu; nothing where nobody signs in."""
    account = people.here(workspace)
    rights.remember(account)
    if account is None:
        return
    with st.sidebar, st.container(key="signed_in", gap="xsmall"):
        st.text(account.name)  # Markdown would make a link of an address
        st.caption(f":material/person: {account.role.value.capitalize()}")
        # A proxy has a way out of its own.
        if sign_in_of(workspace.root).mode is AuthMode.OIDC and st.button(
            "Sign out", icon=":material/logout:", key="sign_out", help="Ends all your sessions."
        ):
            people.end_sessions(workspace, account.name)
            st.logout()
