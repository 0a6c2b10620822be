"""The controls of Train: recipe, preset, network, device, start and fold."""

import streamlit as st

from core.domain.configs.choices import Preset, Recipe
from core.domain.datasets import Dataset
from core.domain.splits import Split
from core.models.devices import find_devices
from core.workflows.use import models
from core.workspace import Workspace
from pages.training import setting_fields
from pages.training.recipe_words import PRESETS, RECIPES, presets_in_words
from pages.training.setting_fields import Asked, Defaults


def choose_recipe(wanted: Asked, dataset: Dataset) -> None:
    """How a model is made; images of one class leave one way."""
    st.session_state.setdefault("recipe", wanted.recipe)
    has_one = len(dataset.class_names) == 1
    st.segmented_control(
        "Recipe",
        [Recipe.GOOD_ONLY] if has_one else list(RECIPES),
        required=True,
        format_func=lambda r: RECIPES[r][0],
        key="recipe",
        help=" ".join(f"**{name}**: {words}" for name, words in RECIPES.values()),
    )


def choose_preset(wanted: Asked, defaults: Defaults) -> None:
    """How much time for how good a model; a detector has one way only."""
    if wanted.recipe is Recipe.GOOD_ONLY:
        return
    st.session_state["preset"] = setting_fields.matching_preset(wanted, defaults)
    st.segmented_control(
        "Preset",
        list(PRESETS),
        format_func=lambda p: PRESETS[p],
        key="preset",
        help=presets_in_words(wanted.recipe) + " Nothing is chosen once a setting is changed.",
        on_change=_take_preset,
        args=(wanted, defaults),
    )


def _take_preset(wanted: Asked, defaults: Defaults) -> None:
    chosen: Preset | None = st.session_state.get("preset")
    if chosen is not None:
        setting_fields.take_preset(chosen, wanted, defaults)


def choose_device(wanted: Asked) -> None:
    devices = {device.name: device.title for device in find_devices()}
    names = ["auto", *devices]
    st.session_state.setdefault("device", wanted.device if wanted.device in names else "auto")
    st.selectbox(
        "Device",
        names,
        key="device",
        format_func=lambda n: (
            f"automatic: {next(iter(devices.values()))}" if n == "auto" else devices[n]
        ),
        help="Automatic uses a GPU if there is one. A GPU rounds differently from a CPU, so the "
        "models can differ slightly.",
    )


def choose_start(workspace: Workspace, wanted: Asked) -> None:
    """The weights to start from: pretrained, or those of an own model of the same network."""
    own = {m.id: m.name for m in models.list_models(workspace) if m.network == wanted.network}
    names = {"": "Pretrained network", **own}
    if st.session_state.get("start_model") not in names:
        st.session_state["start_model"] = wanted.start_model if wanted.start_model in own else ""
    st.selectbox(
        "Start from",
        list(names),
        key="start_model",
        format_func=lambda n: names.get(n, n),
        help="An own model of this network can go on learning, also for other classes. Refused "
        "where it has learned from images that would judge the new one.",
    )


def choose_fold(split: Split) -> int | None:
    """The fold that validates, from 0; None for all of them."""
    folds: list[int | None] = [None, *range(split.folds)]
    words: dict[int | None, str] = {None: f"All {split.folds} folds: mean and spread"}
    # Why positions and not the folds: a select box takes None for nothing chosen.
    chosen = st.selectbox(
        "Fold",
        range(len(folds)),
        key=f"fold_{split.id}",
        persist_state="session",
        bind="query-params",
        format_func=lambda i: words.get(folds[i], f"Fold {i} of {split.folds} validates"),
        help="One run shows how good one model is. One run per fold shows how much this depends on "
        "the split.",
    )
    return folds[chosen]
