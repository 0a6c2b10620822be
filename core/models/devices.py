"""The devices of this machine, listed without importing torch."""

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from core.domain.configs.choices import Recipe


@dataclass(frozen=True)
class Device:
    """A place to compute: its name in torch, and in words."""

    name: str
    title: str


CPU = Device("cpu", "CPU")


@cache
def find_devices() -> tuple[Device, ...]:
    """Devices of this machine, the best first; the CPU is always among them."""
    return (*_nvidia(), *_apple(), CPU)


def default_recipe() -> Recipe:
    """Full if there is a GPU, else quick."""
    return Recipe.QUICK if find_devices()[0] is CPU else Recipe.FULL


def _nvidia() -> list[Device]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        answer = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (subprocess.SubprocessError, OSError):
        return []
    lines = [line for line in answer.stdout.splitlines() if "," in line]
    return [Device(f"cuda:{i}", line.replace(", ", " · ")) for i, line in enumerate(lines)]


def _apple() -> list[Device]:
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return [Device("mps", "Apple GPU")]
    return []
