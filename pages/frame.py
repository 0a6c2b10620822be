"""The frame around every page: theme, navigation, and the one place where errors are shown."""

from pathlib import Path

import streamlit as st

from core.workflows import job_words, jobs
from pages.ui import errors, state, text
from pages.ui.places import MENU, Place

ASSETS = Path(__file__).parent / "ui" / "assets"

st.set_page_config(
    page_title="Touchstone",
    page_icon=str(ASSETS / "icon.svg"),
    layout="wide",
)
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")

page = st.navigation(
    {
        section: [
            st.Page(
                place,
                title=place.label,
                icon=place.icon,
                url_path=place.url_path,
                default=place is Place.HOME,
            )
            for place in places
        ]
        for section, places in MENU.items()
    },
    # Why: with the line of a running job below it, the menu would fold the last pages away.
    expanded=True,
)
st.set_page_config(page_title=f"{page.title} · Touchstone")
# Streamlit's own running icon and its Stop button would stop half a page, never a job.
st.html("<style>[data-testid='stStatusWidget'] { display: none; }</style>")


@st.fragment(run_every=3)
@errors.shown()
def active_jobs() -> None:
    """What is running now, on every page; asking also marks lost jobs as interrupted."""
    workspace = state.workspace()
    for job in jobs.active(workspace):
        title = f"**{job_words.kind_in_words(job.kind)}**"
        waiting = jobs.waiting_for(workspace, job)
        if waiting is not None:
            st.progress(0.0, text=f"{title} · {text.plain(job_words.waiting_in_words(waiting))}")
            continue
        done = min(1.0, job.done / job.total) if job.total else 0.0
        st.progress(done, text=f"{title} · {text.plain(job.phase)} · {done:.0%}")


with errors.shown():
    if jobs.active(state.workspace()):
        with st.sidebar:
            active_jobs()
    page.run()
