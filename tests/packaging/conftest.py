"""The wheel, installed beside a stranger that has modules of the same names, and its server."""

import http.client
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.conftest import free_port
from tests.conftest import write_class_folders

PROJECT = Path(__file__).resolve().parents[2]
TRAP = 'raise ImportError("a module of somebody else was imported")\n'
FOREIGN_SETTINGS = """
[browser]
gatherUsageStats = true
[client]
toolbarMode = "developer"
[server]
address = "0.0.0.0"
[theme.light]
primaryColor = "#ff00ff"
backgroundColor = "#ff00ff"
"""
STRANGER = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "stranger"
version = "1"
[tool.hatch.build.targets.wheel]
include = ["core", "pages", "app.py"]
"""


@dataclass(frozen=True)
class Installed:
    """A fresh environment with the wheel in it, and a folder of somebody else to start from."""

    environment: Path
    site_packages: Path
    elsewhere: Path

    def command(self, *arguments: object) -> list[str]:
        return [str(_program(self.environment, "touchstone")), *map(str, arguments)]


@dataclass
class Server:
    """`touchstone ui` of the wheel, on a port of its own."""

    workspace: Path
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str, *, host: str = "127.0.0.1", **headers: str) -> int:
        """What the server answers to a request for this path under this host name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Host": host, **headers})
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    return _build(PROJECT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("installed")
    stranger = root / "stranger"
    _write_traps(stranger)
    (stranger / "pyproject.toml").write_text(STRANGER)
    elsewhere = root / "some folder"
    _write_traps(elsewhere)
    (elsewhere / ".streamlit").mkdir()
    (elsewhere / ".streamlit" / "config.toml").write_text(FOREIGN_SETTINGS)

    environment = root / "environment"
    venv.create(environment, with_pip=False)
    site_packages = next(environment.glob("[Ll]ib/**/site-packages"))
    # What is installed already serves as the dependencies. Files of paths found there are not
    # followed, so an editable installation of this repository stays out.
    existing = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site_packages / "dependencies.pth").write_text("\n".join(existing) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", _program(environment, "python")]
    wheels = [_build(stranger, root / "dist"), wheel]
    # Why ignore: this repository may be installed among the dependencies, in the same version.
    options = ["--quiet", "--no-index", "--no-deps", "--ignore-installed"]
    subprocess.run([*pip, "install", *options, *wheels], check=True)
    return Installed(environment, site_packages, elsewhere)


@pytest.fixture(scope="session")
def server(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Started from a folder of somebody else, with one dataset imported by the wheel's worker."""
    root = tmp_path_factory.mktemp("served")
    server = Server(root / "workspace", free_port(), root / "server.log")
    environment = {**os.environ, "STREAMLIT_SERVER_ALLOWED_HOSTS": "line1.plant *.lan"}
    environment.pop("PYTHONPATH", None)
    images = write_class_folders(root / "images")
    options = ("--workspace", server.workspace)
    command = installed.command("import", images, "--name", "Parts", "--json", *options)
    place = {"cwd": installed.elsewhere, "env": environment}
    answer = subprocess.run(command, **place, check=True, capture_output=True)
    assert json.loads(answer.stdout)["samples"] == 18
    command = installed.command("ui", "--port", server.port, *options)
    command += ["--allow-host", "camera.plant"]
    with server.log.open("ab") as log:
        process = subprocess.Popen(command, **place, stdout=log, stderr=log)
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)


def _build(project: Path, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", into]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = into.glob("*.whl")
    return wheel


def _program(environment: Path, name: str) -> Path:
    return environment / ("Scripts" if sys.platform == "win32" else "bin") / name


def _write_traps(folder: Path) -> None:
    for package in ("core", "pages"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text(TRAP)
    (folder / "app.py").write_text(TRAP)


def _wait_for(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.status("/_stcore/health") == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the app did not start:\n{server.log.read_text()}")
