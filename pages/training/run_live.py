"""A run that learns in epochs, while it happens: numbers, curves, matrix and hardest images."""

import time
from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.domain.jobs import Job, JobStatus, Phase
from core.domain.models import Model
from core.domain.splits import Subset
from core.domain.training import EpochDetails, EpochMetrics
from core.errors import NotFoundError
from core.evaluation.measures.views import class_matrix, classes_to_show
from core.workflows.results import evaluation, judging
from core.workflows.training import runs
from core.workflows.training.record import class_names_of
from core.workflows.training.runs import RunView
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import judged, routes, text
from pages.ui.components import Tile, chart, gallery
from pages.ui.figures import confusion_matrix, training_curves
from pages.ui.viewer import viewing

MACRO_F1_HELP = "Mean F1 of all classes on the validation images; 1 is perfect."
RIGHT_HELP = (
    "Images whose most likely class is the true one, each judged by a model that did not learn "
    "from it. Results has the rest."
)
_MOST_CLASSES = 12
_NEWEST, _BEST = "Newest epoch", "Best epoch"


def right_of(workspace: Workspace, view: RunView) -> str | None:
    """Such as `58 of 60`: validation images of the right class; None while there is no model."""
    if view.model_id is None:
        return None
    try:
        judgement = judging.judged_set(
            workspace, view.model_id, Subset.VALIDATION, memory=judged.memory(workspace)
        )
    except NotFoundError:  # a dataset or predictions that are gone
        return None
    right = int(np.sum(judgement.predicted == judgement.targets))
    return f"{right:,} of {len(judgement.targets):,}"


def time_taken(job: Job) -> str:
    """Of this attempt so far."""
    end = job.finished_at or time.time()
    return text.duration(end - job.started_at) if job.started_at else text.NOTHING


def numbers(workspace: Workspace, view: RunView, job: Job, curve: Sequence[EpochMetrics]) -> None:
    """Images right once there is a model, epoch, best value, rate, speed, memory, device."""
    best = next((e for e in reversed(curve) if e.is_best), None)
    last = curve[-1] if curve else None
    on = f" on {text.plain(job.device)}" if job.device else ""
    with st.container(horizontal=True, key="live_numbers"):
        if right := right_of(workspace, view):
            st.metric("Validation images right", right, help=RIGHT_HELP, width="content")
        st.metric(
            "Epoch",
            f"{max(0, last.epoch + 1) if last else 0} / {view.run.train.epochs}",
            help=f"In one epoch, the network sees every training image once.{_step(job)}",
            width="content",
        )
        st.metric(
            "Best macro F1",
            f"{text.decimal(best.val_macro_f1)} · {_epoch_name(best.epoch)}"
            if best
            else text.NOTHING,
            help=f"{MACRO_F1_HELP} The model keeps the weights of the best epoch; "
            "its last layer may be solved anew at the end.",
            width="content",
        )
        st.metric(
            "Learning rate",
            text.significant(last.learning_rate if last else None),
            help="Of the last completed epoch.",
            width="content",
        )
        st.metric(
            "Images per second",
            text.significant(last.images_per_second if last else None),
            help="Training alone, in the last completed epoch.",
            width="content",
        )
        st.metric(
            "Memory",
            _memory(last),
            help="The most in use so far: of the GPU if one computes, else of the process.",
            width="content",
        )
        st.metric(
            f"Time{on}",
            time_taken(job),
            help="Time of this attempt, with preparation.",
            width="content",
        )


def _step(job: Job) -> str:
    if job.phase != Phase.TRAINING or not job.total:
        return ""
    return f" Step {job.done:,} of {job.total:,}."


def _memory(last: EpochMetrics | None) -> str:
    if last is None or last.memory_mb is None:
        return text.NOTHING
    return text.size(last.memory_mb * 2**20)


def _epoch_name(epoch: int) -> str:
    return "start" if epoch < 0 else f"epoch {epoch + 1}"


def charts(
    workspace: Workspace, view: RunView, status: JobStatus, curve: Sequence[EpochMetrics]
) -> None:
    """Measure beside matrix, then loss beside learning rate, the hardest images and the table."""
    if not curve:
        with st.container(border=True):
            st.caption(
                "Curves and matrix appear after the first epoch."
                if status.is_active
                else "There are no curves: no epoch was completed."
            )
        return
    details = runs.epoch_details(workspace, view.run.id)
    names = class_names_of(workspace, view.run)
    left, right = st.columns(2)
    with left:
        chart(
            training_curves.score_curve(curve),
            "score",
            description="Validation accuracy and macro F1 over the epochs",
        )
    with right:
        shown = _chosen(details.latest, details.best)
        if shown is not None:
            _matrix(shown, names)
        else:
            _loss(curve)
    left, right = st.columns(2)
    with left:
        _rate(curve)
    with right:
        if shown is not None:
            _loss(curve)
    if shown is not None:
        _hardest(workspace, view, shown, names)
    _table(curve)


def _rate(curve: Sequence[EpochMetrics]) -> None:
    chart(training_curves.rate_curve(curve), "rate", description="Learning rate over the epochs")


def _loss(curve: Sequence[EpochMetrics]) -> None:
    chart(training_curves.loss_curve(curve), "loss", description="Loss over the epochs")


def _chosen(latest: EpochDetails | None, best: EpochDetails | None) -> EpochDetails | None:
    """Which epoch is looked at: the newest or the best, where they differ."""
    if latest is None or best is None or latest.epoch == best.epoch:
        return latest or best
    named = {_NEWEST: latest, _BEST: best}
    chosen = st.segmented_control(
        "Epoch of matrix and images",
        list(named),
        default=_NEWEST,
        required=True,
        key="details_of",
        label_visibility="collapsed",
    )
    return named[chosen or _NEWEST]


def _matrix(shown: EpochDetails, names: Sequence[str]) -> None:
    counts = np.array(shown.confusion, np.int64)  # [C, C], rows true
    targets = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(len(counts)), row) for row in counts])
    view = class_matrix(
        predicted, targets, names, classes_to_show(counts, names, most=_MOST_CLASSES)
    )
    figure = confusion_matrix.matrix(view, shares="")
    chart(
        figure,
        "live_matrix",
        description=f"Confusion matrix of the validation images, {_epoch_name(shown.epoch)}",
    )
    outside = f" · {view.outside:,} images in other classes" if view.outside else ""
    st.caption(f"Validation images, {_epoch_name(shown.epoch)}; rows are the true class{outside}")


def _hardest(
    workspace: Workspace, view: RunView, shown: EpochDetails, names: Sequence[str]
) -> None:
    if not shown.hardest:
        return
    st.markdown("##### Hardest validation images")
    ids = np.array([image.sample_id for image in shown.hardest], np.int64)
    samples = {s.id: s for s in evaluation.samples_of(workspace, ids)}
    tiles = []
    for image in shown.hardest:
        if (sample := samples.get(image.sample_id)) is None:
            continue
        is_right = image.true_class == image.predicted
        predicted = f"{names[image.predicted]} {text.confidence(image.confidence)}"
        tiles.append(
            Tile(
                key=str(sample.id),
                url=routes.thumbnail_url(sample.id, sample.sha256),
                title=names[image.true_class],
                detail=f"{'right' if is_right else 'predicted'}: {predicted}",
                hint=f"{sample.name or sample.path}\nloss {text.decimal(image.loss, 2)}",
                tone="right" if is_right else "wrong",
            )
        )
    gallery(
        tiles,
        "hardest",
        side_px=104,
        viewing=viewing.of_samples([int(t.key) for t in tiles], _models(workspace, view)),
    )


def _models(workspace: Workspace, view: RunView) -> Sequence[Model]:
    """The model of the run, once it has made one."""
    return [models.find_model(workspace, view.model_id)] if view.model_id else []


def _table(curve: Sequence[EpochMetrics]) -> None:
    with st.expander("Table"):
        st.dataframe(
            {
                "epoch": [e.epoch + 1 for e in curve],
                "training loss": [e.train_loss for e in curve],
                "validation loss": [e.val_loss for e in curve],
                "training accuracy": [e.train_accuracy for e in curve],
                "accuracy": [e.val_accuracy for e in curve],
                "macro F1": [e.val_macro_f1 for e in curve],
                "macro recall": [e.val_macro_recall for e in curve],
                "images per second": [e.images_per_second for e in curve],
                "seconds": [round(e.duration_s, 3) for e in curve],
            },
            hide_index=True,
            placeholder=text.NOTHING,
        )
