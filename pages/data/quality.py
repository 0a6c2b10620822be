"""Quality: find and fix problems of a dataset before training."""

from collections.abc import Sequence
from functools import partial
from typing import assert_never

import streamlit as st

from core.domain.datasets import Dataset, Sample, SampleStatus
from core.domain.findings import Finding, FindingKind, FindingStatus, Fix, QualityCheck
from core.domain.jobs import Job, JobStatus
from core.workflows import jobs
from core.workflows.data import datasets, fixes, quality, splits
from core.workspace import Workspace
from pages.data.quality_images import (
    act,
    agreement_caption,
    images_gallery,
    pairs_button,
    review,
    sure_findings,
)
from pages.data.quality_words import (
    CERTAINTY_LABELS,
    FINDING_WORDS,
    FIX_WORDS,
    STATUS_WORDS,
    FixOption,
    choices_for,
)
from pages.ui import context, errors, state, text, widgets
from pages.ui.places import Place

SHOWN_IMAGES = 12
PER_PAGE = 5
COLUMNS = 4  # of findings of one image each
_UNANSWERED = (FindingKind.NEAR_DUPLICATE, FindingStatus.OPEN)
ONE_IMAGE = {FindingKind.SUSPECT_LABEL, FindingKind.OUTLIER}


def check_again(workspace: Workspace, dataset: Dataset, label: str) -> None:
    if st.button(
        label,
        type="primary" if label == "Check now" else "secondary",
        icon=":material/troubleshoot:",
        key="do_check",
        help="Checks all images again. Ignored findings stay ignored.",
    ):
        quality.start_check(workspace, dataset.id)
        st.rerun()


def progress(workspace: Workspace, dataset: Dataset) -> bool:
    """Show a running or failed check; returns whether it is still active."""

    def draw(job: Job) -> None:
        if job.status is JobStatus.COMPLETED:
            return
        with st.container(border=True):
            st.subheader("Checking the images")
            widgets.job_progress(job)
            if job.status.is_active and st.button("Stop", icon=":material/stop:", key="stop"):
                jobs.stop(workspace, job.id)

    job = widgets.follow(workspace, quality.job_subject(dataset.id), draw, every_s=0.7)
    return job is not None and job.status.is_active


def undo_bar(workspace: Workspace, dataset: Dataset) -> None:
    done: list[fixes.AppliedFix] = st.session_state.get(f"fixes_{dataset.id}", [])
    if not done:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="undo_bar"):
        st.markdown(f":green[:material/check_circle:] {text.plain(done[-1].words)}.")
        if st.button(
            "Undo",
            icon=":material/undo:",
            key="undo_fix",
            help="Undoes this fix. Its findings are open again.",
        ):
            last = done[-1]
            fixes.undo(workspace, dataset.id, last)
            done.pop()
            st.toast(f"Undone: {text.plain(last.words)}", icon=":material/undo:")
            st.rerun()


def summary(
    workspace: Workspace, dataset: Dataset, check: QualityCheck, counts: dict[FindingKind, int]
) -> None:
    cells = st.columns(4)
    cells[0].metric(
        "Open findings",
        f"{sum(counts.values()):,}",
        border=True,
        help="Findings that have not been fixed or ignored yet.",
    )
    cells[1].metric(
        "Groups of look-alikes",
        f"{check.groups:,}",
        border=True,
        help="Each group may show one part, photographed several times. Answer below whether it "
        "does.",
    )
    cells[2].metric(
        "Images with look-alikes",
        f"{check.grouped_samples:,}",
        border=True,
        help="Images with at least one look-alike or identical copy.",
    )
    agreement = quality.agreement(workspace, dataset.id)
    cells[3].metric(
        "Labels confirmed",
        text.percent(agreement),
        border=True,
        help="Labels confirmed by a model trained without the image. If classes are easy to "
        "distinguish, most of the others are mislabeled.",
    )
    warning = splits.flattery_warning(check)
    if warning:
        st.warning(text.plain(warning), icon=":material/content_copy:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Next: split the dataset", type="primary", icon=":material/call_split:", key="to_split"
        ):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        check_again(workspace, dataset, "Check again")
        st.caption(f"Checked {text.when(check.created_at)}.{changes_since(workspace, check)}")


def changes_since(workspace: Workspace, check: QualityCheck) -> str:
    """Changes since the check, in words; empty if there are none."""
    dataset = datasets.find_dataset(workspace, check.dataset_id)
    known = splits.list_splits(workspace, dataset.id)
    words = ""
    if dataset.version > check.version:
        words += (
            f" The dataset was changed {text.count(dataset.version - check.version, 'time')} since "
            "then, including fixes. Check again to update the findings."
        )
    if known and known[0].created_at > check.created_at:
        words += " The newest split is newer than the check. Check again to find its leaks."
    return words


def fix_buttons(
    workspace: Workspace,
    dataset: Dataset,
    finding: Finding,
    choices: Sequence[FixOption],
    shown: int,
) -> None:
    """The first choices as buttons, the others in a menu."""

    def do(choice: FixOption) -> None:
        act(
            dataset,
            lambda: fixes.fix(workspace, dataset.id, [finding.id], choice.how, label=choice.label),
        )

    with st.container(horizontal=True, gap="small"):
        for number, choice in enumerate(choices[:shown]):
            if st.button(
                choice.words,
                key=f"fix_{finding.id}_{number}",
                icon=f":material/{FIX_WORDS[choice.how].icon}:",
                help=FIX_WORDS[choice.how].help,
            ):
                do(choice)
        if finding.kind is FindingKind.NEAR_DUPLICATE and len(finding.sample_ids) > 2:
            pairs_button(workspace, dataset, finding)
        if len(choices) > shown:
            picked = st.menu_button(
                "More",
                choices[shown:],
                key=f"more_{finding.id}",
                type="tertiary",
                format_func=lambda choice: choice.words,
                help="More fixes for this finding.",
            )
            if picked is not None:
                do(picked)


def buttons_of(
    workspace: Workspace, dataset: Dataset, finding: Finding, images: Sequence[Sample]
) -> None:
    match finding.status:
        case FindingStatus.FIXED:
            return
        case FindingStatus.IGNORED:
            reopen_button(workspace, dataset, finding)
        case FindingStatus.OPEN:
            choices = choices_for(finding, dataset, images)
            shown = 1 if finding.kind in ONE_IMAGE else 5
            fix_buttons(workspace, dataset, finding, choices, shown=shown)
        case _:
            assert_never(finding.status)


def reopen_button(workspace: Workspace, dataset: Dataset, finding: Finding) -> None:
    if st.button(
        "Reopen",
        icon=":material/visibility:",
        key=f"reopen_{finding.id}",
        help="Moves the finding back to the open findings.",
    ):
        fixes.reopen(workspace, dataset.id, [finding.id])
        st.rerun()


def for_all(workspace: Workspace, dataset: Dataset, kind: FindingKind, count: int) -> None:
    """Buttons that fix every open finding of a kind in one edit."""
    sure = sure_findings(workspace, dataset) if kind is FindingKind.SUSPECT_LABEL else []
    offered = [how for how in fixes.FIXES_FOR_ALL[kind] if how is not Fix.RELABEL or sure]
    if count < 2 or not offered:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"For all {count:,}:", width="content")
        for how in offered:
            words = FIX_WORDS[how]
            if st.button(
                words.label_for_all,
                key=f"all_{kind}_{how}",
                icon=f":material/{words.icon}:",
                type="tertiary",
                help=f"{words.help} This is one edit and can be undone.",
            ):
                if how is Fix.RELABEL:
                    review(workspace, dataset, sure)
                else:
                    act(dataset, partial(fixes.fix_all, workspace, dataset.id, kind, how))


def row(workspace: Workspace, dataset: Dataset, finding: Finding, images: Sequence[Sample]) -> None:
    """A finding of several images: message, gallery, fixes."""
    with st.container(key=f"finding_{finding.id}"):
        st.markdown(text.plain(finding.message))
        if images:
            is_open = (finding.kind, finding.status) == _UNANSWERED
            images_gallery(
                workspace,
                dataset,
                images,
                f"pictures_{finding.id}",
                finding=finding if is_open else None,
            )
        total = len(finding.sample_ids)
        if len(images) == SHOWN_IMAGES < total:
            st.caption(f"The first {SHOWN_IMAGES} of {text.count(total, 'image')}.")
        elif total > len(images):
            excluded = text.count(total - len(images), "image")
            st.caption(f"{excluded} excluded since the check.")
        buttons_of(workspace, dataset, finding, images)


def cards(
    workspace: Workspace,
    dataset: Dataset,
    findings: Sequence[Finding],
    images: dict[int, Sample],
) -> None:
    """Findings of one image each, side by side."""
    for start in range(0, len(findings), COLUMNS):
        columns = st.columns(COLUMNS)
        for column, finding in zip(columns, findings[start : start + COLUMNS], strict=False):
            with column, st.container(border=True, key=f"finding_{finding.id}"):
                own = [images[i] for i in finding.sample_ids if i in images]
                if own:
                    images_gallery(workspace, dataset, own, f"pictures_{finding.id}", 160)
                if finding.certainty is not None:
                    st.caption(CERTAINTY_LABELS[finding.certainty])
                st.caption(text.plain(finding.message))
                buttons_of(workspace, dataset, finding, own)


@st.fragment
@errors.shown()
def card(
    workspace: Workspace, dataset: Dataset, kind: FindingKind, count: int, status: FindingStatus
) -> None:
    words = FINDING_WORDS[kind]
    with st.container(border=True, key=f"card_{kind}"):
        st.markdown(f"#### {words.title}", help=words.help)
        st.caption(f"{text.count(count, 'finding')}. {words.advice}")
        if kind is FindingKind.SUSPECT_LABEL:
            agreement_caption(workspace, dataset)
        if status is FindingStatus.OPEN:
            for_all(workspace, dataset, kind, count)
        per_page = PER_PAGE if kind not in ONE_IMAGE else 2 * COLUMNS
        pages = -(-count // per_page)
        page = min(pages, st.session_state.get(f"page_{kind}_{dataset.id}", 1))
        findings = quality.findings(
            workspace, dataset.id, kind, status=status, limit=per_page, offset=(page - 1) * per_page
        )
        images = samples_of(workspace, findings, status)
        if kind in ONE_IMAGE:
            cards(workspace, dataset, findings, images)
        else:
            for number, finding in enumerate(findings):
                if number:
                    st.divider()
                own = [images[i] for i in finding.sample_ids if i in images]
                row(workspace, dataset, finding, own[:SHOWN_IMAGES])
        if pages > 1:
            with st.container(horizontal=True, horizontal_alignment="center"):
                st.pagination(pages, width="stretch", key=f"page_{kind}_{dataset.id}")


def samples_of(
    workspace: Workspace, findings: Sequence[Finding], status: FindingStatus
) -> dict[int, Sample]:
    """The images to show; excluded ones only with fixed findings."""
    ids = [i for finding in findings for i in finding.sample_ids[: 4 * SHOWN_IMAGES]]
    samples = datasets.find_samples(workspace, ids)
    return {
        s.id: s for s in samples if status is FindingStatus.FIXED or s.status is SampleStatus.USED
    }


def chosen_status(workspace: Workspace, dataset: Dataset) -> FindingStatus:
    totals = {
        status: sum(quality.finding_counts(workspace, dataset.id, status).values())
        for status in FindingStatus
    }
    chosen = st.segmented_control(
        "Findings",
        list(FindingStatus),
        default=FindingStatus.OPEN,
        required=True,
        format_func=lambda status: f"{STATUS_WORDS[status]} ({totals[status]:,})",
        key="finding_status",
        help="Ignored findings can be reopened. Fixed findings reopen when the edit is undone.",
    )
    return FindingStatus(chosen)


def page(workspace: Workspace) -> None:
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
    check = quality.last_check(workspace, dataset.id)
    if check is None:
        st.info(
            "This dataset has not been checked yet. The check finds duplicates, look-alikes, "
            "mislabeled and unusual images, and file properties that reveal the class. It takes "
            "about a minute for 1,000 images."
        )
        check_again(workspace, dataset, "Check now")
        return
    counts = quality.finding_counts(workspace, dataset.id)
    summary(workspace, dataset, check, counts)
    undo_bar(workspace, dataset)
    status = chosen_status(workspace, dataset)
    listed = quality.finding_counts(workspace, dataset.id, status)
    if not listed and status is FindingStatus.OPEN:
        st.success("There are no open findings.", icon=":material/check_circle:")
    for kind, count in listed.items():
        card(workspace, dataset, kind, count, status)


widgets.page_heading(Place.QUALITY, "Find and fix problems in the dataset before training.")
page(state.workspace())
