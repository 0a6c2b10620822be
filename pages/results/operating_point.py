"""Operating point: the confidence from which a part is rejected, and what that means."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.datasets import Verdict
from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.outcome import Decision, Outcome
from core.evaluation.decisions.rule import (
    DecisionRule,
    decision_in_words,
    part_decision,
    point_in_words,
)
from core.evaluation.measures.parts import Unit
from core.workflows.results import thresholds
from core.workflows.results.thresholds import Basis, Hidden, OnTest
from core.workspace import Workspace
from pages.results import threshold_costs, threshold_goal, threshold_guarantee
from pages.ui import (
    context,
    counting,
    errors,
    judged,
    judged_images,
    state,
    test_access,
    text,
    threshold_form,
    widgets,
)
from pages.ui.components import chart, clickable_matrix, clicked_cell
from pages.ui.figures import outcome_matrices, threshold_charts
from pages.ui.places import Place

PURPOSE = "Operating point page"
ROWS = (Verdict.OK, Verdict.NOK)
ESCAPES, FALSE_REJECTS = (1, 0), (0, 2)


@st.fragment
@errors.shown()
def chooser(workspace: Workspace, model: Model) -> None:
    """Everything that changes with the threshold."""
    basis = judged_images.basis(workspace, model, Subset.VALIDATION)
    saved = thresholds.saved_rule(workspace, model.id)
    point = threshold_form.draft(model.id, saved).point
    kept_point = saved.point if saved and saved.point == point else None
    on_test = judged_images.verdict_on_test(workspace, model, PURPOSE, kept_point)
    confidence: float = st.session_state.get("confidence", 0.95)
    threshold_form.show_error()
    kept = st.container()  # filled last, when everything below has been entered
    threshold, line, promise = st.tabs(
        ["Threshold", "PPM and money", "Guarantee"], key="tab", on_change="rerun"
    )
    if threshold.open:
        with threshold:
            _threshold(workspace, basis, on_test, confidence)
    if line.open:
        with line:
            threshold_costs.show(basis, on_test, confidence)
    if promise.open:
        with promise:
            threshold_guarantee.show(basis, on_test, confidence)
    with kept:
        _keep(workspace, basis, saved, confidence)


def _threshold(workspace: Workspace, basis: Basis, on_test: OnTest, confidence: float) -> None:
    model = basis.judged.model
    with st.container(border=True):
        threshold_form.controls(model.id, basis)
        threshold_form.crossing()
        with st.container(horizontal=True, vertical_alignment="center"):
            threshold_goal.choose_for_me(basis, confidence)
            st.markdown(_in_words(threshold_form.draft(model.id, None)))
    point = threshold_form.draft(model.id, None).point
    here = basis.outcome(point, confidence)
    there = on_test.basis.outcome(point, confidence) if on_test.basis else None
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Validation", help="Thresholds are chosen on these images.")
        judged.cross_validated_note([model])
        _side(basis, here, "validation")
    with right:
        st.subheader("Test", help="The verdict: these images had no influence on the threshold.")
        if on_test.basis and there:
            _side(on_test.basis, there, "test")
        else:
            _no_test(workspace, basis, on_test, confidence)
    _charts(workspace, basis, here, confidence)
    _behind(workspace, basis, on_test)


def _in_words(draft: threshold_form.Draft) -> str:
    chosen_by = text.plain(draft.choice.chosen_by)
    return f"{text.plain(point_in_words(draft.point))} :gray[Chosen: {chosen_by}.]"


def _no_test(workspace: Workspace, basis: Basis, on_test: OnTest, confidence: float) -> None:
    model = basis.judged.model
    if on_test.hidden is Hidden.UNSEEN:
        point = threshold_form.draft(model.id, None).point
        test_access.ask(workspace, [model], PURPOSE, of=point)
        return
    is_sealed = on_test.hidden is Hidden.SEALED
    st.info(text.plain(on_test.reason), icon=":material/lock:" if is_sealed else None)
    if is_sealed:
        st.caption(
            "Choose and save the threshold on the validation images, then open the test set on the "
            "Sign-off page."
        )
    elif on_test.hidden is Hidden.DRAFT:
        st.button(
            "Save to see the test result",
            icon=":material/save:",
            key="save_for_test",
            on_click=_save,
            args=(workspace, basis, confidence),
        )


def _side(basis: Basis, outcome: Outcome, name: str) -> None:
    key = f"decide_{basis.judged.model.id}_{name}"
    clicked = clicked_cell(key)
    if clicked and clicked != st.session_state.get(f"{key}_seen"):
        st.session_state[f"{key}_seen"] = clicked
        st.session_state.behind = (name, clicked[0], clicked[1])
    behind = st.session_state.get("behind")
    clickable_matrix(
        outcome_matrices.ok_nok_matrix(
            outcome,
            cell=behind[1:] if behind and behind[0] == name else None,
        ),
        key,
        cell=behind[1:] if behind and behind[0] == name else None,
        description=f"{name}: rows good and defective; columns accept, inspector review, reject. "
        "Click a cell or use the arrow keys to see its images.",
    )
    unit = text.noun(basis.unit)
    first, second = st.columns(2)
    with first:
        judged_images.rate_metric(
            "Escapes",
            outcome.escape,
            f"defective {unit}",
            help="Defective parts that are accepted, of all defective parts.",
        )
        judged_images.rate_metric(
            "Defective in review",
            outcome.nok_to_person,
            f"defective {unit}",
            help="Defective parts that go to inspector review, of all defective parts.",
        )
    with second:
        judged_images.rate_metric(
            "False rejects",
            outcome.overkill,
            f"good {unit}",
            help="Good parts that are rejected, of all good parts; also called overkill.",
        )
        judged_images.rate_metric(
            "Automatic",
            outcome.automatic,
            unit,
            help="Parts decided without inspector review, at the share of defective parts in "
            "these images.",
        )
    point = threshold_form.draft(basis.judged.model.id, None).point
    if point.class_thresholds:
        judged_images.rate_metric(
            "Wrong class, automatic",
            basis.wrong_class(point, outcome.confidence),
            f"automatic {unit}",
            help="Parts decided without inspector review whose predicted class is wrong. "
            "Thresholds per class limit this rate.",
        )
    for remark in outcome.remarks:
        st.warning(remark)
    if outcome.both_in_words:
        st.caption(outcome.both_in_words)
    with st.container(horizontal=True):
        for label, cell, count in (
            ("escapes", ESCAPES, outcome.nok[0]),
            ("false rejects", FALSE_REJECTS, outcome.ok[2]),
        ):
            st.button(
                f"Show {label} ({count:,})",
                key=f"{label[:5]}_{name}",
                type="tertiary",
                disabled=not count,
                icon=":material/photo_library:",
                on_click=_open,
                args=(name, *cell),
            )
    if basis.unknown:
        st.caption(
            f"Not counted: {text.count(basis.unknown, 'image')} of classes without a verdict."
        )


def _open(name: str, row: int, column: int) -> None:
    st.session_state.behind = (name, row, column)


def _charts(workspace: Workspace, basis: Basis, here: Outcome, confidence: float) -> None:
    point = threshold_form.draft(basis.judged.model.id, None).point
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Escapes against false rejects** (validation)")
        curve = judged_images.curve(workspace, basis, confidence)
        chart(
            threshold_charts.trade_off(curve, here),
            "trade_off",
            description="Escapes against false rejects over all thresholds, with bounds.",
        )
    with right:
        st.markdown(f"**Good and defective {basis.unit.word}** (validation)")
        chart(
            threshold_charts.scores(basis.scores, point),
            "scores",
            description=f"Number of good and defective {basis.unit.word} by NOK confidence, with "
            "the thresholds as lines.",
        )


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
    words = f"{text.count(len(positions), 'image')}, the most surprising first."
    st.caption(words if chosen.unit is Unit.IMAGES else f"{words} The numbers above count parts.")
    _gallery(workspace, chosen, positions, f"behind_{chosen.judged.model.id}_{name}_{row}{column}")


def _gallery(workspace: Workspace, basis: Basis, positions: NDArray[np.int64], key: str) -> None:
    own = basis.judged

    def about(i: int) -> tuple[str, str]:
        return f"NOK {basis.nok[positions[i]]:.1%}", own.class_names[int(own.targets[positions[i]])]

    def shown(i: int) -> judged_images.ShownImage:
        at = int(positions[i])
        return judged_images.ShownImage(
            own.model, own.probabilities[at], int(own.targets[at]), own.class_names
        )

    judged_images.images(workspace, own.sample_ids[positions], about, shown, key=key)


def _keep(
    workspace: Workspace, basis: Basis, saved: DecisionRule | None, confidence: float
) -> None:
    draft = threshold_form.draft(basis.judged.model.id, saved)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        is_saved = saved is not None and (saved.point, saved.scenario) == (
            draft.point,
            draft.scenario,
        )
        st.button(
            "Save threshold",
            type="primary",
            icon=":material/save:",
            key="save_rule",
            disabled=is_saved,
            on_click=_save,
            args=(workspace, basis, confidence),
            help="Saved with the model and applied by Evaluate, Predict and the report.",
        )
        if saved is None:
            st.caption(
                "No threshold saved. Each part is accepted or rejected by its predicted class."
            )
        else:
            st.caption(
                f"Saved {text.when(saved.saved_at)}: {text.plain(saved.in_words)} "
                f"Chosen: {text.plain(saved.chosen_by)}."
            )
            st.page_link(
                Place.SIGN_OFF,
                label="Next: sign-off",
                icon=":material/verified:",
                query_params={"model": basis.judged.model.id},
            )
        if saved is not None and saved.verdicts != basis.judged.verdicts:
            st.warning("The verdicts of the classes have changed since. Save the threshold again.")


def _save(workspace: Workspace, basis: Basis, confidence: float) -> None:
    """Save the threshold on the screen with the model."""
    draft = threshold_form.draft(basis.judged.model.id, None)

    def save() -> None:
        thresholds.save_rule(
            workspace, basis, draft.choice, confidence=confidence, scenario=draft.scenario
        )
        st.toast("The threshold is saved.", icon=":material/check_circle:")

    threshold_form.run_or_show_error(save)


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
    with st.container(width=220):
        threshold_form.confidence_box()
    own = judged_images.judged_set(workspace, model, Subset.VALIDATION)
    if own.notice:
        st.warning(text.plain(own.notice), icon=":material/report:")
    if not any(own.verdicts):
        widgets.empty_state(
            "rule",
            "Which classes are good?",
            "Set the verdict of every class (OK or NOK) on the Datasets page. "
            "Escapes and false rejects are counted from it.",
            (Place.DATASETS, "Datasets"),
        )
        return
    rule = thresholds.saved_rule(workspace, model.id)
    counting.show(own, rule.point if rule else None)
    chooser(workspace, model)


widgets.page_heading(
    Place.OPERATING_POINT, "Set the reject threshold and see how many defects get through."
)
page(state.workspace())
