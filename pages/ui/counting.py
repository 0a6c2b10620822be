"""What n counts: the sentence, the switch, and both figures where look-alikes are not confirmed."""

from collections.abc import Sequence

import streamlit as st

from core.domain.parts import Counting
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.workflows.results import evaluation
from core.workflows.results.evaluation import CountedNumbers
from core.workflows.results.judging import JudgedSet
from pages.ui import text
from pages.ui.places import Place
from pages.ui.tables import small_table

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
    with st.container(horizontal=True, vertical_alignment="center", key="counting"):
        switch(judged)
        with st.popover("Both ways", type="tertiary", key="counting_both"):
            small_table(_columns(both), "both_ways", about="The results, counted both ways")
            st.caption(judged.counted_in_words)
        answer_link(judged)


def answer_link(judged: JudgedSet) -> None:
    """The way to answer whether look-alikes show one part."""
    st.page_link(
        Place.QUALITY,
        label="Confirm or separate look-alikes",
        icon=":material/group_work:",
        query_params={"dataset": judged.dataset.id},
    )


def _columns(both: Sequence[CountedNumbers]) -> dict[str, list[str]]:
    """A column for each way to count."""
    titles = ["correct"]
    if all(item.headline.ok_nok for item in both):
        titles += ["escapes", "false rejects"]
    columns = {"counted": titles}
    for item in both:
        numbers, outcome = item.headline, item.headline.ok_nok
        rows = [_between(numbers.accuracy)]
        if outcome is not None:
            rows += [_at_most(outcome.escape), _at_most(outcome.overkill)]
        columns[column_title(item.counting, numbers.unit, numbers.accuracy.n)] = rows
    return columns


def column_title(counting: Counting, unit: Unit, n: int) -> str:
    """What a column counts, and how many of it there are."""
    return f"{n:,} proposed parts" if counting is Counting.PARTS else f"{n:,} {unit.word}"


def _between(rate: Rate) -> str:
    if rate.interval is None:
        return "no data"
    return f"{text.rate(rate)} ({text.interval(rate)})"


def _at_most(rate: Rate) -> str:
    bound = rate.upper()
    if bound is None:
        return "no data"
    most = text.percent_at_most(bound)
    return f"{text.counts(rate)} = {text.rate(rate)}, at most {most}"
