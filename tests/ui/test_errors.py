"""What a person and what the administrator learn about an unexpected error."""

import logging
import re

import pytest
from streamlit.testing.v1 import AppTest

from core.workspace import open_workspace
from pages.ui import errors


@pytest.fixture
def log():
    workspace = open_workspace()
    before = {
        name: [*logging.getLogger(name).handlers] for name in ("touchstone", "uvicorn", "asyncio")
    }
    errors.log_to_file(workspace)
    yield workspace.app_log
    for name, handlers in before.items():
        logging.getLogger(name).handlers[:] = handlers


def _broken_page():
    from pages.ui import errors

    with errors.shown():
        raise RuntimeError("the inside of the program")


def test_an_unexpected_error_names_the_log_that_has_its_trace(log):
    shown = AppTest.from_function(_broken_page).run(timeout=30).error[0].value
    assert "the inside" not in shown
    assert str(log) in shown.replace("\\", "")  # Markdown in the path is escaped
    incident = re.search(r"incident (\w+)", shown)[1]
    written = log.read_text(encoding="utf-8")
    assert f"incident {incident}" in written
    assert "RuntimeError: the inside of the program" in written


def test_the_log_is_cut_into_files_of_bounded_size(log):
    for _ in range(3):
        logging.getLogger("touchstone").error("x" * (errors.LOG_BYTES // 2))
    assert log.with_name("app.log.1").is_file()
    assert log.stat().st_size < errors.LOG_BYTES
