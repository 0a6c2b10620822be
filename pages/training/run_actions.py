"""What one can do with a run: buttons for its state, the dialogs behind them, and the queue."""

import streamlit as st

from core.domain.configs.acting import recipe_is_trained
from core.domain.jobs import Job, QueueMove
from core.domain.keeping.people import Right
from core.domain.training import RunState
from core.errors import TrainingError
from core.words import joined
from core.workflows import jobs
from core.workflows.training import control, refit, runs
from core.workflows.training.runs import RunView
from core.workspace import Workspace
from pages.training import setting_fields
from pages.ui import errors, text
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.shell import deleted

_SOLVES_AGAIN = (
    "Features are kept, so this takes seconds. No image changes its subset; settings and penalty "
    "stay."
)
_TRAINS_ON = (
    "A new run trains on from this model, with the images of today. No image changes its subset; "
    "settings stay."
)
_MOVES = {
    QueueMove.NEXT: (":material/vertical_align_top:", "Next", "Starts before all others."),
    QueueMove.UP: (":material/arrow_upward:", "Up", "One place earlier."),
    QueueMove.DOWN: (":material/arrow_downward:", "Down", "One place later."),
    QueueMove.LAST: (":material/vertical_align_bottom:", "Last", "Starts after all others."),
}


def buttons(workspace: Workspace, view: RunView, news: str) -> None:
    """The actions of a run that is not active: the one that usually comes next is primary.

    `news`: what a refit would learn, in words; empty: nothing.
    """
    if view.status.is_active:
        return
    if view.model_id and st.button(
        "View the results", type="primary", icon=":material/grid_on:", key="to_evaluate"
    ):
        st.switch_page(Place.EVALUATE, query_params={"model": view.model_id})
    if view.can_resume:
        _resume(workspace, view)
    if news:
        _refit(workspace, view)
    if can_continue(view):
        _continue(workspace, view)
    if st.button(
        "Clone with changes",
        icon=":material/content_copy:",
        key="again",
        help="Opens Configure with the settings of this run.",
    ):
        clone(view)
    with st.popover("More", icon=":material/more_horiz:", type="tertiary", key="run_more"):
        _more(workspace, view)


def _more(workspace: Workspace, view: RunView) -> None:
    st.markdown("**Command that repeats this run**")
    st.code(control.command_of(workspace, view.run), language="bash", wrap_lines=True)
    for note in control.repeating_notes(workspace, view.run):
        st.caption(text.plain(note))
    if view.model_id and st.button(
        "Start another run from this model",
        icon=":material/move_down:",
        key="from_model",
        help="Opens Configure with this model as the start.",
    ):
        clone(view, start_model=view.model_id)
    if st.button(
        "Delete the run", icon=":material/delete:", key="delete", **rights.only(Right.TRAIN)
    ):
        confirm_delete(workspace, view)


def can_continue(view: RunView) -> bool:
    """Whether more epochs can follow a run that has ended."""
    try:
        control.refuse_continuing(view)
    except TrainingError:
        return False
    return view.state is RunState.COMPLETED


def _resume(workspace: Workspace, view: RunView) -> None:
    if st.button(
        "Resume",
        type="secondary" if view.model_id else "primary",
        icon=":material/resume:",
        key="resume",
        **rights.only(
            Right.TRAIN, help="Continues exactly where the run ended, from its last saved state."
        ),
    ):
        runs.resume_training(workspace, view.run.id)
        st.rerun()
    makes_model = view.state is not RunState.STOPPED_WITH_MODEL
    if (
        makes_model
        and runs.can_finish(workspace, view.run)
        and st.button(
            "Make a model",
            icon=":material/deployed_code:",
            key="finish",
            **rights.only(
                Right.TRAIN,
                help="Makes a model of the best epoch so far. The run stays stopped and can "
                "still be resumed.",
            ),
        )
    ):
        runs.resume_training(workspace, view.run.id, finish=True)
        st.rerun()


def _continue(workspace: Workspace, view: RunView) -> None:
    with st.popover("More epochs", icon=":material/add:", key="more_epochs"):
        epochs = st.number_input(
            "Further epochs",
            1,
            1000,
            max(1, view.run.train.epochs // 2),
            key=f"further_epochs_{view.run.id}",
            help="A new run goes on with the network of this one's model; this run and its model "
            "stay.",
        )
        if words := control.begins_anew(workspace, view):
            st.caption(words)
        if st.button(
            "Train on",
            type="primary",
            icon=":material/play_arrow:",
            key="continue",
            **rights.only(Right.TRAIN),
        ):
            more = control.continue_training(workspace, view.run.id, epochs=epochs)
            open_run(more.run.id)


def _refit(workspace: Workspace, view: RunView) -> None:
    if st.button(
        "Refit",
        icon=":material/autorenew:",
        key="refit",
        **rights.only(
            Right.TRAIN,
            help=_TRAINS_ON if recipe_is_trained(view.run.train.recipe) else _SOLVES_AGAIN,
        ),
    ):
        open_run(refit.refit(workspace, view.run.id).run.id)


def open_run(run_id: str) -> None:
    """Show another run on this page."""
    st.query_params["run"] = run_id
    st.rerun()


def clone(view: RunView, *, start_model: str | None = None) -> None:
    """Open Configure with the settings of a run."""
    link = setting_fields.link_of(view.run.train, view.run.augment, start_model=start_model)
    query = {"dataset": view.run.dataset_id, "split": view.run.split_id, "like": view.run.id}
    # Why a link without settings too: the form would go on with what was asked before.
    st.session_state.pop("train_asked", None)
    st.switch_page(Place.TRAIN, query_params={**query, **({"set": link} if link else {})})


def pause_and_stop(workspace: Workspace, job: Job, *, has_epochs: bool) -> None:
    """Both ways to end an active run early, in one row."""
    pauses = job.stop_requested and job.pause_requested
    with st.container(horizontal=True, width="content"):
        if st.button(
            "Pausing …" if pauses else "Pause",
            icon=":material/pause:",
            key="pause",
            **rights.to_stop(
                job,
                help="Frees the device. Resume goes on exactly where it was.",
                disabled=job.stop_requested,
            ),
        ):
            jobs.stop(workspace, job.id, pause=True)
            st.rerun(scope="fragment")
        if st.button(
            "Stopping …" if job.stop_requested and not pauses else "Stop",
            icon=":material/stop:",
            key="stop",
            **rights.to_stop(
                job,
                help="Ends training and makes a model of the best epoch. The run can still be "
                "resumed."
                if has_epochs
                else "Ends training without a model. The run can be resumed.",
                disabled=job.stop_requested,
            ),
        ):
            jobs.stop(workspace, job.id)
            st.rerun(scope="fragment")


def queue(workspace: Workspace, opened: RunView) -> None:
    """The waiting runs of all datasets, in the order in which they start; nothing without any."""
    waiting = control.queue(workspace)
    if not waiting:
        return
    with st.container(border=True, key="queue", gap="xsmall"):
        st.markdown(f"**Queue** · {text.count(len(waiting), 'run')} waiting")
        for number, view in enumerate(waiting, start=1):
            with st.container(horizontal=True, vertical_alignment="center"):
                name = f"{number}. {text.plain(view.run.name)}"
                label = f"**{name}**" if view.run.id == opened.run.id else name
                if st.button(label, type="tertiary", key=f"open_{view.run.id}"):
                    open_run(view.run.id)
                st.space("stretch")
                if len(waiting) > 1:
                    _moves(workspace, view, number, len(waiting))


def _moves(workspace: Workspace, view: RunView, number: int, of: int) -> None:
    for to, (icon, label, tip) in _MOVES.items():
        is_forward = to in (QueueMove.NEXT, QueueMove.UP)
        if st.button(
            label,
            icon=icon,
            key=f"move_{to}_{view.run.id}",
            type="tertiary",
            **rights.only(
                Right.TRAIN, help=tip, disabled=number == 1 if is_forward else number == of
            ),
        ):
            control.move_run(workspace, view.run.id, to)
            st.rerun()


@st.dialog("Delete run")
@errors.shown()
def confirm_delete(workspace: Workspace, view: RunView) -> None:
    takes = joined(runs.taken_along(workspace, view.run.id))
    st.markdown(f"Deletes **{text.plain(view.run.name)}** with {takes}.")
    st.markdown("Its model stays." if view.model_id else "It has made no model.")
    st.caption("It stays in the bin for 30 days (page Health).")
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        gone = runs.delete_run(workspace, view.run.id)
        st.session_state.pop("chosen_run", None)
        deleted.leave(gone, Place.RUNS)
