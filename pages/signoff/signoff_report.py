"""The report part of Sign-off: intended use, length, comparison, and the finished file."""

import streamlit as st

from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.domain.models import Model
from core.domain.signoff import KeptReport
from core.workflows.results.access import open_results
from core.workflows.signoff import report, sealing
from core.workflows.signoff.report import Form
from core.workflows.signoff.seal_changes import SignOff
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui import routes, state, test_access, text, widgets
from pages.ui.people import rights

_USE = "intended"  # in the link: an intended use that is not saved yet

FORM_WORDS = {Form.SHORT: "Short: two pages", Form.FULL: "Full: everything"}


def show(workspace: Workspace, standing: SignOff) -> None:
    """Make a report; before the first view this asks once, with a purpose."""
    st.subheader("Report", anchor=False)
    model = standing.model
    others = {
        m.id: m
        for m in models.list_models(workspace)
        if m.split_id == model.split_id and m.id != model.id
    }
    _make_wanted(workspace, model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        form = st.segmented_control(
            "Length",
            list(Form),
            default=Form.FULL,
            required=True,
            key="form",
            bind="query-params",
            format_func=FORM_WORDS.__getitem__,
            help="Short: two A4 pages for managers. Full: everything, including mistakes with "
            "their heatmaps, for auditors.",
        )
        against = _against(others)
        _make(workspace, standing, form, others.get(against or ""))
    _intended_use(workspace, model)
    _kept(workspace, model)


def _against(others: dict[str, Model]) -> str | None:
    """The model to compare with, where there is one."""
    if not others:
        return None
    return st.selectbox(
        "Compare with",
        list(others),
        index=None,
        format_func=lambda key: others[key].name,
        placeholder="no comparison",
        key="against_report",
        bind="query-params",
        help="Another model trained on the same split. The report shows what is better and "
        "which mistakes are new.",
    )


def _make(workspace: Workspace, standing: SignOff, form: Form, against: Model | None) -> None:
    both = [standing.model, *([against] if against else [])]
    unseen = test_access.not_viewed(workspace, both)
    if standing.split.sealed and unseen:
        names = text.plain(", ".join(model.name for model in unseen))
        st.caption(f"Sealed: open the test of {names} first.")
    elif unseen:

        def opened(purpose: str, person: str) -> None:
            open_results(workspace, unseen, purpose, person=person)
            _want(form, against)

        with st.popover("Make the report", icon=":material/description:", key="ask_report"):
            st.markdown(test_access.COST)
            test_access.purpose_form(
                "Make it", opened, key="make_report", icon=":material/description:"
            )
    else:
        st.button(
            "Make the report",
            icon=":material/description:",
            key="make_report",
            type="primary",
            on_click=_want,
            args=(form, against),
            **rights.only(Right.SIGN_OFF, help="Recorded with the views of the test results."),
        )


def _want(form: Form, against: Model | None) -> None:
    st.session_state.report_wanted = (form, against.id if against else None)


def _make_wanted(workspace: Workspace, model: Model) -> None:
    """Make the report that was asked for in the last run."""
    if "report_wanted" not in st.session_state:
        return
    form, against = st.session_state.pop("report_wanted")
    with st.spinner("Making the report …"):
        report.make_report(workspace, model.id, form, against=against, person=test_access.person())
    # Why: the report is one of the recorded views, which stand elsewhere on the page.
    st.rerun()


def _intended_use(workspace: Workspace, model: Model) -> None:
    kept = sealing.intended_use(workspace, model.id)
    typed, key = state.draft(_USE, model.id), f"use_{model.id}"
    st.session_state.setdefault(key, typed.get("text", kept)[: sealing.MAX_INTENDED_USE])
    label = "Intended use" if kept else "Intended use: not described"
    with st.expander(label, expanded=bool(typed), key="use"):
        written = st.text_area(
            "What the model is intended for",
            kept,
            key=key,
            max_chars=sealing.MAX_INTENDED_USE,
            height=120,
            placeholder="Part, line, camera and lighting; what happens to accepted and rejected "
            "parts; what it must not be used for.",
            help="Printed at the top of the report. Auditors read it first.",
        )
        state.keep_draft(_USE, model.id, {"text": written} if written.strip() != kept else {})
        if st.button(
            "Save", key="save_use", **rights.only(Right.SIGN_OFF, disabled=written.strip() == kept)
        ):
            sealing.save_intended_use(workspace, model.id, written)
            st.toast("Saved.")
            st.rerun()


def _kept(workspace: Workspace, model: Model) -> None:
    """Every report of this model: the newest at hand, earlier ones folded away."""
    kept = report.reports_of(workspace, model.id)
    if not kept:
        return
    _report(workspace, model, kept[0])
    if len(kept) > 1:
        with st.expander(f"Earlier reports ({len(kept) - 1})", key="earlier_reports"):
            for item in kept[1:]:
                _report(workspace, model, item)


def _report(workspace: Workspace, model: Model, item: KeptReport) -> None:
    """One report: when and by whom it was made, and its links or how far it is."""
    words = [FORM_WORDS[Form(item.form)].split(":")[0], text.when(item.created_at)]
    if item.against:
        words.append(f"compared with {item.against}")
    if item.person:
        words.append(f"by {item.person}")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(text.plain(" · ".join(words)), width="stretch")
        ready(workspace, model, item.id)


def ready(workspace: Workspace, model: Model, report_id: str) -> None:
    """The links to a report, or how far it is."""

    def draw(job: Job) -> None:
        if job.status is not JobStatus.COMPLETED:
            widgets.job_progress(job)

    job = widgets.follow(workspace, report_id, draw)
    if job is not None and job.status is not JobStatus.COMPLETED:
        return
    name = f"{model.name} test report"
    with st.container(horizontal=True, key=f"report_links_{report_id}"):
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
