"""The thresholds being chosen: their place in the session, sliders and inputs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.parts import ANY_IMAGE, PartHow, PartRule
from core.errors import TouchstoneError
from core.evaluation.decisions.costs import Costs, Scenario
from core.evaluation.decisions.limits import rounded
from core.evaluation.decisions.outcome import ABOVE_ALL, OperatingPoint, single_threshold
from core.evaluation.decisions.rule import DecisionRule, as_limit
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.measures.parts import Unit
from core.workflows.results.thresholds import Basis, ThresholdChoice
from pages.ui import errors, text

# Even steps of the log odds: finer towards 0 and 1, where probabilities crowd.
_ODDS = np.linspace(-9.2, 9.2, 185)
STOPS: list[float] = [0.0, *rounded(1 / (1 + np.exp(-_ODDS))).tolist(), 1.0, ABOVE_ALL]
ONE, TWO, CLASSES = "One threshold", "With a review zone", "Per class"
_COMBINED = {
    PartHow.ANY: "The strictest decides",
    PartHow.AT_LEAST: "Several must agree",
    PartHow.MEAN: "Their mean confidence decides",
}
MOST_OF_PART = 99  # images that must agree
DEFAULT_LINE = Scenario(0.01, 1000, Costs(500, 5, 1), 0.1, 0.02)


class Goal(StrEnum):
    """What thresholds can be chosen for."""

    ESCAPE = "few escapes"
    OVERKILL = "few false rejects"
    BOTH = "both, the rest goes to review"
    COST = "lowest cost"
    CLASS_ERROR = "a threshold per class"


@dataclass(frozen=True)
class Draft:
    """What is on the screen; nothing is stored until somebody saves it."""

    choice: ThresholdChoice
    mode: str
    scenario: Scenario | None = None

    @property
    def point(self) -> OperatingPoint:
        """The limits."""
        return self.choice.point


def draft(model_id: str, saved: DecisionRule | None) -> Draft:
    """The draft of this model; starts with the saved thresholds."""
    key = _key(model_id)
    if key not in st.session_state:
        point = saved.point if saved else single_threshold(0.5)
        chosen_by = saved.chosen_by if saved else "by hand"
        st.session_state[key] = Draft(
            ThresholdChoice(point, chosen_by), _mode(point), saved.scenario if saved else None
        )
    draft: Draft = st.session_state[key]
    how = combination(model_id, saved)
    if draft.point.parts == how:
        return draft
    point = replace(draft.point, parts=how)
    return replace(draft, choice=replace(draft.choice, point=point))


def combination(model_id: str, saved: DecisionRule | None) -> PartRule:
    """How the images of a part are combined: as chosen on the page, else as saved."""
    key = f"combine_{model_id}"
    kept = st.session_state.setdefault(f"{key}_kept", saved.point.parts if saved else ANY_IMAGE)
    how: PartHow = st.session_state.get(key, kept.how)
    k = int(st.session_state.get(f"{key}_k", kept.k if kept.how is PartHow.AT_LEAST else 2))
    st.session_state[f"{key}_kept"] = PartRule(how, k if how is PartHow.AT_LEAST else 1)
    chosen: PartRule = st.session_state[f"{key}_kept"]
    return chosen


def put_combination(model_id: str, rule: PartRule) -> None:
    """Combine the images of a part in another way; call before it is drawn."""
    key = f"combine_{model_id}"
    st.session_state[f"{key}_kept"] = rule
    st.session_state[key] = rule.how
    if rule.how is PartHow.AT_LEAST:
        st.session_state[f"{key}_k"] = rule.k


def choose_combination(model_id: str, basis: Basis) -> None:
    """How several images of one part become one decision; nothing where each is its own part."""
    if basis.unit is not Unit.PARTS:
        return
    now, key = combination(model_id, None), f"combine_{model_id}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Images of one part",
            list(PartHow),
            index=list(PartHow).index(now.how),
            format_func=_COMBINED.__getitem__,
            key=key,
            width=260,
            help="The line takes several images of a part, and one decision is made. Predict, HTTP "
            "and exports decide the same.",
        )
        if now.how is PartHow.AT_LEAST:
            st.number_input("Images", 2, MOST_OF_PART, now.k, key=f"{key}_k", width=110)


def put(model_id: str, choice: ThresholdChoice) -> None:
    """Show other thresholds."""
    old: Draft = st.session_state[_key(model_id)]
    st.session_state[_key(model_id)] = replace(old, choice=choice, mode=_mode(choice.point))
    st.session_state.cut_round = st.session_state.get("cut_round", 0) + 1


def put_scenario(model_id: str, scenario: Scenario) -> None:
    """Keep what was entered about the line, for the other tabs and for saving."""
    old: Draft = st.session_state[_key(model_id)]
    st.session_state[_key(model_id)] = replace(old, scenario=scenario)


def _round() -> int:
    """Part of the keys of the inputs: another one after each change from elsewhere.

    Why: an input whose value the server writes still reports its old one when a person is quicker
    than the answer, and that would undo the change. A new input has no old value.
    """
    return int(st.session_state.get("cut_round", 0))


def _key(model_id: str) -> str:
    return f"draft_{model_id}"


def _mode(point: OperatingPoint) -> str:
    if point.class_thresholds or point.accept_below is None:
        return CLASSES
    return ONE if point.accept_below == point.reject_from else TWO


def _by_hand(model_id: str, point: OperatingPoint) -> None:
    put(model_id, ThresholdChoice(point, "by hand"))


def controls(model_id: str, basis: Basis) -> DeltaGenerator:
    """Mode, slider and exact values; a change is in the draft before the page is drawn.

    Returns:
        where there is room beside them.
    """
    now: Draft = st.session_state[_key(model_id)]
    key = f"rule_mode_{_round()}"
    st.segmented_control(
        "Threshold type",
        [ONE, TWO, CLASSES],
        default=now.mode,
        required=True,
        key=key,
        on_change=_change_mode,
        args=(model_id, key, len(basis.judged.class_names), _round()),
        help="One threshold: every part is accepted or rejected. Review zone: unsure parts go to "
        "an inspector. Per class: the predicted class decides if it reaches its own confidence.",
    )
    if now.mode == CLASSES:
        _class_table(model_id, basis)
        return st.container()
    return _limits(model_id, now)


def _change_mode(model_id: str, key: str, class_count: int, drawn_round: int) -> None:
    if drawn_round != _round():
        return
    old: Draft = st.session_state[_key(model_id)]
    mode, point = st.session_state[key], old.point
    low = 0.5 if point.accept_below is None else point.accept_below
    high = 0.5 if point.reject_from is None else point.reject_from
    if mode == CLASSES:
        _by_hand(model_id, OperatingPoint(class_thresholds=(0.5,) * class_count))
        return
    if mode == ONE:
        _by_hand(model_id, single_threshold(low))
        return
    spread = OperatingPoint(_step(low, -15), _step(high, 15)) if low == high else None
    _by_hand(model_id, spread or OperatingPoint(low, high))


def _step(value: float, steps: int) -> float:
    """Some stops of the slider further."""
    return STOPS[min(len(STOPS) - 2, max(1, STOPS.index(_nearest(value)) + steps))]


def _nearest(value: float) -> float:
    return min(STOPS, key=lambda stop: abs(stop - value))


def _limits(model_id: str, now: Draft) -> DeltaGenerator:
    low, high = now.point.accept_below or 0.0, now.point.reject_from or 0.0
    is_one = now.mode == ONE
    key = f"cut_{model_id}_{_round()}_{now.mode}"
    # Why a stop of its own: the slider must not show another threshold than the one in force.
    first: tuple[float, float] = st.session_state.setdefault(f"{key}_first", (low, high))
    st.select_slider(
        "NOK confidence",
        sorted({*STOPS, *first}),
        value=first[0] if is_one else first,
        key=key,
        format_func=as_limit,
        on_change=_from_slider,
        args=(model_id, key, _round()),
        help="Sum of the confidences of all NOK classes. Further left, more parts are "
        "rejected: fewer escapes, more false rejects. Steps are finer toward both ends.",
    )
    named = (
        (("Reject from, %", high),)
        if is_one
        else (
            ("Accept below, %", low),
            ("Reject from, %", high),
        )
    )
    keys = [f"exact_{label[:6].lower()}_{value!r}_{_round()}" for label, value in named]
    cells = st.columns([2, 3] if is_one else 2, vertical_alignment="bottom")
    for column, (label, value), field in zip(cells, named, keys, strict=False):
        column.number_input(
            label,
            0.0,
            100 * ABOVE_ALL,
            round(100 * value, 10),
            0.1,
            format="%.12g",  # Why so many digits: what is shown is what is applied.
            key=field,
            on_change=_from_numbers,
            args=(model_id, keys, (low, high), _round()),
            help="The exact threshold. No part ever reaches 101%.",
        )
    return cells[1] if is_one else st.container()


def _from_slider(model_id: str, key: str, drawn_round: int) -> None:
    if drawn_round != _round():
        return
    value = st.session_state[key]
    low, high = value if isinstance(value, tuple) else (value, value)
    old: Draft = st.session_state[_key(model_id)]
    choice = ThresholdChoice(OperatingPoint(min(low, high), max(low, high)), "by hand")
    st.session_state[_key(model_id)] = replace(old, choice=choice)


def _from_numbers(
    model_id: str, keys: list[str], drawn: tuple[float, float], drawn_round: int
) -> None:
    limits = [round(st.session_state[key] / 100, 12) for key in keys]  # 22.2% is 0.222
    low, high = limits[0], limits[-1]
    # Why: an input that left the page reports its value once more, as if it had been typed.
    if drawn_round != _round() or np.allclose((low, high), drawn, rtol=0, atol=1e-12):
        return
    if low > high:
        st.session_state.crossing = (low, high)
        st.session_state.cut_round = _round() + 1
        return
    _by_hand_in_mode(model_id, OperatingPoint(low, high))


def _by_hand_in_mode(model_id: str, point: OperatingPoint) -> None:
    """A review zone that was closed to nothing stays a review zone on the screen."""
    mode = st.session_state[_key(model_id)].mode
    _by_hand(model_id, point)
    st.session_state[_key(model_id)] = replace(st.session_state[_key(model_id)], mode=mode)


def run_or_show_error(action: Callable[[], object]) -> None:
    """Run a callback; an error is shown when the page is drawn next."""
    try:
        action()
    except TouchstoneError as err:
        st.session_state.decide_error = err


def show_error() -> None:
    """Say once what went wrong in a callback."""
    err = st.session_state.pop("decide_error", None)
    if err is not None:
        errors.show(err)


def crossing() -> None:
    """Say once that the thresholds typed in cross each other."""
    limits = st.session_state.pop("crossing", None)
    if limits:
        low, high = (as_limit(v) for v in limits)
        st.warning(
            f"Parts would be accepted below {low} but rejected from {high}. Nothing was changed. "
            "The reject threshold must not be below the accept threshold."
        )


def _class_table(model_id: str, basis: Basis) -> None:
    names, verdicts = basis.judged.class_names, basis.judged.verdicts
    now: Draft = st.session_state[_key(model_id)]
    key = f"class_limits_{model_id}_{_round()}"
    # Why kept: the table forgets what was typed when the values it begins with change.
    given = st.session_state.setdefault(
        f"{key}_base", now.point.class_thresholds or (0.0,) * len(names)
    )
    with st.container():
        edited = st.data_editor(
            {
                "class": list(names),
                "verdict": [str(v) if v else "none: inspector review" for v in verdicts],
                "minimum confidence, %": [round(100 * v, 10) for v in given],
            },
            hide_index=True,
            disabled=["class", "verdict"],
            height=min(320, 80 + 35 * len(names)),
            key=key,
            column_config={
                "minimum confidence, %": st.column_config.NumberColumn(
                    min_value=0,
                    max_value=100 * ABOVE_ALL,
                    required=True,
                    format="%.12g",
                    help="Parts predicted as this class with less confidence go to inspector "
                    "review. 101%: always.",
                )
            },
        )
    st.caption("The predicted class decides; below its minimum, a part goes to inspector review.")
    column = edited["minimum confidence, %"]
    limits = tuple(min(ABOVE_ALL, max(0.0, round(float(v) / 100, 12))) for v in column)
    if not np.allclose(limits, now.point.class_thresholds or given, rtol=0, atol=1e-11):
        point = OperatingPoint(class_thresholds=limits)
        st.session_state[_key(model_id)] = replace(now, choice=ThresholdChoice(point, "by hand"))


def confidence_box(*, compact: bool = False, usual: float = CONFIDENCE) -> float:
    """The confidence level of all bounds on the page; compact: as narrow as its value.

    `usual` is chosen at first, if it is one of those offered.
    """
    levels = [0.9, CONFIDENCE, 0.99]
    chosen: float = st.selectbox(
        "Confidence level",
        levels,
        index=levels.index(usual if usual in levels else CONFIDENCE),
        format_func=text.exact_percent,
        key="confidence",
        persist_state="session",
        label_visibility="collapsed" if compact else "visible",
        width=110 if compact else "stretch",
        bind="query-params",
        help="Confidence level of all bounds and guarantees. 95% is usual; 99% needs more parts.",
    )
    return chosen
