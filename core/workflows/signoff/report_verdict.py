"""What a report says of the release: verdict, criteria, seal and recorded views."""

from dataclasses import replace

from core.evaluation.release.words import (
    criteria_in_words,
    not_applicable_in_words,
    reasons_in_words,
    remarks_in_words,
    verdict_lines,
)
from core.reporting.text import count, when
from core.reporting.values import CriterionRow, ReportVerdict, SealSection, VerdictTone, ViewRow
from core.workflows.results.access import accesses_in_words, without_page_views
from core.workflows.signoff.release import GateReport
from core.workflows.signoff.report_material import ReportMaterial


def verdict(material: ReportMaterial) -> ReportVerdict:
    """Whether the release criteria are met, and what that is worth."""
    gate = material.gate
    if gate is None:
        return ReportVerdict(
            VerdictTone.OPEN,
            "No release criteria were set",
            "The figures below show what this test proves. What would be enough for a release was "
            "not fixed in advance.",
        )
    remarks = (*not_applicable_in_words(gate.gate), *remarks_in_words(gate.gate))
    return replace(_verdict_on(material, gate), remarks=remarks)


def _verdict_on(material: ReportMaterial, gate: GateReport) -> ReportVerdict:
    """What the criteria say, and what the seal makes of it."""
    state = material.sign_off
    reasons = tuple(reasons_in_words(gate.gate))
    if state.is_void:
        title = (
            "Seal void: release criteria met, but not proven"
            if gate.gate.passed
            else "Seal void: release criteria not met"
        )
        sentence = "The following has changed since the test was sealed, or is not met:"
        return ReportVerdict(VerdictTone.VOID, title, sentence, (*state.changes, *reasons))
    if not gate.gate.passed:
        return ReportVerdict(VerdictTone.BLOCK, "Release criteria not met", reasons=reasons)
    if not state.is_proof:
        return ReportVerdict(
            VerdictTone.OPEN,
            "Release criteria met, but the test was not sealed",
            "Criteria and thresholds were not fixed before the test results could be viewed, so "
            "they may have been chosen to fit them.",
        )
    return ReportVerdict(
        VerdictTone.PASS,
        "Release criteria met",
        "Criteria, thresholds and test images were sealed before the test results were viewed, "
        "and have not changed since.",
    )


def criteria_rows(material: ReportMaterial) -> tuple[CriterionRow, ...]:
    """Every criterion with its result; those that are not met come first."""
    if material.gate is None:
        return ()
    lines = verdict_lines(material.gate.gate, material.gate.kept.criteria)
    return tuple(CriterionRow(line.required, line.measured, line.outcome) for line in lines)


def seal(material: ReportMaterial) -> SealSection:
    """What was sealed, when the results were viewed, and what changed since."""
    return SealSection(_seal_sentence(material), material.sign_off.changes)


def _seal_sentence(material: ReportMaterial) -> str:
    state = material.sign_off
    others = other_models(material)
    views = f"Recorded views of these test results: {accesses_in_words(state.accesses)}"
    counted = f"{views}; also for {count(others, 'other model')}." if others else f"{views}."
    if state.seal is None or state.seal.opened_at is None:
        return (
            f"The test was not sealed: nothing was fixed before the results were viewed. {counted}"
        )
    unchanged = (
        f"All test images ({state.images:,}) were read again for this report and are unchanged."
    )
    former = (
        ""
        if state.seal.unit or not state.has_proposals
        else (
            " Sealed by an earlier version, which counted look-alikes as parts; this report counts "
            f"{state.unit.word}."
        )
    )
    then = ""
    if state.sealed_criteria is not None:
        words = "; ".join(criteria_in_words(state.sealed_criteria))
        then = f" The sealed criteria were: {words}. This report judges by those of today."
    return (
        f"Sealed {when(state.seal.created_at)}, first viewed {when(state.seal.opened_at)}, counted "
        f"by {state.unit.word}; digest of the test images and labels "
        f"{state.seal.test_digest[:16]}….{former} "
        f"{'Void: it has changed since.' if state.changes else unchanged}{then} {counted}"
    )


def views(material: ReportMaterial) -> tuple[ViewRow, ...]:
    """What was asked for or decided, newest first; the seal's words sum up the page views."""
    return tuple(
        ViewRow(
            when=when(access.opened_at),
            model=access.model_name,
            purpose=access.purpose,
            kind=access.kind.value,
            person=access.person,
        )
        for access in reversed(without_page_views(material.sign_off.accesses))
    )


def other_models(material: ReportMaterial) -> int:
    """For how many other models the results of these test images were viewed."""
    return len({o.model_id for o in material.sign_off.accesses} - {material.model.id})
