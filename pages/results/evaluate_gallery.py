"""The images beside the matrix, and the chips that filter them by class, zone and kind of error."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.evaluation.decisions.mistakes import NO_MISTAKE, MistakeKind, mistake_kinds
from core.evaluation.decisions.outcome import (
    Decision,
    Decisions,
    OperatingPoint,
    decide,
    has_both,
    truths,
)
from core.evaluation.measures.views import Tone
from core.workflows.results.judging import JudgedSet
from core.workspace import Workspace
from pages.ui import image_panel, judged, state, text

UNSURE_BELOW = 0.7  # confidence of the predicted class
MOST_CLASS_CHIPS = 8
Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]
FILTERS = ("kind", "zone", "class")


class ErrorKind(StrEnum):
    """What a chip of kinds leaves; the values stand in links."""

    ESCAPE = "escape"
    FALSE_REJECT = "false-reject"
    CONFUSED = "confused"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Facets:
    """What images can be filtered by: masks [N] by the value in the link, for each filter."""

    errors: Mask
    masks: Mapping[str, Mapping[str, Mask]]


def close_cell(**values: str | None) -> None:
    """Show all errors again, and put these values into the link."""
    state.put(**{"cell": None, "of": None, "page": None, **values})
    # Why: tables would keep their selection.
    st.session_state.table_round = st.session_state.get("table_round", 0) + 1


def close_filters(**values: str | None) -> None:
    """The same, and take every chip away."""
    close_cell(**{**dict.fromkeys(FILTERS), **values})


def facets_of(judgement: JudgedSet, point: OperatingPoint | None) -> Facets:
    """The masks of every chip.

    Args:
        judgement: whose images.
        point: the saved decision rule; None: no zones.
    """
    decisions: Decisions | None = None
    truth = truths(judgement.targets, judgement.verdicts)
    if has_both(judgement.verdicts):
        rule = point or OperatingPoint()
        decisions = decide(
            rule,
            judgement.probabilities,
            judgement.verdicts,
            judgement.predicted,
            parts=judgement.parts,
        )
    kinds = mistake_kinds(judgement.right, decisions, truth)
    by_kind = {
        ErrorKind.ESCAPE.value: kinds == MistakeKind.ESCAPE,
        ErrorKind.FALSE_REJECT.value: kinds == MistakeKind.FALSE_REJECT,
        ErrorKind.CONFUSED.value: kinds == MistakeKind.CONFUSION,
        ErrorKind.UNSURE.value: judgement.confidence < UNSURE_BELOW,
    }
    zones: dict[str, Mask] = {}
    if point is not None and decisions is not None:
        zones = {decision.name.lower(): decisions == decision for decision in Decision}
    present = np.unique(judgement.targets).tolist()
    classes = {judgement.class_names[i]: judgement.targets == i for i in present}
    return Facets(kinds != NO_MISTAKE, {"kind": by_kind, "zone": zones, "class": classes})


def _facets(workspace: Workspace, judgement: JudgedSet) -> Facets:
    """The same; kept for as long as neither the judgement nor the rule changes."""
    point = judged.saved_point(workspace, judgement.model)
    kept = st.session_state.get("facets")
    if kept is None or kept[0] is not judgement or kept[1] != point:
        kept = (judgement, point, facets_of(judgement, point))
        st.session_state.facets = kept
    facets: Facets = kept[2]
    return facets


def errors_of(workspace: Workspace, judgement: JudgedSet, *, whose: str = "") -> None:
    """All errors: wrong classes, and what the saved threshold decides wrongly."""
    facets = _facets(workspace, judgement)
    positions = np.flatnonzero(facets.errors)
    if not len(positions):
        st.subheader("No errors", anchor=False)
        st.caption("Click a cell of the matrix to see its images.")
        return
    _filtered(workspace, judgement, facets, positions, "All errors", whose=whose)


def images_of(
    workspace: Workspace,
    judgement: JudgedSet,
    positions: Positions,
    *,
    title: str,
    tone: Tone,
    whose: str = "",
) -> None:
    """The images of a cell, by its row and column in words."""
    facets = _facets(workspace, judgement)
    _filtered(workspace, judgement, facets, positions, title, tone=tone, whose=whose)


def _filtered(
    workspace: Workspace,
    judgement: JudgedSet,
    facets: Facets,
    positions: Positions,
    title: str,
    *,
    tone: Tone | None = None,
    whose: str = "",
) -> None:
    chosen = {
        name: value
        for name, masks in facets.masks.items()
        if (value := st.query_params.get(name, "")) in masks
    }
    shown = _left(facets, chosen, positions)
    of = f"{len(shown):,} of {len(positions):,}" if chosen else f"{len(positions):,}"
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="gallery_head"
    ):
        st.subheader(f"{text.plain(title)} ({of})", anchor=False, width="content")
        if whose:
            st.badge(text.plain(whose))
        if tone is not None:
            _tone_badge(tone)
        if chosen or tone is not None:
            st.button(
                "Show all errors",
                icon=":material/close:",
                key="clear_cell",
                type="tertiary",
                on_click=close_filters,
            )
        sort = st.container(horizontal=True, horizontal_alignment="right", width="stretch")
    _chips(facets, chosen, positions)
    key = f"pictures_{judgement.model.id}_{judgement.subset}"
    image_panel.panel(workspace, judgement, shown, key=key, sort_in=sort)


def _tone_badge(tone: Tone) -> None:
    match tone:
        case Tone.RIGHT:
            st.badge("correct", icon=":material/check:", color="green")
        case Tone.WRONG:
            st.badge("wrong", icon=":material/close:", color="red")
        case Tone.OPEN:
            st.badge("undecided", icon=":material/question_mark:", color="gray")
        case _:
            assert_never(tone)


def _left(facets: Facets, chosen: Mapping[str, str], positions: Positions) -> Positions:
    """What the chosen chips leave of these images."""
    for name, value in chosen.items():
        positions = positions[facets.masks[name][value][positions]]
    return positions


def _chips(facets: Facets, chosen: Mapping[str, str], positions: Positions) -> None:
    """A row of chips for every filter that would leave out anything; each says how many it has."""
    words: dict[str, Callable[[str], str]] = {
        "kind": lambda value: _kind_words(ErrorKind(value)),
        "zone": lambda value: _zone_words(Decision[value.upper()]),
        "class": str,
    }
    titles = {"kind": "Kind of error", "zone": "Zone", "class": "True class"}
    with st.container(horizontal=True, key="chips", gap="small", vertical_alignment="center"):
        for name, masks in facets.masks.items():
            others = {other: value for other, value in chosen.items() if other != name}
            rest = _left(facets, others, positions)
            counts = {value: int(mask[rest].sum()) for value, mask in masks.items()}
            options = [value for value, n in counts.items() if n or chosen.get(name) == value]
            if name not in chosen and not any(0 < counts[v] < len(rest) for v in options):
                continue
            _choice(name, titles[name], options, counts, chosen.get(name), words[name])


def _choice(
    name: str,
    title: str,
    options: Sequence[str],
    counts: Mapping[str, int],
    chosen: str | None,
    words: Callable[[str], str],
) -> None:
    """One filter: chips, or a box to search in where there are many classes."""
    key = f"chip_{name}"

    def note() -> None:
        state.put(**{name: st.session_state[key], "page": None})

    st.session_state[key] = chosen
    if len(options) > MOST_CLASS_CHIPS:
        ordered = sorted(options, key=lambda value: -counts[value])
        st.selectbox(
            title,
            ordered,
            format_func=lambda value: f"{words(value)} ({counts.get(value, 0):,})",
            key=key,
            index=None,
            placeholder=title,
            label_visibility="collapsed",
            width=220,
            on_change=note,
        )
        return
    st.pills(
        title,
        options,
        format_func=lambda value: f"{text.plain(words(value))} ({counts.get(value, 0):,})",
        key=key,
        label_visibility="collapsed",
        wrap=True,
        on_change=note,
    )


def _kind_words(kind: ErrorKind) -> str:
    match kind:
        case ErrorKind.ESCAPE:
            return "escapes"
        case ErrorKind.FALSE_REJECT:
            return "false rejects"
        case ErrorKind.CONFUSED:
            return "confused"
        case ErrorKind.UNSURE:
            return f"under {text.exact_percent(UNSURE_BELOW)} sure"
        case _:
            assert_never(kind)


def _zone_words(decision: Decision) -> str:
    match decision:
        case Decision.ACCEPT:
            return "accepted"
        case Decision.PERSON:
            return "in review"
        case Decision.REJECT:
            return "rejected"
        case _:
            assert_never(decision)
