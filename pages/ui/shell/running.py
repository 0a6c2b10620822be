"""The running jobs as a chip of the bar: what runs, how far it is, its page, and stop.

Page and chip read a job in turns, so that two numbers of one job would differ by a moment: where
the page shows how far a job is, the chip does not.
"""

from typing import assert_never

import streamlit as st

from core.domain.ids import utc_now
from core.domain.jobs import Job, JobKind, JobStatus
from core.workflows import job_words, jobs
from core.workspace import Workspace
from pages.ui import errors, text
from pages.ui.people import rights
from pages.ui.places import Place

_EVERY_S = 2
_ON_PAGE = "jobs_on_page"


def is_on_page(job: Job) -> None:
    """Say that the page shows how far a job is."""
    st.session_state.setdefault(_ON_PAGE, set()).add(job.subject_id)


def chip(workspace: Workspace, place: Place) -> None:
    """Shown and asked for again only while something runs; the question marks lost jobs."""
    st.session_state[_ON_PAGE] = set()
    active = jobs.active(workspace)
    if not active:
        return
    # Why guessed: the page comes after the bar, and says by itself what it shows.
    guessed = {job.subject_id for job in active if place in (Place.HOME, page_of(job)[0])}
    st.session_state[_ON_PAGE] = guessed

    @errors.shown()
    def live() -> None:
        active = jobs.active(workspace)
        label = _label(active) if active else "Done"
        icon = ":material/progress_activity:" if active else ":material/check_circle:"
        with st.popover(label, icon=icon, key="running_jobs", type="tertiary"):
            if not active:
                st.caption("Nothing is running any more.")
            for job in active:
                _details(workspace, job)

    st.fragment(live, run_every=_EVERY_S)()
    st.session_state[_ON_PAGE] = set()


def _label(active: list[Job]) -> str:
    first = next((job for job in active if job.status is JobStatus.RUNNING), active[0])
    is_shown = first.status is JobStatus.RUNNING and not _shown_by_page(first)
    share = f" {text.whole_percent(first.share)}" if is_shown else ""
    more = f" +{len(active) - 1}" if len(active) > 1 else ""
    return f"{job_words.kind_in_words(first.kind)}{share}{more}"


def _shown_by_page(job: Job) -> bool:
    return job.subject_id in st.session_state[_ON_PAGE]


def _details(workspace: Workspace, job: Job) -> None:
    waiting = jobs.waiting_for(workspace, job)
    words = (
        job_words.waiting_in_words(waiting)
        if waiting
        else job_words.progress_in_words(job, now=utc_now())
    )
    kind = job_words.kind_in_words(job.kind)
    if _shown_by_page(job):
        st.markdown(f"**{kind}**, shown on this page")
    else:
        st.progress(job.share, text=f"**{kind}** · {text.plain(words)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        place, parameters = page_of(job)
        st.page_link(place, label="Open", icon=place.icon, query_params=parameters)
        st.button(
            "Stopping …" if job.stop_requested else "Stop",
            key=f"stop_{job.id}",
            icon=":material/stop_circle:",
            on_click=_stop,
            args=(workspace, job.id),
            **rights.to_stop(job, disabled=job.stop_requested),
        )


def _stop(workspace: Workspace, job_id: str) -> None:
    with errors.refusals_in_passing():
        jobs.stop(workspace, job_id)


def page_of(job: Job) -> tuple[Place, dict[str, str]]:
    """The page on which a job is followed, and the parameters of its link."""
    model = {"model": str(job.payload["model_id"])} if "model_id" in job.payload else {}
    dataset = {"dataset": str(job.payload["dataset_id"])} if "dataset_id" in job.payload else {}
    match job.kind:
        case JobKind.IMPORT:
            return Place.IMPORT, {"import": job.subject_id}
        case JobKind.TRAIN:
            return Place.RUNS, {"run": job.subject_id}
        case JobKind.SEARCH:
            return Place.SEARCH, {"search": job.subject_id}
        case JobKind.RATE:
            return Place.TRAIN, dataset
        case JobKind.QUALITY:
            return Place.QUALITY, dataset
        case JobKind.NEW_IMAGES:
            return Place.IMPORT, {**dataset, "import": str(job.payload["import"])}
        case JobKind.PREDICT:
            return Place.PREDICT, {**model, "batch": job.subject_id}
        case JobKind.EXPLAIN:
            return Place.EVALUATE, model
        case JobKind.GRADE:
            return Place.EVALUATE, {**model, "tab": "Heatmaps"}
        case JobKind.ROBUSTNESS:
            return Place.EVALUATE, {**model, "tab": "Robustness"}
        case JobKind.REPORT:
            return Place.SIGN_OFF, model
        case JobKind.FILES:
            return Place.DATASETS, dataset
        case JobKind.BACKUP:
            return Place.HEALTH, {}
        case _:
            assert_never(job.kind)
