"""An empty workspace: the demo and the import, nothing else."""

import streamlit as st
from PIL import Image

from core.data.demo import render_pill
from core.domain.keeping.people import Right
from core.workflows.data import demo
from pages.ui import state
from pages.ui.people import rights
from pages.ui.places import Place

# Why these: they show clear defects and the variety of the dataset at a glance.
_EXAMPLES = (
    ("good", 3),
    ("crack", 2),
    ("contamination", 2),
    ("good", 6),
    ("crack", 8),
    ("contamination", 4),
)
_SIDE_PX = 240


def welcome() -> None:
    st.title("Train an image classifier on your own images", anchor=False)
    st.markdown("See how good it really is, and put it to use. No code, no internet.")
    with st.container(horizontal=True):
        demo_button("Try it with the pill demo", is_main=True)
        import_button()
    st.space("small")
    with st.grid(len(_EXAMPLES), min_column_width=100, key="examples"):
        for name, image in _example_pills():
            st.image(image, caption=name, alt=f"A pill: {name}", width="stretch")


def demo_button(label: str, *, is_main: bool = False) -> None:
    if st.button(
        label,
        type="primary" if is_main else "tertiary",
        icon=":material/play_arrow:",
        key="demo",
        **rights.only(
            Right.DATA,
            help="Draws 300 images of good, contaminated and cracked pills and imports them. "
            "Nothing is downloaded.",
        ),
    ):
        job = demo.start_demo(state.workspace())
        st.switch_page(Place.IMPORT, query_params={"import": job.subject_id})


def import_button() -> None:
    if st.button("Import images", icon=Place.IMPORT.icon, key="go_import"):
        st.switch_page(Place.IMPORT)


@st.cache_data(show_spinner=False)
def _example_pills() -> list[tuple[str, Image.Image]]:
    return [(name, render_pill(name, index, size_px=_SIDE_PX)) for name, index in _EXAMPLES]
