"""The image dialog in a page: mounted once by the frame, opened by galleries in the browser."""

from pathlib import Path

import streamlit as st

from core.domain.keeping.people import Right
from core.domain.models import ColourMap
from core.inference.overlay import CONTOURS, OPACITY, colour_table
from pages.ui import corrections
from pages.ui.people import rights
from pages.ui.routes import UPLOAD_HEADER
from pages.ui.viewer.marks import MARKS, right_to_set

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
}


def mount() -> None:
    """Have the dialog ready on this page; corrections made in it run the page again."""
    allowed = {"refusal": rights.reason_against(Right.DATA), "marks": _marks()}
    _viewer(key=_KEY, data=_DATA | allowed, on_edited_change=_remember)


def _marks() -> list[dict[str, str | None]]:
    return [
        {
            "kind": kind.value,
            "label": style.label,
            "icon": style.icon,
            "key": style.shortcut,
            "help": style.help,
            "refusal": rights.reason_against(right_to_set(kind)),
        }
        for kind, style in MARKS.items()
    ]


def _remember() -> None:
    answer = st.session_state[_KEY].edited
    if answer:
        numbers = [int(number) for number in answer["versions"]]
        corrections.remember(str(answer["dataset"]), numbers)
