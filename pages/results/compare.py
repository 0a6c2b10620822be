"""Compare: two models on the same images; the verdict first, then the images that changed."""

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.splits import Subset
from core.evaluation.decisions.rule import decision_in_words, part_decision
from core.evaluation.measures.parts import Unit
from core.words import joined
from core.workflows import stages
from core.workflows.results import access, comparison, evaluation, pairs, thresholds
from core.workflows.results.access import ResultsAccess, access_to_test
from core.workflows.results.comparison import ModelComparison, ModelSide, RuleChoice
from core.workflows.results.pairs import NotComparable, Pair
from core.workflows.signoff import release
from core.workflows.signoff.release import GateReport
from core.workflows.use import models
from core.workspace import Workspace
from pages.results import compare_numbers
from pages.ui import (
    context,
    judged,
    judged_images,
    release_criteria,
    state,
    test_access,
    text,
    threshold_form,
    widgets,
)
from pages.ui.places import Place


def criteria(workspace: Workspace, result: ModelComparison) -> GateReport | None:
    """The release criteria, by each model's own threshold; parts nobody confirmed never count."""
    plain = comparison.counted_by(result, Counting.AUTO, RuleChoice.OWN)
    report = release.check_release(workspace, plain, plain.second.judged)
    new = plain.second.model
    release_criteria.show(report, new.name, stages.standing(workspace, new))
    if report is not None and plain.has_proposals:
        other = comparison.counted_by(result, Counting.PARTS, RuleChoice.OWN)
        release_criteria.if_counted_as_parts(
            report, release.check_release(workspace, other, other.second.judged)
        )
    return report


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
    st.subheader("What changed", anchor=False)
    first = next((name for name, positions in kinds.items() if len(positions)), next(iter(kinds)))
    shown = st.segmented_control(
        "Images",
        list(kinds),
        required=True,
        key="compare_kind",
        on_change=state.follow("compare_kind", list(kinds), first),
        format_func=lambda name: f"{name} ({len(kinds[name]):,})",
        label_visibility="collapsed",
    )
    positions = kinds[shown or first]
    if not len(positions):
        st.caption("There are no such images.")
        return
    _gallery(workspace, result, positions, f"compare_{shown or first}")


def _gallery(
    workspace: Workspace, result: ModelComparison, positions: NDArray[np.int64], key: str
) -> None:
    names = result.class_names

    def about(i: int) -> tuple[str, str]:
        at = int(positions[i])
        return f"{names[int(result.targets[at])]}", f"{_says(result.first, at)} → " + (
            f"{_says(result.second, at)}"
        )

    parts = " The numbers above count parts." if result.unit is Unit.PARTS else ""
    st.caption(f"True class; below: the other model → this one.{parts}")
    models = [result.second.model, result.first.model]
    judged_images.images(workspace, result.sample_ids[positions], about, models, key=key)


def _says(side: ModelSide, at: int) -> str:
    if side.decisions is not None:
        return decision_in_words(part_decision(side.decisions[at]))
    return side.model.class_names[int(side.predicted[at])]


def choose(workspace: Workspace) -> tuple[Model, Model, Subset, float] | None:
    """The other model, the open one, subset, confidence; only pairs that can be compared."""
    new = context.model(workspace)
    if new is None or len(models.list_models(workspace)) < 2:
        widgets.empty_state(
            "compare_arrows",
            "Two models are needed",
            "Train another model with the same split to compare both on the same images.",
            (Place.TRAIN, "Train a model"),
        )
        return None
    first, second, third = st.columns([5, 4, 3], vertical_alignment="bottom")
    with second:
        subset = _subset(workspace, new)
    every = pairs.pairs_of(workspace, new, subset)
    fitting = {pair.model.id: pair.model.name for pair in every if pair.reason is None}
    present = None
    if fitting:
        with first:
            present = state.choose(
                "against",
                fitting,
                label="Compared with",
                help="The model that the open one is compared with, such as the one in use. Only "
                "models tested on the same images are offered.",
            )
    with third:
        confidence = threshold_form.confidence_box()
    _left_out([pair for pair in every if pair.reason is not None])
    if present is None:
        widgets.empty_state(
            "compare_arrows",
            "No model to compare with",
            f"No other model was tested on the {subset} images of {text.plain(new.name)}. "
            "Train another one with the same split.",
            (Place.TRAIN, "Train a model"),
        )
        return None
    return models.find_model(workspace, present), new, subset, confidence


def _subset(workspace: Workspace, new: Model) -> Subset:
    """Which images; the test images at first only where the results of both are open."""
    fitting = [p.model for p in pairs.pairs_of(workspace, new, Subset.TEST) if p.reason is None]
    other = state.chosen("against", [model.id for model in fitting])
    both = [new, *(model for model in fitting if model.id == other)]
    is_open = all(access_to_test(workspace, model) is ResultsAccess.SHOWN for model in both)
    usual = Subset.TEST if is_open else Subset.VALIDATION
    return st.segmented_control(
        "Subset",
        [Subset.TEST, Subset.VALIDATION],
        default=usual,
        required=True,
        format_func=lambda s: s.value,
        key="compare_subset",
        bind="query-params",
        help="The verdict is based on the test images. Validation images were used to choose "
        "models and thresholds.",
    )


def _left_out(out: Sequence[Pair]) -> None:
    """How many models are not offered, and why; their names on request."""
    if not out:
        return
    counted = Counter(pair.reason for pair in out if pair.reason is not None)
    reasons = [f"{text.count(n, 'model')} {_reason(reason)}" for reason, n in counted.items()]
    with st.container(horizontal=True, vertical_alignment="center", key="left_out"):
        st.caption(f"Not listed: {joined(reasons)}.", width="content")
        with st.popover("Which?", type="tertiary", key="left_out_names"):
            for pair in out:
                shared = f" ({pair.shared:,} of {pair.most:,} images shared)" if pair.most else ""
                assert pair.reason is not None
                st.markdown(f"- **{text.plain(pair.model.name)}**: {_reason(pair.reason)}{shared}")


def _reason(reason: NotComparable) -> str:
    match reason:
        case NotComparable.OTHER_DATASET:
            return "from another dataset"
        case NotComparable.NO_RESULTS:
            return "without results here"
        case NotComparable.OTHER_IMAGES:
            return "tested on other images"
        case _:
            assert_never(reason)


def _show(subset: Subset) -> None:
    st.session_state.compare_subset = subset


def _may_show(workspace: Workspace, both: list[Model], subset: Subset) -> bool:
    """Whether the results may be shown; says what is missing, and asks before a first view."""
    missing = [m.name for m in both if subset not in evaluation.evaluated_subsets(workspace, m.id)]
    if missing:
        st.info(f"There are no {subset} results of {text.plain(', '.join(missing))}.")
        return False
    closed = [m for m in both if access.is_sealed(workspace, m)]
    sealed = text.plain(", ".join(m.name for m in closed))
    if closed and subset is not Subset.TEST:
        st.caption(f":material/lock: The test set of {sealed} is sealed until Sign-off opens it.")
        return True
    if closed:
        st.info(
            f"The test set of {sealed} is sealed. Compare on the validation images, or open it on "
            "the Sign-off page.",
            icon=":material/lock:",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Compare on validation",
                type="primary",
                key="use_validation",
                on_click=_show,
                args=(Subset.VALIDATION,),
            )
            st.page_link(
                Place.SIGN_OFF,
                label="Go to Sign-off",
                icon=Place.SIGN_OFF.icon,
                query_params={"model": closed[0].id},
            )
        return False
    if subset is Subset.TEST and test_access.not_viewed(workspace, both):
        _ask(workspace, both)
        return False
    return True


def _ask(workspace: Workspace, both: list[Model]) -> None:
    """Offer the test results, where nobody has viewed them and nothing is sealed."""
    unseen = test_access.not_viewed(workspace, both)
    if unseen and all(Subset.TEST in evaluation.open_subsets(workspace, m) for m in unseen):
        test_access.ask(workspace, unseen, then=lambda: _show(Subset.TEST))


def page(workspace: Workspace) -> None:
    chosen = choose(workspace)
    if chosen is None:
        return
    present, new, subset, confidence = chosen
    if not _may_show(workspace, [present, new], subset):
        return
    own = (
        thresholds.saved_rule(workspace, present.id),
        thresholds.saved_rule(workspace, new.id),
    )
    result = comparison.compare_judged(
        judged_images.judged_set(workspace, present, subset),
        judged_images.judged_set(workspace, new, subset),
        *own,
        confidence=confidence,
        rule=compare_numbers.rule_choice(own),
    )
    if subset is Subset.TEST:
        comparison.record(workspace, result, person=test_access.person())
    for side in (result.first, result.second):
        if side.judged.notice:
            st.warning(
                f"**{text.plain(side.model.name)}** · {text.plain(side.judged.notice)}",
                icon=":material/report:",
            )
    compare_numbers.verdict(result)
    report = criteria(workspace, result)
    if subset is Subset.VALIDATION:
        _ask(workspace, [present, new])
    galleries(workspace, result)
    compare_numbers.details(result)
    kept = report.kept if report else None
    release_criteria.criteria(workspace, result.second.judged.dataset.id, kept)
    if subset is Subset.VALIDATION:
        judged.about_validation(workspace, [present, new])


widgets.page_heading(
    Place.COMPARE, "See whether this model is better than another one, and what changed."
)
page(state.workspace())
