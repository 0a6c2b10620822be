"""Sign-off: set criteria, seal the test, open it once, read the verdict, write the report."""

import streamlit as st

from core.domain.jobs import Job, JobStatus
from core.domain.models import Model
from core.domain.parts import Counting
from core.domain.signoff import CriterionOutcome
from core.domain.splits import Subset
from core.errors import NotFoundError, TouchstoneError
from core.evaluation.release.words import (
    REVIEWS_NOT_LIMITED,
    criteria_in_words,
    reasons_in_words,
    remarks_in_words,
    verdict_lines,
)
from core.workflows.results import judging, thresholds
from core.workflows.signoff import release, report, sealing
from core.workflows.signoff.report import Form
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import context, errors, release_criteria, routes, state, test_access, text, widgets
from pages.ui.places import Place

PURPOSE = "Sign-off page"
FORM_WORDS = {Form.SHORT: "Short: two pages", Form.FULL: "Full: everything"}
ICONS = {
    CriterionOutcome.MET: ":green[:material/check:]",
    CriterionOutcome.NOT_MET: ":red[:material/close:]",
    CriterionOutcome.NOT_APPLICABLE: ":gray[:material/remove:]",
}
_VIEWS_SHOWN = 200


def head(standing: SignOff) -> None:
    """The state of the sealed test, in one sentence."""
    if standing.is_void:
        changes = "\n".join(f"- {text.plain(change)}" for change in standing.changes)
        effect = (
            "this result no longer counts as a sealed test"
            if standing.is_opened
            else "seal the test again"
        )
        st.error(f"**The seal is void**: {effect}.\n\n{changes}", icon=":material/lock_reset:")
    elif standing.is_opened and standing.seal:
        st.success(
            "Sealed, then opened. Nothing that was sealed has changed.", icon=":material/verified:"
        )
    elif standing.is_opened:
        st.warning(
            "The test results were viewed before the test was sealed. They can be reported, but "
            "not as a sealed test. Seal the split before you train the next model.",
            icon=":material/lock_open:",
        )
    elif standing.seal:
        st.info(
            "Sealed. The test results of this model have not been viewed yet.",
            icon=":material/lock:",
        )
    else:
        st.info(
            "Not sealed yet. Set the criteria below, seal the test, then open it once.",
            icon=":material/lock_open:",
        )


def leak_note(workspace: Workspace, model: Model) -> None:
    """A warning where the split leaks."""
    certificate = judging.certificate_of(workspace, model)
    if certificate is not None and certificate.is_leaking:
        st.warning(judging.leaks_in_words(certificate), icon=":material/report:")


def fixed_part(workspace: Workspace, standing: SignOff) -> None:
    """What the seal holds: criteria, rule, test images."""
    st.subheader("1 · Criteria and seal")
    left, middle, right = st.columns(3, gap="medium")
    kept = release.criteria_of(workspace, standing.dataset.id)
    with left.container(border=True, height="stretch"):
        st.markdown("**Release criteria**")
        if kept:
            lines = criteria_in_words(kept.criteria)
            st.markdown("\n".join(f"- {text.plain(line)}" for line in lines))
            if not kept.criteria.limits_reviews:
                st.caption(REVIEWS_NOT_LIMITED)
        else:
            st.markdown("None yet. The test can be sealed once criteria are set.")
        if kept and kept.earlier:
            st.caption(
                f"Changed {text.count(len(kept.earlier), 'time')}; last {text.when(kept.set_at)}."
            )
    rule = thresholds.saved_rule(workspace, standing.model.id)
    with middle.container(border=True, height="stretch"):
        st.markdown("**Reject threshold**")
        if rule is None:
            st.markdown(
                "No threshold saved. Each part is accepted or rejected by its predicted class."
            )
        else:
            st.markdown(text.plain(rule.in_words))
            st.caption(f"Chosen on validation: {text.plain(rule.chosen_by)}.")
        st.page_link(
            Place.OPERATING_POINT,
            label="Set the threshold",
            icon=":material/balance:",
            query_params={"model": standing.model.id},
        )
    with right.container(border=True, height="stretch"):
        st.markdown("**Test images**")
        st.markdown(
            f"{text.count(standing.images, 'image')} of split “{text.plain(standing.split.name)}”"
        )
        st.caption(f"Counted by {standing.unit.word}. Digest: {standing.digest[:24]}…")
        if st.button(
            "Check that files are unchanged",
            icon=":material/fact_check:",
            key="check_files",
            help="Reads every test image again and compares it with what was imported.",
        ):
            _check_files(workspace, standing)
    release_criteria.criteria(workspace, standing.dataset.id, kept, expanded=kept is None)
    if not standing.is_opened:
        _seal_button(workspace, standing)


def _check_files(workspace: Workspace, standing: SignOff) -> None:
    with st.spinner("Reading the test images …"):
        changed = sealing.file_changes(workspace, standing.model.id)
    for change in changed:
        st.error(text.plain(change))
    if not changed:
        st.success("All test images are unchanged since the import.")


def _seal_button(workspace: Workspace, standing: SignOff) -> None:
    again = standing.seal is not None
    if st.button(
        "Seal again" if again else "Seal the test set",
        icon=":material/lock:",
        key="seal",
        type="secondary" if again and not standing.is_void else "primary",
        disabled=not standing.criteria,
        help="Fixes criteria, thresholds and test images. The results then stay hidden for every "
        "model of this split until the test is opened for that model.",
    ):
        with st.spinner("Checking the files and sealing …"):
            sealing.seal_test(workspace, standing.model.id)
        st.rerun()


@st.dialog("Open the test set?")
@errors.shown()
def confirm_opening(workspace: Workspace, model: Model) -> None:
    st.markdown(
        "The results become visible, and this view is recorded permanently. If the model fails, "
        "train another one; do not change criteria or thresholds to make it pass."
    )
    purpose = st.text_input(
        "Purpose",
        key="purpose",
        max_chars=sealing.MAX_PURPOSE,
        placeholder="for example: release 1, line 3",
        help="Why the test is opened. Shown in the list of views and in the report.",
    )
    if st.button("Open it", type="primary", icon=":material/lock_open:", key="open_now"):
        try:
            with st.spinner("Checking the files …"):
                sealing.open_test(workspace, model.id, purpose)
        except TouchstoneError as err:
            errors.show(err)
        else:
            test_access.recorded_views().add((model.id, PURPOSE, None))
            st.rerun()


def opening_part(workspace: Workspace, standing: SignOff) -> None:
    st.subheader("2 · Open the test set")
    if not standing.is_opened:
        if st.button(
            "Open the test set",
            icon=":material/lock_open:",
            key="open_test",
            type="primary" if standing.is_proof else "secondary",
            disabled=not standing.is_proof,
            help="Available once the test is sealed. Asks for confirmation; the view is recorded.",
        ):
            confirm_opening(workspace, standing.model)
        if not standing.is_proof:
            st.caption("Seal the test first.")
    accesses = list(reversed(standing.accesses))[:_VIEWS_SHOWN]
    if not accesses:
        st.caption("The test results have not been viewed for any model yet.")
        return
    viewed_models = len({o.model_id for o in standing.accesses})
    st.caption(
        f"{text.count(len(standing.accesses), 'recorded view')} so far, for "
        f"{text.count(viewed_models, 'model')}. Every choice based on a view makes the "
        "results slightly optimistic."
    )
    with st.expander("All recorded views"):
        st.dataframe(
            {
                "when": [text.when(o.opened_at) for o in accesses],
                "model": [o.model_name for o in accesses],
                "purpose": [o.purpose for o in accesses],
            },
            hide_index=True,
        )


def verdict_part(workspace: Workspace, standing: SignOff) -> None:
    st.subheader("3 · Verdict")
    gate = report.gate_of(workspace, standing)
    if gate is None:
        st.info("No release criteria are set, so there is no verdict.")
        return
    test_access.view(workspace, standing.model, PURPOSE, first=True)
    judged = judging.judged_set(workspace, standing.model.id, Subset.TEST)
    left_out = judged.left_out
    if left_out:
        st.warning(
            f"**The test set has changed since this model was tested**: "
            f"{text.count(left_out, 'image')} removed, or relabeled to a class that the model does "
            "not know. The verdict counts the rest; removing images after viewing the results "
            "makes it too good.",
            icon=":material/report:",
        )
    st.caption(judged.counted_in_words)
    if judged.has_proposals:
        as_parts = judged.counted_by(Counting.PARTS)
        other = release.check_release(workspace, None, as_parts)
        release_criteria.if_counted_as_parts(gate, other)
    if gate.gate.passed:
        st.success(
            "**Criteria met.**"
            if standing.is_proof
            else "**Criteria met.** However, this was not a sealed test.",
            icon=":material/check_circle:",
        )
    else:
        st.error("**Criteria not met.**", icon=":material/cancel:")
    lines = verdict_lines(gate.gate, gate.kept.criteria)
    if gate.gate.is_empty:
        st.markdown("\n".join(text.plain(reason) for reason in reasons_in_words(gate.gate)))
    st.markdown("  \n".join(f"{ICONS[line.outcome]} {text.plain(line.sentence)}" for line in lines))
    for remark in remarks_in_words(gate.gate):
        st.caption(text.plain(remark))


def intended_use_part(workspace: Workspace, model: Model) -> None:
    with st.expander("Intended use", expanded=False):
        kept = sealing.intended_use(workspace, model.id)
        written = st.text_area(
            "What the model is intended for",
            kept,
            key=f"use_{model.id}",
            max_chars=sealing.MAX_INTENDED_USE,
            height=120,
            placeholder="Part, line, camera and lighting; what happens to accepted and rejected "
            "parts; what it must not be used for.",
            help="Printed at the top of the report. Auditors read it first.",
        )
        if st.button("Save", key="save_use", disabled=written.strip() == kept):
            sealing.save_intended_use(workspace, model.id, written)
            st.toast("Saved.")
            st.rerun()


def report_part(workspace: Workspace, standing: SignOff) -> None:
    st.subheader("4 · Report")
    model = standing.model
    intended_use_part(workspace, model)
    if not standing.is_opened:
        st.caption(
            "Available once the test set is opened."
            if standing.split.sealed
            else "A report made now is the first recorded view of the test results: this model can "
            "then no longer have a sealed test."
        )
    others = {
        m.id: m.name
        for m in models.list_models(workspace)
        if m.split_id == model.split_id and m.id != model.id
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control(
            "Length",
            list(Form),
            default=Form.FULL,
            required=True,
            key="form",
            format_func=FORM_WORDS.__getitem__,
            help="Short: two A4 pages for managers. Full: everything, including mistakes with "
            "their heatmaps, for auditors.",
        )
        against = st.selectbox(
            "Compare with",
            list(others),
            index=None,
            format_func=others.__getitem__,
            placeholder="no comparison",
            key="against",
            help="Another model trained on the same split. The report shows what is better and "
            "which mistakes are new.",
        )
        wanted = st.button(
            "Make the report",
            icon=":material/description:",
            key="make_report",
            type="primary" if standing.is_opened else "secondary",
            disabled=standing.split.sealed and not standing.is_opened,
            help="Recorded as a view of the test results.",
        )
    if wanted:
        with st.spinner("Making the report …"):
            request = report.make_report(workspace, model.id, form, against=against)
        st.session_state.report = (model.id, request.id)
        st.rerun()
    owner, report_id = st.session_state.get("report", (None, ""))
    if owner == model.id:
        ready(workspace, standing.model, report_id)


def ready(workspace: Workspace, model: Model, report_id: str) -> None:
    """The links to a report, or how far it is."""

    def draw(job: Job) -> None:
        if job.status is not JobStatus.COMPLETED:
            widgets.job_progress(job)

    job = widgets.follow(workspace, report_id, draw)
    if job is not None and job.status is not JobStatus.COMPLETED:
        return
    name = f"{model.name} test report"
    with st.container(horizontal=True, key="report_links"):
        st.link_button(
            "Open",
            routes.report_url(report_id),
            icon=":material/open_in_new:",
            help="Opens in a new tab, where it can be printed.",
        )
        st.link_button(
            "Download",
            routes.report_url(report_id, name=name, keep=True),
            icon=":material/download:",
            help="One self-contained HTML file.",
        )
        st.link_button(
            "Table of probabilities",
            routes.report_url(report_id, ending="csv", name=f"{model.name} probabilities"),
            icon=":material/table:",
            help="CSV: every image with its true class, decision and all probabilities. All "
            "numbers of the report can be recomputed from it.",
        )


def page(workspace: Workspace) -> None:
    model = context.model(workspace)
    if model is None:
        widgets.empty_state(
            "verified",
            "No model to sign off yet",
            "Train a model first.",
            (Place.TRAIN, "Train a model"),
        )
        return
    try:
        standing = sealing.sign_off(workspace, model.id)
    except NotFoundError as err:
        st.info(text.plain(err.message))
        return
    head(standing)
    leak_note(workspace, standing.model)
    fixed_part(workspace, standing)
    opening_part(workspace, standing)
    if standing.is_opened:
        verdict_part(workspace, standing)
    else:
        st.subheader("3 · Verdict")
        st.caption("Available once the test set is opened.")
    report_part(workspace, standing)


widgets.page_heading(
    Place.SIGN_OFF, "Seal criteria and test images, open the test set once, then read the verdict."
)
page(state.workspace())
