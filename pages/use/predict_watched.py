"""Predict: a folder that is watched by a program of its own, and its newest answers."""

import shlex
from pathlib import Path

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.models import Model
from core.errors import TouchstoneError
from core.files import CsvDelimiter
from core.workflows.use.watching import newest_rows
from core.workspace import allowed_import_path
from pages.ui import errors, text, widgets
from pages.ui.folder_picker import folder_field
from pages.use import predict_table

_SHOWN = 50
_EVERY_S = 2.0


def watched_folder(model: Model) -> None:
    """The command that watches, ready to be copied, and what it has answered so far."""
    with st.container(border=True):
        left, right = st.columns(2)
        with left:
            folder = folder_field(
                "Folder that gets the images",
                "watch_folder",
                right=Right.PREDICT,
                placeholder="/data/camera",
                help="For lines that can only write files. Each image is answered once it is "
                "complete.",
                in_link=True,
            )
        table = right.text_input(
            "Table of the answers",
            key="watch_table",
            bind="query-params",
            placeholder="/data/answers.csv",
            help="Gets a row per image: class, confidence, decision, score of unfamiliar images.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            moves = st.toggle(
                "Move answered images",
                key="watch_moves",
                bind="query-params",
                help="To a folder called done beside the watched one.",
            )
            delimiter = widgets.csv_delimiter("watch_delimiter")
        if not folder or not table.strip():
            st.caption(
                "Both make the command of a program of its own, which goes on without this page."
            )
            return
        st.code(_command(model, folder, table.strip(), moves, delimiter), language="bash")
        st.caption("Run it on the server, as a service for example. It survives restarts.")
    _answers(Path(table.strip()), delimiter)


def _command(model: Model, folder: str, table: str, moves: bool, delimiter: CsvDelimiter) -> str:
    words = ["touchstone", "watch", model.name, folder, "--out", table]
    if moves:
        words += ["--move-to", str(Path(folder).parent / "done")]
    if delimiter is not CsvDelimiter.COMMA:
        words += ["--delimiter", delimiter.value]
    return shlex.join(words)


@st.fragment(run_every=_EVERY_S)
@errors.shown()
def _answers(table: Path, delimiter: CsvDelimiter) -> None:
    try:
        path = allowed_import_path(table)
        if not path.is_file():
            st.caption("No answers yet.")
            return
        rows = newest_rows(path, delimiter=delimiter, limit=_SHOWN)
    except TouchstoneError as err:
        errors.show(err)
        return
    found = len(rows["path"])
    st.markdown(f"**Newest answers** ({text.count(found, 'image')})")
    predict_table.show(predict_table.named(rows))
