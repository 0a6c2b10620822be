"""What the app answers over HTTP beside its pages."""

from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from core.workflows import datasets
from core.workspace import ROOT_VARIABLE, Workspace
from pages.ui import routes
from tests.conftest import Trained

OURS = {"origin": "http://localhost", routes.UPLOAD_HEADER: "1"}


@pytest.fixture
def client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    app = Starlette(routes=list(routes.ROUTES), middleware=[Middleware(routes.Gate)])
    return TestClient(app, base_url="http://localhost")


def test_a_zip_is_streamed_into_the_uploads(client: TestClient, workspace: Workspace) -> None:
    answer = client.post("/uploads/zip", content=b"x" * 100_000, headers=OURS)
    assert answer.status_code == 200
    assert (workspace.uploads / answer.json()["upload"]).read_bytes() == b"x" * 100_000


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://evil.example"}, {"origin": "http://localhost"}]
)
def test_an_upload_from_another_site_is_refused(
    client: TestClient, workspace: Workspace, headers: dict[str, str]
) -> None:
    assert client.post("/uploads/zip", content=b"x", headers=headers).status_code == 403
    assert not list(workspace.uploads.iterdir())


def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MAX_ZIP_BYTES", 1000)
    answer = client.post("/uploads/zip", content=b"x" * 2000, headers=OURS)
    assert answer.status_code == 413
    assert "limit" in answer.json()["error"]
    assert not list(workspace.uploads.iterdir())


def test_a_foreign_host_name_gets_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hostile site may point its own name at this machine.
    monkeypatch.setattr(st, "get_option", lambda _: ["localhost", "*.plant.local"])
    assert client.get("/vendor/plotly.min.js").status_code == 200
    for host, status in (("evil.example", 403), ("a.plant.local:8501", 200), ("localhostx", 403)):
        answer = client.get("/vendor/plotly.min.js", headers={"host": host})
        assert answer.status_code == status, host


def test_pictures_thumbnails_and_models_are_served_and_missing_ones_are_404(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(trained.workspace.root))
    found, _ = datasets.samples(trained.workspace, trained.dataset.id, limit=1)
    thumbnail = client.get(routes.thumbnail_url(found[0].id, found[0].sha256))
    assert thumbnail.headers["content-type"] == "image/webp"
    assert (
        client.get(routes.picture_url(found[0].id, found[0].sha256)).content
        == Path(found[0].path).read_bytes()
    )
    model = client.get(routes.model_url(trained.model.id))
    assert len(model.content) == trained.model.size_bytes
    assert "attachment" in model.headers["content-disposition"]
    missing = (routes.thumbnail_url(10**9), routes.picture_url(10**9), routes.model_url("nothing"))
    for url in missing:
        assert client.get(url).status_code == 404
    assert client.get("/pictures/1%2F..%2F../full").status_code == 404
