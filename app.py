"""The door: the app with its routes, its headers and the end of its inference process.

Start it with `streamlit run app.py` (or `touchstone ui`).
"""

import contextlib
import gc
import importlib
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from core.administration import administration
from core.errors import TouchstoneError
from core.exposure import EXPOSED_VARIABLE, listens_for_others
from core.store.database import sqlite_warning
from core.workflows import jobs
from core.workflows.keeping import schedule
from core.workspace import open_workspace
from pages.ui import errors, inference, limits, routes
from pages.ui.compression import CompressScripts
from pages.ui.first_paint import StyleFirstPaint
from pages.ui.host_guard import ExposureGuard, HostGuard, WordsForErrors
from pages.ui.people import guard
from pages.ui.people.identity import remember_peers
from pages.ui.viewer import routes as viewer_routes


def _import_pages() -> None:
    # Why: the first visitor must not wait for imports while the browser still loads its scripts.
    importlib.import_module("pages.ui.widgets")
    # Why: Streamlit collects garbage after every run of a page; without the imported modules that
    # takes a fifth of the time.
    gc.freeze()


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Open the log, warn about an old SQLite and leave no process behind at the end."""
    if listens_for_others(st.get_option("server.address")):
        os.environ[EXPOSED_VARIABLE] = "1"
    with contextlib.suppress(TouchstoneError, OSError):  # every page says it
        workspace = open_workspace()
        jobs.prepare(workspace)
        jobs.enter_as_app(workspace)
        errors.log_to_file(workspace)
        schedule.keep_time(workspace)
        for problem in administration(workspace.root).problems:
            logging.getLogger("touchstone").warning(problem.words)
    warning = sqlite_warning()
    if warning:
        logging.getLogger("touchstone").warning(warning)
    limits.close_silent_connections()
    threading.Thread(target=_import_pages, daemon=True).start()
    yield
    inference.shut_down()


remember_peers()  # before the server is made
app = st.App(
    "pages/frame.py",
    routes=[*routes.ROUTES, *viewer_routes.ROUTES, *guard.ROUTES],
    middleware=[
        Middleware(HostGuard),
        Middleware(ExposureGuard),
        Middleware(WordsForErrors),
        Middleware(guard.SignInGuard),
        Middleware(limits.UploadQuota),
        Middleware(StyleFirstPaint),
        Middleware(CompressScripts),
    ],
    lifespan=lifespan,
    on_script_error=errors.show_any,
)
