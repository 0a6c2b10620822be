"""Servers of the app from a process that has imported everything already, as `warm_workers.py`.

Each is a process of its own, forked from one that has read Streamlit and the core, but no page and
nothing of a workspace. One browser test starts its server as users do.
"""

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.warm_workers import Orders

PROJECT = Path(__file__).resolve().parents[1]


class ForkedApp:
    """A running server, with what is used of a `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while it runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self, timeout: float = 20.0) -> None:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the app {self.pid} did not end")
            time.sleep(0.02)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class WarmApps:
    """Starts servers of the app; the workers that they start are ordered at `workers`."""

    def __init__(self) -> None:
        self._forks: subprocess.Popen[str] | None = None

    def start(self, workspace: Path, port: int, log: Path, workers: str) -> ForkedApp:
        if self._forks is None:
            self._forks = subprocess.Popen(
                [sys.executable, "-m", "tests.warm_apps"],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        environment = {**os.environ, "TOUCHSTONE_WORKSPACE": str(workspace)}
        order = {"port": port, "env": environment, "log": str(log), "workers": workers}
        self._forks.stdin.write(json.dumps(order) + "\n")
        self._forks.stdin.flush()
        return ForkedApp(int(self._forks.stdout.readline()))

    def close(self) -> None:
        if self._forks is not None and self._forks.stdin is not None:
            self._forks.stdin.close()
            self._forks.wait()


def _run(port: int, env: dict[str, str], log: str, workers: str) -> None:
    from streamlit.web import cli

    from core.worker import launcher

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(env)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    launcher.subprocess = Orders(workers)  # type: ignore[assignment]
    cli.main(["run", "app.py", "--server.port", str(port)], prog_name="streamlit")


def _serve() -> None:
    import core.workflows

    for module in pkgutil.walk_packages(core.workflows.__path__, "core.workflows."):
        importlib.import_module(module.name)
    for name in ("streamlit.web.cli", "streamlit.web.bootstrap", "uvicorn", "plotly.graph_objects"):
        importlib.import_module(name)
    # The kernel buries what was forked.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                _run(**json.loads(line))
            atexit._run_exitfuncs()
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    _serve()
