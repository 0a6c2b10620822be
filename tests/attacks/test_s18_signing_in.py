"""S18: who is not signed in gets no page, picture or live connection; nobody forges a name."""

import json
import re
import time

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit.web.server.server_util import AUTH_COOKIE_NAME, get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.administration import FILE
from core.domain.keeping.people import PROGRAM, Role, acting_as, who
from core.domain.record import RecordedAction
from core.exposure import EXPOSED_VARIABLE
from core.workflows.keeping import people, record
from core.workspace import ROOT_VARIABLE
from pages.ui import routes
from pages.ui.people import guard
from pages.ui.people.identity import remember_peers
from pages.ui.people.session import USER_HEADER
from pages.ui.viewer import routes as viewer_routes
from tests.made import make_dataset

HERE = ("127.0.0.1", 5000)


async def _told(request):
    return JSONResponse({"acts": who().name, "header": request.headers.getlist(USER_HEADER)})


async def _live(socket):
    await socket.accept()
    await socket.send_json({"header": socket.headers.getlist(USER_HEADER)})
    await socket.close()


@pytest.fixture
def plant(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(workspace.root))
    monkeypatch.setenv(EXPOSED_VARIABLE, "")  # the guard sets it, for all that follows
    monkeypatch.setattr(people, "_refused_at", {})
    make_dataset(workspace, per_subset=4, images=tmp_path / "images")
    people.add_user(workspace, "Eve", Role.VIEWER)
    people.add_user(workspace, "kim@plant.example", Role.ENGINEER)
    return workspace


def _set_up(workspace, mode, more=""):
    (workspace.root / FILE).write_text(f'[auth]\nmode = "{mode}"\n{more}\n')


def _client(peer=HERE, *, forwarded=False):
    app = Starlette(
        routes=[
            *routes.ROUTES,
            *viewer_routes.ROUTES,
            *guard.ROUTES,
            Route("/told", _told),
            Route("/", _told),
            Route("/_stcore/health", _told),
            Route("/oauth2callback", _told),
            WebSocketRoute("/_stcore/stream", _live),
        ],
        middleware=[Middleware(guard.SignInGuard)],
    )
    remember_peers()
    served = ProxyHeadersMiddleware(app, "127.0.0.1") if forwarded else app
    return TestClient(served, client=peer, follow_redirects=False)


EXAMPLES = {"sample": "1", "dataset": "ds-1", "kind": "csv", "ending": "html"}
ADDRESSES = [
    re.sub(r"\{(\w+)[^}]*\}", lambda name: EXAMPLES.get(name[1], "x"), route.path)
    for route in (*routes.ROUTES, *viewer_routes.ROUTES)
]
POSTS = {
    "/datasets/{dataset}/edits": {"edits": [{"action": "exclude", "ids": [1]}], "shown": [1]},
    "/uploads/zip": None,
    "/pictures/{sample:int}/marks": {"kind": "golden", "on": True},
}


def test_nobody_gets_anything_without_signing_in(plant):
    _set_up(plant, "proxy")
    client = _client()
    for address in ADDRESSES:
        for method in ("GET", "POST", "PUT", "HEAD"):
            assert client.request(method, address).status_code == 401, address
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/_stcore/stream"):
        pass
    assert refused.value.code == 1008
    assert client.get("/_stcore/health").status_code == 200
    _set_up(plant, "closed")
    assert client.get("/told", headers={"X-Forwarded-User": "eve"}).status_code == 403
    assert client.get("/oauth2callback").status_code == 403


def test_a_viewer_tries_every_route_that_writes(plant):
    _set_up(plant, "proxy")
    writing = {r.path for r in (*routes.ROUTES, *viewer_routes.ROUTES) if "POST" in r.methods}
    # An answer is kept in memory with its upload; adding it to the dataset needs the right to.
    assert writing - {"/uploaded/{token}/answer"} == POSTS.keys()
    ours = {"origin": "http://testserver", routes.UPLOAD_HEADER: "1"}
    client = _client()
    for path, body in POSTS.items():
        address = path.replace("{dataset}", "ds-1").replace("{sample:int}", "1")
        refused = client.post(address, json=body, headers={**ours, "X-Forwarded-User": "eve"})
        assert "Eve (viewer) and may not" in refused.text
        assert refused.status_code == 403 or refused.json()["failed"]
    assert client.get("/pictures/1/facts", headers={"X-Forwarded-User": "eve"}).status_code == 200
    may = {**ours, "X-Forwarded-User": "kim@plant.example"}
    assert client.post("/pictures/1/marks", json=POSTS["/pictures/{sample:int}/marks"], headers=may)
    with acting_as(PROGRAM):
        rows, _ = record.entries(plant)
    by_action = {(row.action, row.person) for row in rows}
    assert (RecordedAction.REFUSED, "Eve") in by_action
    assert (RecordedAction.MARKED, "kim@plant.example") in by_action
    assert (RecordedAction.SIGNED_IN, "Eve") in by_action


def test_only_the_proxy_says_who_asks(plant):
    _set_up(plant, "proxy", 'trusted_proxies = "10.0.3.0/24, ::1"\nheader = "Remote-User"')
    said = {"remote-user": "eve"}
    assert _client(("10.0.3.7", 1)).get("/told", headers=said).json() == {
        "acts": "Eve",
        "header": ["Eve"],
    }
    assert _client(("::ffff:10.0.3.7", 1)).get("/told", headers=said).status_code == 200
    for peer in (("10.0.4.7", 1), HERE, ("::2", 1), ("", 0)):
        refused = _client(peer).get("/told", headers=said)
        assert (refused.status_code, "proxy only" in refused.text) == (403, True), peer
    # What a program of this machine says of where it comes from counts for nothing.
    for stranger in ({"x-forwarded-for": "10.0.3.7"}, {"x-forwarded-for": "10.0.3.7:99"}):
        client = _client(HERE, forwarded=True)
        assert client.get("/told", headers={**said, **stranger}).status_code == 403
    _set_up(plant, "proxy")
    client = _client(HERE, forwarded=True)
    behind = client.get("/told", headers={"x-forwarded-user": "eve", "x-forwarded-for": "9.9.9.9"})
    assert behind.json()["acts"] == "Eve"
    twice = [("x-forwarded-user", "eve"), ("x-forwarded-user", "kim@plant.example")]
    assert client.get("/told", headers=twice).status_code == 401
    forged = {"x-forwarded-user": "eve", USER_HEADER: "kim@plant.example"}
    assert client.get("/told", headers=forged).json()["header"] == ["Eve"]
    unknown = client.get("/told", headers={"x-forwarded-user": "mallory"})
    assert (unknown.status_code, "no account" in unknown.text) == (403, True)
    with acting_as(PROGRAM):
        (row,), _ = record.entries(plant, actions=[RecordedAction.ENTRY_REFUSED])
    assert row.name == "mallory"


def _cookie(age_s=0.0, **claims):
    class Earlier(URLSafeTimedSerializer.default_signer):
        def get_timestamp(self):
            return int(time.time() - age_s)

    content = json.dumps({"origin": "http://testserver", **claims})
    if not age_s:
        return create_signed_value(get_cookie_secret(), AUTH_COOKIE_NAME, content).decode()
    return URLSafeTimedSerializer(get_cookie_secret(), salt=AUTH_COOKIE_NAME, signer=Earlier).dumps(
        content
    )


def test_a_cookie_of_the_provider_is_as_good_as_the_account_of_today(plant):
    _set_up(plant, "oidc", "session_hours = 2")

    def told(cookie):
        client = _client()
        client.cookies.set(AUTH_COOKIE_NAME, cookie)
        return client.get("/told")

    good = _cookie(email="Kim@Plant.Example", email_verified=True)
    assert told(good).json()["acts"] == "kim@plant.example"
    assert told(_cookie(age_s=3600, email="kim@plant.example")).status_code == 200
    assert told(_cookie(age_s=7300, email="kim@plant.example")).status_code == 401
    assert told(good[:-2] + "xx").status_code == 401
    assert told(_cookie(preferred_username="kim@plant.example")).status_code == 401
    unverified = told(_cookie(email="kim@plant.example", email_verified=False))
    assert (unverified.status_code, "not verified" in unverified.text) == (403, True)
    with acting_as(PROGRAM):
        people.end_sessions(plant, "kim@plant.example")
    assert told(_cookie(age_s=5, email="kim@plant.example")).status_code == 401
    with acting_as(PROGRAM):
        people.set_disabled(plant, "kim@plant.example", disabled=True)
    assert "is disabled" in told(good).text


def test_a_browser_is_shown_where_to_sign_in_and_comes_back(plant):
    _set_up(plant, "oidc")
    client, page = _client(), {"accept": "text/html"}
    asked = client.get('/told?x="><script>1</script>', headers=page)
    assert asked.status_code == 401
    assert "<script>" not in asked.text
    assert 'href="/sign-in?next=%2Ftold%3F' in asked.text
    not_set_up = client.get("/sign-in?next=/told")
    assert (not_set_up.status_code, "not set up" in not_set_up.text) == (503, True)
    client.cookies.set(AUTH_COOKIE_NAME, _cookie(email="eve"))
    for target, back in (
        ("/told?run=7", 303),
        ("//evil.example", 200),
        ("/\\evil.example", 200),
        ("https://evil.example", 200),
    ):
        client.cookies.set("touchstone_next", target)
        assert client.get("/").status_code == back, target
        client.cookies.delete("touchstone_next")


def test_without_signing_in_nothing_is_asked_and_no_name_is_believed(plant):
    told = _client().get("/told", headers={USER_HEADER: "ada", "x-forwarded-user": "ada"})
    assert told.json() == {"acts": "", "header": []}
