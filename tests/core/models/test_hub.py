"""Whether a network can be downloaded: asked in a process of its own, since the hub's client reads
its environment once."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
ASK = """
import sys
from pathlib import Path
from core.models.catalog import availability, find_network
for name in sys.argv[2:]:
    print(availability(find_network(name), Path(sys.argv[1])).name)
"""


@pytest.fixture
def hub():
    """A hub on this machine that has ResNet-18 and nothing else; remembers what it was asked."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_response(200 if "resnet18" in self.path else 404)
            self.send_header("ETag", '"1"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = asked
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def _ask(folder, *names, **environment):
    answer = subprocess.run(
        [sys.executable, "-c", ASK, folder, *names],
        env={**_without_proxies(), "HF_HOME": str(folder / "hub"), **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.split()


def _without_proxies():
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("HF_")
    }


def test_a_mirror_is_asked_for_each_network(hub, tmp_path):
    mirror = f"http://127.0.0.1:{hub.server_port}"
    answers = _ask(tmp_path, "resnet18", "resnet50", "resnet18", HF_ENDPOINT=mirror)
    assert answers == ["DOWNLOAD", "MISSING", "DOWNLOAD"]
    assert len(hub.asked) == 2  # the third answer was remembered


def test_the_proxy_of_the_environment_is_used(hub, tmp_path):
    # A name that no resolver knows: only the proxy can answer for it.
    proxy = f"http://127.0.0.1:{hub.server_port}"
    place = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": proxy, "http_proxy": proxy}
    assert _ask(tmp_path, "resnet18", **place) == ["DOWNLOAD"]
    assert hub.asked[0].startswith("http://hub.invalid/timm/resnet18")


def test_nobody_is_asked_offline(hub, tmp_path):
    mirror = f"http://127.0.0.1:{hub.server_port}"
    answers = _ask(tmp_path, "resnet18", HF_ENDPOINT=mirror, HF_HUB_OFFLINE="1")
    assert answers == ["MISSING"]
    assert hub.asked == []


def test_a_hub_that_cannot_be_reached_is_asked_once_for_all_networks(tmp_path):
    answers = _ask(tmp_path, "resnet18", "resnet50", HF_ENDPOINT="http://127.0.0.1:9")
    assert answers == ["MISSING", "MISSING"]
