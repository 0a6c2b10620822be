"""Preprocess: see the pixels the network will see."""

import contextlib
import html
from dataclasses import replace
from typing import Any

import streamlit as st

from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import Dataset, Sample
from core.domain.depth import LEVEL_SETTINGS, GrayLevels
from core.domain.keeping.people import Right
from core.domain.settings import settings_of
from core.errors import ConfigError, TouchstoneError
from core.models.catalog import DEFAULT_NETWORK
from core.workflows.data import datasets, image_facts
from core.workflows.training import runs
from core.workspace import Workspace
from pages.training import preview
from pages.ui import context, errors, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place

SHOWN = 4
LINK = "pixels"  # in the link: what is not saved yet
EDGES = (("roi_left", "roi_right"), ("roi_top", "roi_bottom"))  # one slider each
REGION = tuple(name for edges in EDGES for name in edges)
_RESET = "preprocess_reset"  # in the session: show the network's default


def form(config: PreprocessConfig, dataset: Dataset) -> PreprocessConfig:
    """The settings asked for; at first those given, and what was not saved before a reload."""
    _restore(config, dataset)
    dataset_id = dataset.id
    own = (*REGION, *LEVEL_SETTINGS)
    names = [setting.name for setting in settings_of(config) if setting.name not in own]
    values = widgets.config_fields(config, names, key=f"pre_{dataset_id}")
    if dataset.levels is not None:
        values |= _levels(config, dataset, dataset.levels)
    with st.expander("Region of interest"):
        for title, edges in zip(("Left and right edge", "Top and bottom edge"), EDGES, strict=True):
            values |= _range(title, *edges, config, dataset_id)
    asked = replace(config, **values)
    _keep(config, asked, dataset)
    return asked


def _restore(config: PreprocessConfig, dataset: Dataset) -> None:
    """Fill fields that are not drawn yet from the link; what is impossible there is left out."""
    usual = _fields(config, dataset)
    if st.session_state.pop(_RESET, False):  # a browser shows what it had until it is told
        st.session_state.update(usual)
        return
    typed = state.draft(LINK, dataset.id)
    values: dict[str, Any] = {}
    for setting in settings_of(config):
        with contextlib.suppress(KeyError, ConfigError):
            value = setting.read(typed[setting.name])
            setting.check(value)
            values[setting.name] = value
    drafted = config
    with contextlib.suppress(ConfigError):  # such as a region without a width
        drafted = replace(config, **values)
    for key, shown in _fields(drafted, dataset).items():
        if shown != usual[key]:
            st.session_state.setdefault(key, shown)


def _keep(config: PreprocessConfig, asked: PreprocessConfig, dataset: Dataset) -> None:
    changed = {
        setting.name: getattr(asked, setting.name)
        for setting in settings_of(asked)
        if getattr(asked, setting.name) != getattr(config, setting.name)
    }
    state.keep_draft(LINK, dataset.id, changed)


def _fields(config: PreprocessConfig, dataset: Dataset) -> dict[str, Any]:
    """Key of a field -> what it shows of a config."""
    shown = {setting.name: getattr(config, setting.name) for setting in settings_of(config)}
    for low, high in EDGES:  # one slider with two handles
        shown[low] = (round(100 * shown[low]), round(100 * shown.pop(high)))
    return {f"pre_{dataset.id}_{name}": value for name, value in shown.items()}


def _levels(config: PreprocessConfig, dataset: Dataset, levels: GrayLevels) -> dict[str, float]:
    """Which gray values become black and white; the measured ones where both are 0."""
    values = {}
    for column, setting in zip(
        st.columns(2), (s for s in settings_of(config) if s.name in LEVEL_SETTINGS), strict=True
    ):
        values[setting.name] = column.number_input(
            setting.title,
            value=float(getattr(config, setting.name)),
            step=levels.span / 100,
            format="%.10g",
            key=f"pre_{dataset.id}_{setting.name}",
            help=setting.help,
        )
    st.caption(_measured_in_words(dataset))
    if mixed := image_facts.mixed_scales_in_words(dataset):
        st.warning(text.plain(mixed), icon=":material/warning:")
    return values


def _measured_in_words(dataset: Dataset) -> str:
    measured = dataset.depth.levels if dataset.depth else None
    if dataset.depth is None or measured is None:
        return "These images have not been measured."
    bits = dataset.depth.scale_bits
    origin = f"{bits} bits" if bits else "from the images"
    return f"Measured: {measured.black:,.10g} to {measured.white:,.10g} ({origin})."


def _range(
    title: str, low: str, high: str, config: PreprocessConfig, dataset_id: str
) -> dict[str, float]:
    """One slider with two handles at least 5% apart, so that no empty region can be asked for."""
    start = (round(100 * getattr(config, low)), round(100 * getattr(config, high)))
    first, last = st.slider(
        title,
        0,
        100,
        start,
        format="%d%%",
        key=f"pre_{dataset_id}_{low}",
        help="Everything outside is cut off before resizing.",
    )
    first = min(first, 95)
    return {low: first / 100, high: max(last, first + 5) / 100}


def shown(workspace: Workspace, dataset: Dataset, config: PreprocessConfig) -> None:
    """Originals above the pixels of the network, one column for each class.

    Why one element: of several, those below move down when those above get their height.
    """
    offset = st.session_state.get("preview_offset", 0)
    columns = []
    for sample in preview.one_per_class(workspace, dataset, at_most=SHOWN, offset=offset):
        try:
            urls = preview.before_and_after(sample, sample.sha256, config, config.digest)
        except TouchstoneError as err:
            errors.show(err)
            continue
        name = dataset.class_names[sample.label or 0]
        columns.append(_column(name, sample, urls, config.image_size_px))
    if columns:
        st.html(
            "<div style='display:grid;gap:0 1rem;"
            "grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))'>"
            f"{''.join(columns)}</div>"
        )


def _column(name: str, sample: Sample, urls: preview.Urls, side_px: int) -> str:
    before, after = urls
    original, network_input = f"{sample.width} × {sample.height} px", f"{side_px} × {side_px} px"
    return (
        # On one line: the pictures of all classes stand in rows.
        f"<div style='min-width:0;max-width:26rem'><strong title='{html.escape(name)}' "
        "style='display:block;overflow:hidden;white-space:nowrap;text-overflow:ellipsis'>"
        f"{html.escape(name)}</strong>"
        + preview.figure(
            before, f"Original of class {name}", original, sample.width / sample.height
        )
        + preview.figure(
            after, f"Network input of class {name}", f"Network input, {network_input}", 1.0
        )
        + "</div>"
    )


def page(workspace: Workspace) -> None:
    opened = context.dataset(workspace)
    if opened is None:
        widgets.empty_state(
            "tune",
            "No images yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    dataset = image_facts.measured(workspace, opened)
    left, right = st.columns([2, 5], gap="large")
    saved = datasets.saved_preprocess(workspace, dataset.id)
    start = runs.default_preprocess(workspace, dataset.id, DEFAULT_NETWORK)
    with left, st.container(border=True):
        try:
            config = form(start, dataset)
        except TouchstoneError as err:
            errors.show(err)
            return
        with st.container(horizontal=True):
            if st.button(
                "Save for training",
                type="primary",
                icon=":material/save:",
                key="save",
                **rights.only(Right.DATA, disabled=saved is not None and config == start),
            ):
                datasets.save_preprocess(workspace, dataset.id, config)
                st.toast("Saved. The next run on this dataset uses these settings.")
                st.rerun()
            if saved and st.button(
                "Use the network default", key="forget", **rights.only(Right.DATA)
            ):
                datasets.save_preprocess(workspace, dataset.id, None)
                st.session_state[_RESET] = True
                state.keep_draft(LINK, dataset.id, {})
                st.rerun()
        st.caption(
            "The next run uses what is saved."
            if saved
            else "Nothing is saved: runs use their network's default."
        )
        if config.image_size_px < 96:
            st.warning("Below 96 px, most networks see too little detail.")
    with right:
        shown(workspace, dataset, config)
        if st.button("Other images", icon=":material/refresh:", key="other"):
            st.session_state.preview_offset = st.session_state.get("preview_offset", 0) + 1
            st.rerun()


widgets.page_heading(Place.PREPROCESS, "Choose and check what the network will see.")
page(state.workspace())
