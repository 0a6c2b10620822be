"""The one walk: what it takes, and why it leaves the rest."""

import os
import shutil
import socket

import pytest

from core.data.importing.listing import plan_import, read_images
from core.data.importing.preview import preview_images
from core.data.importing.rules import ImportRules
from core.data.importing.walk import images_in, list_names, why_not_an_image
from core.data.pixels.images import EXTENSIONS
from core.domain.datasets import LabelSource
from core.workflows.use.prediction import image_files
from core.workspace import IMPORT_ROOTS_VARIABLE
from tests.conftest import save_image

HOSTILE = {
    "a/1.png": True,
    "a/2.PNG": True,
    "a/bare": True,
    "b/3.Jpg": True,
    "b/4.jfif": True,
    "b/deep/5.TIF": True,
    "b/notes.txt": False,
    "b/6.png.part": False,
    "b/7.heic": False,
    "._1.png": None,
    "a/._1.png": None,
    ".trash/8.png": None,
    "a/.9.png": None,
    "$RECYCLE.BIN/10.png": None,
    "@eaDir/11.png": None,
    "b/Thumbs.db": None,
    "__MACOSX/a/._1.png": None,
}


@pytest.fixture
def hostile(tmp_path):
    image = save_image(tmp_path / "one.png", [[[1, 2, 3]] * 9] * 9)
    for name in HOSTILE:
        place = tmp_path / "set" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place)
    return tmp_path / "set"


def _are(kind):
    return {name for name, is_image in HOSTILE.items() if is_image is kind}


def test_import_prediction_and_preview_take_the_same_files_and_mention_all_others(hostile):
    # Predictions took `._x.png` and `.trash/`, and left out files without extension, silently.
    plan = plan_import(hostile, ImportRules(LabelSource.FOLDER_LEVEL, level=1))
    found = images_in(hostile)
    predicted = {path.relative_to(hostile).as_posix() for path in found.paths}
    assert {item.path for item in plan.candidates} == predicted == _are(True)
    assert {item.path for item in plan.skipped} == _are(False)
    assert {item.path for item in found.skipped} == _are(False)
    assert found.hidden == list_names(hostile).hidden == len(_are(None))
    assert all(preview_images(hostile, sorted(predicted)))
    typed = image_files([hostile / "a" / ".9.png", hostile])
    assert typed.paths == (hostile / "a" / ".9.png", *found.paths)
    assert len(read_images(hostile, plan).samples) == len(_are(True))


@pytest.mark.parametrize("suffix", sorted(EXTENSIONS))
def test_every_ending_counts_in_lower_and_upper_case(suffix):
    assert why_not_an_image(f"a/x{suffix}") is None
    assert why_not_an_image(f"a/x{suffix.upper()}") is None


def test_a_linked_class_folder_is_followed_and_every_other_link_is_listed(tmp_path):
    # A class folder that was a link vanished without a word.
    root, far = tmp_path / "set", tmp_path / "far"
    for name in ("set/ok/1.png", "far/crack/2.png", "far/crack/more/3.png", "far/4.png"):
        save_image(tmp_path / name, [[[1, 2, 3]]])
    links = {
        "crack": far / "crack",
        "ok/4.png": far / "4.png",
        "twice": far / "crack" / "more",
        "aaa": root / "ok",
        "ok/up": root,
        "ok/above": tmp_path,
        "ok/self.png": root / "ok" / "self.png",
        "ok/gone.png": far / "gone.png",
        "ok/devices": "/dev",
        ".hidden": far,
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "ok" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "ok" / "socket"))
    found = list_names(root)
    assert found.names == ("crack/2.png", "crack/more/3.png", "ok/1.png", "ok/4.png")
    reasons = {item.path: item.reason for item in found.left_out}
    assert {path: reasons[path].rpartition(" ")[2] for path in reasons} == {
        "twice": "crack/more.",
        "aaa": "ok.",
        "ok/up": "it.",
        "ok/above": "it.",
        "ok/self.png": "nothing.",
        "ok/gone.png": "nothing.",
        "ok/devices": "read.",
        "ok/pipe.png": "file.",
        "ok/socket": "file.",
    }
    assert found.hidden == 1
    plan = plan_import(root, ImportRules(LabelSource.FOLDER_LEVEL, level=1))
    assert plan.class_counts == {"crack": 2, "ok": 2}
    assert any("9 links, folders or special files left out" in d.sentence for d in plan.decisions)
    assert {item.path for item in plan.skipped} == set(reasons)
    assert len(read_images(root, plan).samples) == 4


def test_links_out_of_the_allowed_folders_are_not_followed(tmp_path, monkeypatch):
    root = tmp_path / "allowed" / "set"
    for name in ("allowed/set/ok/1.png", "allowed/other/2.png", "secret/3.png"):
        save_image(tmp_path / name, [[[1, 2, 3]]])
    (root / "near").symlink_to(tmp_path / "allowed" / "other")
    (root / "far").symlink_to(tmp_path / "secret")
    (root / "ok" / "3.png").symlink_to(tmp_path / "secret" / "3.png")
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(tmp_path / "allowed"))
    found = list_names(root)
    assert found.names == ("near/2.png", "ok/1.png")
    assert {item.path for item in found.left_out} == {"far", "ok/3.png"}
    assert all("outside" in item.reason for item in found.left_out)


def test_links_that_form_chains_and_circles_end(tmp_path):
    for number in range(30):
        folder = tmp_path / "far" / str(number)
        save_image(folder / "x.png", [[[number, 2, 3]]])
        for other in (number + 1, number + 7, 0):
            (folder / f"to {other}").symlink_to(tmp_path / "far" / str(other % 30))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "start").symlink_to(tmp_path / "far" / "0")
    found = list_names(tmp_path / "set")
    assert len(found.names) == 30
    assert len({os.path.realpath(tmp_path / "set" / name) for name in found.names}) == 30
    assert len(found.names) + len(found.left_out) == 30 + 30 * 3 - 29
