"""Predict: what images were predicted to be before, to be searched and taken along."""

import streamlit as st

from core.workflows.use import history
from core.workspace import Workspace
from pages.ui import text
from pages.use import predict_folder, predict_table

_SHOWN = 200


def show(workspace: Workspace) -> None:
    """Earlier predictions of single images, newest first; whole folders above them."""
    predict_folder.earlier(workspace, None)
    wanted = st.text_input(
        "Search",
        key="history_text",
        icon=":material/search:",
        placeholder="Image, class, part, model or decision",
        width=360,
        label_visibility="collapsed",
    )
    found, total = history.search(workspace, wanted, limit=_SHOWN)
    if not found:
        st.caption(
            "No prediction matches." if wanted else "No single image was classified here yet."
        )
        return
    header, *rows = history.rows(found)
    columns = {str(name): [row[at] for row in rows] for at, name in enumerate(header)}
    predict_table.show(predict_table.named(columns))
    with st.container(horizontal=True, vertical_alignment="center"):
        more = f", the newest {_SHOWN:,} are shown" if total > _SHOWN else ""
        st.caption(f"{text.count(total, 'prediction')}{more}. The images were not stored.")
        st.download_button(
            "CSV",
            history.as_csv(found),
            "history.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="history_csv",
        )
