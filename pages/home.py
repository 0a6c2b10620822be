"""Home: what is at work, how far every dataset is, and the one next step of each."""

import streamlit as st

from core.domain.names import name_key
from core.workflows import board
from core.workflows.board import BoardEntry
from pages.board import cards, first_visit, running
from pages.ui import state, text

SEARCH_FROM = 9  # datasets: fewer are seen at a glance
PAGE = 12
CARD_PX = 400
COLUMNS = 3


def head(entries: list[BoardEntry]) -> list[BoardEntry]:
    """The title with what starts something new; gives the entries that match the search."""
    with st.container(horizontal=True, vertical_alignment="center", key="head"):
        st.title("Home", anchor=False, width="content")
        st.space("stretch")
        wanted = ""
        if len(entries) >= SEARCH_FROM:
            wanted = st.text_input(
                "Search datasets",
                key="find",
                placeholder="Search datasets",
                label_visibility="collapsed",
                icon=":material/search:",
                width=260,
                bind="query-params",
            )
        first_visit.demo_button("Pill demo")
        first_visit.import_button()
    return [e for e in entries if name_key(wanted) in name_key(e.dataset.name)]


def datasets(entries: list[BoardEntry]) -> None:
    """A card for each, as many columns as fit."""
    pages = -(-len(entries) // PAGE)
    place = st.container()
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="cards_page")
    shown = entries[(page - 1) * PAGE : page * PAGE]
    # Why no third column for two: on a wide screen half of the page would stay empty.
    columns = min(len(shown), COLUMNS)
    with place, st.grid(columns, min_column_width=CARD_PX, key="board", gap="small"):
        for entry in shown:
            is_wide = columns < COLUMNS
            cards.card(entry, is_first=entry is entries[0], is_wide=is_wide)


def page() -> None:
    workspace = state.workspace()
    entries, pending = board.entries(workspace), running.pending_imports()
    if not entries and not pending:
        first_visit.welcome()
        return
    matching = head(entries)
    running.running_jobs(workspace)
    running.failed_imports(pending)
    if matching:
        datasets(matching)
    elif entries:
        st.info(f"No dataset has “{text.plain(st.session_state.find)}” in its name.")


page()
