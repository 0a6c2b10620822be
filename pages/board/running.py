"""What is at work now, and imports that came to nothing, on top of the board."""

import streamlit as st

from core.domain.ids import utc_now
from core.domain.jobs import Job
from core.workflows import job_words, jobs, stages
from core.workflows.stages import PendingImport
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell.running import is_on_page, page_of

_EVERY_S = 2.0


def running_jobs(workspace: Workspace) -> None:
    """Every job with its progress, its page and a way to stop it; the page follows their ends."""
    before = [job.id for job in jobs.active(workspace)]
    if not before:
        return

    @errors.shown()
    def live() -> None:
        active = jobs.active(workspace)
        for job in active:
            _job(workspace, job)
        if [job.id for job in active] != before:
            st.rerun()

    with st.container(border=True, key="running", gap="xsmall"):
        st.header("Running now", anchor=False)
        st.fragment(live, run_every=_EVERY_S)()


def _job(workspace: Workspace, job: Job) -> None:
    is_on_page(job)
    place, query = page_of(job)
    name = jobs.name_of(workspace, job)
    waiting = jobs.waiting_for(workspace, job)
    words = (
        job_words.waiting_in_words(waiting)
        if waiting
        else job_words.progress_in_words(job, now=utc_now())
    )
    title = job_words.kind_in_words(job.kind) + (f" of {text.plain(name)}" if name else "")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(place, label=title, icon=place.icon, query_params=query)
        st.progress(job.share, text=text.plain(words), width=360)
        st.button(
            "Stopping …" if job.stop_requested else "Stop",
            icon=":material/stop_circle:",
            key=f"home_stop_{job.id}",
            on_click=_stop,
            args=(workspace, job.id),
            type="tertiary",
            **rights.to_stop(job, disabled=job.stop_requested),
        )


def _stop(workspace: Workspace, job_id: str) -> None:
    with errors.refusals_in_passing():
        jobs.stop(workspace, job_id)


def failed_imports(pending: list[PendingImport]) -> None:
    """Imports that came to nothing, until another one takes their name."""
    for item in pending:
        if item.job.status.is_active:
            continue
        with st.container(border=True, key=f"failed_{item.job.subject_id}"):
            st.markdown(f"**{text.plain(item.name)}** was not imported")
            widgets.job_progress(item.job)
            st.page_link(
                Place.IMPORT,
                label="Import again",
                icon=Place.IMPORT.icon,
            )


def pending_imports() -> list[PendingImport]:
    """Imports of this workspace that are no dataset yet."""
    return stages.pending_imports(state.workspace())
