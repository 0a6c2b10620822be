"""Starting the web server from any folder, with the app's own settings."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import core
from core.administration import limits_of
from core.workspace import ROOT_VARIABLE, Workspace

# The repository, or the package folder of an installed wheel: both hold app.py, pages and core.
PROJECT = Path(core.__file__).resolve().parents[1]
ALLOWED_HOSTS_VARIABLE = "STREAMLIT_SERVER_ALLOWED_HOSTS"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def serve(workspace: Workspace, host: str, port: int, allowed_hosts: Sequence[str]) -> NoReturn:
    """Become the web server of a workspace; never returns.

    Args:
        workspace: shown by the app.
        host: address to listen on.
        port: TCP port.
        allowed_hosts: names, besides those of this machine and those in
            `STREAMLIT_SERVER_ALLOWED_HOSTS`, under which browsers may ask.
    """
    environment = server_environment(workspace, os.environ)
    command = server_command(host, port, [*allowed_hosts, *_hosts_of_environment(os.environ)])
    largest = limits_of(workspace.root).file_upload_mb
    command += ["--server.maxUploadSize", str(largest)]
    if workspace.sign_in_secrets.is_file():
        command += ["--secrets.files", str(workspace.sign_in_secrets)]
    if sys.platform == "win32":
        # Why: there, exec starts a second process and splits paths at blanks.
        sys.exit(subprocess.call(command, env=environment))
    os.execve(sys.executable, command, environment)


def server_command(host: str, port: int, allowed_hosts: Sequence[str]) -> list[str]:
    """The command of the server.

    Streamlit reads `.streamlit/config.toml` beside the script wherever it is started, and lets it
    win over those of the user and of the current folder. `-P` keeps the current folder off the
    search path, where a file called `core.py` would take the place of our package.
    """
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(PROJECT / "app.py")]
    command += ["--server.address", host, "--server.port", str(port)]
    for name in dict.fromkeys((*_THIS_MACHINE, host, *allowed_hosts)):
        command += ["--server.allowedHosts", name]
    return command


def server_environment(workspace: Workspace, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the server and its helpers inherit: the workspace, and our modules before all others."""
    search_path = [str(PROJECT)]
    search_path += [p for p in inherited.get("PYTHONPATH", "").split(os.pathsep) if p]
    return {
        **inherited,
        ROOT_VARIABLE: str(workspace.root),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(search_path)),
    }


def _hosts_of_environment(environment: Mapping[str, str]) -> list[str]:
    return environment.get(ALLOWED_HOSTS_VARIABLE, "").replace(",", " ").split()
