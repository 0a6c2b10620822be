"""Pages, run through the frame without a browser."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from loky import ProcessPoolExecutor
from streamlit.testing.v1 import AppTest

from core.workspace import ROOT_VARIABLE, Workspace
from pages.ui import inference
from tests.frame import link_to

OpenPage = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def _one_inference_process() -> Iterator[None]:
    """As in a server. Why: clearing what is kept between tests would start another one in each."""
    start = inference._executor

    def kept() -> ProcessPoolExecutor:
        if not inference._started:
            start.clear()
            start()
        return inference._started[-1]

    kept.clear = start.clear  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "_executor", kept)
        yield
    inference.shut_down()


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
