"""Walking through folders: what is listed and counted, and that no drive makes anybody wait."""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import pytest

from core.data.folders import counting, listing, places, reading
from core.data.folders.counting import FolderCounts, count_images
from core.data.folders.listing import FolderProblem, FolderState, list_folder
from core.data.folders.places import PlaceKind
from core.data.folders.reading import FolderReading
from core.data.importing.listing import plan_import
from core.data.importing.rules import ImportRules
from core.errors import ImportSourceError, PathNotAllowedError
from core.workspace import IMPORT_ROOTS_VARIABLE


def _names(path):
    return [folder.name for folder in list_folder(path).folders]


def _files(folder, count, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}{suffix}").touch()
    return folder


def test_subfolders_come_in_natural_order_without_hidden_ones_and_files(tmp_path):
    for name in ("part 10", "part 2", "Other", ".git", "@eaDir", "$RECYCLE.BIN"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.png").touch()
    found = list_folder(tmp_path)
    assert [folder.name for folder in found.folders] == ["Other", "part 2", "part 10"]
    assert (found.path, found.trail[0], found.trail[-1]) == (tmp_path, Path("/"), tmp_path)
    assert found.is_whole
    assert found.problem is None


def test_folders_of_the_system_are_not_listed():
    names = _names(Path("/"))
    assert "tmp" in names
    assert not {"proc", "sys", "dev", "run"} & set(names)
    with pytest.raises(PathNotAllowedError):
        list_folder(Path("/proc"))


def test_what_is_no_folder_says_why_or_leads_to_the_nearest_one(tmp_path):
    (tmp_path / "a.zip").touch()
    assert list_folder(tmp_path / "none").problem is FolderProblem.MISSING
    assert list_folder(tmp_path / "a.zip").problem is FolderProblem.NO_FOLDER
    for path in (tmp_path / "a.zip", tmp_path / "none" / "deeper", tmp_path):
        assert list_folder(path, nearest=True).path == tmp_path


def test_a_link_is_followed_to_where_it_leads(tmp_path):
    real = tmp_path / "real"
    (real / "inside").mkdir(parents=True)
    (tmp_path / "to file.png").touch()
    (tmp_path / "walk").mkdir()
    links = {"link": real, "nowhere": tmp_path / "no", "file": tmp_path / "to file.png"}
    for name, target in links.items():
        (tmp_path / "walk" / name).symlink_to(target)
    (tmp_path / "walk" / "loop").symlink_to(tmp_path / "walk" / "loop")
    (link,) = list_folder(tmp_path / "walk").folders
    assert (link.name, link.path) == ("link", real)
    assert _names(link.path) == ["inside"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_folder_without_permission_stays_listed_and_says_so():
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    try:
        (top / "open").mkdir(mode=0o755)
        (top / "closed" / "inside").mkdir(parents=True)
        (top / "closed").chmod(0)
        seen = _as_nobody(lambda: (list_folder(top), list_folder(top / "closed")))
    finally:
        shutil.rmtree(top)
    assert seen == "closed no_permission, open open; no_permission"


def _as_nobody(look):
    """What an account without rights sees: the one of these tests may have all."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            above, below = look()
            rows = ", ".join(f"{item.name} {item.state.value}" for item in above.folders)
            os.write(theirs, f"{rows}; {below.problem}".encode())
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours) as answer:
        return answer.read()


def test_odd_names_are_listed_and_what_no_browser_takes_is_not_opened(tmp_path):
    names = [
        "a\nb",
        "📷 parts",
        "<img src=x onerror=alert(1)>",
        "**md** [x](y)",
        " blank ",
        "-rf",
        "'; --",
    ]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "\udcff").mkdir()  # a byte that is no text
    found = {folder.name: folder.state for folder in list_folder(tmp_path).folders}
    assert found.pop("\udcff") is FolderState.NOT_UNICODE
    assert found == dict.fromkeys(names, FolderState.OPEN)
    for name in names:
        assert list_folder(tmp_path / name).path == tmp_path / name


def test_a_folder_of_very_many_is_cut_and_says_so(tmp_path, monkeypatch):
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(listing, "MAX_FOLDERS", 20)
    found = list_folder(tmp_path)
    assert (len(found.folders), found.is_whole) == (20, False)
    monkeypatch.setattr(listing, "MAX_FOLDERS", 30)
    assert list_folder(tmp_path).is_whole is True
    _files(tmp_path, 250)
    monkeypatch.setattr(listing, "SCAN_S", 0.0)
    assert not list_folder(tmp_path).is_whole


def test_images_and_class_folders_are_counted_as_an_import_would(class_folders):
    (class_folders / "notes.txt").touch()
    (class_folders / ".thumbs").mkdir()
    (class_folders / ".thumbs" / "1.png").touch()
    (class_folders / "empty").mkdir()
    plan = plan_import(class_folders, ImportRules())
    counts = count_images(class_folders)
    assert counts == FolderCounts(len(plan.candidates), len(plan.class_counts), is_whole=True)
    deep = _files(class_folders / "train" / next(iter(plan.class_counts)), 2)
    assert count_images(class_folders) == FolderCounts(
        len(plan.candidates) + 2, len(plan.class_counts), is_whole=True
    )
    assert count_images(deep) == FolderCounts(2, 0, is_whole=True)


def test_each_real_folder_is_counted_once(tmp_path):
    _files(tmp_path / "set" / "a", 3)
    (tmp_path / "set" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set" / "a")
    assert count_images(tmp_path / "set").images == 3


def test_counting_ends_after_its_time_and_says_that_there_are_more(tmp_path):
    _files(tmp_path / "a", 1000)
    parts = []
    counts = count_images(tmp_path, seconds=0.0, on_part=parts.append)
    assert not counts.is_whole
    assert 0 < counts.images < 1000
    assert parts[-1] == counts
    assert count_images(tmp_path, should_stop=lambda: True).images == counts.images
    assert count_images(tmp_path, seconds=60) == FolderCounts(1000, 1, is_whole=True)


@pytest.fixture
def dead_drive(monkeypatch):
    """A folder called dead answers nothing until the test ends, as a lost network drive does."""
    ended = threading.Event()
    access = os.access

    def wait(path):
        if str(path).endswith("dead"):
            ended.wait(60)

    def slow_open(path, *, roots=()):
        wait(path)
        return opened(path, roots=roots)

    def slow_access(path, mode):
        wait(path)
        return access(path, mode)

    opened = listing.open_user_folder
    for module in (listing, counting):
        monkeypatch.setattr(module, "open_user_folder", slow_open)
    monkeypatch.setattr(os, "access", slow_access)
    yield
    ended.set()
    deadline = time.monotonic() + 10
    while any(thread.is_alive() for thread in reading._silent) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_drive_that_does_not_answer_makes_nobody_wait(tmp_path, dead_drive, monkeypatch):
    (tmp_path / "dead").mkdir()
    _files(tmp_path / "fine", 4)
    began = time.monotonic()
    beside = FolderReading(tmp_path)
    found = beside.listing(timeout_s=0.5)
    assert [folder.name for folder in found.folders] == ["dead", "fine"]
    assert beside.counts(timeout_s=0.1) == FolderCounts()
    with pytest.raises(ImportSourceError, match="does not answer"):
        FolderReading(tmp_path / "dead").listing(timeout_s=0.3)
    assert time.monotonic() - began < 5
    assert len(reading._silent) == 2
    monkeypatch.setattr(reading, "MOST_SILENT", 2)
    with pytest.raises(ImportSourceError, match="Too many folders"):
        FolderReading(tmp_path / "fine")


def test_a_reading_gives_listing_counts_and_errors(tmp_path):
    _files(tmp_path / "a", 3)
    answered = FolderReading(tmp_path)
    assert [folder.name for folder in answered.listing().folders] == ["a"]
    assert answered.counts(timeout_s=10) == FolderCounts(3, 1, is_whole=True)
    refused = FolderReading(Path("/proc/self"))
    with pytest.raises(PathNotAllowedError):
        refused.listing()


def test_places_are_home_the_computer_drives_and_what_was_used(tmp_path, monkeypatch):
    for name in ("media/eve/stick", "media/shared", "mnt/nas", "mnt/.hidden", "Volumes/Card"):
        (tmp_path / name).mkdir(parents=True)
    mounts = tuple(tmp_path / name for name in ("media", "mnt", "Volumes", "none"))
    monkeypatch.setattr(places, "_MOUNTS", mounts)
    monkeypatch.setattr(places, "_account", lambda: "eve")
    used = [tmp_path / f"set {number}" for number in range(9)]
    found = places.places([tmp_path / "mnt" / "nas", *used])
    assert [(place.kind, place.path) for place in found[:2]] == [
        (PlaceKind.HOME, Path.home()),
        (PlaceKind.COMPUTER, Path("/")),
    ]
    drives = [place.path for place in found if place.kind is PlaceKind.DRIVE]
    assert drives == [
        tmp_path / name for name in ("media/eve/stick", "media/shared", "mnt/nas", "Volumes/Card")
    ]
    recent = [place.path for place in found if place.kind is PlaceKind.RECENT]
    assert recent == used[: places.MOST_RECENT]  # nothing twice
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(tmp_path / "mnt"))
    assert [(place.kind, place.path) for place in places.places(used)] == [
        (PlaceKind.ROOT, tmp_path / "mnt"),
        (PlaceKind.DRIVE, tmp_path / "mnt" / "nas"),
    ]
