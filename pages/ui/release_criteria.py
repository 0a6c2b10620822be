"""The release gate: pass or block with the reasons, and the criteria behind it."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.splits import Subset
from core.errors import TouchstoneError
from core.evaluation.release.criteria import KeptCriteria, ReleaseCriteria
from core.workflows.results.comparison import ModelComparison
from core.workflows.signoff import release
from core.workflows.signoff.release import GateReport
from core.workspace import Workspace
from pages.ui import errors, text


def show(workspace: Workspace, found: ModelComparison, report: GateReport | None) -> None:
    """The verdict over the new model, and the criteria folded away."""
    name = text.plain(found.second.model.name)
    with st.container(border=True):
        if report is None:
            st.markdown(
                f"**Release gate** · no criteria are set for dataset "
                f"{text.plain(found.second.judged.dataset.name)}."
            )
        elif report.subset is not Subset.TEST:
            _on_validation(name, report)
        elif report.gate.passed:
            st.success(
                f"**PASS** · {name} reaches every criterion on {report.subset}.",
                icon=":material/verified:",
            )
        else:
            st.error(
                "\n".join(
                    [
                        f"**BLOCK** · {name} may not be released:",
                        "",
                        *(f"- {text.plain(r)}" for r in report.gate.reasons),
                    ]
                ),
                icon=":material/block:",
            )
        if report is not None:
            _details(report)
        criteria(workspace, found.second.judged.dataset.id, report.kept if report else None)


def _on_validation(name: str, report: GateReport) -> None:
    says = "would pass" if report.gate.passed else "would be blocked"
    reasons = (
        ""
        if report.gate.passed
        else "\n".join(["", "", *(f"- {text.plain(r)}" for r in report.gate.reasons)])
    )
    st.info(
        f"**No verdict yet** · on these validation images {name} {says}, but models and "
        f"thresholds were chosen there. Only the test images decide.{reasons}",
        icon=":material/rule:",
    )


def _details(report: GateReport) -> None:
    for remark in report.remarks:
        st.warning(text.plain(remark), icon=":material/visibility_off:")
    passed = [check for check in report.gate.checks if check.passed]
    if passed:
        with st.expander(f"Criteria that are met ({len(passed)})"):
            for check in passed:
                st.markdown(f"- {text.plain(check.reason)}")
    if report.kept.criteria.golden_must_pass and not report.golden:
        st.caption("No golden sample is marked in this dataset.")
    if report.golden:
        right = sum(report.golden.values())
        st.caption(f"Golden samples judged right: {right} of {len(report.golden)}.")
        wrong = [name for name, is_right in report.golden.items() if not is_right]
        if wrong:
            st.caption("Not right: " + text.plain(", ".join(wrong[:20])))


def criteria(
    workspace: Workspace, dataset_id: str, kept: KeptCriteria | None, *, expanded: bool = False
) -> None:
    """What models of a dataset must reach: a form, folded away, and what was asked before."""
    with st.expander("Criteria of this dataset", expanded, icon=":material/rule:", key="criteria"):
        wanted = _form(kept.criteria if kept else ReleaseCriteria())
        if wanted is not None:
            try:
                release.set_criteria(workspace, dataset_id, wanted())
            except TouchstoneError as err:
                errors.show(err)
            else:
                st.rerun()
        if kept is not None:
            _history(kept)


def _form(now: ReleaseCriteria) -> Callable[[], ReleaseCriteria] | None:
    """The criteria to set, once the button was pressed."""
    with st.form("criteria_form", border=False):
        st.caption(
            "Set them before the test set is looked at. An empty field asks nothing. Every "
            "change stays on record."
        )
        cells = st.columns(5)
        escape = _percent(
            cells[0],
            "Proven escape, %",
            now.max_escape,
            "criteria_escape",
            "The exact upper bound of the escape rate must not exceed this.",
        )
        overkill = _percent(
            cells[1],
            "Overkill at most, %",
            now.max_overkill,
            "criteria_overkill",
            "The overkill seen must not exceed this.",
        )
        macro_f1 = _percent(
            cells[2],
            "Macro F1 at least, %",
            now.min_macro_f1,
            "criteria_f1",
            "The macro F1 seen must reach this.",
        )
        recall = _percent(
            cells[3],
            "Recall per class, %",
            now.min_recall,
            "criteria_recall",
            "The recall seen of every class must reach this.",
        )
        confidence = cells[4].number_input(
            "Confidence, %",
            50.0,
            99.99,
            100 * now.confidence,
            format="%.4g",
            key="criteria_confidence",
            help="Of the proof of the escape rate.",
        )
        new_escapes = st.checkbox(
            "No new escapes",
            now.no_new_escapes,
            key="criteria_new",
            help="No defective part may be accepted that the present model did not accept.",
        )
        golden = st.checkbox(
            "Golden samples must pass",
            now.golden_must_pass,
            key="criteria_golden",
            help="Images marked as golden sample: good "
            "ones must not be rejected, defective ones not accepted.",
        )
        if not st.form_submit_button("Set criteria", icon=":material/gavel:", key="set_criteria"):
            return None

    def made() -> ReleaseCriteria:
        return ReleaseCriteria(
            max_escape=_fraction(escape),
            max_overkill=_fraction(overkill),
            min_macro_f1=_fraction(macro_f1),
            min_recall=_fraction(recall),
            no_new_escapes=new_escapes,
            golden_must_pass=golden,
            confidence=round(confidence / 100, 12),
        )

    return made


def _fraction(percent: float | None) -> float | None:
    # Why rounded: 7% is 0.07 again, and not another criterion.
    return None if percent is None else round(percent / 100, 12)


def _percent(
    cell: DeltaGenerator, label: str, value: float | None, key: str, help_text: str
) -> float | None:
    chosen: float | None = cell.number_input(
        label,
        0.0,
        100.0,
        None if value is None else 100 * value,
        0.1,
        format="%.4g",
        key=key,
        help=help_text,
        placeholder="not asked",
    )
    return chosen


def _history(kept: KeptCriteria) -> None:
    st.caption(
        f"In force since {text.when(kept.set_at)}: "
        f"{text.plain('; '.join(kept.criteria.in_words()))}."
    )
    if kept.earlier:
        st.warning(f"The criteria were changed {text.count(len(kept.earlier), 'time')}. Before:")
        for at, criteria in reversed(kept.earlier):
            words = text.plain("; ".join(criteria.in_words()) or "nothing")
            st.markdown(f"- from {text.when(at)}: {words}")
