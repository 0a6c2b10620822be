"""A running app and a real browser; tests skip with a reason where there is no Chromium."""

import contextlib
import os
import re
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
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.warm_apps import ForkedApp, WarmApps
from tests.warm_workers import WarmWorkers

Process = subprocess.Popen[bytes] | ForkedApp
Begin = Callable[["App", Path], Process]  # start the server of an app, with a file for its log
PROJECT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",  # a camera
    "--use-fake-ui-for-media-stream",
]

# Why: a busy machine needs longer than the usual five seconds, and no test is about that.
expect.set_options(timeout=30_000)


def run_streamlit(app: "App", log: Path) -> Process:
    """Start the app as a person does, in a process that imports everything."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(app.port)],
            cwd=PROJECT,
            env={**os.environ, "TOUCHSTONE_WORKSPACE": str(app.workspace)},
            stdout=output,
            stderr=output,
        )


@dataclass
class App:
    """A server process of the app with a workspace of its own."""

    workspace: Path
    port: int
    begin: "Begin" = run_streamlit
    process: "Process | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = self.workspace.parent / "app.log"
        self.process = self.begin(self, log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"the app did not start: {log.read_text()}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except (TimeoutError, subprocess.TimeoutExpired):  # a heatmap that nobody waits for
                self.kill()


def worker_pids(workspace: Path) -> list[int]:
    """The workers of a workspace that hold a lane or wait for one, however they were started."""
    locks = f"{workspace.resolve() / 'locks'}/worker-"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            files = [str(file.readlink()) for file in (process / "fd").iterdir()]
            if any(file.startswith(locks) for file in files) and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def end_workers(workspace: Path) -> None:
    """End the workers that a test left behind, which would slow down all that follow."""
    while pids := worker_pids(workspace):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


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


@pytest.fixture(scope="session")
def begin(warm_workers: WarmWorkers | None) -> Iterator[Begin]:
    """Starts a server that is there at once, as are the workers that it starts."""
    if warm_workers is None:
        yield run_streamlit
        return
    warm = WarmApps()
    yield lambda app, log: warm.start(app.workspace, app.port, log, warm_workers.address())
    warm.close()


@pytest.fixture(scope="session")
def port() -> int:
    """One for all servers, so that the browser knows their scripts."""
    return free_port()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, begin: Begin, port: int) -> Iterator[App]:
    yield from running(tmp_path_factory.mktemp("browser") / "workspace", port, begin)


def running(workspace: Path, port: int, begin: Begin) -> Iterator[App]:
    """An app of this workspace; nothing that it or a test has started outlives it."""
    app = App(workspace, port, begin)
    app.start()
    yield app
    app.stop()
    end_workers(workspace)


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests. Why: it keeps the scripts, which take longer than a page of ours."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A new tab, which finds nothing that an earlier one has kept but scripts."""
    context.clear_cookies()
    page = context.new_page()
    page.add_init_script("if (!window.name) { localStorage.clear(); window.name = 'known' }")
    remote: list[str] = []
    page.on("request", lambda r: remote.append(r.url) if is_remote(r.url) else None)
    yield page
    page.close()
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


def close_image(page: Page) -> None:
    """Close the large view, which goes back in the history: that would end an opening page."""
    page.keyboard.press("Escape")
    expect(page.locator("dialog.viewer")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("[?&]image="))


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
