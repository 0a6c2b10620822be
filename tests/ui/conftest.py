"""Pages, run through the frame without a browser."""

from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.workspace import ROOT_VARIABLE, Workspace
from tests.frame import link_to

OpenPage = Callable[..., AppTest]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Run a page file of a workspace, with the parameters of a link."""

    def run(file: str, workspace: Workspace, **parameters: str) -> AppTest:
        monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
        st.cache_resource.clear()
        st.cache_data.clear()
        return link_to(file, **parameters).run()

    return run


def show_test_results(app: AppTest, purpose: str = "Understand the errors") -> AppTest:
    """Ask for test results that nobody has viewed, with a purpose, as a person does."""
    app.selectbox(key="purpose_show_test").set_value(purpose)
    return app.button(key="show_test").click().run()
