"""Workers that have imported everything already, so that a test waits for its job alone.

The launcher asks for a process `python -m core.worker LANE`; importing torch and timm there takes
longer than most jobs of the tests. Here one process imports them once and forks each worker, which
is then a process of its own with the same environment, folder and log. One browser test and those
of the command line in a process of its own start workers as users do.
"""

import atexit
import contextlib
import importlib
import json
import logging
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PROJECT = Path(__file__).resolve().parents[1]
LONGEST_ORDER = 1 << 18
END = b"end"


class WarmWorkers:
    """Takes the place of `subprocess` in the launcher."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self) -> None:
        self._forks: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="touchstone-forks-")

    def address(self) -> str:
        """Where orders are taken; an app that a test starts in another process orders there too."""
        place = f"{self._folder.name}/orders"
        if self._forks is None:
            # Why bound here: what is ordered while the other process still imports is not lost.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
                orders.bind(place)
                self._forks = subprocess.Popen(
                    [sys.executable, "-m", "tests.warm_workers", str(orders.fileno())],
                    cwd=PROJECT,
                    stdin=subprocess.PIPE,
                    pass_fds=[orders.fileno()],
                    # Why: Ctrl+C must not reach a worker, as it does not reach real ones.
                    start_new_session=True,
                )
        return place

    def Popen(self, command: Sequence[str], **options: Any) -> None:
        """As `subprocess.Popen`, for the one command of the launcher."""
        Orders(self.address()).Popen(command, **options)

    def end_all(self) -> None:
        """End the workers that still run."""
        if self._forks is not None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
                orders.sendto(END, self.address())

    def close(self) -> None:
        if self._forks is not None and self._forks.stdin is not None:
            self._forks.stdin.close()
            self._forks.wait()
        self._folder.cleanup()


class Orders:
    """Takes the place of `subprocess` in the launcher of another process."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, address: str) -> None:
        self._address = address

    def Popen(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        **_: object,
    ) -> None:
        """As `subprocess.Popen`, for the one command of the launcher."""
        _, _, module, lane = command
        assert module == "core.worker"
        order = {"lane": lane, "cwd": str(cwd), "env": dict(env), "log": stdout.name}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as orders:
            orders.sendto(json.dumps(order).encode(), self._address)


def _work(lane: str, cwd: str, env: dict[str, str], log: str) -> None:
    from core.worker.__main__ import main

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main(lane)


def _serve(orders: socket.socket) -> None:
    import core.worker

    for module in pkgutil.walk_packages(core.worker.__path__, "core.worker."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # What jobs import when they need it.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    for name in (
        "openvino",
        "sklearn.model_selection",
        "sklearn.metrics",
        "scipy.stats",
        "scipy.optimize",
    ):
        importlib.import_module(name)
    # The kernel buries what was forked.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    workers: list[int] = []
    while sys.stdin not in select.select([orders, sys.stdin], [], [])[0]:
        order = orders.recv(LONGEST_ORDER)
        if order == END:
            _end(workers)
            continue
        workers.append(os.fork())
        if workers[-1] == 0:
            orders.close()
            status = 1
            with contextlib.suppress(BaseException):
                _work(**json.loads(order))
                status = 0
            atexit._run_exitfuncs()
            os._exit(status)
    _end(workers)


def _end(workers: list[int]) -> None:
    """End those that still run, with the processes that help them."""
    for worker in workers:
        with contextlib.suppress(OSError):  # ended, or no Linux
            # Why the parent: a process of somebody else may have got the number meanwhile.
            state = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
            if int(state[1]) == os.getpid():
                os.killpg(worker, signal.SIGKILL)
    workers.clear()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
