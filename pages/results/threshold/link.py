"""The thresholds on the screen and the line behind them in the link, for a reload and Back."""

import contextlib
import math
from dataclasses import replace

import streamlit as st

from core.domain.parts import ANY_IMAGE, PartRule, part_rule
from core.errors import ConfigError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.outcome import ABOVE_ALL, OperatingPoint
from core.evaluation.decisions.rule import DecisionRule
from core.words import exact
from core.workflows.results.thresholds import ThresholdChoice
from pages.ui import threshold_form
from pages.ui.threshold_form import Draft

_NAMES = ("accept", "reject", "classes", "parts", "line")
Link = dict[str, str]


def follow(model_id: str, saved: DecisionRule | None, class_count: int) -> None:
    """Take over what a link says, unless this session has written it itself.

    Why only then: a slider that was moved is newer than the link that its own run has not written
    yet. After another model was chosen, the link still speaks of the former one.
    """
    link = {name: st.query_params[name] for name in _NAMES if name in st.query_params}
    owner = st.session_state.get("linked_model", model_id)
    known: Link = st.session_state.get(f"link_{model_id}", {})
    st.session_state.linked_model = model_id
    st.session_state.setdefault(f"linked_{model_id}", _draft(model_id))
    st.session_state[f"parts_{model_id}"] = saved.point.parts if saved else ANY_IMAGE
    if owner != model_id:
        _put(known)
    elif link and link != known:
        _adopt(model_id, link, class_count)
        st.session_state[f"link_{model_id}"] = link
        st.session_state[f"linked_{model_id}"] = _draft(model_id)


def write(model_id: str) -> None:
    """Put the draft into the link, once it has changed."""
    draft = _draft(model_id)
    if draft == st.session_state.get(f"linked_{model_id}"):
        return
    point, line, link = draft.point, draft.scenario, Link()
    if point.class_thresholds:
        link["classes"] = ",".join(_percent(limit) for limit in point.class_thresholds)
    if point.accept_below is not None and point.reject_from is not None:
        link["reject"] = _percent(point.reject_from)
        if point.accept_below != point.reject_from:
            link["accept"] = _percent(point.accept_below)
    if point.parts != st.session_state.get(f"parts_{model_id}"):
        link["parts"] = point.parts.text
    if line is not None:
        values = (
            100 * line.defect_rate,
            line.parts_per_shift,
            line.costs.escape,
            line.costs.false_reject,
            line.costs.look,
            100 * line.person_escape,
            100 * line.person_overkill,
        )
        link["line"] = ",".join(exact(round(value, 10)) for value in values)
    st.session_state[f"linked_{model_id}"] = draft
    st.session_state[f"link_{model_id}"] = link
    _put(link)


def _put(link: Link) -> None:
    # Why not all at once: the link also holds what belongs to widgets, which nobody else may set.
    for name in _NAMES:
        if name in st.query_params and name not in link:
            del st.query_params[name]
    if any(st.query_params.get(name) != value for name, value in link.items()):
        st.query_params.update(link)


def _draft(model_id: str) -> Draft:
    return threshold_form.draft(model_id, None)


def _adopt(model_id: str, link: Link, class_count: int) -> None:
    """Values that are no thresholds or no line are left out, as a widget does with its own."""
    saved: PartRule = st.session_state[f"parts_{model_id}"]  # which no link names
    with contextlib.suppress(ConfigError):
        rule = part_rule(link.get("parts", saved.text))
        if rule.k <= threshold_form.MOST_OF_PART:
            threshold_form.put_combination(model_id, rule)
    # Why without how images of a part are combined: else each reload is a choice by hand.
    point, now = _point(link, class_count), replace(_draft(model_id).point, parts=ANY_IMAGE)
    if point is not None and point != now:
        threshold_form.put(model_id, ThresholdChoice(point, "by hand"))
    line = _line(link.get("line", ""))
    if line is not None:
        threshold_form.put_scenario(model_id, line)


def _point(link: Link, class_count: int) -> OperatingPoint | None:
    classes = _numbers(link.get("classes", ""))
    reject = _numbers(link.get("reject", ""))
    accept = _numbers(link.get("accept", "")) or reject
    limits = [round(value / 100, 12) for value in (*classes, *accept, *reject)]
    if not all(0 <= limit <= ABOVE_ALL for limit in limits):
        return None
    if classes:
        is_whole = len(classes) == class_count
        return OperatingPoint(class_thresholds=tuple(limits[:class_count])) if is_whole else None
    if len(reject) != 1 or len(accept) != 1 or limits[0] > limits[1]:
        return None
    return OperatingPoint(limits[0], limits[1])


def _line(written: str) -> Scenario | None:
    values = _numbers(written)
    if len(values) != 7 or min(values) < 0 or max(values[0], *values[5:]) > 100:
        return None
    # Why rounded: 7% is 0.07 again, and not another line.
    rate, misses, alarms = (round(value / 100, 12) for value in (values[0], *values[5:]))
    return Scenario(rate, values[1], Costs(*values[2:5]), misses, alarms)


def _numbers(written: str) -> list[float]:
    """The numbers of `1,2.5`; none if one of them is something else."""
    try:
        numbers = [float(item) for item in written.split(",") if item]
    except ValueError:
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []


def _percent(share: float) -> str:
    return exact(round(100 * share, 10))
