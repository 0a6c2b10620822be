"""People on the Health page: for administrators, who may sign in and with which role."""

import streamlit as st

from core.domain.keeping.people import Account, Right, Role
from core.domain.record import in_utc
from core.words import NOTHING
from core.workflows.keeping import people
from core.workspace import Workspace

_ROLES = (
    "Viewers read. Inspectors also classify and give feedback. Engineers also change data, train "
    "and sign off. Admins also keep users and backups."
)


def show(workspace: Workspace) -> None:
    """The list of people, and forms to let in, change or shut out; nothing for anybody else."""
    here = people.here(workspace)
    if here is None or people.refusal(here, Right.ADMINISTER) is not None:
        return
    st.subheader("People", anchor=False, help=_ROLES)
    known = people.list_users(workspace)
    with st.container(horizontal=True, vertical_alignment="top", key="people"):
        st.dataframe(
            {
                "name": [account.name for account in known],
                "role": [account.role.value for account in known],
                "state": ["disabled" if account.disabled else "" for account in known],
                "signed in (UTC)": [_signed_in(account) for account in known],
                "token": ["yes" if account.has_token else "" for account in known],
            },
            hide_index=True,
            key="people_list",
            width="stretch",
        )
        with st.container(width=300):
            _change(workspace, known)
            _add(workspace)


def _signed_in(account: Account) -> str:
    return in_utc(account.signed_in_at) if account.signed_in_at else NOTHING


def _add(workspace: Workspace) -> None:
    with st.popover("Add a person", icon=":material/person_add:", width="stretch"):
        with st.form("add_person", border=False, clear_on_submit=True):
            name = st.text_input(
                "Name",
                key="person_added",
                help="As the provider or the proxy says it, such as kim@example.com.",
            )
            role = _role("role_added", Role.VIEWER)
            is_sent = st.form_submit_button("Add", type="primary", key="add_person_now")
        if is_sent:
            people.add_user(workspace, name, role)
            st.rerun()


def _change(workspace: Workspace, known: list[Account]) -> None:
    by_name = {account.name: account for account in known}
    with st.popover("Change a person", icon=":material/manage_accounts:", width="stretch"):
        name = st.selectbox("Person", list(by_name), key="person_changed")
        account = by_name[name]
        role = _role(f"role_of_{account.name}", account.role)
        # Why a button: a box keeps what it showed, and would undo what somebody else has set.
        if st.button(
            "Set role", icon=":material/badge:", key="set_role", disabled=role == account.role
        ):
            people.set_role(workspace, account.name, role)
            st.rerun()
        if st.button("End all sessions", icon=":material/logout:", key="end_sessions"):
            people.end_sessions(workspace, account.name)
            st.toast(f"{account.name} has to sign in again.")
        label, icon = ("Enable", "person") if account.disabled else ("Disable", "person_off")
        if st.button(label, icon=f":material/{icon}:", key="set_disabled"):
            people.set_disabled(workspace, account.name, disabled=not account.disabled)
            st.rerun()


def _role(key: str, now: Role) -> Role:
    names = [role.value for role in Role]
    chosen = st.selectbox(
        "Role", names, names.index(now.value), format_func=str.capitalize, key=key, help=_ROLES
    )
    return Role(str(chosen))
