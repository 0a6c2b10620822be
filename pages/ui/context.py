"""What is open on every page: dataset, split and model, from the link, else as used last.

The frame reads it once in every run, before the page; pages ask here and never choose themselves.
"""

from dataclasses import replace

import streamlit as st

from core.domain.datasets import Dataset
from core.domain.models import Model
from core.domain.splits import Split
from core.workflows.data import datasets, splits
from core.workflows.inventory import Inventory, Item, Level
from core.workflows.use import models
from core.workspace import Workspace
from pages.ui.places import Place
from pages.ui.shell.choice import Choice, resolve

_OPEN = "context_open"
_LAST = "context_last"
# Pages that work with a model of another origin, where the dataset has none of its own.
_FREE_MODELS = (Place.PREDICT, Place.MODELS)
# What a model is judged on is its own split; elsewhere one goes on from the newest.
_OF_SPLITS = (Level.DATASET, Level.SPLIT)


def dataset(workspace: Workspace) -> Dataset | None:
    """The open dataset; None if the workspace has none."""
    item = current().dataset
    return datasets.find_dataset(workspace, item.id) if item else None


def split(workspace: Workspace) -> Split | None:
    """The open split of the open dataset; None if it has none."""
    item = current().split
    if item is None or item.dataset_id is None:
        return None
    return splits.find_split(workspace, item.dataset_id, item.id)


def model(workspace: Workspace) -> Model | None:
    """The open model; None if the open dataset has none with the open split."""
    item = current().model
    return models.find_model(workspace, item.id) if item else None


def link(**more: str) -> dict[str, str]:
    """Parameters for a link to a page that keeps what is open."""
    return {**current().link, **more}


def open_split(split_id: str) -> None:
    """Open another split of the open dataset from the next run on, and what was made with it."""
    item = current().dataset
    st.query_params.from_dict({"dataset": item.id if item else "", "split": split_id})


def forget() -> None:
    """Open next what a first visit would open, not what was used last."""
    st.session_state.pop(_LAST, None)


def current() -> Choice:
    """What the frame found to be open in this run."""
    choice: Choice = st.session_state[_OPEN]
    return choice


def read(inventory: Inventory, place: Place, subject: Item | str | None) -> Choice:
    """Find out what is open on a page, for `current` and for the next pages.

    `subject`: the dataset that the page is about, whatever its link says, or the name of one that
    is not there yet; None: the link says.
    """
    levels = list(Level) if place is Place.RUNS else [lv for lv in Level if lv is not Level.RUN]
    asked = {level: st.query_params[level] for level in levels if st.query_params.get(level)}
    if isinstance(subject, Item):
        asked = {level: i for level, i in asked.items() if _belongs(inventory.find(i), subject)}
        asked[Level.DATASET] = subject.id
    last: dict[Level, str] = st.session_state.get(_LAST, {})
    choice = resolve(
        inventory,
        asked,
        last,
        free_model=place in _FREE_MODELS,
        newest_split=place is Place.HOME or place.level in _OF_SPLITS,
    )
    if isinstance(subject, str):
        choice = replace(choice, coming=subject)
    st.session_state[_OPEN] = choice
    st.session_state[_LAST] = {
        level: item.id
        for level in levels
        if (item := choice.at(level)) is not None
        and not (level is Level.SPLIT and choice.is_split_assumed)
    }
    return choice


def _belongs(item: Item | None, dataset: Item) -> bool:
    return item is not None and item.dataset_id == dataset.id
