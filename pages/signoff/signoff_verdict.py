"""The verdict of a sign-off: what came out, why, what to do, and who has viewed what."""

from typing import assert_never

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.parts import Counting
from core.domain.signoff import CriterionOutcome
from core.domain.splits import Subset
from core.evaluation.measures.intervals import Rate
from core.evaluation.release.check import CriterionKind, ReleaseVerdict
from core.evaluation.release.words import reasons_in_words, remarks_in_words, verdict_lines
from core.workflows.results import judging
from core.workflows.results.access import (
    accesses_in_words,
    record_decision,
    without_page_views,
)
from core.workflows.signoff import release, report
from core.workflows.signoff.release import GateReport
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.signoff.steps import Remedy, remedy_of
from core.workspace import Workspace
from pages.results.evaluate_gallery import ErrorKind
from pages.signoff import signoff_blocked
from pages.ui import release_criteria, test_access, text
from pages.ui.people import rights
from pages.ui.places import Place

ICONS = {
    CriterionOutcome.MET: ":green[:material/check:]",
    CriterionOutcome.NOT_MET: ":red[:material/close:]",
    CriterionOutcome.NOT_APPLICABLE: ":gray[:material/remove:]",
}
_VIEWS_SHOWN = 200


def show(workspace: Workspace, standing: SignOff) -> None:
    """The verdict of an opened test; before, only what voids a seal."""
    gate = report.gate_of(workspace, standing) if standing.is_opened else None
    remedy = remedy_of(standing, gate.gate if gate else None)
    if standing.is_void:
        _void(standing)
    if standing.is_opened:
        _verdict(workspace, standing, gate)
    if standing.obstacle and gate and gate.gate.is_without_data and not standing.is_void:
        signoff_blocked.advice(standing, standing.obstacle)
    elif standing.is_void:
        _back_to_sealed(workspace, standing)
    elif remedy is not None:
        _what_to_do(standing, remedy)


def _void(standing: SignOff) -> None:
    changes = "\n".join(f"- {text.plain(change)}" for change in standing.changes)
    effect = "this result is no sealed test any more" if standing.is_opened else "seal again"
    st.error(f"**The seal is void**: {effect}.\n\n{changes}", icon=":material/lock_reset:")


def _verdict(workspace: Workspace, standing: SignOff, gate: GateReport | None) -> None:
    if gate is None:
        st.info("No release criteria are set, so there is no verdict.", icon=":material/rule:")
        return
    _record(workspace, standing, gate)
    worth = _worth(standing)
    if gate.gate.passed and standing.is_void:
        st.warning(
            "**No proof.** The criteria of today are met, but the seal is void.",
            icon=":material/lock_reset:",
        )
    elif gate.gate.passed:
        st.success(f"**Criteria met.** {worth}", icon=":material/check_circle:")
    else:
        what = "cannot be judged" if gate.gate.is_without_data else "not met"
        st.error(f"**Criteria {what}.** {worth}", icon=":material/cancel:")
    if gate.gate.is_empty:
        st.markdown("\n".join(text.plain(reason) for reason in reasons_in_words(gate.gate)))
    lines = verdict_lines(gate.gate, gate.kept.criteria)
    st.markdown("  \n".join(f"{ICONS[line.outcome]} {text.plain(line.sentence)}" for line in lines))
    _errors(standing, gate.gate)
    for remark in remarks_in_words(gate.gate):
        st.caption(text.plain(remark))
    _counted(workspace, standing, gate)


def _errors(standing: SignOff, verdict: ReleaseVerdict) -> None:
    """Links to the images behind the counted errors of the lines above."""
    kinds = {
        CriterionKind.ESCAPE: ("See the escapes", ErrorKind.ESCAPE),
        CriterionKind.FALSE_REJECT: ("See the false rejects", ErrorKind.FALSE_REJECT),
    }
    shown = [
        kinds[check.criterion.kind]
        for check in verdict.checks
        if check.criterion.kind in kinds and isinstance(check.measured, Rate) and check.measured.k
    ]
    if not shown:
        return
    with st.container(horizontal=True, key="see_errors"):
        for label, kind in shown:
            query = {"model": standing.model.id, "subset": Subset.TEST.value, "kind": kind.value}
            _link(Place.EVALUATE, label, query)


def _worth(standing: SignOff) -> str:
    if standing.is_void:
        return "The seal is void as well."
    if standing.seal:
        return "Sealed, then opened; nothing sealed has changed."
    return "The results were viewed before the test was sealed."


def _record(workspace: Workspace, standing: SignOff, gate: GateReport) -> None:
    words = "met" if gate.gate.passed else "not met"
    # Why by the outcome: who edits a test image and looks again has decided nothing.
    record_decision(
        workspace,
        standing.model,
        f"Verdict: criteria {words}",
        *("verdict", standing.criteria, standing.rule, gate.gate.passed),
        person=test_access.person(),
        formerly=("verdict", standing.criteria, standing.rule, standing.digest),
    )


def _counted(workspace: Workspace, standing: SignOff, gate: GateReport) -> None:
    judged = judging.judged_set(workspace, standing.model.id, Subset.TEST)
    if judged.left_out:
        st.warning(
            f"**The test set has changed since this model was tested**: "
            f"{text.count(judged.left_out, 'image')} removed, or relabeled to a class that the "
            "model does not know. The verdict counts the rest, which makes it too good.",
            icon=":material/report:",
        )
    st.caption(judged.counted_in_words)
    if judged.has_proposals:
        other = release.check_release(workspace, None, judged.counted_by(Counting.PARTS))
        release_criteria.if_counted_as_parts(gate, other)


def _back_to_sealed(workspace: Workspace, standing: SignOff) -> None:
    """How to undo what voids a seal: each kind of change where it was made."""
    sealed, model = standing.sealed_criteria, standing.model.id
    others = len(standing.changes) - (sealed is not None) - standing.has_other_rule
    words = (
        "undo the change; the result is proof again once everything is as sealed."
        if standing.is_opened
        else "undo the change, or seal again: nobody has viewed the results."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="what_to_do"):
        st.markdown(f"**What to do**: {words}", width="content")
        if sealed is not None and st.button(
            "Restore the sealed criteria",
            icon=":material/undo:",
            key="restore_criteria",
            **rights.only(Right.SIGN_OFF, help="Recorded like every change of the criteria."),
        ):
            release.set_criteria(workspace, standing.dataset.id, sealed)
            st.rerun()
        if standing.has_other_rule:
            _link(Place.OPERATING_POINT, "Set the sealed threshold", {"model": model})
        if others:
            _link(Place.VERSIONS, "Undo edits in History", {"dataset": standing.dataset.id})


def _link(place: Place, label: str, query: dict[str, str]) -> None:
    st.page_link(place, label=label, icon=place.icon, query_params=query)


def _what_to_do(standing: SignOff, remedy: Remedy) -> None:
    """One sentence and one link."""
    sentence, place, label = _advice(remedy)
    link = {"model": standing.model.id}
    if place is Place.TRAIN:
        link = {"dataset": standing.dataset.id}
    if place is Place.EVALUATE:
        link["subset"] = Subset.TEST.value
    with st.container(horizontal=True, vertical_alignment="center", key="what_to_do"):
        st.markdown(f"**What to do**: {sentence}", width="content")
        st.page_link(place, label=label, icon=place.icon, query_params=link)


def _advice(remedy: Remedy) -> tuple[str, Place, str]:
    match remedy:
        case Remedy.MORE_PARTS:
            return (
                "the rates keep their limits, but too few parts prove it. Test new parts, none of "
                "these, and fix their number beforehand.",
                Place.TEST_PLANNER,
                "Plan the test",
            )
        case Remedy.ANOTHER_MODEL:
            return (
                "learn from the errors and train another model. Do not change the criteria or the "
                "threshold to make this one pass.",
                Place.EVALUATE,
                "See the errors",
            )
        case Remedy.SEAL_NEXT:
            return (
                "this is no proof. Train the next model and seal before anybody views its results.",
                Place.TRAIN,
                "Train a model",
            )
        case _:
            assert_never(remedy)


def record(standing: SignOff) -> None:
    """Who has viewed the test results when and why; page views of earlier versions in one line."""
    if not standing.accesses:
        st.caption("The test results have not been viewed for any model yet.")
        return
    shown = list(reversed(without_page_views(standing.accesses)))[:_VIEWS_SHOWN]
    models = len({o.model_id for o in standing.accesses})
    words = accesses_in_words(standing.accesses)
    with st.expander(
        f"Views of the test results: {words}", icon=":material/visibility:", key="views"
    ):
        st.caption(
            f"For {text.count(models, 'model')} of these test images. Every choice based on them "
            "makes the results slightly optimistic."
        )
        if shown:
            st.dataframe(
                {
                    "when": [text.when(o.opened_at) for o in shown],
                    "model": [o.model_name for o in shown],
                    "kind": [o.kind.value for o in shown],
                    "who": [o.person or "–" for o in shown],
                    "purpose or decision": [o.purpose for o in shown],
                },
                hide_index=True,
                key="views_table",
            )
