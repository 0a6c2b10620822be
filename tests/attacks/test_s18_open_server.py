"""S18, part: nobody opens the app to a network unknowingly, and then no folder is open."""

import json
import os

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

from core.cli.app import app
from core.errors import PathNotAllowedError
from core.exposure import EXPOSED_VARIABLE, INSECURE_VARIABLE, listens_for_others
from core.workspace import IMPORT_ROOTS_VARIABLE, allowed_import_path
from pages.ui.host_guard import ExposureGuard


def test_only_addresses_of_this_machine_are_its_own():
    for own in ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"):
        assert not listens_for_others(own), own
    for other in ("0.0.0.0", "::", "", None, "192.168.0.7", "touchstone.plant"):
        assert listens_for_others(other), other


def test_listening_for_others_is_refused_unless_it_is_said_twice(tmp_path, monkeypatch):
    # Whoever was in the network could read any folder by importing it.
    monkeypatch.setenv(INSECURE_VARIABLE, "0")
    started = []

    def start(program, command, environment):
        started.append((command, environment))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", start)
    base = ["ui", "--json", "--workspace", str(tmp_path)]
    ran = CliRunner().invoke(app, [*base, "--host", "0.0.0.0"])
    answer = json.loads(ran.stdout)
    assert (ran.exit_code, started) == (1, [])
    assert "everybody in the network" in answer["error"]
    assert "--insecure-lan" in answer["hint"]
    assert CliRunner().invoke(app, base).exit_code == 0
    assert CliRunner().invoke(app, [*base, "--host", "0.0.0.0", "--insecure-lan"]).exit_code == 0
    assert [environment[INSECURE_VARIABLE] for _, environment in started] == ["0", "1"]
    assert "0.0.0.0" in started[1][0]


def test_a_server_that_was_opened_in_another_way_answers_nobody(monkeypatch):
    async def hello(_):
        return PlainTextResponse("hello")

    guarded = Starlette(routes=[Route("/", hello)], middleware=[Middleware(ExposureGuard)])
    client = TestClient(guarded)
    monkeypatch.delenv(EXPOSED_VARIABLE, raising=False)
    monkeypatch.setenv(INSECURE_VARIABLE, "0")
    assert client.get("/").text == "hello"
    monkeypatch.setenv(EXPOSED_VARIABLE, "1")
    answer = client.get("/")
    assert (answer.status_code, "answers nobody" in answer.text) == (403, True)
    with pytest.raises(Exception), client.websocket_connect("/"):  # noqa: B017, PT011
        pass
    monkeypatch.setenv(INSECURE_VARIABLE, "1")
    assert client.get("/").text == "hello"


def test_folders_of_the_server_are_closed_there_until_some_are_named(workspace, monkeypatch):
    folder = workspace.root.parent
    monkeypatch.delenv(IMPORT_ROOTS_VARIABLE, raising=False)
    assert allowed_import_path(folder) == folder.resolve()
    monkeypatch.setenv(EXPOSED_VARIABLE, "1")
    with pytest.raises(PathNotAllowedError, match="are closed") as said:
        allowed_import_path(folder, uploads=workspace.uploads)
    assert IMPORT_ROOTS_VARIABLE in said.value.hint
    upload = workspace.uploads / "zip-1.zip"
    assert allowed_import_path(upload, uploads=workspace.uploads) == upload.resolve()
    monkeypatch.setenv(IMPORT_ROOTS_VARIABLE, str(folder))
    assert allowed_import_path(folder) == folder.resolve()
