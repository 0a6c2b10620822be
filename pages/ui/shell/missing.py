"""An address without a page: the server leads it to the start page, which says so in the frame.

Why not left to Streamlit: it sends its one page for every address. Below a second slash that page
finds none of its scripts and stays white; elsewhere a dialog speaks of files of ours over Home.
"""

import difflib
from urllib.parse import urlencode

import streamlit as st

from pages.ui import text
from pages.ui.places import Place
from pages.ui.shell.choice import Choice

PARAMETER = "missing"  # of the link to the start page: the path that was asked for
_SHOWN = 80  # characters of it
_ALIKE = 0.7  # of difflib; `evalute` is like `evaluate`, and `nonsense` like nothing


def redirection(path: str, query: str) -> str | None:
    """Where a request for a page is sent on to, relative to its address; None: there is a page.

    Args:
        path: of the request, as its scope has it, without escapes.
        query: of the request; it is kept, so that what was open stays open.
    """
    base = "/" + str(st.get_option("server.baseUrlPath")).strip("/")
    asked = path.removeprefix(base).strip("/")
    if asked in {"", *(place.url_path for place in Place)}:
        return None
    kept = f"{query}&" if query else ""
    return f"./{'../' * asked.count('/')}?{kept}{urlencode({PARAMETER: f'/{asked}'})}"


def asked_for(place: Place) -> str | None:
    """The path without a page that a link to the start page names; None: it names none."""
    return st.query_params.get(PARAMETER) if place is Place.HOME else None


def kept(link: dict[str, str], asked: str | None) -> dict[str, str]:
    """Parameters for the address of the page: it names the path as long as that is shown.

    Why: Home has the same address but for this; without it a reload would miss the page again.
    """
    return link if asked is None else {**link, PARAMETER: asked}


def show(path: str, choice: Choice) -> None:
    """What was asked for, and links to the page that was probably meant and to Home."""
    shown = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
    st.title("Page not found", anchor=False)
    st.markdown(
        f"There is no page at **{text.plain(shown)}**. Check the address, or choose a page from "
        "the menu."
    )
    with st.container(key="missing_page", horizontal=True):
        for place in (*_meant(path), Place.HOME):
            st.page_link(place, label=place.label, icon=place.icon, query_params=choice.link)


def _meant(path: str) -> list[Place]:
    """The page whose address or name is most like the end of a path, if any is alike."""
    names = {place.label.lower(): place for place in Place if place is not Place.HOME}
    names |= {place.url_path: place for place in Place if place is not Place.HOME}
    wanted = path.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    return [names[name] for name in difflib.get_close_matches(wanted, names, 1, _ALIKE)]
