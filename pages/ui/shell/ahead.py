"""Elements that later pages show are drawn once, unseen, while the first page is looked at.

Streamlit fetches the code of an element when the first one is drawn, and shows a gray bar for a
third of a second where it is to come: each page would begin with some of them.
"""

import streamlit as st

from pages.ui import components


@st.fragment
def show() -> None:
    """Nothing, until the browser has drawn the first page of a visit."""
    if not components.rests("ahead"):
        return
    with st.container(key="drawn_ahead"):  # the style sheet hides it
        st.checkbox("ahead")
        st.html("<span></span>")
        st.metric("ahead", "0")
        st.number_input("ahead", 0)
        st.pagination(2)
        st.segmented_control("ahead", ["0"])
        st.slider("ahead", 0, 1)
        st.text_area("ahead")
