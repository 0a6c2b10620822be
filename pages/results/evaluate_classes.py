"""The tab of the classes: bars, worst first, and what each class is confused with."""

import numpy as np
import streamlit as st

from core.evaluation.measures.class_rates import ClassRates, class_rates
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import components, errors, image_panel, text
from pages.ui.figures import class_charts


@st.fragment
@errors.shown()
def classes(workspace: Workspace, judgement: JudgedSet) -> None:
    """Bars of every class, worst first; a click shows what it is confused with."""
    every = class_rates(
        judgement.predicted, judgement.targets, judgement.class_names, judgement.parts
    )
    ordered = class_charts.worst_first(every)
    if len(ordered) > class_charts.MAX_ROWS // 2:
        search = st.text_input(
            "Find a class",
            key="bars_search",
            placeholder="Part of its name",
            width=260,
            help="Shows the classes whose name contains this text.",
        )
        ordered = [c for c in ordered if search.casefold().strip() in c.name.casefold()]
    shown = ordered[: class_charts.MAX_ROWS]
    if not shown:
        st.info("No class name contains this text.")
        return
    st.subheader(
        "Classes, worst first",
        help="Bars: observed rate. Whiskers: 95% confidence interval of the true rate.",
    )
    left, right = st.columns([6, 5], gap="large")
    key = f"class_bars_{judgement.model.id}_{judgement.subset}"
    row = components.clicked_row(key, len(shown))
    with left:
        components.clickable_rows(
            class_charts.class_bars(shown, row=row),
            key,
            rows=len(shown),
            row=row,
            description="Precision and recall of every class, worst first. Click a class or use "
            "the arrow keys to see what it is confused with.",
        )
        if len(ordered) > len(shown):
            st.caption(
                f"The {len(shown)} worst of {len(ordered):,} classes. Search to find the others."
            )
    with right:
        _confusions(workspace, judgement, shown[row or 0])


def _confusions(workspace: Workspace, judgement: JudgedSet, item: ClassRates) -> None:
    """What a class is mistaken for, and what is mistaken for it."""
    index = judgement.class_names.index(item.name)
    st.subheader(text.plain(item.name))
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
        st.info(
            "This class has no images in this subset."
            if not item.recall.has_data
            else "No image is confused with this class or mistaken for another."
        )
        return
    chosen = st.pills(
        "Confused with",
        list(options),
        default=next(iter(options)),
        required=True,
        key=f"confused_{judgement.model.id}_{judgement.subset}_{index}",
        format_func=text.plain,
        help="Most frequent first. Choose one to see its images.",
    )
    true, predicted = options.get(str(chosen), next(iter(options.values())))
    positions = np.flatnonzero((judgement.targets == true) & (judgement.predicted == predicted))
    image_panel.panel(
        workspace, judgement, positions, key=f"class_{true}_{predicted}_{judgement.subset}"
    )
