"""Errors as the app shows them: in words, and never with the inside of the program."""

import logging
import secrets
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler

import streamlit as st

from core.errors import NotAllowedError, TouchstoneError
from core.workspace import Workspace, open_workspace
from pages.ui import text

LOG_BYTES = 2_000_000
OLDER_LOGS = 4


def log_to_file(workspace: Workspace) -> None:
    """Keep what the server's loggers say in the workspace, in files of bounded size."""
    log = RotatingFileHandler(
        workspace.app_log, maxBytes=LOG_BYTES, backupCount=OLDER_LOGS, encoding="utf-8"
    )
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("touchstone", "uvicorn", "asyncio"):
        logging.getLogger(name).addHandler(log)


def show(err: TouchstoneError) -> None:
    """What happened and what to do next; user text in it is shown literally."""
    words = [text.plain(part) for part in (err.message, err.hint) if part]
    st.error("\n\n".join(words), icon=":material/error:")


@contextmanager
def shown() -> Iterator[None]:
    """Show whatever goes wrong inside; around every page, and on fragments and dialogs, which
    Streamlit runs without the frame."""
    try:
        yield
    except Exception as err:
        show_any(err)


def show_any(err: Exception) -> bool:
    """Show an error of ours, or the incident of any other; also where Streamlit catches it.

    Streamlit calls callbacks before the frame. Always true: there is nothing more to show.
    """
    if isinstance(err, TouchstoneError):
        show(err)
        return True
    incident = secrets.token_hex(4)
    trace = "".join(traceback.format_exception(err))
    logging.getLogger("touchstone").error("incident %s\n%s", incident, trace)
    st.error(
        f"Something went wrong here (incident {incident}). Nothing that was stored is lost. "
        "Reload the page. If it happens again, give this number to your administrator: the "
        f"details are in {text.plain(str(open_workspace().app_log))}.",
        icon=":material/error:",
    )
    return True


@contextmanager
def refusals_in_passing() -> Iterator[None]:
    """In a callback: say that somebody may not, and let the page be drawn."""
    try:
        yield
    except NotAllowedError as err:
        st.toast(text.plain(str(err)), icon=":material/lock:")
