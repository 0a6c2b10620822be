"""Models over HTTP: the same answers as the command line, and what is refused how."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from core.api.models import prediction_as_json
from core.cli.app import app as command_line
from core.domain.datasets import Verdict
from core.errors import ConfigError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import DecisionRule
from core.files import read_csv
from core.serving.app import create_app
from core.serving.limits import ServeLimits, is_loopback, read_token
from core.serving.run import load
from core.serving.shadow import Shadow
from core.workflows.use import models

TOKEN = "a-secret-of-some-length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PREDICT = "/v1/predict"


@pytest.fixture(scope="module")
def served(trained):
    model = trained.model
    rule = DecisionRule(
        OperatingPoint(0.3, 0.7), model.class_names, (Verdict.OK, Verdict.NOK), "by hand", 0.95, 1.0
    )
    bundle = models.exported_bundle(trained.workspace, model)
    return load(model.id, model.name, model.sha256, bundle, rule, trained.workspace.runtimes)


@pytest.fixture(scope="module")
def client(served):
    limits = ServeLimits(request_bytes=400_000, images=4, waiting=4)
    with TestClient(
        create_app([served], version="1", limits=limits), base_url="http://localhost"
    ) as client:
        yield client


def _files(trained, *names):
    return [("files", (name, (trained.images / name).read_bytes())) for name in names]


def test_files_are_answered_as_on_the_command_line_with_a_decision_per_part(
    client, trained, served
):
    names = ("stripes/000.png", "blue disc/000.png")
    broken = ("files", ("broken.png", b"no image"))
    parts = {"parts": ["7", "8", "7"]}
    answer = client.post(PREDICT, files=[*_files(trained, *names), broken], data=parts).json()
    items = served.predictor.predict([trained.images / name for name in names], names)
    expected = [prediction_as_json(served.rule.decided(item)) for item in items]
    for sent, item, part in zip(answer["predictions"], expected, "78", strict=False):
        assert sent == item | {
            "part": part,
            "confidence": pytest.approx(item["confidence"], abs=1e-5),
            "confidences": [[name, pytest.approx(v, abs=1e-5)] for name, v in item["confidences"]],
        }
    assert (
        answer["predictions"][2]["error"]
        == "broken.png is not a JPEG, PNG, BMP, TIFF, WebP or GIF image."
    )
    assert [(part["part"], part["decision"]) for part in answer["parts"]] == [
        ("7", "reject"),
        ("8", "accept"),
    ]
    assert answer["model"]["sha256"] == trained.model.sha256
    assert client.get("/v1/models").json()["models"] == [answer["model"]]

    content = (trained.images / names[0]).read_bytes()
    raw = client.post(
        f"{PREDICT}?part=9&name=x", content=content, headers={"content-type": "image/png"}
    )
    assert [(p["path"], p["part"]) for p in raw.json()["predictions"]] == [("x", "9")]
    counted = client.get("/metrics").text
    line = r'touchstone_images_total\{class="stripes",decision="reject",model="Marks quick"\} 2'
    assert re.search(line, counted), counted


def test_what_cannot_be_answered_says_why(client, trained):
    def refused(status, words, **request):
        answer = client.post(PREDICT, **request)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"], answer.text
        assert answer.json()["hint"]
        return answer

    one = _files(trained, "stripes/000.png")
    refused(400, "no image", data={"parts": ["1"]}, files=[("other", ("a", b"b"))])
    refused(400, "1 files were sent with 2 parts", files=one, data={"parts": ["1", "2"]})
    refused(404, "No model 'none'", files=one, data={"model": "none"})
    refused(413, "the limit of a request is 4", files=[("files", ("a", b"x"))] * 5)
    refused(415, "'text/plain'", content=b"hello", headers={"content-type": "text/plain"})
    large = b"x" * 500_000
    refused(413, "more than 0.4 MB", content=large, headers={"content-type": "image/png"})
    refused(413, "more than 0.4 MB", files=[("files", ("a", large))])
    refused(  # a body whose length is not announced
        413, "more than 0.4 MB", content=iter([large]), headers={"content-type": "image/png"}
    )
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 400


def test_without_the_token_only_the_pages_about_it_answer(served):
    users = {f"{TOKEN}-of-ina"}.__contains__  # tokens of people who may classify images
    client = TestClient(create_app([served], version="1", token=TOKEN, of_user=users))
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
        for path in ("/v1/models", "/metrics"):
            assert client.get(path, headers=headers).status_code == 401
        assert client.post(PREDICT, headers=headers, content=b"x").status_code == 401
    assert client.get("/v1/models", headers=BEARER).status_code == 200
    of_ina = {"Authorization": f"Bearer {TOKEN}-of-ina"}
    assert client.get("/v1/models", headers=of_ina).status_code == 200
    assert client.get("/health").json() == {"status": "ok", "version": "1", "models": 1}
    page = client.get("/docs").text
    assert "Marks quick" in page
    assert "https://" not in page  # it loads nothing from elsewhere
    assert PREDICT in client.get("/openapi.json").json()["paths"]


def test_what_waits_is_bounded_and_the_rest_is_told_when_to_come_again(served, trained):
    app = create_app([served], version="1", limits=ServeLimits(waiting=3))
    content = (trained.images / "stripes" / "000.png").read_bytes()

    async def burst():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):

            def ask(images=1):
                return client.post(PREDICT, files=[("files", ("a.png", content))] * images)

            too_many = await ask(4)  # was told to come again, though there never was room
            answers = await asyncio.gather(*(ask() for _ in range(8)))
            return too_many, answers, await ask(), (await client.get("/metrics")).text

    # Why a thread: browser tests of the same process keep a loop in this one.
    with ThreadPoolExecutor(1) as other:
        too_many, answers, afterwards, metrics = other.submit(asyncio.run, burst()).result()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(refused), len(answers) - len(refused)) == (5, 3)
    assert too_many.status_code == 413
    assert "the limit of a request is 3" in too_many.json()["error"]
    for answer in refused:
        assert "images are waiting already" in answer.json()["error"]
        assert int(answer.headers["Retry-After"]) >= 1
        assert f"Try again in {answer.headers['Retry-After']} s" in answer.json()["hint"]
    for answer in (*(answer for answer in answers if answer not in refused), afterwards):
        assert answer.status_code == 200
        assert answer.json()["predictions"][0]["class_name"] == "stripes"
    assert "touchstone_images_waiting 0" in metrics


def test_a_shadow_model_never_answers_and_its_disagreements_are_kept(served, trained, tmp_path):
    stricter = replace(served.rule, point=OperatingPoint(0.0, 0.0))
    log = tmp_path / "disagreements.csv"
    shadow = Shadow(replace(served, name="shadow", rule=stricter), served, log)
    app = create_app([served], version="1", shadow=shadow)
    with TestClient(app, base_url="http://localhost") as client:
        names = ("stripes/000.png", "blue disc/000.png")
        answer = client.post(PREDICT, files=_files(trained, *names), data={"parts": "7"}).json()
        decisions = [item["decision"] for item in answer["predictions"]]
        assert (answer["model"]["name"], decisions) == (served.name, ["reject", "accept"])
        deadline = time.monotonic() + 30
        while sum(shadow.parts.values()) < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        kept = client.get("/v1/shadow").json()
        metrics = client.get("/metrics").text
    assert kept["images"] == {"same": 1, "different": 1, "skipped": 0}
    assert kept["parts"] == {"same": 1, "different": 0}  # rejected by both, for one image each
    (one,) = kept["disagreements"]
    assert (one["answered"]["path"], one["shadow"]["decision"]) == (names[1], "reject")
    assert 'touchstone_shadow_images{result="different"} 1.0' in metrics
    header, row = read_csv(log)
    cells = dict(zip(header, row, strict=True))
    assert (cells["decision"], cells["shadow decision"], cells["part"]) == ("accept", "reject", "7")


def test_a_server_without_a_token_answers_this_machine_only(tmp_path):
    answer = CliRunner().invoke(command_line, ["serve", "none", "--host", "0.0.0.0", "--json"])
    assert (answer.exit_code, "without a token" in answer.stdout) == (1, True)
    assert [
        is_loopback(host) for host in ("127.0.0.2", "::1", "localhost", "0.0.0.0", "plant")
    ] == [
        *[True] * 3,
        *[False] * 2,
    ]
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(file, {}) == read_token(None, {"TOUCHSTONE_SERVE_TOKEN": TOKEN}) == TOKEN
    assert read_token(None, {}) is None
    file.write_text("short")
    for refused in (file, tmp_path / "none"):
        with pytest.raises(ConfigError):
            read_token(refused, {})
