"""Operating point: from which NOK probability on a part is rejected, and what that means."""

from typing import assert_never

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
from core.workflows.results.thresholds import Basis, Hidden, OnTest, ThresholdGoal
from core.workflows.use import models
from core.workspace import Workspace
from pages.results import threshold_costs, threshold_guarantee
from pages.ui import errors, judged_images, state, test_access, text, threshold_form, widgets
from pages.ui.components import chart, clickable_matrix, clicked_cell
from pages.ui.figures import outcome_matrices, threshold_charts
from pages.ui.places import Place
from pages.ui.threshold_form import Goal

PURPOSE = "Operating point page"
ROWS = (Verdict.OK, Verdict.NOK)
ESCAPES, FALSE_REJECTS = (1, 0), (0, 2)


@st.fragment
@errors.shown()
def chooser(workspace: Workspace, model: Model) -> None:
    """Everything that moves with the slider."""
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
            _choose_for_me(basis, confidence)
            st.markdown(_in_words(threshold_form.draft(model.id, None)))
    point = threshold_form.draft(model.id, None).point
    here = basis.outcome(point, confidence)
    there = on_test.basis.outcome(point, confidence) if on_test.basis else None
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Validation", help="Thresholds are chosen here.")
        _side(basis, here, "validation")
    with right:
        st.subheader("Test", help="The verdict: these images had no part in choosing.")
        if on_test.basis and there:
            _side(on_test.basis, there, "test")
        else:
            _no_test(workspace, basis, on_test, confidence)
    _charts(workspace, basis, here, confidence)
    _behind(workspace, basis, on_test)


def _in_words(draft: threshold_form.Draft) -> str:
    return f"{text.plain(point_in_words(draft.point))} :gray[Chosen: " + (
        f"{text.plain(draft.choice.chosen_by)}.]"
    )


def _choose_for_me(basis: Basis, confidence: float) -> None:
    goals = list(Goal)
    with st.popover("Choose for me", icon=":material/target:", key="choose_for_me"):
        goal = st.radio(
            "Goal",
            goals,
            key="goal",
            help="What the rule must achieve on the validation images.",
        )
        request = _request(goal, basis, confidence)
        st.button(
            "Choose",
            type="primary",
            key="choose",
            icon=":material/check:",
            on_click=threshold_form.run_or_show_error,
            args=(lambda: _put_choice(basis, request),),
        )


def _request(goal: Goal, basis: Basis, confidence: float) -> ThresholdGoal:
    """The inputs of a goal, and what they ask for."""
    match goal:
        case Goal.ESCAPE:
            escape = _escape_limit()
            return ThresholdGoal(escape, proven=_proven(), confidence=confidence)
        case Goal.OVERKILL:
            overkill = _overkill_limit()
            return ThresholdGoal(None, overkill, proven=_proven(), confidence=confidence)
        case Goal.BOTH:
            escape, overkill = _escape_limit(), _overkill_limit()
            return ThresholdGoal(escape, overkill, proven=_proven(), confidence=confidence)
        case Goal.COST:
            draft = threshold_form.draft(basis.judged.model.id, None)
            scenario = draft.scenario or threshold_form.DEFAULT_LINE
            st.caption("Uses the defect rate and costs of the tab 'PPM and money'.")
            return ThresholdGoal(scenario=scenario, confidence=confidence)
        case Goal.CLASS_ERROR:
            error = _limit("Largest error rate per predicted class, %", 1.0, "class_error")
            return ThresholdGoal(class_error=error, confidence=confidence)
        case _:
            assert_never(goal)


def _escape_limit() -> float:
    return _limit("Largest escape rate, %", 1.0, "max_escape")


def _overkill_limit() -> float:
    return _limit("Largest false reject rate, %", 2.0, "max_overkill")


def _proven() -> bool:
    return st.toggle(
        "Require statistical proof (upper bound)",
        key="proven",
        help="On: the exact upper bound of the rate must stay below the limit, not only the "
        "observed rate. Stricter, but the only real proof.",
    )


def _limit(label: str, usual: float, key: str) -> float:
    value: float = st.number_input(
        label, 0.0, 100.0, usual, 0.1, format="%.4g", key=key, help="On the validation images."
    )
    return value / 100


def _put_choice(basis: Basis, request: ThresholdGoal) -> None:
    threshold_form.put(basis.judged.model.id, thresholds.choose(basis, request))


def _no_test(workspace: Workspace, basis: Basis, on_test: OnTest, confidence: float) -> None:
    model = basis.judged.model
    if on_test.hidden is Hidden.UNSEEN:
        point = threshold_form.draft(model.id, None).point
        test_access.ask(
            workspace, [model], PURPOSE, then=lambda: judged_images.mark_seen(model, PURPOSE, point)
        )
        return
    is_sealed = on_test.hidden is Hidden.SEALED
    st.info(text.plain(on_test.reason), icon=":material/lock:" if is_sealed else None)
    if is_sealed:
        st.caption(
            "That is as it should be: choose the rule on the validation images, save it, and "
            "open the test set on the Sign-off page when everything is fixed."
        )
    elif on_test.hidden is Hidden.DRAFT:
        st.button(
            "Save it for the verdict",
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
            dark=state.is_dark(),
            cell=behind[1:] if behind and behind[0] == name else None,
        ),
        key,
        cell=behind[1:] if behind and behind[0] == name else None,
        description=f"{name}: rows truly OK and NOK; columns accept, to a person, reject. Click a "
        "cell, or use the arrow keys, to see its images.",
    )
    unit = basis.unit.word[:-1]
    first, second = st.columns(2)
    with first:
        judged_images.rate_metric(
            "Escape",
            outcome.escape,
            f"defective {unit}",
            help="Defective parts that are accepted, of all defective ones.",
        )
        judged_images.rate_metric(
            "To a person: defective",
            outcome.nok_to_person,
            f"defective {unit}",
            help="Defective parts that a person looks at, of all defective ones.",
        )
    with second:
        judged_images.rate_metric(
            "Overkill",
            outcome.overkill,
            f"good {unit}",
            help="Good parts that are rejected, of all good ones.",
        )
        judged_images.rate_metric(
            "Automatic",
            outcome.automatic,
            unit,
            help="Parts that no person looks at, in the mix of good and defective "
            "parts of these images.",
        )
    point = threshold_form.draft(basis.judged.model.id, None).point
    if point.class_thresholds:
        judged_images.rate_metric(
            "Wrong class, automatic",
            basis.wrong_class(point, outcome.confidence),
            f"automatic {unit}",
            help="Of the parts that no person looks at, those predicted as a "
            "wrong class; a threshold per class is chosen for this.",
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
            f"{text.count(basis.unknown, 'image')} of classes without a verdict count nowhere."
        )


def _open(name: str, row: int, column: int) -> None:
    st.session_state.behind = (name, row, column)


def _charts(workspace: Workspace, basis: Basis, here: Outcome, confidence: float) -> None:
    point, dark = threshold_form.draft(basis.judged.model.id, None).point, state.is_dark()
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Escape against overkill** · validation")
        curve = judged_images.curve(workspace, basis, confidence)
        chart(
            threshold_charts.trade_off(curve, here, dark=dark),
            "trade_off",
            description="Escape against overkill over all thresholds, with bounds.",
        )
    with right:
        st.markdown(f"**Good and defective {basis.unit.word}** · validation")
        chart(
            threshold_charts.scores(basis.scores, point, dark=dark),
            "scores",
            description="How many good and defective parts have which NOK probability, with the "
            "limits as lines.",
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
    found = chosen.images(point, ROWS[row], decision)
    special = {ESCAPES: "Escapes", FALSE_REJECTS: "False rejects"}
    heading = special.get(
        (row, column), f"Truly {ROWS[row]}, {decision_in_words(part_decision(decision))}"
    )
    st.subheader(f"{heading} on {name}", anchor=False)
    if not len(found):
        st.caption("No image here.")
        return
    unit = "" if chosen.unit is Unit.IMAGES else " (the numbers above count parts)"
    st.caption(f"{text.count(len(found), 'image')}{unit}, the most surprising first.")
    _gallery(workspace, chosen, found, f"behind_{chosen.judged.model.id}_{name}_{row}{column}")


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
            "Save as operating point",
            type="primary",
            icon=":material/save:",
            key="save_rule",
            disabled=is_saved,
            on_click=_save,
            args=(workspace, basis, confidence),
            help="Kept with the model: Evaluate, Predict and the report apply it.",
        )
        if saved is None:
            st.caption(
                "No operating point is saved yet: the verdict of the predicted class counts."
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
            st.warning("The verdicts of the classes were changed since: save the rule anew.")


def _save(workspace: Workspace, basis: Basis, confidence: float) -> None:
    """Keep the rule on the screen with the model."""
    draft = threshold_form.draft(basis.judged.model.id, None)

    def save() -> None:
        thresholds.save_rule(
            workspace, basis, draft.choice, confidence=confidence, scenario=draft.scenario
        )
        st.toast("The operating point is saved.", icon=":material/check_circle:")

    threshold_form.run_or_show_error(save)


def page(workspace: Workspace) -> None:
    found = {m.id: m.name for m in models.list_models(workspace)}
    if not found:
        widgets.empty_state(
            "tune",
            "No model to decide with yet",
            "Train one first.",
            (Place.TRAIN, "Train a model"),
        )
        return
    left, right = st.columns([5, 1], vertical_alignment="bottom")
    with left:
        chosen = state.choose("model", found, label="Model", help="Models, newest first.")
    with right:
        threshold_form.confidence_box()
    model = models.find_model(workspace, chosen or "")
    own = judged_images.judged_set(workspace, model, Subset.VALIDATION)
    if own.notice:
        st.info(text.plain(own.notice))
    if not any(own.verdicts):
        widgets.empty_state(
            "rule",
            "Which classes are good?",
            "Say on the Datasets page for every class whether "
            "a part of it is OK or NOK; then escapes and overkill can be counted.",
            (Place.DATASETS, "Datasets"),
        )
        return
    chooser(workspace, model)


widgets.page_heading(
    "Operating point", "From where on is a part rejected, and what does that let through?"
)
page(state.workspace())
