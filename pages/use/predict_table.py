"""Predict: results as a table, to read and to take along as CSV or JSON."""

import json
from collections.abc import Sequence

import streamlit as st

from core.api.models import prediction_as_json
from core.domain.models import Model, Prediction
from core.evaluation.decisions.rule import decision_in_words
from core.workflows.use import prediction
from pages.ui import text, widgets


def table(model: Model, results: Sequence[Prediction]) -> None:
    """All results, folded away, and two downloads."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        delimiter = widgets.csv_delimiter("csv_delimiter")
        st.download_button(
            "CSV",
            prediction.as_csv(results, model.class_names, delimiter=delimiter),
            "predictions.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="csv",
        )
        st.download_button(
            "JSON",
            json.dumps(
                {"predictions": [prediction_as_json(r) for r in results]},
                ensure_ascii=False,
                indent=2,
            ),
            "predictions.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            key="json",
        )
    with st.expander("Table"):
        st.dataframe(
            _columns(results),
            hide_index=True,
            column_config={"confidence": st.column_config.NumberColumn(format="percent")},
        )


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
    columns["second choice"] = [_second(item) for item in results]
    columns["error"] = [item.error or "" for item in results]
    return columns


def _second(item: Prediction) -> str:
    if len(item.confidences) < 2:
        return "–"
    name, confidence = item.confidences[1]
    return f"{name} ({text.confidence(confidence)})"
