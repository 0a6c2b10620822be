"""Guarantee: automatic on as many parts as can be, with a promise about the rest."""

import streamlit as st

from core.evaluation.decisions.guarantee import Guarantee, Verification, verify
from core.evaluation.decisions.rule import point_in_words
from core.workflows.results import thresholds
from core.workflows.results.thresholds import Basis, OnTest, ThresholdChoice, ThresholdGoal
from pages.ui import text, threshold_form
from pages.ui.places import Place

USE_FIRST = "Use this rule and save it: then the test images tell whether they are in line."
LIMITS = (0.005, 0.01, 0.02, 0.05, 0.1)
ON_TEST = {
    Verification.CONFIRMED: (st.success, "The test images alone prove the promise too."),
    Verification.IN_LINE: (
        st.info,
        "The test images are in line with the promise, but too few to prove it by themselves.",
    ),
    Verification.CONTRADICTED: (
        st.error,
        "The test images contradict the promise: they are not "
        "like the validation images. Do not rely on it.",
    ),
    Verification.NO_DATA: (
        st.warning,
        "The test images hold no parts to check the promise with.",
    ),
}


def show(basis: Basis, on_test: OnTest, confidence: float) -> None:
    """What is promised, on how many parts, and what the test says of it."""
    st.markdown(
        "The machine decides alone only where it may; everything else goes to a person. The "
        "promise also covers that the limits were chosen on these images."
    )
    left, right = st.columns(2)
    escape = left.number_input(
        "Promise: escape at most, %",
        0.01,
        99.0,
        1.0,
        0.1,
        format="%.4g",
        key="promise_escape",
        help="Of all defective parts at most this share is accepted by the machine.",
    )
    with right:
        rejects = st.toggle(
            "Reject without a person too",
            key="promise_rejects",
            help="Off: the machine only accepts; whatever it does not accept, a person looks at.",
        )
        overkill = (
            st.number_input(
                "Promise: overkill at most, %",
                0.01,
                99.0,
                2.0,
                0.1,
                format="%.4g",
                key="promise_overkill",
                help="Of all good parts at most this share is rejected.",
            )
            if rejects
            else None
        )
    wish = ThresholdGoal(
        escape / 100, overkill / 100 if overkill else None, guarantee=True, confidence=confidence
    )
    choice = thresholds.choose(basis, wish)
    assert choice.promise is not None
    _said(basis, choice, choice.promise, on_test)
    _others(basis, wish)


def _said(basis: Basis, choice: ThresholdChoice, promise: Guarantee, on_test: OnTest) -> None:
    if not promise.is_possible:
        st.warning(" ".join(text.plain(remark) for remark in promise.remarks))
        st.page_link(
            Place.TEST_PLANNER, label="Plan how many parts are needed", icon=":material/checklist:"
        )
        return
    share = promise.automatic
    assert share.value is not None
    assert share.interval is not None
    limits = f"escape ≤ {100 * promise.max_escape:.4g}%"
    if promise.max_overkill is not None:
        limits += f", overkill ≤ {100 * promise.max_overkill:.4g}%"
    st.markdown(f"### Automatic on {share.value:.1%} of the {basis.unit.word}")
    st.markdown(
        f"with **{text.plain(limits)}** at {promise.confidence:.0%} confidence. "
        f":gray[{share.k:,} of {share.n:,} on validation; truth {share.interval.low:.1%} to "
        f"{share.interval.high:.1%} for parts of this mix.]"
    )
    st.caption(text.plain(point_in_words(promise.point)))
    is_this_rule = threshold_form.draft(basis.judged.model.id, None).point == promise.point
    if on_test.basis is None or not is_this_rule:
        st.info(text.plain(on_test.reason if is_this_rule else USE_FIRST))
    else:
        outcome = on_test.basis.outcome(promise.point, promise.confidence)
        found = verify(promise, outcome)
        shown, words = ON_TEST[found]
        upper = outcome.escape.upper(promise.confidence)
        proof = (
            ""
            if upper is None
            else (
                f"{outcome.escape.k:,} of {outcome.escape.n:,} defective "
                f"{on_test.basis.unit.word} escape: below {upper:.2%}."
            )
        )
        shown(f"**Test: {found.value}.** {words} {text.plain(proof)}")
    st.button(
        "Use this rule",
        icon=":material/check:",
        key="use_promise",
        on_click=threshold_form.put,
        args=(basis.judged.model.id, choice),
    )


def _others(basis: Basis, wish: ThresholdGoal) -> None:
    """What other promises would leave automatic."""
    rows = []
    for limit in LIMITS:
        choice = thresholds.choose(
            basis,
            ThresholdGoal(limit, wish.max_overkill, guarantee=True, confidence=wish.confidence),
        )
        assert choice.promise is not None
        promise = choice.promise
        rows.append(
            (
                limit,
                promise.automatic.value if promise.is_possible else None,
                " ".join(promise.remarks),
            )
        )
    st.markdown("**Other promises**")
    st.dataframe(
        {
            "escape at most": [row[0] for row in rows],
            "automatic": [row[1] for row in rows],
            "remark": [row[2] for row in rows],
        },
        hide_index=True,
        column_config={
            "escape at most": st.column_config.NumberColumn(format="percent", width=110),
            "automatic": st.column_config.ProgressColumn(
                min_value=0,
                max_value=1,
                format="percent",
                width=140,
                help="Share of validation parts that no person looks at.",
            ),
            "remark": st.column_config.TextColumn(width=560),
        },
    )
