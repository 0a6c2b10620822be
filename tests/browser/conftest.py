"""A running app and a real browser; tests skip with a reason where there is no Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, Playwright, expect

PROJECT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# Why: a busy machine needs longer than the usual five seconds, and no test is about that.
expect.set_options(timeout=30_000)


@dataclass
class App:
    """A server process of the app with a workspace of its own."""

    workspace: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {**os.environ, "TOUCHSTONE_WORKSPACE": str(self.workspace)}
        log = (self.workspace.parent / "app.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"the app did not start: {log.name}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)


def worker_pids(workspace: Path) -> list[int]:
    """The workers of a workspace, found by their command line and environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        place = f"TOUCHSTONE_WORKSPACE={workspace}".encode()
        if b"core.worker" in command and place in environment:
            found.append(int(process.name))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium where it is, else Playwright's own."""
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        return playwright.chromium.launch(executable_path=system, args=FLAGS)
    except Exception as err:
        pytest.skip(f"no Chromium can be started ({type(err).__name__}): install chromium")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("browser") / "workspace", free_port())
    app.start()
    yield app
    app.stop()
    for pid in worker_pids(app.workspace):  # a training that a failed test left behind
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    remote: list[str] = []
    page.on("request", lambda r: remote.append(r.url) if is_remote(r.url) else None)
    yield page
    context.close()
    assert not remote, f"the app asked the internet for {remote}"


def is_remote(url: str) -> bool:
    return url.startswith(("http", "ws")) and "127.0.0.1" not in url


def settled(page: Page) -> Page:
    """Wait until the page's script has run."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    return page


def open_page(page: Page, app: App, path: str = "") -> Page:
    page.goto(f"{app.url}/{path}")
    page.wait_for_selector(".st-key-doors a")
    return settled(page)


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def becomes(found: Callable[[], object], expected: object, seconds: float = 30) -> None:
    """Wait until a value that the page computes is the expected one."""
    deadline = time.monotonic() + seconds
    while found() != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found() == expected


def drawn(page: Page, selector: str) -> None:
    """Wait until our own chart at this place has been drawn."""
    page.wait_for_function("place => document.querySelector(place)?.data?.length", arg=selector)


def click(page: Page, key: str) -> None:
    """Click the button of this widget key."""
    page.locator(f".st-key-{key} button").first.click()


def show_test_results(page: Page, purpose: str = "Understand the errors") -> None:
    """Ask for test results that nobody has viewed, with a purpose, as a person does."""
    click(page, "ask_test")
    give_purpose(page, "show_test", purpose)


def give_purpose(page: Page, key: str, purpose: str) -> None:
    """Write a purpose into the form of this key and send it."""
    field = page.locator(f".st-key-purpose_{key} input")
    field.fill(purpose)
    page.keyboard.press("Enter")
    settled(page)
    click(page, key)
