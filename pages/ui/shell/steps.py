"""The steps of a door in one strip: the active one is the heading of the page."""

from dataclasses import dataclass

import streamlit as st

from core.domain.stages.states import DatasetStages, Stage, StageReason, StageStatus
from core.errors import ConfigError
from core.workflows import stages
from core.workflows.inventory import Item, Level
from core.workflows.results import thresholds
from core.workspace import Workspace
from pages.ui import context, stage_words, state, text
from pages.ui.places import MENU, Place, door_of
from pages.ui.shell.choice import Choice

_STEP_OF = {
    Stage.IMPORTED: Place.IMPORT,
    Stage.CHECKED: Place.QUALITY,
    Stage.SPLIT: Place.SPLIT,
    Stage.TRAINED: Place.TRAIN,
    Stage.SIGNED_OFF: Place.SIGN_OFF,
}
_MISSING = {
    Level.DATASET: "Needs images.",
    Level.SPLIT: "Needs a split.",
    Level.RUN: "Needs a training run.",
    Level.MODEL: "Needs a trained model.",
}


@dataclass(frozen=True)
class Step:
    """How far a step of a door is, and why: one sentence of Markdown, or nothing."""

    status: StageStatus = StageStatus.OPEN
    reason: str = ""


def heading(place: Place, sentence: str) -> None:
    """The strip of a page: links to its neighbors with their states, and its own name as heading.

    Args:
        place: the page.
        sentence: what one does here, shown at the heading on demand.
    """
    choice, places = context.current(), MENU[door_of(place)]
    steps: dict[Place, Step] = {}
    if len(places) > 1 and choice.coming is None:  # else nothing is done yet
        steps = steps_of(state.workspace(), choice, places)
    with st.container(key="steps", horizontal=True, vertical_alignment="center", gap=None):
        for other in places:
            step = steps.get(other, Step())
            if other is place:
                words = f"{sentence}\n\n{step.reason}" if step.reason else sentence
                st.title(place.label, anchor=False, help=words, width="content")
            else:
                _link(other, step, choice)


def _link(place: Place, step: Step, choice: Choice) -> None:
    is_marked = step.status is not StageStatus.OPEN
    icon = f":material/{stage_words.STATUS_ICONS[step.status]}:" if is_marked else None
    # Why colored: the style sheet hides these words from the eye, not from screen readers.
    hidden = f":gray[, {stage_words.STATUS_WORDS[step.status]}. {step.reason}]" if is_marked else ""
    st.page_link(
        place,
        label=f"{place.label}{hidden}",
        icon=icon,
        help=step.reason or None,
        query_params=choice.link,
    )


def steps_of(workspace: Workspace, choice: Choice, places: tuple[Place, ...]) -> dict[Place, Step]:
    """How far each step is, for the open dataset and model."""
    missing = {place: what for place in places if (what := _missing(place, choice))}
    blocked = {place: Step(StageStatus.BLOCKED, what) for place, what in missing.items()}
    dataset = context.dataset(workspace)
    if dataset is None:
        return blocked
    found = stages.stages_of(workspace, dataset)
    steps = {place: _of_stage(found, stage) for stage, place in _STEP_OF.items() if place in places}
    if Place.OPERATING_POINT in places and choice.model is not None:
        steps[Place.OPERATING_POINT] = _threshold(workspace, choice.model.id, found)
    return {**steps, **blocked}


def _of_stage(found: DatasetStages, stage: Stage) -> Step:
    state_of_stage = found.states[stage]
    reason = text.plain(stage_words.reason_in_words(state_of_stage))
    return Step(state_of_stage.status, reason)


def _threshold(workspace: Workspace, model_id: str, found: DatasetStages) -> Step:
    try:
        is_saved = thresholds.saved_rule(workspace, model_id) is not None
    except ConfigError as err:  # one of another version: the pages of results say so
        return Step(StageStatus.CURRENT, text.plain(f"{err.message} {err.hint}"))
    if is_saved:
        return Step(StageStatus.DONE, "A threshold is saved.")
    is_next = found.states[Stage.SIGNED_OFF].reason is StageReason.NO_THRESHOLD
    return Step(StageStatus.CURRENT if is_next else StageStatus.OPEN, "No threshold is saved.")


def _missing(place: Place, choice: Choice) -> str:
    """What a step lacks; empty if nothing."""
    if place.level is None:
        return ""
    if place.level is Level.RUN:
        return "" if _own(choice, Level.RUN) else _MISSING[place.level]
    if choice.at(place.level) is None:
        return _MISSING[place.level]
    is_alone = choice.dataset is not None and len(_own(choice, Level.MODEL)) < 2
    return "Needs two models." if place is Place.COMPARE and is_alone else ""


def _own(choice: Choice, level: Level) -> list[Item]:
    """What the open dataset has of a level."""
    return choice.inventory.of_dataset(level, choice.dataset.id) if choice.dataset else []
