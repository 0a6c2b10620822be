"""F7, F8: a full disk is said in words, leaves no partial file, and can be freed from inside."""

import ctypes
import errno
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data.importing.archives import unpack
from core.data.pixels.cache import pixel_cache
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.datasets import LabelSource
from core.domain.jobs import JobStatus
from core.errors import ConfigError, TouchstoneError, WorkspaceError
from core.store.database import connect, transaction
from core.store.schema.migrations import SCHEMA_VERSION
from core.workflows import jobs
from core.workflows.data import datasets, exports
from core.workspace import ROOT_VARIABLE, Workspace, keep_reserve
from pages.ui import routes
from tests.conftest import store_rows
from tests.made import make_dataset

DISK_BYTES = 24_000_000
_LIBRARY = ctypes.CDLL(None, use_errno=True)
_REMOUNT, _READ_ONLY = 32, 1


def _mount(place: Path, flags: int = 0) -> int:
    options = f"size={DISK_BYTES}".encode()
    if not hasattr(_LIBRARY, "mount"):
        return errno.ENOSYS
    return _LIBRARY.mount(b"tmpfs", str(place).encode(), b"tmpfs", flags, options)


@pytest.fixture
def disk(tmp_path):
    """A disk of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if _mount(place):
        pytest.skip("only root may mount a small disk")
    yield place
    _LIBRARY.umount2(str(place).encode(), 2)


def _fill(disk, name="somebody else's file"):
    file = disk / name
    with file.open("ab", buffering=0) as out:
        while True:
            try:
                out.write(bytes(4096))
            except OSError:
                return file


def test_on_a_full_disk_data_are_still_read_and_deleted(disk):
    # Every command and page, reading too, said "disk I/O error".
    workspace = Workspace(disk / "workspace").create()
    dataset = store_rows(workspace, (0, 1, 2) * 20)
    keep_reserve(workspace)
    assert 0 < workspace.reserve.stat().st_size < DISK_BYTES / 20
    other = _fill(disk)
    assert datasets.list_datasets(workspace)[0].name == dataset.name
    assert not workspace.reserve.exists()  # it was given up for this
    datasets.delete_dataset(workspace, dataset.id)
    _fill(disk, "more")

    def write_much():
        with connect(workspace) as db, transaction(db):
            db.execute("CREATE TABLE large (content)")
            db.execute("INSERT INTO large VALUES (zeroblob(5000000))")

    with pytest.raises(WorkspaceError, match=r"disk of .* is full") as said:
        write_much()
    assert "Delete" in said.value.hint
    other.unlink()
    keep_reserve(workspace)
    assert workspace.reserve.exists()
    assert datasets.list_datasets(workspace) == []


def test_a_read_only_workspace_says_so(disk):
    workspace = Workspace(disk / "workspace").create()
    store_rows(workspace, (0, 1, 2))
    assert not _mount(disk, _REMOUNT | _READ_ONLY)
    with pytest.raises(WorkspaceError, match="read-only"):
        datasets.list_datasets(workspace)
    assert not _mount(disk, _REMOUNT)


def test_a_migration_or_an_export_on_a_full_disk_leaves_all_as_it_was(disk, tmp_path):
    workspace = Workspace(disk / "workspace").create()
    make_dataset(workspace, per_subset=8, images=tmp_path / "images")
    with connect(workspace) as db:
        db.conn.execute(f"PRAGMA user_version={SCHEMA_VERSION - 1}")  # as an older version left it
    other = _fill(disk)
    with pytest.raises(WorkspaceError, match=r"disk of .* is full"):
        datasets.list_datasets(workspace)
    other.unlink()
    assert datasets.list_datasets(workspace)[0].name == "parts"
    left = [path.name for path in workspace.root.glob("*before-schema*")]
    assert left == [f"workspace.db.before-schema-{SCHEMA_VERSION}"]  # the copy, whole
    target, export = disk / "set.zip", exports.plan_export(workspace, "ds-1")
    other = _fill(disk)
    with pytest.raises(ConfigError, match="No space left") as said:
        exports.write_export(export, target)
    assert "Free" in said.value.hint  # it advised to choose a folder that exists
    assert [path.name for path in disk.iterdir() if path not in (workspace.root, other)] == []
    other.unlink()
    exports.write_export(export, target)
    with zipfile.ZipFile(target) as archive:
        assert sum(name.endswith(".png") for name in archive.namelist()) == 3 * 8


def _images(count):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (400, 500, 3), np.uint8)
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            png = io.BytesIO()
            Image.fromarray(np.roll(noise, number, 0)).save(png, "PNG", compress_level=1)
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", png.getvalue())
    return buffer.getvalue()


def test_what_would_fill_the_disk_is_refused_with_numbers_and_leaves_nothing(
    disk, tmp_path, monkeypatch
):
    workspace = Workspace(disk / "workspace").create()
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    large = tmp_path / "large.zip"
    large.write_bytes(_images(44))  # 27 MB
    target = workspace.uploads / "unpacked"
    target.mkdir()
    with pytest.raises(WorkspaceError, match=r"needs 2\d\.\d MB, but of the 2\d\.\d MB .* free"):
        unpack(large, target)
    assert list(target.iterdir()) == []
    paths = [Path(f"{number}.png") for number in range(900)]
    workspace.pixels.mkdir(parents=True)
    with pytest.raises(WorkspaceError, match=r"cache of 900 images needs .* MB"):
        pixel_cache(workspace.pixels, paths, PreprocessConfig(image_size_px=128), key="ds-1")
    # The browser announces a size, or does not.
    client = TestClient(Starlette(routes=routes.ROUTES), base_url="http://localhost")
    ours = {"origin": "http://localhost", routes.UPLOAD_HEADER: "1"}
    for content in (large.read_bytes(), iter([large.read_bytes()])):
        answer = client.post("/uploads/zip", content=content, headers=ours)
        assert answer.status_code == 413
        assert "free" in answer.json()["error"]
    assert [path.name for path in workspace.uploads.iterdir()] == ["unpacked"]


def test_an_import_on_a_full_disk_names_the_cause_and_goes_on_once_there_is_space(disk):
    workspace = Workspace(disk / "workspace").create()
    keep_reserve(workspace)
    upload = workspace.uploads / "zip-1.zip"
    upload.write_bytes(_images(12))  # 7 MB
    other = disk / "other"
    other.write_bytes(bytes(10_000_000))
    # What a killed import had unpacked is removed first.
    left = workspace.uploads / "ds-killed.partial"
    left.mkdir()
    (left / "1.png").write_bytes(bytes(1_000_000))
    job = datasets.start_import(workspace, upload, "Mine", LabelSource.LAST_FOLDER, consume=True)
    with pytest.raises(TouchstoneError, match=r"needs 7\.") as said:
        jobs.wait(workspace, job.id, on_change=lambda _: None)
    assert "Free at least" in said.value.hint
    assert jobs.latest(workspace, job.subject_id).status is JobStatus.FAILED
    assert list(workspace.uploads.iterdir()) == []
    other.unlink()
    upload = workspace.uploads / "zip-2.zip"
    upload.write_bytes(_images(12))
    again = datasets.start_import(workspace, upload, "Mine", LabelSource.LAST_FOLDER, consume=True)
    jobs.wait(workspace, again.id, on_change=lambda _: None)
    assert datasets.find_dataset(workspace, "Mine").sample_count == 12
