"""Record: who changed what and when, and whether anybody altered it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.domain.record import RecordedAction, RecordRow, in_utc
from core.workflows.keeping import record
from core.workflows.keeping.record_values import in_full
from core.workflows.keeping.record_words import in_words
from core.workspace import Workspace
from pages.ui import state, text, widgets
from pages.ui.places import Place
from pages.ui.tables import small_table

PAGE = 50
DETAILS = "Open a row for its ids, digests and values in full. “→” stands between old and new."
PERSON = "As entered, or the account of a command. – is Touchstone itself."


def check(workspace: Workspace) -> None:
    """One button that verifies everything, and the anchor to write down."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Verify",
            icon=":material/verified_user:",
            key="verify_record",
            type="primary",
            help="Checks the chain of the record, the database, the models, and the values in "
            "force. Image files: `touchstone verify --files`.",
        ):
            with st.spinner("Verifying …"):
                st.session_state.verified = record.verify(workspace)
        newest = record.anchor(workspace)
        with st.popover("Anchor", icon=":material/anchor:", type="tertiary", key="anchor"):
            st.markdown(
                "Write this down outside of the server. Only with it does a later check show that "
                "the end of the record was cut off, or that all of it was written anew."
            )
            if newest is not None:
                st.code(newest.written, language=None, wrap_lines=True)
                st.markdown("Later: `touchstone verify --anchor …`")
    found = st.session_state.get("verified")
    if found is None:
        return
    if not found:
        st.success("Everything is as it was recorded.", icon=":material/verified:")
        return
    lines = [f"- **{item.fault.value}**: {text.plain(item.where)}" for item in found[:20]]
    st.error("**Altered outside of Touchstone:**\n\n" + "\n".join(lines), icon=":material/gpp_bad:")


def rows(workspace: Workspace) -> None:
    """The record, newest first, with a filter; all of it as CSV."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            key="search_record",
            placeholder="Person, name, id, reason, value",
            bind="query-params",
            width=320,
        )
        actions = st.multiselect(
            "Actions",
            list(RecordedAction),
            key="record_actions",
            bind="query-params",
            placeholder="All",
            width=360,
        )
        st.download_button(
            "CSV",
            lambda: _csv(workspace),
            "touchstone record.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="record_csv",
            help="The whole record, with old and new values and the chain.",
        )
    page = st.session_state.get("record_page", 1)
    found, total = record.entries(
        workspace, text=words or "", actions=actions, limit=PAGE, offset=PAGE * (page - 1)
    )
    pages = max(1, -(-total // PAGE))
    if page > pages:
        st.session_state.record_page = 1
        st.rerun()
    if not found:
        st.info("Nothing in the record matches.")
        return
    _table(workspace, found)
    st.caption(f"{text.count(total, 'row')}, newest first. Rows cannot be changed or deleted.")
    if pages > 1:
        st.pagination(pages, width="stretch", key="record_page")


def _table(workspace: Workspace, found: Sequence[RecordRow]) -> None:
    names = record.names_in(workspace, found)
    small_table(
        {
            "time (UTC)": [in_utc(row.at) for row in found],
            "person": [row.person or text.NOTHING for row in found],
            "action": [row.action for row in found],
            "what": [row.name or row.subject or text.NOTHING for row in found],
            "details": [in_words(row, names) or f"row {row.number}" for row in found],
            "reason": [row.reason for row in found],
        },
        "record_rows",
        about="The record, newest first",
        tips={"person": PERSON, "details": DETAILS},
        opens={"details": [in_full(row, names) for row in found]},
    )


def _csv(workspace: Workspace) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "record.csv"
        record.export(workspace, target)
        return target.read_bytes()


def page(workspace: Workspace) -> None:
    check(workspace)
    rows(workspace)


widgets.page_heading(Place.RECORD, "See who changed what and when, and verify it.")
page(state.workspace())
