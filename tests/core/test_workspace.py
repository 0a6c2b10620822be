import os
import stat
from pathlib import Path

import pytest

from core.errors import PathNotAllowedError, WorkspaceError
from core.workspace import (
    IMPORT_ROOTS_VARIABLE,
    ROOT_VARIABLE,
    Workspace,
    allowed_import_path,
    open_workspace,
)


def test_a_new_workspace_belongs_to_its_owner_only(tmp_path):
    workspace = open_workspace(tmp_path / "a" / "ws")
    folders = [workspace.root, *(p for p in workspace.root.iterdir() if p.is_dir())]
    assert len(folders) == 8
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in folders)


def test_the_environment_names_the_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "elsewhere"))
    assert open_workspace().root == (tmp_path / "elsewhere").resolve()


def test_a_workspace_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WorkspaceError, match="cannot be used"):
        open_workspace(tmp_path / "file")


def test_stored_paths_move_with_the_workspace(tmp_path):
    here, there = Workspace(tmp_path / "here"), Workspace(tmp_path / "there")
    inside, outside = here.uploads / "ds-1" / "a.png", Path("/pictures/a.png")
    assert there.resolve(here.stored(inside)) == there.uploads / "ds-1" / "a.png"
    assert there.resolve(here.stored(outside)) == outside


def test_without_configured_roots_every_folder_but_the_systems_is_allowed(tmp_path):
    assert allowed_import_path(tmp_path) == tmp_path.resolve()
    for folder in ("/proc", "/proc/self", "/sys/kernel", "/dev"):
        with pytest.raises(PathNotAllowedError):
            allowed_import_path(Path(folder))


def test_configured_roots_are_the_only_ones(tmp_path, monkeypatch):
    good, other, bad = tmp_path / "good", tmp_path / "other", tmp_path / "good-not"
    for folder in (good, other, bad):
        folder.mkdir()
    (good / "way out").symlink_to(bad)
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, f"{good}{os.pathsep}{other}")
    assert allowed_import_path(good / "x") == good.resolve() / "x"
    assert allowed_import_path(other) == other.resolve()
    for path in (bad, good / ".." / "good-not", good / "way out", tmp_path):
        with pytest.raises(PathNotAllowedError) as caught:
            allowed_import_path(path)
        assert str(good) in caught.value.hint


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", "a\0b"])
def test_a_path_that_cannot_be_followed_is_refused_in_words(text):
    with pytest.raises(PathNotAllowedError):
        allowed_import_path(Path(text))


def test_a_loop_of_links_is_refused_in_words(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(PathNotAllowedError):
        allowed_import_path(tmp_path / "a")
