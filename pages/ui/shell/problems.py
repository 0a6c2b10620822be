"""What is wrong with a link, in one sentence with a way on."""

from typing import assert_never

import streamlit as st

from core.administration import administration, sign_in_of
from core.domain.configs.administration import AuthMode
from core.exposure import is_exposed
from core.workflows import jobs
from core.workflows.inventory import Level
from core.workspace import Workspace
from pages.ui import text
from pages.ui.places import Place
from pages.ui.shell import deleted
from pages.ui.shell.choice import Choice, Problem, ProblemKind


def show(workspace: Workspace, choice: Choice, problem: Problem, place: Place) -> None:
    """The sentence, and links to what was probably meant."""
    with st.container(key="context_problem", horizontal=True, vertical_alignment="center"):
        asked = st.query_params.get(problem.level.value, "")
        missing = problem.kind is ProblemKind.MISSING
        binned = deleted.in_bin(workspace, problem.level, asked) if missing else None
        if binned:
            deleted.offer(workspace, binned)
        else:
            st.warning(in_words(problem), icon=":material/link_off:", width="stretch")
        meant, instead = problem.item, choice.at(problem.level) or choice.dataset
        if meant:
            _link(_place_for(meant.level, place), meant.name, {meant.level.value: meant.id})
        elif instead:
            _link(place, instead.name, choice.link)
        if stops(problem, place):
            st.page_link(Place.HOME, label="Home", icon=Place.HOME.icon)


def stops(problem: Problem, place: Place) -> bool:
    """Whether the page cannot show what its link asks for: then it shows nothing else instead."""
    if problem.kind is ProblemKind.ELSEWHERE or place.level is None:
        return False
    order = (Level.DATASET, Level.SPLIT, Level.RUN, Level.MODEL)
    return order.index(problem.level) <= order.index(place.level)


def in_words(problem: Problem) -> str:
    """Such as `The model of this link is not here: it was deleted, or is in another workspace.`"""
    asked, item, leader = problem.level.value, problem.item, problem.leader
    match problem.kind:
        case ProblemKind.MISSING:
            return f"The {asked} of this link no longer exists, or belongs to another workspace."
        case ProblemKind.OTHER_KIND:
            assert item
            return (
                f"This link asks for a {asked}, but names the {item.level.value} "
                f"**{text.plain(item.name)}**."
            )
        case ProblemKind.ELSEWHERE:
            assert item
            assert leader
            return (
                f"This link also names the {asked} **{text.plain(item.name)}**, but its "
                f"{leader.level.value} **{text.plain(leader.name)}**, shown here, is of another."
            )
        case _:
            assert_never(problem.kind)


def _place_for(level: Level, place: Place) -> Place:
    match level:
        case Level.RUN:
            return Place.RUNS
        case Level.MODEL:
            return place if place.level is Level.MODEL else Place.EVALUATE
        case Level.DATASET | Level.SPLIT:
            return place
        case _:
            assert_never(level)


def _link(place: Place, name: str, parameters: dict[str, str]) -> None:
    st.page_link(place, label=f"Open {text.plain(name)}", icon=place.icon, query_params=parameters)


def say_exposed() -> None:
    """That everybody in the network may do everything; on every page while it is so."""
    if is_exposed() and sign_in_of().mode is AuthMode.OFF:
        st.warning(
            "Everybody in this network can see, change and delete everything here: nobody is "
            "asked who they are.",
            icon=":material/lock_open:",
        )


def say_settings(workspace: Workspace) -> None:
    """What of `touchstone.toml` does not hold, so that nobody trusts a limit that is not there."""
    problems = administration(workspace.root).problems
    if problems:
        lines = "\n".join(f"- {text.plain(problem.words)}" for problem in problems)
        st.warning(
            f"Some settings of the administrator do not hold:\n\n{lines}",
            icon=":material/rule_settings:",
        )


def say_second_app(workspace: Workspace) -> None:
    """Two servers on one workspace lose nothing, but each shows what the other has only later."""
    if jobs.is_second_app(workspace):
        st.warning(
            "Another Touchstone server uses this workspace. End one of the two: both start jobs, "
            "and each needs the memory of a server.",
            icon=":material/warning:",
        )
