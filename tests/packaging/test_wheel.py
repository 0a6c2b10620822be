"""The front door: what the wheel installs, and that it opens from any folder."""

import fnmatch
import json
import subprocess
import zipfile

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages.ui.places import Place
from tests.browser.conftest import is_remote, settled

PACKAGE = "touchstone_vision"


PAGES = [place.url_path for place in Place]


def _background(page, test_id):
    colour = "element => getComputedStyle(element).backgroundColor"
    return page.locator(f"[data-testid='{test_id}']").evaluate(colour)


def _client_settings(frames):
    """What Streamlit's server told the browser to do, in the first message of a session."""
    messages = [ForwardMsg.FromString(frame) for frame in frames if isinstance(frame, bytes)]
    return next(m.new_session.config for m in messages if m.HasField("new_session"))


def test_the_wheel_installs_one_top_level_name(wheel):
    # Modules called core and pages, at the top level, overwrite those of other distributions.
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {PACKAGE}


def test_the_wheel_holds_what_the_app_reads_and_nothing_of_its_making(wheel):
    names = {name.removeprefix(f"{PACKAGE}/") for name in zipfile.ZipFile(wheel).namelist()}
    assert {"app.py", "pages/frame.py", "core/worker/__main__.py"} <= names
    assert ".streamlit/config.toml" in names
    for template in ("core/reporting/templates/*.html", "core/reporting/templates/*.css"):
        assert fnmatch.filter(names, template), template
    for ending in ("js", "css", "svg"):
        assert fnmatch.filter(names, f"pages/ui/assets/*.{ending}"), ending
    assert not [n for n in names if n.startswith(("tests", "benchmarks", "docs")) or ".pyc" in n]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/THIRD_PARTY.md") for name in names)


def test_the_command_finds_its_own_modules_beside_a_stranger_with_the_same_names(
    installed, tmp_path
):
    assert (installed.site_packages / "core" / "__init__.py").is_file()  # the stranger's
    command = installed.command("datasets", "--json", "--workspace", tmp_path)
    answer = subprocess.check_output(command, cwd=installed.elsewhere, text=True)
    assert json.loads(answer) == {"datasets": []}


def test_every_page_is_served(server, installed):
    pages = PAGES
    assert len(pages) > 10
    assert {server.status(f"/{page}") for page in pages if page != "home"} == {200}
    assert (server.status("/"), server.status("/home")) == (200, 307)


ROUTES = (
    "/",
    "/quality",
    "/_stcore/health",
    "/_stcore/host-config",
    "/vendor/plotly.min.js",
    "/vendor/plotly-small.min.js",
    "/pictures/1/thumbnail",
    "/pictures/1/full",
    "/model-files/x",
    "/reports/x.html",
)


@pytest.mark.parametrize("path", ROUTES)
def test_a_foreign_host_name_is_refused_on_every_route(server, path):
    assert server.status(path) in (200, 404)
    assert server.status(path, host="evil.example") == 403


def test_a_foreign_host_name_is_refused_on_the_live_connection(server):
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    host = server.url.removeprefix("http://")
    origin = {"Origin": server.url}
    assert server.status("/_stcore/stream", host=host, **headers, **origin) == 101
    assert server.status("/_stcore/stream", host="evil.example", **headers) == 403


def test_names_from_the_option_and_from_the_environment_are_allowed(server):
    for host in ("localhost", "camera.plant", "line1.plant", "a.lan"):
        assert server.status("/", host=host) == 200, host


def test_pages_open_in_a_browser_with_our_look_and_asks_nobody_else(server, browser):
    page = browser.new_page(color_scheme="light")
    page.set_default_timeout(30_000)
    remote, broken, frames = [], [], []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda f: frames.append(f)))
    page.on("request", lambda r: remote.append(r.url) if is_remote(r.url) else None)
    page.on("pageerror", lambda err: broken.append(str(err)))
    page.goto(server.url)
    settled(page)
    for address in PAGES[::4]:  # that all are served is tested without a browser
        page.goto(f"{server.url}/{address}")
        settled(page)
        assert " · Touchstone" in page.title()
        assert not page.locator("[data-testid='stException']").count(), address
        assert not page.get_by_text("Something went wrong").count(), address
        assert not page.get_by_text("Page not found").count(), address
    assert _background(page, "stApp") == "rgb(252, 252, 251)"
    assert _background(page, "stSidebar") == "rgb(23, 32, 30)"
    assert not page.locator("[data-testid='stAppDeployButton']").count()
    assert not page.locator("[data-testid='stMainMenu']").count()
    page.close()
    assert not broken
    assert not remote
    settings = _client_settings(frames)
    assert not settings.gather_usage_stats
    assert settings.toolbar_mode == settings.MINIMAL
