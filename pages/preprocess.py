"""Preprocess: see the pixels the network will see."""

from dataclasses import replace

import streamlit as st

from core.data.images import read_image
from core.data.preprocess import preprocess_image
from core.domain import Dataset, PreprocessConfig
from core.errors import TouchstoneError
from core.models.catalog import DEFAULT_NETWORK
from core.workflows import datasets, training
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets

SHOWN = 4


def form(config: PreprocessConfig, dataset_id: str) -> PreprocessConfig:
    names = ["image_size_px", "resize_mode", "channels", "normalization"]
    values = widgets.config_fields(config, names, key=f"pre_{dataset_id}")
    with st.expander("Region of interest"):
        st.caption("Only this part of every picture is used, given in shares of its sides.")
        region = ["roi_left", "roi_top", "roi_right", "roi_bottom"]
        values |= widgets.config_fields(config, region, key=f"pre_{dataset_id}")
    return replace(config, **values)


@st.cache_data(max_entries=64, show_spinner=False)
def before_and_after(path: str, _config: PreprocessConfig, digest: str) -> tuple[object, object]:
    """The picture as it is, and the network's pixels; `digest` is the cache key of the config."""
    image = read_image(state.workspace().resolve(path))
    after = preprocess_image(image, _config)
    image.thumbnail((600, 600))
    return image, after


def preview(workspace: Workspace, dataset: Dataset, config: PreprocessConfig) -> None:
    chosen = _one_per_class(workspace, dataset)
    top, bottom = st.columns(len(chosen)), st.columns(len(chosen))
    for sample, above, below in zip(chosen, top, bottom, strict=True):
        try:
            before, after = before_and_after(sample.path, config, config.digest)
        except TouchstoneError as err:
            above.caption(text.plain(err.message))
            continue
        label = dataset.class_names[sample.label or 0]
        above.image(before, width="stretch",  # type: ignore[arg-type]
                    caption=f"{text.plain(label)}, {sample.width} × {sample.height}")  # fmt: skip
        below.image(after, width="stretch",  # type: ignore[arg-type]
                    caption=f"what the network sees, {config.image_size_px} × "
                    f"{config.image_size_px}")  # fmt: skip


def _one_per_class(workspace: Workspace, dataset: Dataset) -> list:  # type: ignore[type-arg]
    offset = st.session_state.get("preview_offset", 0)
    chosen = []
    for label in range(min(SHOWN, len(dataset.class_names))):
        found, total = datasets.samples(workspace, dataset.id, label=label, limit=1)
        if total:
            found, _ = datasets.samples(workspace, dataset.id, label=label, limit=1,
                                        offset=offset % total)  # fmt: skip
        chosen.extend(found)
    return chosen


def page(workspace: Workspace) -> None:
    found = {d.id: d.name for d in datasets.list_datasets(workspace)}
    if not found:
        widgets.empty_state("tune", "No pictures yet", "Import pictures first.",
                            ("import_pictures.py", "Import pictures", "upload"))  # fmt: skip
        return
    chosen = state.choose("dataset", found, label="Dataset", help="Which pictures.")
    dataset = datasets.find_dataset(workspace, chosen or "")
    left, right = st.columns([2, 5], gap="large")
    saved = datasets.saved_preprocess(workspace, dataset.id)
    start = saved or training.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK)
    with left, st.container(border=True):
        try:
            config = form(start, dataset.id)
        except TouchstoneError as err:
            errors.show(err)
            return
        with st.container(horizontal=True):
            if st.button("Save for training", type="primary", icon=":material/save:", key="save",
                         disabled=config == saved):  # fmt: skip
                datasets.save_preprocess(workspace, dataset.id, config)
                st.toast("Saved: the next training on this dataset uses it.")
                st.rerun()
            if saved and st.button("Back to the network's own", key="forget"):
                datasets.save_preprocess(workspace, dataset.id, None)
                for key in [k for k in st.session_state if str(k).startswith("pre_")]:
                    del st.session_state[key]
                st.rerun()
        st.caption(
            "Saved settings are used by the next training on this dataset; they travel inside the "
            "model." if saved else
            "Nothing is saved: trainings use the picture size of their network, stretched."
        )  # fmt: skip
        if config.image_size_px < 96:
            st.warning("Below 96 px, most networks see too little. The smallest is 32 px.")
    with right:
        preview(workspace, dataset, config)
        if st.button("Other pictures", icon=":material/refresh:", key="other"):
            st.session_state.preview_offset = st.session_state.get("preview_offset", 0) + 1
            st.rerun()


widgets.page_heading("Preprocess", "See what the network will see, before it learns from it.")
page(state.workspace())
