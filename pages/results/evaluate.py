"""Evaluate: every number with its bound, and the images behind it."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import ModelFileError
from core.workflows.results import evaluation, judging
from core.workflows.results.evaluation import Judgement
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
from pages.ui import image_drawer, inference, judged, state, test_access, text, widgets
from pages.ui.places import Place

PURPOSE = "Evaluate page"
VALIDATION_SHOWN = (
    "What you see below are the validation images: they chose the model, so their numbers "
    "flatter it a little."
)
MOST_BESIDE = 3
TABS = ("Overview", "Classes", "Errors", "Confidence", "Slices", "Measures")
SUBSET_HELP = (
    "Test images were never used in training: only they tell how good the model is. Validation "
    "chose the best epoch; train shows what was learned by heart."
)
SEALED = (
    "**The test set is sealed**: nobody has looked at its results yet, so that they will prove "
    "something. Until then the validation images are shown; they are for choosing thresholds and "
    "criteria. Opening it is one step on the Sign-off page, and every opening is counted."
)


def choose_subset(workspace: Workspace, model: Model) -> Subset | None:
    """The subset, in the link where it is not the usual one; another subset closes the cell."""
    subsets = evaluation.open_subsets(workspace, model)
    if not subsets:
        return None
    hidden = Subset.VALIDATION in subsets and not judging.has_looked(workspace, model)
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


def choose_others(workspace: Workspace, first: Model, found: dict[str, str]) -> list[Model]:
    """Models to show beside the first one; they stand in the link."""
    options = {key: name for key, name in found.items() if key != first.id}
    if not options:
        return []
    linked = [key for key in st.query_params.get("with", "").split(",") if key in options]
    kept = st.session_state.get("others")
    if kept is None or not set(kept) <= set(options):
        st.session_state.others = linked[:MOST_BESIDE]
    chosen = st.multiselect(
        "Beside it",
        list(options),
        key="others",
        format_func=lambda key: options.get(key, key),
        placeholder="no other model",
        max_selections=MOST_BESIDE,
        on_change=evaluate_matrix.close_cell,
        help="Up to three more models, side by side. For a fair test of which of two is better, "
        "use Compare.",
    )
    if not chosen:
        st.query_params.pop("with", None)
    elif linked != chosen:
        st.query_params["with"] = ",".join(chosen)
    return [models.find_model(workspace, key) for key in chosen]


def sealed_note(workspace: Workspace, model: Model) -> None:
    if Subset.TEST in evaluation.evaluated_subsets(workspace, model.id) and judging.is_closed(
        workspace, model
    ):
        st.info(SEALED, icon=":material/lock:")
        st.page_link(
            Place.SIGN_OFF,
            label="Go to Sign-off",
            icon=":material/lock_open:",
            query_params={"model": model.id},
        )


def count_look(workspace: Workspace, model: Model, subset: Subset) -> None:
    """A look at test results is counted once per model and browser session."""
    seen: set[str] = st.session_state.setdefault("looked_at", set())
    if subset is Subset.TEST and model.id not in seen:
        judging.count_look(workspace, model, PURPOSE)
        seen.add(model.id)


def to_show(workspace: Workspace, shown: list[Model], subset: Subset) -> list[Model]:
    """Ask before the first look at test results; gives the models that may be shown now."""
    unseen = [
        model
        for model in test_access.unseen(workspace, shown)
        if Subset.TEST in evaluation.open_subsets(workspace, model)
    ]
    if not unseen:
        return shown

    def show_test() -> None:
        st.session_state.subset = Subset.TEST
        st.session_state.setdefault("looked_at", set()).update(model.id for model in unseen)
        evaluate_matrix.close_cell()

    test_access.ask(
        workspace,
        unseen,
        PURPOSE,
        then=show_test,
        more=VALIDATION_SHOWN if subset is Subset.VALIDATION else "",
    )
    if subset is not Subset.TEST:
        return shown
    return [] if shown[0] in unseen else [m for m in shown if m not in unseen]


def comparable(workspace: Workspace, others: list[Model], subset: Subset) -> list[Model]:
    """Those that have results to show; says which have none."""
    shown = [m for m in others if subset in evaluation.open_subsets(workspace, m)]
    without = [m.name for m in others if m not in shown]
    if without:
        st.info(f"No {subset} results that may be shown: {text.plain(', '.join(without))}.")
    return shown


def results(workspace: Workspace, shown: list[Model], subset: Subset) -> None:
    model = shown[0]
    found = [judged.judgement(workspace, item, subset) for item in shown]
    for item in found:
        count_look(workspace, item.judged.model, subset)
    # Why one place: where something comes or goes between them, browsers build all below anew.
    with st.container(key="notes"):
        notes(workspace, found, subset)
    for item in found:
        evaluate_overview.numbers(workspace, item, named=len(found) > 1)
    tabs = dict(zip(TABS, st.tabs(list(TABS), key="tab", on_change="rerun"), strict=True))
    with tabs["Overview"]:
        if tabs["Overview"].open:
            evaluate_overview.pies(found[0])
            evaluate_matrix.matrix_and_images(workspace, shown, subset)
    draw: dict[str, Callable[[], None]] = {
        "Classes": lambda: evaluate_classes.classes(workspace, found[0]),
        "Errors": lambda: evaluate_errors.mistakes(workspace, found[0]),
        "Confidence": lambda: evaluate_confidence.confidence(workspace, model, found[0]),
        "Slices": lambda: evaluate_slices.slices(workspace, model, found[0]),
        "Measures": lambda: evaluate_overview.measures(workspace, model, subset),
    }
    for name, show in draw.items():
        with tabs[name]:
            if tabs[name].open:
                show()
    judged.prepare(workspace, model, subset)
    image_drawer.reopen(workspace)


def notes(workspace: Workspace, found: list[Judgement], subset: Subset) -> None:
    """What a reader must know of these numbers, and what was corrected last."""
    for item in found:
        if item.judged.notice:
            whose = f"**{text.plain(item.judged.model.name)}** · " if len(found) > 1 else ""
            st.warning(whose + text.plain(item.judged.notice), icon=":material/report:")
        problem = judged.rule_problem(workspace, item.judged.model)
        if problem is not None:
            st.warning(f"{problem.message} {problem.hint}", icon=":material/rule:")
    if subset is Subset.TRAIN:
        st.warning("These images trained the model: the numbers flatter it.")
    if len({item.judged.model.split_id for item in found}) > 1:
        st.warning("These models were split differently: their numbers are of different images.")
    image_drawer.recent_edit(workspace, found[0].judged.dataset.id)


def page(workspace: Workspace) -> None:
    found = {m.id: m.name for m in models.list_models(workspace)}
    if not found:
        widgets.empty_state(
            "grid_on",
            "No model to judge yet",
            "Train one first.",
            (Place.TRAIN, "Train a model"),
        )
        return
    first_column, second_column, subset_column = st.columns([5, 4, 4], vertical_alignment="bottom")
    with first_column:
        chosen = state.choose("model", found, label="Model", help="Models, newest first.")
    model = models.find_model(workspace, chosen or "")
    with subset_column:
        subset = choose_subset(workspace, model)
    if subset is None:
        sealed_note(workspace, model)
        st.info(
            "There are no results of this model here: it was uploaded, or its dataset was "
            "deleted. It can still be used for predictions."
        )
        st.page_link(
            Place.PREDICT,
            label="Predict with it",
            icon=":material/image_search:",
            query_params={"model": model.id},
        )
        return
    with second_column:
        others = choose_others(workspace, model, found)
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
            "Next: choose the operating point",
            type="primary",
            icon=":material/balance:",
            key="to_decide",
            help="From which probability on a part is rejected, and what a "
            "missed or a falsely rejected part costs.",
        ):
            st.switch_page(Place.OPERATING_POINT, query_params={"model": model.id})
        if st.button(
            "Use it on new images",
            icon=":material/image_search:",
            key="to_predict",
            help="Opens the prediction page.",
        ):
            st.switch_page(Place.PREDICT, query_params={"model": model.id})


widgets.page_heading("Evaluate", "How good is the model, where does it err, and why?")
page(state.workspace())
