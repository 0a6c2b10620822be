"""The steps of a door in one strip: the active one is the heading of the page."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

import streamlit as st

from core.workflows.inventory import Level
from pages.ui import context
from pages.ui.places import MENU, Place, door_of
from pages.ui.shell.choice import Choice


class StepState(Enum):
    """How far a step is."""

    DONE = auto()
    OPEN = auto()
    BLOCKED = auto()


@dataclass(frozen=True)
class Step:
    """State of a step, and why it is blocked."""

    state: StepState
    reason: str = ""


def heading(place: Place, sentence: str) -> None:
    """The strip of a page: links to its neighbors with their states, and its own name as heading.

    Args:
        place: the page.
        sentence: what one does here, shown at the heading on demand.
    """
    choice = context.current()
    with st.container(key="steps", horizontal=True, vertical_alignment="center", gap=None):
        for other in MENU[door_of(place)]:
            if other is place:
                st.title(place.label, anchor=False, help=sentence, width="content")
            else:
                _link(other, state_of(other, choice), choice)


def _link(place: Place, step: Step, choice: Choice) -> None:
    icon, hidden = _mark(step)
    # Why colored: the style sheet hides these words from the eye, not from screen readers.
    words = f"{place.label}:gray[{hidden}]" if hidden else place.label
    st.page_link(place, label=words, icon=icon, help=step.reason or None, query_params=choice.link)


def _mark(step: Step) -> tuple[str | None, str]:
    match step.state:
        case StepState.DONE:
            return ":material/check_circle:", ", done"
        case StepState.BLOCKED:
            return ":material/lock:", f", blocked: {step.reason}"
        case StepState.OPEN:
            return None, ""
        case _:
            assert_never(step.state)


def state_of(place: Place, choice: Choice) -> Step:
    """How far a step of what is open is."""
    missing = _missing(place, choice)
    if missing:
        return Step(StepState.BLOCKED, missing)
    done = {
        Place.IMPORT: choice.dataset is not None,
        Place.SPLIT: choice.split is not None,
        Place.TRAIN: choice.model is not None,
    }
    return Step(StepState.DONE if done.get(place) else StepState.OPEN)


def _missing(place: Place, choice: Choice) -> str:
    """What has to be done before this step; empty if nothing."""
    match place.level:
        case None:
            return ""
        case Level.DATASET:
            return "" if choice.dataset else "import images first"
        case Level.SPLIT:
            return "" if choice.split else "split the images first"
        case Level.RUN:
            runs = choice.dataset and choice.inventory.of_dataset(Level.RUN, choice.dataset.id)
            return "" if runs else "train a model first"
        case Level.MODEL:
            return "" if choice.model else "train a model first"
        case _:
            assert_never(place.level)
