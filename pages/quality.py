"""Quality: find what is wrong with the pictures before a model learns it."""

from collections.abc import Sequence

import streamlit as st

from core.domain import Dataset, Finding, FindingKind, Job, JobStatus, QualityCheck, Sample
from core.workflows import datasets, jobs, quality, splits
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.components import gallery

SHOWN_PICTURES = 12
PER_PAGE = 5
# Title, and what to do about it.
WORDS = {
    FindingKind.LABEL_CONFLICT: (
        "The same picture under two labels",
        "One of the labels is wrong, or the defect cannot be seen in the picture. Either way the "
        "model is taught a contradiction: decide for one label, or leave the pictures out.",
    ),
    FindingKind.FORMAT_LEAK: (
        "File properties that give the class away",
        "The model may learn how a picture was stored instead of what it shows, and fail on "
        "pictures from elsewhere. Export all classes in the same way.",
    ),
    FindingKind.EXACT_DUPLICATE: (
        "Files that are the same",
        "Copies add nothing to the training and count twice in the test. A split keeps them "
        "together.",
    ),
    FindingKind.NEAR_DUPLICATE: (
        "Pictures that look nearly the same",
        "If one of them trains the model and another one judges it, the result is too good to be "
        "true. Group the split by look-alikes.",
    ),
    FindingKind.CLASS_TOO_SMALL: (
        "Classes with too few pictures",
        "Their results are mostly luck. Add pictures, or merge the class with another one.",
    ),
    FindingKind.CLASS_IMBALANCE: (
        "Classes of very different size",
        "Accuracy hides what happens to the small class: look at macro F1 and at its own row.",
    ),
    FindingKind.UNREADABLE: (
        "Pictures that cannot be read any more",
        "Bring the files back, or import the folder again.",
    ),
}  # fmt: skip


def check_again(workspace: Workspace, dataset: Dataset, label: str) -> None:
    if st.button(label, type="primary" if label == "Check now" else "secondary",
                 icon=":material/troubleshoot:", key="do_check"):  # fmt: skip
        quality.start_check(workspace, dataset.id)
        st.rerun()


def progress(workspace: Workspace, dataset: Dataset) -> bool:
    """Show a check that runs or has failed; gives whether it is still active."""

    def draw(job: Job) -> None:
        if job.status is JobStatus.COMPLETED:
            return
        with st.container(border=True):
            st.subheader("Checking the pictures")
            widgets.job_progress(job)
            if job.status.is_active and st.button("Stop", icon=":material/stop:", key="stop"):
                jobs.stop(workspace, job.id)

    job = widgets.follow(workspace, quality.job_subject(dataset.id), draw, every_s=0.7)
    return job is not None and job.status.is_active


def summary(
    workspace: Workspace, dataset: Dataset, check: QualityCheck, counts: dict[FindingKind, int]
) -> None:
    cells = st.columns(4)
    cells[0].metric("Findings", f"{sum(counts.values()):,}", border=True)
    cells[1].metric("Groups of look-alikes", f"{check.groups:,}", border=True)
    cells[2].metric("Pictures in groups", f"{check.grouped_samples:,}", border=True)
    cells[3].metric("Label conflicts", f"{counts.get(FindingKind.LABEL_CONFLICT, 0):,}",
                    border=True)  # fmt: skip
    if not counts:
        st.success("Nothing was found: no duplicates, no label conflicts, no leaks.",
                   icon=":material/check_circle:")  # fmt: skip
    warning = splits.flattery_warning(check)
    if warning:
        st.warning(text.plain(warning), icon=":material/content_copy:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Next: split the pictures", type="primary", icon=":material/call_split:",
                     key="to_split"):  # fmt: skip
            st.switch_page("split.py", query_params={"dataset": dataset.id})
        check_again(workspace, dataset, "Check again")
        st.caption(f"Checked {text.when(check.created_at)}.")


@st.fragment
@errors.shown()
def card(workspace: Workspace, dataset: Dataset, kind: FindingKind, count: int) -> None:
    title, advice = WORDS[kind]
    with st.container(border=True, key=f"card_{kind}"):
        st.markdown(f"#### {title}")
        st.caption(advice)
        pages = -(-count // PER_PAGE)
        page = min(pages, st.session_state.get(f"page_{kind}_{dataset.id}", 1))
        found = quality.findings(workspace, dataset.id, kind, limit=PER_PAGE,
                                 offset=(page - 1) * PER_PAGE)  # fmt: skip
        pictures = samples_of(workspace, found)
        for number, finding in enumerate(found):
            st.markdown(text.plain(finding.message))
            shown = [pictures[i] for i in finding.sample_ids[:SHOWN_PICTURES] if i in pictures]
            if shown:
                gallery([widgets.sample_tile(s, dataset.class_names) for s in shown],
                        f"finding_{kind}_{page}_{number}")  # fmt: skip
            if len(finding.sample_ids) > len(shown):
                st.caption(f"{len(shown)} of {text.count(len(finding.sample_ids), 'picture')}.")
        if pages > 1:
            with st.container(horizontal=True, horizontal_alignment="center"):
                st.pagination(pages, key=f"page_{kind}_{dataset.id}")


def samples_of(workspace: Workspace, found: Sequence[Finding]) -> dict[int, Sample]:
    ids = [i for finding in found for i in finding.sample_ids[:SHOWN_PICTURES]]
    return {sample.id: sample for sample in datasets.find_samples(workspace, ids)}


def page(workspace: Workspace) -> None:
    found = {d.id: d.name for d in datasets.list_datasets(workspace)}
    if not found:
        widgets.empty_state(
            "troubleshoot", "Nothing to check yet", "Import pictures first.",
            ("import_pictures.py", "Import pictures", "upload"),
        )  # fmt: skip
        return
    chosen = state.choose("dataset", found, label="Dataset", help="Which pictures to check.")
    dataset = datasets.find_dataset(workspace, chosen or "")
    if progress(workspace, dataset):
        return
    check = quality.last_check(workspace, dataset.id)
    if check is None:
        st.info(
            "These pictures have not been checked yet. The check looks for duplicates, for the "
            "same part photographed several times, for contradicting labels and for file "
            "properties that give the class away. A thousand pictures take well under a minute."
        )
        check_again(workspace, dataset, "Check now")
        return
    counts = quality.finding_counts(workspace, dataset.id)
    summary(workspace, dataset, check, counts)
    for kind, count in counts.items():
        card(workspace, dataset, kind, count)


widgets.page_heading("Quality", "Most bad classifiers are bad datasets: find out before training.")
page(state.workspace())
