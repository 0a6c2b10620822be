"""The one long-lived process that predicts and explains, so that torch never enters the app."""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import streamlit as st
from loky import ProcessPoolExecutor

from core.data.pixels.isolated_pool import serve_parent
from core.domain.models import Model
from core.errors import TouchstoneError
from core.inference import service
from core.workflows.use.models import exported_bundle
from core.workspace import Workspace

Result = TypeVar("Result")
TIMEOUT_S = 120.0
IDLE_S = 1800

_started: list[ProcessPoolExecutor] = []


@st.cache_resource
def _executor() -> ProcessPoolExecutor:
    executor = ProcessPoolExecutor(max_workers=1, timeout=IDLE_S, initializer=serve_parent)
    _started.append(executor)
    return executor


def call(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run an importable function in the inference process.

    Raises:
        TouchstoneError: what the function raised, or that the process ended; the next call starts
            a new one.
    """
    return answer(submit(function, *arguments))


def submit(function: Callable[..., Result], *arguments: Any) -> Future[Result]:
    """Begin an importable function in the inference process; `answer` gives its result."""
    future: Future[Result] = _executor().submit(function, *arguments)
    return future


def answer(future: Future[Result]) -> Result:
    """The result of a function that was begun.

    Raises:
        TouchstoneError: as of `call`.
    """
    try:
        result = future.result(timeout=TIMEOUT_S)
    except (BrokenProcessPool, FutureTimeoutError) as err:
        _executor.clear()
        shut_down()
        raise TouchstoneError(
            "The inference process ended without an answer.",
            "It restarts with the next request. Very large images may have exhausted the memory.",
        ) from err
    return result


def warm_up(workspace: Workspace, model: Model) -> None:
    """Load a model in the background, once per model and session."""
    if st.session_state.get("warm_model") != model.id:
        st.session_state.warm_model = model.id
        bundle = exported_bundle(workspace, model)
        _executor().submit(service.warm_up, bundle, workspace.runtimes)


def shut_down() -> None:
    """End all inference processes of this server."""
    while _started:
        _started.pop().shutdown(wait=False, kill_workers=True)
