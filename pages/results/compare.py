"""Compare: two models on the same parts, and the gate before a release."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.decisions.rule import decision_in_words, part_decision
from core.evaluation.release.comparison import PairedTable
from core.workflows.results import comparison, evaluation, judging, thresholds
from core.workflows.results.comparison import ModelComparison, ModelSide
from core.workflows.signoff import release
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import (
    judged_images,
    release_criteria,
    state,
    test_access,
    text,
    threshold_form,
    widgets,
)
from pages.ui.components import chart
from pages.ui.figures import outcome_matrices
from pages.ui.places import Place

PURPOSE = "Compare page"
VALIDATION_SHOWN = "Compared below: the validation images, which chose both models."


def overview(found: ModelComparison, confidence: float) -> None:
    unit = found.unit.word
    words = f"**{found.part_count:,} {unit}** that both models judged on {found.subset}."
    if found.only_first or found.only_second:
        words += (
            f" Left out: {found.only_first:,} images that only the present model has there, "
            f"{found.only_second:,} that only the new one has."
        )
    st.markdown(words)
    kinds = [("Classes", "right class", found.classes.table)]
    if found.decisions is not None:
        kinds += [
            ("Escapes", "defective, not accepted", found.decisions.escapes),
            ("False rejects", "good, not rejected", found.decisions.false_rejects),
        ]
    for column, (title, right, table) in zip(
        st.columns(len(kinds), gap="large"), kinds, strict=True
    ):
        with column:
            _paired(title, right, table, confidence)
    if found.decisions is None:
        st.info(
            "Escapes and false rejects are not compared: the classes have no verdicts. Say on the "
            "Datasets page which classes are OK and which are NOK."
        )
    else:
        st.caption(f"Present: {_rule(found.first)} New: {_rule(found.second)}")


def _rule(side: ModelSide) -> str:
    if side.rule is None:
        return "no operating point saved, the verdict of the predicted class decides."
    return text.plain(side.rule.in_words)


def _paired(title: str, right: str, table: PairedTable, confidence: float) -> None:
    st.subheader(
        title,
        help=f"Right means here: {right}. Only the parts on which the models "
        "differ tell which is better.",
    )
    rows = (
        (table.both_right, table.only_second_right),
        (table.only_first_right, table.neither_right),
    )
    chart(
        outcome_matrices.paired(rows, dark=state.is_dark()),
        f"paired_{title}",
        description=f"{title}: both right {table.both_right}, only new right "
        f"{table.only_second_right}, only present right {table.only_first_right}, neither "
        f"{table.neither_right}.",
    )
    value, bounds = table.difference.value, table.difference.interval
    if value is None or bounds is None:
        st.caption("There is no such part.")
        return
    st.markdown(
        f"{right.capitalize()}, new − present: **{100 * value:+.1f}** points "
        f"({100 * bounds.low:+.1f} to {100 * bounds.high:+.1f} at {confidence:.0%})"
    )
    st.caption(
        f"{text.plain(comparison.evidence(table))} McNemar's exact test: {_p(table.p_value)}."
    )


def _p(value: float) -> str:
    return "p below 0.001" if value < 0.001 else f"p = {value:.2g}"


def galleries(workspace: Workspace, found: ModelComparison) -> None:
    """What is new, what is fixed; the most important first."""
    kinds: dict[str, NDArray[np.int64]] = {}
    if found.decisions is not None:
        kinds |= {
            "New escapes": found.decisions.new_escapes,
            "New false rejects": found.decisions.new_false_rejects,
            "Escapes gone": found.decisions.fixed_escapes,
            "False rejects gone": found.decisions.fixed_false_rejects,
        }
    kinds |= {"Newly wrong": found.classes.new_errors, "Newly right": found.classes.fixed_errors}
    st.subheader("What is new")
    first = next((name for name, positions in kinds.items() if len(positions)), next(iter(kinds)))
    shown = st.segmented_control(
        "Images",
        list(kinds),
        required=True,
        default=first,
        key="compare_kind",
        format_func=lambda name: f"{name} ({len(kinds[name]):,})",
        label_visibility="collapsed",
    )
    positions = kinds[shown]
    if not len(positions):
        st.caption("No image here.")
        return
    _gallery(workspace, found, positions, f"compare_{shown}")


def _gallery(
    workspace: Workspace, found: ModelComparison, positions: NDArray[np.int64], key: str
) -> None:
    names = found.class_names

    def about(i: int) -> tuple[str, str]:
        at = int(positions[i])
        return f"{names[int(found.targets[at])]}", f"{_says(found.first, at)} → " + (
            f"{_says(found.second, at)}"
        )

    def shown(i: int) -> judged_images.ShownImage:
        at, own = int(positions[i]), found.second.judged
        row = int(np.searchsorted(own.sample_ids, found.sample_ids[at], sorter=order))
        return judged_images.ShownImage(
            own.model, own.probabilities[order[row]], int(found.targets[at]), names
        )

    order = np.argsort(found.second.judged.sample_ids)
    st.caption(
        "True class above; below it what the present model said → what the new one says. "
        "The images of parts that changed; the tables above count the parts."
    )
    judged_images.images(workspace, found.sample_ids[positions], about, shown, key=key)


def _says(side: ModelSide, at: int) -> str:
    if side.decisions is not None:
        return decision_in_words(part_decision(side.decisions[at]))
    return side.model.class_names[int(side.predicted[at])]


def choose(workspace: Workspace) -> tuple[Model, Model, Subset, float] | None:
    """Present model, new model, subset, confidence."""
    found = {m.id: m.name for m in models.list_models(workspace)}
    if len(found) < 2:
        widgets.empty_state(
            "compare_arrows",
            "Two models are needed",
            "Train another one with the same split; then both are held against "
            "each other on the same parts.",
            (Place.TRAIN, "Train a model"),
        )
        return None
    first, second, third, fourth = st.columns([3, 3, 2, 1], vertical_alignment="bottom")
    with first:
        new = state.choose("model", found, label="New model", help="The candidate.")
    with second:
        others = {key: name for key, name in found.items() if key != new}
        present = state.choose("against", others, label="Present model", help="The one so far.")
    both = [models.find_model(workspace, present or ""), models.find_model(workspace, new or "")]
    with third:
        if "compare_subset" not in st.session_state:
            is_seen = not test_access.unseen(workspace, both)
            st.session_state.compare_subset = Subset.TEST if is_seen else Subset.VALIDATION
        subset = st.segmented_control(
            "Subset",
            [Subset.TEST, Subset.VALIDATION],
            required=True,
            format_func=lambda s: s.value,
            key="compare_subset",
            help="Test gives the verdict; validation images chose the models and thresholds.",
        )
        assert subset is not None  # required, and set above
    with fourth:
        confidence = threshold_form.confidence_box()
    return both[0], both[1], subset, confidence


def _has_test(workspace: Workspace, unseen: list[Model]) -> bool:
    """Whether there are test results of all of them that may be looked at."""
    return all(Subset.TEST in evaluation.open_subsets(workspace, model) for model in unseen)


def _show_test() -> None:
    st.session_state.compare_subset = Subset.TEST


def page(workspace: Workspace) -> None:
    chosen = choose(workspace)
    if chosen is None:
        return
    present, new, subset, confidence = chosen
    missing = [
        m.name
        for m in (present, new)
        if subset not in evaluation.evaluated_subsets(workspace, m.id)
    ]
    if missing:
        st.info(
            f"There are no {subset} results of {text.plain(', '.join(missing))}: uploaded "
            "models and those of a deleted dataset cannot be compared."
        )
        return
    closed = [m for m in (present, new) if judging.is_closed(workspace, m)]
    if closed:
        st.info(
            f"The test set of {text.plain(', '.join(m.name for m in closed))} is sealed: nobody "
            "has looked at it yet. Compare on the validation images, or open it on the Sign-off "
            "page.",
            icon=":material/lock:",
        )
        if subset is Subset.TEST:
            return
    unseen = test_access.unseen(workspace, (present, new))
    if unseen and _has_test(workspace, unseen):
        test_access.ask(
            workspace,
            unseen,
            PURPOSE,
            then=_show_test,
            more=VALIDATION_SHOWN if subset is Subset.VALIDATION else "",
        )
        if subset is Subset.TEST:
            return
    found = comparison.compare_judged(
        judged_images.judged_set(workspace, present, subset),
        judged_images.judged_set(workspace, new, subset),
        thresholds.saved_rule(workspace, present.id),
        thresholds.saved_rule(workspace, new.id),
        confidence=confidence,
    )
    if subset is Subset.TEST:
        for model in (present, new):
            judged_images.count_look(workspace, model, PURPOSE)
    for side in (found.first, found.second):
        if side.judged.notice:
            st.warning(
                f"**{text.plain(side.model.name)}** · {text.plain(side.judged.notice)}",
                icon=":material/report:",
            )
    release_criteria.show(
        workspace, found, release.check_release(workspace, found, found.second.judged)
    )
    overview(found, confidence)
    galleries(workspace, found)


widgets.page_heading("Compare", "Is the new model better than the present one, and what is new?")
page(state.workspace())
