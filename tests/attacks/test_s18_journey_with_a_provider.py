"""S18: the worked example of docs/people.md, with a small provider of OpenID Connect of our own."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
import tomllib
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

pytest.importorskip("authlib", reason="the extra 'auth' is not installed")
import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_socket

from core.administration import FILE
from core.domain.keeping.people import PROGRAM, Role, acting_as
from core.domain.record import RecordedAction
from core.workflows.keeping import people, record
from core.workflows.keeping.backup import back_up as make_backup
from tests.browser.conftest import App, free_port

PAGE = {"accept": "text/html"}
KIM = "kim@plant.example"


class Provider(BaseHTTPRequestHandler):
    """Signs everybody in as Kim at once."""

    key = RSAKey.generate_key(2048, parameters={"kid": "1"})
    nonces: dict[str, str] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        if path == "/authorize":
            code = secrets.token_hex(8)
            self.nonces[code] = query["nonce"][0]
            back = urlencode({"code": code, "state": query["state"][0]})
            self.send_response(302)
            self.send_header("location", f"{query['redirect_uri'][0]}?{back}")
            self.end_headers()
        elif path == "/keys":
            self._json({"keys": [self.key.as_dict(private=False)]})
        else:
            self._json(
                {
                    "issuer": here,
                    "authorization_endpoint": f"{here}/authorize",
                    "token_endpoint": f"{here}/token",
                    "jwks_uri": f"{here}/keys",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        code = parse_qs(self.rfile.read(length).decode())["code"][0]
        now = int(time.time())
        claims = {
            "iss": f"http://127.0.0.1:{self.server.server_address[1]}",
            "aud": "touchstone",
            "sub": "1",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonces.pop(code),
            "email": KIM,
            "email_verified": True,
        }
        token = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
        self._json({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def _json(self, answer: object) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _run_ui(app, log):
    command = [sys.executable, "-m", "core.cli", "ui", "--port", str(app.port)]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, "--workspace", str(app.workspace)],
            env=dict(os.environ),
            stdout=output,
            stderr=output,
        )


@pytest.fixture
def plant(workspace):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    app = App(workspace.root, free_port(), _run_ui)
    (workspace.root / FILE).write_text('[auth]\nmode = "oidc"\n')
    provider = f"http://127.0.0.1:{server.server_address[1]}/.well-known/openid-configuration"
    workspace.sign_in_secrets.write_text(
        "\n".join(
            [
                "[auth]",
                f'redirect_uri = "{app.url}/oauth2callback"',
                f'cookie_secret = "{secrets.token_hex(32)}"',
                'client_id = "touchstone"',
                'client_secret = "secret"',
                f'server_metadata_url = "{provider}"',
            ]
        )
    )
    app.start()
    yield app, workspace
    app.stop()
    server.shutdown()


def _page_says(socket, words):
    """Run the page, and wait until it says something."""
    run = BackMsg(rerun_script=ClientState(query_string="", page_script_hash=""))
    socket.send(run.SerializeToString())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = ForwardMsg()
        message.ParseFromString(socket.recv(timeout=30))
        if words in str(message):
            return True
        if message.WhichOneof("type") == "script_finished" and message.script_finished == 0:
            return False
    return False


def test_somebody_signs_in_works_and_is_shut_out(plant):
    app, workspace = plant
    stream = f"ws://127.0.0.1:{app.port}/_stcore/stream"
    with httpx.Client(base_url=app.url) as client:
        asked = client.get("/plan?rate=1", headers=PAGE)
        assert (asked.status_code, "/sign-in?next=%2Fplan%3Frate%3D1" in asked.text) == (401, True)
        with pytest.raises(InvalidStatus, match="403"):
            open_socket(stream, origin=app.url)

        # At the provider there is nobody in between; the account is missing here.
        answer = client.get("/sign-in?next=/plan", follow_redirects=True, headers=PAGE)
        assert (answer.status_code, f"'{KIM}' has no account" in unescape(answer.text)) == (
            403,
            True,
        )
        with acting_as(PROGRAM):
            people.add_user(workspace, KIM, Role.ENGINEER)
        answer = client.get("/", follow_redirects=True, headers=PAGE)
        assert (answer.status_code, answer.url.path) == (200, "/plan")

        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        with open_socket(stream, origin=app.url, additional_headers={"Cookie": cookies}) as socket:
            assert _page_says(socket, "Engineer")
            with acting_as(PROGRAM):
                people.set_disabled(workspace, KIM, disabled=True)
            assert _page_says(socket, "is disabled")
        assert client.get("/plan", headers=PAGE).status_code == 403
        client.get("/auth/logout")
        assert client.get("/plan", headers=PAGE).status_code == 401
    # S21: what opens the app stands in no log and in no backup.
    with acting_as(PROGRAM):
        make_backup(workspace, workspace.root.parent / "backups")
    logs = [*workspace.logs.rglob("*"), workspace.root.parent / "app.log"]
    written = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
    secret = tomllib.loads(workspace.sign_in_secrets.read_text())["auth"]["cookie_secret"]
    for hidden in (secret, *cookies.split("; "), "Bearer"):
        assert hidden not in written
    backed_up = {path.name for path in (workspace.root.parent / "backups").rglob("*")}
    assert FILE in backed_up
    assert workspace.sign_in_secrets.name not in backed_up
    with acting_as(PROGRAM):
        rows, _ = record.entries(workspace)
    assert {row.action for row in rows if row.name == KIM} >= {
        RecordedAction.ENTRY_REFUSED,
        RecordedAction.SIGNED_IN,
        RecordedAction.USER_DISABLED,
    }
