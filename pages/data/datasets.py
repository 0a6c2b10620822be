"""Datasets: view and relabel images, change classes."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.domain.datasets import (
    Dataset,
    DatasetVersion,
    SampleFilter,
    SampleOrder,
    SampleStatus,
    Verdict,
)
from core.domain.findings import FindingKind
from core.domain.splits import Subset
from core.errors import TouchstoneError
from core.workflows.data import datasets, edits, image_facts, quality, splits, versions
from core.workspace import Workspace
from pages.data import dataset_files
from pages.data.quality_words import FINDING_WORDS
from pages.ui import context, errors, state, text, widgets
from pages.ui.components import chart, selectable_chart
from pages.ui.figures import dataset_charts
from pages.ui.image_grid import editable_images
from pages.ui.places import Place

TABS = ("Images", "Map", "Statistics", "Classes")
ORDER_WORDS = {
    SampleOrder.IMPORT: "import order",
    SampleOrder.NAME: "name",
    SampleOrder.SIZE: "number of pixels",
    SampleOrder.DATE: "file date",
    SampleOrder.SHARPNESS: "sharpness",
    SampleOrder.BRIGHTNESS: "brightness",
    SampleOrder.CONFIDENCE: "confidence in the label",
}
STATUS_WORDS = {SampleStatus.USED: "in use", SampleStatus.EXCLUDED: "excluded"}
UNDECIDED = "–"


@st.dialog("Delete dataset")
@errors.shown()
def confirm_delete(dataset: Dataset) -> None:
    st.markdown(
        f"Delete **{text.plain(dataset.name)}** with its splits and runs? Models trained on it "
        "stay. Images in their original folder are not deleted."
    )
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        datasets.delete_dataset(state.workspace(), dataset.id)
        st.query_params.clear()
        st.rerun()


@st.dialog("Rename dataset")
@errors.shown()
def rename(dataset: Dataset) -> None:
    name = st.text_input("New name", value=dataset.name, max_chars=100)
    if st.button("Rename", type="primary", key="rename_now"):
        try:
            datasets.rename_dataset(state.workspace(), dataset.id, name)
        except TouchstoneError as err:
            errors.show(err)
        else:
            st.rerun()


def facts(workspace: Workspace, dataset: Dataset) -> None:
    cells = st.columns(4)
    excluded = datasets.count_images(
        workspace, dataset.id, SampleFilter(status=SampleStatus.EXCLUDED)
    )
    cells[0].metric(
        "Images",
        f"{dataset.sample_count:,}",
        border=True,
        help="Images in use. Excluded images stay stored and can be restored.",
    )
    cells[1].metric(
        "Classes", len(dataset.class_names), border=True, help="Number of different labels."
    )
    cells[2].metric(
        "Splits",
        len(splits.list_splits(workspace, dataset.id)),
        border=True,
        help="Saved splits into training, validation and test.",
    )
    cells[3].metric(
        "Version",
        dataset.version,
        border=True,
        help=f"Every change makes a version that you can restore. Content: {dataset.digest[:12]}.",
    )
    if scale := image_facts.scale_in_words(dataset):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(scale)
            st.page_link(
                Place.PREPROCESS,
                label="Change",
                icon=":material/tune:",
                query_params={"dataset": dataset.id},
            )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Split", icon=":material/call_split:", type="primary", key="to_split"):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        if st.button("Versions and export", icon=":material/history:", key="to_versions"):
            st.switch_page(Place.VERSIONS, query_params={"dataset": dataset.id})
        if st.button("Rename", icon=":material/edit:", key="rename"):
            rename(dataset)
        if st.button("Delete", icon=":material/delete:", key="delete"):
            confirm_delete(dataset)
        st.caption(
            f"From {text.plain(dataset.source)}, imported {text.when(dataset.created_at)}."
            + (f" {excluded:,} excluded." if excluded else "")
        )
    widgets.skipped_files(dataset.skipped, "skipped during the import")
    dataset_files.section(workspace, dataset)


def subset_options(workspace: Workspace, dataset: Dataset) -> list[tuple[str, Subset] | None]:
    newest = splits.list_splits(workspace, dataset.id)[:10]
    return [None, *((split.id, subset) for split in newest for subset in Subset)]


@st.fragment
@errors.shown()
def show_images(workspace: Workspace, dataset_id: str) -> None:
    dataset = datasets.find_dataset(workspace, dataset_id)
    names = ["all classes", *dataset.class_names]
    split_names = {s.id: s.name for s in splits.list_splits(workspace, dataset.id)}
    orders = list(SampleOrder)
    kinds: list[FindingKind | None] = [None, *quality.finding_counts(workspace, dataset.id)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox(
            "Class",
            range(len(names)),
            format_func=names.__getitem__,
            key=f"class_filter_{len(names)}",
            width=180,
            help="Shows only images of this class.",
        )
        place = st.selectbox(
            "Subset",
            subset_options(workspace, dataset),
            key="subset_filter",
            width=210,
            format_func=lambda o: f"{o[1].value} of {split_names[o[0]]}" if o else "all subsets",
            help="Shows only images in this subset of a split.",
        )
        kind = st.selectbox(
            "Finding",
            kinds,
            key="finding_filter",
            width=180,
            format_func=lambda k: FINDING_WORDS[k].title if k else "all images",
            help="Shows only images with an open finding of this kind.",
        )
        text_part = st.text_input(
            "Name or part contains",
            key="text_filter",
            width=190,
            help="Text in the path or in the name of the part.",
        )
        order = st.selectbox(
            "Sort by",
            orders,
            key="order",
            width=190,
            format_func=ORDER_WORDS.__getitem__,
            help="Confidence is known after a quality check. Images without a value come last.",
        )
        descending = st.toggle(
            "Descending", key="descending", help="Largest, newest or last first."
        )
        status = st.segmented_control(
            "State",
            list(STATUS_WORDS),
            format_func=STATUS_WORDS.__getitem__,
            required=True,
            default=SampleStatus.USED,
            key="status_filter",
            help="Excluded images stay stored but are not used.",
        )
    chosen = SampleFilter(
        label=label - 1 if label else None,
        split_id=place[0] if place else None,
        subset=place[1] if place else None,
        finding=kind,
        status=status,
        text=text_part.strip(),
    )
    editable_images(
        workspace, dataset.id, chosen, key="pictures", order=order, descending=descending
    )


@st.fragment
@errors.shown()
def show_map(workspace: Workspace, dataset_id: str) -> None:
    dataset = datasets.find_dataset(workspace, dataset_id)
    image_map = image_facts.image_map(workspace, dataset.id)
    if not image_map.points:
        st.info(
            "There is no map yet. The quality check makes it: similar images lie close together, "
            "so that an image among those of another class stands out."
        )
        if st.button("Go to the quality check", icon=":material/troubleshoot:", key="to_quality"):
            st.switch_page(Place.QUALITY, query_params={"dataset": dataset.id})
        return
    st.caption(
        "Neighbors look alike. Draw around points to see their images; double-click to clear the "
        "selection."
    )
    if image_map.total > len(image_map.points):
        st.caption(f"Showing {len(image_map.points):,} of {image_map.total:,} images.")
    figure = dataset_charts.image_map(image_map.points, dataset.class_names)
    ids = selectable_chart(figure, f"map_{dataset.id}", description="Map of similar images")
    if ids:
        st.subheader(f"{text.count(len(ids), 'selected image')}")
        editable_images(workspace, dataset.id, SampleFilter(ids=ids), key="map_pictures")


def show_statistics(workspace: Workspace, dataset: Dataset) -> None:
    spread = image_facts.statistics(workspace, dataset)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Images per class**")
        counts = datasets.class_counts(workspace, dataset)
        chart(
            dataset_charts.class_counts(counts, coloured=True),
            "class_counts",
            description="Images per class",
        )
        st.markdown("**Sizes**")
        chart(dataset_charts.sizes(spread.sizes), "sizes", description="Sizes of images")
        if spread.size_count > len(spread.sizes):
            st.caption(f"The {len(spread.sizes)} most frequent of {spread.size_count:,} sizes.")
    with right:
        if not spread.brightness and not spread.sharpness:
            st.info("Brightness and sharpness are not measured yet. Run the quality check.")
        if spread.brightness:
            st.markdown("**Brightness**")
            chart(
                dataset_charts.spread(
                    spread.brightness,
                    spread.brightness_edges,
                    title="mean gray value (0 = black, 1 = white)",
                ),
                "brightness",
                description="Brightness of images",
            )
        if spread.sharpness:
            st.markdown("**Sharpness**")
            chart(
                dataset_charts.spread(
                    spread.sharpness,
                    spread.sharpness_edges,
                    title="variance of the Laplacian (logarithmic)",
                    logarithmic=True,
                ),
                "sharpness",
                description="Sharpness of images",
            )


def show_classes(workspace: Workspace, dataset: Dataset) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        verdicts(workspace, dataset)
    with right:
        rename_class(workspace, dataset)
        merge_classes(workspace, dataset)
        add_class(workspace, dataset)
        undo_button(workspace, dataset)


def verdicts(workspace: Workspace, dataset: Dataset) -> None:
    st.markdown("**OK or NOK**")
    st.caption(
        "Set which classes are good (OK) and which are defective (NOK). Results then include "
        "escapes and false rejects."
    )
    counts = datasets.class_counts(workspace, dataset)
    rows: dict[str, list[Any]] = {
        "class": list(dataset.class_names),
        "images": [counts[name] for name in dataset.class_names],
        "verdict": [verdict.value if verdict else UNDECIDED for verdict in dataset.verdicts],
    }
    edited = st.data_editor(
        rows,
        hide_index=True,
        disabled=["class", "images"],
        key=f"verdicts_{dataset.version}",
        column_config={
            "verdict": st.column_config.SelectboxColumn(
                "verdict",
                options=[UNDECIDED, *(v.value for v in Verdict)],
                required=True,
                help="OK: good part. NOK: defective part.",
            )
        },
    )
    wanted = {
        name: None if verdict == UNDECIDED else Verdict(verdict)
        for name, verdict in zip(dataset.class_names, edited["verdict"], strict=True)
    }
    changed = tuple(wanted.values()) != dataset.verdicts
    if st.button("Save verdicts", type="primary", key="save_verdicts", disabled=not changed):
        act(lambda: edits.set_verdicts(workspace, dataset.id, wanted))


def rename_class(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("rename_class", clear_on_submit=True):
        st.markdown("**Rename a class**")
        old = st.selectbox("Class", dataset.class_names, key="rename_from")
        new = st.text_input("New name", key="rename_to", max_chars=200)
        if st.form_submit_button("Rename", key="do_rename_class"):
            act(lambda: edits.rename_class(workspace, dataset.id, old, new))


def merge_classes(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("merge_classes", clear_on_submit=True):
        st.markdown("**Merge classes**")
        wanted = st.multiselect(
            "Classes",
            dataset.class_names,
            key="merge_from",
            help="Choose at least two. Their images get the same class.",
        )
        into = st.text_input(
            "Name of the merged class",
            key="merge_into",
            max_chars=200,
            help="One of these names, or a new one.",
        )
        if st.form_submit_button("Merge", key="do_merge_classes"):
            act(lambda: edits.merge_classes(workspace, dataset.id, wanted, into))


def add_class(workspace: Workspace, dataset: Dataset) -> None:
    with st.form("add_class", clear_on_submit=True):
        st.markdown("**Add a class**")
        name = st.text_input(
            "Name",
            key="add_name",
            max_chars=200,
            help="The class has no images until you relabel some.",
        )
        if st.form_submit_button("Add", key="do_add_class"):
            act(lambda: edits.add_class(workspace, dataset.id, name))


def undo_button(workspace: Workspace, dataset: Dataset) -> None:
    last = versions.next_undo(workspace, dataset.id)
    if last and st.button(
        "Undo", icon=":material/undo:", key="undo", help=f"Undoes: {text.plain(last.summary)}"
    ):
        act(lambda: edits.undo(workspace, dataset.id))


def act(edit: Callable[[], DatasetVersion]) -> None:
    """Apply an edit and show its summary, or why it is not possible."""
    try:
        made = edit()
    except TouchstoneError as err:
        errors.show(err)
    else:
        st.toast(text.plain(made.summary), icon=":material/check:")
        st.rerun()


def page(workspace: Workspace) -> None:
    dataset = context.dataset(workspace)
    if dataset is None:
        widgets.empty_state(
            "photo_library",
            "No images yet",
            "Import a folder or a ZIP file, or start with the demo.",
            (Place.IMPORT, "Import images"),
            (Place.HOME, "Try the demo"),
        )
        return
    facts(workspace, dataset)
    tabs = st.tabs(TABS, on_change="rerun", key="dataset_tabs")
    with tabs[0]:
        if tabs[0].open:
            show_images(workspace, dataset.id)
    with tabs[1]:
        if tabs[1].open:
            show_map(workspace, dataset.id)
    with tabs[2]:
        if tabs[2].open:
            show_statistics(workspace, dataset)
    with tabs[3]:
        if tabs[3].open:
            show_classes(workspace, dataset)


widgets.page_heading(Place.DATASETS, "Know your images before you train on them.")
page(state.workspace())
