"""The tab of robustness: accuracy against light, blur, noise, rotation and JPEG quality."""

import streamlit as st

from core.domain.jobs import Job
from core.domain.keeping.people import Right
from core.domain.models import Model
from core.errors import NotFoundError
from core.workflows import jobs
from core.workflows.results import robustness
from core.workflows.results.robustness import Robustness
from core.workspace import Workspace
from pages.ui import components, errors, state, text, widgets
from pages.ui.figures import class_charts
from pages.ui.people import rights

_EVERY = "All classes"


@errors.shown()
def sweep(workspace: Workspace, model: Model) -> None:
    """The curves of all images or of a class; measured by a job on demand."""
    subject = robustness.job_subject(model.id)
    job = jobs.latest(workspace, subject)
    st.subheader(
        "What does a worse image do to the decision?",
        help="Images are made darker, brighter, blurred, noisy, turned or compressed before they "
        "are preprocessed. Red crosses: the intervals before and after lie apart.",
    )
    shown = robustness.robustness_of(workspace, model, _chosen_class(model))
    if shown is not None:
        _curves(shown)
    elif job is None:
        st.caption("Not measured yet. It takes about half a minute and uses no test images.")
    is_active = job is not None and job.status.is_active
    if not is_active and st.button(
        "Measure again" if shown else "Measure the robustness",
        icon=":material/tune:",
        type="secondary" if shown else "primary",
        key="measure_robustness",
        **rights.only(Right.SIGN_OFF),
    ):
        try:
            robustness.start_sweep(workspace, model)
        except NotFoundError as err:
            st.warning(f"{err.message} {err.hint}")
        else:
            st.rerun()
    if job is not None:
        widgets.follow(workspace, subject, lambda job: _progress(workspace, job))


def _chosen_class(model: Model) -> int | None:
    options = [_EVERY, *model.class_names]
    st.session_state.robust_class = state.linked("robust", options, _EVERY)

    def note() -> None:
        chosen = str(st.session_state.robust_class)
        state.put(robust=None if chosen == _EVERY else chosen)

    chosen = st.selectbox(
        "Class",
        options,
        key="robust_class",
        on_change=note,
        width=260,
        label_visibility="collapsed",
    )
    return None if chosen == _EVERY else model.class_names.index(str(chosen))


def _curves(shown: Robustness) -> None:
    components.chart(
        class_charts.robustness(shown),
        f"robustness_{shown.class_name}",
        description="Accuracy with its bounds against the strength of each change.",
    )
    weak = [
        f"{robustness.level_in_words(curve.change, curve.weakest.level)} "
        f"{text.rate(curve.weakest.accuracy)}"
        for curve in shown.curves
        if curve.weakest.is_worse
    ]
    before = f"Unchanged: {text.rate(shown.unchanged)} of {shown.unchanged.n:,} images. "
    st.caption(
        before
        + (f"Falls to: {', '.join(weak)}. " if weak else "No change makes it fall clearly. ")
        + "Validation images: the fall counts, not the height."
    )


def _progress(workspace: Workspace, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            widgets.job_progress(job)
        if job.status.is_active and st.button(
            "Stop", icon=":material/stop:", key="stop_sweep", **rights.to_stop(job)
        ):
            jobs.stop(workspace, job.id)
