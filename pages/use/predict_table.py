"""Predict: results as a table, to read and to take along as CSV or JSON."""

import json
from collections.abc import Mapping, Sequence

import streamlit as st

from core.api.models import part_as_json, prediction_as_json
from core.domain.models import Model, PartDecision, PartResult, Prediction
from core.evaluation.decisions.rule import DecisionRule, decision_in_words
from core.files import Cell
from core.inference.prediction_table import UNFAMILIAR
from core.workflows.use import parts, prediction
from pages.ui import text, widgets
from pages.ui.tables import SMALL_ROWS, small_table

UNFAMILIAR_TIP = (
    "Distance to the nearest training image, in units of the model's limit. Above 1 the image is "
    "unlike all of them, and the class means little."
)


def table(model: Model, results: Sequence[Prediction], rule: DecisionRule | None) -> None:
    """All results and the decisions of their parts by a rule, folded away, and two downloads."""
    decided = parts.decisions(results, rule)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        delimiter = widgets.csv_delimiter("csv_delimiter")
        st.download_button(
            "CSV",
            prediction.as_csv(results, model.class_names, rule=rule, delimiter=delimiter),
            "predictions.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="csv",
        )
        st.download_button(
            "JSON",
            json.dumps(
                {
                    "predictions": [prediction_as_json(r) for r in results],
                    **({"parts": [part_as_json(p) for p in decided]} if decided else {}),
                },
                ensure_ascii=False,
                indent=2,
            ),
            "predictions.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            key="json",
        )
    images(results)


def images(results: Sequence[Prediction]) -> None:
    """A row for each image, folded away."""
    with st.expander("Table"):
        show(_columns(results))


def show(columns: Mapping[str, Sequence[str | float | None]]) -> None:
    """A table with numbers as people write them; what is not known is a dash."""
    if not columns:  # nothing was said of any image
        return
    if len(next(iter(columns.values()))) <= SMALL_ROWS:
        small_table(
            {name: [_in_words(name, value) for value in own] for name, own in columns.items()},
            "predictions",
            about="What the images were predicted to be",
            numbers=("confidence", "unfamiliar"),
            tips={"unfamiliar": UNFAMILIAR_TIP},
        )
        return
    st.dataframe(
        dict(columns),
        hide_index=True,
        placeholder="–",
        column_config={
            "confidence": st.column_config.NumberColumn(format="percent"),
            "unfamiliar": st.column_config.NumberColumn(format="%.2f", help=UNFAMILIAR_TIP),
        },
    )


def _in_words(column: str, value: str | float | None) -> str:
    if not isinstance(value, float):
        return text.NOTHING if value is None else str(value)
    return text.confidence(value) if column == "confidence" else text.decimal(value, 2)


def named(rows: Mapping[str, Sequence[Cell]]) -> dict[str, list[str | float | None]]:
    """Columns of a table file as `show` takes them; without those in which nothing stands."""
    names = {"path": "image", UNFAMILIAR: "unfamiliar"}
    numbers = {"confidence", UNFAMILIAR}
    return {
        names.get(name, name): [_cell(value, is_number=name in numbers) for value in values]
        for name, values in rows.items()
        if any(value not in (None, "") for value in values)
    }


def _cell(value: Cell, *, is_number: bool) -> str | float | None:
    if value is None or value == "":
        return None
    return float(value) if is_number else str(value)


def parts_table(decided: Sequence[PartResult]) -> None:
    """The decision on every part, the strictest first."""
    strictness = {decision: -place for place, decision in enumerate(PartDecision)}
    ordered = sorted(decided, key=lambda r: strictness[r.decision] if r.decision else 1)
    columns: dict[str, list[str]] = {
        "part": [r.part for r in ordered],
        "decision": [decision_in_words(r.decision) if r.decision else "–" for r in ordered],
        "images": [text.number(r.images) for r in ordered],
        "decided by": [r.decided_by for r in ordered],
    }
    if len(ordered) <= SMALL_ROWS:
        small_table(columns, "parts", about="The decision on every part", numbers=("images",))
        return
    # Why numbers: the grid sorts them by size.
    st.dataframe({**columns, "images": [r.images for r in ordered]}, hide_index=True)


def _columns(results: Sequence[Prediction]) -> dict[str, list[str | float | None]]:
    columns: dict[str, list[str | float | None]] = {
        "image": [item.path for item in results],
        "class": [item.class_name or "–" for item in results],
        "confidence": [item.confidence for item in results],
    }
    if any(item.decision for item in results):
        columns["decision"] = [
            decision_in_words(item.decision) if item.decision else "–" for item in results
        ]
    if any(item.unfamiliar is not None for item in results):
        columns["unfamiliar"] = [item.unfamiliar for item in results]
    if any(item.part for item in results):
        columns["part"] = [item.part or "–" for item in results]
    columns["second choice"] = [_second(item) for item in results]
    columns["error"] = [item.error or "" for item in results]
    return columns


def _second(item: Prediction) -> str:
    if len(item.confidences) < 2:
        return "–"
    name, confidence = item.confidences[1]
    return f"{name} ({text.confidence(confidence)})"
