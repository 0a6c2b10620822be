"""Predict: what tells which images show one part, and the decisions of the parts."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never

import streamlit as st

from core.domain.models import PartDecision, PartResult, Prediction
from core.errors import ConfigError
from core.workflows.use import parts
from pages.ui import errors, text
from pages.use import predict_table


class PartChoice(StrEnum):
    """What tells the part of an image; in the link."""

    NONE = "none"
    FIRST = "first"
    LAST = "last"
    FOLDER = "folder"
    PATTERN = "pattern"


def choose(key: str, *, folders: bool) -> str | None:
    """What tells the part, as on the command line; None: every image stands alone.

    `folders` offers the folder of an image, which an upload does not have.
    """
    offered = [choice for choice in PartChoice if folders or choice is not PartChoice.FOLDER]
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        choice = st.selectbox(
            "Part",
            offered,
            key=f"{key}_part",
            bind="query-params",
            format_func=_in_words,
            width=300,
            help="Several images of one part give one decision, by the rule that is saved with the "
            "threshold, as in evaluation.",
        )
        if choice is not PartChoice.PATTERN:
            return _option(choice, "")
        pattern = st.text_input(
            "Pattern",
            key=f"{key}_pattern",
            bind="query-params",
            placeholder=r"(?P<group>part\d+)",
            width=300,
            help="A regular expression, searched in the path. Its group named “group” is the part.",
        )
    return _option(choice, pattern.strip())


def _in_words(choice: PartChoice) -> str:
    match choice:
        case PartChoice.NONE:
            return "Each image is a part"
        case PartChoice.FIRST:
            return "Name up to the first _ or -"
        case PartChoice.LAST:
            return "Name up to the last _ or -"
        case PartChoice.FOLDER:
            return "Folder of the image"
        case PartChoice.PATTERN:
            return "Pattern in the name"
        case _:
            assert_never(choice)


def _option(choice: PartChoice, pattern: str) -> str | None:
    match choice:
        case PartChoice.NONE:
            return None
        case PartChoice.FIRST:
            return r"regex:(?P<group>[^/_-]+)[_-][^/]*$"
        case PartChoice.LAST:
            return r"regex:(?P<group>[^/]+)[_-][^/_-]*$"
        case PartChoice.FOLDER:
            return "folder"
        case PartChoice.PATTERN:
            return f"regex:{pattern}" if pattern else None
        case _:
            assert_never(choice)


def told(items: Sequence[Prediction], option: str | None) -> list[Prediction]:
    """The predictions with their parts; what cannot be told is said, and nothing has a part."""
    if option is None or not items:
        return list(items)
    try:
        return parts.with_parts(items, parts.told_by(option), [item.path for item in items])
    except ConfigError as err:
        errors.show(err)
        return list(items)


def summary(decided: Sequence[PartResult]) -> None:
    """How many parts are accepted, reviewed and rejected; each of them below."""
    if not decided:
        return
    counts = Counter(result.decision for result in decided)
    words = {
        PartDecision.REJECT: "rejected",
        PartDecision.REVIEW: "for inspector review",
        PartDecision.ACCEPT: "accepted",
        None: "without a decision",
    }
    listed = ", ".join(f"{counts[d]:,} {word}" for d, word in words.items() if counts[d])
    with st.expander(f"**{text.count(len(decided), 'part')}**: {listed}"):
        predict_table.parts_table(decided)
