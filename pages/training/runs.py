"""Runs: watch live, pause, stop, resume, continue and compare."""

import contextlib
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from core.domain.configs.acting import acted_on, recipe_is_trained
from core.domain.jobs import Job, JobStatus
from core.domain.settings import Setting, Value
from core.domain.training import RunState
from core.errors import NotFoundError, TouchstoneError
from core.words import EPOCH_CHOSEN
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.training import folds, refit, runs
from core.workflows.training.folds import CrossValidation, FoldGroup
from core.workflows.training.run_words import next_in_words, setting_in_words, state_in_words
from core.workflows.training.runs import RunView
from core.workflows.use import models
from core.workspace import Workspace
from pages.training import run_actions, run_checkpoints, run_compare, run_curves, run_states
from pages.ui import context, errors, state, text, widgets
from pages.ui.components import chart
from pages.ui.figures import training_curves
from pages.ui.places import Place

REFITTED = (
    "The model is fitted on training and validation images together. Its validation results are "
    "cross-validated: each image is judged by a model that has not seen it."
)


def header(workspace: Workspace, view: RunView, news: str) -> None:
    """What one can do with the run now."""
    with st.container(horizontal=True, horizontal_alignment="right", key="run_actions"):
        run_actions.buttons(workspace, view, news)


def state_line(workspace: Workspace, view: RunView) -> None:
    waiting = jobs.waiting_for(workspace, view.job) if view.job else None
    is_starting = waiting is not None and waiting.running is None and not waiting.ahead
    has_model = view.model_id is not None
    has_epochs = in_epochs(workspace, view)
    words = next_in_words(
        view.state, has_model=has_model, is_starting=is_starting, has_epochs=has_epochs
    )
    with st.container(horizontal=True, vertical_alignment="center", key="run_state"):
        run_states.badge(view.state)
        st.caption(words, width="content")
        run_states.key_of_states(has_epochs=has_epochs)


def live(workspace: Workspace, view: RunView) -> None:
    def draw(job: Job) -> None:
        if job.status is JobStatus.RUNNING and view.state is RunState.QUEUED:
            st.rerun()  # the line above still says that it waits
        if job.status.is_active:
            with st.container(horizontal=True, vertical_alignment="center"):
                with st.container(width="stretch"):
                    widgets.job_progress(job)
                run_actions.pause_and_stop(workspace, job, has_epochs=in_epochs(workspace, view))
        elif job.error or job.warnings:
            widgets.job_progress(job)
        run_curves.numbers_and_charts(workspace, view, job)

    widgets.follow(workspace, view.run.id, draw, every_s=1.0)


def together(workspace: Workspace, run_id: str, group: FoldGroup) -> None:
    """The folds of one cross-validation, updated while some are still running."""

    @errors.shown()
    def live() -> None:
        for now in folds.group_runs(runs.list_runs(workspace)):
            if run_id in {member.run.id for member in now.views}:
                _together(workspace, now)

    active = any(view.status.is_active for view in group.views)
    st.fragment(live, run_every=3.0 if active else None)()


def _together(workspace: Workspace, group: FoldGroup) -> None:
    """Mean and standard deviation of the completed folds."""
    st.subheader(f"All {group.folds} folds of {text.plain(group.name)}")
    states = Counter(state_in_words(view.state) for view in group.views)
    st.caption(" · ".join(f"{n} {status}" for status, n in states.items()))
    result = _cross_validation(tuple(view.model_id for view in group.views), workspace, group)
    if result is None:
        st.info("Mean and standard deviation appear after two folds.")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        words = (
            "Mean and standard deviation over the folds, each measured on images that its model "
            "was not trained on."
        )
        if any(in_epochs(workspace, member) for member in group.views):
            words += f" {EPOCH_CHOSEN}"
        for title, spread in (
            ("Validation accuracy", result.accuracy),
            ("Validation macro F1", result.macro_f1),
        ):
            st.metric(
                title,
                f"{text.percent(spread.mean)} ± {text.percent(spread.std)}",
                border=True,
                help=words,
            )
        if len(result.scores) < result.folds:
            st.caption(f"{len(result.scores)} of {result.folds} folds completed.")
    with right:
        chart(
            training_curves.fold_scores(
                {s.fold + 1: (s.accuracy, s.macro_f1) for s in result.scores}
            ),
            "fold_scores",
            description="Accuracy and macro F1 of every fold",
        )


@st.cache_data(max_entries=8, show_spinner=False)
def _cross_validation(
    model_ids: tuple[str | None, ...], _workspace: Workspace, _group: FoldGroup
) -> CrossValidation | None:
    return folds.cross_validation(_workspace, _group)


def settings(workspace: Workspace, view: RunView) -> None:
    try:
        dataset = datasets.find_dataset(workspace, view.run.dataset_id).name
    except TouchstoneError:
        dataset = "deleted"
    with st.expander("Settings of this run"):
        acted = [
            f"{item.title.lower()} **{text.plain(_in_words(workspace, item, value))}**"
            for item, value in acted_on(view.run, has_epochs=in_epochs(workspace, view))
        ]
        st.markdown(" · ".join([f"Dataset **{text.plain(dataset)}**", *acted]))
        if view.run.refits and not in_epochs(workspace, view):
            st.caption(REFITTED)


def _in_words(workspace: Workspace, item: Setting, value: Value) -> str:
    """The value of a setting; a start model by its name as long as it is there."""
    if item.name == "start_model":
        with contextlib.suppress(NotFoundError):
            return models.find_model(workspace, str(value)).name
    return setting_in_words(item, value)


def in_epochs(workspace: Workspace, view: RunView) -> bool:
    """Whether a run learns in epochs; quick runs of earlier versions did, too."""
    return recipe_is_trained(view.run.train.recipe) or bool(runs.curve(workspace, view.run.id))


def _rank(view: RunView) -> tuple[int, float]:
    """What runs now comes first, then the queue in its order, then the others as they are."""
    if view.job is None or not view.status.is_active:
        return 2, 0.0
    return (0 if view.status is JobStatus.RUNNING else 1), view.job.position


def _follow_model(workspace: Workspace, views: Sequence[RunView]) -> None:
    """Open the run that made the open model, where neither link nor session says which.

    A run at work comes first, and one that was chosen and made no model stays.
    """
    if st.query_params.get("run") or any(view.status.is_active for view in views):
        return
    last = st.session_state.get("chosen_run")
    if any(view.run.id == last and view.model_id is None for view in views):
        return
    model = context.model(workspace)
    if model is not None and any(view.run.id == model.run_id for view in views):
        state.remember("run", model.run_id)


def page(workspace: Workspace) -> None:
    dataset = context.dataset(workspace)
    views = runs.list_runs(workspace, dataset.id) if dataset else []
    if not views:
        widgets.empty_state(
            "monitoring",
            "No runs yet",
            "Train a model; this takes a few minutes.",
            (Place.TRAIN, "Train a model"),
        )
        return
    views = sorted(views, key=_rank)
    _follow_model(workspace, views)
    names = {v.run.id: f"{v.run.name} · {text.when(v.run.created_at)}" for v in views}
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        chosen = state.choose("run", names, label="Run", help="Active runs first, then the newest.")
    view = runs.find_run(workspace, chosen or "")
    news = refit.refittable_news(workspace, view.run) if view.model_id else ""
    with right:
        header(workspace, view, news)
    state_line(workspace, view)
    if news:
        st.info(f"New since this run: **{text.plain(news)}**. Refit learns it in seconds.")
    if view.state is RunState.QUEUED:
        run_actions.queue(workspace, view)
        live(workspace, view)
    else:  # what happens now stands above what waits
        live(workspace, view)
        run_actions.queue(workspace, view)
    settings(workspace, view)
    run_checkpoints.section(workspace, view)
    for group in folds.group_runs(views):
        if view.run.id in {member.run.id for member in group.views}:
            together(workspace, view.run.id, group)
    run_compare.compare(workspace, views, view)


widgets.page_heading(Place.RUNS, "Watch runs live, and compare earlier ones.")
page(state.workspace())
