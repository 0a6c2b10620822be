"""Errors as the app shows them: in words, and never with the inside of the program."""

import logging
import secrets
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import TouchstoneError
from pages.ui import text


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
    except TouchstoneError as err:
        show(err)
    except Exception:
        incident = secrets.token_hex(4)
        logging.getLogger("touchstone").error("incident %s\n%s", incident, traceback.format_exc())
        st.error(
            f"Something went wrong here (incident {incident}). Nothing that was stored is lost. "
            "Reload the page; if it happens again, give this number to your administrator: the "
            "details are in the server's log.",
            icon=":material/error:",
        )
