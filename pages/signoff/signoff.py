"""Sign-off: fix what must hold, open the test set once, read the verdict, write the report."""

import streamlit as st

from core.domain.jobs import Job, JobStatus
from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import NotFoundError, TouchstoneError
from core.workflows.results import judging, thresholds
from core.workflows.signoff import release, report, sealing
from core.workflows.signoff.report import Form
from core.workflows.signoff.sealing import SignOff
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import errors, release_criteria, routes, state, text, widgets
from pages.ui.places import Place

FORM_WORDS = {Form.SHORT: "Short: two pages", Form.FULL: "Full: everything"}
_OPENINGS_SHOWN = 200


def head(found: SignOff) -> None:
    """Where it stands, in one sentence."""
    if found.is_void:
        changes = "\n".join(f"- {text.plain(change)}" for change in found.changes)
        what = "seal it again" if not found.is_opened else "the result no longer counts as sealed"
        st.error(f"**The seal is void**: {what}.\n\n{changes}", icon=":material/lock_reset:")
    elif found.is_opened and found.seal:
        st.success(
            "Sealed, then opened. Nothing that was sealed has changed.", icon=":material/verified:"
        )
    elif found.is_opened:
        st.warning(
            "The test results were looked at before anything was sealed. They can be reported, but "
            "not as a sealed test. Seal the split before the next model is trained.",
            icon=":material/lock_open:",
        )
    elif found.seal:
        st.info(
            "Sealed. Nobody has looked at the test results of this model yet.",
            icon=":material/lock:",
        )
    else:
        st.info(
            "Not sealed yet. Fix below what must hold; then open the test set once.",
            icon=":material/lock_open:",
        )


def leak_note(workspace: Workspace, model: Model) -> None:
    """No sign-off hides that the split leaks."""
    certificate = judging.certificate_of(workspace, model)
    if certificate is not None and certificate.is_leaking:
        st.warning(judging.leaks_in_words(certificate), icon=":material/report:")


def fixed_part(workspace: Workspace, found: SignOff) -> None:
    """What the seal holds: criteria, rule, test images."""
    st.subheader("1 · What must hold")
    left, middle, right = st.columns(3, gap="medium")
    kept = release.criteria_of(workspace, found.dataset.id)
    with left.container(border=True, height="stretch"):
        st.markdown("**Release criteria**")
        if kept:
            st.markdown("\n".join(f"- {text.plain(line)}" for line in kept.criteria.in_words()))
        else:
            st.markdown("None yet. Without criteria there is nothing to seal.")
        if kept and kept.earlier:
            st.caption(
                f"Changed {text.count(len(kept.earlier), 'time')}; last {text.when(kept.set_at)}."
            )
    rule = thresholds.saved_rule(workspace, found.model.id)
    with middle.container(border=True, height="stretch"):
        st.markdown("**Decision rule**")
        if rule is None:
            st.markdown("None chosen: the verdict of the predicted class decides.")
        else:
            st.markdown(text.plain(rule.in_words))
            st.caption(f"Chosen on validation: {text.plain(rule.chosen_by)}.")
        st.page_link(
            Place.OPERATING_POINT,
            label="Choose on the Operating point page",
            icon=":material/balance:",
            query_params={"model": found.model.id},
        )
    with right.container(border=True, height="stretch"):
        st.markdown("**Test images**")
        st.markdown(
            f"{text.count(found.images, 'image')} of split “{text.plain(found.split.name)}”"
        )
        st.caption(f"Digest of contents and classes: {found.digest[:24]}…")
        if st.button(
            "Check the files",
            icon=":material/fact_check:",
            key="check_files",
            help="Read every test image again and compare its content with the day of the import.",
        ):
            _check_files(workspace, found)
    release_criteria.criteria(workspace, found.dataset.id, kept, expanded=kept is None)
    if not found.is_opened:
        _seal_button(workspace, found)


def _check_files(workspace: Workspace, found: SignOff) -> None:
    with st.spinner("Reading the test images …"):
        changed = sealing.file_changes(workspace, found.model.id)
    for change in changed:
        st.error(text.plain(change))
    if not changed:
        st.success("All files are as they were imported.")


def _seal_button(workspace: Workspace, found: SignOff) -> None:
    again = found.seal is not None
    if st.button(
        "Seal again" if again else "Seal",
        icon=":material/lock:",
        key="seal",
        type="secondary" if again and not found.is_void else "primary",
        disabled=not found.criteria,
        help="Fixes criteria, decision rule and test images, and closes the test set of "
        "this split for every model until it is opened for it.",
    ):
        with st.spinner("Checking the files and sealing …"):
            sealing.seal_test(workspace, found.model.id)
        st.rerun()


@st.dialog("Open the test set?")
@errors.shown()
def confirm_opening(workspace: Workspace, model: Model) -> None:
    st.markdown(
        "The results will be seen from now on, and this opening stays on record. If the model "
        "fails, train another one; do not change criteria or thresholds to make it pass."
    )
    purpose = st.text_input(
        "Purpose",
        key="purpose",
        max_chars=sealing.MAX_PURPOSE,
        placeholder="for example: release 1, line 3",
        help="Why it is opened. Stands in the list of openings and in the report.",
    )
    if st.button("Open it", type="primary", icon=":material/lock_open:", key="open_now"):
        try:
            with st.spinner("Checking the files …"):
                sealing.open_test(workspace, model.id, purpose)
        except TouchstoneError as err:
            errors.show(err)
        else:
            st.session_state[f"signed_off_{model.id}"] = True
            st.rerun()


def opening_part(workspace: Workspace, found: SignOff) -> None:
    st.subheader("2 · Open the test set")
    if not found.is_opened:
        if st.button(
            "Open the test set",
            icon=":material/lock_open:",
            key="open_test",
            type="primary" if found.is_proof else "secondary",
            disabled=not found.is_proof,
            help="Only after sealing. Asks once more, and is counted.",
        ):
            confirm_opening(workspace, found.model)
        if not found.is_proof:
            st.caption("Seal first.")
    accesses = list(reversed(found.accesses))[:_OPENINGS_SHOWN]
    if not accesses:
        st.caption("Nobody has looked at this test set yet, with any model.")
        return
    models_seen = len({o.model_id for o in found.accesses})
    st.caption(
        f"{text.count(len(found.accesses), 'look')} at these images so far, by "
        f"{text.count(models_seen, 'model')}. Each look that leads to a choice makes the "
        "result a little too good."
    )
    with st.expander("Every look at this test set"):
        st.dataframe(
            {
                "when": [text.when(o.opened_at) for o in accesses],
                "model": [o.model_name for o in accesses],
                "purpose": [o.purpose for o in accesses],
            },
            hide_index=True,
        )


def count_once(workspace: Workspace, model: Model) -> None:
    """Each browser session that sees the verdict is a look; the opening itself counts already."""
    if not st.session_state.get(f"signed_off_{model.id}"):
        judging.count_look(workspace, model, "Sign-off page")
        st.session_state[f"signed_off_{model.id}"] = True


def verdict_part(workspace: Workspace, found: SignOff) -> None:
    st.subheader("3 · Verdict")
    gate = report.gate_of(workspace, found)
    if gate is None:
        st.info("No release criteria are set, so there is no verdict.")
        return
    count_once(workspace, found.model)
    left_out = judging.judged_set(workspace, found.model.id, Subset.TEST).left_out
    if left_out:
        st.warning(
            f"**The test set is not what it was when this model was tested**: "
            f"{text.count(left_out, 'image')} left it since, or got a class that the model does "
            "not know. The verdict counts what is left; images that are taken out after a look "
            "make it too good.",
            icon=":material/report:",
        )
    if gate.gate.passed:
        proof = "" if found.is_proof else " But this was not a sealed test."
        st.success(f"**Criteria met.**{proof}", icon=":material/check_circle:")
    else:
        st.error("**Criteria not met.**", icon=":material/cancel:")
    checks = sorted(gate.gate.checks, key=lambda check: check.passed)
    said = {check.reason for check in checks}
    lines = [(check.passed, check.reason) for check in checks]
    lines += [(False, reason) for reason in gate.gate.reasons if reason not in said]
    icons = {True: ":green[:material/check:]", False: ":red[:material/close:]"}
    shown = [f"{icons[passed]} {text.plain(reason)}" for passed, reason in lines]
    if gate.golden and all(gate.golden.values()):
        shown.append(f"{icons[True]} golden samples: all {len(gate.golden):,} judged right")
    elif gate.kept.criteria.golden_must_pass and not gate.golden:
        shown.append(":gray[:material/remove:] golden samples: none is marked, so none was checked")
    st.markdown("  \n".join(shown))


def intended_use_part(workspace: Workspace, model: Model) -> None:
    with st.expander("Intended use", expanded=False):
        kept = sealing.intended_use(workspace, model.id)
        written = st.text_area(
            "What the model is meant for",
            kept,
            key=f"use_{model.id}",
            max_chars=sealing.MAX_INTENDED_USE,
            height=120,
            placeholder="Part, line, camera and light; what happens with accepted and rejected "
            "parts; what it is not meant for.",
            help="Stands at the head of the report. An auditor reads it first.",
        )
        if st.button("Save", key="save_use", disabled=written.strip() == kept):
            sealing.save_intended_use(workspace, model.id, written)
            st.toast("Saved.")
            st.rerun()


def report_part(workspace: Workspace, found: SignOff) -> None:
    st.subheader("4 · Report")
    model = found.model
    intended_use_part(workspace, model)
    if not found.is_opened:
        st.caption(
            "Follows when the test set is opened."
            if found.split.sealed
            else "Nobody has looked at the test results of this model yet. A report made now is "
            "the first look: it is counted, and a sealed test of this model is no longer possible."
        )
    others = {
        m.id: m.name
        for m in models.list_models(workspace)
        if m.split_id == model.split_id and m.id != model.id
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control(
            "Form",
            list(Form),
            default=Form.FULL,
            required=True,
            key="form",
            format_func=FORM_WORDS.__getitem__,
            help="Short: two A4 pages for the manager. Full: everything with every mistake and its "
            "heatmap, for the auditor.",
        )
        against = st.selectbox(
            "Compare with",
            list(others),
            index=None,
            format_func=others.__getitem__,
            placeholder="no other model",
            key="against",
            help="The model so far, on the same split: the report shows what is better and what "
            "is newly wrong.",
        )
        wanted = st.button(
            "Make the report",
            icon=":material/description:",
            key="make_report",
            type="primary" if found.is_opened else "secondary",
            disabled=found.split.sealed and not found.is_opened,
            help="Counted as a look at the test set.",
        )
    if wanted:
        with st.spinner("Gathering …"):
            ticket = report.make_report(workspace, model.id, form, against=against)
        st.session_state.report = (model.id, ticket.id)
        st.rerun()
    owner, report_id = st.session_state.get("report", (None, ""))
    if owner == model.id:
        ready(workspace, found.model, report_id)


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
            help="In a new tab; print it from there.",
        )
        st.link_button(
            "Download",
            routes.report_url(report_id, name=name, keep=True),
            icon=":material/download:",
            help="One HTML file that needs nothing else.",
        )
        st.link_button(
            "Table of probabilities",
            routes.report_url(report_id, ending="csv", name=f"{model.name} probabilities"),
            icon=":material/table:",
            help="CSV: every image with its truth, decision and all probabilities. "
            "All numbers of the report can be computed again from it.",
        )


def page(workspace: Workspace) -> None:
    found = {m.id: m.name for m in models.list_models(workspace)}
    if not found:
        widgets.empty_state(
            "verified",
            "No model to sign off yet",
            "Train one first.",
            (Place.TRAIN, "Train a model"),
        )
        return
    chosen = state.choose("model", found, label="Model", help="Models, newest first.")
    try:
        standing = sealing.sign_off(workspace, chosen or "")
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
        st.caption("Follows when the test set is opened.")
    report_part(workspace, standing)


widgets.page_heading("Sign-off", "Fix what must hold, open the test set once, read the verdict.")
page(state.workspace())
