"""Release criteria: whether a model meets them, and the form that sets them."""

import contextlib
import math
from collections.abc import Callable
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.keeping.people import Right
from core.domain.models import ModelStanding
from core.domain.settings import yes_or_no
from core.domain.splits import Subset
from core.errors import TouchstoneError
from core.evaluation.measures.intervals import CONFIDENCE
from core.evaluation.release.criteria import KeptCriteria, ReleaseCriteria
from core.evaluation.release.words import (
    check_in_words,
    criteria_in_words,
    not_applicable_in_words,
    reasons_in_words,
    remarks_in_words,
)
from core.workflows.signoff import release
from core.workflows.signoff.release import GateReport
from core.workflows.voided import seals_in_words, valid_seals
from core.workspace import Workspace
from pages.ui import errors, state, text
from pages.ui.people import rights

LINK = "criteria"  # in the link: what is typed and not set yet
_TESTED = {ModelStanding.PASSED, ModelStanding.BLOCKED}


def show(report: GateReport | None, name: str, standing: ModelStanding) -> None:
    """The verdict of the release criteria on a model, with what is met folded away.

    Args:
        report: of the check; None: there are no criteria, and nothing is shown.
        name: of the model.
        standing: of its sign-off. Where its test has a verdict, validation adds none.
    """
    if report is None:
        return
    if report.subset is not Subset.TEST and standing in _TESTED:
        _tested(text.plain(name), has_passed=standing is ModelStanding.PASSED)
        return
    if report.subset is not Subset.TEST:
        _on_validation(text.plain(name), report)
    elif report.gate.passed:
        st.success(
            f"**PASS** · {text.plain(name)} meets every release criterion on the test images.",
            icon=":material/verified:",
        )
    else:
        st.error(
            f"**BLOCK** · {text.plain(name)} does not meet the release criteria:\n\n"
            f"{_reasons(report)}",
            icon=":material/block:",
        )
    _details(report)


def if_counted_as_parts(report: GateReport, other: GateReport | None) -> None:
    """Says where the verdict would be another one if unconfirmed look-alikes counted as parts."""
    if other is None or other.gate.passed is report.gate.passed:
        return
    would = "would be met" if other.gate.passed else "would not be met"
    st.warning(
        f"**The verdict depends on the look-alikes**: if each group of them were one part, the "
        f"criteria {would}. Answer on the Quality page which of them show one part.",
        icon=":material/group_work:",
    )


def _reasons(report: GateReport) -> str:
    return "\n".join(f"- {text.plain(reason)}" for reason in reasons_in_words(report.gate))


def _on_validation(name: str, report: GateReport) -> None:
    would = "would meet" if report.gate.passed else "would not meet"
    st.info(
        f"**No verdict yet** · on validation, {name} {would} the release criteria. Only the test "
        f"images count.\n\n{_reasons(report)}",
        icon=":material/rule:",
    )


def _tested(name: str, *, has_passed: bool) -> None:
    """What its test has already settled."""
    if has_passed:
        st.success(f"**{name} passed its sealed test.**", icon=":material/verified:")
    else:
        st.error(
            f"**{name} did not meet the release criteria** on the test images. Sign-off says why.",
            icon=":material/block:",
        )


def _details(report: GateReport) -> None:
    verdict = report.gate
    for remark in remarks_in_words(verdict):
        st.warning(text.plain(remark), icon=":material/info:")
    for sentence in not_applicable_in_words(verdict):
        st.caption(text.plain(sentence))
    passed = [check for check in verdict.checks if check.passed]
    if passed:
        with st.expander(f"Criteria that are met ({len(passed)})"):
            for check in passed:
                st.markdown(f"- {text.plain(check_in_words(check))}")
    if report.kept.criteria.golden_must_pass and not verdict.golden:
        st.caption("No golden sample is marked in this dataset.")
    if verdict.golden:
        right = len(verdict.golden) - len(verdict.failed_golden)
        st.caption(f"Golden samples judged correctly: {right} of {len(verdict.golden)}.")
    if verdict.failed_golden:
        st.caption(f"Judged wrong: {text.plain(', '.join(verdict.failed_golden[:20]))}")


def criteria(
    workspace: Workspace,
    dataset_id: str,
    kept: KeptCriteria | None,
    *,
    expanded: bool = False,
    key: str = "criteria",
) -> None:
    """What models of a dataset must reach: a form, folded away, and the earlier criteria."""
    now, since = (kept.criteria, kept.set_at) if kept else (ReleaseCriteria(), 0.0)
    # Why with the time: what was typed over other criteria than those in force is forgotten.
    owner = f"{dataset_id}@{since!r}"
    is_begun = bool(state.draft(LINK, owner))
    label = "Edit release criteria" if kept else "Set release criteria"
    with st.expander(label, expanded or is_begun, icon=":material/rule:", key=key):
        sealed = seals_in_words(valid_seals(workspace, dataset_id))
        if sealed:
            st.warning(
                f"**Other criteria void {text.plain(sealed)}**, which used these.",
                icon=":material/lock:",
            )
        _edit(workspace, dataset_id, now, owner, is_main=expanded)
        if kept is not None:
            _history(kept)


# Why a fragment and no form: a form sends nothing before its button, and a reload empties it.
@st.fragment
@errors.shown()
def _edit(
    workspace: Workspace, dataset_id: str, now: ReleaseCriteria, owner: str, *, is_main: bool
) -> None:
    wanted = _form(now, owner, is_main=is_main)
    if wanted is None:
        return
    try:
        release.set_criteria(workspace, dataset_id, wanted())
    except TouchstoneError as err:
        errors.show(err)
    else:
        state.keep_draft(LINK, owner, {})
        st.rerun()


def _form(
    now: ReleaseCriteria, owner: str, *, is_main: bool
) -> Callable[[], ReleaseCriteria] | None:
    """Makes the criteria to set, once the button was pressed; they may be refused."""
    _load(now, owner)
    st.caption(
        "An empty field requires nothing. Escapes, automatic share and reviews must be proven. "
        "Every change is recorded."
    )
    cells = st.columns(5, vertical_alignment="bottom")
    escape = _number(
        cells[0],
        "Escape rate at most, %",
        "criteria_escape",
        "Largest escape rate. The exact upper bound must not exceed it.",
        step=0.1,
    )
    overkill = _number(
        cells[1],
        "False rejects at most, %",
        "criteria_overkill",
        "Largest false reject rate (overkill) in the test.",
        step=0.1,
    )
    macro_f1 = _number(
        cells[2],
        "Macro F1 at least, %",
        "criteria_f1",
        "Smallest macro F1 in the test.",
        step=0.1,
    )
    recall = _number(
        cells[3],
        "Recall at least, %",
        "criteria_recall",
        "Smallest recall of every class in the test.",
        step=0.1,
    )
    confidence = _number(
        cells[4],
        "Confidence, %",
        "criteria_confidence",
        "Confidence of the bounds of the criteria that must be proven.",
        placeholder=f"{_shown(CONFIDENCE):g}",
    )
    more = st.columns(4, vertical_alignment="bottom")
    automatic = _number(
        more[0],
        "Automatic share at least, %",
        "criteria_automatic",
        "Smallest share of parts decided without a person, in the mix of the test images. The "
        "exact lower bound must reach it.",
        step=0.1,
    )
    reviews = _number(
        more[1],
        "Reviews per shift at most",
        "criteria_reviews",
        "Most inspector reviews in a shift. The exact upper bound must not exceed it. Needs "
        "the parts per shift.",
    )
    volume = _number(
        more[2],
        "Parts per shift",
        "criteria_volume",
        "Parts inspected in one shift, for the limit on reviews.",
        placeholder="not given",
    )
    defect_rate = _number(
        more[3],
        "Defect rate of the line, %",
        "criteria_defect_rate",
        "Share of defective parts in production, for the limit on reviews. Empty: the mix of "
        "the test images.",
        placeholder="as in the test",
        step=0.1,
    )
    new_escapes = st.checkbox(
        "No new escapes",
        key="criteria_new",
        help="No defective part may be accepted that the current model does not accept. Not "
        "applicable where no model is compared.",
    )
    golden = st.checkbox(
        "Golden samples must pass",
        key="criteria_golden",
        help="Images marked as golden samples: good ones must not be rejected, defective ones "
        "not accepted.",
    )
    kind: Literal["primary", "secondary"] = "primary" if is_main else "secondary"
    pressed = st.button(
        "Set criteria",
        icon=":material/gavel:",
        key="set_criteria",
        type=kind,
        **rights.only(Right.SIGN_OFF),
    )
    _keep(now, owner)
    if not pressed:
        return None

    def made() -> ReleaseCriteria:
        return ReleaseCriteria(
            max_escape=_fraction(escape),
            max_overkill=_fraction(overkill),
            min_macro_f1=_fraction(macro_f1),
            min_recall=_fraction(recall),
            no_new_escapes=new_escapes,
            golden_must_pass=golden,
            confidence=CONFIDENCE if confidence is None else round(confidence / 100, 12),
            min_automatic=_fraction(automatic),
            max_reviews=reviews,
            parts_per_shift=volume,
            defect_rate=_fraction(defect_rate),
        )

    return made


def _load(now: ReleaseCriteria, owner: str) -> None:
    """Show the criteria in force, once for each state of them; what is typed stays."""
    # Why not as the fields' own values: a field that has one cannot be emptied.
    is_other = st.session_state.get("criteria_state") != owner
    st.session_state["criteria_state"] = owner
    for key, value in (_in_force(now) | _typed(owner)).items():
        if is_other or key not in st.session_state:
            st.session_state[key] = value


def _in_force(now: ReleaseCriteria) -> dict[str, float | bool | None]:
    """Key of a field -> what it shows of the criteria."""
    return {
        "criteria_escape": _shown(now.max_escape),
        "criteria_overkill": _shown(now.max_overkill),
        "criteria_f1": _shown(now.min_macro_f1),
        "criteria_recall": _shown(now.min_recall),
        "criteria_confidence": _shown(now.confidence),
        "criteria_automatic": _shown(now.min_automatic),
        "criteria_reviews": now.max_reviews,
        "criteria_volume": now.parts_per_shift,
        "criteria_defect_rate": _shown(now.defect_rate),
        "criteria_new": now.no_new_escapes,
        "criteria_golden": now.golden_must_pass,
    }


def _typed(owner: str) -> dict[str, float | bool | None]:
    """What was typed before a reload; what is impossible in the link is left out."""
    usual = _in_force(ReleaseCriteria())
    typed: dict[str, float | bool | None] = {}
    for name, words in state.draft(LINK, owner).items():
        key = f"criteria_{name}"
        with contextlib.suppress(KeyError, ValueError):
            typed[key] = (
                yes_or_no(words) if isinstance(usual[key], bool) else _number_or_none(words)
            )
    return typed


def _number_or_none(words: str) -> float | None:
    number = float(words) if words else None
    if number is not None and not math.isfinite(number):
        raise ValueError(words)
    return number


def _keep(now: ReleaseCriteria, owner: str) -> None:
    changed = {
        key.removeprefix("criteria_"): st.session_state[key]
        for key, value in _in_force(now).items()
        if st.session_state[key] != value
    }
    state.keep_draft(LINK, owner, changed)


def _fraction(percent: float | None) -> float | None:
    # Why rounded: 7% is 0.07 again, and not another criterion.
    return None if percent is None else round(percent / 100, 12)


def _shown(share: float | None) -> float | None:
    """A share as percent; 0.07 is 7 and not 7.000000000000001."""
    return None if share is None else round(100 * share, 10)


def _number(
    cell: DeltaGenerator,
    label: str,
    key: str,
    help_text: str,
    *,
    placeholder: str = "not required",
    step: float = 1.0,
) -> float | None:
    # Why without bounds: the browser would swallow what is beyond them, and nobody would say why.
    chosen: float | None = cell.number_input(
        label,
        value=None,
        step=step,
        format="%.12g",  # Why so many digits: what is shown is what is required.
        key=key,
        help=help_text,
        placeholder=placeholder,
    )
    return chosen


def _history(kept: KeptCriteria) -> None:
    st.caption(
        f"In force since {text.when(kept.set_at)}: "
        f"{text.plain('; '.join(criteria_in_words(kept.criteria)))}."
    )
    if kept.earlier:
        st.warning(f"The criteria were changed {text.count(len(kept.earlier), 'time')}. Earlier:")
        for at, criteria in reversed(kept.earlier):
            words = text.plain("; ".join(criteria_in_words(criteria)) or "nothing")
            st.markdown(f"- from {text.when(at)}: {words}")
