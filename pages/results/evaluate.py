"""Evaluate: every number with its bound, and the images behind it."""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import ModelFileError
from core.evaluation.decisions.outcome import has_both
from core.workflows.results import access, evaluation
from core.workflows.results.judging import JudgedSet
from core.workflows.use import models
from core.workspace import Workspace
from pages.results import (
    evaluate_classes,
    evaluate_confidence,
    evaluate_errors,
    evaluate_gallery,
    evaluate_matrix,
    evaluate_measures,
    evaluate_slices,
    evaluate_verdict,
)
from pages.results.explaining import heatmap_tests, robustness_sweep
from pages.ui import (
    context,
    corrections,
    counting,
    inference,
    judged,
    open_findings,
    state,
    test_access,
    text,
    widgets,
)
from pages.ui.places import Place, to_verdicts

MOST_BESIDE = 3
CLOSED = ":material/visibility_off:"
TABS = (
    "Overview",
    "Classes",
    "Errors",
    "Confidence",
    "Slices",
    "Measures",
    "Heatmaps",
    "Robustness",
)


def choose_subset(workspace: Workspace, model: Model) -> Subset | None:
    """The subset; in the link unless it is the usual one. Choosing another closes the cell."""
    subsets = evaluation.open_subsets(workspace, model)
    if not subsets:
        return None
    hidden = Subset.VALIDATION in subsets and not access.is_viewed(workspace, model)
    usual = Subset.VALIDATION if hidden or Subset.TEST not in subsets else Subset.TEST
    usual = usual if usual in subsets else subsets[-1]
    st.session_state.subset = Subset(state.linked("subset", subsets, usual))

    def note() -> None:
        chosen = Subset(st.session_state.subset)
        evaluate_gallery.close_filters(subset=None if chosen is usual else chosen.value)

    chosen = st.segmented_control(
        "Subset",
        subsets,
        required=True,
        format_func=lambda s: f"{CLOSED} {s}" if hidden and s is Subset.TEST else s.value,
        key="subset",
        label_visibility="collapsed",
        on_change=note,
    )
    assert chosen is not None  # required, and set above
    return chosen


def choose_others(workspace: Workspace, first: Model) -> list[Model]:
    """Models to show beside the first one; they are in the link.

    Those of its dataset are offered: results on other images say little about these.
    """
    asked = st.query_params.get("with", "").split(",")
    options = {
        m.id: m.name
        for m in models.list_models(workspace)
        if m.id != first.id and (m.dataset_id == first.dataset_id or m.id in asked)
    }
    if not options:
        return []
    linked = [key for key in asked if key in options]
    st.session_state.others = linked[:MOST_BESIDE]

    def note() -> None:
        chosen = ",".join(st.session_state.others)
        evaluate_gallery.close_filters(**{"with": chosen or None})

    label = f"Beside {len(linked)} more" if linked else "Compare with"
    with st.popover(label, icon=":material/compare:", key="beside"):
        chosen = st.multiselect(
            "Models beside this one",
            list(options),
            key="others",
            format_func=lambda key: options.get(key, key),
            placeholder="Choose models",
            max_selections=MOST_BESIDE,
            on_change=note,
            help="Up to three. To test which of two models is better, use the Compare page.",
        )
    return [models.find_model(workspace, key) for key in chosen]


def sealed_note(workspace: Workspace, model: Model) -> None:
    if Subset.TEST in evaluation.evaluated_subsets(workspace, model.id) and access.is_sealed(
        workspace, model
    ):
        with st.container(horizontal=True, vertical_alignment="center", key="sealed"):
            st.caption(
                ":material/lock: The test set is sealed; it can be opened in Sign-off.",
                width="content",
            )
            st.page_link(Place.SIGN_OFF, label="Sign-off", query_params={"model": model.id})


def unviewed(workspace: Workspace, shown: list[Model]) -> list[Model]:
    """Models whose test results are there and open, but have not been viewed by anybody."""
    return [
        model
        for model in test_access.not_viewed(workspace, shown)
        if Subset.TEST in evaluation.open_subsets(workspace, model)
    ]


def ask_for_test(workspace: Workspace, unseen: list[Model]) -> None:
    """Ask before the first view of the test results, then show them."""
    test_access.ask(
        workspace,
        unseen,
        then=lambda: evaluate_gallery.close_filters(subset=Subset.TEST.value),
    )


def comparable(workspace: Workspace, others: list[Model], subset: Subset) -> list[Model]:
    """The models that have results to show; says which have none."""
    shown = [m for m in others if subset in evaluation.open_subsets(workspace, m)]
    without = [m.name for m in others if m not in shown]
    if without:
        names = text.plain(", ".join(without))
        st.caption(f":material/info: There are no {subset} results to show of {names}.")
    return shown


def results(workspace: Workspace, shown: list[Model], subset: Subset) -> None:
    """The verdict on every model, and what a reader must know about it."""
    judgements = [judged.judgement(workspace, item, subset) for item in shown]
    evaluate_verdict.verdicts(workspace, judgements, subset)
    # Why one place: where something comes or goes between them, browsers build all below anew.
    with st.container(key="notes"):
        notes(workspace, judgements)
    counting.show(judgements[0], judged.saved_point(workspace, judgements[0].model))


def details(workspace: Workspace, shown: list[Model], subset: Subset) -> None:
    """The tabs; the one that is open is in the link."""
    model = shown[0]
    judgement = judged.judgement(workspace, model, subset)
    st.session_state.tab = state.linked("tab", TABS, TABS[0])
    opened = st.tabs(list(TABS), key="tab", on_change=_note_tab)
    draw: dict[str, Callable[[], None]] = {
        "Overview": lambda: evaluate_matrix.matrix_and_images(workspace, shown, subset),
        "Classes": lambda: evaluate_classes.classes(workspace, judgement),
        "Errors": lambda: evaluate_errors.mistakes(workspace, judgement),
        "Confidence": lambda: evaluate_confidence.confidence(workspace, model, judgement),
        "Slices": lambda: evaluate_slices.slices(workspace, model, judgement),
        "Measures": lambda: evaluate_measures.measures(workspace, model, subset),
        "Heatmaps": lambda: heatmap_tests.tests(workspace, model),
        "Robustness": lambda: robustness_sweep.sweep(workspace, model),
    }
    for name, tab in zip(TABS, opened, strict=True):
        with tab:
            if tab.open:
                draw[name]()
    judged.prepare(workspace, model, subset)


def _note_tab() -> None:
    chosen = str(st.session_state.tab)
    state.put(tab=None if chosen == TABS[0] else chosen, page=None, sort=None, region=None)


def notes(workspace: Workspace, judgements: list[JudgedSet]) -> None:
    """What a reader must know about these results, and what was corrected last."""
    for dataset in {item.dataset.id: item.dataset for item in judgements}.values():
        open_findings.show_serious(workspace, dataset)
    for item in judgements:
        if item.notice:
            whose = f"**{text.plain(item.model.name)}** · " if len(judgements) > 1 else ""
            st.warning(whose + text.plain(item.notice), icon=":material/report:")
        problem = judged.rule_problem(workspace, item.model)
        if problem is not None:
            st.warning(f"{problem.message} {problem.hint}", icon=":material/rule:")
    if len({item.model.split_id for item in judgements}) > 1:
        st.warning(
            "These models have different splits: their results are based on different images."
        )
    corrections.recent_edit(workspace, judgements[0].dataset.id)


def next_step(workspace: Workspace, model: Model, subset: Subset) -> None:
    """The one thing to do after looking at these results."""
    judgement = judged.judgement(workspace, model, subset)
    if not has_both(judgement.verdicts):
        label, place, key = "Mark OK and NOK classes", Place.DATASETS, "to_classes"
        parameters = to_verdicts(judgement.dataset.id, back=Place.EVALUATE)
    elif judged.saved_point(workspace, model) is None:
        label, place, key = "Choose the threshold", Place.OPERATING_POINT, "to_decide"
        parameters = {"model": model.id}
    else:
        label, place, key = "Sign off", Place.SIGN_OFF, "to_signoff"
        parameters = {"model": model.id}
    if st.button(label, type="primary", icon=":material/arrow_forward:", key=key):
        st.switch_page(place, query_params=parameters)


def no_results(model: Model) -> None:
    st.info("This model was uploaded, or its dataset was deleted: it has no results, but predicts.")
    st.page_link(
        Place.PREDICT,
        label="Predict with it",
        icon=":material/image_search:",
        query_params={"model": model.id},
    )


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
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        subset = choose_subset(workspace, model)
        others = choose_others(workspace, model) if subset else []
        right = st.container(horizontal=True, horizontal_alignment="right", key="next")
    if subset is None:
        sealed_note(workspace, model)
        no_results(model)
        return
    # Why suppressed: the numbers need no weights; the image dialog says what is wrong with them.
    with suppress(ModelFileError):
        inference.warm_up(workspace, model)
    shown = [model, *comparable(workspace, others, subset)]
    unseen = unviewed(workspace, shown) if subset is Subset.TEST else []
    shown = [] if model in unseen else [item for item in shown if item not in unseen]
    if shown:
        with right:
            next_step(workspace, model, subset)
        results(workspace, shown, subset)
    sealed_note(workspace, model)
    if unseen:
        ask_for_test(workspace, unseen)
    if shown:
        details(workspace, shown, subset)


widgets.page_heading(Place.EVALUATE, "See how good the model is, where it makes mistakes and why.")
page(state.workspace())
