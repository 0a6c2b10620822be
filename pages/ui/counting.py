"""What n counts: the sentence, the switch, and both figures where look-alikes are not confirmed."""

from collections.abc import Sequence

import streamlit as st

from core.domain.parts import Counting
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.measures.intervals import Rate
from core.workflows.results import evaluation
from core.workflows.results.evaluation import CountedNumbers
from core.workflows.results.judging import JudgedSet
from pages.ui import text
from pages.ui.places import Place

_KEY = "counting"
HELP = (
    "Look-alikes may be one part photographed several times, or different parts of one design. "
    "Until somebody answers on the Quality page, they are not counted as parts."
)


def chosen() -> Counting:
    """What this session counts as one decision."""
    if _KEY not in st.session_state and st.query_params.get("count") == Counting.PARTS.value:
        st.session_state[_KEY] = Counting.PARTS
    return Counting(st.session_state.get(_KEY, Counting.AUTO))


def _remember() -> None:
    counting = Counting(st.session_state.count_by)
    st.session_state[_KEY] = counting
    if counting is Counting.PARTS:
        st.query_params["count"] = counting.value
    else:
        st.query_params.pop("count", None)


def switch(judged: JudgedSet) -> None:
    """Choose between images (or declared parts) and proposed parts."""
    usual = judged.counted_by(Counting.AUTO).unit.word
    options = [Counting.AUTO, Counting.PARTS]
    st.session_state.count_by = chosen() if chosen() in options else Counting.AUTO
    st.segmented_control(
        "Count",
        options,
        required=True,
        format_func=lambda item: "proposed parts" if item is Counting.PARTS else usual,
        key="count_by",
        help=HELP,
        on_change=_remember,
    )


def show(judged: JudgedSet, point: OperatingPoint | None) -> None:
    """What is counted; where unconfirmed look-alikes matter, the switch and both figures.

    Args:
        judged: as it is counted now.
        point: the decision rule in force; None: the predicted class decides.
    """
    both = evaluation.both_ways(judged, point)
    if both is None:
        return
    with st.container(border=True, key="counting"):
        left, right = st.columns([4, 7], gap="large", vertical_alignment="center")
        with left:
            switch(judged)
            st.caption(judged.counted_in_words)
            answer_link(judged)
        with right:
            st.dataframe(_columns(both), hide_index=True, key="both_ways", height="content")


def answer_link(judged: JudgedSet) -> None:
    """The way to answer whether look-alikes show one part."""
    st.page_link(
        Place.QUALITY,
        label="Confirm or separate look-alikes",
        icon=":material/group_work:",
        query_params={"dataset": judged.dataset.id},
    )


def _columns(both: Sequence[CountedNumbers]) -> dict[str, list[str]]:
    columns = {
        "counted": [
            "proposed parts" if item.counting is Counting.PARTS else item.headline.unit.word
            for item in both
        ],
        "n": [f"{item.headline.accuracy.n:,}" for item in both],
        "correct (95% interval)": [_between(item.headline.accuracy) for item in both],
    }
    outcomes = [item.headline.ok_nok for item in both]
    if any(outcome is None for outcome in outcomes):
        return columns
    return columns | {
        "escapes (proven)": [_at_most(o.escape) for o in outcomes if o],
        "false rejects (proven)": [_at_most(o.overkill) for o in outcomes if o],
    }


def _between(rate: Rate) -> str:
    if rate.interval is None:
        return "no data"
    low, high = text.percent(rate.interval.low), text.percent(rate.interval.high)
    return f"{text.percent(rate.value)} ({low} to {high})"


def _at_most(rate: Rate) -> str:
    bound = rate.upper()
    if bound is None:
        return "no data"
    return f"{text.percent(rate.value)}, at most {text.percent(bound)} (n = {rate.n:,})"
