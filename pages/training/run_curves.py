"""How a run comes to its model, drawn while it happens: epochs, or the penalties it tries."""

import time
from collections.abc import Sequence

import streamlit as st

from core.domain.configs.choices import Recipe
from core.domain.jobs import Job, JobStatus
from core.domain.training import EpochMetrics, PenaltyPoint, chosen_penalty
from core.workflows.training import runs
from core.workflows.training.runs import RunView
from core.workspace import Workspace
from pages.ui import text
from pages.ui.components import chart
from pages.ui.figures import training_curves

MACRO_F1_HELP = "Mean F1 of all classes on the validation images; 1 is perfect."


def numbers_and_charts(workspace: Workspace, view: RunView, job: Job) -> None:
    curve = runs.curve(workspace, view.run.id)
    if view.run.train.recipe is Recipe.QUICK and not curve:
        _solved(workspace, view, job)
        return
    _epoch_numbers(view, job, curve)
    _epoch_charts(curve, job.status)


def _time(job: Job) -> str:
    end = job.finished_at or time.time()
    return text.duration(end - job.started_at) if job.started_at else "–"


def _epoch_numbers(view: RunView, job: Job, curve: Sequence[EpochMetrics]) -> None:
    best = max(curve, key=lambda e: (e.val_macro_f1, -e.val_loss), default=None)
    cells = st.columns(4)
    cells[0].metric(
        "Epoch",
        f"{len(curve)} / {view.run.train.epochs}",
        border=True,
        help="In one epoch, the network sees every training image once.",
    )
    cells[1].metric(
        "Time", _time(job), border=True, help="Time of this attempt, including preparation."
    )
    cells[2].metric(
        "Best macro F1",
        text.decimal(best.val_macro_f1 if best else None),
        border=True,
        help=f"{MACRO_F1_HELP} The model keeps the weights of this epoch.",
    )
    cells[3].metric(
        "Best epoch",
        best.epoch + 1 if best else "–",
        border=True,
        help="Epoch whose weights the model keeps.",
    )


def _epoch_charts(curve: Sequence[EpochMetrics], status: JobStatus) -> None:
    if not curve:
        with st.container(border=True):
            st.caption(
                "The curves appear after the first epoch."
                if status.is_active
                else "There are no curves: no epoch was completed."
            )
        return
    left, right = st.columns(2)
    with left:
        chart(
            training_curves.loss_curve(curve),
            "loss",
            description="Loss over the epochs",
        )
    with right:
        chart(
            training_curves.score_curve(curve),
            "score",
            description="Validation accuracy and macro F1 over the epochs",
        )
    with st.expander("Learning rate and table"):
        chart(training_curves.rate_curve(curve), "rate", description="Learning rate")
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


def _solved(workspace: Workspace, view: RunView, job: Job) -> None:
    path = runs.penalty_path(workspace, view.run.id)
    is_known = bool(path) or view.run.train.penalty > 0 or job.status is JobStatus.COMPLETED
    penalty = chosen_penalty(view.run.train, path) if is_known else None
    _penalty_numbers(workspace, view, job, path, penalty)
    with st.container(border=not path):
        if not path:
            st.caption(_no_path_in_words(view, job.status))
            return
    chart(
        training_curves.penalty_path(path),
        "penalty_path",
        description="Cross-validated log loss over the penalty",
    )
    with (
        st.container(horizontal=True),
        st.popover("Why this penalty?", type="tertiary", icon=":material/help:"),
    ):
        st.markdown(
            "The star is the strongest penalty within one standard error of the least loss: among "
            "those that cannot be told apart, the simplest model. Each image is judged by a model "
            "that was fitted without it."
        )
    with st.expander("Table"):
        st.dataframe(
            {
                "penalty": [text.significant(p.penalty) for p in path],
                "log loss": [round(p.log_loss, 4) for p in path],
                "standard error": [round(p.standard_error, 4) for p in path],
            },
            hide_index=True,
        )


def _penalty_numbers(
    workspace: Workspace,
    view: RunView,
    job: Job,
    path: Sequence[PenaltyPoint],
    penalty: float | None,
) -> None:
    best = next((point for point in path if point.penalty == penalty), None)
    score = runs.best_scores(workspace).get(view.run.id) if view.model_id else None
    cells = st.columns(4)
    cells[0].metric(
        "Chosen penalty" if path else "Penalty",
        text.significant(penalty),
        border=True,
        help="How strongly the weights are pulled toward zero.",
    )
    cells[1].metric(
        "Log loss",
        f"{text.decimal(best.log_loss)} ± {text.decimal(best.standard_error)}"
        if best
        else text.NOTHING,
        border=True,
        help="In cross-validation on the training images, with its standard error; 0 is perfect.",
    )
    cells[2].metric(
        "Time", _time(job), border=True, help="Time of this attempt, including preparation."
    )
    cells[3].metric(
        "Validation macro F1",
        text.decimal(score),
        border=True,
        help=MACRO_F1_HELP,
    )


def _no_path_in_words(view: RunView, status: JobStatus) -> str:
    if view.run.train.penalty > 0:
        return "There is no curve: the penalty was given."
    if status.is_active:
        return "The curve appears with the first penalty that is tried."
    if status is JobStatus.COMPLETED:
        return "There is no curve: the images could not be divided for cross-validation."
    return "There is no curve: no penalty was tried."
