"""S9: browsing shows no folder that may not be imported from, by no name, link or made-up click."""

import os
import threading
from pathlib import Path

import pytest

from core.administration import FILE
from core.data.folders import listing
from core.data.folders.counting import FolderCounts, count_images
from core.data.folders.listing import FolderProblem, list_folder, trail_of
from core.data.folders.places import places
from core.domain.keeping.people import Actor, Role, Standing, acting_as
from core.errors import NotAllowedError, PathNotAllowedError
from core.exposure import EXPOSED_VARIABLE
from core.files import open_user_folder
from core.workflows import folders
from core.workflows.keeping import people
from core.workspace import IMPORT_ROOTS_VARIABLE


@pytest.fixture
def rooted(tmp_path, monkeypatch):
    """Two open folders with links from one to the other and out; beside them a secret one."""
    for name in ("open/parts/good", "second", "secret/inside"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("open/parts/good/1.png", "second/2.png", "secret/3.png", "secret/inside/4.png"):
        (tmp_path / name).touch()
    for name in ("open/a.zip", "open/.hidden.zip", "secret/b.zip", "second/c.zip"):
        (tmp_path / name).touch()
    links = {
        "out": tmp_path / "secret",
        "deeper out": tmp_path / "secret" / "inside",
        "nowhere": tmp_path / "secret" / "no such folder",
        "up": tmp_path,
        "system": Path("/proc/self"),
        "file.png": tmp_path / "secret" / "3.png",
        "across": tmp_path / "second",
        "out.zip": tmp_path / "secret" / "b.zip",
        "linked.zip": tmp_path / "second" / "c.zip",
    }
    for name, target in links.items():
        (tmp_path / "open" / name).symlink_to(target)
    roots = os.pathsep.join(str(tmp_path / name) for name in ("open", "second"))
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, roots)
    return tmp_path


def test_links_that_lead_out_are_neither_listed_nor_counted_nor_told_apart(rooted):
    found = list_folder(rooted / "open")
    assert [(item.name, item.path) for item in found.folders] == [
        ("across", rooted / "second"),
        ("parts", rooted / "open" / "parts"),
    ]
    # Also whether something exists out there is not told: what is missing counts as outside.
    assert found.outside == 7
    # Of ZIP files, only those that lie here: no link, wherever it leads, and nothing hidden.
    assert [(item.name, item.path) for item in found.archives] == [
        ("a.zip", rooted / "open" / "a.zip")
    ]
    assert [item.name for item in list_folder(rooted / "second").archives] == ["c.zip"]
    assert count_images(rooted / "open") == FolderCounts(2, 2, is_whole=True)


def test_no_way_leads_above_the_open_folders(rooted):
    assert list_folder(rooted / "open" / "parts").trail == (
        rooted / "open",
        rooted / "open" / "parts",
    )
    assert list_folder(rooted / "open" / "gone" / "x", nearest=True).path == rooted / "open"
    assert trail_of(rooted / "secret") == ()
    ways = ("", "secret", "open/..", "open/out", "open/up/secret", "open/parts/../../secret", "no")
    for way in ways:
        for nearest in (False, True):
            with pytest.raises(PathNotAllowedError) as refused:
                list_folder(rooted / way, nearest=nearest)
            assert "is not in a folder that Touchstone may read" in refused.value.message
    shown = [place.path for place in places([rooted / "secret", rooted / "open" / "parts"])]
    assert shown == [rooted / "open", rooted / "second", rooted / "open" / "parts"]


def test_a_folder_that_becomes_a_link_after_it_was_judged_is_not_listed(rooted, monkeypatch):
    judged = listing.allowed_import_path

    def swapped(path):
        place = judged(path)
        place.rename(rooted / "open" / "moved")
        path.symlink_to(rooted / "secret")
        return place

    monkeypatch.setattr(listing, "allowed_import_path", swapped)
    found = list_folder(rooted / "open" / "parts")
    assert (found.problem, found.folders) == (FolderProblem.NO_PERMISSION, ())
    said = pytest.raises(OSError, match="outside of the folders")
    roots = (rooted / "open",)
    with said, open_user_folder(rooted / "open" / "out", roots=roots):
        pass
    assert count_images(rooted / "open" / "parts").images == 0


def test_an_exposed_server_shows_no_folder_until_some_are_named(rooted, monkeypatch):
    monkeypatch.setenv(EXPOSED_VARIABLE, "1")
    assert folders.reason_closed() is None
    assert list_folder(rooted / "open").folders
    monkeypatch.delenv(IMPORT_ROOTS_VARIABLE)
    assert "are closed" in str(folders.reason_closed())
    assert places([rooted / "open"]) == []
    for path in (Path("/"), Path.home(), rooted / "open"):
        with pytest.raises(PathNotAllowedError, match="are closed"):
            list_folder(path, nearest=True)


def test_who_may_use_no_folder_sees_none(workspace, rooted):
    for name, role in (("eve", Role.VIEWER), ("ina", Role.INSPECTOR)):
        people.add_user(workspace, name, role)
    (workspace.root / FILE).write_text('[auth]\nmode = "proxy"\n')
    before = threading.active_count()
    with acting_as(Actor("eve", Standing.ACCOUNT, 1e12)):
        for ask in (
            lambda: folders.open_folder(workspace, rooted / "open"),
            lambda: folders.places_to_begin(workspace),
        ):
            with pytest.raises(NotAllowedError, match=r"eve \(viewer\) and may not"):
                ask()
    assert threading.active_count() == before
    with acting_as(Actor("ina", Standing.ACCOUNT, 1e12)):
        assert folders.open_folder(workspace, rooted / "open").listing().folders
        assert folders.places_to_begin(workspace)
