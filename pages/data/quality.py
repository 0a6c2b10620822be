"""Quality: what is wrong with a dataset, the most harmful first, and what to do about it."""

import streamlit as st

from core.domain.datasets import Dataset, EditAction
from core.domain.findings import FindingKind, FindingStatus, QualityCheck, Severity
from core.domain.jobs import Job, JobStatus
from core.domain.keeping.people import Right
from core.words import joined
from core.workflows import jobs
from core.workflows.data import datasets, quality, splits, versions
from core.workspace import Workspace
from pages.data.findings import actions, cards, dialogs
from pages.data.findings.actions import Do, Request
from pages.data.findings.words import FINDING_WORDS, STATUS_WORDS
from pages.ui import components, context, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place

GRID = "findings"
KIND, PAGE, STATUS = "kind", "findings_page", "finding_status"
ALL_KINDS = "all"
# What is no matter of a check: neither images nor labels change.
_NOT_CHECKED = {EditAction.VERDICTS, EditAction.RENAME_CLASS, EditAction.ADD_CLASS}
NAMED = 3  # so many kinds are named below the summary; more have chips


def check_button(workspace: Workspace, dataset: Dataset, label: str, *, is_first: bool) -> None:
    """A button that starts the check."""
    if st.button(
        label,
        type="primary" if is_first else "tertiary",
        icon=":material/troubleshoot:",
        key="do_check",
        **rights.only(Right.DATA, help="Checks all images again. Ignored findings stay ignored."),
    ):
        quality.start_check(workspace, dataset.id)
        st.rerun()


def progress(workspace: Workspace, dataset: Dataset) -> bool:
    """Show a running or failed check; returns whether it is still active."""

    def draw(job: Job) -> None:
        if job.status is JobStatus.COMPLETED:
            return
        st.header("Checking the images")
        widgets.job_progress(job)
        if job.status.is_active and st.button(
            "Stop", icon=":material/stop:", key="stop", **rights.to_stop(job)
        ):
            jobs.stop(workspace, job.id)

    job = widgets.follow(workspace, quality.job_subject(dataset.id), draw, every_s=0.7)
    return job is not None and job.status.is_active


def not_checked(workspace: Workspace, dataset: Dataset) -> None:
    st.header("Not checked yet")
    st.markdown(
        "The check finds leaks, identical files, look-alikes, likely mislabeled and unusual "
        "images. About a minute for 1,000 images."
    )
    check_button(workspace, dataset, "Check now", is_first=True)


def summary(
    workspace: Workspace, dataset: Dataset, check: QualityCheck, counts: dict[FindingKind, int]
) -> None:
    """What waits for an answer, in one line; how it was found is behind it."""
    waiting = quality.to_settle(workspace, dataset.id)
    with st.container(horizontal=True, vertical_alignment="center", key="quality_summary"):
        st.header(headline(waiting), width="stretch")
        has_split = context.split(workspace) is not None
        worst = quality.worst_finding(workspace, dataset.id)
        is_serious = worst is not None and worst.severity is Severity.SERIOUS
        if st.button(
            "Split" if has_split or is_serious else "Next: split",
            type="secondary" if has_split or is_serious else "primary",
            icon=":material/call_split:",
            key="to_split",
        ):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        check_button(workspace, dataset, "Check again", is_first=False)
        with st.popover("More", type="tertiary", icon=":material/info:"):
            about(workspace, dataset, check)
    settled = sum(
        sum(quality.finding_counts(workspace, dataset.id, status).values())
        for status in FindingStatus
        if status is not FindingStatus.OPEN
    )
    st.caption(f"{contents(counts, waiting, settled)} {age(workspace, dataset, check)}".strip())
    if quality.labels_were_checked(workspace, dataset.id) is False:
        st.caption(
            ":orange[:material/report:] Wrong labels could not be searched for: the images hardly "
            "tell which label is right."
        )


def headline(waiting: int) -> str:
    """The first line: how many findings wait for an answer."""
    if not waiting:
        return ":material/check_circle: Nothing to settle"
    return f"{text.count(waiting, 'thing')} to settle"


def contents(counts: dict[FindingKind, int], waiting: int, settled: int = 0) -> str:
    """What was found, where it is little enough to be said; `settled`: no longer open."""
    if not counts:
        return f"{settled:,} found, all settled." if settled else "Nothing was found."
    words = f"{settled:,} more settled." if settled else ""
    if len(counts) <= NAMED:
        named = [text.count(n, kind.words) for kind, n in counts.items()]
        rest = f"{settled:,} more settled" if settled else "nothing else was found"
        words = f"{joined(named)}; {rest}."
    every = sum(n for kind, n in counts.items() if not kind.is_statistic)
    if every == waiting:
        return words
    told = f"{waiting:,} of {every:,} wait for an answer; the rest is only hard to tell."
    return f"{words} {told}".strip()


def age(workspace: Workspace, dataset: Dataset, check: QualityCheck) -> str:
    """When the check was made, and whether it knows the dataset of today."""
    words = f"Checked {text.when(check.created_at)}"
    known = splits.list_splits(workspace, dataset.id)
    changes = _changes_since(workspace, dataset, check)
    if changes:
        return f"{words}; {text.count(changes, 'change')} since."
    if known and known[0].created_at > check.created_at:
        return f"{words}, before the newest split: check again to find its leaks."
    return f"{words}."


def _changes_since(workspace: Workspace, dataset: Dataset, check: QualityCheck) -> int:
    """Versions since the check that may change what it finds."""
    if dataset.version == check.version:
        return 0
    by_number = {v.number: v for v in versions.list_versions(workspace, dataset.id)}
    since = [v for number, v in by_number.items() if number > check.version]
    done = [by_number.get(v.undoes or v.number, v).action for v in since]
    return sum(action not in _NOT_CHECKED for action in done)


def about(workspace: Workspace, dataset: Dataset, check: QualityCheck) -> None:
    """The figures of the check, each with what it is good for."""
    st.markdown(
        f"**{text.count(check.groups, 'group of look-alikes')}** with "
        f"{text.count(check.grouped_samples, 'image')}. A split by look-alikes keeps each group "
        "together."
    )
    if warning := splits.flattery_warning(check):
        st.caption(text.plain(warning))
    confirmed = quality.agreement_by_class(workspace, dataset.id)
    if confirmed:
        st.markdown(
            "**Labels that the check confirms.** Where the share is low, do not rely on the labels "
            "that it proposes for the class."
        )
        weakest = sorted(confirmed.items(), key=lambda item: item[1])[:8]
        st.dataframe(
            {
                "class": [name for name, _ in weakest],
                "confirmed": [text.percent(share) for _, share in weakest],
            },
            hide_index=True,
        )


def shelf(
    counts: dict[FindingKind, int], status: FindingStatus, asked: FindingKind | None
) -> cards.FindingsChoice:
    """Which findings to show; where one kind is chosen or asked for, its pages."""
    kinds = [ALL_KINDS, *(kind.value for kind in counts)]
    if st.session_state.get(KIND) not in kinds:
        st.session_state.pop(KIND, None)
    if asked is not None and asked in counts:
        st.session_state[KIND] = asked.value
    chosen: str | None = ALL_KINDS
    if len(kinds) > 2:
        chosen = st.pills(
            "Kind of finding",
            kinds,
            default=None if asked in counts else ALL_KINDS,  # Streamlit takes one or the other
            required=True,
            format_func=kind_words,
            key=KIND,
            bind="query-params",
            label_visibility="collapsed",
            wrap=True,
        )
    kind = None if chosen in (None, ALL_KINDS) else FindingKind(chosen)
    pages = -(-counts.get(kind, 0) // cards.PAGE) if kind else 1
    page = 1
    if pages > 1:
        page = st.pagination(pages, key=PAGE, bind="query-params")
    return cards.FindingsChoice(status, kind, min(page, pages))


def kind_words(kind: str) -> str:
    """The words of a chip."""
    return "All" if kind == ALL_KINDS else FINDING_WORDS[FindingKind(kind)].chip


def chosen_status(workspace: Workspace, dataset: Dataset) -> FindingStatus:
    """Open findings, or those dealt with; no choice where nothing was dealt with."""
    known = [
        status
        for status in FindingStatus
        if status is FindingStatus.OPEN or quality.finding_counts(workspace, dataset.id, status)
    ]
    if st.session_state.get(STATUS) not in known:
        st.session_state.pop(STATUS, None)
    if len(known) == 1:
        return FindingStatus.OPEN
    return st.segmented_control(
        "Findings",
        known,
        default=FindingStatus.OPEN,
        required=True,
        format_func=STATUS_WORDS.__getitem__,
        key=STATUS,
        bind="query-params",
        label_visibility="collapsed",
    )


def answer(workspace: Workspace, dataset: Dataset, requests: list[Request]) -> None:
    """What only the page can do: open a dialog."""
    for request in requests:
        if request.do is Do.ALL:
            dialogs.review(workspace, dataset, dialogs.sure_findings(workspace, dataset))


def page(workspace: Workspace) -> None:
    """Do what was asked for since the last run, then show what is left."""
    dataset = context.dataset(workspace)
    if dataset is None:
        widgets.empty_state(
            "troubleshoot",
            "Nothing to check yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    if progress(workspace, dataset):
        return
    if quality.last_check(workspace, dataset.id) is None:
        not_checked(workspace, dataset)
        return
    diary = actions.diary(dataset.id)
    asked = actions.read_requests(components.asked_of_findings(GRID), dataset.id)
    for_page = actions.carry_out(workspace, dataset.id, asked, diary)
    now = datasets.find_dataset(workspace, dataset.id)
    if now.version != dataset.version and not for_page:
        st.rerun()  # the bar above still shows the version before
    show(workspace, now, diary, for_page)


def show(
    workspace: Workspace, dataset: Dataset, diary: actions.Diary, for_page: list[Request]
) -> None:
    """The summary and the findings of a dataset that was checked."""
    check = quality.last_check(workspace, dataset.id)
    if check is None:
        return
    asked = next((request.kind for request in for_page if request.do is Do.SHOW), None)
    summary(workspace, dataset, check, quality.finding_counts(workspace, dataset.id))
    with st.container(horizontal=True, vertical_alignment="center", key="finding_filters"):
        status = chosen_status(workspace, dataset)
        counts = quality.finding_counts(workspace, dataset.id, status)
        listed = shelf(counts, status, asked)
    components.findings(
        {
            "dataset": dataset.id,
            "shelf": f"{listed.status} {listed.kind} {listed.page}",
            "sections": cards.sections(workspace, dataset, check, listed),
            "message": diary.message,
            "handled": diary.handled,
            "refusal": rights.reason_against(Right.DATA),
        },
        GRID,
    )
    answer(workspace, dataset, for_page)


widgets.page_heading(Place.QUALITY, "Find and fix problems in the dataset before training.")
page(state.workspace())
