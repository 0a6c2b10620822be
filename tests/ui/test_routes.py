"""What the app answers over HTTP beside its pages."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from core.data.pixels.preprocess import load_pixels
from core.domain.datasets import Dataset
from core.domain.signoff import MarkKind
from core.domain.splits import Subset
from core.files import CsvDelimiter
from core.store.database import connect
from core.store.splits import samples_in_subset
from core.workflows.data import datasets
from core.workflows.data.exports import ExportFormat
from core.workflows.results import access, evaluation
from core.workspace import ROOT_VARIABLE, Workspace
from pages.ui import components, routes, text
from pages.ui.compression import CompressScripts
from pages.ui.first_paint import StyleFirstPaint
from pages.ui.host_guard import HostGuard, WordsForErrors
from pages.ui.viewer import routes as viewer_routes
from tests.conftest import Trained, store_rows
from tests.made import add_model, make_dataset, set_limits

PROJECT = Path(__file__).resolve().parents[2]
OURS = {"origin": "http://localhost", routes.UPLOAD_HEADER: "1"}


@pytest.fixture
def client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    middleware = [
        Middleware(HostGuard),
        Middleware(WordsForErrors),
        Middleware(CompressScripts),
    ]
    app = Starlette(routes=[*routes.ROUTES, *viewer_routes.ROUTES], middleware=middleware)
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
    client: TestClient, workspace: Workspace
) -> None:
    set_limits(workspace.root, zip_upload_gb=0.001)
    for content in (b"x" * 1_100_000, iter([b"x" * 1_100_000])):  # its size announced, or not
        answer = client.post("/uploads/zip", content=content, headers=OURS)
        assert answer.status_code == 413
        assert "1.0 MB, which is the limit" in answer.json()["error"]
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


def test_the_small_plotly_is_of_the_version_of_the_whole_one() -> None:
    # What draws must know what the package writes; packaging/plotly makes it anew.
    whole, small = (f.open().read(200) for f in (routes.PLOTLY, routes.PLOTLY_SMALL))
    version = re.search(r"plotly\.js v[\d.]+\d", whole)
    assert version is not None
    assert version[0] in small
    made_of = (PROJECT / "packaging/plotly/small.cjs").read_text()
    traces = set(re.findall(r"lib/(\w+)'", made_of)) - {"core"}
    assert traces | {"scatter"} == components.SMALL_TRACES


def test_plotly_is_sent_compressed_and_only_to_who_can_read_it(client: TestClient) -> None:
    address = routes.PLOTLY_SMALL_URL
    plain = client.get(address, headers={"accept-encoding": "identity"})
    for _ in range(2):  # the second one is answered from memory
        packed = client.get(address, headers={"accept-encoding": "br, gzip;q=0.8"})
        assert packed.content == plain.content
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < 0.35 * len(plain.content)
        assert "immutable" in packed.headers["cache-control"]
        assert packed.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in plain.headers
    part = client.get(address, headers={"accept-encoding": "gzip", "range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)
    same = {"accept-encoding": "gzip", "if-none-match": plain.headers["etag"]}
    assert "content-encoding" not in client.get(address, headers=same).headers


def test_images_thumbnails_and_models_are_served_and_missing_ones_are_404(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(trained.workspace.root))
    found, _ = datasets.samples(trained.workspace, trained.dataset.id, limit=1)
    thumbnail = client.get(routes.thumbnail_url(found[0].id, found[0].sha256))
    assert thumbnail.headers["content-type"] == "image/webp"
    for reading in (None, trained.model):  # as its dataset is shown, and as the model reads it
        whole = client.get(routes.image_url(found[0].id, found[0].sha256, model=reading))
        assert whole.headers["content-type"] == "image/webp"
        with Image.open(io.BytesIO(whole.content)) as shown, Image.open(found[0].path) as stored:
            assert shown.tobytes() == stored.convert("RGB").tobytes()
    # A browser that has the picture already is told so in one line.
    again = client.get(
        routes.image_url(found[0].id), headers={"if-none-match": whole.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/pictures/{found[0].id}/full?reading=1_0").status_code == 404
    model = client.get(routes.model_url(trained.model.id))
    assert len(model.content) == trained.model.size_bytes
    assert "attachment" in model.headers["content-disposition"]
    missing = (routes.thumbnail_url(10**9), routes.image_url(10**9), routes.model_url("nothing"))
    for url in missing:
        assert client.get(url).status_code == 404
    assert client.get("/pictures/1%2F..%2F../full").status_code == 404


def test_the_image_dialog_is_told_what_the_model_says_and_where_it_looks(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(trained.workspace.root))
    model = trained.model
    found = evaluation.judge(trained.workspace, model.id, Subset.VALIDATION)
    at = int(found.sample_ids[0])
    names, row = found.class_names, found.probabilities[0]
    view = client.get(f"/pictures/{at}/about?model={model.id}").json()
    label, best = names[int(found.targets[0])], names[int(row.argmax())]
    assert view["title"].startswith("Right: " if label == best else "Wrong: predicted ")
    assert f"{best} {text.confidence(float(row.max()))}" in view["title"]
    assert view["label"] == label
    assert [bar["name"] for bar in view["result"]["bars"]] == sorted(
        names, key=lambda name: -row[names.index(name)]
    )
    assert view["result"]["square"] == [0, 0, 1, 1]
    # As the network gets it, pixel for pixel; and the heat of one class, in one channel.
    seen = client.get(view["result"]["input"])
    path = datasets.find_samples(trained.workspace, [at])[0].path
    pixels = load_pixels(trained.workspace.resolve(path), model.preprocess)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(seen.content))), pixels)
    heat = client.get(f"{view['result']['heat']}&class=0&method=grad_cam")
    assert Image.open(io.BytesIO(heat.content)).mode == "L"
    for wrong in ("class=9&method=grad_cam", "class=x&method=grad_cam", "class=0&method=magic"):
        assert client.get(f"{view['result']['heat']}&{wrong}").status_code == 404
    # Untested methods are all offered; a changed copy is judged as it would be.
    methods = view["result"]["methods"]
    assert methods[0]["key"] == "fine_grad_cam"
    assert {item["note"] for item in methods} == {""}
    same = client.get(view["result"]["what_if"]).json()
    assert same["confidences"] == pytest.approx(row.tolist(), abs=1e-4)
    dark = client.get(f"{view['result']['what_if']}&brightness=0&cover=0,0,0.5,0.5").json()
    assert dark["confidences"] != same["confidences"]
    assert dark["image"].startswith("data:image/png;base64,")
    for wrong in ("brightness=x", "cover=1,2", "cover=nan,0,1,1"):
        assert client.get(f"{view['result']['what_if']}&{wrong}").status_code == 404
    # Why: these confidences are of a model that had not seen the image; what is tried out and the
    # heatmaps are the final model's, which learned from it. "53.7% → 4.1%" compared the two.
    assert model.validation_cross_validated
    assert view["note"] == "Predicted by a model that had not seen this image."
    final = client.get(view["result"]["final"]).json()
    assert final["words"] == same["words"]
    learned = f"the final model says {names[int(np.argmax(same['confidences']))]} "
    assert final["note"].startswith(f"{view['note'][:-1]}; {learned}")
    with connect(trained.workspace) as db:
        trained_on = samples_in_subset(db, trained.split.id, Subset.TRAIN)[0].id
    other = client.get(f"/pictures/{trained_on}/about?model={model.id}").json()
    assert (other["note"], other["result"]["final"]) == ("", "")
    assert "error" in client.get(f"/pictures/{trained_on}/final?model={model.id}").json()
    # The nearest training images of an image of one mark show the same mark, and not itself.
    near = client.get(view["result"]["alike"]).json()
    assert near["note"] == ""
    assert [item["label"] for item in near["images"]] == [label] * 6
    assert str(at) not in [item["page"].rpartition("=")[2] for item in near["images"]]
    assert client.get(near["images"][0]["thumbnail"]).status_code == 200
    # An id that never existed had a dataset that "was deleted".
    said = client.get("/pictures/999999999/about").json()["error"]
    assert said.startswith("There is no image 999999999. The link may be wrong, or")
    assert client.get(f"/pictures/{at}/about?model=gone").status_code == 404
    assert client.get(f"/uploaded/gone/about?model={model.id}").status_code == 404


def test_nobody_sees_a_test_result_in_the_dialog_before_it_is_viewed(
    client: TestClient, workspace: Workspace
) -> None:
    made = make_dataset(workspace, per_subset=8)
    model = add_model(made, "m")
    url = f"/pictures/{made.ids[Subset.TEST][0]}/about?model={model.id}"
    closed = client.get(url).json()
    assert closed["result"] is None
    assert "nobody has viewed" in closed["note"]
    assert "nobody has viewed" in client.get(url.replace("about", "whatif")).json()["error"]
    access.record_view(workspace, model, "test")
    assert client.get(url).json()["result"]["bars"]


def test_a_mark_is_stored_taken_back_and_refused_from_elsewhere(
    client: TestClient, workspace: Workspace, rows: Dataset
) -> None:
    def press(content: object, sample: int = 1, **headers: str) -> int:
        url = f"/pictures/{sample}/marks"
        return client.post(url, json=content, headers=headers or OURS).status_code

    assert press({"kind": "golden", "on": True}) == 200
    assert evaluation.marks(workspace, rows.id) == {1: {MarkKind.GOLDEN}}
    assert client.get("/pictures/1/about").json()["marks"] == ["golden"]
    assert press({"kind": "golden", "on": False}) == 200
    assert evaluation.marks(workspace, rows.id) == {}
    assert press({"kind": "golden", "on": True}, origin="http://evil.example") == 403
    assert press({"kind": "bronze", "on": True}) == 400
    assert press({"kind": "golden", "on": True}, sample=10**9) == 404


@pytest.fixture
def rows(workspace: Workspace) -> Dataset:
    return store_rows(workspace, (0, 0, 1, 1, 2, 2))


def _press(client: TestClient, dataset: Dataset, *presses: dict[str, object]) -> Any:
    content = {"edits": presses, "shown": [1, 2]}
    return client.post(f"/datasets/{dataset.id}/edits", json=content, headers=OURS)


def test_key_presses_are_stored_and_answered_with_what_is_shown(
    client: TestClient, workspace: Workspace, rows: Dataset
) -> None:
    answer = _press(
        client,
        rows,
        {"action": "relabel", "ids": [1], "class_name": "dent"},
        {"action": "exclude", "ids": [2]},
    )
    assert answer.status_code == 200
    assert answer.json()["states"] == {
        "1": {"title": "dent", "excluded": False},
        "2": {"title": "good", "excluded": True},
    }
    assert (answer.json()["version"], answer.json()["failed"]) == (3, False)
    again = _press(client, rows, {"action": "undo", "ids": []}).json()
    assert again["messages"] == ["Undone: Excluded 1 image"]
    assert again["states"]["2"] == {"title": "good", "excluded": False}


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://evil.example"}, {"origin": "http://localhost"}]
)
def test_an_edit_from_another_site_is_refused(
    client: TestClient, workspace: Workspace, rows: Dataset, headers: dict[str, str]
) -> None:
    content = {"edits": [{"action": "exclude", "ids": [1]}], "shown": []}
    answer = client.post(f"/datasets/{rows.id}/edits", json=content, headers=headers)
    assert answer.status_code == 403
    assert datasets.find_dataset(workspace, rows.id).version == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"edits": [{}], "shown": []}',
        b"\xff",
        b'{"edits": [{"action": "drop", "ids": []}], "shown": []}',
        b'{"edits": [{"action": "exclude", "ids": ["x"]}], "shown": []}',
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(
    client: TestClient, workspace: Workspace, rows: Dataset, body: bytes
) -> None:
    answer = client.post(f"/datasets/{rows.id}/edits", content=body, headers=OURS)
    assert answer.status_code == 400
    assert datasets.find_dataset(workspace, rows.id).version == 1


def test_too_large_an_edit_and_one_of_no_dataset_are_refused(
    client: TestClient, rows: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = client.post("/datasets/ds-no/edits", json={"edits": [], "shown": []}, headers=OURS)
    assert gone.status_code == 409
    monkeypatch.setattr(routes, "MAX_EDIT_BYTES", 10)
    assert _press(client, rows, {"action": "undo", "ids": []}).status_code == 413


def test_the_facts_of_a_image_are_told_and_never_kept(client: TestClient, rows: Dataset) -> None:
    _press(client, rows, {"action": "relabel", "ids": [1], "class_name": "dent"})
    answer = client.get("/pictures/1/facts")
    assert ["Class", "dent"] in answer.json()["rows"]
    assert answer.json()["history"][0].endswith("good → dent")
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/pictures/999/facts").status_code == 404


def test_versions_are_exported_as_a_stream(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, client: TestClient
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(trained.workspace.root))
    dataset = trained.dataset
    answer = client.get(routes.export_url(dataset.id, ExportFormat.ZIP, 1, trained.split.id))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        images = [name for name in archive.namelist() if name.endswith(".png")]
    assert len(images) == 40
    assert sum(name.startswith("train/stripes/") for name in images) == 12
    table = client.get(routes.export_url(dataset.id, ExportFormat.CSV, 1, None))
    assert table.text.count("\r\n") == 41
    semicolons = client.get(
        routes.export_url(dataset.id, ExportFormat.CSV, 1, None, CsvDelimiter.SEMICOLON)
    )
    assert semicolons.text == table.text.replace(",", ";")
    assert "Marks%20v1.csv" in table.headers["content-disposition"]
    wrong_ends = ("exe", "csv?delimiter=x", "zip?version=9", "csv?version=x", "csv?split=no")
    for wrong in (f"export.{end}" for end in wrong_ends):
        assert client.get(f"/datasets/{dataset.id}/{wrong}").status_code == 404


def test_the_page_has_the_look_of_the_frame_before_any_script_ran() -> None:
    # The main part jumped aside when the menu arrived, and a dark page began white.
    page = (Path(st.__file__).parent / "static" / "index.html").read_bytes()
    report = b"<html><body>A report</body></html>"

    def answer(content: bytes) -> Callable[[Request], Response]:
        return lambda _: Response(content, media_type="text/html")

    app = Starlette(
        routes=[Route("/models", answer(page)), Route("/report", answer(report))],
        middleware=[Middleware(StyleFirstPaint), Middleware(GZipMiddleware, minimum_size=1)],
    )
    browser = TestClient(app, headers={"accept": "text/html", "accept-encoding": "gzip"})
    shown = browser.get("/models").text
    assert 0 < shown.index("stAppViewContainer") < shown.index('id="root"')
    assert "<title>Touchstone</title>" in shown
    assert browser.get("/report").content == report


@pytest.mark.parametrize(
    ("address", "onward"),
    {
        "": None,
        "decide?dataset=ds-1": None,
        "report": None,  # a page of ours that is not Streamlit's
        "nonsense": "./?missing=%2Fnonsense",
        "index.html": "./?missing=%2Findex.html",
        # Below a second slash Streamlit's page found none of its scripts, and stayed white.
        "data/datasets?dataset=ds-1": "./../?dataset=ds-1&missing=%2Fdata%2Fdatasets",
        "a/b/c": "./../../?missing=%2Fa%2Fb%2Fc",
    }.items(),
)
def test_an_address_without_a_page_leads_to_where_that_is_said(
    address: str, onward: str | None
) -> None:
    page = (Path(st.__file__).parent / "static" / "index.html").read_bytes()
    routes = [
        Route("/report", lambda _: Response(b"<html>A report</html>", media_type="text/html")),
        Route("/{path:path}", lambda _: Response(page, media_type="text/html")),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(StyleFirstPaint)])
    browser = TestClient(app, headers={"accept": "text/html"}, follow_redirects=False)
    answer = browser.get(f"/{address}")
    assert answer.headers.get("location") == onward
    assert answer.is_redirect == (onward is not None)
