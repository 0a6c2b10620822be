"""What a seal holds: release criteria, reject threshold, test images; and what they are today."""

import streamlit as st

from core.domain.signoff import Obstacle
from core.evaluation.decisions.rule import DecisionRule, rule_from_json
from core.evaluation.measures.parts import Unit
from core.evaluation.release.criteria import ReleaseCriteria
from core.evaluation.release.words import GOLDEN_RIGHT, REVIEWS_NOT_LIMITED, criteria_in_words
from core.workflows.results import thresholds
from core.workflows.signoff import release, sealing
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.signoff.steps import size_of
from core.workspace import Workspace
from pages.ui import release_criteria, text
from pages.ui.places import Place


def show(workspace: Workspace, standing: SignOff) -> None:
    """What the seal holds: criteria, threshold, test images."""
    title = "What is sealed" if standing.seal else "What the seal will hold"
    st.subheader(title, anchor=False)
    if standing.seal and not standing.is_void:
        st.caption(
            "A change of the criteria or the threshold voids the seal, and is recorded."
            if standing.is_opened
            else "A change needs a new seal. All of it is recorded."
        )
    left, middle, right = st.columns(3, gap="large")
    kept = release.criteria_of(workspace, standing.dataset.id)
    rule = thresholds.saved_rule(workspace, standing.model.id)
    with left:
        st.markdown("**Release criteria**")
        sealed, has_golden = standing.sealed_criteria, release.has_golden(workspace, standing.model)
        if sealed:
            now = _listed(kept.criteria, has_golden=has_golden) if kept else "None."
            _sealed_and_now(_listed(sealed, has_golden=has_golden), now)
        elif kept and standing.is_opened:
            st.markdown("Those of the verdict above.")
        elif kept:
            st.markdown(_listed(kept.criteria, has_golden=has_golden))
            if not release.limits_reviews(kept.criteria, rule):
                st.caption(REVIEWS_NOT_LIMITED)
        else:
            st.markdown("None yet.")
        if kept and kept.earlier:
            st.caption(
                f"Changed {text.count(len(kept.earlier), 'time')}; last {text.when(kept.set_at)}."
            )
    with middle:
        st.markdown("**Reject threshold**")
        if standing.has_other_rule and standing.seal is not None:
            then = standing.seal.operating_point
            _sealed_and_now(_rule(rule_from_json(then) if then else None), _rule(rule))
        else:
            st.markdown(_rule(rule))
        st.page_link(
            Place.OPERATING_POINT,
            label="Change the threshold" if standing.seal else "Set the threshold",
            icon=Place.OPERATING_POINT.icon,
            query_params={"model": standing.model.id},
        )
    with right:
        _test_images(workspace, standing)
    if kept is not None:
        release_criteria.criteria(
            workspace,
            standing.dataset.id,
            kept,
            expanded=standing.obstacle is Obstacle.NOTHING_REQUIRED,
            # Why: what was opened to edit them before is closed once they are sealed.
            key=f"criteria_{standing.seal.created_at if standing.seal else 'open'}",
        )


def _listed(criteria: ReleaseCriteria, *, has_golden: bool) -> str:
    """The criteria as a list; where no golden sample is marked, it says so."""
    none = "" if has_golden else " (none is marked yet)"
    return "\n".join(
        f"- {text.plain(line)}{none if line == GOLDEN_RIGHT else ''}"
        for line in criteria_in_words(criteria)
    )


def _rule(rule: DecisionRule | None) -> str:
    if rule is None:
        return "None saved: the predicted class decides."
    return text.plain(rule.in_words)


def _sealed_and_now(sealed: str, now: str) -> None:
    st.caption("Sealed")
    st.markdown(sealed)
    st.caption("Now; this voids the seal")
    st.markdown(now)


def _test_images(workspace: Workspace, standing: SignOff) -> None:
    st.markdown("**Test images**")
    size = size_of(standing)
    defective = "" if size.available is None else f", {size.available:,} defective"
    unit = f" {standing.unit.word}" if defective and standing.unit is Unit.PARTS else ""
    st.markdown(f"{text.count(standing.images, 'image')}{defective}{unit}")
    if not size.is_enough:
        st.warning(
            f"Too few: the proof needs {size.needed:,} defective ones, without an escape.",
            icon=":material/straighten:",
        )
        st.page_link(
            Place.TEST_PLANNER,
            label="Plan the test",
            icon=Place.TEST_PLANNER.icon,
            query_params={"model": standing.model.id},
        )
    with st.popover("Files", type="tertiary", icon=":material/fact_check:", key="files"):
        st.caption(f"Split “{text.plain(standing.split.name)}”, digest {standing.digest[:24]}…")
        if st.button(
            "Check that files are unchanged",
            key="check_files",
            help="Reads every test image again and compares it with what was imported.",
        ):
            _check_files(workspace, standing)


def _check_files(workspace: Workspace, standing: SignOff) -> None:
    with st.spinner("Reading the test images …"):
        changed = sealing.file_changes(workspace, standing.model.id)
    for change in changed:
        st.error(text.plain(change))
    if not changed:
        st.success("All test images are unchanged since the import.")
