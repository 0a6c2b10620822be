"""Pages run through the frame without a browser, opened as a link opens them."""

from pathlib import Path

from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from pages.ui.places import Place

FRAME = Path(__file__).resolve().parents[1] / "pages" / "frame.py"
_components: list[BidiComponentManager] = []  # at most one


def link_to(file: str, **parameters: str) -> AppTest:
    """A page as a link opens it; `run` opens it.

    Why not by `switch_page`: it asks for a run of Home first, which draws its pictures, and which
    nobody who follows a link waits for.
    """
    app = AppTest.from_file(str(FRAME), default_timeout=60)
    place = Place(file)
    app._page_hash = "" if place is Place.HOME else calc_hash(place.url_path)
    app._bidi_component_manager = _shared_components()
    for name, value in parameters.items():
        app.query_params[name] = value
    return app


def _shared_components() -> BidiComponentManager:
    """One for all pages, as in a server. Why: a new one reads all packages of the environment."""
    if not _components:
        _components.append(BidiComponentManager())
        _components[0].discover_and_register_components(start_file_watching=False)
    return _components[0]
