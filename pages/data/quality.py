"""Quality: find what is wrong with the images before a model learns it, and fix it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

import streamlit as st

from core.data.quality.similarity import LOOK_ALIKES
from core.domain.datasets import Dataset, Sample, SampleStatus
from core.domain.findings import Finding, FindingKind, FindingStatus, Fix, QualityCheck, Severity
from core.domain.jobs import Job, JobStatus
from core.workflows import jobs
from core.workflows.data import datasets, fixes, quality, splits
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.components import gallery
from pages.ui.places import Place

SHOWN_IMAGES = 12
PER_PAGE = 5
COLUMNS = 4  # of findings of one image each
MENU_CLASSES = 30  # more do not fit into a menu: the dataset's page relabels to any class
SURE_ENOUGH = 0.9  # a model that agrees with fewer labels relabels nothing in one go
ONE_IMAGE = {FindingKind.SUSPECT_LABEL, FindingKind.OUTLIER}
# Title, and what to do about it.
WORDS = {
    FindingKind.LABEL_CONFLICT: (
        "The same image under two labels",
        "One of the labels is wrong, or the defect cannot be seen in the image. Either way the "
        "model is taught a contradiction: decide for one label, or leave the images out.",
    ),
    FindingKind.FORMAT_LEAK: (
        "File properties that give the class away",
        "The model may learn how an image was stored instead of what it shows, and fail on "
        "images from elsewhere. Export all classes in the same way.",
    ),
    FindingKind.EXACT_DUPLICATE: (
        "Files that are the same",
        "Copies add nothing to the training and count twice in the test. A split keeps them "
        "together.",
    ),
    FindingKind.NEAR_DUPLICATE: (
        "Images that look nearly the same",
        "If one of them trains the model and another one judges it, the result is too good to be "
        f"true. Group the split by look-alikes. {LOOK_ALIKES}",
    ),
    FindingKind.SUBSET_LEAK: (
        "The same part on both sides of a split",
        "The test judges the model by images it has learned from: the figure is too good. Make "
        "them one group and split again by group, or keep one image of each.",
    ),
    FindingKind.SUSPECT_LABEL: (
        "Labels that look wrong",
        "A model that was trained without these images, and without their look-alikes, takes "
        "them for another class. The least believed come first. Some are only hard: look before "
        "you relabel.",
    ),
    FindingKind.OUTLIER: (
        "Images unlike the others of their class",
        "Much darker, brighter, blurred, larger, smaller or of another shape: often a failed "
        "shot, or an image of something else. A model wastes effort on them.",
    ),
    FindingKind.CLASS_TOO_SMALL: (
        "Classes with too few images",
        "Their results are mostly luck. Add images, or merge the class with another one.",
    ),
    FindingKind.CLASS_IMBALANCE: (
        "Classes of very different size",
        "Accuracy hides what happens to the small class: look at macro F1 and at its own row.",
    ),
    FindingKind.UNREADABLE: (
        "Images that cannot be read any more",
        "Bring the files back, or import the folder again.",
    ),
}


# What a fix is called on its button and for all of a kind, its icon, and what it does.
CURE_WORDS = {
    Fix.EXCLUDE: (
        "Exclude",
        "Exclude all",
        "hide_image",
        "Leave these images out of the dataset. No file is deleted.",
    ),
    Fix.KEEP_ONE: (
        "Keep one",
        "Keep one of each",
        "filter_1",
        "Keep the largest, sharpest image and leave the others out. No file is deleted.",
    ),
    Fix.RELABEL: (
        "Relabel",
        "Relabel the sure ones",
        "label",
        "Give the images the class they look like.",
    ),
    Fix.GROUP: (
        "Group",
        "Group all",
        "group_work",
        "These are one part: a split by group keeps them on one side.",
    ),
    Fix.IGNORE: (
        "Ignore",
        "Ignore all",
        "visibility_off",
        "This is fine as it is. Later checks will not show it again.",
    ),
}
STATUS_WORDS = {
    FindingStatus.OPEN: "Open",
    FindingStatus.IGNORED: "Ignored",
    FindingStatus.FIXED: "Cured",
}


@dataclass(frozen=True)
class FixOption:
    """One thing that can be done about a finding."""

    how: Fix
    words: str
    label: int | None = None


def check_again(workspace: Workspace, dataset: Dataset, label: str) -> None:
    if st.button(
        label,
        type="primary" if label == "Check now" else "secondary",
        icon=":material/troubleshoot:",
        key="do_check",
        help="Looks at every image again; what you ignored stays ignored.",
    ):
        quality.start_check(workspace, dataset.id)
        st.rerun()


def progress(workspace: Workspace, dataset: Dataset) -> bool:
    """Show a check that runs or has failed; gives whether it is still active."""

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


def act(dataset: Dataset, do: Callable[[], fixes.AppliedFix]) -> None:
    """Do a fix, remember how to take it back, and show the page anew."""
    done = do()
    st.session_state.setdefault(f"cures_{dataset.id}", []).append(done)
    # Why a toast too: the page may be scrolled far down, and Undo stands at its head.
    st.toast(f"{text.plain(done.words)}. Undo is at the top.", icon=":material/check_circle:")
    st.rerun()


def undo_bar(workspace: Workspace, dataset: Dataset) -> None:
    done: list[fixes.AppliedFix] = st.session_state.get(f"cures_{dataset.id}", [])
    if not done:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="undo_bar"):
        st.markdown(f":green[:material/check_circle:] {text.plain(done[-1].words)}.")
        if st.button(
            "Undo",
            icon=":material/undo:",
            key="undo_fix",
            help="Takes this back; its findings are open again.",
        ):
            last = done[-1]
            fixes.undo(workspace, dataset.id, last)
            done.pop()
            st.toast(f"Taken back: {text.plain(last.words)}", icon=":material/undo:")
            st.rerun()


def summary(
    workspace: Workspace, dataset: Dataset, check: QualityCheck, counts: dict[FindingKind, int]
) -> None:
    cells = st.columns(4)
    cells[0].metric(
        "Open findings",
        f"{sum(counts.values()):,}",
        border=True,
        help="What the check found and nobody has fixed or ignored yet.",
    )
    cells[1].metric(
        "Groups of look-alikes",
        f"{check.groups:,}",
        border=True,
        help=f"Each group is probably one part that was photographed several times. {LOOK_ALIKES}",
    )
    cells[2].metric(
        "Images in groups",
        f"{check.grouped_samples:,}",
        border=True,
        help="Images that have at least one look-alike.",
    )
    agreement = quality.agreement(workspace, dataset.id)
    cells[3].metric(
        "Labels confirmed",
        text.percent(agreement),
        border=True,
        help="Every image was judged by a model that had not seen it. Where classes "
        "are easy to tell apart, the rest are mostly wrong labels.",
    )
    warning = splits.flattery_warning(check)
    if warning:
        st.warning(text.plain(warning), icon=":material/content_copy:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Next: split the images", type="primary", icon=":material/call_split:", key="to_split"
        ):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        check_again(workspace, dataset, "Check again")
        st.caption(f"Checked {text.when(check.created_at)}.{changes_since(workspace, check)}")


def changes_since(workspace: Workspace, check: QualityCheck) -> str:
    """What the check could not know, in words."""
    dataset = datasets.find_dataset(workspace, check.dataset_id)
    known = splits.list_splits(workspace, dataset.id)
    words = ""
    if dataset.version > check.version:
        words += (
            f" The dataset was changed {text.count(dataset.version - check.version, 'time')} since "
            "(fixes included): check again to look at it with fresh eyes."
        )
    if known and known[0].created_at > check.created_at:
        words += " The newest split was made later; check again to find its leaks."
    return words


def choices_for(finding: Finding, dataset: Dataset, images: Sequence[Sample]) -> list[FixOption]:
    """What can be done, the most advisable first; the last ones go into a menu."""
    found: list[FixOption] = []
    for how in fixes.CURES[finding.kind]:
        if how is not Fix.RELABEL:
            found.append(FixOption(how, CURE_WORDS[how][0]))
        elif finding.kind is FindingKind.SUSPECT_LABEL:
            found.append(FixOption(how, "Relabel"))
        else:
            labels = sorted({s.label for s in images if s.label is not None})
            found += [
                FixOption(how, f"All are {text.plain(dataset.class_names[label])}", label)
                for label in labels[:3]
            ]
    if finding.kind is FindingKind.SUSPECT_LABEL and len(dataset.class_names) <= MENU_CLASSES:
        own = {s.label for s in images}
        found += [
            FixOption(Fix.RELABEL, f"It is {text.plain(name)}", label)
            for label, name in enumerate(dataset.class_names)
            if label not in own
        ]
    return found


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
                icon=f":material/{CURE_WORDS[choice.how][2]}:",
                help=CURE_WORDS[choice.how][3],
            ):
                do(choice)
        if len(choices) > shown:
            picked = st.menu_button(
                "More",
                choices[shown:],
                key=f"more_{finding.id}",
                type="tertiary",
                format_func=lambda choice: choice.words,
                help="What else can be done about this finding.",
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
            shown = 1 if finding.kind in ONE_IMAGE else 4
            fix_buttons(workspace, dataset, finding, choices, shown=shown)
        case _:
            assert_never(finding.status)


def reopen_button(workspace: Workspace, dataset: Dataset, finding: Finding) -> None:
    if st.button(
        "Reopen",
        icon=":material/visibility:",
        key=f"reopen_{finding.id}",
        help="Show it among the open findings again.",
    ):
        fixes.reopen(workspace, dataset.id, [finding.id])
        st.rerun()


def for_all(workspace: Workspace, dataset: Dataset, kind: FindingKind, count: int) -> None:
    """Buttons that fix every open finding of a kind in one edit."""
    offered = [
        how
        for how in fixes.CURES_FOR_ALL[kind]
        if how is not Fix.RELABEL or may_relabel_all(workspace, dataset)
    ]
    if count < 2 or not offered:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"For all {count:,}:", width="content")
        for how in offered:
            _, words, icon, help_text = CURE_WORDS[how]
            if st.button(
                words,
                key=f"all_{kind}_{how}",
                icon=f":material/{icon}:",
                type="tertiary",
                help=f"{help_text} One edit, which can be undone.",
            ):
                act(dataset, partial(fixes.fix_all, workspace, dataset.id, kind, how))


def may_relabel_all(workspace: Workspace, dataset: Dataset) -> bool:
    agreement = quality.agreement(workspace, dataset.id) or 0
    doubted = quality.findings(workspace, dataset.id, FindingKind.SUSPECT_LABEL)
    sure = any(finding.severity is Severity.WARNING for finding in doubted)
    return sure and agreement >= SURE_ENOUGH


@st.dialog("Image", width="large", position="right")
@errors.shown()
def show_image(workspace: Workspace, sample: Sample, dataset: Dataset) -> None:
    path = workspace.resolve(sample.path)
    if path.is_file():
        st.image(str(path), width=min(640, max(256, 3 * sample.width)))
    else:
        st.warning("The file is not there any more. Bring it back, or import again.")
    label = dataset.class_names[sample.label] if sample.label is not None else "no label"
    st.markdown(f"#### {text.plain(label)}")
    st.caption(
        f"{text.plain(sample.name)} · {sample.width} × {sample.height} · "
        f"{text.size(sample.file_size)}"
    )
    if st.button(
        "Exclude this image",
        icon=":material/hide_image:",
        key="exclude_one",
        help=CURE_WORDS[Fix.EXCLUDE][3],
    ):
        act(dataset, lambda: fixes.exclude_images(workspace, dataset.id, [sample.id]))


def images_gallery(
    workspace: Workspace, dataset: Dataset, images: Sequence[Sample], key: str, side_px: int = 120
) -> None:
    tiles = [widgets.sample_tile(s, dataset.class_names) for s in images]
    clicked = gallery(tiles, key, side_px=side_px)
    opened = next((s for s in images if str(s.id) == clicked), None)
    if opened:
        show_image(workspace, opened, dataset)


def row(workspace: Workspace, dataset: Dataset, finding: Finding, images: Sequence[Sample]) -> None:
    """A finding of several images: message, gallery, fixes."""
    with st.container(key=f"finding_{finding.id}"):
        st.markdown(text.plain(finding.message))
        if images:
            images_gallery(workspace, dataset, images, f"pictures_{finding.id}")
        total = len(finding.sample_ids)
        if len(images) == SHOWN_IMAGES < total:
            st.caption(f"The first {SHOWN_IMAGES} of {text.count(total, 'image')}.")
        elif total > len(images):
            gone = text.count(total - len(images), "image")
            st.caption(f"{gone} left out of the dataset since the check.")
        buttons_of(workspace, dataset, finding, images)


def cards(
    workspace: Workspace,
    dataset: Dataset,
    found: Sequence[Finding],
    images: dict[int, Sample],
) -> None:
    """Findings of one image each, side by side."""
    for start in range(0, len(found), COLUMNS):
        columns = st.columns(COLUMNS)
        for column, finding in zip(columns, found[start : start + COLUMNS], strict=False):
            with column, st.container(border=True, key=f"finding_{finding.id}"):
                own = [images[i] for i in finding.sample_ids if i in images]
                if own:
                    images_gallery(workspace, dataset, own, f"pictures_{finding.id}", 160)
                st.caption(text.plain(finding.message))
                buttons_of(workspace, dataset, finding, own)


@st.fragment
@errors.shown()
def card(
    workspace: Workspace, dataset: Dataset, kind: FindingKind, count: int, status: FindingStatus
) -> None:
    title, advice = WORDS[kind]
    with st.container(border=True, key=f"card_{kind}"):
        st.markdown(f"#### {title}")
        st.caption(f"{text.count(count, 'finding')}. {advice}")
        if status is FindingStatus.OPEN:
            for_all(workspace, dataset, kind, count)
        per_page = PER_PAGE if kind not in ONE_IMAGE else 2 * COLUMNS
        pages = -(-count // per_page)
        page = min(pages, st.session_state.get(f"page_{kind}_{dataset.id}", 1))
        found = quality.findings(
            workspace, dataset.id, kind, status=status, limit=per_page, offset=(page - 1) * per_page
        )
        images = samples_of(workspace, found, status)
        if kind in ONE_IMAGE:
            cards(workspace, dataset, found, images)
        else:
            for number, finding in enumerate(found):
                if number:
                    st.divider()
                own = [images[i] for i in finding.sample_ids if i in images]
                row(workspace, dataset, finding, own[:SHOWN_IMAGES])
        if pages > 1:
            with st.container(horizontal=True, horizontal_alignment="center"):
                st.pagination(pages, width="stretch", key=f"page_{kind}_{dataset.id}")


def samples_of(
    workspace: Workspace, found: Sequence[Finding], status: FindingStatus
) -> dict[int, Sample]:
    """The images to show; those that are left out only where the fix is looked at."""
    ids = [i for finding in found for i in finding.sample_ids[: 4 * SHOWN_IMAGES]]
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
        help="Ignored findings can be reopened. Fixed ones open again when the edit is undone.",
    )
    return FindingStatus(chosen)


def page(workspace: Workspace) -> None:
    found = {d.id: d.name for d in datasets.list_datasets(workspace)}
    if not found:
        widgets.empty_state(
            "troubleshoot",
            "Nothing to check yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    chosen = state.choose("dataset", found, label="Dataset", help="Which images to check.")
    dataset = datasets.find_dataset(workspace, chosen or "")
    if progress(workspace, dataset):
        return
    check = quality.last_check(workspace, dataset.id)
    if check is None:
        st.info(
            "These images have not been checked yet. The check looks for duplicates, for the "
            "same part photographed several times, for contradicting and doubtful labels, for "
            "unusual images and for file properties that give the class away. A thousand "
            "images take about a minute."
        )
        check_again(workspace, dataset, "Check now")
        return
    counts = quality.finding_counts(workspace, dataset.id)
    summary(workspace, dataset, check, counts)
    undo_bar(workspace, dataset)
    status = chosen_status(workspace, dataset)
    listed = quality.finding_counts(workspace, dataset.id, status)
    if not listed and status is FindingStatus.OPEN:
        st.success("Nothing is left to do: no open finding.", icon=":material/check_circle:")
    for kind, count in listed.items():
        card(workspace, dataset, kind, count, status)


widgets.page_heading("Quality", "Most bad classifiers are bad datasets: find out before training.")
page(state.workspace())
