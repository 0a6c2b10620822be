"""Train: what will be trained on what, for how long, and one button; settings and runs below."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from core.domain.configs.acting import acting_detail, recipe_is_trained
from core.domain.configs.augment import AugmentConfig
from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.train import TrainConfig, recipe_defaults
from core.domain.datasets import Dataset
from core.domain.keeping.people import Right
from core.domain.splits import Split, Subset
from core.errors import ConfigError, NotFoundError, TouchstoneError
from core.models.brought import known_network
from core.models.catalog import network_title
from core.words import joined
from core.workflows.data.datasets import orientation_of
from core.workflows.job_words import about
from core.workflows.training import durations, runs
from core.workflows.training.augmentation import default_augment
from core.workflows.training.refusals import refuse_undivided, refuse_untrainable
from core.workflows.training.run_words import default_name, state_in_words
from core.workflows.use import models
from core.workspace import Workspace
from pages.training import (
    networks,
    orientation,
    preview,
    run_states,
    setting_fields,
)
from pages.training.form import rate_finder
from pages.training.form.controls import choose_fold, choose_preset, choose_recipe
from pages.training.form.settings import settings
from pages.training.recipe_words import RECIPES
from pages.training.setting_fields import Asked, Defaults
from pages.ui import context, errors, open_findings, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.ui.split_counts import side_counts

RUNS_SHOWN = 6


def images_by_subset(workspace: Workspace, dataset: Dataset, split: Split) -> dict[Subset, int]:
    """Images in each subset; with folds, all but the test images are counted as training."""
    totals = dict.fromkeys(Subset, 0)
    for side, own in side_counts(workspace, dataset, split).items():
        subset = Subset.TRAIN if side.fold is not None else side.subset
        totals[subset] += sum(own.values())
    return totals


def answer(
    workspace: Workspace,
    dataset: Dataset,
    split: Split,
    train: TrainConfig,
    augment: AugmentConfig,
    pixels: PreprocessConfig,
    refused: Sequence[str],
) -> None:
    """What will be trained on what, about how long it takes, and the button.

    `refused`: titles of the settings that cannot be read; with one, nothing can be started.
    """
    is_doubted = open_findings.show_serious(workspace, dataset) is not None
    try:
        refuse_undivided(known_network(train.network, workspace.weights), train)
    except ConfigError as err:
        errors.show(err)
        return
    counts = images_by_subset(workspace, dataset, split)
    takes = _takes(workspace, dataset, counts, train, pixels)
    with (
        st.container(border=True, key="answer"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(
                f"**{RECIPES[train.recipe][0]}** training of {network_title(train.network)} on "
                f"**{text.count(counts[Subset.TRAIN], 'image')}** of "
                f"{text.count(len(dataset.class_names), 'class')}"
            )
            st.caption(" · ".join(_facts(counts, split, train, takes)))
            with st.container(horizontal=True, vertical_alignment="center"):
                split_badges(split, is_doubted=is_doubted)
            if refused:
                st.caption(f":red[Correct first, under Advanced: {joined(refused)}.]")
        fold = choose_fold(split) if split.folds else None
        if st.button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            key="start",
            **rights.only(Right.TRAIN, disabled=bool(refused)),
        ):
            start(workspace, dataset, split, train, augment, pixels, fold)


def _takes(
    workspace: Workspace,
    dataset: Dataset,
    counts: dict[Subset, int],
    train: TrainConfig,
    pixels: PreprocessConfig,
) -> tuple[str, str] | None:
    """How long a run takes, and what that is known by; None where nothing was measured."""
    images = sum(counts.values())
    with contextlib.suppress(ConfigError):  # which the start refuses, and says
        train = replace(train, detail=acting_detail(train, orientation_of(workspace, dataset.id)))
    seconds = durations.expected_seconds(
        workspace, dataset.id, train, pixels, images=images, training_images=counts[Subset.TRAIN]
    )
    if seconds is not None:
        return about(seconds), "by earlier runs here"
    seconds = durations.rough_seconds(workspace, train, pixels, images=images)
    return None if seconds is None else (about(seconds), "roughly, by the speed of other runs here")


def _facts(
    counts: dict[Subset, int], split: Split, train: TrainConfig, takes: tuple[str, str] | None
) -> list[str]:
    parts = []
    if takes:
        each = " for each fold" if split.folds else ""
        parts.append(f"{takes[0]}{each}, {takes[1]}".capitalize())
    if counts[Subset.VALIDATION]:
        also = "" if split.folds else _also_learned(train)
        parts.append(f"{text.count(counts[Subset.VALIDATION], 'image')} for validation{also}")
    if counts[Subset.TEST]:
        stay = "stays" if counts[Subset.TEST] == 1 else "stay"
        parts.append(f"{text.count(counts[Subset.TEST], 'test image')} {stay} unseen")
    return parts


def _also_learned(train: TrainConfig) -> str:
    """What learns from the validation images, too."""
    if recipe_is_trained(train.recipe):
        return " (the last layer may also learn from them)" if train.ends_refitted else ""
    return " (the final model also learns from them)" if train.refit else ""


def split_badges(split: Split, *, is_doubted: bool) -> None:
    """How far a result on this split can be trusted; green only where no finding forbids it."""
    certificate = split.certificate
    if certificate and certificate.is_clean:
        st.badge(
            "no leaks between subsets",
            icon=":material/verified:",
            color="gray" if is_doubted else "green",
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


def start(
    workspace: Workspace,
    dataset: Dataset,
    split: Split,
    train: TrainConfig,
    augment: AugmentConfig,
    pixels: PreprocessConfig,
    fold: int | None,
) -> None:
    name = st.session_state.get(f"run_name_{dataset.id}") or None
    try:
        if split.folds and fold is None:
            view = runs.start_cross_validation(
                workspace,
                dataset.id,
                train,
                split=split.id,
                preprocess=pixels,
                augment=augment,
                name=name,
            )[0]
        else:
            view = runs.start_training(
                workspace,
                dataset.id,
                train,
                split=split.id,
                preprocess=pixels,
                augment=augment,
                name=name,
                fold=fold,
            )
    except TouchstoneError as err:
        errors.show(err)
        return
    st.session_state.pop(f"run_name_{dataset.id}", None)
    st.switch_page(Place.RUNS, query_params={"run": view.run.id})


def beside(workspace: Workspace, dataset: Dataset, pixels: PreprocessConfig) -> None:
    """What the network sees, and the runs so far."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### What the network sees", width="stretch")
        st.page_link(
            Place.PREPROCESS,
            label="Change",
            icon=":material/tune:",
            query_params={"dataset": dataset.id},
        )
    shown, known = preview.strip(workspace, dataset, pixels), len(dataset.class_names)
    of = f"{shown} of {text.count(known, 'class')}, " if shown < known else ""
    st.caption(
        f"{of}{pixels.image_size_px} × {pixels.image_size_px} px, {pixels.resize_mode}, "
        f"{pixels.channels}{text.gray_levels(pixels.levels)}"
    )
    if len(dataset.class_names) > 1:  # else nothing is changed at random
        orientation.question(workspace, dataset, pixels)
    views = runs.list_runs(workspace, dataset.id)
    if not views:
        return
    st.markdown("##### Runs")
    scores = runs.best_scores(workspace)
    with st.container(gap="xxsmall"):
        for view in views[:RUNS_SHOWN]:
            score = scores.get(view.run.id)
            f1 = f" · F1 {text.decimal(score)}" if score is not None else ""
            st.page_link(
                Place.RUNS,
                label=f"{text.plain(view.run.name)}{f1}",
                icon=run_states.LOOKS[view.state][0],
                help=f"{state_in_words(view.state).capitalize()}, {text.when(view.run.created_at)}",
                query_params={"run": view.run.id},
            )


def _known_start(workspace: Workspace, wanted: Asked) -> str:
    """The start model that is asked for; empty once it is deleted or of another network."""
    chosen: str = st.session_state.get("start_model", wanted.start_model)
    known = {m.id for m in models.list_models(workspace) if m.network == wanted.network}
    return chosen if chosen in known else ""


def _pixels(workspace: Workspace, dataset: Dataset, network: str) -> PreprocessConfig:
    """Those of the run that is cloned, else those of the dataset."""
    like = st.query_params.get("like")
    if like is not None:
        with contextlib.suppress(NotFoundError):
            run = runs.find_run(workspace, like).run
            if run.dataset_id == dataset.id and run.train.network == network:
                return run.preprocess
    return runs.default_preprocess(workspace, dataset.id, network)


def form(workspace: Workspace, dataset: Dataset, split: Split) -> None:
    misfits = networks.refused_files(workspace)  # first: a link may ask for a new one
    wanted = setting_fields.asked()
    # Why read before they are drawn: the answer on top then moves nothing below it.
    wanted.recipe = st.session_state.get("recipe", wanted.recipe)
    if len(dataset.class_names) == 1:
        st.session_state["recipe"] = wanted.recipe = Recipe.GOOD_ONLY
    try:
        refuse_untrainable(workspace, dataset, split, recipe=wanted.recipe)
    except TouchstoneError as err:
        errors.show(err)
        st.page_link(
            Place.SPLIT,
            label="Open the split",
            icon=Place.SPLIT.icon,
            query_params={"dataset": dataset.id, "split": split.id},
        )
        choose_recipe(wanted, dataset)
        return
    wanted.network = st.session_state.get("network", wanted.network)
    wanted.device = st.session_state.get("device", wanted.device)
    wanted.start_model = _known_start(workspace, wanted)
    usual = default_augment(workspace, dataset.id)
    defaults = Defaults(recipe_defaults(wanted.recipe, wanted.network), usual)
    values = setting_fields.current(wanted, defaults)
    pixels = _pixels(workspace, dataset, wanted.network)
    configs = setting_fields.configs(defaults, values, wanted)
    refused = setting_fields.refusals(defaults, values, dataset.class_names)
    titles = [defaults.settings[name].title for name in refused]
    answer(workspace, dataset, split, *configs, pixels, titles)
    setting_fields.keep(wanted, defaults, values)
    if wanted.refused:
        st.warning(
            f"Not understood in this link, left at the default: {', '.join(wanted.refused)}."
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        what, how = st.columns(2)
        with what:
            choose_recipe(wanted, dataset)
            networks.choose(workspace, wanted)
        with how:
            choose_preset(wanted, defaults)
            st.text_input(
                "Name",
                max_chars=100,
                key=f"run_name_{dataset.id}",
                persist_state="session",
                bind="query-params",
                placeholder=default_name(workspace, dataset, configs[0]),
                help="Name of the run and its model.",
            )
        with st.expander(_advanced(wanted), icon=":material/tune:", key="advanced"):
            settings(workspace, defaults, split, wanted, refused)
            configs = setting_fields.configs(defaults, values, wanted)
            rate_finder.offer(workspace, dataset, split, configs, pixels, wanted, defaults)
            networks.section(workspace, misfits)
        if wanted.own and st.button("Back to defaults", icon=":material/undo:", key="reset"):
            setting_fields.forget(wanted)
            st.rerun()
    with right:
        beside(workspace, dataset, pixels)


def _advanced(wanted: Asked) -> str:
    """The fold of all that a preset settles; says how much of it is not as the preset has it."""
    return f"Advanced · {len(wanted.own):,} changed" if wanted.own else "Advanced"


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
