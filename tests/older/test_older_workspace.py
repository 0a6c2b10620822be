"""A workspace that an older version made opens in this one, and everything says the same numbers.

The workspace and the golden answers are those of commit ce33d73 (see `make_workspace.py` and
`replay.py`, where everything stands that must be adapted when files move).
"""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.workspace import ROOT_VARIABLE, Workspace
from pages.ui.places import Place
from tests.frame import link_to
from tests.older import replay
from tests.older.replay import BLANK_MODELS, SHEET_MODELS


@pytest.fixture
def place(tmp_path: Path) -> tuple[Workspace, Path]:
    """The recorded workspace, and a folder for what is written."""
    (tmp_path / "out").mkdir()
    return replay.unpacked(tmp_path / "older"), tmp_path / "out"


def test_everything_that_is_read_says_what_it_said_and_no_stored_row_changes(
    place: tuple[Workspace, Path],
) -> None:
    today = replay.ran(*place, replay.reading())
    assert replay.differences_of_steps(replay.golden("reading"), today) == []
    assert replay.changed_rows(place[0].database) == []


def test_exported_tables_have_the_same_cells(place: tuple[Workspace, Path]) -> None:
    golden = replay.golden("exports")
    assert replay.whole_exports(*place) == golden["whole"]
    assert replay.exported(*place, replay.EXPORTED) == golden["places"]


def test_everything_that_is_changed_becomes_what_it_became(place: tuple[Workspace, Path]) -> None:
    today = replay.ran(*place, replay.writing())
    assert replay.differences_of_steps(replay.golden("writing"), today) == []
    assert replay.exported(*place, replay.EXPORTED_NEW) == replay.golden("places_written")
    at_last = replay.ran(*place, replay.ending())
    assert replay.differences_of_steps(replay.golden("ending"), at_last) == []


def test_reports_have_the_same_numbers_and_tables(place: tuple[Workspace, Path]) -> None:
    today = replay.reports(*place)
    for title, golden in replay.golden("reports").items():
        assert list(replay.differences(golden, today[title], title)) == []


def test_a_changed_number_is_noticed() -> None:
    golden = {"rate": 0.25, "n": 4, "error": "Some words.", "reasons": ["a", "b"]}
    assert not list(replay.differences(golden, golden | {"more": 1}))
    assert not list(replay.differences(golden, golden | {"error": "Other.", "reasons": ["c", "d"]}))
    for wrong in (
        {"rate": 0.2500001},
        {"n": 5},
        {"n": True},
        {"error": ""},
        {"reasons": ["a"]},
        {"rate": None},
        {"n": "4"},
    ):
        assert list(replay.differences(golden, golden | wrong)), wrong
    assert list(replay.differences(golden, {}))


def _links() -> list[tuple[str, dict[str, str]]]:
    """Pages, plain and as links open them."""
    links: list[tuple[str, dict[str, str]]] = [(file, {}) for file in Place]
    of_dataset = (
        "data/datasets.py",
        "data/versions.py",
        "data/quality.py",
        "data/split.py",
        "data/preprocess.py",
        "training/train.py",
    )
    of_model = ("results/evaluate.py", "results/operating_point.py", "signoff/signoff.py")
    links += [(file, {"dataset": replay.SHEET}) for file in of_dataset]
    names = ("Sheet sealed", "Sheet closed", SHEET_MODELS[-1], "Rohling A", BLANK_MODELS[-1])
    links += [(file, {"model": name}) for file in of_model for name in names]
    links += [("use/predict.py", {"model": "Sheet one"})]
    links += [("results/compare.py", {"model": "Sheet two", "against": "Sheet one"})]
    return links


# Boxes of errors that are content: criteria that are not met.
ERROR_BOXES = {
    ("signoff/signoff.py", "Sheet sealed"): 1,
    ("signoff/signoff.py", "Rohling A"): 1,
}


@pytest.mark.parametrize(("file", "link"), _links(), ids=str)
def test_a_page_shows_the_older_workspace_without_error(
    copied: Workspace, file: str, link: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened_page(copied, file, link, monkeypatch)
    assert not app.exception
    boxes = [box.value for box in app.error]
    assert len(boxes) == ERROR_BOXES.get((file, next(iter(link.values()), None)), 0), boxes
    assert app.title


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One copy for all pages; they may count looks in it."""
    # Why once: they share one inference process, as the pages of an app do.
    st.cache_resource.clear()
    st.cache_data.clear()
    return replay.unpacked(tmp_path_factory.mktemp("pages") / "older")


def opened_page(
    workspace: Workspace, file: str, link: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    ids = {noun: replay.id_of(workspace, noun, name) for noun, name in link.items()}
    return link_to(file, **ids).run()
