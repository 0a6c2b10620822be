"""The frame around every page: theme, navigation, and the one place where errors are shown."""

from pathlib import Path

import streamlit as st

from core.domain.jobs import JobKind, JobStatus
from core.workflows import jobs
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

JOB_WORDS = {
    JobKind.IMPORT: "Import",
    JobKind.TRAIN: "Training",
    JobKind.PREDICT: "Prediction",
    JobKind.QUALITY: "Quality check",
    JobKind.REPORT: "Report",
    JobKind.EXPLAIN: "Heatmaps",
}


@st.fragment(run_every=3)
@errors.shown()
def active_jobs() -> None:
    """What is running now, on every page; asking also marks lost jobs as interrupted."""
    for job in jobs.active(state.workspace()):
        done = min(1.0, job.done / job.total) if job.total else 0.0
        words = job.phase if job.status is JobStatus.RUNNING else "waiting"
        st.progress(done, text=f"**{JOB_WORDS[job.kind]}** · {text.plain(words)} · {done:.0%}")


with errors.shown():
    if jobs.active(state.workspace()):
        with st.sidebar:
            active_jobs()
    page.run()
