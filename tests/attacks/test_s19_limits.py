"""S19, S20: uploads have a quota together, and silent connections are closed."""

import contextlib
import socket
import threading
import time

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.errors import ImportSourceError
from core.workflows.data import uploads
from pages.ui import limits, routes


def test_all_waiting_uploads_share_one_quota(workspace, monkeypatch):
    (workspace.uploads / "zip-1.zip").write_bytes(bytes(6_000))
    folder = uploads.new_upload_folder(workspace)
    uploads.store_upload(folder, "a/1.png", bytes(3_000))
    monkeypatch.setattr(uploads, "MAX_WAITING_BYTES", 10_000)
    uploads.refuse_over_quota(workspace, 1_000)
    with pytest.raises(ImportSourceError, match=r"take 9\.0 kB .* may take 10\.0 kB") as said:
        uploads.refuse_over_quota(workspace, 1_001)
    assert said.value.hint
    monkeypatch.setattr(routes, "open_workspace", lambda: workspace)
    client = TestClient(Starlette(routes=routes.ROUTES), base_url="http://localhost")
    ours = {"origin": "http://localhost", routes.UPLOAD_HEADER: "1"}
    answer = client.post("/uploads/zip", content=bytes(2_000), headers=ours)
    assert (answer.status_code, "may take" in answer.json()["error"]) == (413, True)


def test_files_in_memory_have_a_limit_together(monkeypatch):
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
    monkeypatch.setattr(limits, "held_bytes", lambda: limits.UPLOADS_BYTES + 1)
    assert client.put(url).status_code == 413
    assert client.get(url).text == "kept"


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
