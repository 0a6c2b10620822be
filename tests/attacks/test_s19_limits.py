"""S19, S20: uploads have a quota together, and silent connections are closed."""

import contextlib
import io
import socket
import threading
import time
import zipfile

import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.data.importing.archives import open_archive
from core.data.pixels.images import read_image
from core.domain.configs.administration import Limits
from core.domain.jobs import JobKind
from core.domain.settings import settings_of
from core.errors import ImportSourceError, QueueFullError, TouchstoneError
from core.files import require_space
from core.workflows import jobs
from core.workflows.data import uploads
from core.workspace import default_root
from pages.ui import limits, routes
from tests.made import set_limits


def test_all_waiting_uploads_share_one_quota(workspace, monkeypatch):
    (workspace.uploads / "zip-1.zip").write_bytes(bytes(6_000))
    folder = uploads.new_upload_folder(workspace)
    uploads.store_upload(folder, "a/1.png", bytes(3_000))
    set_limits(workspace.root, waiting_uploads_gb=0.001)
    uploads.refuse_over_quota(workspace, 991_000)
    with pytest.raises(ImportSourceError, match=r"take 9\.0 kB .* may take 1\.0 MB") as said:
        uploads.refuse_over_quota(workspace, 991_001)
    assert said.value.hint
    monkeypatch.setattr(routes, "open_workspace", lambda: workspace)
    client = TestClient(Starlette(routes=routes.ROUTES), base_url="http://localhost")
    ours = {"origin": "http://localhost", routes.UPLOAD_HEADER: "1"}
    answer = client.post("/uploads/zip", content=bytes(1_000_000), headers=ours)
    assert (answer.status_code, "may take" in answer.json()["error"]) == (413, True)


def test_files_in_memory_have_a_limit_each_and_together(monkeypatch):
    async def put(_):
        return PlainTextResponse("kept")

    path = "/_stcore/upload_file/{session}/{file}"
    app = Starlette(
        routes=[Route(path, put, methods=["PUT", "GET"])],
        middleware=[Middleware(limits.UploadQuota)],
    )
    client = TestClient(app)
    url = "/_stcore/upload_file/any/made-up"
    assert client.put(url).text == "kept"
    set_limits(default_root(), file_upload_mb=1)
    answer = client.put(url, content=bytes(1_100_000))
    assert (answer.status_code, "larger than 1.0 MB" in answer.text) == (413, True)
    assert "limits.file_upload_mb in touchstone.toml" in answer.text
    monkeypatch.setattr(limits, "held_bytes", lambda: 2_000_000_001)
    answer = client.put(url)
    assert (answer.status_code, "may take 2.0 GB" in answer.text) == (413, True)
    assert "limits.memory_uploads_gb in touchstone.toml" in answer.text
    assert client.get(url).text == "kept"


def _queue_one_too_many(workspace):
    first = jobs.submit(workspace, JobKind.IMPORT, "ds-1", {})
    assert jobs.submit(workspace, JobKind.IMPORT, "ds-1", {}).id == first.id  # no further one
    with pytest.raises(QueueFullError):
        jobs.refuse_full_queue(workspace)
    jobs.submit(workspace, JobKind.IMPORT, "ds-2", {})


def _open_archive(path):
    with open_archive(path):
        pass


def test_each_refusal_says_its_number_and_the_setting_that_changes_it(
    workspace, tmp_path, monkeypatch
):
    # Numbers stood in the code, each in another place, and nobody could change them.
    zeros, two = tmp_path / "zeros.zip", tmp_path / "two.zip"
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0.png", bytes(1_600_000))
    with zipfile.ZipFile(two, "w") as archive:
        for number in range(2):
            archive.writestr(f"a/{number}.png", bytes(600_000))
    monkeypatch.setattr(jobs, "start_worker", lambda *_: None)
    picture = io.BytesIO()
    Image.new("L", (40, 30)).save(picture, "PNG")
    set_limits(workspace.root, zip_upload_gb=0.5, images_per_upload=3, queued_jobs=1)
    refused = {
        "zip_upload_gb": ("500.0 MB", lambda: uploads.refuse_zip_size(workspace, 500_000_001)),
        "images_per_upload": ("limit is 3", lambda: uploads.refuse_many_files(workspace, 4)),
        "queued_jobs": ("more than 1 may", lambda: _queue_one_too_many(workspace)),
        "image_megapixels": ("limit is 0.001", lambda: read_image(picture)),
        "archive_files": ("limit is 1", lambda: _open_archive(two)),
        "archive_gb": ("limit is 1.0 MB", lambda: _open_archive(two)),
        "archive_ratio": ("1.5 times", lambda: _open_archive(zeros)),
        "disk_reserve_gb": ("100000.0 GB are kept", lambda: require_space(tmp_path, 1, "It")),
    }
    low = {"image_megapixels": 0.001, "archive_ratio": 1.5, "disk_reserve_gb": 100_000}
    for name, (number, act) in refused.items():
        value = low.get(name, 1 if name == "archive_files" else 0.001)
        set_limits(default_root(), **{name: value})
        with pytest.raises(TouchstoneError) as said:
            act()
        assert number in said.value.message, name
        assert f"limits.{name} in touchstone.toml" in said.value.hint
    elsewhere = {"file_upload_mb", "memory_uploads_gb", "waiting_uploads_gb"}  # tests above
    assert {item.name for item in settings_of(Limits)} == refused.keys() | elsewhere


def test_connections_that_say_nothing_or_half_a_request_are_closed(monkeypatch):
    # 3,000 of them stayed for ever.
    monkeypatch.setattr(limits, "SILENT_S", 0.5)
    limits.close_silent_connections()

    async def hello(_):
        return PlainTextResponse("hello")

    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=[Route("/", hello)]), port=0, log_level="critical")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, server, "should_exit", True)
        silent, half, talking = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(3)
        )
        half.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        talking.sendall(request)
        assert b"200 OK" in talking.recv(4096)
        assert silent.recv(1) == half.recv(1) == b""  # closed by the server
        talking.sendall(request)
        while b"200 OK" not in talking.recv(4096):
            pass
    thread.join(5)
