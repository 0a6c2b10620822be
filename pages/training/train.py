"""Train: choose a recipe and a network, and start."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from core.domain.acting import recipe_settings
from core.domain.configs import AugmentConfig, Recipe, TrainConfig, recipe_defaults
from core.domain.datasets import Dataset
from core.domain.settings import settings_of
from core.domain.splits import Split
from core.errors import TouchstoneError
from core.models.catalog import DEFAULT_NETWORK, Availability, Network
from core.models.devices import default_recipe, find_devices
from core.workflows.data import datasets
from core.workflows.training import runs
from core.workflows.training.refusals import refuse_untrainable
from core.workspace import Workspace
from pages.ui import context, errors, state, text, widgets
from pages.ui.places import Place

RECIPES = {
    Recipe.QUICK: (
        "Quick",
        "Keeps the pretrained network and trains its last layer. Takes minutes on any CPU: start "
        "with this.",
    ),
    Recipe.FULL: (
        "Full",
        "Trains all layers with augmentation. Often more accurate on unusual images; best with a "
        "GPU.",
    ),
}
BASIC = ["epochs", "batch_size", "learning_rate", "class_weights", "penalty", "refit"]
CHOSEN_ABOVE = ["recipe", "network", "device"]  # have controls of their own


def choose_recipe() -> Recipe:
    return st.radio(
        "Recipe",
        list(RECIPES),
        index=list(RECIPES).index(default_recipe()),
        format_func=lambda r: RECIPES[r][0],
        captions=[words for _, words in RECIPES.values()],
        key="recipe",
        horizontal=True,
    )


def choose_network(workspace: Workspace) -> Network:
    catalog = {network.name: (network, place) for network, place in runs.networks(workspace)}
    name = st.selectbox(
        "Network",
        list(catalog),
        index=list(catalog).index(DEFAULT_NETWORK),
        key="network",
        format_func=lambda n: f"{catalog[n][0].title} · {catalog[n][1].value}",
        help="A network that was pretrained on millions of photographs. Training teaches it your "
        "classes.",
    )
    network, place = catalog[name]
    st.caption(
        f"{network.when} {network.parameters_m:g} million weights, {network.image_size_px} px, "
        f"{_speed_words(network.speed)}."
    )
    if place is Availability.MISSING:
        st.warning(
            "Its weights are not on this machine and cannot be downloaded. An administrator can "
            f"put `{network.name}.safetensors` into the weights folder of the workspace."
        )
    return network


def _speed_words(speed: float) -> str:
    if speed == 1:
        return "the speed that others are compared with"
    return f"{speed:g} times the speed of the default"


def settings(defaults: TrainConfig, split: Split) -> tuple[TrainConfig, AugmentConfig]:
    """Fields for what acts in the recipe, the most important ones first."""
    key = f"train_{defaults.recipe}"
    acting = recipe_settings(defaults.recipe)
    hidden = [*CHOSEN_ABOVE, *(["refit"] if split.folds else [])]  # a fold must stay unseen
    names = [s.name for s in settings_of(defaults) if s.name in acting and s.name not in hidden]
    values = fields_in_columns(defaults, [name for name in BASIC if name in names], key=key)
    if "penalty" in names:
        st.caption("A penalty of 0 is chosen by cross-validation on the training images.")
    with st.expander("More settings"):
        more = [name for name in names if name not in BASIC]
        values |= fields_in_columns(defaults, more, key=key)
    return replace(defaults, **values), augmentation(acting)


def augmentation(acting: frozenset[str]) -> AugmentConfig:
    usual = AugmentConfig()
    names = [setting.name for setting in settings_of(usual) if setting.name in acting]
    if not names:
        return usual
    with st.expander("Augmentation"):
        return replace(usual, **fields_in_columns(usual, names, key="augment"))


def fields_in_columns(
    config: TrainConfig | AugmentConfig, names: Sequence[str], *, key: str
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    columns = st.columns(3)
    for position, name in enumerate(names):
        with columns[position % 3]:
            values |= widgets.config_fields(config, [name], key=key)
    return values


def choose_device() -> str:
    devices = {device.name: device.title for device in find_devices()}
    best = next(iter(devices.values()))
    names = ["auto", *devices]
    return st.selectbox(
        "Device",
        names,
        key="device",
        format_func=lambda n: f"automatic: {best}" if n == "auto" else devices[n],
        help="Automatic uses a GPU if there is one. A GPU rounds differently from a CPU, so the "
        "models can differ slightly.",
    )


def pixels_line(workspace: Workspace, dataset: Dataset, network: Network) -> None:
    config = runs.default_preprocess(workspace, dataset.id, network.name)
    saved = datasets.saved_preprocess(workspace, dataset.id) is not None
    origin = "as saved on the Preprocess page" if saved else "the network's default"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Images: {config.image_size_px} × {config.image_size_px} px, {config.resize_mode}, "
            f"{config.channels}{text.gray_levels(config.levels)} ({origin})."
        )
        st.page_link(
            Place.PREPROCESS,
            label="Change",
            icon=":material/tune:",
            query_params={"dataset": dataset.id},
        )


def choose_fold(split: Split) -> int | None:
    """The fold that validates, from 0; None for all of them."""
    folds: list[int | None] = [None, *range(split.folds)]
    words: dict[int | None, str] = {
        None: f"All {split.folds} folds: {split.folds} runs, mean and spread"
    }
    # Why positions and not the folds: a select box takes None for nothing chosen.
    chosen = st.selectbox(
        "Fold",
        range(len(folds)),
        key=f"fold_{split.id}",
        format_func=lambda i: words.get(folds[i], f"Fold {i} of {split.folds} validates"),
        help="One run shows how good one model is. One run per fold shows how much this depends on "
        "the split.",
    )
    return folds[chosen]


def split_words(split: Split) -> None:
    """How far a result on this split can be trusted."""
    certificate = split.certificate
    with st.container(horizontal=True):
        if certificate and certificate.is_clean:
            st.badge(
                "no leaks",
                icon=":material/verified:",
                color="green",
                help="No part, identical file or look-alike is in two subsets of this split.",
            )
        else:
            leaks = certificate is not None and certificate.is_leaking
            st.badge(
                "leaks found" if leaks else "not checked for leaks",
                icon=":material/gpp_maybe:",
                color="orange",
                help="Results on this split may look better than they are: see its certificate on "
                "Split.",
            )
        if split.sealed:
            st.badge(
                "test set sealed",
                icon=":material/lock:",
                color="violet",
                help="These test images never train a model of this dataset version.",
            )


def form(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    split_words(split)
    try:
        refuse_untrainable(workspace, dataset, split)
    except TouchstoneError as err:
        errors.show(err)
        st.page_link(
            Place.SPLIT,
            label="Open the split",
            icon=Place.SPLIT.icon,
            query_params={"dataset": dataset.id, "split": split.id},
        )
        return
    with st.container(border=True):
        fold = choose_fold(split) if split.folds else None
        recipe = choose_recipe()
        network = choose_network(workspace)
        pixels_line(workspace, dataset, network)
        config, augment = settings(recipe_defaults(recipe, network.name), split)
        left, right = st.columns(2)
        with left:
            device = choose_device()
        name = right.text_input(
            "Name",
            max_chars=100,
            key="run_name",
            placeholder=f"{dataset.name} {network.title} {recipe}",
            help="Name of the run and its model.",
        )
        if st.button("Start training", type="primary", icon=":material/play_arrow:", key="start"):
            try:
                config = replace(config, device=device)
                if split.folds and fold is None:
                    view = runs.start_cross_validation(
                        workspace,
                        dataset.id,
                        config,
                        split=split.id,
                        augment=augment,
                        name=name or None,
                    )[0]
                else:
                    view = runs.start_training(
                        workspace,
                        dataset.id,
                        config,
                        split=split.id,
                        augment=augment,
                        name=name or None,
                        fold=fold,
                    )
            except TouchstoneError as err:
                errors.show(err)
                return
            st.switch_page(Place.RUNS, query_params={"run": view.run.id})
        st.caption(
            "Training runs on the server. You can leave this page or close the browser, and come "
            "back later."
        )


def page(workspace: Workspace) -> None:
    dataset = context.dataset(workspace)
    if dataset is None:
        widgets.empty_state(
            "model_training",
            "Nothing to train on yet",
            "Import images first.",
            (Place.IMPORT, "Import images"),
        )
        return
    split = context.split(workspace)
    if split is None:
        st.info(
            f"**{text.plain(dataset.name)}** has not been split yet. First choose which images "
            "train the model and which test it."
        )
        if st.button("Split the images", type="primary", icon=":material/call_split:"):
            st.switch_page(Place.SPLIT, query_params={"dataset": dataset.id})
        return
    form(workspace, dataset, split)


widgets.page_heading(Place.TRAIN, "Teach a pretrained network your classes.")
page(state.workspace())
