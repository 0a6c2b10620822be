"""How a run comes to its model, drawn while it happens: in epochs, or by trying penalties."""

from collections.abc import Sequence

import streamlit as st

from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.choices import Recipe
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.training import DetailTrial, HeadTrial, PenaltyPoint, chosen_penalty
from core.words import MINUS
from core.workflows.training import control, last_layers, record, runs
from core.workflows.training.runs import RunView
from core.workflows.use import alike, models
from core.workspace import Workspace
from pages.training import run_actions, run_live
from pages.ui import text, widgets
from pages.ui.components import chart
from pages.ui.figures import training_curves
from pages.ui.people import rights
from pages.ui.tables import small_table

_TILES_SOLVED = (
    "A new run with the same settings that also looks at each quarter of the image at twice the "
    "resolution, for fine defects. It takes about 5 times as long."
)
_TILES_IN_EPOCHS = (
    "A new run with the same settings. What quick makes of each quarter of the image, at twice the "
    "resolution, is compared at its end, for fine defects; the epochs take as long as before."
)


def numbers_and_charts(workspace: Workspace, view: RunView, job: Job) -> None:
    _by_recipe(workspace, view, job)
    if told := record.agreement_in_words(workspace, view.run.id):
        st.caption(
            f"Computed on a GPU; {told}.",
            help="Models are used on the processor. Some test images were classified there as "
            "well, and compared with the results of the GPU, which are stored.",
        )


def _by_recipe(workspace: Workspace, view: RunView, job: Job) -> None:
    if view.run.train.recipe is Recipe.GOOD_ONLY:
        _detector(workspace, view, job)
        return
    curve = runs.curve(workspace, view.run.id)
    if view.run.train.recipe is Recipe.QUICK and not curve:
        _solved(workspace, view, job)
        return
    run_live.numbers(workspace, view, job, curve)
    if record.ends_refitted(workspace, view.run.id):
        st.caption(
            "At the end its last layer was solved on training and validation images, "
            "which the curves do not show."
        )
    run_live.charts(workspace, view, job.status, curve)
    if tried := runs.detail_trials(workspace, view.run.id):
        kept = record.ends_with_quick(workspace, view.run.id)
        title = "The model of quick, which was kept" if kept else "The model it started from"
        with st.expander(title, icon=":material/start:"):
            _details_tried(workspace, view, tried)


def _detector(workspace: Workspace, view: RunView, job: Job) -> None:
    """How often a detector calls good images unlike the others, once it is there."""
    if view.model_id is None:
        if not job.status.is_active:
            st.caption("There is no model yet.")
        return
    limit = alike.unfamiliar_limit(workspace, models.find_model(workspace, view.model_id))
    if limit is None:
        return
    with st.container(border=True):
        bound = text.percent_at_most(limit.bound)
        st.metric(
            f"Good {'parts' if limit.counts_parts else 'images'} flagged, at most",
            bound,
            help="With 95% confidence, by good images judged without places of their own part. A "
            "part is flagged if one of its images is.",
        )
        st.caption(
            f"{text.percent(limit.rate)} was asked for, judged on {alike.judged_in_words(limit)}."
        )


def _solved(workspace: Workspace, view: RunView, job: Job) -> None:
    path = runs.penalty_path(workspace, view.run.id)
    is_known = bool(path) or view.run.train.penalty > 0 or job.status is JobStatus.COMPLETED
    penalty = chosen_penalty(view.run.train, path) if is_known else None
    _numbers(workspace, view, job)
    tried = runs.detail_trials(workspace, view.run.id)
    if not path:
        with st.container(border=True):
            st.caption(_no_path_in_words(view, job.status))
        _details_tried(workspace, view, tried)
        _last_layers_tried(workspace, view)
        return
    st.markdown("**How this model was chosen**")
    st.caption("Each choice was tried on images held back from it. A lower loss is better.")
    left, right = st.columns(2) if len(tried) > 1 else (st.container(), None)
    with left:
        chart(
            training_curves.penalty_path(path),
            "penalty_path",
            description="Cross-validated log loss over the penalty",
        )
        st.caption(
            "★ A penalty keeps the model simple: the strongest one that is as good as the best "
            "within the error bars."
        )
        _why(path, penalty)
    with right or left:
        _details_tried(workspace, view, tried)
        _last_layers_tried(workspace, view)
    with st.expander("Table"):
        small_table(
            {
                "penalty": [text.significant(p.penalty) for p in path],
                "log loss": [text.decimal(p.log_loss, 4) for p in path],
                "standard error": [text.decimal(p.standard_error, 4) for p in path],
            },
            "penalties",
            about="Penalties that were tried",
            numbers=("penalty", "log loss", "standard error"),
        )


def _details_tried(workspace: Workspace, view: RunView, tried: Sequence[DetailTrial]) -> None:
    """The detail levels that were compared: what each gained, and what it costs."""
    if len(tried) > 1:
        _levels_table(tried)
    if control.can_compare_tiles(view, tried) and st.button(
        "Compare tiles too",
        icon=":material/grid_view:",
        key="compare_tiles",
        **rights.only(
            Right.TRAIN,
            help=_TILES_IN_EPOCHS if recipe_is_trained(view.run.train.recipe) else _TILES_SOLVED,
        ),
    ):
        run_actions.open_run(control.compare_tiles(workspace, view.run.id).run.id)


def _levels_table(tried: Sequence[DetailTrial]) -> None:
    """Every level with its loss and its gain, which are of different images and say so."""
    st.markdown("**Detail levels compared**")
    small_table(
        {
            "level": [f"{t.detail.value}{' ★' if t.is_chosen else ''}" for t in tried],
            "log loss (training)": [text.decimal(t.log_loss, 4) for t in tried],
            "macro recall (training)": [text.decimal(t.macro_recall) for t in tried],
            "gain (all images)": [_gain(t) for t in tried],
            "ms per image": [text.decimal(t.image_ms, 1) for t in tried],
        },
        "details_tried",
        about="Detail levels compared",
        numbers=("log loss (training)", "macro recall (training)", "ms per image"),
    )
    st.caption(
        "Log loss: on the training images. Gain over the best level above: on all images the model "
        "learns from."
    )
    st.caption(
        "★ is taken: of equal cost unless likely worse, slower only if likely better. Overrule it "
        "with Detail on Configure."
    )


def _last_layers_tried(workspace: Workspace, view: RunView) -> None:
    """The kinds of last layer that were compared; nothing where there was nothing to compare."""
    tried = last_layers.head_trials(workspace, view.run.id)
    if len(tried) < 2:
        return
    st.markdown("**Last layers compared**")
    small_table(
        {
            "last layer": [f"{t.head.value}{' ★' if t.is_chosen else ''}" for t in tried],
            "penalty": [text.significant(t.penalty) for t in tried],
            "log loss": [text.decimal(t.log_loss, 4) for t in tried],
            "macro recall": [text.decimal(t.macro_recall) for t in tried],
            "gain": [_gain(t) for t in tried],
            "ms per image": [text.decimal(t.image_ms) for t in tried],
        },
        "last_layers_tried",
        about="Last layers compared",
        numbers=("penalty", "log loss", "macro recall", "ms per image"),
    )
    st.caption(
        "Cross-validated on all images to learn from. Only a gain proven with 95% confidence "
        "replaces linear; overrule it on Configure."
    )


def _gain(trial: DetailTrial | HeadTrial) -> str:
    """How much lower the log loss is than before, with its standard error."""
    if trial.gain is None or trial.gain_error is None:
        return text.NOTHING
    sign = "+" if trial.gain > 0 else ""
    gain = text.decimal(trial.gain).replace("-", MINUS)
    return f"{sign}{gain} ± {text.decimal(trial.gain_error)}"


def _numbers(workspace: Workspace, view: RunView, job: Job) -> None:
    """How many validation images are right comes first: it is what everybody asks."""
    score = runs.best_scores(workspace).get(view.run.id) if view.model_id else None
    cells = st.container(key="run_numbers").columns(3)
    right = run_live.right_of(workspace, view)
    cells[0].metric(
        "Validation images right",
        right or text.NOTHING,
        border=True,
        help=run_live.RIGHT_HELP,
    )
    cells[1].metric(
        "Validation macro F1",
        text.decimal(score),
        border=True,
        help=run_live.MACRO_F1_HELP,
    )
    cells[2].metric(
        "Time",
        run_live.time_taken(job),
        border=True,
        help="Time of this attempt, including preparation.",
    )


def _why(path: Sequence[PenaltyPoint], penalty: float | None) -> None:
    """The penalty and its loss, and how it was chosen."""
    chosen = next((point for point in path if point.penalty == penalty), None)
    with (
        st.container(horizontal=True),
        widgets.why("why_penalty", "Why this penalty?"),
    ):
        if chosen is not None:
            loss = f"{text.decimal(chosen.log_loss)} ± {text.decimal(chosen.standard_error)}"
            st.markdown(f"Penalty **{text.significant(penalty)}** · log loss **{loss}**")
        st.markdown(
            "The penalty pulls the weights toward zero. Each image is judged by a model that was "
            "fitted without it, on the training images; a log loss of 0 is perfect. Weaker "
            "penalties with a lower loss cannot be told apart from the chosen one: the difference "
            "is within one standard error."
        )


def _no_path_in_words(view: RunView, status: JobStatus) -> str:
    if view.run.train.penalty > 0:
        return "There is no curve: the penalty was given."
    if status.is_active:
        return "The chart appears with the first result."
    if status is JobStatus.COMPLETED:
        return "There is no curve: the images could not be divided for cross-validation."
    return "There is no curve: no penalty was tried."
