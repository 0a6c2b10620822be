"""The tab of the classes: a table with bars, worst first, and what each class is confused with."""

from functools import partial

import numpy as np
import streamlit as st

from core.domain.splits import Subset
from core.evaluation.measures.class_rates import ClassRates, class_rates
from core.evaluation.measures.intervals import Rate
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, errors, image_panel, state, text
from pages.ui.figures import class_charts
from pages.ui.figures.saving import of_model

WORST = "worst"
SORTS = (
    WORST,
    *(f"{name}{way}" for name in ("name", "recall", "precision", "count") for way in ("", "-")),
)


@st.fragment
@errors.shown()
def classes(workspace: Workspace, judgement: JudgedSet) -> None:
    """Recall and precision of every class; a click filters by it and shows its confusions."""
    every = class_rates(
        judgement.predicted, judgement.targets, judgement.class_names, judgement.parts
    )
    st.session_state.pies = state.linked("pies", ("1",), "") == "1"
    as_pies = st.toggle(
        "Pies",
        key="pies",
        help="Precision and recall as pies: the mean of all classes, then the weakest ones.",
        on_change=lambda: state.put(pies="1" if st.session_state.pies else None),
    )
    ordered = class_charts.worst_first(every)
    linked = st.query_params.get("class")
    chosen = next((item for item in ordered if item.name == linked), None)
    if as_pies:
        _pies(judgement, every)
    left, right = st.columns([6, 5], gap="large")
    with left:
        if not as_pies:
            _table(judgement, ordered, chosen)
    with right:
        _confusions(workspace, judgement, chosen or ordered[0])


def _table(judgement: JudgedSet, ordered: list[ClassRates], chosen: ClassRates | None) -> None:
    key = f"class_table_{judgement.model.id}_{judgement.subset}"
    unit = judgement.unit.word
    # Why without bounds: images that were trained on estimate nothing.
    cell = partial(_cell, with_bounds=judgement.subset is not Subset.TRAIN)

    def sorted_by() -> None:
        asked = str(st.session_state[key].sort)
        state.put(order=asked if asked in SORTS else None)

    def opened() -> None:
        name = str(st.session_state[key].chosen[0])
        # A second click closes it again.
        state.put(**{"class": None if chosen and chosen.name == name else name, "page": None})

    components.class_table(
        [
            {
                "name": item.name,
                "count": item.recall.n,
                "recall": cell(item.recall, f"{unit} of {item.name} are recognized"),
                "precision": cell(item.precision, f"predictions of {item.name} are correct"),
            }
            for item in ordered
        ],
        key,
        sort=state.linked("order", SORTS, WORST),
        chosen=chosen.name if chosen else None,
        on_sort=sorted_by,
        on_chosen=opened,
    )


def _cell(rate: Rate, of: str, *, with_bounds: bool) -> dict[str, object]:
    """A rate as the table shows it."""
    if rate.value is None or rate.interval is None:
        return {"value": None, "low": 0, "high": 0, "shown": "–", "words": f"0 {of}: no data"}
    low, high = rate.interval.low, rate.interval.high
    words = f"{rate.k:,} of {rate.n:,} {of}"
    return {
        "value": rate.value,
        "low": low if with_bounds else rate.value,
        "high": high if with_bounds else rate.value,
        "shown": text.rate(rate),
        "words": f"{words}; 95% interval {text.interval(rate)}" if with_bounds else words,
    }


def _pies(judgement: JudgedSet, rates: tuple[ClassRates, ...]) -> None:
    components.chart(
        of_model(class_charts.pies(rates), judgement.model.name, judgement.subset),
        f"pies_{judgement.model.id}_{judgement.subset}",
        description="Pies of precision and recall: the mean of all classes, then the weakest "
        "classes.",
    )
    if len(rates) > class_charts.MAX_PIES:
        st.caption(f"The {class_charts.MAX_PIES} weakest of {len(rates):,} classes.")


def _confusions(workspace: Workspace, judgement: JudgedSet, item: ClassRates) -> None:
    """What a class is mistaken for, and what is mistaken for it."""
    index = judgement.class_names.index(item.name)
    st.subheader(text.plain(item.name), anchor=False)
    taken, given = judgement.matrix[index].copy(), judgement.matrix[:, index].copy()
    taken[index] = given[index] = 0
    options: dict[str, tuple[int, int]] = {}
    for other in np.argsort(-taken, kind="stable")[:8]:
        if taken[other]:
            words = f"mistaken for {judgement.class_names[other]} ({taken[other]:,})"
            options[words] = (index, int(other))
    for other in np.argsort(-given, kind="stable")[:8]:
        if given[other]:
            words = f"{judgement.class_names[other]} mistaken for it ({given[other]:,})"
            options[words] = (int(other), index)
    if not options:
        has = "No confusions." if item.recall.has_data else "It has no images in this subset."
        st.caption(has)
        return
    chosen = st.pills(
        "Confused with",
        list(options),
        default=next(iter(options)),
        required=True,
        key=f"confused_{judgement.model.id}_{judgement.subset}_{index}",
        format_func=text.plain,
        label_visibility="collapsed",
        wrap=True,
    )
    true, predicted = options.get(str(chosen), next(iter(options.values())))
    positions = np.flatnonzero((judgement.targets == true) & (judgement.predicted == predicted))
    image_panel.panel(
        workspace, judgement, positions, key=f"class_{true}_{predicted}_{judgement.subset}"
    )
