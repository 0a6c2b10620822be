"""Compare: two models on the same images, and the release criteria."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.splits import Subset
from core.evaluation.decisions.rule import decision_in_words, part_decision
from core.evaluation.measures.parts import Unit
from core.evaluation.release.comparison import PairedTable
from core.workflows.results import access, comparison, evaluation, thresholds
from core.workflows.results.comparison import ModelComparison, ModelSide
from core.workflows.signoff import release
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import (
    context,
    counting,
    judged,
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
VALIDATION_SHOWN = "Below: the validation images, which help to choose models and thresholds."


def verdict(workspace: Workspace, result: ModelComparison) -> None:
    """The release criteria, which never count parts that nobody has declared or confirmed."""
    plain = comparison.counted_by(result, Counting.AUTO)
    report = release.check_release(workspace, plain, plain.second.judged)
    release_criteria.show(workspace, plain, report)
    if report is not None and plain.has_proposals:
        other = comparison.counted_by(result, Counting.PARTS)
        release_criteria.if_counted_as_parts(
            report, release.check_release(workspace, other, other.second.judged)
        )


def counted(result: ModelComparison) -> None:
    """What is counted, with the switch and both figures where look-alikes are not confirmed."""
    if not result.has_proposals:
        st.caption(result.counted_in_words)
        return
    ways = (Counting.AUTO, Counting.PARTS)
    both = {way: comparison.counted_by(result, way) for way in ways}
    with st.container(border=True, key="counting"):
        left, right = st.columns([3, 7], gap="medium", vertical_alignment="center")
        with left:
            counting.switch(result.second.judged)
            st.caption(result.counted_in_words)
            counting.answer_link(result.second.judged)
        with right:
            titles = {"counted": ["correct class: new − current", "McNemar's exact test"]}
            st.dataframe(
                titles
                | {
                    counting.column_title(way, item.unit, item.part_count): [
                        _difference(item.classes.table),
                        _p(item.classes.table.p_value),
                    ]
                    for way, item in both.items()
                },
                hide_index=True,
                key="both_ways",
                height="content",
            )


def _difference(table: PairedTable) -> str:
    value, bounds = table.difference.value, table.difference.interval
    if value is None or bounds is None:
        return "no data"
    return f"{100 * value:+.1f} points ({100 * bounds.low:+.1f} to {100 * bounds.high:+.1f})"


def overview(result: ModelComparison) -> None:
    units = text.count(result.part_count, text.noun(result.unit))
    sentences = [f"**{units}** in the {result.subset} set of both models."]
    if result.only_first or result.only_second:
        sentences.append(
            f"Left out: {text.count(result.only_first, 'image')} of the current model only and "
            f"{text.count(result.only_second, 'image')} of the new model only."
        )
    st.markdown(" ".join(sentences))
    unit = result.unit.word
    kinds = [("Classes", "Correct class", result.classes.table)]
    if result.decisions is not None:
        kinds += [
            ("Escapes", f"Defective {unit} caught", result.decisions.escapes),
            ("False rejects", f"Good {unit} not rejected", result.decisions.false_rejects),
        ]
    for column, (title, right, table) in zip(
        st.columns(len(kinds), gap="large"), kinds, strict=True
    ):
        with column:
            _paired(title, right, table, result)
    if result.decisions is None:
        st.info(
            "Escapes and false rejects are not compared: the classes have no verdicts. Set the "
            "verdicts (OK or NOK) on the Datasets page."
        )
    else:
        st.caption(f"Current model: {_rule(result.first)}")
        st.caption(f"New model: {_rule(result.second)}")


def _rule(side: ModelSide) -> str:
    if side.rule is None:
        return "no threshold saved; the predicted class decides."
    return text.plain(side.rule.in_words)


def _paired(title: str, right: str, table: PairedTable, result: ModelComparison) -> None:
    unit = result.unit.word
    st.subheader(
        title,
        help=f"{right} counts as right. Only the {unit} on which the models differ show which "
        "one is better.",
    )
    rows = (
        (table.both_right, table.only_second_right),
        (table.only_first_right, table.neither_right),
    )
    chart(
        outcome_matrices.paired(rows),
        f"paired_{title}",
        description=f"{title}: both models right {table.both_right}, only the new one "
        f"{table.only_second_right}, only the current one {table.only_first_right}, neither "
        f"{table.neither_right}.",
    )
    value, bounds = table.difference.value, table.difference.interval
    if value is None or bounds is None:
        st.caption(f"There are no such {unit}.")
        return
    st.markdown(
        f"{right}: **{100 * value:+.1f}** percentage points with the new model, "
        f"{result.confidence:.0%} interval {100 * bounds.low:+.1f} to {100 * bounds.high:+.1f}"
    )
    says = text.plain(comparison.evidence(table, result.unit))
    st.caption(f"{says} McNemar's exact test: {_p(table.p_value)}.")


def _p(value: float) -> str:
    return "p below 0.001" if value < 0.001 else f"p = {value:.2g}"


def galleries(workspace: Workspace, result: ModelComparison) -> None:
    """The images that changed; the most important kind first."""
    kinds: dict[str, NDArray[np.int64]] = {}
    if result.decisions is not None:
        kinds |= {
            "New escapes": result.decisions.new_escapes,
            "New false rejects": result.decisions.new_false_rejects,
            "Fixed escapes": result.decisions.fixed_escapes,
            "Fixed false rejects": result.decisions.fixed_false_rejects,
        }
    kinds |= {
        "Newly wrong": result.classes.new_errors,
        "Newly correct": result.classes.fixed_errors,
    }
    st.subheader("What changed")
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
        st.caption("There are no such images.")
        return
    _gallery(workspace, result, positions, f"compare_{shown}")


def _gallery(
    workspace: Workspace, result: ModelComparison, positions: NDArray[np.int64], key: str
) -> None:
    names = result.class_names

    def about(i: int) -> tuple[str, str]:
        at = int(positions[i])
        return f"{names[int(result.targets[at])]}", f"{_says(result.first, at)} → " + (
            f"{_says(result.second, at)}"
        )

    def shown(i: int) -> judged_images.ShownImage:
        at, own = int(positions[i]), result.second.judged
        row = int(np.searchsorted(own.sample_ids, result.sample_ids[at], sorter=order))
        return judged_images.ShownImage(
            own.model, own.probabilities[order[row]], int(result.targets[at]), names
        )

    order = np.argsort(result.second.judged.sample_ids)
    parts = " The tables above count parts." if result.unit is Unit.PARTS else ""
    st.caption(f"Top line: true class. Below: current model → new model.{parts}")
    judged_images.images(workspace, result.sample_ids[positions], about, shown, key=key)


def _says(side: ModelSide, at: int) -> str:
    if side.decisions is not None:
        return decision_in_words(part_decision(side.decisions[at]))
    return side.model.class_names[int(side.predicted[at])]


def choose(workspace: Workspace) -> tuple[Model, Model, Subset, float] | None:
    """Current model, new model, subset, confidence."""
    new = context.model(workspace)
    others = {m.id: m.name for m in models.list_models(workspace) if new and m.id != new.id}
    if new is None or not others:
        widgets.empty_state(
            "compare_arrows",
            "Two models are needed",
            "Train another model with the same split to compare both on the same images.",
            (Place.TRAIN, "Train a model"),
        )
        return None
    second, third, fourth = st.columns([5, 4, 3], vertical_alignment="bottom")
    with second:
        present = state.choose(
            "against", others, label="Current model", help="The model now in use."
        )
    both = [models.find_model(workspace, present or ""), new]
    with third:
        if "compare_subset" not in st.session_state:
            is_seen = not test_access.not_viewed(workspace, both)
            st.session_state.compare_subset = Subset.TEST if is_seen else Subset.VALIDATION
        subset = st.segmented_control(
            "Subset",
            [Subset.TEST, Subset.VALIDATION],
            required=True,
            format_func=lambda s: s.value,
            key="compare_subset",
            help="The verdict is based on the test images. Validation images were used to choose "
            "models and thresholds.",
        )
        assert subset is not None  # required, and set above
    with fourth:
        confidence = threshold_form.confidence_box()
    return both[0], both[1], subset, confidence


def _has_test(workspace: Workspace, unseen: list[Model]) -> bool:
    """Whether all of them have test results that may be viewed."""
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
            f"There are no {subset} results of {text.plain(', '.join(missing))}. Uploaded models "
            "and models of a deleted dataset cannot be compared."
        )
        return
    closed = [m for m in (present, new) if access.is_sealed(workspace, m)]
    if closed:
        st.info(
            f"The test set of {text.plain(', '.join(m.name for m in closed))} is sealed: its "
            "results have not been viewed. Compare on the validation images, or open it on the "
            "Sign-off page.",
            icon=":material/lock:",
        )
        if subset is Subset.TEST:
            return
    unseen = test_access.not_viewed(workspace, (present, new))
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
    result = comparison.compare_judged(
        judged_images.judged_set(workspace, present, subset),
        judged_images.judged_set(workspace, new, subset),
        thresholds.saved_rule(workspace, present.id),
        thresholds.saved_rule(workspace, new.id),
        confidence=confidence,
    )
    if subset is Subset.TEST:
        for model in (present, new):
            test_access.view(workspace, model, PURPOSE)
    if subset is Subset.VALIDATION:
        judged.cross_validated_note([present, new])
    for side in (result.first, result.second):
        if side.judged.notice:
            st.warning(
                f"**{text.plain(side.model.name)}** · {text.plain(side.judged.notice)}",
                icon=":material/report:",
            )
    verdict(workspace, result)
    counted(result)
    overview(result)
    galleries(workspace, result)


widgets.page_heading(
    Place.COMPARE, "See whether the new model is better than the current one and what changed."
)
page(state.workspace())
