"""The tab of the measures: every one with its bounds and what it says."""

from collections.abc import Sequence

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.evaluation.measures.catalog import MeasuredValue, top_k_error
from core.evaluation.measures.parts import Unit
from core.workflows.results import evaluation
from core.workspace import Workspace
from pages.ui import errors, judged, text


@st.fragment
@errors.shown()
def measures(workspace: Workspace, model: Model, subset: Subset) -> None:
    """Every measure with its bounds and what it means."""
    report = judged.report(workspace, model, subset)
    listed = list(report.listed)
    count = len(report.class_names)
    with_bounds = subset is not Subset.TRAIN  # what was trained on estimates nothing
    if count > 2:
        k = int(
            st.number_input(
                "K for another top-K error",
                1,
                count,
                min(4, count),
                key="top_k",
                width=220,
                help="An image counts as an error if its true class is not among the K most "
                "confident ones.",
            )
        )
        further = top_k_error(k)
        if further.key not in {item.measure.key for item in listed}:
            data = judged.judgement(workspace, model, subset)
            listed += evaluation.measure(data, [further])
    st.dataframe(
        measure_columns(listed, with_bounds=with_bounds),
        hide_index=True,
        key="measures",
        height="content",
        column_config={
            "measure": st.column_config.TextColumn(width=190),
            **{
                n: st.column_config.TextColumn(width=80, alignment="right")
                for n in ("value", "low", "high")
            },
        },
    )
    counts = f"{report.independent:,} {report.unit.word}"
    of_parts = report.unit is Unit.PARTS
    micro = (
        "Accuracy and top-K errors count parts, the other measures images."
        if of_parts
        else "Micro means equal the accuracy."
    )
    bounds = f"{text.exact_percent(report.confidence)} bounds, " if with_bounds else ""
    st.caption(f"{bounds}{counts}. {micro}")
    mix = sorted(zip(report.class_mix, report.class_names, strict=True), reverse=True)
    shares = ", ".join(f"{text.plain(n)} {text.percent(share)}" for share, n in mix[:12])
    st.caption(f"Class mix: {shares}{' …' if len(mix) > 12 else ''}")


def measure_columns(
    listed: Sequence[MeasuredValue], *, with_bounds: bool = True
) -> dict[str, list[str]]:
    """The table of measures by column."""
    bounds = [item.interval for item in listed]
    columns = {
        "low": [_decimal(item.low if item else None) for item in bounds],
        "high": [_decimal(item.high if item else None) for item in bounds],
    }
    return {
        "measure": [item.measure.title for item in listed],
        "value": [_decimal(item.value) or "no data" for item in listed],
        **(columns if with_bounds else {}),
        "what it says": [item.measure.help for item in listed],
    }


def _decimal(value: float | None) -> str:
    return "" if value is None else text.decimal(value)
