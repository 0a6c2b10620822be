"""What is chosen stays chosen."""

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import streamlit as st

    from pages.ui import state

    names = {"new": "Marks full · just now", "old": "Marks full · just now"}
    st.text(str(state.choose("run", names, label="Run", help="Which.")))


def test_equal_names_are_told_apart():
    # The browser answers with the name; of two equal ones the last was taken, so that the page of
    # a new run showed an older one as soon as anything on it ran again.
    page = AppTest.from_function(_page)
    page.query_params["run"] = "new"
    page.run()
    assert page.selectbox[0].options == ["Marks full · just now", "Marks full · just now (2)"]
    page.run()
    assert page.text[0].value == "new"
    assert page.query_params["run"] in ("new", ["new"])  # by version of Streamlit
