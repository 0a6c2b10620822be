"""S17: foreign names, origins and ports get nothing; S22: no answer is without words."""

import logging
import re

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from core.workspace import ROOT_VARIABLE
from pages.ui import routes
from pages.ui.host_guard import HostGuard, WordsForErrors
from pages.ui.viewer import routes as viewer_routes


async def _live(socket):
    await socket.accept()
    await socket.close()


async def _broken(_):
    raise RuntimeError("the inside of the program")


@pytest.fixture
def client(workspace, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    more = [WebSocketRoute("/_stcore/stream", _live), Route("/broken", _broken)]
    app = Starlette(
        routes=[*routes.ROUTES, *viewer_routes.ROUTES, *more],
        middleware=[Middleware(HostGuard), Middleware(WordsForErrors)],
    )
    return TestClient(app, base_url="http://localhost:8501")


@pytest.mark.parametrize(
    ("headers", "opens"),
    [
        ({"origin": "http://localhost:8501"}, True),
        ({"origin": "https://localhost", "host": "localhost"}, True),  # behind a proxy with TLS
        ({}, False),  # no browser: it listed the folders of the server
        ({"origin": "http://localhost:9999"}, False),  # another program on this machine
        ({"origin": "null"}, False),
        ({"origin": "http://[::1"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://evil.example", "host": "evil.example"}, False),
    ],
)
def test_the_live_connection_is_opened_by_the_own_page_only(client, headers, opens):
    def connect():
        there = {"host": "localhost:8501", **headers}
        with client.websocket_connect("/_stcore/stream", headers=there):
            pass

    if opens:
        connect()
    else:
        with pytest.raises(WebSocketDisconnect) as refused:
            connect()
        assert refused.value.code == 1008


@pytest.mark.parametrize(
    "address",
    [
        f"/pictures/{10**30}/full",
        f"/pictures/{10**30}/about",
        f"/datasets/x/export.zip?version={10**30}",
        "/pictures/1/full?reading=nan_inf",
        "/pictures/1/about?model=%ED%B2%80",
        "/reports/%00.html",
        "/reports/..%2f..%2fworkspace.db.html",
        "/model-files/%F0%9F%92%A9",
    ],
)
def test_an_odd_address_is_not_found_and_never_an_error(client, address):
    assert client.get(address).status_code == 404


def test_an_odd_header_or_body_is_refused(client):
    ours = {"origin": "http://localhost:8501", routes.UPLOAD_HEADER: "1"}
    assert client.get("/home", headers={"host": "[::1"}).status_code == 403
    body = {"edits": [{"action": "exclude", "ids": [10**30]}], "shown": [10**30]}
    for path, content in (("/datasets/x/edits", body), ("/pictures/1/marks", [1])):
        assert client.post(path, json=content, headers=ours).status_code in (400, 404, 409)


def test_an_error_of_a_route_names_its_incident_and_not_the_inside(client, caplog):
    with caplog.at_level(logging.ERROR, "touchstone"):
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert "the inside" not in answer.text
    assert re.search(r"incident (\w+)", answer.text)[1] in caplog.text
    assert "the inside of the program" in caplog.text
