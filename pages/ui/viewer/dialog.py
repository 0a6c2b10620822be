"""The image dialog in a page: mounted once by the frame, opened by galleries in the browser."""

from pathlib import Path

import streamlit as st

from core.domain.models import ColourMap
from core.inference.overlay import CONTOURS, OPACITY, colour_table
from pages.ui import corrections
from pages.ui.routes import UPLOAD_HEADER
from pages.ui.viewer.marks import MARKS

_ASSETS = Path(__file__).parent.parent / "assets"
_KEY = "image_dialog"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


_viewer = st.components.v2.component(
    "touchstone_viewer",
    html=_asset("viewer.html"),
    css=_asset("viewer.css"),
    js=_asset("viewer.js"),
)
_DATA = {
    "header": UPLOAD_HEADER,
    "colours": {colours.value: colour_table(colours).ravel().tolist() for colours in ColourMap},
    "contours": list(CONTOURS),
    "opacity": round(100 * OPACITY),
    "marks": [
        {
            "kind": kind.value,
            "label": style.label,
            "icon": style.icon,
            "key": style.shortcut,
            "help": style.help,
        }
        for kind, style in MARKS.items()
    ],
}


def mount() -> None:
    """Have the dialog ready on this page; corrections made in it run the page again."""
    _viewer(key=_KEY, data=_DATA, on_edited_change=_remember)


def _remember() -> None:
    answer = st.session_state[_KEY].edited
    if answer:
        numbers = [int(number) for number in answer["versions"]]
        corrections.remember(str(answer["dataset"]), numbers)
