"""The context bar: dataset, version, split and model as compact menus, and the running jobs."""

from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from core.domain.jobs import JobKind
from core.workflows import jobs
from core.workflows.inventory import Item, Level
from core.workspace import Workspace
from pages.ui import text
from pages.ui.places import Place
from pages.ui.shell import importing, problems, running
from pages.ui.shell.choice import Choice

_PICKED = "context_picked"
_ICONS = {
    Level.DATASET: Place.DATASETS.icon,
    Level.SPLIT: Place.SPLIT.icon,
    Level.RUN: Place.RUNS.icon,
    Level.MODEL: Place.MODELS.icon,
}
_WIDTH_PX = (110, 330)
_FITS = 34  # characters in the widest menu
_FOLDED = "folded_"  # begins the keys of the menus behind the button of narrow windows


def show(workspace: Workspace, choice: Choice, place: Place) -> None:
    """Draw the bar, and a sentence below it where the link is wrong."""
    with st.container(key="context_bar", horizontal=True, vertical_alignment="center", gap=None):
        known = list(choice.inventory.all(Level.DATASET))
        if choice.coming:
            _menu(Level.DATASET, "Dataset", known, None, instead=choice.coming)
        elif choice.dataset is None:
            _quiet(_none_yet(workspace), "dataset")
        else:
            _menu(Level.DATASET, "Dataset", known, choice.dataset)
            _versions(choice.dataset)
            _menu_or_note(Level.SPLIT, "Split", choice.splits, choice.split, choice.dataset)
            _folded(choice, choice.dataset)
        if not choice.coming and (choice.dataset or choice.models):
            _menu_or_note(Level.MODEL, "Model", choice.models, choice.model, choice.dataset)
        running.chip(workspace, place)
    if choice.problem:
        problems.show(workspace, choice, choice.problem, place)


def _none_yet(workspace: Workspace) -> str:
    """That there is no dataset, or that the first one is on its way."""
    coming = (job for job in jobs.active(workspace) if job.kind is JobKind.IMPORT)
    job = next(coming, None)
    return "No dataset yet" if job is None else f"Importing {text.plain(job.payload['name'])} …"


def tips(choice: Choice) -> dict[str, str]:
    """Tooltips of the menus, by key: what they choose, and the whole name."""
    words = {
        "dataset": "The images that all pages are about",
        "split": "Which images train a model, and which test it",
        "model": "The model that is judged and used",
    }
    named = {name: choice.at(Level(name)) for name in words}
    if choice.coming:
        named, words["dataset"] = dict.fromkeys(words), "The images of this page make it"
    whole = {name: f"{item.name}\n" if item else "" for name, item in named.items()}
    menus = {
        _key(f"{fold}{name}", item.id if item else None): f"{whole[name]}{words[name]}"
        for name, item in named.items()
        for fold in ("", _FOLDED)
    }
    version = _shown_version(choice.dataset) if choice.dataset else None
    versions = [_key(f"{fold}version", version) for fold in ("", _FOLDED)]
    return {**menus, **dict.fromkeys(versions, "Opens the history at a version")}


def _folded(choice: Choice, dataset: Item) -> None:
    """Version and split behind one button.

    A narrow window shows it in the place of their menus (`frame.css`): there the bar's room is for
    the names of dataset and model.
    """
    if dataset.version < 2 and not choice.splits:
        return
    # Why the values are part of the key: another button is closed, once something was picked.
    values = f"{_shown_version(dataset)}-{choice.split.id if choice.split else 'none'}"
    with st.popover(
        "Version and split", icon=_ICONS[Level.SPLIT], type="tertiary", key=_key("fold", values)
    ):
        _versions(dataset, fold=_FOLDED)
        _menu_or_note(Level.SPLIT, "Split", choice.splits, choice.split, dataset, fold=_FOLDED)


def _menu_or_note(
    level: Level,
    label: str,
    known: Sequence[Item],
    chosen: Item | None,
    dataset: Item | None,
    *,
    fold: str = "",
) -> None:
    if known:
        _menu(level, label, known, chosen, dataset.name if dataset else "", fold=fold)
    else:
        _quiet(f"No {level.value} yet", level.value, fold=fold)


def _quiet(words: str, name: str, *, fold: str = "") -> None:
    with st.container(key=f"context_{fold}no_{name}", width="content"):
        st.caption(words)


def _menu(
    level: Level,
    label: str,
    known: Sequence[Item],
    chosen: Item | None,
    dataset: str = "",
    *,
    fold: str = "",
    instead: str = "",
) -> None:
    """One menu.

    Args:
        level: what it opens.
        label: for screen readers.
        known: what there is to choose.
        chosen: what is open.
        dataset: the name of the open one, with which names of its models begin.
        fold: begins the key of a menu behind the button.
        instead: what it shows where nothing is chosen; usually, that there is nothing yet.
    """
    names = _names(known, dataset)
    value = chosen.id if chosen and chosen.id in names else None
    key = _key(f"{fold}{level.value}", value)
    st.session_state[key] = value
    instead = instead or f"No {level.value} yet"
    st.selectbox(
        label,
        list(names),
        format_func=lambda item_id: names.get(item_id, str(item_id)),
        key=key,
        label_visibility="visible" if fold else "collapsed",
        icon=_ICONS[level],
        placeholder=instead,
        width="stretch" if fold else _width(names[value] if value else instead),
        on_change=_pick,
        args=(level, key),
    )


def _names(known: Sequence[Item], dataset: str) -> dict[str, str]:
    """Item id -> what a menu shows: long names by what tells them apart, where that is enough."""
    whole = {item.id: _name(item) for item in known}
    short = {item_id: shortened(name, dataset) for item_id, name in whole.items()}
    counts = Counter(short.values())
    return {i: name if counts[short[i]] > 1 else short[i] for i, name in whole.items()}


def shortened(name: str, dataset: str) -> str:
    """A name of at most `_FITS` characters.

    Without the dataset, which stands beside it; then without the middle, since names of models and
    splits differ at their ends.
    """
    if len(name) <= _FITS:
        return name
    rest = name.removeprefix(dataset).lstrip() or name
    if len(rest) <= _FITS:
        return rest
    head = _FITS // 3
    return f"{rest[:head].rstrip()}…{rest[head + 1 - _FITS :].lstrip()}"


def _name(item: Item) -> str:
    is_free = item.level is Level.MODEL and item.dataset_id is None
    return f"{item.name} · no dataset" if is_free else item.name


def _versions(dataset: Item, *, fold: str = "") -> None:
    if dataset.version < 2:
        _quiet("Version 1", "version", fold=fold)
        return
    value = _shown_version(dataset)
    key = _key(f"{fold}version", value)
    st.session_state[key] = value
    st.selectbox(
        "Version",
        list(range(dataset.version, 0, -1)),
        format_func=lambda number: f"Version {number}",
        key=key,
        label_visibility="visible" if fold else "collapsed",
        width="stretch" if fold else _width(f"Version {dataset.version}"),
        on_change=_pick,
        args=(None, key),
    )


def _shown_version(dataset: Item) -> int:
    asked = st.query_params.get("version", "")
    is_known = asked.isdecimal() and 0 < int(asked) <= dataset.version
    return int(asked) if is_known else dataset.version


def _key(name: str, value: object) -> str:
    """The key of a menu that shows a value.

    Why the value is part of it: a run that is broken off answers with the value before a change of
    the data, which would be taken for one that somebody picked.
    """
    return f"context_{name}-{value or 'none'}"


def _width(words: str) -> int:
    """Width in px of a menu that shows these words; longer ones end in an ellipsis."""
    low, high = _WIDTH_PX
    return max(low, min(high, 80 + 7 * len(words)))


def _pick(level: Level | None, key: str) -> None:
    st.session_state[_PICKED] = (level, st.session_state[key])


def follow_pick(choice: Choice, place: Place) -> None:
    """Open what was picked in a menu of the bar, before anything is drawn for the former."""
    level, picked = st.session_state.pop(_PICKED, (None, None))
    if picked is None:
        return
    if level is None and choice.dataset:
        # Why all that is open: the history of a dataset changes neither its split nor its model.
        _go(Place.VERSIONS, {**choice.link, "version": str(picked)})
    item = choice.inventory.find(picked) if level else None
    if item is None:  # deleted since the menu was drawn: the next run shows what there is
        return
    own = {
        Level.DATASET: item.dataset_id or (choice.dataset.id if choice.dataset else None),
        Level.SPLIT: item.split_id,
        Level.MODEL: item.model_id,
    }
    if place is Place.IMPORT and level is Level.DATASET:  # the page follows the bar
        st.session_state[importing.TARGET] = picked
    _go(place, {level.value: item_id for level, item_id in own.items() if item_id})


def _go(place: Place, parameters: dict[str, str]) -> NoReturn:
    # Why all other parameters go: a cell, an image or a run of another dataset is not there.
    st.session_state.pop("context_last", None)
    st.switch_page(place, query_params=parameters)
