"""Datasets: the images in a dense grid, with filters, a map, statistics, classes and settings."""

from dataclasses import dataclass

import streamlit as st

from core.domain.datasets import Dataset, SampleFilter, SampleOrder, SampleStatus
from core.domain.findings import FindingKind
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.domain.stages.states import Stage, StageReason
from core.workflows import stages
from core.workflows.data import datasets, image_facts, quality
from core.workspace import Workspace
from pages.data import dataset_files
from pages.data.classes import editing
from pages.data.findings.words import FINDING_WORDS
from pages.ui import context, errors, state, text, widgets
from pages.ui.components import chart, selectable_chart
from pages.ui.figures import dataset_charts
from pages.ui.image_grid import editable_images
from pages.ui.places import Place
from pages.ui.viewer.marks import MARKS

TABS = ("Images", "Map", "Statistics", "Classes", "Settings")
MOST_CHIPS = 12  # classes; more are chosen from a list
ORDER_WORDS = {
    SampleOrder.IMPORT: "import order",
    SampleOrder.NAME: "name",
    SampleOrder.SIZE: "number of pixels",
    SampleOrder.DATE: "file date",
    SampleOrder.SHARPNESS: "sharpness",
    SampleOrder.BRIGHTNESS: "brightness",
    SampleOrder.CONFIDENCE: "confidence in the label",
}


def facts(workspace: Workspace, dataset: Dataset) -> None:
    """What the dataset is, in one line, and the way on."""
    excluded = datasets.count_images(
        workspace, dataset.id, SampleFilter(status=SampleStatus.EXCLUDED)
    )
    parts = [
        text.count(dataset.sample_count, "image"),
        text.count(len(dataset.class_names), "class"),
        *([f"{excluded:,} excluded"] if excluded else []),
        f"from {text.plain(dataset.source)}, {text.when(dataset.created_at)}",
    ]
    with st.container(horizontal=True, vertical_alignment="center", key="dataset_facts"):
        st.caption(" · ".join(parts), width="stretch")
        _way_on(workspace, dataset)


def _way_on(workspace: Workspace, dataset: Dataset) -> None:
    """Quality and split; the one that comes next, as the steps above say, is the main button."""
    found = stages.stages_of(workspace, dataset)
    for stage, label, place, key in (
        (Stage.CHECKED, "quality", Place.QUALITY, "to_check"),
        (Stage.SPLIT, "split", Place.SPLIT, "to_split"),
    ):
        is_next = found.next_step.stage is stage
        is_checked = found.states[stage].reason is not StageReason.NEVER_CHECKED
        if stage is Stage.CHECKED and is_checked and not is_next:
            continue
        if st.button(
            f"Next: {label}" if is_next else place.label,
            icon=place.icon,
            type="primary" if is_next else "secondary",
            key=key,
        ):
            st.switch_page(place, query_params={"dataset": dataset.id})


def class_filter(dataset: Dataset) -> int | None:
    """The class index to show; None: all classes."""
    names = list(dataset.class_names)
    if st.session_state.get("class") not in (None, *names):
        st.session_state["class"] = None
    if len(names) <= MOST_CHIPS:
        chosen = st.pills(
            "Class",
            names,
            format_func=text.linkable,
            key="class",
            bind="query-params",
            label_visibility="collapsed",
            wrap=True,
        )
    else:
        chosen = st.selectbox(
            "Class",
            names,
            index=None,
            placeholder="Any class",
            key="class",
            bind="query-params",
            label_visibility="collapsed",
        )
    return names.index(chosen) if chosen in names else None


@dataclass(frozen=True)
class Wanted:
    """Which images of a dataset are shown, and in which order."""

    chosen: SampleFilter
    order: SampleOrder
    descending: bool


def filters(workspace: Workspace, dataset: Dataset) -> Wanted:
    """The row above the grid: search, subset, finding, mark and order; all of it in the link."""
    label = class_filter(dataset)
    split = context.split(workspace)
    kinds = list(quality.finding_counts(workspace, dataset.id))
    if st.session_state.get("finding") not in (None, *kinds):
        st.session_state["finding"] = None
    with st.container(horizontal=True, vertical_alignment="center", key="image_filters"):
        words = st.text_input(
            "Search",
            key="search",
            bind="query-params",
            placeholder="Search name or part",
            icon=":material/search:",
            label_visibility="collapsed",
            width=210,
        )
        subset = _one_of("Subset", list(Subset) if split else [], "subset", 125)
        kind = _one_of("Finding", kinds, "finding", 160)
        mark = _one_of("Mark", list(MarkKind), "mark", 150)
        with st.popover("View", type="tertiary", icon=":material/tune:", key="image_view"):
            order, descending, excluded = view()
    chosen = SampleFilter(
        label=label,
        split_id=split.id if split and subset else None,
        subset=Subset(subset) if split and subset else None,
        finding=FindingKind(kind) if kind else None,
        mark=MarkKind(mark) if mark else None,
        status=SampleStatus.EXCLUDED if excluded else SampleStatus.USED,
        text=(words or "").strip(),
    )
    return Wanted(chosen, order, descending)


def _one_of(
    noun: str, options: list[Subset] | list[FindingKind] | list[MarkKind], key: str, width: int
) -> str | None:
    """A compact list; nothing chosen does not restrict."""
    return st.selectbox(
        noun,
        options,
        index=None,
        placeholder=noun,
        format_func=_words,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
        disabled=not options,
        width=width,
    )


def _words(option: Subset | FindingKind | MarkKind) -> str:
    if isinstance(option, FindingKind):
        return FINDING_WORDS[option].chip
    return MARKS[option].label if isinstance(option, MarkKind) else option.value


def view() -> tuple[SampleOrder, bool, bool]:
    """The order of the grid, whether it is descending, and whether excluded images are shown."""
    order = st.selectbox(
        "Sort by",
        list(SampleOrder),
        key="sort",
        bind="query-params",
        format_func=ORDER_WORDS.__getitem__,
        help="Confidence is known after a quality check. Images without a value come last.",
    )
    descending = st.toggle("Largest or newest first", key="descending", bind="query-params")
    excluded = st.toggle(
        "Excluded images",
        key="excluded",
        bind="query-params",
        help="They stay stored and can be included again.",
    )
    return order or SampleOrder.IMPORT, descending, excluded


@st.fragment
@errors.shown()
def show_images(workspace: Workspace, dataset_id: str) -> None:
    dataset = still_there(workspace, dataset_id)
    wanted = filters(workspace, dataset)
    if wanted.chosen.status is SampleStatus.EXCLUDED:
        st.caption(":material/hide_image: Excluded images. View shows those in use again.")
    editable_images(
        workspace,
        dataset.id,
        wanted.chosen,
        key="pictures",
        order=wanted.order,
        descending=wanted.descending,
    )


def still_there(workspace: Workspace, dataset_id: str) -> Dataset:
    """The dataset of a fragment; the whole page again where somebody deleted it meanwhile."""
    if all(d.id != dataset_id for d in datasets.list_datasets(workspace)):
        st.rerun()
    return datasets.find_dataset(workspace, dataset_id)


@st.fragment
@errors.shown()
def show_map(workspace: Workspace, dataset_id: str) -> None:
    dataset = still_there(workspace, dataset_id)
    image_map = image_facts.image_map(workspace, dataset.id)
    if not image_map.points:
        st.info("There is no map yet. The quality check makes it: similar images lie together.")
        if st.button("Go to the quality check", icon=":material/troubleshoot:", key="to_quality"):
            st.switch_page(Place.QUALITY, query_params={"dataset": dataset.id})
        return
    shown = ""
    if image_map.total > len(image_map.points):
        shown = f" {len(image_map.points):,} of {image_map.total:,} images."
    st.caption(f"Neighbors look alike. Draw around points to see their images.{shown}")
    figure = dataset_charts.image_map(image_map.points, dataset.class_names)
    ids = selectable_chart(figure, f"map_{dataset.id}", description="Map of similar images")
    if ids:
        st.header(f"{text.count(len(ids), 'selected image')}")
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
    dataset_files.news(workspace, dataset)
    images, image_map, statistics, classes, settings = st.tabs(
        TABS, on_change="rerun", key="tab", bind="query-params"
    )
    with images:
        if images.open:
            show_images(workspace, dataset.id)
    with image_map:
        if image_map.open:
            show_map(workspace, dataset.id)
    with statistics:
        if statistics.open:
            show_statistics(workspace, dataset)
    with classes:
        if classes.open:
            editing.show(workspace, dataset)
    with settings:
        if settings.open:
            dataset_files.settings(workspace, dataset)


widgets.page_heading(Place.DATASETS, "Know your images before you train on them.")
page(state.workspace())
