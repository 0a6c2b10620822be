"""Test planner: how many parts a test needs to prove a claim."""

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import TouchstoneError
from core.evaluation.decisions.outcome import single_threshold
from core.evaluation.decisions.planner import PlanRow, parts_needed, plan_test, proven_rate
from core.workflows.results import access, evaluation
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import judged_images, state, text, threshold_form, widgets

EXAMPLES = (20, 50, 100, 300, 1000)


def claim() -> tuple[float, float, float]:
    """What to prove: largest escape rate, largest false reject rate, confidence."""
    first, second, third, fourth = st.columns([2, 2, 2, 1], vertical_alignment="bottom")
    escape = first.number_input(
        "Escape rate below, %",
        0.001,
        99.0,
        1.0,
        0.1,
        format="%.4g",
        key="plan_escape",
        help="The claim: less than this share of the defective parts is accepted.",
    )
    overkill = second.number_input(
        "False reject rate below, %",
        0.001,
        99.0,
        5.0,
        0.1,
        format="%.4g",
        key="plan_overkill",
        help="The claim: less than this share of the good parts is rejected (overkill).",
    )
    with third:
        expected = st.number_input(
            "Expected true rate, % of the limit",
            0,
            100,
            20,
            5,
            key="plan_expected",
            help="The rate that you expect of the model: 20 means a fifth of the claimed limit. "
            "Used only to estimate the chance that a test passes.",
        )
    with fourth:
        confidence = threshold_form.confidence_box()
    st.session_state.plan_share = expected / 100
    return escape / 100, overkill / 100, confidence


def needed(escape: float, overkill: float, confidence: float) -> None:
    share = st.session_state.plan_share
    plan = plan_test(
        escape,
        overkill,
        confidence=confidence,
        expected_escape=share * escape,
        expected_overkill=share * overkill,
    )
    defective, good = plan.defective[0].parts, plan.good[0].parts
    st.markdown(
        f"### You need {defective:,} defective and {good:,} good parts\n"
        f"With {confidence:.0%} confidence, {defective:,} defective parts without an escape prove "
        f"an escape rate below {100 * escape:.4g}%, and {good:,} good parts without a false reject "
        f"prove a false reject rate below {100 * overkill:.4g}%."
    )
    left, right = st.columns(2, gap="large")
    with left:
        _table("Defective parts", "escapes allowed", plan.defective, "plan_defective")
    with right:
        _table("Good parts", "false rejects allowed", plan.good, "plan_good")
    st.caption(
        "Fix the number of parts and allowed errors before the test, and test all parts. Adding "
        "parts until the result fits proves nothing."
    )


def _table(title: str, allowed: str, rows: tuple[PlanRow, ...], key: str) -> None:
    st.markdown(f"**{title}**")
    st.dataframe(
        {
            allowed: [row.errors for row in rows],
            "parts needed": [row.parts for row in rows],
            "chance to pass": [row.chance_to_pass for row in rows],
        },
        hide_index=True,
        key=key,
        column_config={
            "parts needed": st.column_config.NumberColumn(format="localized"),
            "chance to pass": st.column_config.ProgressColumn(
                min_value=0,
                max_value=1,
                format="percent",
                help="If the true rate is as expected. Allowing an error needs more parts, but "
                "makes a failure by bad luck less likely.",
            ),
        },
    )


def best_case(workspace: Workspace, escape: float, confidence: float) -> None:
    """The most that the validation and test images of a model can prove."""
    st.subheader("What the existing images can prove at best")
    found = {m.id: m.name for m in models.list_models(workspace)}
    if not found:
        st.caption("There is no model yet.")
        _sizes(confidence)
        return
    chosen = state.choose(
        "model", found, label="Model", help="Whose validation and test images to count."
    )
    model = models.find_model(workspace, chosen or "")
    rows: list[Row] = []
    problems: set[str] = set()
    for subset in (Subset.VALIDATION, Subset.TEST):
        try:
            rows += _rows_of(workspace, model, subset, confidence)
        except TouchstoneError as err:
            problems.add(f"{text.plain(err.message)} {text.plain(err.hint)}")
    for problem in problems:
        st.info(problem)
    if rows:
        st.dataframe(
            {
                "subset": [row[0] for row in rows],
                "kind": [row[1] for row in rows],
                "parts": [row[2] for row in rows],
                "without an error": [row[3] for row in rows],
            },
            hide_index=True,
            key="plan_best",
            column_config={
                "without an error": st.column_config.NumberColumn(
                    "proves at best a rate below",
                    format="percent",
                    help="Without any error. Every error makes it larger.",
                )
            },
        )
        for line in _in_words(rows, escape, confidence):
            st.markdown(line)
    _sizes(confidence)


Row = tuple[str, str, int, float | None]


def _rows_of(workspace: Workspace, model: Model, subset: Subset, confidence: float) -> list[Row]:
    """Counts only: no result of the model is read, so this is no view of the test results."""
    if subset not in evaluation.evaluated_subsets(workspace, model.id):
        return []
    if subset is Subset.TEST and access.is_sealed(workspace, model):
        st.caption("The test set is sealed; its parts are not counted here.")
        return []
    basis = judged_images.basis(workspace, model, subset)
    outcome = basis.outcome(single_threshold(0.5))
    return [
        (subset.value, kind, n, proven_rate(0, n, confidence=confidence))
        for kind, n in (("defective", sum(outcome.nok)), ("good", sum(outcome.ok)))
    ]


def _in_words(rows: list[Row], escape: float, confidence: float) -> list[str]:
    more = parts_needed(escape, confidence=confidence)
    return [
        f"- **{name}**: {n:,} defective parts without an escape prove a rate below {proven:.2%}."
        + (f" To prove {100 * escape:.4g}%, add **{more - n:,} parts**." if n < more else "")
        for name, kind, n, proven in rows
        if kind == "defective" and proven is not None
    ]


def _sizes(confidence: float) -> None:
    rates = [f"{proven_rate(0, n, confidence=confidence):.2%} with {n:,} parts" for n in EXAMPLES]
    st.caption(
        f"A test without any error proves, with {confidence:.0%} confidence, a rate below: "
        f"{text.plain(' · '.join(rates))}"
    )


widgets.page_heading("Test planner", "Find out how many parts a test needs to prove a claim.")
escape, overkill, confidence = claim()
needed(escape, overkill, confidence)
best_case(state.workspace(), escape, confidence)
