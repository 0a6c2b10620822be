"""Workers that have imported everything already, so that a test waits for its job alone.

The launcher asks for a process `python -m core.worker LANE`; importing torch and timm there takes
longer than most jobs of the tests. Here one process imports them once and forks each worker, which
is then a process of its own with the same environment, folder and log. Browser tests and those of
the command line in a process of its own start workers as users do.
"""

import atexit
import contextlib
import importlib
import json
import logging
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parents[1]


class WarmWorkers:
    """Takes the place of `subprocess` in the launcher."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self) -> None:
        self._forks: subprocess.Popen[str] | None = None

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
        if self._forks is None:
            self._forks = subprocess.Popen(
                [sys.executable, "-m", "tests.warm_workers"],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                text=True,
                # Why: Ctrl+C must not reach a worker, as it does not reach real ones.
                start_new_session=True,
            )
        assert self._forks.stdin is not None
        order = {"lane": lane, "cwd": str(cwd), "env": dict(env), "log": stdout.name}
        self._forks.stdin.write(json.dumps(order) + "\n")
        self._forks.stdin.flush()

    def close(self) -> None:
        if self._forks is not None and self._forks.stdin is not None:
            self._forks.stdin.close()
            self._forks.wait()


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


def _serve() -> None:
    import core.worker

    for module in pkgutil.walk_packages(core.worker.__path__, "core.worker."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # The kernel buries what was forked.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            status = 1
            with contextlib.suppress(BaseException):
                _work(**json.loads(line))
                status = 0
            atexit._run_exitfuncs()
            os._exit(status)


if __name__ == "__main__":
    _serve()
