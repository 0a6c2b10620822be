"""Evaluate: every number with its bound, and the images behind it."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import ModelFileError
from core.workflows.results import access, evaluation
from core.workflows.results.judging import JudgedSet
from core.workflows.use import models
from core.workspace import Workspace
from pages.results import (
    evaluate_classes,
    evaluate_confidence,
    evaluate_errors,
    evaluate_matrix,
    evaluate_overview,
    evaluate_slices,
)
from pages.ui import (
    context,
    counting,
    image_drawer,
    inference,
    judged,
    state,
    test_access,
    text,
    widgets,
)
from pages.ui.places import Place

VALIDATION_SHOWN = (
    "Below: the validation images. They help to choose settings and thresholds, so these "
    "results can be slightly optimistic."
)
MOST_BESIDE = 3
TABS = ("Overview", "Classes", "Errors", "Confidence", "Slices", "Measures")
SUBSET_HELP = (
    "Test images were never used in training: only they show how good the model is. Validation "
    "images were used to choose settings and thresholds. Training images show what it memorized."
)
SEALED = (
    "**The test set is sealed**: nobody has viewed its results yet, so they can still prove "
    "something. Until it is opened on the Sign-off page, the validation images are shown; use them "
    "to choose thresholds and criteria."
)


def choose_subset(workspace: Workspace, model: Model) -> Subset | None:
    """The subset; in the link unless it is the usual one. Choosing another closes the cell."""
    subsets = evaluation.open_subsets(workspace, model)
    if not subsets:
        return None
    hidden = Subset.VALIDATION in subsets and not access.is_viewed(workspace, model)
    usual = Subset.VALIDATION if hidden or Subset.TEST not in subsets else Subset.TEST
    usual = usual if usual in subsets else subsets[-1]
    linked = st.query_params.get("subset")
    if st.session_state.get("subset") not in subsets:
        st.session_state.subset = next((s for s in subsets if s.value == linked), usual)
    chosen = st.segmented_control(
        "Subset",
        subsets,
        required=True,
        format_func=lambda s: s.value,
        key="subset",
        help=SUBSET_HELP,
        on_change=evaluate_matrix.close_cell,
    )
    assert chosen is not None  # required, and set above
    if chosen is usual:
        st.query_params.pop("subset", None)
    elif linked != chosen.value:
        st.query_params["subset"] = chosen.value
    return chosen


def choose_others(workspace: Workspace, first: Model, names_by_id: dict[str, str]) -> list[Model]:
    """Models to show beside the first one; they are in the link."""
    options = {key: name for key, name in names_by_id.items() if key != first.id}
    if not options:
        return []
    linked = [key for key in st.query_params.get("with", "").split(",") if key in options]
    kept = st.session_state.get("others")
    if kept is None or not set(kept) <= set(options):
        st.session_state.others = linked[:MOST_BESIDE]
    chosen = st.multiselect(
        "Compare with",
        list(options),
        key="others",
        format_func=lambda key: options.get(key, key),
        placeholder="No other model",
        max_selections=MOST_BESIDE,
        on_change=evaluate_matrix.close_cell,
        help="Shows up to three more models side by side. To test which of two models is better, "
        "use the Compare page.",
    )
    if not chosen:
        st.query_params.pop("with", None)
    elif linked != chosen:
        st.query_params["with"] = ",".join(chosen)
    return [models.find_model(workspace, key) for key in chosen]


def sealed_note(workspace: Workspace, model: Model) -> None:
    if Subset.TEST in evaluation.evaluated_subsets(workspace, model.id) and access.is_sealed(
        workspace, model
    ):
        st.info(SEALED, icon=":material/lock:")
        st.page_link(
            Place.SIGN_OFF,
            label="Go to Sign-off",
            icon=":material/lock_open:",
            query_params={"model": model.id},
        )


def to_show(workspace: Workspace, shown: list[Model], subset: Subset) -> list[Model]:
    """Ask before the first view of the test results; gives the models that may be shown now."""
    unseen = [
        model
        for model in test_access.not_viewed(workspace, shown)
        if Subset.TEST in evaluation.open_subsets(workspace, model)
    ]
    if not unseen:
        return shown

    def show_test() -> None:
        st.session_state.subset = Subset.TEST
        evaluate_matrix.close_cell()

    test_access.ask(
        workspace,
        unseen,
        then=show_test,
        more=VALIDATION_SHOWN if subset is Subset.VALIDATION else "",
    )
    if subset is not Subset.TEST:
        return shown
    return [] if shown[0] in unseen else [m for m in shown if m not in unseen]


def comparable(workspace: Workspace, others: list[Model], subset: Subset) -> list[Model]:
    """The models that have results to show; says which have none."""
    shown = [m for m in others if subset in evaluation.open_subsets(workspace, m)]
    without = [m.name for m in others if m not in shown]
    if without:
        names = text.plain(", ".join(without))
        st.info(f"There are no {subset} results to show of {names}.")
    return shown


def results(workspace: Workspace, shown: list[Model], subset: Subset) -> None:
    model = shown[0]
    judgements = [judged.judgement(workspace, item, subset) for item in shown]
    # Why one place: where something comes or goes between them, browsers build all below anew.
    with st.container(key="notes"):
        notes(workspace, judgements, subset)
    counting.show(judgements[0], judged.saved_point(workspace, judgements[0].model))
    for item in judgements:
        evaluate_overview.numbers(workspace, item, named=len(judgements) > 1)
    tabs = dict(zip(TABS, st.tabs(list(TABS), key="tab", on_change="rerun"), strict=True))
    with tabs["Overview"]:
        if tabs["Overview"].open:
            evaluate_overview.pies(judgements[0])
            evaluate_matrix.matrix_and_images(workspace, shown, subset)
    draw: dict[str, Callable[[], None]] = {
        "Classes": lambda: evaluate_classes.classes(workspace, judgements[0]),
        "Errors": lambda: evaluate_errors.mistakes(workspace, judgements[0]),
        "Confidence": lambda: evaluate_confidence.confidence(workspace, model, judgements[0]),
        "Slices": lambda: evaluate_slices.slices(workspace, model, judgements[0]),
        "Measures": lambda: evaluate_overview.measures(workspace, model, subset),
    }
    for name, show in draw.items():
        with tabs[name]:
            if tabs[name].open:
                show()
    judged.prepare(workspace, model, subset)
    image_drawer.reopen(workspace)


def notes(workspace: Workspace, judgements: list[JudgedSet], subset: Subset) -> None:
    """What a reader must know about these results, and what was corrected last."""
    for item in judgements:
        if item.notice:
            whose = f"**{text.plain(item.model.name)}** · " if len(judgements) > 1 else ""
            st.warning(whose + text.plain(item.notice), icon=":material/report:")
        problem = judged.rule_problem(workspace, item.model)
        if problem is not None:
            st.warning(f"{problem.message} {problem.hint}", icon=":material/rule:")
    if subset is Subset.VALIDATION:
        judged.cross_validated_note([item.model for item in judgements])
    if subset is Subset.TRAIN:
        st.warning("The model was trained on these images: its results look better than they are.")
    if len({item.model.split_id for item in judgements}) > 1:
        st.warning(
            "These models have different splits: their results are based on different images."
        )
    image_drawer.recent_edit(workspace, judgements[0].dataset.id)


def page(workspace: Workspace) -> None:
    model = context.model(workspace)
    if model is None:
        widgets.empty_state(
            "grid_on",
            "No model yet",
            "Train a model first, then evaluate it here.",
            (Place.TRAIN, "Train a model"),
        )
        return
    second_column, subset_column = st.columns([4, 4], vertical_alignment="bottom")
    with subset_column:
        subset = choose_subset(workspace, model)
    if subset is None:
        sealed_note(workspace, model)
        st.info(
            "This model has no results here: it was uploaded, or its dataset was deleted. It can "
            "still be used for predictions."
        )
        st.page_link(
            Place.PREDICT,
            label="Predict with it",
            icon=":material/image_search:",
            query_params={"model": model.id},
        )
        return
    with second_column:
        names_by_id = {m.id: m.name for m in models.list_models(workspace)}
        others = choose_others(workspace, model, names_by_id)
    # Why suppressed: the numbers need no weights; the drawer says what is wrong with them.
    with suppress(ModelFileError):
        inference.warm_up(workspace, model)
    sealed_note(workspace, model)
    shown = [model, *comparable(workspace, others, subset)]
    shown = to_show(workspace, shown, subset)
    if shown:
        results(workspace, shown, subset)
    with st.container(horizontal=True):
        if st.button(
            "Next: choose the reject threshold",
            type="primary",
            icon=":material/balance:",
            key="to_decide",
            help="Sets the confidence from which a part is rejected, weighing escapes against "
            "false rejects.",
        ):
            st.switch_page(Place.OPERATING_POINT, query_params={"model": model.id})
        if st.button(
            "Use it on new images",
            icon=":material/image_search:",
            key="to_predict",
            help="Opens the Predict page with this model.",
        ):
            st.switch_page(Place.PREDICT, query_params={"model": model.id})


widgets.page_heading(Place.EVALUATE, "See how good the model is, where it makes mistakes and why.")
page(state.workspace())
