"""Choosing a folder of the server instead of typing its path, wherever a page asks for one."""

import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.administration import FILE
from core.data.folders import reading
from core.data.folders.counting import FolderCounts
from core.domain.keeping.people import NOBODY, Actor, Role, Standing
from core.exposure import EXPOSED_VARIABLE
from core.workflows.keeping import people
from core.workspace import IMPORT_ROOTS_VARIABLE, ROOT_VARIABLE, Workspace
from pages.ui import folder_picker, text
from pages.ui.components import FolderView
from pages.ui.people import session
from tests.conftest import Trained, copy_of
from tests.ui.conftest import OpenPage

Views = list[FolderView]


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Views:
    """What the dialog shows, run by run. Its rows are buttons, which a test can press."""
    shown: Views = []

    def draw(
        view: FolderView, key: str, *, on_open: Callable[[], None], on_use: Callable[[], None]
    ) -> None:
        shown.append(view)

        def press(*what: object) -> None:
            st.session_state[key] = SimpleNamespace(open=what)
            on_open()

        rows = {
            "trail": view.trail,
            "place": view.places,
            "folder": view.folders,
            "archive": view.archives,
        }
        for kind, items in rows.items():
            for position in range(len(items)):
                st.button(
                    f"{kind} {position}",
                    key=f"{kind}_{position}",
                    on_click=press,
                    args=(kind, position, view.number),
                )
        st.button("late", key="late", on_click=press, args=("trail", 0, view.number - 1))

    monkeypatch.setattr(folder_picker, "folder_view", draw)
    return shown


def _page() -> None:
    import streamlit as st

    from core.domain.keeping.people import Right
    from pages.ui import folder_picker

    path = folder_picker.folder_field(
        "Folder", "folder", right=Right.DATA, placeholder="", help="Which."
    )
    st.text(f"chosen: {path!r}")
    # A press inside a dialog runs the dialog alone; here, it runs the page.
    browsing = st.session_state.get("browsing")
    if browsing is not None and not browsing.is_over and not st.session_state.browse_folder:
        folder_picker._dialog()


@pytest.fixture
def page(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    st.cache_resource.clear()
    return AppTest.from_function(_page).run()


def names(views: Views) -> list[str]:
    return [name for name, _ in views[-1].folders]


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert not page.exception
    return page


def test_a_folder_is_chosen_by_walking_to_it(page: AppTest, views: Views, tmp_path: Path) -> None:
    top = tmp_path / "top"
    chosen = top / "line 10" / " last *one* "
    for folder in (top / "line 2", chosen / "good", chosen / "bad"):
        folder.mkdir(parents=True)
    for name in ("good/1.png", "good/2.png", "bad/1.png"):
        (chosen / name).touch()
    page.text_input(key="folder").set_value(f'"{top / "misspelled"}" ').run()
    press(page, "browse_folder")
    assert (views[-1].trail[0], views[-1].trail[-1]) == ("/", "top")
    assert names(views) == ["line 2", "line 10"]
    press(page, "folder_1")
    press(page, "folder_0")
    assert views[-1].trail[-2:] == ["line 10", " last *one* "]
    assert page.markdown[-1].value == "**2 class folders**, **3 images**"
    press(page, "late")  # of a folder that was no longer shown
    assert views[-1].trail[-1] == " last *one* "
    press(page, f"trail_{len(views[-1].trail) - 2}")
    assert names(views) == [" last *one* "]
    press(page, "folder_0")
    press(page, "use_folder")
    # Blanks belong to the name; of a typed path they are left out.
    assert page.text[0].value == f"chosen: {str(chosen)!r}"
    page.text_input(key="folder").set_value(f" {top} ").run()
    assert page.text[0].value == f"chosen: {str(top)!r}"


def test_places_lead_there_and_the_last_folder_is_remembered(
    page: AppTest, views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    press(page, "browse_folder")
    assert [name for _, name, _ in views[-1].places[:2]] == ["Home", "Computer"]
    assert views[-1].place == 0
    assert "mine" in names(views)
    press(page, "place_1")
    assert views[-1].trail == ["/"]
    assert "proc" not in names(views)
    press(page, "place_0")
    press(page, f"folder_{names(views).index('mine')}")
    press(page, "use_folder")
    page.text_input(key="folder").set_value("").run()
    press(page, "browse_folder")
    assert views[-1].trail[-1] == "mine"
    assert page.markdown[-1].value == "No images"


def test_only_open_folders_are_shown(
    page: AppTest, views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("open/inside", "secret/inside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "open" / "out").symlink_to(tmp_path / "secret")
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(tmp_path / "open"))
    for typed in (str(tmp_path / "secret"), str(tmp_path), "relative", "~nobody-here/x", ""):
        page.text_input(key="folder").set_value(typed).run()
        press(page, "browse_folder")
        assert views[-1].trail == [str(tmp_path / "open")]
        assert names(views) == ["inside"]
        assert views[-1].notes == ["Not shown: 1 link to folders that Touchstone may not read."]
    monkeypatch.delenv(IMPORT_ROOTS_VARIABLE)
    monkeypatch.setenv(EXPOSED_VARIABLE, "1")
    page.run()
    assert page.button(key="browse_folder").disabled
    assert "are closed" in str(page.button(key="browse_folder").help)


def test_a_folder_that_is_gone_says_so_and_cannot_be_used(
    page: AppTest, views: Views, tmp_path: Path
) -> None:
    (tmp_path / "top" / "inside").mkdir(parents=True)
    page.text_input(key="folder").set_value(str(tmp_path / "top")).run()
    press(page, "browse_folder")
    (tmp_path / "top" / "inside").rmdir()
    press(page, "folder_0")
    assert views[-1].problem == "This folder no longer exists."
    assert views[-1].trail[-1] == "inside"
    assert page.button(key="use_folder").disabled


def test_a_viewer_cannot_browse(
    page: AppTest, workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.add_user(workspace, "Kim", Role.VIEWER)
    (workspace.root / FILE).write_text('[auth]\nmode = "proxy"\n')
    monkeypatch.setattr("core.domain.keeping.people._usual", lambda: NOBODY)
    monkeypatch.setattr(session, "actor", lambda: Actor("Kim", Standing.ACCOUNT, 1e12))
    opened = open_page("data/import_images.py", workspace)
    assert opened.button(key="browse_folder").disabled
    assert "Kim (viewer) and may not" in str(opened.button(key="browse_folder").help)


def test_every_page_that_asks_for_a_folder_offers_to_browse(
    open_page: OpenPage, trained: Trained, tmp_path: Path, views: Views
) -> None:
    workspace = copy_of(trained.workspace, tmp_path / "copy")
    (tmp_path / "new").mkdir()

    def choose(app: AppTest, field: str) -> AppTest:
        app.text_input(key=field).set_value(str(tmp_path / "new")).run()
        press(app, f"browse_{field}")
        assert views[-1].trail[-1] == "new"
        press(app, "use_folder")
        assert app.text_input(key=field).value == str(tmp_path / "new")
        return app

    choose(open_page("data/import_images.py", workspace), "folder")
    predict = open_page("use/predict.py", workspace)
    predict.segmented_control(key="source").set_value("folder").run()
    choose(predict, "batch_folder")
    predict.segmented_control(key="source").set_value("watched").run()
    choose(predict, "watch_folder")
    moved = open_page("data/datasets.py", workspace, tab="Settings")
    choose(moved, f"moved_to_{trained.dataset.id}")
    assert not moved.button(key="move_there").disabled


def test_import_offers_zip_files_too_and_takes_the_one_that_is_clicked(
    open_page: OpenPage, workspace: Workspace, views: Views, tmp_path: Path
) -> None:
    # Import accepts the path of a ZIP file, but Browse did not show any.
    (tmp_path / "new" / "inside").mkdir(parents=True)
    (tmp_path / "new" / "notes.txt").touch()
    with zipfile.ZipFile(tmp_path / "new" / "parts.ZIP", "w") as archive:
        for name in ("good/1.png", "bad/2.png"):
            archive.writestr(name, b"")

    def browse(app: AppTest, field: str, typed: Path) -> AppTest:
        app.text_input(key=field).set_value(str(typed)).run()
        return press(app, f"browse_{field}")

    app = browse(open_page("data/import_images.py", workspace), "folder", tmp_path / "new")
    assert (names(views), views[-1].archives) == (["inside"], [("parts.ZIP", "")])
    press(app, "archive_0")
    assert app.text_input(key="folder").value == str(tmp_path / "new" / "parts.ZIP")
    assert "**2 images** in **2 classes** would be imported." in [m.value for m in app.markdown]
    # It opens again where the file lies.
    press(app, "browse_folder")
    assert views[-1].trail[-1] == "new"

    opened = AppTest.from_function(_page).run()  # a field for folders alone
    browse(opened, "folder", tmp_path / "new")
    assert views[-1].archives == []


def test_counts_and_names_in_words() -> None:
    words = folder_picker._counts_in_words
    assert words(FolderCounts(300, 3, is_whole=True)) == "**3 class folders**, **300 images**"
    assert words(FolderCounts(1, 0, is_whole=True)) == "**1 image**"
    more = "**More than 1 class folder**, **more than 41,000 images**"
    assert words(FolderCounts(41_000, 1)) == more
    assert words(FolderCounts(12, 0)) == "**More than 12 images**"
    assert words(FolderCounts()) == "No images among the first files"
    assert text.visible("a\nb\u202ec\udcffd 👩‍🔧") == "a\\nb\\u202ec\\udcffd 👩‍🔧"


def test_a_typed_path_on_a_silent_drive_is_given_up_and_named(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page waited for as long as the drive was silent.
    drive, answers = tmp_path / "drive", threading.Event()
    stat = Path.stat

    def silent(path: Path, **options: bool) -> os.stat_result:
        if path == drive:
            answers.wait(30)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", silent)
    monkeypatch.setattr(reading, "ANSWER_S", 0.1)
    page.text_input(key="folder").set_value(str(drive)).run()
    assert f"{drive} does not answer." in page.error[0].value.replace("\\", "")
    assert page.text[0].value == "chosen: ''"
    answers.set()
    page.run()
    assert not page.error
    assert page.text[0].value == f"chosen: {str(drive)!r}"  # nothing is there, which others say
