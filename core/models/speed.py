"""How fast networks are on this machine: measured once, then kept."""

import json
import os
import platform
import time
from pathlib import Path

from core.models.catalog import Network

_FILE = "speeds.json"
_ROUNDS = 5


def known_speeds(weights_folder: Path) -> dict[str, float]:
    """Network -> milliseconds per image, of those that were measured on this machine."""
    return {name: float(ms) for name, ms in _read(weights_folder).get(_machine(), {}).items()}


def measure_speed(network: Network, weights_folder: Path) -> float:
    """Milliseconds for one image at the network's own size on the CPU; kept. Imports torch.

    In plain PyTorch, the best of five; a model in the fast runtime takes less.
    """
    import timm
    import torch

    model = timm.create_model(network.name, pretrained=False, num_classes=2).eval()
    image = torch.rand(1, 3, network.image_size_px, network.image_size_px)
    times = []
    with torch.inference_mode():
        for _ in range(1 + _ROUNDS):
            start = time.perf_counter()
            model(image)
            times.append(time.perf_counter() - start)
    best = round(1000 * min(times[1:]), 1)
    every = _read(weights_folder)
    every.setdefault(_machine(), {})[network.name] = best
    weights_folder.mkdir(parents=True, exist_ok=True)
    part = weights_folder / f"{_FILE}.part"
    part.write_text(json.dumps(every, indent=1, sort_keys=True), encoding="utf-8")
    part.replace(weights_folder / _FILE)
    return best


def _machine() -> str:
    return f"{platform.node()} {platform.machine()} {os.cpu_count()} cores"


def _read(weights_folder: Path) -> dict[str, dict[str, float]]:
    try:
        content = json.loads((weights_folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
