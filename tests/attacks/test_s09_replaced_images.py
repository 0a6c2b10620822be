"""S9: an image that is replaced after its import neither stops the app nor shows another file."""

import ctypes
import io
import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data import apart
from core.domain.datasets import LabelSource
from core.workflows import jobs
from core.workflows.data import datasets, exports
from core.workflows.data.exports import ExportFormat
from core.workspace import IMPORT_ROOTS_VARIABLE, ROOT_VARIABLE
from pages.ui import routes

needs_links = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")


@pytest.fixture
def imported(workspace, class_folders, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    job = datasets.start_import(workspace, class_folders, "Mine", LabelSource.LAST_FOLDER)
    jobs.wait(workspace, job.id, on_change=lambda _: None)
    dataset = datasets.find_dataset(workspace, "Mine")
    return dataset, datasets.samples(workspace, dataset.id)[0]


@pytest.fixture
def client():
    with TestClient(Starlette(routes=routes.ROUTES), base_url="http://localhost") as opened:
        yield opened


def _replace(path, target):
    """Another file in the place of an image, of its size and time, so that only reading tells."""
    status = path.stat()
    path.unlink()
    decoy = path.with_name("decoy")
    decoy.write_bytes(target.read_bytes()[: status.st_size].ljust(status.st_size))
    os.utime(decoy, (status.st_atime, status.st_mtime))
    path.symlink_to(decoy)


@needs_links
def test_a_pipe_or_a_link_in_its_place_is_answered_and_never_shown(
    workspace, imported, client, tmp_path, monkeypatch
):
    dataset, (piped, linked, outside, *_) = imported
    Path(piped.path).unlink()
    os.mkfifo(piped.path)
    _replace(Path(linked.path), workspace.database)
    # The same content, but elsewhere: it may not be read, whatever it is.
    secret = shutil.copy2(outside.path, tmp_path / "elsewhere.png")
    Path(outside.path).unlink()
    Path(outside.path).symlink_to(secret)
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(tmp_path / "my images"))
    for sample in (piped, linked, outside):
        for url in (routes.thumbnail_url(sample.id), routes.image_url(sample.id)):
            answer = client.get(url)
            assert answer.status_code == 404
            assert "image" not in answer.headers.get("content-type", "")
    # Checked by size and time, the link would pass for the image; its content does not leave.
    url = routes.export_url(dataset.id, ExportFormat.ZIP, 1, None)
    assert client.get(url).status_code == 409  # names the pipe, and what is outside
    Path(piped.path).unlink()
    Path(outside.path).unlink()
    content = workspace.database.read_bytes()[:200]
    plan = exports.plan_export(workspace, dataset.id)
    sent = b"".join(exports.export_blocks(plan, ExportFormat.ZIP))
    assert content not in sent
    with zipfile.ZipFile(io.BytesIO(sent)) as archive:
        assert set(archive.read("missing files.txt").decode().split("\n")) == {
            piped.name,
            linked.name,
            outside.name,
        }


@pytest.fixture
def dead_drive(tmp_path):
    """A drive whose server never answers: whoever looks into it waits until it is taken away."""
    place = tmp_path / "drive"
    place.mkdir()
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("this system has no FUSE")
    library = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if library.mount(b"dead", str(place).encode(), b"fuse", 0, options):
        os.close(device)
        pytest.skip("only root may mount")
    yield place
    os.close(device)
    library.umount2(str(place).encode(), 2)


def test_a_drive_that_does_not_answer_stops_nobody_else(
    workspace, imported, client, dead_drive, monkeypatch
):
    _, (first, second, *_) = imported
    assert client.get(routes.thumbnail_url(second.id)).status_code == 200  # the helpers run
    usual = apart.TIMEOUT_S
    monkeypatch.setattr(apart, "TIMEOUT_S", 1.0)
    folder = Path(first.path).parent
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(dead_drive)
    started = time.monotonic()
    for _ in range(12):  # more than there are threads and helpers
        answer = client.get(routes.image_url(first.id))
        assert (answer.status_code, "within" in answer.text) == (404, True)
    assert time.monotonic() - started < 10
    # Why the usual time: a new helper process may take longer than a second on a busy machine.
    monkeypatch.setattr(apart, "TIMEOUT_S", usual)
    other = next(s for s in imported[1] if Path(s.path).parent != folder)
    assert client.get(routes.thumbnail_url(other.id)).status_code == 200
