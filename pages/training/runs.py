"""Runs: watch live, stop, resume and compare."""

import time
from collections import Counter

import streamlit as st

from core.domain.jobs import Job, JobStatus
from core.domain.training import EpochMetrics
from core.errors import TouchstoneError
from core.models.catalog import network_title
from core.workflows import jobs
from core.workflows.data import datasets
from core.workflows.training import folds, runs
from core.workflows.training.folds import CrossValidation, FoldGroup
from core.workflows.training.runs import RunView
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.components import chart
from pages.ui.figures import training_curves
from pages.ui.places import Place


def live(workspace: Workspace, view: RunView) -> None:
    def draw(job: Job) -> None:
        curve = runs.curve(workspace, view.run.id)
        _numbers(view, job, curve)
        widgets.job_progress(job, left_s=runs.seconds_left(view.run, job, curve))
        if job.status.is_active and st.button(
            "Stop",
            icon=":material/stop:",
            key="stop",
            disabled=job.stop_requested,
            help="Stops after the current step and keeps the progress.",
        ):
            jobs.stop(workspace, job.id)
            st.rerun(scope="fragment")
        _charts(curve, job.status)

    widgets.follow(workspace, view.run.id, draw, every_s=1.0)


def _numbers(view: RunView, job: Job, curve: list[EpochMetrics]) -> None:
    best = max(curve, key=lambda e: (e.val_macro_f1, -e.val_loss), default=None)
    end = job.finished_at or time.time()
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.status_badge(job.status)
        st.caption(
            f"Device: {text.plain(job.device or 'not chosen yet')} · attempt {job.attempt}",
            width="content",
        )
    cells = st.columns(5)
    cells[0].metric(
        "Epoch",
        f"{len(curve)} / {view.run.train.epochs}",
        border=True,
        help="In one epoch, the network sees every training image once.",
    )
    cells[1].metric(
        "Step",
        f"{job.done} / {job.total}" if job.phase == "Training" else "–",
        border=True,
        help="In one step, the network learns from one batch of images.",
    )
    cells[2].metric(
        "Time",
        text.duration(end - job.started_at) if job.started_at else "–",
        border=True,
        help="Time of this attempt, including preparation.",
    )
    cells[3].metric(
        "Best macro F1",
        f"{best.val_macro_f1:.3f}" if best else "–",
        border=True,
        help="Mean F1 of all classes on the validation images; 1 is perfect. The model keeps the "
        "weights of this epoch.",
    )
    cells[4].metric(
        "Best epoch",
        best.epoch + 1 if best else "–",
        border=True,
        help="Epoch whose weights the model keeps.",
    )


def _charts(curve: list[EpochMetrics], status: JobStatus) -> None:
    if not curve:
        with st.container(border=True):
            st.caption(
                "The curves appear after the first epoch."
                if status.is_active
                else "There are no curves: no epoch was completed."
            )
        return
    dark = state.is_dark()
    left, right = st.columns(2)
    with left:
        chart(
            training_curves.loss_curve(curve, dark=dark),
            "loss",
            description="Loss over the epochs",
        )
    with right:
        chart(
            training_curves.score_curve(curve, dark=dark),
            "score",
            description="Validation accuracy and macro F1 over the epochs",
        )
    with st.expander("Learning rate and table"):
        chart(training_curves.rate_curve(curve, dark=dark), "rate", description="Learning rate")
        st.dataframe(
            {
                "epoch": [e.epoch + 1 for e in curve],
                "training loss": [e.train_loss for e in curve],
                "validation loss": [e.val_loss for e in curve],
                "accuracy": [e.val_accuracy for e in curve],
                "macro F1": [e.val_macro_f1 for e in curve],
                "seconds": [round(e.duration_s, 3) for e in curve],
            },
            hide_index=True,
        )


def actions(workspace: Workspace, view: RunView) -> None:
    with st.container(horizontal=True):
        if (
            view.status is JobStatus.COMPLETED
            and view.model_id
            and st.button(
                "Next: view the results",
                type="primary",
                icon=":material/grid_on:",
                key="to_evaluate",
            )
        ):
            st.switch_page(Place.EVALUATE, query_params={"model": view.model_id})
        if view.can_resume:
            if st.button(
                "Resume",
                type="primary",
                icon=":material/resume:",
                key="resume",
                help="Continues from the last saved state.",
            ):
                runs.resume_training(workspace, view.run.id)
                st.rerun()
            if runs.has_checkpoint(workspace, view.run.id) and st.button(
                "Make a model from the best epoch",
                icon=":material/deployed_code:",
                key="finish",
            ):
                runs.resume_training(workspace, view.run.id, finish=True)
                st.rerun()
        if not view.status.is_active and st.button(
            "Delete run", icon=":material/delete:", key="delete"
        ):
            confirm_delete(view)


@st.dialog("Delete run")
@errors.shown()
def confirm_delete(view: RunView) -> None:
    st.markdown(f"Delete the run **{text.plain(view.run.name)}** with its curve? Its model stays.")
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        runs.delete_run(state.workspace(), view.run.id)
        st.session_state.pop("chosen_run", None)
        st.query_params.clear()
        st.rerun()


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
    states = Counter(view.status.value for view in group.views)
    st.caption(" · ".join(f"{n} {status}" for status, n in states.items()))
    result = _cross_validation(tuple(view.model_id for view in group.views), workspace, group)
    if result is None:
        st.info("Mean and standard deviation appear after two folds.")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        words = (
            "Mean and standard deviation over the folds, each measured on images that its model "
            "was not trained on. Slightly optimistic, because these images also select the best "
            "epoch."
        )
        for title, spread in (
            ("Validation accuracy", result.accuracy),
            ("Validation macro F1", result.macro_f1),
        ):
            st.metric(title, f"{spread.mean:.1%} ± {spread.std:.1%}", border=True, help=words)
        if len(result.scores) < result.folds:
            st.caption(f"{len(result.scores)} of {result.folds} folds completed.")
    with right:
        chart(
            training_curves.fold_scores(
                {s.fold + 1: (s.accuracy, s.macro_f1) for s in result.scores}, dark=state.is_dark()
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
    config, pixels = view.run.train, view.run.preprocess
    try:
        dataset = datasets.find_dataset(workspace, view.run.dataset_id).name
    except TouchstoneError:
        dataset = "deleted"
    with st.expander("Settings of this run"):
        st.markdown(
            f"Dataset **{text.plain(dataset)}** · recipe **{config.recipe}** · network "
            f"**{text.plain(network_title(config.network))}** · {config.epochs} epochs · batch "
            f"{config.batch_size} · learning rate {config.learning_rate:g} · {config.optimizer}, "
            f"{config.schedule} · weight decay {config.weight_decay:g} · seed {config.seed} · "
            f"{pixels.image_size_px} px, {pixels.resize_mode}, {pixels.channels}, normalization "
            f"{text.plain(pixels.normalization)}{text.gray_levels(pixels.levels)}"
        )


def compare(workspace: Workspace, views: list[RunView]) -> None:
    st.subheader("All runs")
    scores = runs.best_scores(workspace)
    st.dataframe(
        {
            "run": [v.run.name for v in views],
            "status": [v.status.value for v in views],
            "recipe": [v.run.train.recipe.value for v in views],
            "network": [network_title(v.run.train.network) for v in views],
            "fold": ["–" if v.run.fold is None else str(v.run.fold + 1) for v in views],
            "size": [v.run.preprocess.image_size_px for v in views],
            "best macro F1": [
                f"{score:.3f}" if (score := scores.get(v.run.id)) is not None else "–"
                for v in views
            ],
            "epochs": [v.run.train.epochs for v in views],
            "learning rate": [v.run.train.learning_rate for v in views],
            "started": [text.when(v.run.created_at) for v in views],
        },
        hide_index=True,
    )


def page(workspace: Workspace) -> None:
    views = runs.list_runs(workspace)
    if not views:
        widgets.empty_state(
            "monitoring",
            "No runs yet",
            "Train a model; this takes a few minutes.",
            (Place.TRAIN, "Train a model"),
        )
        return
    names = {v.run.id: f"{v.run.name} · {text.when(v.run.created_at)}" for v in views}
    chosen = state.choose("run", names, label="Run", help="Run to view, newest first.")
    view = runs.find_run(workspace, chosen or "")
    live(workspace, view)
    actions(workspace, view)
    settings(workspace, view)
    for group in folds.group_runs(views):
        if view.run.id in {member.run.id for member in group.views}:
            together(workspace, view.run.id, group)
    compare(workspace, views)


widgets.page_heading("Runs", "Watch runs live, and compare earlier ones.")
page(state.workspace())
