"""Operating point: the confidence from which a part is rejected, and what that means."""

from typing import assert_never

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from core.domain.datasets import Verdict
from core.domain.keeping.people import Right
from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import Decision, Outcome
from core.evaluation.decisions.outcome_words import bounds_in_words, outcome_in_words
from core.evaluation.decisions.rule import (
    DecisionRule,
    decision_in_words,
    part_decision,
    point_in_words,
)
from core.evaluation.measures.parts import Unit
from core.words import NO_PROOF, percent_at_most
from core.workflows.results import thresholds
from core.workflows.results.access import ResultsAccess, access_to_test
from core.workflows.results.thresholds import Basis, Hidden, OnTest
from core.workflows.training import record
from core.workspace import Workspace
from pages.results.threshold import answer, costs, goal, link
from pages.ui import (
    context,
    counting,
    errors,
    judged_images,
    state,
    test_access,
    text,
    threshold_form,
    threshold_saving,
    widgets,
)
from pages.ui.components import chart, clickable_matrix, clicked_cell
from pages.ui.figures import outcome_matrices, threshold_charts
from pages.ui.figures.saving import of_model
from pages.ui.people import rights
from pages.ui.places import Place, to_verdicts

ROWS = (Verdict.OK, Verdict.NOK)
ESCAPES, FALSE_REJECTS = (1, 0), (0, 2)
_CHART_PX = 250  # beside the form, so that the matrices below stand on a first screen
TRADE_OFF, SCORES = "Trade-off", "Confidences"


@st.fragment
@errors.shown()
def chooser(workspace: Workspace, model: Model) -> None:
    """Everything that changes with the threshold; the answer first."""
    basis = judged_images.basis(workspace, model, Subset.VALIDATION)
    basis = basis.combined_by(threshold_form.combination(model.id, None))
    saved = thresholds.saved_rule(workspace, model.id)
    confidence: float = st.session_state.get("confidence", 0.95)
    # Filled last, when everything below has been entered. Why something in it, which is not shown:
    # an empty container is not drawn, and takes no place.
    place = st.container(key="threshold_answer")
    place.html("<span></span>")
    threshold_form.show_error()
    threshold_saving.ask_if_overtaken(workspace, basis, saved, confidence)
    threshold, line, promise = st.tabs(
        ["Threshold", "PPM and money", "Guarantee"],
        key="tab",
        on_change="rerun",
        bind="query-params",
    )
    if threshold.open:
        with threshold:
            _threshold(workspace, basis, saved, confidence)
    if line.open:
        with line:
            costs.show(basis, _on_test(workspace, model, saved), confidence)
    if promise.open:
        with promise:
            goal.show(basis, _on_test(workspace, model, saved), confidence)
    with place:
        left, right = st.columns([7, 3], gap="medium", vertical_alignment="center")
        with left:
            answer.show(basis, _on_test(workspace, model, saved), saved, confidence)
        with right:
            _keep(workspace, basis, saved, confidence)
    link.write(model.id)


def _on_test(workspace: Workspace, model: Model, saved: DecisionRule | None) -> OnTest:
    """The test images for the verdict on the threshold on the screen, once it is saved."""
    point = threshold_form.draft(model.id, saved).point
    return thresholds.verdict_on_test(
        workspace,
        model,
        point,
        is_saved=saved is not None and saved.point == point,
        person=test_access.person(),
        load=lambda _, __, subset: judged_images.basis(workspace, model, subset),
    )


def _threshold(
    workspace: Workspace, basis: Basis, saved: DecisionRule | None, confidence: float
) -> None:
    model = basis.judged.model
    form, picture = st.columns([5, 6], gap="large")
    with form:
        threshold_form.choose_combination(model.id, basis)
        beside = threshold_form.controls(model.id, basis)
        threshold_form.crossing()
        with beside, st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Choose for me", icon=":material/target:", key="choose_for_me"):
                goal.choose_for_me(basis, confidence)
            _why(workspace, basis, confidence)
        goal.reason(model.id)
    point = threshold_form.draft(model.id, None).point
    here = basis.outcome(point, confidence)
    on_test = _on_test(workspace, model, saved)
    with picture:
        _chart(workspace, basis, here, confidence)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Validation**")
        _side(basis, here, "validation")
    with right:
        st.markdown("**Test**")
        if on_test.basis:
            _side(on_test.basis, on_test.basis.outcome(point, confidence), "test")
        else:
            _no_test(workspace, basis, on_test, confidence)
    _behind(workspace, basis, on_test)


def _why(workspace: Workspace, basis: Basis, confidence: float) -> None:
    """The rule in words, and what the numbers rest on."""
    draft = threshold_form.draft(basis.judged.model.id, None)
    with widgets.why("why"):
        st.markdown(
            f"{text.plain(point_in_words(draft.point))} "
            f"Chosen: {text.plain(draft.choice.chosen_by)}."
        )
        here = basis.outcome(draft.point, confidence)
        words = f"{outcome_in_words(here, basis.unit)} Forecast: {bounds_in_words(here)}"
        st.markdown(text.plain(f"Validation: {words}"))
        st.markdown(NO_PROOF)
        st.markdown(
            "An escape is a defective part that is accepted, a false reject a good part that is "
            "rejected (overkill). “At most” is the exact upper bound."
        )
        for sentence in record.validation_in_words(workspace, basis.judged.model):
            st.markdown(sentence)


def _no_test(workspace: Workspace, basis: Basis, on_test: OnTest, confidence: float) -> None:
    model = basis.judged.model
    match on_test.hidden:
        case Hidden.UNSEEN:
            test_access.ask(workspace, [model])
        case Hidden.SEALED:
            st.info(
                "The test results are sealed. Save the threshold, then open them on Sign-off.",
                icon=":material/lock:",
            )
        case Hidden.DRAFT:
            is_open = access_to_test(workspace, model) is ResultsAccess.SHOWN
            st.caption("A saved threshold is judged on the test images; a draft is not.")
            st.button(
                "Save to see the test result" if is_open else "Save threshold",
                icon=":material/save:",
                key="save_for_test",
                on_click=threshold_saving.save,
                args=(workspace, basis, confidence),
                **rights.only(Right.SIGN_OFF),
            )
        case Hidden.MISSING | None:
            st.info(text.plain(on_test.reason))
        case _:
            assert_never(on_test.hidden)


def _side(basis: Basis, outcome: Outcome, name: str) -> None:
    key = f"decide_{basis.judged.model.id}_{name}"
    has_reviews = threshold_form.draft(basis.judged.model.id, None).point.has_person_zone
    zones = outcome_matrices.zones_shown(outcome, has_reviews=has_reviews)
    clicked = clicked_cell(key)
    if clicked and clicked != st.session_state.get(f"{key}_seen") and clicked[1] < len(zones):
        st.session_state[f"{key}_seen"] = clicked
        st.session_state.behind = (name, clicked[0], zones[clicked[1]])
    behind = st.session_state.get("behind")
    is_here = behind is not None and behind[0] == name and behind[2] in zones
    cell = (behind[1], zones.index(behind[2])) if behind and is_here else None
    clickable_matrix(
        of_model(
            outcome_matrices.ok_nok_matrix(outcome, cell=cell, has_reviews=has_reviews),
            basis.judged.model.name,
            name,
        ),
        key,
        cell=cell,
        description=f"{name}: {outcome_matrices.described(zones)}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, place, count in (
            ("Escapes", ESCAPES, outcome.nok[0]),
            ("False rejects", FALSE_REJECTS, outcome.ok[2]),
        ):
            st.button(
                f"{label} ({count:,})",
                key=f"{label[:5].lower()}_{name}",
                type="tertiary",
                disabled=not count,
                icon=":material/photo_library:",
                on_click=_open,
                args=(name, *place),
            )
    _notes(basis, outcome)


def _notes(basis: Basis, outcome: Outcome) -> None:
    """What the matrix does not show."""
    point = threshold_form.draft(basis.judged.model.id, None).point
    for remark in outcome.remarks:
        st.warning(remark)
    notes = [outcome.both_in_words] if outcome.both_in_words else []
    if point.class_thresholds:
        wrong = basis.wrong_class(point, outcome.confidence)
        upper = wrong.upper(outcome.confidence)
        if upper is not None:
            bound = percent_at_most(upper)
            notes.append(f"Wrong class, automatic: {wrong.k:,} of {wrong.n:,}, at most {bound}.")
    if basis.unknown:
        notes.append(f"{text.count(basis.unknown, 'image')} without a verdict not counted.")
    if notes:
        st.caption(text.plain(" ".join(notes)))


def _open(name: str, row: int, column: int) -> None:
    st.session_state.behind = (name, row, column)


def _chart(workspace: Workspace, basis: Basis, here: Outcome, confidence: float) -> None:
    point = threshold_form.draft(basis.judged.model.id, None).point
    shown = st.segmented_control(
        "Chart",
        [TRADE_OFF, SCORES],
        default=TRADE_OFF,
        required=True,
        key="chart",
        bind="query-params",
        label_visibility="collapsed",
    )
    if shown == SCORES:
        chart(
            _of(basis, threshold_charts.scores(basis.scores, point)),
            "scores",
            description=f"Number of good and defective {basis.unit.word} by NOK confidence, with "
            "the thresholds as lines.",
        )
        return
    if not len(basis.scores.nok) or not len(basis.scores.ok):
        missing = "good" if len(basis.scores.nok) else "defective"
        st.info(
            f"No trade-off: there are no {missing} validation images. “{SCORES}” shows those that "
            "there are.",
            icon=":material/show_chart:",
        )
        return
    curve = judged_images.curve(workspace, basis, confidence)
    chart(
        _of(basis, threshold_charts.trade_off(curve, here)),
        "trade_off",
        description="Escapes against false rejects over all thresholds, and what they are at most.",
    )


def _of(basis: Basis, figure: go.Figure) -> go.Figure:
    """The chart beside the form, its saved files named after model and subset."""
    judged = basis.judged
    return of_model(figure.update_layout(height=_CHART_PX), judged.model.name, judged.subset)


def _behind(workspace: Workspace, basis: Basis, on_test: OnTest) -> None:
    """The images of the cell that was clicked last."""
    name, row, column = st.session_state.get("behind") or ("validation", *ESCAPES)
    if name == "test" and on_test.basis is None:
        name = "validation"
    chosen = on_test.basis if name == "test" else basis
    assert chosen is not None
    point = threshold_form.draft(chosen.judged.model.id, None).point
    decision = Decision(column)
    positions = chosen.images(point, ROWS[row], decision)
    special = {ESCAPES: "Escapes", FALSE_REJECTS: "False rejects"}
    heading = special.get(
        (row, column), f"Truly {ROWS[row]}, {decision_in_words(part_decision(decision))}"
    )
    st.subheader(f"{heading} on {name}", anchor=False)
    if not len(positions):
        st.caption("There are no such images.")
        return
    words = f"{text.count(len(positions), 'image')}, most surprising first."
    st.caption(words if chosen.unit is Unit.IMAGES else f"{words} The numbers above count parts.")
    _gallery(workspace, chosen, positions, f"behind_{chosen.judged.model.id}_{name}_{row}{column}")


def _gallery(workspace: Workspace, basis: Basis, positions: NDArray[np.int64], key: str) -> None:
    own = basis.judged

    def about(i: int) -> tuple[str, str]:
        return f"NOK {text.confidence(float(basis.nok[positions[i]]))}", own.class_names[
            int(own.targets[positions[i]])
        ]

    judged_images.images(workspace, own.sample_ids[positions], about, [own.model], key=key)


def _keep(
    workspace: Workspace, basis: Basis, saved: DecisionRule | None, confidence: float
) -> None:
    draft = threshold_form.draft(basis.judged.model.id, saved)
    now = (draft.point, draft.scenario)
    is_saved = saved is not None and (saved.point, saved.scenario) == now
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="right"):
        threshold_form.confidence_box(compact=True)
        st.button(
            "Saved" if is_saved else "Save threshold",
            type="secondary" if is_saved else "primary",
            icon=":material/check:" if is_saved else ":material/save:",
            key="save_rule",
            on_click=threshold_saving.save,
            args=(workspace, basis, confidence),
            **rights.only(
                Right.SIGN_OFF,
                help="Saved with the model and applied by Evaluate, Predict and the report.",
                disabled=is_saved,
            ),
        )
    _below_save(basis.judged.model, saved, is_saved=is_saved)
    if saved is not None and saved.verdicts != basis.judged.verdicts:
        st.warning("The verdicts of the classes have changed since. Save the threshold again.")


def _below_save(model: Model, saved: DecisionRule | None, *, is_saved: bool) -> None:
    """One row, whatever is saved: the page below keeps its place when somebody saves."""
    row = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
    if saved is None:
        row.caption("None saved: the predicted class decides.", text_alignment="right")
        return
    rule = text.plain(point_in_words(saved.point))
    row.caption(f"Saved {text.when(saved.saved_at)}", text_alignment="right", help=rule)
    if is_saved and row.button(
        "Next: sign-off", type="primary", icon=":material/verified:", key="next_signoff"
    ):
        st.switch_page(Place.SIGN_OFF, query_params={"model": model.id})


def page(workspace: Workspace) -> None:
    model = context.model(workspace)
    if model is None:
        widgets.empty_state(
            "tune",
            "No model yet",
            "Train a model first, then set its reject threshold here.",
            (Place.TRAIN, "Train a model"),
        )
        return
    own = judged_images.judged_set(workspace, model, Subset.VALIDATION)
    if own.notice:
        st.warning(text.plain(own.notice), icon=":material/report:")
    if not any(own.verdicts):
        widgets.empty_state(
            "rule",
            "Which classes are good?",
            "Set the verdict of every class, OK or NOK. Escapes and false rejects are counted "
            "from it.",
            (Place.DATASETS, "Set the verdicts"),
            query=to_verdicts(own.dataset.id, back=Place.OPERATING_POINT),
        )
        return
    saved = thresholds.saved_rule(workspace, model.id)
    threshold_form.draft(model.id, saved)
    link.follow(model.id, saved, len(own.class_names))
    counting.show(own, saved.point if saved else None)
    chooser(workspace, model)


widgets.page_heading(
    Place.OPERATING_POINT, "Set the reject threshold and see how many defects get through."
)
page(state.workspace())
