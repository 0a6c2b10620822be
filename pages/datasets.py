"""Datasets: look at the pictures."""

import streamlit as st

from core.domain import Dataset, Sample
from core.errors import TouchstoneError
from core.workflows import datasets, splits
from core.workspace import Workspace
from pages.ui import errors, figures, routes, state, text, widgets
from pages.ui.components import chart


@st.dialog("Picture", width="large", position="right")
@errors.shown()
def show_picture(sample: Sample, dataset: Dataset) -> None:
    left, right = st.columns([3, 2], gap="medium")
    path = state.workspace().resolve(sample.path)
    if path.is_file():
        left.image(str(path), width=min(640, max(256, 3 * sample.width)))
    else:
        left.warning("The file is not there any more. Bring it back, or import again.")
    with right:
        _facts_of(sample, dataset)


def _facts_of(sample: Sample, dataset: Dataset) -> None:
    label = dataset.class_names[sample.label] if sample.label is not None else "no label"
    st.markdown(f"#### {text.plain(label)}")
    st.markdown(
        f"{sample.width} × {sample.height} pixels · {text.size(sample.file_size)} · "
        f"{'gray' if sample.mode == 'L' else 'colour'}"
    )
    st.caption(text.plain(sample.path))
    st.link_button("Original file", routes.picture_url(sample.id), icon=":material/open_in_new:")


@st.dialog("Delete dataset")
@errors.shown()
def confirm_delete(dataset: Dataset) -> None:
    st.markdown(
        f"Delete **{text.plain(dataset.name)}** with its splits and runs? Models trained on it "
        "stay. Pictures that were imported from a folder are not touched."
    )
    if st.button("Delete", type="primary", icon=":material/delete:", key="delete_now"):
        datasets.delete_dataset(state.workspace(), dataset.id)
        st.session_state.pop("chosen_dataset", None)
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
    counts = datasets.class_counts(workspace, dataset)
    left, right = st.columns([2, 3], gap="large")
    with left:
        cells = st.columns(3)
        cells[0].metric("Pictures", f"{dataset.sample_count:,}", border=True)
        cells[1].metric("Classes", len(dataset.class_names), border=True)
        cells[2].metric("Splits", len(splits.list_splits(workspace, dataset.id)), border=True)
        st.caption(
            f"From {text.plain(dataset.source)}, imported {text.when(dataset.created_at)}. "
            f"Content {dataset.digest[:12]}."
        )
        widgets.skipped_files(dataset.skipped, "skipped at the import")
        with st.container(horizontal=True):
            if st.button("Split", icon=":material/call_split:", type="primary", key="to_split"):
                st.switch_page("split.py", query_params={"dataset": dataset.id})
            if st.button("Rename", icon=":material/edit:", key="rename"):
                rename(dataset)
            if st.button("Delete", icon=":material/delete:", key="delete"):
                confirm_delete(dataset)
    with right:
        chart(figures.class_counts(counts, dark=state.is_dark()), "class_counts",
              description="Pictures per class")  # fmt: skip


@st.fragment
@errors.shown()
def pictures(workspace: Workspace, dataset: Dataset) -> None:
    st.subheader("Pictures")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = ["all classes", *dataset.class_names]
        chosen = st.selectbox("Class", range(len(names)), format_func=names.__getitem__,
                              key="class_filter", width=260)  # fmt: skip
        query = st.text_input("File name contains", key="text_filter", width=260)
    clicked = widgets.paged_samples(
        lambda limit, offset: datasets.samples(
            workspace, dataset.id, label=chosen - 1 if chosen else None, text=query.strip(),
            limit=limit, offset=offset,
        ),
        lambda sample: widgets.sample_tile(sample, dataset.class_names),
        key=f"pictures_{dataset.id}",
    )  # fmt: skip
    if clicked:
        show_picture(clicked, dataset)


widgets.page_heading("Datasets", "Know your pictures before you train on them.")
found = {d.id: d.name for d in datasets.list_datasets(state.workspace())}
if found:
    chosen_id = state.choose("dataset", found, label="Dataset", help="Which pictures to look at.")
    opened = datasets.find_dataset(state.workspace(), chosen_id or "")
    facts(state.workspace(), opened)
    pictures(state.workspace(), opened)
else:
    widgets.empty_state(
        "photo_library", "No pictures yet", "Import a folder or a ZIP, or start with the demo.",
        ("import_pictures.py", "Import pictures", "upload"), ("home.py", "Try the demo", "home"),
    )  # fmt: skip
